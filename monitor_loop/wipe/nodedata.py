"""The directory of the node's data: what lies there under which name, and what must hold before it is moved.

Every name is looked at relative to the open directory, which is resolved once; nothing in it is followed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from monitor_loop import preflight
from monitor_loop.acts import Precondition
from monitor_loop.errors import MonitorError
from monitor_loop.session import NodeConfig
from monitor_loop.wipe import holders

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_HELD = "held"


class Names(NamedTuple):
    database: str
    buckets: str
    lock: str

    @property
    def sides(self) -> tuple[str, ...]:
        """What SQLite keeps beside its database."""
        return f"{self.database}-shm", f"{self.database}-wal"

    @property
    def targets(self) -> tuple[str, ...]:
        """What a wipe moves, in this order. The database goes last: without it a node would begin anew in the midst."""
        return self.buckets, *self.sides, self.database


class Ground(NamedTuple):
    """The directory of the database. `path` is resolved, as is `buckets_in`, where the config has the buckets."""

    path: str
    fd: int
    names: Names
    buckets_in: str

    def status(self, name: str) -> os.stat_result | None:
        """Of the name itself; None where there is none."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None


@contextlib.contextmanager
def opened(config: NodeConfig) -> Iterator[Ground]:
    """OSError where there is no such directory."""
    path = os.path.realpath(config.mainnet)
    names = Names(config.database.name, config.buckets.name, config.lock_file.name)
    fd = os.open(path, _DIRECTORY)
    try:
        yield Ground(path, fd, names, os.path.realpath(config.buckets.parent))
    finally:
        os.close(fd)


def looked(config: NodeConfig, proc: Path) -> tuple[Precondition, ...]:
    """Everything that must hold; the lock is taken for the look only, and nothing is created."""
    try:
        with opened(config) as ground, _locked(ground, create=False) as lock:
            return _all_of(ground, lock, proc)
    except OSError as error:
        return (_unusable(config, error),)


@contextlib.contextmanager
def taken(config: NodeConfig, proc: Path, what: str, new: str = "") -> Iterator[Ground]:
    """The ground with the node's lock held by us. MonitorError where anything does not hold, be it that `new` is there.

    `what` is what does not happen then, for the message.
    """
    with contextlib.ExitStack() as held:
        try:
            ground = held.enter_context(opened(config))
            places = (*_places(ground), *_unused(ground, new))
            lock = held.enter_context(_locked(ground, create=all(each.holds for each in places)))
            found = (*_all_of(ground, lock, proc), *_unused(ground, new))
        except OSError as error:
            found = (_unusable(config, error),)
        failed = [each for each in found if not each.holds]
        if failed:
            raise _refusal(what, failed)
        yield ground


class _Lock(NamedTuple):
    """The node's lock: `fd` where we hold it, and in words how it stands."""

    fd: int | None
    is_free: bool
    seen: str


@contextlib.contextmanager
def _locked(ground: Ground, *, create: bool) -> Iterator[_Lock]:
    lock = _take(ground, _LOCK | os.O_CREAT if create else _LOCK)
    try:
        yield lock
    finally:
        if lock.fd is not None:
            os.close(lock.fd)


def _take(ground: Ground, flags: int) -> _Lock:
    """A missing lock file is nobody's. It is never removed: a node that has it open would lock another file then."""
    try:
        fd = os.open(ground.names.lock, flags, 0o644, dir_fd=ground.fd)
    except FileNotFoundError:
        return _Lock(None, True, "free: no lock file")
    except OSError as error:
        return _Lock(None, False, f"cannot be opened: {error.strerror}")
    refusal = _flock(ground, fd)
    if refusal:
        os.close(fd)
        return _Lock(None, False, refusal)
    return _Lock(fd, True, "free")


def _flock(ground: Ground, fd: int) -> str:
    """Empty where the lock is ours now."""
    try:
        if not preflight.takes(fd, fcntl.LOCK_EX):
            return _HELD
    except OSError as error:
        return f"cannot be taken: {error.strerror}"
    status = ground.status(ground.names.lock)
    if status is None or not os.path.samestat(status, os.fstat(fd)):
        return "replaced just now"
    return "" if stat.S_ISREG(status.st_mode) else "not a file"


# --- what must hold ------------------------------------------------------------------------------------------------


def _all_of(ground: Ground, lock: _Lock, proc: Path) -> tuple[Precondition, ...]:
    return (*_places(ground), _lock_is_free(ground, lock, proc), _nobody_is_there(ground, lock, proc))


def _places(ground: Ground) -> tuple[Precondition, ...]:
    names = (*ground.names.targets, ground.names.lock)
    plain = len(set(names)) == len(names) and not any(name.startswith(".") or not name for name in names)
    kinds = ", ".join(filter(None, (_odd_kind(ground, name) for name in ground.names.targets)))
    strangers = ", ".join(name for name in ground.names.targets if _is_elsewhere(ground, name))
    together = ground.buckets_in == ground.path
    return (
        Precondition("one directory", f"buckets in {ground.path}", f"in {ground.buckets_in}", together),
        Precondition("names", "five, each its own, none hidden", ", ".join(names), plain),
        Precondition("kinds", "files and a directory, no links", kinds or "as wanted", not kinds),
        Precondition("file system", "one", f"another holds {strangers}" if strangers else "one", not strangers),
    )


def _odd_kind(ground: Ground, name: str) -> str:
    """Empty where `name` is what it should be, or nothing."""
    status = ground.status(name)
    if status is None:
        return ""
    if stat.S_ISLNK(status.st_mode):
        return f"{name} is a link"
    wanted, is_wanted = ("directory", stat.S_ISDIR) if name == ground.names.buckets else ("file", stat.S_ISREG)
    return "" if is_wanted(status.st_mode) else f"{name} is no {wanted}"


def _is_elsewhere(ground: Ground, name: str) -> bool:
    status = ground.status(name)
    return status is not None and status.st_dev != os.fstat(ground.fd).st_dev


def _lock_is_free(ground: Ground, lock: _Lock, proc: Path) -> Precondition:
    path, seen = Path(ground.path, ground.names.lock), lock.seen
    if seen == _HELD:
        seen = f"held by {next(preflight.lock_holders(path, proc), 'a process that /proc does not tell')}"
    return Precondition("lock", f"{path} can be taken", seen, lock.is_free)


def _nobody_is_there(ground: Ground, lock: _Lock, proc: Path) -> Precondition:
    wanted = f"no process has a file open under {ground.path}"
    database = [f"{ground.path}/{name}" for name in (ground.names.database, *ground.names.sides)]
    own = frozenset(() if lock.fd is None else (lock.fd,))
    try:
        there = holders.holders_of(ground.path, database, proc, own)
    except OSError as error:
        return Precondition("open files", wanted, f"{proc} cannot be listed: {error.strerror}", holds=False)
    unseen = f" (processes that may not be looked into: {there.hidden})" if there.hidden else ""
    return Precondition("open files", wanted, (", ".join(there.found) or "none") + unseen, not there.found)


def _unused(ground: Ground, name: str) -> tuple[Precondition, ...]:
    if not name:
        return ()
    is_free = ground.status(name) is None
    return (Precondition("target", f"no {name} in {ground.path}", "none" if is_free else "there is one", is_free),)


def _unusable(config: NodeConfig, error: OSError) -> Precondition:
    return Precondition("directory", f"{config.mainnet} can be used", str(error.strerror or error), holds=False)


def _refusal(what: str, failed: Sequence[Precondition]) -> MonitorError:
    reasons = "; ".join(f"{each.name}: wanted {each.wanted}, seen {each.seen}" for each in failed)
    return MonitorError(f"ERROR: no {what}: {reasons} - nothing was moved")
