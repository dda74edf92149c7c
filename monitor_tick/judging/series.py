"""The series that a catalog row reads from a scrape, and the row's number in it. Pure.

A row names metrics without labels and means every labelled series of each: a label value that nobody has seen yet is
summed like the others and never disables an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from monitor_loop.session import Mode
from monitor_tick.metrics import Delta, Histogram, HistogramDelta, Labels, Scrape, delta_of, histogram_delta_of
from monitor_tick.rules import AlarmRow, Kind, Rules

PARTS = ("_bucket", "_sum", "_count")
"""A histogram has no series of its own name."""


class Fault(msgspec.Struct, frozen=True):
    """Why a row cannot be read. `absent`: a series is missing, as opposed to being of another type."""

    reason: str
    absent: bool


class DeadRow(msgspec.Struct, frozen=True):
    """A row that can never fire on such a node, and why."""

    name: str
    reason: str


def fault_of(row: AlarmRow, scrape: Scrape) -> Fault | None:
    """What keeps the row's metrics from being read; a sum with one metric missing is no sum."""
    return next(_faults(row, row.metrics, scrape), None)


def divisor_fault_of(row: AlarmRow, scrape: Scrape) -> Fault | None:
    return next(_faults(row, (row.divisor,) if row.divisor else (), scrape), None)


def _faults(row: AlarmRow, names: tuple[str, ...], scrape: Scrape) -> Iterator[Fault]:
    if row.kind is Kind.HISTOGRAM:
        yield from _histogram_faults(row, scrape)
        return
    for name in names:
        if not _labels_of(name, scrape):
            yield Fault("no such series" if name == row.name else f"no such series: {name}", absent=True)
        elif (typed := scrape.types.get(name, "nothing")) != row.kind:
            yield Fault(f"{name} is typed {typed} by the node, {row.kind.value} by the row", absent=False)


def _histogram_faults(row: AlarmRow, scrape: Scrape) -> Iterator[Fault]:
    name, limit = row.metrics[0], row.condition.threshold
    typed = scrape.types.get(name, Kind.HISTOGRAM)
    if typed != Kind.HISTOGRAM:
        yield Fault(f"{name} is typed {typed} by the node, histogram by the row", absent=False)
        return
    histograms = histograms_of(name, scrape)
    if not histograms:
        partly = any(_labels_of(name + part, scrape) for part in PARTS)
        reason = "no whole histogram: _count, _sum and an +Inf bucket" if partly else "no such series"
        yield Fault(reason, absent=not partly)
    elif any(limit not in histogram.edges for histogram in histograms.values()):
        yield Fault(f"no such bucket edge: {limit:g}", absent=False)


def excused(row: AlarmRow, fault: Fault, scrape: Scrape, *, closing: bool) -> bool:
    """Whether a metric that is not there yet is no defect: it appears with its first sample, as every histogram does.

    `closing`: the node is settled in real time, so that each of its ledger closes has left a sample.
    """
    if not fault.absent:
        return False
    if row.absent_by_design:
        return True
    return row.kind is Kind.HISTOGRAM and (not closing or Kind.HISTOGRAM.value not in scrape.types.values())


def dead_rows(rules: Rules, scrape: Scrape, mode: Mode, *, closing: bool = True) -> tuple[DeadRow, ...]:
    """The rows of this mode that this scrape leaves blind; a metric absent by design is no defect."""
    found = ((row, fault_of(row, scrape) or divisor_fault_of(row, scrape)) for row in rules.alarms_of(mode))
    return tuple(
        DeadRow(row.name, fault.reason)
        for row, fault in found
        if fault and not excused(row, fault, scrape, closing=closing)
    )


def gauge_of(row: AlarmRow, scrape: Scrape) -> float | None:
    """The gauge, sum or quotient of the row. None: a metric is missing, or the denominator is missing or 0."""
    if fault_of(row, scrape):
        return None
    total = sum(_total(name, scrape) for name in row.metrics)
    if row.divisor is None:
        return total
    denominator = 0.0 if divisor_fault_of(row, scrape) else _total(row.divisor, scrape)
    return total / denominator if denominator else None


def deltas_of(row: AlarmRow, previous: Scrape, current: Scrape) -> tuple[Delta, ...]:
    """One delta for each series that both scrapes have; none at all while one of the row's metrics has none.

    A series that is new within a known metric is a baseline of its own and adds nothing yet.
    """
    by_metric = [
        [delta for labels in _labels_of(name, current) if (delta := delta_of(previous, current, name, labels))]
        for name in row.metrics
    ]
    return tuple(delta for deltas in by_metric for delta in deltas) if all(by_metric) else ()


def histogram_delta(row: AlarmRow, previous: Scrape, current: Scrape) -> HistogramDelta | Fault:
    """What the row's histogram observed in between, all its labelled series together; the fault says why not.

    A labelled series that is new is a baseline of its own and adds nothing yet.
    """
    before, now = histograms_of(row.metrics[0], previous), histograms_of(row.metrics[0], current)
    known = [labels for labels in now if labels in before]
    if not known:
        return Fault("the histogram is new since the last scrape", absent=True)
    if len({now[labels].edges for labels in known} | {before[labels].edges for labels in known}) > 1:
        return Fault("the bucket layout changed since the last scrape", absent=False)
    deltas = [delta for labels in known if (delta := histogram_delta_of(before[labels], now[labels]))]
    total = deltas[0]
    for delta in deltas[1:]:
        total = total.plus(delta)
    return total


def count_of(row: AlarmRow, scrape: Scrape) -> float:
    """The observations of the row's histogram since the run began."""
    return sum(each.count for each in histograms_of(row.metrics[0], scrape).values())


def histograms_of(name: str, scrape: Scrape) -> Mapping[Labels, Histogram]:
    """The whole histograms of a family by their labels without `le`; one that lacks a part is left out."""
    if name not in scrape.histograms:
        scrape.histograms[name] = _whole_histograms(name, scrape)
    return scrape.histograms[name]


def _whole_histograms(name: str, scrape: Scrape) -> Mapping[Labels, Histogram]:
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    for labels in _labels_of(f"{name}_bucket", scrape):
        edge = _edge_of(labels)
        if edge is not None:
            rest = tuple(pair for pair in labels if pair[0] != "le")
            buckets.setdefault(rest, []).append((edge, scrape.samples[f"{name}_bucket", labels]))
    found = {}
    for labels, each in buckets.items():
        count, total = scrape.value(f"{name}_count", labels), scrape.value(f"{name}_sum", labels)
        if count is not None and total is not None and any(edge == math.inf for edge, _ in each):
            found[labels] = Histogram(buckets=tuple(sorted(each)), count=count, sum=total)
    return found


def _edge_of(labels: Labels) -> float | None:
    try:
        edge = float(dict(labels)["le"])
    except (KeyError, ValueError):
        return None
    return None if math.isnan(edge) else edge


def _labels_of(name: str, scrape: Scrape) -> Sequence[Labels]:
    return scrape.labels_by_name.get(name, ())


def _total(name: str, scrape: Scrape) -> float:
    return sum(scrape.samples[name, labels] for labels in _labels_of(name, scrape))
