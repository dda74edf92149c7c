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

_CLOSED = re.compile(rb'Ledger closed[^\n]*?ledger_seq"?[=:](\d+)')
_LAST_LEDGER = re.compile(rb"(\d+)\|\d+\s*")


class Tick(msgspec.Struct, frozen=True):
    """The part of a history line that is told to an operator. `ledger` is None where the tick did not know it."""

    ts: datetime
    status: str
    ledger: int | None = None
    actions: tuple[str, ...] = ()


class Tally(msgspec.Struct, frozen=True):
    ticks: int = 0
    filed: int = 0


_TICK = msgspec.json.Decoder(Tick)


def last_tick(session: Session) -> Tick | None:
    """The newest whole line; reads the end of the file only."""
    lines = _tail(session.history).splitlines()
    return next(_ticks(reversed(lines)), None)


def tally(session: Session) -> Tally:
    """Ticks of the session, and issues that they filed; a torn line counts as none."""
    try:
        content = files.read(session.history) or b""
    except OSError:
        return Tally()
    ticks = list(_ticks(iter(content.splitlines())))
    return Tally(len(ticks), sum(action.startswith("filed-") for tick in ticks for action in tick.actions))


def ledger_reached(session: Session) -> int | None:
    """The last ledger that the log shows closed, else the one of the last tick."""
    closed = _CLOSED.findall(_tail(session.log))
    if closed:
        return int(closed[-1])
    match = _LAST_LEDGER.fullmatch(_tail(session.last_ledger))
    return int(match[1]) if match else None


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
