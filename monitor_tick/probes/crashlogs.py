"""What a run's log says about the node's data at its end; the log of a run that is over is read once.

Of what a log may hold besides nothing is trusted: no line is longer here than _LINE_BYTES.
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from monitor_loop import files
from monitor_loop.session import Session
from monitor_tick.facts import Crash, Rotation, Signal
from monitor_tick.probes.log.lines import stamp_of

SCAN_BYTES = 16 * 2**20
"""The end of a rotated log; a fatal failure is among the last things a run writes."""

LIVE_SCAN_BYTES = 64 * 2**20
"""A run that lives on after its fatal failure goes on writing, for some ticks until it is treated."""

_CHUNK = 4 * 2**20
_LINE_BYTES = 4096

# The structured field first, the words of older nodes last.
_LITERALS = (b"fatal_wipe_required", b"State wipe required before restart")
_FATAL = re.compile(
    rb'(?<!\w)fatal_wipe_required(?:=true|: true)(?!\w)|"fatal_wipe_required": ?true(?!\w)'
    rb"|State wipe required before restart"
)
_LIVELOCK = b"Hard-reset livelock"


class Ended(msgspec.Struct, frozen=True):
    """A rotated log as it was when it was read: name, inode, size, time of its last write; and what it says."""

    file: tuple[str, int, int, int]
    signal: Signal


def read_ended(session: Session, rotations: Sequence[Rotation]) -> tuple[tuple[Crash, ...], bytes | None]:
    """The crashes, and what session.crash_signals becomes; None where it stays as it is."""
    kept = _kept(session)
    known = {ended.file: ended.signal for ended in _decoded(kept)}
    read = tuple(_ended(rotation, known) for rotation in rotations)
    content = _encoded([ended for _, ended in read if ended is not None])
    return tuple(crash for crash, _ in read), None if content == (kept or _encoded([])) else content


def save_ended(session: Session, content: bytes) -> None:
    """Not demanded: what is missing or fails its checksum costs one more reading of those logs."""
    with suppress(OSError):
        files.replace(session.crash_signals, content)


def signal_in(path: Path, since: datetime | None = None, *, scan_bytes: int = SCAN_BYTES) -> Signal:
    """The gravest thing that a run says about its data; what cannot be read says nothing.

    With `since` only lines count that were written then or later.
    """
    try:
        with _open(path) as file:
            return _signal(file, since, scan_bytes)
    except OSError:
        return Signal.NONE


def _ended(rotation: Rotation, known: dict[tuple[str, int, int, int], Signal]) -> tuple[Crash, Ended | None]:
    """Nothing is remembered of a log that could not be read."""
    try:
        with _open(rotation.path) as file:
            status = os.fstat(file.fileno())
            key = (rotation.path.name, status.st_ino, status.st_size, status.st_mtime_ns)
            signal = known.get(key) or _signal(file, None, SCAN_BYTES)
    except OSError:
        return Crash(rotation, Signal.NONE), None
    return Crash(rotation, signal), Ended(key, signal)


def _open(path: Path) -> BinaryIO:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not block
    file = os.fdopen(fd, "rb")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        file.close()
        raise OSError(f"{path} is not a regular file")
    return file


def _signal(file: BinaryIO, since: datetime | None, scan_bytes: int) -> Signal:
    first = since.strftime("%Y-%m-%dT%H:%M:%S").encode() if since else b""
    found = Signal.NONE
    file.seek(-min(scan_bytes, os.fstat(file.fileno()).st_size), os.SEEK_END)
    for line in _fatal_lines(file):
        if stamp_of(line) >= first:
            if _LIVELOCK not in line:
                return Signal.WIPE
            found = Signal.LIVELOCK
    return found


def _fatal_lines(file: BinaryIO) -> Iterator[bytes]:
    """In no order. A line is looked at when its end is read, or _LINE_BYTES of what follows."""
    text = b""
    while chunk := file.read(_CHUNK):
        text += chunk
        whole = max(text.rfind(b"\n") + 1, len(text) - _LINE_BYTES)
        yield from _fatal_in(text, whole)
        text = text[whole:]
    yield from _fatal_in(text, len(text))


def _fatal_in(text: bytes, end: int) -> Iterator[bytes]:
    """Lines with evidence that begins before `end`. To look for a literal is ten times as fast as for the pattern."""
    for literal in _LITERALS:
        at = text.find(literal)
        while 0 <= at < end:
            if _FATAL.match(text, at) or _FATAL.match(text, at - 1):  # the quote before a JSON key
                yield _line_around(text, at)
            at = text.find(literal, at + len(literal))


def _line_around(text: bytes, position: int) -> bytes:
    begin = text.rfind(b"\n", max(0, position - _LINE_BYTES), position) + 1
    end = text.find(b"\n", position, position + _LINE_BYTES)
    return text[max(begin, position - _LINE_BYTES) : end if end >= 0 else position + _LINE_BYTES]


def _kept(session: Session) -> bytes | None:
    try:
        return files.read(session.crash_signals)
    except OSError:
        return None


def _encoded(ended: Sequence[Ended]) -> bytes:
    packed = msgspec.msgpack.encode(ended)
    return zlib.crc32(packed).to_bytes(4, "big") + packed


def _decoded(content: bytes | None) -> list[Ended]:
    if content is None or zlib.crc32(content[4:]).to_bytes(4, "big") != content[:4]:
        return []
    try:
        return msgspec.msgpack.decode(content[4:], type=list[Ended])
    except msgspec.DecodeError:
        return []
