"""When a catalog row fires. Pure.

Deltas and "2 ticks" need a baseline of the same run; a new run resets them and leaves point gauges alone. Whether a
gate is open is read from the phase: no row has carve-outs of its own.

In an early tick gauges are judged as ever and deltas against the stored baseline, but a row that wants two ticks
cannot get its second one, so that running a tick twice finds nothing that running it once did not.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from monitor_tick.facts import Missing
from monitor_tick.judging.series import deltas_of, divisor_fault_of, fault_of, gauge_of, narrowed
from monitor_tick.metrics import Delta, Scrape, comparable
from monitor_tick.rules import AlarmRow, Condition, Gate, Kind
from monitor_tick.view import View


class AlarmState(str, enum.Enum):
    """What came of one row this tick. Only FIRED is an alert; QUIET and BREACH are the other judged states."""

    FIRED = "fired"
    QUIET = "quiet"
    BREACH = "breach"
    NEEDS_CONFIRMATION = "needs confirmation"
    NOT_CONFIRMED = "not confirmed"
    WARM_UP = "warm-up"
    GATED = "not settled"
    NEW_BASELINE = "new baseline"
    NO_PREVIOUS_DELTA = "no previous delta"
    NO_SUCH_SERIES = "no such series"
    ABSENT_BY_DESIGN = "absent by design"
    OFF = "no denominator"
    NOT_A_NUMBER = "not a number"
    SKIPPED = "skipped"


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One row, judged. `reason` is the clause that decided.

    `value` is what was compared with `threshold`: the gauge, or the delta (normalised where the reason says so).
    `current` and `previous` are the metric itself in the two scrapes, `delta` and `interval` what lies between.
    """

    row: AlarmRow
    state: AlarmState
    reason: str = ""
    value: float | None = None
    threshold: float | None = None
    current: float | None = None
    previous: float | None = None
    delta: float | None = None
    interval: timedelta | None = None


def judge_alarms(view: View) -> tuple[Judged, ...]:
    """Every row of the session's mode, in the catalog's order."""
    view = _narrowed(view)
    return tuple(judge_alarm(row, view) for row in view.rules.alarms_of(view.session.mode))


def gauges_to_confirm(view: View) -> tuple[str, ...]:
    """The gauges that the confirm stage has to sample before their rows may fire."""
    waiting = (judged for judged in judge_alarms(view) if judged.state is AlarmState.NEEDS_CONFIRMATION)
    return tuple(dict.fromkeys(metric for judged in waiting for metric in judged.row.metrics))


def overlay_timeouts_of(view: View) -> float | None:
    """This tick's delta of the row that is judged by its own previous delta; None where there is no whole one."""
    row = next((row for row in view.rules.alarms if row.condition.factor is not None), None)
    previous, current = view.memory.previous, view.facts.scrape
    if row is None or previous is None or isinstance(current, Missing) or not comparable(previous, current):
        return None
    deltas = deltas_of(row, previous, current)
    amount = sum(delta.amount for delta in deltas)
    return amount if deltas and math.isfinite(amount) else None


def judge_alarm(row: AlarmRow, view: View) -> Judged:
    """One row on this tick's scrape, the baseline before it, and the second look where there was one."""
    scrape = view.facts.scrape
    if isinstance(scrape, Missing):
        return Judged(row=row, state=AlarmState.SKIPPED, reason=scrape.reason)
    if fault := fault_of(row, scrape):
        by_design = fault.absent and row.absent_by_design
        state = AlarmState.ABSENT_BY_DESIGN if by_design else AlarmState.NO_SUCH_SERIES
        return Judged(row=row, state=state, reason=fault.reason)
    if Gate.WARMUP_EXEMPT in row.gates and view.phase.warming_up:
        return Judged(row=row, state=AlarmState.WARM_UP, reason="restarted this tick or the one before")
    if Gate.SYNCED_ONLY in row.gates and not view.phase.synced_only:
        return Judged(row=row, state=AlarmState.GATED, reason="just started, in crash recovery or in fresh start")
    baseline = view.memory.previous if comparable(view.memory.previous, scrape) else None
    judge = _judge_counter if row.kind is Kind.COUNTER else _judge_gauge
    return judge(row, view, scrape, baseline)


def _judge_counter(row: AlarmRow, view: View, scrape: Scrape, baseline: Scrape | None) -> Judged:
    deltas = deltas_of(row, baseline, scrape) if baseline else ()
    if baseline is None or not deltas:
        reason = "a series is new since the last scrape" if baseline else "first scrape of this run"
        return Judged(row=row, state=AlarmState.NEW_BASELINE, reason=reason)
    if view.phase.warming_up:
        deltas = tuple(delta for delta in deltas if delta.previous != 0)
        if not deltas:
            return Judged(row=row, state=AlarmState.WARM_UP, reason="the counter stood at 0 after the restart")
    interval = scrape.at - baseline.at
    amount = sum(delta.amount for delta in deltas)
    judged = Judged(
        row=row,
        state=AlarmState.QUIET,
        current=sum(delta.current for delta in deltas),
        previous=sum(delta.previous for delta in deltas),
        delta=amount,
        interval=interval,
    )
    threshold = _threshold(row.condition, view, scrape)
    if threshold is None:
        return msgspec.structs.replace(
            judged, state=AlarmState.NO_PREVIOUS_DELTA, reason="the previous tick left no delta to compare with"
        )
    stretched = _stretched(row, view, interval)
    value = amount * view.session.cadence_seconds / interval.total_seconds() if stretched else amount
    return _compared(judged, value, threshold, _delta_words(deltas, value, interval, view, stretched=stretched))


def _threshold(condition: Condition, view: View, scrape: Scrape) -> float | None:
    """The row's number; for a row with a factor, that many times the previous tick's delta, floored."""
    if condition.factor is None:
        return condition.threshold
    kept = view.memory.state.scrape
    if kept is None or kept.identity != scrape.identity or kept.overlay_timeouts is None:
        return None
    return condition.factor * max(kept.overlay_timeouts, condition.threshold)


def _stretched(row: AlarmRow, view: View, interval: timedelta) -> bool:
    limit = view.session.cadence_seconds * view.rules.limits.stretched_interval_factor
    return row.scale and interval.total_seconds() > limit


def _delta_words(deltas: Sequence[Delta], value: float, interval: timedelta, view: View, *, stretched: bool) -> str:
    words = "delta"
    if any(delta.reset for delta in deltas):
        words = "delta since the counter's reset"
    if stretched:
        words += f", normalised from {interval.total_seconds():.0f}s to {view.session.cadence_seconds}s,"
    return f"{words} {number(value)}"


def _judge_gauge(row: AlarmRow, view: View, scrape: Scrape, baseline: Scrape | None) -> Judged:
    value = gauge_of(row, scrape)
    if value is None:
        fault = divisor_fault_of(row, scrape)
        return Judged(row=row, state=AlarmState.OFF, reason=fault.reason if fault else f"{row.divisor} is 0")
    previous = gauge_of(row, baseline) if baseline else None
    judged = _compared(
        Judged(
            row=row,
            state=AlarmState.QUIET,
            current=value,
            previous=previous,
            delta=None if previous is None else value - previous,
            interval=scrape.at - baseline.at if baseline else None,
        ),
        value,
        row.condition.threshold,
        f"value {number(value)}",
    )
    if judged.state is AlarmState.FIRED and row.ticks > 1:
        judged = _with_persistence(judged, view)
    if judged.state is AlarmState.FIRED and row.confirm:
        judged = _with_confirmation(judged, view)
    return judged


def _compared(judged: Judged, value: float, threshold: float, words: str) -> Judged:
    condition = judged.row.condition
    if math.isnan(value):
        state, reason = AlarmState.NOT_A_NUMBER, "NaN never breaches"
    else:
        fired = condition.comparison.holds(value, threshold)
        state = AlarmState.FIRED if fired else AlarmState.QUIET
        reason = f"{words} {'' if fired else 'is not '}{condition.comparison.value} {number(threshold)}"
    return msgspec.structs.replace(judged, state=state, reason=reason, value=value, threshold=threshold)


def _with_persistence(judged: Judged, view: View) -> Judged:
    """A second tick in a row: the scrape before must breach too, with no unreadable tick in between."""
    condition, previous = judged.row.condition, judged.previous
    kept = view.memory.state.scrape
    broken = kept is not None and kept.interrupted
    if previous is not None and condition.comparison.holds(previous, condition.threshold):
        if not view.phase.early and not broken:
            return msgspec.structs.replace(judged, reason=f"{judged.reason} for {judged.row.ticks} ticks")
        why = "an early tick counts for none" if view.phase.early else "a tick without a scrape lies between"
    else:
        why = "the previous scrape does not breach" if previous is not None else "no previous scrape of this run"
    return msgspec.structs.replace(
        judged, state=AlarmState.BREACH, reason=f"{judged.reason}, streak 1/{judged.row.ticks}: {why}"
    )


def _with_confirmation(judged: Judged, view: View) -> Judged:
    """A backlog that a burst of samples finds gone was the second or two of an externalize."""
    if view.facts.second is None:
        return msgspec.structs.replace(judged, state=AlarmState.NEEDS_CONFIRMATION)
    samples = dict(view.facts.second.gauge_samples).get(judged.row.metrics[0], ())
    condition = judged.row.condition
    found = sum(condition.comparison.holds(sample, condition.threshold) for sample in samples)
    confirmed = found >= view.rules.limits.confirm_breaching
    return msgspec.structs.replace(
        judged,
        state=AlarmState.FIRED if confirmed else AlarmState.NOT_CONFIRMED,
        reason=f"{judged.reason}, {found} of {len(samples)} samples breach",
    )


def number(value: float) -> str:
    """A value as a report shows it: whole numbers bare, others with ten digits so that no boundary is rounded away."""
    return f"{value:.0f}" if value % 1 == 0 else f"{value:.10g}"


def _narrowed(view: View) -> View:
    facts, memory = view.facts, view.memory
    if isinstance(facts.scrape, Scrape):
        facts = msgspec.structs.replace(facts, scrape=narrowed(facts.scrape, view.rules))
    if memory.previous is not None:
        memory = msgspec.structs.replace(memory, previous=narrowed(memory.previous, view.rules))
    return msgspec.structs.replace(view, facts=facts, memory=memory)
