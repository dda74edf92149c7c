"""When a histogram row fires: on the p99 bucket, or on the mean, of what was observed since the last scrape. Pure.

Work is judged and not cadence: what a row observes has to be spent time, so that its p99 says how slow the work is.
"""

from __future__ import annotations

import math

import msgspec

from monitor_tick.judging.judged import AlarmState, Judged, number
from monitor_tick.judging.series import Fault, count_of, histogram_delta
from monitor_tick.metrics import HistogramDelta, Scrape
from monitor_tick.rules import AlarmRow
from monitor_tick.view import View


def judge_histogram(row: AlarmRow, view: View, scrape: Scrape, baseline: Scrape | None) -> Judged:
    """A row that is there in this scrape and whose gates are open."""
    if baseline is None:
        return Judged(row=row, state=AlarmState.NEW_BASELINE, reason="first scrape of this run")
    delta = histogram_delta(row, baseline, scrape)
    if isinstance(delta, Fault):
        return Judged(row=row, state=AlarmState.NEW_BASELINE, reason=delta.reason)
    judged = Judged(
        row=row,
        state=AlarmState.QUIET,
        current=count_of(row, scrape),
        previous=count_of(row, baseline),
        delta=delta.count,
        interval=scrape.at - baseline.at,
        histogram=delta,
    )
    if view.phase.warming_up and judged.previous == 0:
        return _ended(judged, AlarmState.WARM_UP, "the histogram was empty after the restart")
    least = view.rules.limits.histogram_least_count
    if delta.count < least:
        return _ended(judged, AlarmState.LOW_VOLUME, f"{number(delta.count)} new observations, {least} are needed")
    return _compared(judged, delta)


def _compared(judged: Judged, delta: HistogramDelta) -> Judged:
    """The clauses that breach, p99 before the mean; each is named, so that evidence never shows the other's number."""
    condition = judged.row.condition
    clauses = (("p99", delta.p99), ("mean", delta.mean))
    breaching = [clause for clause in clauses if condition.comparison.holds(clause[1], condition.threshold)]
    unknown = [name for name, value in clauses if math.isnan(value)]
    if not breaching and unknown:
        return _ended(judged, AlarmState.NOT_A_NUMBER, "NaN never breaches")
    since = " since its reset" if delta.reset else ""
    words = " and ".join(f"{name} {number(value)}" for name, value in breaching or clauses)
    is_not = "" if breaching else "are not "
    return msgspec.structs.replace(
        _ended(
            judged,
            AlarmState.FIRED if breaching else AlarmState.QUIET,
            f"{words}{since} {is_not}{condition.comparison.value} {number(condition.threshold)}",
        ),
        # Of a quiet row the clause that would breach first, so that `tune` sees both.
        value=breaching[0][1] if breaching else max(value for _, value in clauses),
        threshold=condition.threshold,
    )


def _ended(judged: Judged, state: AlarmState, reason: str) -> Judged:
    return msgspec.structs.replace(judged, state=state, reason=reason)
