"""What other thresholds of a row would have done over the archive, told from the values that were recorded.

Every firing counts as false: `--since` picks a stretch in which the node was well. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from monitor_tick.judging.judged import number
from monitor_tick.recorded.names import keeps_streak, near_names
from monitor_tick.recorded.periods import Budget, in_words
from monitor_tick.recorded.record import Meaning, NoAnswer, Trace, Unreadable
from monitor_tick.recorded.replay_report import JUDGED, stamp
from monitor_tick.rules import AlarmRow, Comparison, Rules
from monitor_tick.verdict import Decision

CANDIDATES = 20
"""How many thresholds are tried beside the row's own: values that were seen, evenly spread over them."""


class Sample(msgspec.Struct, frozen=True):
    """One judged tick. `follows`: the tick before it was judged as well, so that two ticks in a row can breach.

    `confirmed`: nothing but the threshold stood between it and an alarm, as far as the record can tell.
    """

    at: datetime
    value: float
    threshold: float
    follows: bool
    confirmed: bool


class Candidate(msgspec.Struct, frozen=True):
    threshold: float
    fired: int
    is_own: bool = False


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The samples of one alarm. `span` is the time that they stand for; the others were not judged, or of another
    version of the row, or could not be read."""

    samples: tuple[Sample, ...]
    span: timedelta
    not_judged: int = 0
    other_version: int = 0
    unreadable: int = 0


def history_of(found: Iterable[Trace | Unreadable], row: AlarmRow) -> History:
    meaning = Meaning(row.version, row.since)
    samples: list[Sample] = []
    span, follows = timedelta(), False
    not_judged = other_version = unreadable = 0
    for each in found:
        if isinstance(each, Unreadable):
            unreadable, follows = unreadable + 1, False
        elif each.meanings.get(row.name) != meaning:
            other_version, follows = other_version + 1, False
        elif (decision := _judged(each, row.name)) is None:
            not_judged, follows = not_judged + 1, False
        else:
            samples.append(_sample(each, decision, follows=follows))
            span, follows = span + timedelta(seconds=each.cadence_seconds), True
    return History(
        samples=tuple(samples), span=span, not_judged=not_judged, other_version=other_version, unreadable=unreadable
    )


def _judged(trace: Trace, alarm: str) -> Decision | None:
    decision = next((decision for decision in trace.decisions if decision.alarm == alarm), None)
    if decision is None or decision.state not in JUDGED or decision.value is None or math.isnan(decision.value):
        return None
    return decision


def _sample(trace: Trace, decision: Decision, *, follows: bool) -> Sample:
    value = decision.value if decision.value is not None else math.nan
    threshold = decision.threshold if decision.threshold is not None else math.nan
    return Sample(trace.at, value, threshold, follows, confirmed=decision.state != "not confirmed")


def fired(samples: Sequence[Sample], row: AlarmRow, threshold: float) -> int:
    """How many ticks would have fired; a value that was not confirmed then would not have been now."""
    count, breached = 0, False
    holds, factor, ticks = row.condition.comparison.holds, row.condition.factor, row.ticks
    for sample in samples:
        limit = threshold if factor is None else max(sample.threshold, factor * threshold)
        breaches = holds(sample.value, limit)
        count += breaches and sample.confirmed and (ticks == 1 or (breached and sample.follows))
        breached = breaches
    return count


def candidates_of(samples: Sequence[Sample], row: AlarmRow) -> tuple[Candidate, ...]:
    """Loosest first; the row's own threshold is among them."""
    own = row.condition.threshold
    seen = sorted({sample.value for sample in samples if math.isfinite(sample.value)})
    if row.condition.factor is not None:  # the record does not hold the delta before where the floor stood for it
        seen = [value / row.condition.factor for value in seen if value >= own * row.condition.factor]
    step = max(1, math.ceil(len(seen) / CANDIDATES))
    tried = {*seen[::-step], own, *_just_beyond(seen, row.condition.comparison)}
    loosest_first = sorted(tried, reverse=row.condition.comparison is not Comparison.BELOW)
    return tuple(Candidate(each, fired(samples, row, each), each == own) for each in loosest_first)


def _just_beyond(seen: Sequence[float], comparison: Comparison) -> tuple[float, ...]:
    """Where the sign includes its number, the first one that no value reached."""
    if comparison is not Comparison.AT_LEAST or not seen:
        return ()
    top = seen[-1]
    return (math.floor(top) + 1.0,)


def tightest(candidates: Sequence[Candidate], allowed: float) -> Candidate | None:
    """The last one, loosest first, before too many fire; None where even the loosest does."""
    best = None
    for candidate in candidates:
        if candidate.fired > allowed:
            break
        best = candidate
    return best


# --- the text ----------------------------------------------------------------------------------------------------


def tuned(found: Iterable[Trace | Unreadable], alarm: str, rules: Rules, budget: Budget) -> str:
    """Raises NoAnswer for a name without a row, and where no tick judged it."""
    row = _row(alarm, rules)
    history = history_of(found, row)
    if not history.samples:
        raise NoAnswer(
            f"ERROR: no tick judged version {row.version} of {alarm} ({_left_out(history)}) - "
            f"`monitor-tick explain {alarm}` says why"
        )
    if row.condition.comparison is Comparison.NOT_EQUAL:
        raise NoAnswer(f"ERROR: {alarm} compares with !=, which has nothing to tune")
    candidates = candidates_of(history.samples, row)
    return (
        "\n".join([*_distribution(row, history), *_table(row, candidates), *_advice(row, history, candidates, budget)])
        + "\n"
    )


def _row(alarm: str, rules: Rules) -> AlarmRow:
    if keeps_streak(alarm, rules):
        raise NoAnswer("ERROR: ratios and the recovery streak cannot be tuned yet")
    row = rules.by_name.get(alarm)
    if row is None:
        raise NoAnswer(f"ERROR: the catalog has no {alarm} - {near_names(alarm, rules.by_name)}")
    return row


def _distribution(row: AlarmRow, history: History) -> list[str]:
    values = sorted(sample.value for sample in history.samples)
    first, last = history.samples[0].at, history.samples[-1].at
    shares = (("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
    own = f"{row.condition.comparison.value} {number(row.condition.threshold)}"
    return [
        f"{row.name} (version {row.version}, {own}): {len(values)} ticks judged, {stamp(first)} to {stamp(last)}",
        f"left out: {_left_out(history)}",
        "  ".join(f"{name} {number(quantile(values, share))}" for name, share in shares),
    ]


def _left_out(history: History) -> str:
    return (
        f"{history.not_judged} not judged, {history.other_version} of another version, {history.unreadable} unreadable"
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the sorted values that at least `share` of them do not exceed."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def _table(row: AlarmRow, candidates: Sequence[Candidate]) -> list[str]:
    sign = row.condition.comparison.value
    head = "if it were"
    width = max(len(head), *(len(f"{sign} {number(each.threshold)}") for each in candidates))
    rows = (
        f"{sign + ' ' + number(each.threshold):>{width}}  {each.fired:5}{'  now' if each.is_own else ''}"
        for each in candidates
    )
    return [f"{head:>{width}}  fired", *rows]


def _advice(row: AlarmRow, history: History, candidates: Sequence[Candidate], budget: Budget) -> list[str]:
    if history.span < budget.period:
        return [
            f"history too short: {in_words(history.span)} of judged ticks say nothing about {budget.text}; "
            f"{in_words(budget.period)} are needed"
        ]
    best, sign = tightest(candidates, budget.over(history.span)), row.condition.comparison.value
    if best is None:
        return [f"no threshold that was seen stays within {budget.text}"]
    now = ", which is what it is now" if best.is_own else ""
    times = f"fired {best.fired} times in {in_words(history.span)}"
    return [f"tightest within {budget.text}: {sign} {number(best.threshold)}, {times}{now}"]
