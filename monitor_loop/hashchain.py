"""A file of lines that only grows, each with the SHA-256 of the one before: what was altered, removed or moved shows.

Beside it, `<name>.mark` names the line that was last acknowledged: without it, a file whose end is gone would look like
one that a crash left short. Whoever appends holds the data root's lock. This tells of accidents and of careless edits;
it is no signature.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from monitor_loop import files

TAIL_BYTES = 2**20
"""How far back the newest lines are looked for; a thousand of them, or more."""

_FIRST = "0" * 64  # what the first line follows
_DAMAGED = ""
_START = '{{"previous":"{}"'


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`previous` is the SHA-256 of the whole line that this one follows. `skips` is that of the torn lines in between,
    empty where there are none. `checksum` is over the other three."""

    previous: str
    skips: str
    checksum: str
    body: msgspec.Raw


class Body(msgspec.Struct, frozen=True):
    """What stands in line `number` of the file, from 1."""

    number: int
    content: bytes


class Chain(msgspec.Struct, frozen=True):
    """`faults` name what was altered, removed, moved or inserted; `notes` what a crash left, which is no damage."""

    bodies: tuple[Body, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def append(path: Path, body: bytes) -> None:
    """Adds one line durably; `body` is one JSON value. After a torn line the chain goes on from the last whole one.

    OSError where the disk refuses: the line may stand there nonetheless, unacknowledged.
    """
    previous, skips = _end_of(_tail(path), _marked(path))
    line = _render(previous, skips, body)
    files.append_line(path, line)
    files.replace(_mark_of(path), _render_mark(_digest(line)))  # syncs the directory, for the name of a first line too


def read(path: Path) -> Chain:
    """The whole file, every link checked. OSError where it cannot be read; one that is not there is an empty chain."""
    marked = _marked(path)  # first: lines may be added while we look
    content = files.read(path)
    if content is None:
        return Chain(faults=() if marked is None else (f"{path.name} is gone",))
    return _checked(content, marked)


def newest(path: Path) -> tuple[bytes, ...]:
    """The whole lines among the last TAIL_BYTES, oldest first: what a tick needs, without a look at the links."""
    lines = (_parse(raw) for raw in _tail(path).split(b"\n"))
    return tuple(bytes(line.body) for line in lines if line is not None)


# --- one line ----------------------------------------------------------------------------------------------------


def _render(previous: str, skips: str, body: bytes) -> bytes:
    checksum = _digest(f"{previous}:{skips}:".encode() + body)
    return msgspec.json.encode(_Line(previous, skips, checksum, msgspec.Raw(body)))


def _parse(raw: bytes) -> _Line | None:
    """Exactly what `_render` made, or None; whether its newline got there does not matter."""
    try:
        line = msgspec.json.decode(raw, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return line if _render(line.previous, line.skips, bytes(line.body)) == raw else None


def _is_torn(raw: bytes, follows: str) -> bool:
    """Whether a crash may have left this of a line that was to follow `follows`."""
    start = _START.format(follows).encode()
    return start.startswith(raw[: len(start)])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of_torn(lines: Sequence[bytes]) -> str:
    return _digest(b"\n".join(lines)) if lines else ""


# --- the whole file ----------------------------------------------------------------------------------------------


def _checked(content: bytes, marked: str | None) -> Chain:
    follows = _FIRST
    numbers = {_FIRST: 0}
    odd: list[Body] = []  # since the last whole line
    bodies: list[Body] = []
    faults: list[str] = []
    notes: list[str] = []
    lines = _lines(content)
    for number, raw in enumerate(lines, 1):
        line = _parse(raw)
        if line is None:
            odd.append(Body(number, raw))
            continue
        if line.previous == follows and line.skips == _digest_of_torn([body.content for body in odd]):
            notes += _torn(odd)
        else:
            faults += _broken(number, line, odd, follows, numbers)
        follows = _digest(raw)
        numbers[follows] = number
        bodies.append(Body(number, bytes(line.body)))
        odd.clear()
    if (not marked or marked in numbers) and all(_is_torn(body.content, follows) for body in odd):
        notes += _torn(odd)
    else:
        faults += _altered(odd)
    faults += _faults_of_mark(marked, numbers, len(lines))
    if lines and not odd and not content.endswith(b"\n"):
        notes.append(f"line {len(lines)}: its newline is missing; the next line starts on its own")
    return Chain(tuple(bodies), tuple(faults), tuple(notes))


def _broken(number: int, line: _Line, odd: Sequence[Body], follows: str, numbers: Mapping[str, int]) -> list[str]:
    """Why line `number` does not follow the whole line before it."""
    if odd:
        return _altered(odd)
    if line.previous == follows:
        return [f"line {number}: the torn line before it was removed"]
    if line.previous in numbers:
        said = f"line {numbers[line.previous]}" if numbers[line.previous] else "no line"
        return [f"line {number}: follows {said}, not the one before it: a line was inserted or moved"]
    return [f"line {number}: the line that it follows is not here: it was altered, moved or removed"]


def _faults_of_mark(marked: str | None, numbers: Mapping[str, int], count: int) -> list[str]:
    unknown = "whether the end of the file is whole is not known"
    if marked is None:
        several = len(numbers) > 2  # noqa: PLR2004 - a crash may come before the first mark; numbers also hold line 0
        return [f"the mark of the last line is missing: {unknown}"] if several else []
    if marked == _DAMAGED:
        return [f"the mark of the last line is damaged: {unknown}"]
    if marked in numbers:
        return []
    return [f"line {count} or after: the line that was written last is not here: it was altered, cut off or removed"]


def _altered(odd: Sequence[Body]) -> list[str]:
    return [f"line {body.number}: altered, or not written by monitor-loop" for body in odd]


def _torn(odd: Sequence[Body]) -> list[str]:
    return [f"line {body.number}: a crash cut it off while it was written" for body in odd]


def _lines(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    return lines[:-1] if not lines[-1] else lines


# --- its end -----------------------------------------------------------------------------------------------------


def _end_of(tail: bytes, marked: str | None) -> tuple[str, str]:
    """What the next line follows, and what it skips.

    An acknowledged line that is not there any more is followed nonetheless, so that its loss shows for ever.
    """
    lines = _lines(tail)
    whole = [index for index, raw in enumerate(lines) if _parse(raw) is not None]
    if marked and marked not in {_digest(lines[index]) for index in whole}:
        return marked, ""
    previous, torn = (_digest(lines[whole[-1]]), lines[whole[-1] + 1 :]) if whole else (_FIRST, lines)
    return previous, _digest_of_torn(torn) if all(_is_torn(raw, previous) for raw in torn) else ""


def _tail(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(22, "not a regular file", str(path))
        file.seek(max(0, status.st_size - TAIL_BYTES))
        return file.read(TAIL_BYTES)


def _mark_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.mark")


def _render_mark(digest: str) -> bytes:
    return f"{digest} {_digest(digest.encode())}\n".encode()


def _marked(path: Path) -> str | None:
    """The digest of the line that was acknowledged last; _DAMAGED where the mark says nothing, None without one."""
    content = files.read(_mark_of(path), 4096)
    if content is None:
        return None
    digest = content.decode("ascii", "replace").partition(" ")[0]
    return digest if content == _render_mark(digest) else _DAMAGED
