"""self_reflect: what this tick found wrong with the monitor itself, computed and never guessed.

It is judged after every other check and suppresses none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from monitor_tick.alert import Tier
from monitor_tick.issues.ledger import Intent
from monitor_tick.judging.cooldown import cooling_of
from monitor_tick.judging.own_faults import alert_of
from monitor_tick.memory import FiringState, UrgentState
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "self_reflect"
MOST_FAULTS = 30
LONGEST_FAULT = 300
"""Characters; the line goes into tick history, whose readers look at its last 256 KB."""


def reflect(view: View, verdicts: Sequence[Verdict]) -> Verdict:
    """The faults of the monitor that this tick can see: its files, its timing, its rules, its contradictions."""
    firing = _firing(view, verdicts)
    faults = (
        *(fault for verdict in verdicts for fault in verdict.reflections),
        *_damage(view),
        *_timing(view),
        *_contradictions(view, verdicts),
        *_stuck(view, firing),
        *_queue(view),
    )
    faults = tuple(fault[:LONGEST_FAULT] for fault in faults[:MOST_FAULTS])
    return Verdict(
        label=LABEL,
        lines=("; ".join(faults) or "clean",),
        level=Level.WARNING if faults else Level.OK,
        alerts=tuple(alert_of(fault) for fault in faults),
        remember=() if view.phase.early else (FiringState(since=firing), _urgent(view, verdicts)),
        reflections=faults,
    )


def noted(verdicts: Sequence[Verdict], fault: str) -> tuple[Verdict, ...]:
    """`verdicts` with a fault that showed only after the judgement, in writing it down."""
    if not fault:
        return tuple(verdicts)
    return tuple(_with(verdict, fault) if verdict.label == LABEL else verdict for verdict in verdicts)


def _with(verdict: Verdict, fault: str) -> Verdict:
    faults = (*verdict.reflections, fault)
    level = max(verdict.level, Level.WARNING)
    return msgspec.structs.replace(
        verdict, lines=("; ".join(faults),), level=level, reflections=faults, alerts=(*verdict.alerts, alert_of(fault))
    )


def _damage(view: View) -> list[str]:
    faults = [f"{damage.file} unreadable ({damage.reason}), kept as {damage.kept_as}" for damage in view.memory.damaged]
    if view.memory.finished_journal:
        faults.append("the last tick died inside its commit; the commit was finished")
    faults += [
        f"interrupted act: {each.act} of {each.at:%Y-%m-%d %H:%M:%S}Z has no outcome: {each.words}"
        for each in view.memory.interrupted
    ]
    return faults


def _timing(view: View) -> list[str]:
    faults = []
    if view.memory.skipped_ticks:
        faults.append(f"{view.memory.skipped_ticks} tick(s) skipped: the lock was held")
    if view.memory.last_status == "OVERLONG":
        faults.append("the last tick ran over its deadline and ended itself")
    if _is_late(view) and view.phase.interval is not None:
        faults.append(f"late: {view.phase.interval.total_seconds():.0f}s since the last full tick")
    return faults


def _is_late(view: View) -> bool:
    longest = timedelta(seconds=view.session.cadence_seconds * view.rules.limits.stretched_interval_factor)
    return view.phase.interval is not None and view.phase.interval > longest


def _contradictions(view: View, verdicts: Sequence[Verdict]) -> list[str]:
    """Lines of one report that cannot both be true mean a defect in a check."""
    said = {verdict.label: verdict.lines[0] for verdict in verdicts if verdict.lines}
    age, limit = view.standing.age_seconds, view.rules.limits.real_time_age_seconds
    if said.get("sync", "") == "synced" and (age is None or age > limit):
        return [f"contradiction: sync says synced beside age={age}"]
    return []


def _firing(view: View, verdicts: Sequence[Verdict]) -> tuple[tuple[str, datetime], ...]:
    """Since when each alert that fires now has fired on every full tick; a gap between ticks breaks the chain."""
    unbroken = view.memory.state.firing is not None and not _is_late(view)
    before = dict(view.memory.state.firing.since) if unbroken and view.memory.state.firing else {}
    keys = dict.fromkeys(alert.key for verdict in verdicts for alert in verdict.alerts if alert.tier is not Tier.SYNC)
    return tuple((key, before.get(key, view.facts.at)) for key in keys)


def _urgent(view: View, verdicts: Sequence[Verdict]) -> UrgentState:
    """Which alerts have used up their escalation, for the next tick's cooldown."""
    cooling = cooling_of(view.memory, view.rules.limits, view.facts.at)
    return cooling.urgent_after([alert for verdict in verdicts for alert in verdict.alerts])


def _stuck(view: View, firing: Sequence[tuple[str, datetime]]) -> list[str]:
    """An alarm that never stops firing is a fault of the alarm: its threshold, or nobody acting on it."""
    limit = timedelta(hours=view.rules.limits.stuck_firing_hours)
    return [
        f"stuck firing: {key} for {(view.facts.at - since).total_seconds() / 3600:.0f}h"
        for key, since in firing
        if view.facts.at - since >= limit
    ]


def _queue(view: View) -> list[str]:
    """A finding that waits for longer than cooldown would have kept it is told here, since GitHub does not tell it."""
    limit = timedelta(seconds=view.rules.limits.cooldown_seconds)
    findings = (entry for entry in view.memory.issues.outbox if entry.intent is Intent.FILE)  # a board may be away
    waiting = [entry for entry in findings if view.facts.at - entry.first_at > limit]
    if not waiting:
        return []
    why = next((entry.why for entry in waiting if entry.why), "")
    return [f"queue: {len(waiting)} writes wait since {min(entry.first_at for entry in waiting):%Y-%m-%d %H:%M}Z {why}"]
