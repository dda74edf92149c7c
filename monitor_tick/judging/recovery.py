"""Check 12b: how often recovery stalled while the node was behind, in a row or in a burst. Pure.

Identity comes before the skip: a value of another run is never compared and never kept. A skip keeps the value and
breaks the streak; nothing but a value that was read is ever stored.
"""

from __future__ import annotations

import math
from datetime import timedelta

import msgspec

from monitor_loop.session import Identity, Process
from monitor_tick.facts import Missing
from monitor_tick.judging.judged import AlarmState
from monitor_tick.judging.ratios import no_scrape
from monitor_tick.memory import CounterStreak, CounterStreakSnapshot
from monitor_tick.rules import RecoveryRule
from monitor_tick.view import View

NO_LABEL = "label missing"


class RecoveryJudged(msgspec.Struct, frozen=True, kw_only=True):
    """`streak` counts this tick unless it is an early one. `remember` is what the snapshot is to hold, None to leave
    it. `blind`: a scrape without the series."""

    state: AlarmState
    reason: str
    streak: int = 0
    delta: float | None = None
    current: float | None = None
    previous: float | None = None
    burst: bool = False
    blind: bool = False
    interval: timedelta | None = None
    remember: CounterStreak | None = None


def judge_recovery(view: View) -> RecoveryJudged:
    stored = _of_this_run(view)
    value = _value(view)
    if isinstance(value, Missing):
        blind = not isinstance(view.facts.scrape, Missing)
        judged = RecoveryJudged(state=AlarmState.SKIPPED, reason=value.reason, blind=blind)
        kept = msgspec.structs.replace(stored, streak=0) if stored else None
        return _remembering(judged, kept, view)
    if stored is None or value < stored.value:
        reason = "no snapshot of this run" if stored is None else "the counter fell"
        judged = RecoveryJudged(state=AlarmState.NEW_BASELINE, reason=reason, current=value)
    else:
        judged = _compare(view.rules.recovery, stored, value, view)
    return _remembering(judged, _snapshot(view, value, judged.streak), view)


def _compare(rule: RecoveryRule, stored: CounterStreakSnapshot, value: float, view: View) -> RecoveryJudged:
    delta = value - stored.value
    breach, burst = delta >= rule.delta, delta >= rule.burst
    streak = stored.streak + (0 if view.phase.early else 1) if breach else 0
    if burst:
        state, reason = AlarmState.FIRED, f"delta >= {rule.burst}: a burst"
    elif breach and streak >= rule.streak:
        state, reason = AlarmState.FIRED, f"delta >= {rule.delta} for {streak} ticks"
    elif breach:
        state, reason = AlarmState.BREACH, f"delta >= {rule.delta}, streak {streak}/{rule.streak}"
    else:
        state, reason = AlarmState.QUIET, f"delta is not >= {rule.delta}"
    return RecoveryJudged(
        state=state,
        reason=reason,
        streak=streak,
        delta=delta,
        current=value,
        previous=stored.value,
        burst=burst,
        interval=view.facts.at - stored.at,
    )


def _remembering(judged: RecoveryJudged, kept: CounterStreakSnapshot | None, view: View) -> RecoveryJudged:
    return judged if view.phase.early else msgspec.structs.replace(judged, remember=CounterStreak(kept))


def _of_this_run(view: View) -> CounterStreakSnapshot | None:
    """The stored value, unless another run left it. While no process is seen, it may still be this one's."""
    stored, identity = view.memory.recovery.snapshot, _identity(view)
    if stored is None or (
        identity is not None and (stored.pid, stored.start_ticks) != (identity.pid, identity.start_ticks)
    ):
        return None
    return stored


def _identity(view: View) -> Identity | None:
    scrape, process = view.facts.scrape, view.facts.process
    if not isinstance(scrape, Missing):
        return scrape.identity
    return process.identity if isinstance(process, Process) else None


def _value(view: View) -> float | Missing:
    scrape, rule = view.facts.scrape, view.rules.recovery
    if isinstance(scrape, Missing):
        return Missing(no_scrape(scrape))
    value = scrape.value(rule.name, rule.labels)
    if value is None:
        return Missing(NO_LABEL)
    return value if 0 <= value < math.inf else Missing("not a number")


def _snapshot(view: View, value: float, streak: int) -> CounterStreakSnapshot | None:
    identity = _identity(view)
    if identity is None:
        return None
    return CounterStreakSnapshot(
        at=view.facts.at.replace(microsecond=0),
        pid=identity.pid,
        start_ticks=identity.start_ticks,
        value=value,
        streak=streak,
    )
