"""What a benchmark yields: a figure beside its goal, or why there is none."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """`measured` over its reference of the same run, or a plain count; `goal` is the most it may be."""

    what: str
    measured: float
    goal: float
    detail: str = ""
    at_least: bool = False

    @property
    def reached(self) -> bool:
        return self.measured >= self.goal if self.at_least else self.measured <= self.goal


class NotMeasured(Exception):
    """The row says "skipped" with this reason."""


class Effort(msgspec.Struct, frozen=True):
    """How much is spent on a run: `repeats` of what varies, and the size of what has to be made first."""

    repeats: int
    tree_files: int


FEW = 3
"""So many repeats or fewer: the run is to be quick, and only what is small is made for it."""

FULL = Effort(repeats=12, tree_files=300_000)
QUICK = Effort(repeats=FEW, tree_files=60_000)


def medians(repeats: int, calls: Sequence[Callable[[], float]]) -> tuple[float, ...]:
    """The median of each call's figure; the calls take turns, so that a noisy moment hits all of them."""
    figures = [[call() for call in calls] for _ in range(repeats)]
    return tuple(statistics.median(column) for column in zip(*figures, strict=True))
