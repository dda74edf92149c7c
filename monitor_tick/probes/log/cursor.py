"""The bytes of the log: which of them are unread, across rotations, and in what pieces they are read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from monitor_loop.session import Session
from monitor_tick.facts import LogCursor, Missing, Rotation

CHUNK = 1 << 20
MAX_LINE = 1 << 20
"""A line longer than this is cut, so that a log without line breaks does not hold the cursor for ever."""

BACKWARD = 1 << 16
FIRST_TICK_BYTES = 8 << 20
"""How far back the first tick looks for its lines; 500 ordinary ones are 110 kB."""

_ROTATED = re.compile(r"monitor\.log\.([a-z]+)-(\d{8}T\d{6}Z)")
CAUSES = ("crashed", "frozen", "stuck", "preredeploy", "memory", "wiped")


class LogFile(msgspec.Struct, frozen=True):
    """monitor.log or one that was put aside; `at` is the time in its name, None for the live one."""

    path: Path
    device: int
    inode: int
    size: int
    modified_ns: int
    cause: str = ""
    at: datetime | None = None


class Segment(msgspec.Struct, frozen=True):
    """Unread bytes [start, end) of one file. `finished`: nothing will be appended, so a torn last line is a line."""

    file: LogFile
    start: int
    finished: bool


class Unread(msgspec.Struct, frozen=True):
    """What to read, oldest first; the last segment is where the cursor will stand."""

    segments: tuple[Segment, ...]
    skipped_bytes: int
    first_tick: bool


class Block(msgspec.Struct, frozen=True):
    """Whole lines, with a line break before the first and after the last, and the cursor behind them.

    NUL bytes, which a power cut leaves, are gone. `opens_file`: the block starts at byte 0.
    """

    data: bytes
    cursor: LogCursor
    read_bytes: int
    opens_file: bool = False


def unread_of(session: Session, cursor: LogCursor | None, budget_bytes: int, first_lines: int) -> Unread | Missing:
    """What the log holds beyond `cursor`, the newest `budget_bytes` of it. Raises OSError."""
    live = _log_file(session.log)
    if cursor is None:
        if live is None:
            return Missing("no monitor.log")
        start = _start_of_last_lines(live, first_lines, min(budget_bytes, FIRST_TICK_BYTES))
        return Unread((Segment(live, start, finished=False),), 0, first_tick=True)
    files = _since(cursor, live, rotated_files(session))
    if not files:
        return Missing("no monitor.log")
    segments = [
        Segment(file, _start(file, cursor), finished=position < len(files) - 1) for position, file in enumerate(files)
    ]
    newest, skipped = _newest(segments, budget_bytes)
    return Unread(newest, skipped, first_tick=False)


def rotated_files(session: Session) -> tuple[LogFile, ...]:
    """Every monitor.log.<cause>-<UTC>, oldest first: by last write, which the rename keeps, then by name."""
    try:
        names = os.listdir(session.logs)  # noqa: PTH208  names are enough, and Path costs ten times as much
    except FileNotFoundError:
        return ()
    found = []
    for name in names:
        parts = _ROTATED.fullmatch(name)
        file = _log_file(session.logs / name, parts) if parts else None
        if file is not None:
            found.append(file)
    return tuple(sorted(found, key=lambda file: (file.modified_ns, file.at, file.path.name)))


def rotations_of(session: Session) -> tuple[Rotation, ...]:
    """The rotations of a known cause, newest first."""
    return tuple(
        Rotation(path=file.path, cause=file.cause, at=file.at)
        for file in reversed(rotated_files(session))
        if file.cause in CAUSES and file.at is not None
    )


def _log_file(path: Path, parts: re.Match[str] | None = None) -> LogFile | None:
    """None where there is no such regular file, or where its name holds no real date."""
    try:
        status = path.stat()
        at = datetime.strptime(parts[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc) if parts else None
    except (FileNotFoundError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    cause = parts[1] if parts else ""
    return LogFile(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, cause, at)


def _is_at(cursor: LogCursor, file: LogFile) -> bool:
    return (file.device, file.inode) == (cursor.device, cursor.inode)


def _since(cursor: LogCursor, live: LogFile | None, rotated: tuple[LogFile, ...]) -> list[LogFile]:
    """The cursor's file and what was begun after it. Where that file is gone, only the live log can be placed."""
    files = [*rotated, *([live] if live else [])]
    positions = [position for position, file in enumerate(files) if _is_at(cursor, file)]
    return files[positions[0] :] if positions else [live] if live else []


def _start(file: LogFile, cursor: LogCursor) -> int:
    """A file that is shorter than what was read of it was truncated and begun anew."""
    return cursor.offset if _is_at(cursor, file) and cursor.offset <= file.size else 0


def _newest(segments: list[Segment], budget_bytes: int) -> tuple[tuple[Segment, ...], int]:
    """The newest `budget_bytes`, begun at a line, and how many older bytes are left out."""
    excess = sum(segment.file.size - segment.start for segment in segments) - budget_bytes
    skipped, kept = 0, []
    for segment in segments:
        start = segment.start
        if excess > 0:
            start = min(start + excess, segment.file.size)
            excess -= start - segment.start
            start = _next_line(segment.file, start)
            skipped += start - segment.start
        if start < segment.file.size or segment is segments[-1]:
            kept.append(msgspec.structs.replace(segment, start=start))
    return tuple(kept), skipped


def _next_line(file: LogFile, offset: int) -> int:
    """The first line's beginning at or after `offset`; `offset` itself where no line ends within MAX_LINE."""
    if offset in (0, file.size):
        return offset
    with file.path.open("rb") as log:
        log.seek(offset - 1)
        found = log.read(MAX_LINE).find(b"\n")
    return offset if found < 0 else offset + found


def _start_of_last_lines(file: LogFile, lines: int, limit_bytes: int) -> int:
    """Where the last `lines` whole lines begin, read from the end in small steps."""
    lowest, position, wanted = max(0, file.size - limit_bytes), file.size, lines + 1
    with file.path.open("rb") as log:
        while position > lowest:
            step = min(BACKWARD, position - lowest)
            position -= step
            log.seek(position)
            data = log.read(step)
            breaks = data.count(b"\n")
            if breaks >= wanted:
                for _ in range(wanted):
                    data = data[: data.rindex(b"\n")]
                return position + len(data) + 1
            wanted -= breaks
    return lowest if lowest == 0 else _next_line(file, lowest)


def text_before(segment: Segment) -> bytes:
    """A little of what was read before, to tell when the lines before the first unread one were written."""
    if segment.start == 0:
        return b""
    with segment.file.path.open("rb") as log:
        log.seek(max(0, segment.start - BACKWARD))
        return b"\n" + log.read(min(segment.start, BACKWARD))


def blocks_of(segment: Segment) -> Iterator[Block]:
    """The segment in blocks of about CHUNK, none larger than CHUNK + MAX_LINE; the last may hold no line."""
    file, position, opens = segment.file, segment.start, segment.start == 0
    waiting, waiting_bytes = b"", 0
    with file.path.open("rb") as log:
        # A file that was swapped since it was listed is left to the next tick.
        status = os.fstat(log.fileno())
        end = file.size if (status.st_dev, status.st_ino) == (file.device, file.inode) else position
        log.seek(position)
        while position < end and (raw := log.read(min(CHUNK, end - position))):
            read_bytes = len(raw)
            position += read_bytes
            whole = raw.rfind(b"\n") + 1
            lines = b"".join((b"\n", waiting, memoryview(raw)[:whole])) if whole else b"\n"
            rest = raw[whole:] if whole else waiting + raw
            del raw  # a block is held once: here as `lines`, and nowhere as what it was made of
            waiting_bytes = len(rest) if whole else waiting_bytes + read_bytes
            waiting = rest.replace(b"\0", b"")
            if len(waiting) > MAX_LINE:
                lines, waiting = lines + waiting + b"\n", b""
            waiting_bytes = waiting_bytes if waiting else 0
            yield _block(lines, file, position - waiting_bytes, read_bytes, opens)
            opens = False
    if segment.finished and waiting:
        yield _block(b"\n" + waiting + b"\n", file, position, 0, opens)
    elif position == segment.start:
        yield _block(b"\n", file, position, 0, opens)


def _block(lines: bytes, file: LogFile, offset: int, read_bytes: int, opens: bool) -> Block:
    data = lines.replace(b"\0", b"") if b"\0" in lines else lines
    return Block(data, LogCursor(file.device, file.inode, offset), read_bytes, opens)
