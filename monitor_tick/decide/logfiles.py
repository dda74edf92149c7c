"""Reading a session's log files whole, in bounded pieces: what may be large, missing, a pipe or torn."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from monitor_tick.decide.crashes import FATAL_LENGTH, SOFT_FAIL, SOFT_FAIL_LINES, CrashLog, is_fatal
from monitor_tick.probes.log.lines import Line, line_of

SCAN_BYTES = 2 * 2**30
"""The end of a log is read, not all of one that grew without bound; a fatal failure ends it."""

_CRASHED = "monitor.log.crashed-"
_CHUNK = 4 * 2**20
_LINE_BYTES = 2**20
_TAIL_BYTES = 64 * 2**20
_HEARTBEAT = re.compile(rb'(?<!\w)heartbeat(?:=true|: true)(?!\w)|"heartbeat": ?true(?!\w)')


def crash_logs(directory: str) -> tuple[CrashLog, ...]:
    """None where there is no directory, or none that can be read."""
    found = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(_CRASHED) and entry.is_file():
                    found.append(CrashLog(entry.path, entry.stat().st_mtime))
    except OSError:
        return tuple(found)
    return tuple(found)


def holds_fatal(path: str) -> bool:
    """No where it cannot be read."""
    try:
        with _open(path) as file:
            file.seek(-min(SCAN_BYTES, _size(file)), os.SEEK_END)
            kept = b""
            while chunk := file.read(_CHUNK):
                if is_fatal(kept + chunk):
                    return True
                kept = (kept + chunk)[-FATAL_LENGTH:]
    except OSError:
        return False
    return False


def soft_fail_lines(path: str) -> tuple[Line, ...]:
    """Those among the last SOFT_FAIL_LINES lines; none where the file cannot be read."""
    try:
        with _open(path) as file:
            file.seek(-min(_TAIL_BYTES, _size(file)), os.SEEK_END)
            last = deque(_lines(file), maxlen=SOFT_FAIL_LINES)
    except OSError:
        return ()
    found = (line_of(raw.rstrip(b"\n")) for raw in last if SOFT_FAIL in raw)
    return tuple(line for line in found if line is not None)


def heartbeat_lines(path: str) -> Iterator[bytes]:
    """Each with its newline. Raises OSError."""
    with _open(path) as file:
        for line in _lines(file):
            if _HEARTBEAT.search(line):
                yield line if line.endswith(b"\n") else line + b"\n"


def _open(path: str) -> BinaryIO:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not block
    file = os.fdopen(fd, "rb")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        file.close()
        raise OSError(f"{path} is not a regular file")
    return file


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """A longer line comes in pieces."""
    return iter(lambda: file.readline(_LINE_BYTES), b"")
