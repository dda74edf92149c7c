"""What filing did in one tick, for the report. Values only."""

from __future__ import annotations

import enum

import msgspec

from monitor_tick.issues.ledger import NOTHING_FILED, Ledger


class Word(str, enum.Enum):
    FILED = "filed"
    COMMENTED = "commented"
    QUEUED = "queued"


class Told(msgspec.Struct, frozen=True):
    """What became of one finding. `number` is 0 while it is queued; `why` says what keeps it there."""

    key: str
    scope: str
    title: str
    word: Word
    number: int = 0
    why: str = ""


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger after filing, what was told, how many entries are left and why, and lines such as a board retry."""

    ledger: Ledger = NOTHING_FILED
    told: tuple[Told, ...] = ()
    queued: int = 0
    why: str = ""
    lines: tuple[str, ...] = ()


NOTHING_TOLD = Drained()
