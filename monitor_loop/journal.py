"""Several files under the data root that change together or not at all.

A redo journal: the new contents go into one file, which is made durable; then every file is replaced; then the journal
goes. Whoever holds the lock finishes an unfinished one before it reads or writes state, and a crash at any point leaves
all of the old contents, or a journal that leads to all of the new.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from monitor_loop import ballast, files
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot

NAME = ".commit-journal"
READ_LIMIT = 128 * 2**20

_SCHEMA = 1
_ABSENT = "absent"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class JournalDamaged(MonitorError):
    """The journal cannot be trusted, so no file was touched."""


class Write(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new content of one file, None to remove it; `path` is relative to the data root and stays inside it.

    With `replaces` (a `fingerprint`) the write is dropped where a command has written the file since: node.json belongs
    to start and stop as well, and a journal of before must not undo them.
    """

    path: str
    content: bytes | None
    replaces: str = ""


class _Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    writes: tuple[Write, ...]


def fingerprint(content: bytes | None) -> str:
    """What `Write.replaces` compares; None stands for a file that is not there."""
    return _ABSENT if content is None else hashlib.sha256(content).hexdigest()


def commit(data: DataRoot, writes: Sequence[Write]) -> None:
    """Make every file hold its new content, durably. MonitorError where the disk refuses: the next `finish` goes on.

    One file needs no journal, since its replacement is atomic by itself. A file whose directory is not there is left
    out: it went with a session that was removed.
    """
    for write in writes:
        _refuse_outside(write.path)
    finish(data)
    writes = _applicable(data, writes)
    try:
        _with_room(data, lambda: _write_out(data, writes))
    except OSError as error:
        raise MonitorError(
            f"ERROR: cannot write the state under {data.path}: {error.strerror or error}"
            " - check free space and permissions; the next tick goes on from here"
        ) from error


def pending(data: DataRoot) -> tuple[Write, ...] | None:
    """What an interrupted commit still has to write; None where there is no journal. Raises JournalDamaged."""
    try:
        content = files.read(data.commit_journal, READ_LIMIT)
    except OSError as error:
        raise JournalDamaged(f"ERROR: cannot read {data.commit_journal}: {error.strerror} - move it away") from error
    return None if content is None else _applicable(data, _parse(data, content))


def finish(data: DataRoot) -> bool:
    """Complete an interrupted commit; False where there is none. JournalDamaged, or MonitorError from the disk."""
    writes = pending(data)
    if writes is None:
        return False
    try:
        _with_room(data, lambda: _replace_all(data, writes))
        _remove(data)
    except OSError as error:
        raise MonitorError(
            f"ERROR: cannot finish {data.commit_journal}: {error.strerror or error} - check free space and permissions"
        ) from error
    return True


def _remove(data: DataRoot) -> None:
    """Durably: a journal that a power cut brought back would undo the commit of one file that came after it."""
    data.commit_journal.unlink(missing_ok=True)
    files.sync_directory(data.path)


def _applicable(data: DataRoot, writes: Iterable[Write]) -> tuple[Write, ...]:
    return tuple(write for write in writes if _still_applies(data.path / write.path, write))


def _still_applies(target: Path, write: Write) -> bool:
    if not target.parent.is_dir():
        return False
    if not write.replaces:
        return True
    with contextlib.suppress(OSError):
        found = fingerprint(files.read(target))
        return found in (write.replaces, fingerprint(write.content))
    return False


# --- the text form -----------------------------------------------------------------------------------------------


def _render(writes: Sequence[Write]) -> bytes:
    body = msgspec.msgpack.encode(_Journal(_SCHEMA, tuple(writes)))
    return hashlib.sha256(body).digest() + body


def _parse(data: DataRoot, content: bytes) -> tuple[Write, ...]:
    digest, body = content[:32], content[32:]
    try:
        if hashlib.sha256(body).digest() != digest:
            raise ValueError("wrong checksum")
        journal = msgspec.msgpack.decode(body, type=_Journal)
        if journal.schema != _SCHEMA:
            raise ValueError(f"schema {journal.schema}, not {_SCHEMA}")
        for write in journal.writes:
            _refuse_outside(write.path)
    except (ValueError, msgspec.DecodeError) as error:
        raise JournalDamaged(f"ERROR: {data.commit_journal} is damaged: {error} - move it away") from error
    return journal.writes


def _refuse_outside(path: str) -> None:
    parts = path.split("/")
    if "\0" in path or path == NAME or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"not a path inside the data root: {path!r}")


# --- the disk ----------------------------------------------------------------------------------------------------


def _with_room(data: DataRoot, write: Callable[[], None]) -> None:
    """On a full volume once more, with the disk that was held back. Each step may be taken twice."""
    try:
        write()
    except OSError as error:
        if error.errno not in _FULL or not ballast.release(data):
            raise
        write()


def _write_out(data: DataRoot, writes: Sequence[Write]) -> None:
    if len(writes) > 1:
        _replace_all(data, [Write(NAME, _render(writes))])
    _replace_all(data, writes)
    if len(writes) > 1:
        _remove(data)


def _replace_all(data: DataRoot, writes: Sequence[Write]) -> None:
    """Write all, sync all, rename all, and sync each directory once; the temporary names are reused after a crash."""
    kept = [(data.path / write.path, write.content) for write in writes if write.content is not None]
    removed = [data.path / write.path for write in writes if write.content is None]
    targets = [target for target, _ in kept]
    temporaries = [target.with_name(f".{target.name}.new") for target in targets]
    with contextlib.ExitStack() as opened:
        descriptors = []
        for (target, content), temporary in zip(kept, temporaries, strict=True):
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            opened.callback(os.close, fd)
            descriptors.append(fd)
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(fd, stat.S_IMODE(target.stat().st_mode))
            _write_whole(fd, content)
        for fd in descriptors:
            os.fsync(fd)
    for target, temporary in zip(targets, temporaries, strict=True):
        temporary.replace(target)
    for target in removed:
        target.unlink(missing_ok=True)
    for directory in dict.fromkeys(target.parent for target in (*targets, *removed)):
        files.sync_directory(directory)


def _write_whole(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
