"""A scrape of /metrics as a value, and what two scrapes of the same run say together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from monitor_loop.session import Identity

Labels = tuple[tuple[str, str], ...]
"""Label pairs sorted by name."""

Series = tuple[str, Labels]


class Scrape(msgspec.Struct, frozen=True):
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
