"""The series that a catalog row reads from a scrape, and the row's number in it. Pure.

A row names metrics without labels and means every labelled series of each: a label value that nobody has seen yet is
summed like the others and never disables an alarm.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from monitor_loop.session import Mode
from monitor_tick.metrics import Delta, Labels, Scrape, delta_of
from monitor_tick.rules import AlarmRow, Rules


class Fault(msgspec.Struct, frozen=True):
    """Why a row cannot be read. `absent`: a series is missing, as opposed to being of another type."""

    reason: str
    absent: bool


class DeadRow(msgspec.Struct, frozen=True):
    """A row that can never fire on such a node, and why."""

    name: str
    reason: str


def narrowed(scrape: Scrape, rules: Rules) -> Scrape:
    """Only the series that some alarm row names, so that each row looks through dozens and not thousands."""
    names = {name for row in rules.alarms for name in _operands(row)}
    samples = {series: value for series, value in scrape.samples.items() if series[0] in names}
    return msgspec.structs.replace(scrape, samples=samples)


def fault_of(row: AlarmRow, scrape: Scrape) -> Fault | None:
    """What keeps the row's metrics from being read; a sum with one metric missing is no sum."""
    return next(_faults(row, row.metrics, scrape), None)


def divisor_fault_of(row: AlarmRow, scrape: Scrape) -> Fault | None:
    return next(_faults(row, (row.divisor,) if row.divisor else (), scrape), None)


def _faults(row: AlarmRow, names: tuple[str, ...], scrape: Scrape) -> Iterator[Fault]:
    for name in names:
        if not _labels_of(name, scrape):
            yield Fault("no such series" if name == row.name else f"no such series: {name}", absent=True)
        elif (typed := scrape.types.get(name, "nothing")) != row.kind.value:
            yield Fault(f"{name} is typed {typed} by the node, {row.kind.value} by the row", absent=False)


def dead_rows(rules: Rules, scrape: Scrape, mode: Mode) -> tuple[DeadRow, ...]:
    """The rows of this mode that this scrape leaves blind; a metric absent by design is no defect."""
    scrape = narrowed(scrape, rules)
    found = ((row, fault_of(row, scrape) or divisor_fault_of(row, scrape)) for row in rules.alarms_of(mode))
    return tuple(
        DeadRow(row.name, fault.reason) for row, fault in found if fault and not (fault.absent and row.absent_by_design)
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


def _operands(row: AlarmRow) -> tuple[str, ...]:
    return (*row.metrics, row.divisor) if row.divisor else row.metrics


def _labels_of(name: str, scrape: Scrape) -> tuple[Labels, ...]:
    return tuple(labels for series, labels in scrape.samples if series == name)


def _total(name: str, scrape: Scrape) -> float:
    return sum(scrape.samples[name, labels] for labels in _labels_of(name, scrape))
