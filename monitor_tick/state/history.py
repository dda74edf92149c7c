"""tick-history.jsonl: one line a tick, also for a tick that was refused or skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from monitor_loop import files
from monitor_loop.session import Session
from monitor_tick.state.skipped import SKIPPED

SCHEMA = 1
"""Version of a line; it moves when a key changes its meaning or goes. A reader takes every version it can."""

TAIL_BYTES = 256 * 1024
_HEAD_BYTES = 64 * 1024
_PIECE_BYTES = 1024 * 1024


class HistoryAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of the tick; `reason` is why it was, or was not, brought to GitHub."""

    key: str
    title: str
    tier: str
    reason: str


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a tick was. `status` is a level's name, SKIPPED, or how the tick ended; `watch` are "key=value" words.

    `ledger` and `pid` are None while unknown. `interval_s` is the time since the last full tick, None on the first.
    `deploys` counts those of this tick.
    """

    schema: int = SCHEMA
    ts: Annotated[datetime, msgspec.Meta(tz=True)]
    status: str
    ledger: int | None = None
    build: str = ""
    deploys: int = 0
    warnings: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    self_reflect: str = ""
    watch: tuple[str, ...] = ()
    duration_ms: int | None = None
    interval_s: float | None = None
    pid: int | None = None
    alerts: tuple[HistoryAlert, ...] = ()


class History(msgspec.Struct, frozen=True):
    """The newest lines, oldest first. `unreadable` counts lines among them that are no history line."""

    lines: tuple[HistoryLine, ...] = ()
    unreadable: int = 0


def append(session: Session, line: HistoryLine) -> None:
    """Add one line, in one write. OSError where the disk refuses."""
    files.append_line(session.history, msgspec.json.encode(line))


def tail(session: Session) -> History:
    """What the last 256 KB hold; empty where there is no file."""
    parsed = [_parse(line) for line in _last_lines(session.history)]
    lines = tuple(line for line in parsed if line is not None)
    return History(lines, len(parsed) - len(lines))


def since_last_tick(session: Session) -> tuple[int, str]:
    """How many ticks found the lock held since the last one that looked began, and the status of that one.

    Most of them stand before its line, which is written at its end: they waited for that very tick.
    """
    skipped, last = 0, None
    for line in filter(None, map(_parse, reversed(_last_lines(session.history)))):
        if line.status != SKIPPED:
            if last is not None:
                break
            last = line
        elif last is not None and line.ts <= last.ts:
            break
        else:
            skipped += 1
    return skipped, last.status if last is not None else ""


def bound(session: Session, now: datetime, days: int) -> bool:
    """Drop what is older than `days`, once the oldest line is a day older still: one rewrite a day, or none."""
    keep_from = now - timedelta(days=days)
    try:
        source = session.history.open("rb")
    except FileNotFoundError:
        return False
    with source:
        oldest = next((line.ts for line in map(_parse, source.readlines(_HEAD_BYTES)) if line), now)
        if oldest >= keep_from - timedelta(days=1):
            return False
        source.seek(_offset_of(source, keep_from))
        _replace_with_rest(session.history, source)
    return True


def _parse(content: bytes) -> HistoryLine | None:
    try:
        return msgspec.json.decode(content, type=HistoryLine)
    except (msgspec.DecodeError, RecursionError):
        return None


def _last_lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - TAIL_BYTES)
            file.seek(start)
            content = file.read(TAIL_BYTES)
    except FileNotFoundError:
        return []
    if start:
        content = content.partition(b"\n")[2]
    return content.splitlines()


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    """Lines; one without an end comes in pieces, none of which can be read as a line."""
    while piece := source.readline(_PIECE_BYTES):
        yield piece


def _offset_of(source: BinaryIO, keep_from: datetime) -> int:
    """Where the first line that is young enough begins; the end of the file where there is none."""
    source.seek(0)
    offset = 0
    for piece in _pieces(source):
        line = _parse(piece)
        if line is not None and line.ts >= keep_from:
            break
        offset += len(piece)
    return offset


def _replace_with_rest(path: Path, source: BinaryIO) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as target:
        os.fchmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o7777)
        while piece := source.read(_PIECE_BYTES):
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    temporary.replace(path)
    files.sync_directory(path.parent)
