"""Equal lines as one: what changes from line to line is replaced by a placeholder, and the rest is counted."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from monitor_tick.facts import LogEntry

EXAMPLE_LENGTH = 4000
NORMALISED_LENGTH = 300
UNNAMED_KINDS = 200
ALL_KINDS = 400
"""Kinds of line kept apart in one tick: so many without a row of log-patterns.toml, so many in all."""

OTHER = "other"
OTHER_TEXT = f"more than {UNNAMED_KINDS} kinds of line in one tick; the rest is only counted"

_QUOTED = re.compile(r'="([^"]*)"')
_SOURCE = re.compile(r"\.rs:\d+(?::\d+)?")
# Everything begins where no word goes on to the left, so that a hostile line costs no more than its length.
_CHANGING = re.compile(
    r"""
    (?<!\w)(?=[0-9A-Za-z/~\[-])(?:
        (?P<key>[GCMPTX][A-Z2-7]{55,})
      | (?P<addr>https?://[^\s"')]+
            | \[[0-9a-fA-F:.]{2,45}\]:[0-9]+
            | (?<!\.)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?(?![\w.])
            | (?<![.-])[A-Za-z][\w-]{0,62}(?:\.[\w-]{1,63}){0,8}:[0-9]{2,5}(?![\w:]))
      | (?P<hash>[0-9a-fA-F]{64}(?!\w) | (?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,128}(?!\w))
      | (?P<path>(?<![.>~])~?/[^\s"',;:)\]]+)
      | (?P<n>-?[0-9]+(?:\.[0-9]+)*)
    )
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def normalised(text: str) -> str:
    """The text with numbers, hashes, keys, addresses and paths replaced; both log formats give the same."""
    text = _SOURCE.sub(".rs", _QUOTED.sub(r"=\1", text[: 4 * NORMALISED_LENGTH]))
    return _CHANGING.sub(lambda found: f"<{found.lastgroup}>", text)[:NORMALISED_LENGTH]


class Kind(NamedTuple):
    """What makes two lines equal."""

    level: str
    target: str
    text: str
    previous_run: bool


class Tally:
    """The entries of one tick in the order of their first line."""

    def __init__(self) -> None:
        self._entries: dict[Kind, _Count] = {}

    def add(self, kind: Kind, example: str, at: datetime | None, *, named: bool) -> None:
        count = self._entries.get(kind) or self._begin(kind, example, named=named)
        count.lines += 1
        if at is not None:
            count.first = count.first or at
            count.last = at

    def _begin(self, kind: Kind, example: str, *, named: bool) -> _Count:
        kinds = len(self._entries)
        if kinds >= ALL_KINDS or (kinds >= UNNAMED_KINDS and not named):
            kind = kind._replace(target=OTHER, text=OTHER_TEXT)
            example = f"{OTHER_TEXT}; one of them: {example}"
        return self._entries.setdefault(kind, _Count(example[:EXAMPLE_LENGTH]))

    def entries(self) -> tuple[LogEntry, ...]:
        return tuple(
            LogEntry(
                level=kind.level,
                target=kind.target,
                normalised=kind.text,
                example=count.example,
                count=count.lines,
                first=count.first,
                last=count.last,
                previous_run=kind.previous_run,
            )
            for kind, count in self._entries.items()
        )


class _Count:
    __slots__ = ("example", "first", "last", "lines")

    def __init__(self, example: str) -> None:
        self.example = example
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.lines = 0
