"""Check 2: sync. judging.progress decides; here are its words, its alert and what it remembers."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import LogReading, Missing
from monitor_tick.judging import amounts
from monitor_tick.judging.evidence import lag_evidence, start_kind
from monitor_tick.judging.progress import (
    Progress,
    is_a_little_late,
    needs_second_info,
    progress_of,
    second_look,
    stuck_for,
)
from monitor_tick.memory import LastLedger, Section, SyncState
from monitor_tick.phase import deadline_of
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

__all__ = ["KEY", "LABEL", "judge", "needs_second_info"]

LABEL = "sync"
KEY = "sync:failure"

LEVELS = {
    Progress.SYNCED: Level.OK,
    Progress.LATE: Level.WARNING,
    Progress.STUCK: Level.WARNING,
    Progress.CATCHING_UP: Level.OK,
    Progress.FAILURE: Level.ACTION,
}
"""A sync failure is never a mere warning: the validator does not do its work."""

ALARMING = (Progress.FAILURE, Progress.STUCK)


def judge(view: View) -> Verdict:
    if isinstance(view.facts.process, Missing):
        remember: tuple[Section, ...] = () if view.phase.early else (SyncState(),)
        return Verdict(label=LABEL, lines=(f"N/A ({view.facts.process.reason})",), remember=remember)
    progress, stuck = progress_of(view), stuck_for(view)
    stuck_ticks = _stuck_ticks(view, stuck)
    return Verdict(
        label=LABEL,
        lines=(_line(view, progress, stuck),),
        level=LEVELS[progress],
        alerts=_alerts(view, progress, stuck, stuck_ticks),
        remember=_remember(view, progress, stuck_ticks),
    )


def beside(verdict: Verdict, alerts: tuple[Alert, ...]) -> Verdict:
    """The sync line with the metric alerts of tier SYNC below it: they are evidence about the same thing."""
    names = [alert.cooldown_key for alert in alerts if alert.tier is Tier.SYNC]
    if not names:
        return verdict
    return msgspec.structs.replace(verdict, lines=(*verdict.lines, f"metrics: {','.join(names)}"))


def _stuck_ticks(view: View, stuck: timedelta | None) -> int:
    before = view.memory.state.sync.stuck_ticks if view.memory.state.sync else 0
    if view.phase.early:
        return before
    return before + 1 if stuck is not None else 0


def _kind_before(view: View) -> str:
    """Of the outage that goes on: it is one, however long, and the terms of a crash recovery end two hours after it."""
    before = view.memory.state.sync
    return before.kind if before is not None and not view.phase.restarted else ""


def _remember(view: View, progress: Progress, stuck_ticks: int) -> tuple[Section, ...]:
    """last_ledger follows the ledger, whatever the tick; the rest counts full ticks."""
    ledger, last = view.standing.ledger, view.memory.last_ledger
    sections: list[Section] = []
    if ledger is not None and (last is None or last.ledger != ledger):
        sections.append(LastLedger(ledger, view.facts.at))
    if not view.phase.early:
        kind = _kind_before(view) or (start_kind(view.phase) if progress in ALARMING else "")
        kept = "" if progress is Progress.SYNCED else kind
        sections.append(SyncState(stuck_ticks=stuck_ticks, late=is_a_little_late(view), kind=kept))
    return tuple(sections)


def _line(view: View, progress: Progress, stuck: timedelta | None) -> str:
    standing, phase = view.standing, view.phase
    gap, age, uptime = amounts.known(standing.gap), amounts.known(standing.age_seconds), amounts.minutes(phase.uptime)
    if progress is Progress.CATCHING_UP:
        return f"CATCHING UP (gap={gap}, uptime={uptime}, deadline={amounts.deadline(phase.deadline)})"
    if progress is Progress.FAILURE:
        return f"SYNC FAILURE (gap={gap}, age={age}s, uptime={uptime})"
    if progress is Progress.STUCK:
        return f"STUCK at L{amounts.known(standing.ledger)} for {amounts.minutes(stuck)}"
    if progress is Progress.LATE:
        return f"late, not confirmed (gap={gap}, age={age}s)"
    second = second_look(view)
    return "synced" if standing.in_real_time or second is None else f"synced (age={second.age_seconds}s, was {age}s)"


def _alerts(view: View, progress: Progress, stuck: timedelta | None, stuck_ticks: int) -> tuple[Alert, ...]:
    if progress not in ALARMING:
        return ()
    kind = _kind_before(view) or start_kind(view.phase)
    failed = progress is Progress.FAILURE
    trail = view.facts.log.catchup_trail if isinstance(view.facts.log, LogReading) else ()
    deadline = amounts.deadline(deadline_of(kind, view.rules.limits))
    title = f"SYNC FAILURE: not in real-time sync after {deadline} ({kind})"
    alert = Alert(
        key=KEY,
        scope=kind,
        title=title if failed else "STUCK: no ledger progress",
        tier=Tier.SYNC if failed else Tier.WARN,
        urgent=failed or stuck_ticks > 1,
        cause=_line(view, progress, stuck),
        evidence=lag_evidence(view, stuck),
        diagnosis="\n".join(trail),
    )
    return (alert,)
