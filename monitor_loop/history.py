"""What monitor-loop reads of a session's past: tick-history.jsonl, as monitor-tick writes it, and the log's end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from monitor_loop import files
from monitor_loop.session import Session

TAIL_BYTES = 2**20

SKIPPED = "SKIPPED"
"""The status of a mark in place of a tick: it found the lock held."""

OVERLONG = "OVERLONG"
"""The status of a mark in place of a tick: it was over its deadline and ended itself."""

_CLOSED = re.compile(rb'Ledger closed[^\n]*?ledger_seq"?[=:](\d+)')
_LAST_LEDGER = re.compile(rb"(\d+)\|\d+\s*")


class Tick(msgspec.Struct, frozen=True):
    """The part of a history line that is told to an operator. `ledger` is None where the tick did not know it."""

    ts: datetime
    status: str
    ledger: int | None = None
    actions: tuple[str, ...] = ()


class Marks(msgspec.Struct, frozen=True):
    """Ticks that did not look since the last one that did: the lock was held, or the deadline ended them."""

    skipped: int = 0
    overlong: int = 0


class Tally(msgspec.Struct, frozen=True):
    ticks: int = 0
    filed: int = 0


_TICK = msgspec.json.Decoder(Tick)


def last_tick(session: Session) -> Tick | None:
    """The newest whole line of a tick that looked; reads the end of the file only."""
    return next(filter(_looked, _newest_first(session)), None)


def marks_since(session: Session, last: Tick | None) -> Marks:
    """Those after `last` began: while it runs, marks come before its line, which is written at its end."""
    found = []
    for tick in _newest_first(session):
        if _looked(tick):
            if tick != last:
                break
        elif last is None or tick.ts > last.ts:
            found.append(tick.status)
    return Marks(found.count(SKIPPED), found.count(OVERLONG))


def tally(session: Session) -> Tally:
    """Ticks of the session that looked, and issues that they filed; a torn line counts as none."""
    try:
        content = files.read(session.history) or b""
    except OSError:
        return Tally()
    ticks = list(filter(_looked, _ticks(iter(content.splitlines()))))
    return Tally(len(ticks), sum(action.startswith("filed-") for tick in ticks for action in tick.actions))


def ledger_reached(session: Session) -> int | None:
    """The last ledger that the log shows closed, else the one of the last tick."""
    closed = _CLOSED.findall(_tail(session.log))
    if closed:
        return int(closed[-1])
    match = _LAST_LEDGER.fullmatch(_tail(session.last_ledger))
    return int(match[1]) if match else None


def _looked(tick: Tick) -> bool:
    return tick.status not in (SKIPPED, OVERLONG)


def _newest_first(session: Session) -> Iterator[Tick]:
    return _ticks(reversed(_tail(session.history).splitlines()))


def _ticks(lines: Iterator[bytes]) -> Iterator[Tick]:
    for line in lines:
        try:
            yield _TICK.decode(line)
        except msgspec.DecodeError:
            continue


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL_BYTES))
            return file.read(TAIL_BYTES)
    except OSError:
        return b""
