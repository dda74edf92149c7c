"""The wipe: the node's database and buckets put aside, so that its next start begins from the network's state.

Four names in the directory of the database, and nothing else, go to `.wiped-<UTC>` beside them, by rename, while we
hold the node's own lock and nobody has a file there open. They stay for a day and can be moved back. A manifest,
written first, lets a wipe that was interrupted be finished. The caller holds the data root's lock.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
from msgspec.structs import replace

from monitor_loop import files
from monitor_loop.acts import Precondition
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import NodeConfig
from monitor_loop.wipe import nodedata
from monitor_loop.wipe.nodedata import Ground

KEPT_HOURS = 24
MANIFEST = ".wipe.json"

_SCHEMA = 1
_READ_LIMIT = 2**16
_NAME = re.compile(r"\.wiped-(\d{8}T\d{6}Z)", re.ASCII)
_TIME = "%Y%m%dT%H%M%SZ"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Wiped(msgspec.Struct, frozen=True):
    """`moved` are the names that are now in `directory`; `left` those that somebody has replaced since an interrupted
    wipe began: they were not touched."""

    directory: Path
    moved: tuple[str, ...]
    left: tuple[str, ...] = ()


class Removed(msgspec.Struct, frozen=True):
    """`bytes` were given back. `reason` is empty where all of it is gone; else the next clean-up tries again."""

    path: Path
    bytes: int
    reason: str = ""


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`inodes` are the names that the wipe is about, with the inode of each; `done` once all are moved."""

    schema: int
    database: str
    buckets: str
    inodes: tuple[tuple[str, int], ...]
    done: bool = False


def preconditions(config: NodeConfig, proc: Path) -> tuple[Precondition, ...]:
    """Everything that must hold for a wipe, as `wipe` looks at it; nothing is created, the lock is given back."""
    return nodedata.looked(config, proc)


def wipe(config: NodeConfig, now: datetime, proc: Path) -> Wiped:
    """MonitorError where a precondition fails, naming it and what was seen, or where the disk refuses."""
    name = _name_at(now)
    with nodedata.taken(config, proc, "wipe", name) as ground:
        manifest = _Manifest(_SCHEMA, ground.names.database, ground.names.buckets, _inodes(ground))
        directory = Path(ground.path, name)
        try:
            directory.mkdir()
        except OSError as error:
            raise MonitorError(
                f"ERROR: no wipe: cannot make {directory}: {error.strerror} - nothing was moved"
            ) from None
        return _begin(ground, directory, manifest)


def finish_wipe(config: NodeConfig, proc: Path) -> tuple[Wiped, ...]:
    """Completes what a crash left between two moves; empty where there is nothing. MonitorError as `wipe`.

    Only what the wipe was about is moved: a database that was made since is somebody's new beginning.
    """
    try:
        with nodedata.opened(config) as ground:
            _discard_unbegun(ground)
    except OSError:
        pass  # is_unfinished tells of it
    if not is_unfinished(config):
        return ()
    with nodedata.taken(config, proc, "finish of a wipe") as ground:
        return tuple(_finish(ground, directory, manifest) for directory, manifest in _unfinished(ground))


def is_unfinished(config: NodeConfig) -> bool:
    """Whether a wipe has moved a part of the data: nothing may be launched on the rest. MonitorError from the disk."""
    try:
        with nodedata.opened(config) as ground:
            return _unfinished(ground) != []
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise MonitorError(f"ERROR: {config.mainnet}: {error.strerror} - mend the disk and tick again") from None


def is_done(config: NodeConfig, at: datetime) -> bool:
    """Whether the wipe that began at this time has put the data aside, and it is still there."""
    try:
        with nodedata.opened(config) as ground:
            wipes = _wipes(ground)
    except OSError:
        return False
    return any(path.name == _name_at(at) and manifest is not None and manifest.done for path, manifest in wipes)


def expired(config: NodeConfig, now: datetime, hours: float = KEPT_HOURS) -> tuple[Path, ...]:
    """The directories of finished wipes that are at least `hours` old by their names, oldest first."""
    try:
        with nodedata.opened(config) as ground:
            wipes = _wipes(ground)
    except OSError:
        return ()
    limit = timedelta(hours=hours)
    return tuple(path for path, manifest in wipes if manifest and manifest.done and now - _time_of(path.name) >= limit)


def remove_expired(config: NodeConfig, now: datetime, hours: float = KEPT_HOURS) -> tuple[Removed, ...]:
    removed = []
    for path in expired(config, now, hours):
        try:
            removed.append(Removed(path, files.remove_tree(path, path.parent)))
        except (OSError, MonitorError) as error:
            removed.append(Removed(path, 0, plain(error)))
    return tuple(removed)


# --- the moves -----------------------------------------------------------------------------------------------------


def _begin(ground: Ground, directory: Path, manifest: _Manifest) -> Wiped:
    """All of it, or what was moved goes back."""
    names = [name for name, _ in manifest.inodes]
    try:
        _write(directory, manifest)
        files.sync_directory(ground.path)
        _move(ground, directory, names)
        _write(directory, replace(manifest, done=True))
    except OSError as error:
        _put_back(ground, directory, names)
        raise MonitorError(
            f"ERROR: no wipe: {directory}: {error.strerror or error} - everything is back in its place; mend the disk"
        ) from None
    return Wiped(directory, tuple(names))


def _finish(ground: Ground, directory: Path, manifest: _Manifest) -> Wiped:
    meant, left = _still_there(ground, manifest)
    twice = [name for name in meant if os.path.lexists(directory / name)]
    if twice:
        raise MonitorError(
            f"ERROR: no finish of a wipe: {', '.join(twice)} in {ground.path} and in {directory.name}: the database was"
            " opened in the midst of a wipe - move one of them away"
        )
    try:
        _move(ground, directory, meant)
        _write(directory, replace(manifest, done=True))
    except OSError as error:
        raise MonitorError(
            f"ERROR: {directory}: {error.strerror or error} - the wipe is not finished; mend the disk and tick again"
        ) from None
    return Wiped(directory, tuple(name for name in ground.names.targets if os.path.lexists(directory / name)), left)


def _still_there(ground: Ground, manifest: _Manifest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the wipe was about and has not moved yet; and what stands under those names since."""
    recorded, there = dict(manifest.inodes), dict(_inodes(ground))
    same = {name for name in there if there[name] == recorded.get(name)}
    if ground.names.database in same:
        same |= {*ground.names.sides} & there.keys()  # they belong to the database, whoever made them anew
    return tuple(filter(same.__contains__, there)), tuple(name for name in there if name not in same)


def _inodes(ground: Ground) -> tuple[tuple[str, int], ...]:
    """In the order of the moves."""
    found = ((name, ground.status(name)) for name in ground.names.targets)
    return tuple((name, status.st_ino) for name, status in found if status is not None)


def _move(ground: Ground, directory: Path, names: Sequence[str]) -> None:
    with _opened(directory) as target:
        for name in names:
            os.rename(name, name, src_dir_fd=ground.fd, dst_dir_fd=target)
        os.fsync(target)
    os.fsync(ground.fd)


def _put_back(ground: Ground, directory: Path, names: Sequence[str]) -> None:
    """As far as the disk lets us: what stays is an unfinished wipe, which the next tick finishes."""
    with contextlib.suppress(OSError), _opened(directory) as target:
        for name in reversed(names):
            with contextlib.suppress(FileNotFoundError):
                os.rename(name, name, src_dir_fd=target, dst_dir_fd=ground.fd)
        (directory / MANIFEST).unlink(missing_ok=True)
        directory.rmdir()


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    fd = os.open(directory, _DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


# --- the directories of wipes --------------------------------------------------------------------------------------


def _wipes(ground: Ground) -> list[tuple[Path, _Manifest | None]]:
    """Oldest first; without a manifest where it is damaged, or was never written."""
    found = []
    for name in sorted(os.listdir(ground.fd)):  # noqa: PTH208 - pathlib lists no descriptor
        status = ground.status(name) if _is_name(name) else None
        if status is not None and stat.S_ISDIR(status.st_mode):
            found.append((Path(ground.path, name), _read(Path(ground.path, name, MANIFEST))))
    return found


def _unfinished(ground: Ground) -> list[tuple[Path, _Manifest]]:
    """Those that were about the names that the config has now."""
    names = (ground.names.database, ground.names.buckets)
    found = [(path, manifest) for path, manifest in _wipes(ground) if manifest is not None and not manifest.done]
    return [(path, manifest) for path, manifest in found if (manifest.database, manifest.buckets) == names]


def _discard_unbegun(ground: Ground) -> None:
    """A wipe that died before its manifest has moved nothing, and leaves a directory with a torn manifest at most."""
    for path, _ in _wipes(ground):
        if os.path.lexists(path / MANIFEST):
            continue
        with contextlib.suppress(OSError):
            for torn in path.glob(f".{MANIFEST}.*.tmp"):
                torn.unlink()
            path.rmdir()


def _write(directory: Path, manifest: _Manifest) -> None:
    files.replace(directory / MANIFEST, msgspec.json.encode(manifest) + b"\n")


def _read(path: Path) -> _Manifest | None:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        manifest = msgspec.json.decode(files.read(path, _READ_LIMIT) or b"", type=_Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return manifest if manifest.schema == _SCHEMA else None


def _name_at(began: datetime) -> str:
    return f".wiped-{began.astimezone(timezone.utc).strftime(_TIME)}"


def _is_name(name: str) -> bool:
    try:
        _time_of(name)
    except ValueError:
        return False
    return True


def _time_of(name: str) -> datetime:
    """When the wipe began, as its directory's name says; ValueError for any other name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"not the directory of a wipe: {name!r}")
    return datetime.strptime(match[1], _TIME).replace(tzinfo=timezone.utc)
