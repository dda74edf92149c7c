"""The few ways this project touches a file: whole reads, atomic replacement, appends, the lock, owned deletion.

Imported before a command knows whether it has anything to do, so nothing heavier than os and fcntl at the top.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from typing import TYPE_CHECKING

from monitor_loop.errors import LockHeld, MonitorError

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    AnyPath = str | os.PathLike[str]

READ_LIMIT = 64 * 2**20
_LOCK_POLL_SECONDS = 0.1
_HOLDER_BYTES = 4096


def read(path: AnyPath, limit: int = READ_LIMIT) -> bytes | None:
    """The whole file, or None where there is none. OSError otherwise, also when it is larger than `limit` bytes."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not block
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", os.fspath(path))
    return content


def replace(path: AnyPath, content: bytes) -> None:
    """`path` holds either what it held or `content`, whenever the machine stops. Permissions are kept."""
    target = os.fspath(path)
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(fd, "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(fd, stat.S_IMODE(os.stat(target).st_mode))
            file.write(content)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(directory or ".")


def sync_directory(path: AnyPath) -> None:
    """Makes the names of a directory durable: a rename or a creation survives a power cut only after this."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def append_line(path: AnyPath, line: bytes) -> None:
    """Adds `line`, with or without its newline, in one write. After a torn last line it starts on a line of its own."""
    body = line.removesuffix(b"\n") + b"\n"
    if b"\n" in body[:-1]:
        raise ValueError("one line at a time")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            body = b"\n" + body
        if os.write(fd, body) != len(body):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        os.fsync(fd)
    finally:
        os.close(fd)


class Lock:
    """One start, stop or tick at a time. The kernel drops the lock with its holder, so a leftover file blocks nothing.

    The descriptor is close-on-exec: a node that was launched under the lock does not keep it.
    """

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd

    @classmethod
    def acquire(cls, path: AnyPath, command: str, now: datetime, wait_seconds: float = 0.0) -> Lock:
        """Raises LockHeld once `wait_seconds` have passed; MonitorError where the file cannot be made."""
        target = os.fspath(path)
        give_up = time.monotonic() + wait_seconds
        while (fd := _try_lock(target)) is None:
            if time.monotonic() >= give_up:
                raise LockHeld(_held_message(target, now))
            time.sleep(_LOCK_POLL_SECONDS)
        holder = f"pid={os.getpid()}\ncommand={' '.join(command.split())}\nsince={now.isoformat()}\n"
        os.ftruncate(fd, 0)
        os.pwrite(fd, holder.encode("utf-8", "replace"), 0)
        return cls(target, fd)

    def release(self) -> None:
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            os.ftruncate(fd, 0)  # names nobody while nobody holds it
        finally:
            os.close(fd)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def _try_lock(path: str) -> int | None:
    """A locked descriptor of the file that `path` names now, or None while another process holds it."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise MonitorError(
                f"ERROR: cannot open {path}: {error.strerror} - check the data root's owner and permissions"
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        if _names(path, fd):
            return fd
        os.close(fd)  # removed between open and flock: the next process would lock another file


def _names(path: str, fd: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(fd))
    return False


def _held_message(path: str, now: datetime) -> str:
    holder = _holder(path)
    pid = holder.get("pid", "")
    if not (pid.isascii() and pid.isdigit()):
        return f"ABORT: another monitor-loop holds {path}: it does not say who - see `fuser -v {path}`, or try again"
    return (
        f"ABORT: another monitor-loop holds {path}: pid {pid}, {holder.get('command') or 'command unknown'}, "
        f"{_age(holder.get('since', ''), now)} - wait until it ends; if it hangs: kill {pid}"
    )


def _holder(path: str) -> dict[str, str]:
    """What the holder wrote; keys may be missing, since it writes only after it has the lock."""
    try:
        content = read(path, _HOLDER_BYTES) or b""
    except OSError:
        return {}
    lines = content.decode("utf-8", "replace").split("\n")
    printable = ("".join(char for char in line if char.isprintable()) for line in lines)
    return {key: value for key, mark, value in (line.partition("=") for line in printable) if mark}


def _age(since: str, now: datetime) -> str:
    try:
        seconds = (now - type(now).fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):
        return "for an unknown time"
    return f"for {max(0, int(seconds))} s"


def remove_tree(path: AnyPath, under: AnyPath) -> int:
    """Deletes `path`, which must lie inside `under`, and returns the bytes this gave back to the file system.

    A link is removed, never followed, and another file system mounted inside is left alone. What cannot be removed
    does not stop the rest: the first such error is raised at the end. MonitorError for anything outside `under`.
    """
    owner = os.path.realpath(under)
    parent, name = os.path.split(os.path.abspath(path))
    parent = os.path.realpath(parent)
    if not name or not _is_inside(os.path.join(parent, name), owner):
        raise MonitorError(
            f"ERROR: refusing to delete {os.fspath(path)}: it is not inside {owner} - nothing was deleted"
        )
    from monitor_loop import removal  # not for those who only read or lock

    try:
        fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        freed, errors = removal.remove_entry(fd, name)
    finally:
        os.close(fd)
    if errors:
        raise errors[0]
    return freed


def _is_inside(path: str, owner: str) -> bool:
    return path != owner and os.path.commonpath((path, owner)) == owner
