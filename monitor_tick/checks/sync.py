"""Check 2: is the node in real-time sync, on its way there, past its deadline, or stuck."""

from __future__ import annotations

import enum
from datetime import timedelta

from monitor_tick import amounts
from monitor_tick.evidence import lag_evidence, start_kind
from monitor_tick.facts import LogReading, Missing, NodeInfo
from monitor_tick.memory import LastLedger, Section, SyncState
from monitor_tick.verdict import Alert, Level, Tier, Verdict
from monitor_tick.view import View

LABEL = "sync"
KEY = "sync:failure"


class Progress(enum.Enum):
    SYNCED = "synced"
    LATE = "late"
    STUCK = "stuck"
    CATCHING_UP = "catching up"
    FAILURE = "failure"


LEVELS = {
    Progress.SYNCED: Level.OK,
    Progress.LATE: Level.WARNING,
    Progress.STUCK: Level.WARNING,
    Progress.CATCHING_UP: Level.OK,
    Progress.FAILURE: Level.ACTION,
}
"""A sync failure is never a mere warning: the validator does not do its work."""


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
        remember=_remember(view, stuck_ticks),
    )


def progress_of(view: View) -> Progress:
    """SYNC FAILURE beats CATCHING UP beats STUCK, except where progress or the deadline excuses the node."""
    if not view.standing.in_real_time:
        if catching_up(view):
            return Progress.CATCHING_UP
        if _is_confirmed(view):
            return Progress.FAILURE
    if stuck_for(view) is not None:
        return Progress.STUCK
    return Progress.SYNCED if view.standing.in_real_time or _second_look_is_fine(view) else Progress.LATE


def catching_up(view: View) -> bool:
    """Not in sync and excused: within its deadline, or recovering from a crash and gaining on the network."""
    phase, limits = view.phase, view.rules.limits
    if view.standing.in_real_time or phase.unsynced_for is None:
        return False
    gaining = phase.crash_recovery and phase.advanced is not None and phase.advanced >= limits.progress_ledgers
    return gaining or phase.unsynced_for <= phase.deadline


def needs_second_info(view: View) -> bool:
    """True where only a second /info can tell a slow close from a node that lags."""
    return (
        not isinstance(view.facts.process, Missing)
        and _is_a_little_late(view)
        and not catching_up(view)
        and not _was_late(view)
    )


def stuck_for(view: View) -> timedelta | None:
    """How long the ledger has stood still, where that is too long; a young process has not had its chance yet."""
    last, uptime = view.memory.last_ledger, view.phase.uptime
    limit = timedelta(seconds=view.rules.limits.stuck_seconds)
    if last is None or uptime is None or last.ledger != view.standing.ledger:
        return None
    still = view.facts.at - last.since
    return still if still > limit and uptime > limit else None


def _is_a_little_late(view: View) -> bool:
    """An age that a slow close explains as well as a lag, with no gap to decide it."""
    age, gap, limits = view.standing.age_seconds, view.standing.gap, view.rules.limits
    if age is None or (gap is not None and gap > limits.evidence_gap):
        return False
    return limits.real_time_age_seconds < age <= limits.confirm_age_seconds


def _was_late(view: View) -> bool:
    return view.memory.state.sync is not None and view.memory.state.sync.late


def _second_look(view: View) -> NodeInfo | None:
    info = view.facts.second.info if view.facts.second else None
    return info if isinstance(info, NodeInfo) else None


def _second_look_is_fine(view: View) -> bool:
    info = _second_look(view)
    return info is not None and info.age_seconds is not None and info.age_seconds <= _real_time(view)


def _is_confirmed(view: View) -> bool:
    if not _is_a_little_late(view) or _was_late(view):
        return True
    return _second_look(view) is not None and not _second_look_is_fine(view)


def _real_time(view: View) -> int:
    return view.rules.limits.real_time_age_seconds


def _stuck_ticks(view: View, stuck: timedelta | None) -> int:
    before = view.memory.state.sync.stuck_ticks if view.memory.state.sync else 0
    if view.phase.early:
        return before
    return before + 1 if stuck is not None else 0


def _remember(view: View, stuck_ticks: int) -> tuple[Section, ...]:
    """last_ledger follows the ledger, whatever the tick; the rest counts full ticks."""
    ledger, last = view.standing.ledger, view.memory.last_ledger
    sections: list[Section] = []
    if ledger is not None and (last is None or last.ledger != ledger):
        sections.append(LastLedger(ledger, view.facts.at))
    if not view.phase.early:
        sections.append(SyncState(stuck_ticks=stuck_ticks, late=_is_a_little_late(view)))
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
    second = _second_look(view)
    return "synced" if standing.in_real_time or second is None else f"synced (age={second.age_seconds}s, was {age}s)"


def _alerts(view: View, progress: Progress, stuck: timedelta | None, stuck_ticks: int) -> tuple[Alert, ...]:
    if progress not in (Progress.FAILURE, Progress.STUCK):
        return ()
    kind = start_kind(view.phase)
    failed = progress is Progress.FAILURE
    trail = view.facts.log.catchup_trail if isinstance(view.facts.log, LogReading) else ()
    title = f"SYNC FAILURE: not in real-time sync after {amounts.deadline(view.phase.deadline)} ({kind})"
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
