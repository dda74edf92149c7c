"""A scrape of /metrics as a value, and what two scrapes of the same run say together. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property

import msgspec

from monitor_loop.session import Identity

Labels = tuple[tuple[str, str], ...]
"""Label pairs sorted by name."""

Series = tuple[str, Labels]


class Scrape(msgspec.Struct, frozen=True, dict=True):
    """One exposition of the node, and the run it came from.

    `types` maps a family's name as the node prints it to counter, gauge or histogram: what is a counter is decided
    by # TYPE, never by the name. `samples` holds every sample line, histogram parts under their own names
    (`_bucket`, `_sum`, `_count`).
    """

    identity: Identity
    at: datetime
    types: Mapping[str, str]
    samples: Mapping[Series, float]

    def value(self, name: str, labels: Labels = ()) -> float | None:
        """The value of exactly this series; None where the scrape does not have it."""
        return self.samples.get((name, labels))

    @cached_property
    def labels_by_name(self) -> Mapping[str, Sequence[Labels]]:
        """The labelled series of each name, in the order of the scrape; found once for all rows that ask."""
        return labels_by_name(self.samples)

    @cached_property
    def histograms(self) -> dict[str, Mapping[Labels, Histogram]]:
        """The families that `series.histograms_of` has put together so far."""
        return {}


def labels_by_name(series: Iterable[Series]) -> Mapping[str, Sequence[Labels]]:
    found: dict[str, list[Labels]] = {}
    for name, labels in series:
        found.setdefault(name, []).append(labels)
    return found


class Histogram(msgspec.Struct, frozen=True, dict=True):
    """One labelled histogram of a scrape. `buckets` are (edge, observations at or below it) by rising edge."""

    buckets: tuple[tuple[float, float], ...]
    count: float
    sum: float

    @cached_property
    def edges(self) -> tuple[float, ...]:
        """The bucket layout; the last edge is +Inf."""
        return tuple(edge for edge, _ in self.buckets)


class Delta(msgspec.Struct, frozen=True):
    """How far one counter moved between two scrapes. `reset`: it fell, so the current value is the whole increase."""

    previous: float
    current: float
    reset: bool

    @property
    def amount(self) -> float:
        return self.current if self.reset else self.current - self.previous


def comparable(previous: Scrape | None, current: Scrape) -> bool:
    """True where deltas exist: both scrapes came from the same run of the node."""
    return previous is not None and previous.identity == current.identity


def delta_of(previous: Scrape, current: Scrape, name: str, labels: Labels = ()) -> Delta | None:
    """The delta of one counter series; None where either scrape lacks it (a new baseline, not a delta)."""
    before, now = previous.value(name, labels), current.value(name, labels)
    if before is None or now is None:
        return None
    return Delta(previous=before, current=now, reset=now < before)


P99 = 0.99
"""The share of the observations that the p99 bucket holds."""


class HistogramDelta(msgspec.Struct, frozen=True):
    """What a histogram observed between two scrapes.

    Exposed buckets are cumulative, and so are their increases: `buckets` at an edge counts every new observation at
    or below it, and is never summed again. `reset`: the count fell, so the current values are the whole increase.
    """

    buckets: tuple[tuple[float, float], ...]
    count: float
    sum: float
    reset: bool

    @property
    def p99(self) -> float:
        """The smallest edge that at least 99 % of the new observations do not exceed; NaN where that is unknown."""
        if not self.count > 0 or any(math.isnan(increase) for _, increase in self.buckets):
            return math.nan
        enough = P99 * self.count
        return next((edge for edge, increase in self.buckets if increase >= enough), math.inf)

    @property
    def mean(self) -> float:
        return self.sum / self.count if self.count else math.nan

    def plus(self, other: HistogramDelta) -> HistogramDelta:
        """Both together; the layouts are the same."""
        return HistogramDelta(
            buckets=tuple(
                (edge, mine + its) for (edge, mine), (_, its) in zip(self.buckets, other.buckets, strict=True)
            ),
            count=self.count + other.count,
            sum=self.sum + other.sum,
            reset=self.reset or other.reset,
        )


def histogram_delta_of(previous: Histogram, current: Histogram) -> HistogramDelta | None:
    """The increase of each bucket and of the count, like a counter's; None where the bucket layout changed.

    The sum starts anew where the count does. One that falls by itself is no restart, and counts as a negative mean.
    """
    if previous.edges != current.edges:
        return None
    reset = current.count < previous.count
    return HistogramDelta(
        buckets=tuple(
            (edge, _increase(before, now))
            for (edge, before), (_, now) in zip(previous.buckets, current.buckets, strict=True)
        ),
        count=_increase(previous.count, current.count),
        sum=current.sum if reset else current.sum - previous.sum,
        reset=reset,
    )


def _increase(previous: float, current: float) -> float:
    return Delta(previous=previous, current=current, reset=current < previous).amount
