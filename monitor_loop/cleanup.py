"""`monitor-loop cleanup`, and the tick's answer to a full disk: what old sessions left, and build directories.

Nothing is deleted but named parts of a directory that is provably a session, and never the node's data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from monitor_loop import disk, envfile, files, nodeconfig, procfs
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import DataRoot, Session

ALIVE_SECONDS = 3600
"""Three missed ticks at a cadence of 20 minutes, or a long rebuild."""

CACHE_LIMIT_BYTES = 10 * 2**30
CACHE_ENTRY_SECONDS = 7 * 86400

PASS = "PASS"  # noqa: S105 - the guard's word for "may be deleted", no password
SKIP_ACTIVE = "SKIP active per monitor-loop.env"
SKIP_RUNNING = "SKIP running process uses this session"
OLD_SESSION_PARTS = ("cargo-target", "cache", "logs")
INCREMENTAL_DEPTH = 3
"""cargo-target/<triple>/<profile>/incremental is the deepest place where cargo puts it."""


class Removed(msgspec.Struct, frozen=True):
    path: Path
    bytes: int


class Skipped(msgspec.Struct, frozen=True):
    """A session that a guard protects, in the guard's words, or a part that holds the node's data."""

    path: Path
    reason: str


class Failed(msgspec.Struct, frozen=True):
    path: Path
    reason: str


Item = Removed | Skipped | Failed


class CleanedUp(msgspec.Struct, frozen=True, kw_only=True):
    """What a clean-up did, or with `dry_run` would do. Percentages are df's, of the file system of <data>."""

    dry_run: bool
    items: tuple[Item, ...]
    used_pct_before: float
    used_pct_after: float

    @property
    def removed(self) -> tuple[Removed, ...]:
        return tuple(item for item in self.items if isinstance(item, Removed))

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        return tuple(item for item in self.items if isinstance(item, Skipped))

    @property
    def failed(self) -> tuple[Failed, ...]:
        return tuple(item for item in self.items if isinstance(item, Failed))

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.removed)


def cleanup(data: DataRoot, now: datetime, proc: Path, dry_run: bool) -> CleanedUp:
    """The verb. A damaged env file refuses, for it may name the session to protect; a dry run takes no lock."""
    if not data.path.is_dir():
        raise MonitorError(f"{data.path} does not exist: nothing to clean; check --data-root")
    if dry_run:
        return clean_up(_active(data), data, now, proc, dry_run=True)
    with files.Lock.acquire(data.lock_file, "monitor-loop cleanup", now):
        return clean_up(_active(data), data, now, proc)


def clean_up(session: Session | None, data: DataRoot, now: datetime, proc: Path, dry_run: bool = False) -> CleanedUp:
    """Remove what no running session needs. The caller holds the lock: a start that builds has no env file yet."""
    before = disk.used_pct(data.path)
    protected = _protected(session, data)
    items: list[Item] = []
    for directory in _session_directories(data):
        # One session, or one item, that fails must not keep the rest from being cleaned (L81).
        try:
            guard = cleanup_guard(data, proc, directory.name, session.id if session else "", ALIVE_SECONDS, now)
            paths = _removable(directory, guard, session, now)
        except OSError as error:
            items.append(Failed(directory, plain(error)))
            continue
        items += [Skipped(directory, guard)] if guard != PASS else []
        items += [_remove(path, directory, protected, dry_run) for path in paths]
    return CleanedUp(
        dry_run=dry_run, items=tuple(items), used_pct_before=before, used_pct_after=disk.used_pct(data.path)
    )


def cleanup_guard(  # noqa: PLR0913, PLR0917 - the arguments of the shell function of this name, and the time
    data: DataRoot, proc: Path, candidate: str, active: str, threshold: int, now: datetime
) -> str:
    """Whether the session `candidate` may be cleaned: PASS, or the first guard that protects it, in its exact words.

    `active` is the session id of the env file, empty where there is none; `threshold` is in seconds.
    """
    if candidate == active:
        return SKIP_ACTIVE
    age = _alive_age_seconds(data.session_directory(candidate) / ".alive", now)
    if age is not None and age < threshold:
        return f"SKIP .alive touched {age}s ago (< {threshold}s)"
    if _runs_under(data.session_directory(candidate), proc):
        return SKIP_RUNNING
    return PASS


def render(cleaned: CleanedUp) -> str:
    verb = "would remove" if cleaned.dry_run else "removed"
    lines = [f"{verb} {item.path} ({disk.human(item.bytes)})" for item in cleaned.removed]
    lines += [f"{item.reason}: {item.path}" for item in cleaned.skipped]
    lines += [f"FAILED {item.path}: {item.reason}" for item in cleaned.failed]
    lines.append(
        f"{verb} {len(cleaned.removed)} items, {disk.human(cleaned.bytes)}; "
        f"disk {cleaned.used_pct_before:.1f}% before, {cleaned.used_pct_after:.1f}% after"
    )
    return "\n".join(lines)


def _active(data: DataRoot) -> Session | None:
    return envfile.find(data)


def _removable(directory: Path, guard: str, session: Session | None, now: datetime) -> list[Path]:
    if guard == SKIP_ACTIVE and session is not None:
        return _old_cache_entries(session, now)
    if guard == PASS:
        parts = (directory / part for part in OLD_SESSION_PARTS)
        return [part for part in parts if part.is_dir() and not part.is_symlink()]
    return list(_incremental(directory / "cargo-target"))


def _remove(path: Path, owner: Path, protected: tuple[Path, ...], dry_run: bool) -> Item:
    try:
        if _touches(path, protected):
            return Skipped(path, "SKIP holds the node's data")
        return Removed(path, disk.size_of(path) if dry_run else files.remove_tree(path, owner))
    except (OSError, MonitorError) as error:
        return Failed(path, plain(error))


def _session_directories(data: DataRoot) -> list[Path]:
    """Directories that `start` made: not links, with `.alive`, or named by 8 hex digits and holding a part of one."""
    try:
        entries = sorted(os.scandir(data.path), key=lambda entry: entry.name)
    except OSError as error:
        raise MonitorError(f"{data.path}: cannot be listed ({error.strerror}); check --data-root") from None
    return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False) and _is_session(entry)]


def _is_session(entry: os.DirEntry[str]) -> bool:
    directory = Path(entry.path)
    if entry.name == "mainnet" or (directory / ".alive").is_symlink():
        return False
    if (directory / ".alive").is_file():
        return True
    named = len(entry.name) == 8 and set(entry.name) <= set("0123456789abcdef")  # noqa: PLR2004 - ids are 8 digits
    return named and any((directory / part).is_dir() for part in OLD_SESSION_PARTS)


def _protected(session: Session | None, data: DataRoot) -> tuple[Path, ...]:
    """The node's data by its usual name, and where the active session's config puts it."""
    usual = data.path / "mainnet"
    if session is None:
        return (usual,)
    try:
        config = nodeconfig.read_node_config(session.config_file, session.repo)
    except MonitorError:
        return (usual,)
    return (usual, config.mainnet, config.buckets)


def _touches(path: Path, protected: tuple[Path, ...]) -> bool:
    real = path.resolve()
    return any(real == p or real in p.parents or p in real.parents for p in (p.resolve() for p in protected))


def _incremental(directory: Path, depth: int = INCREMENTAL_DEPTH) -> Iterator[Path]:
    if depth == 0 or directory.is_symlink() or not directory.is_dir():
        return
    for child in sorted(directory.iterdir()):
        if child.name == "incremental" and child.is_dir() and not child.is_symlink():
            yield child
        else:
            yield from _incremental(child, depth - 1)


def _old_cache_entries(session: Session, now: datetime) -> list[Path]:
    cache = session.cache
    if cache.is_symlink() or not cache.is_dir() or disk.size_of(cache) <= CACHE_LIMIT_BYTES:
        return []
    oldest_kept = now.timestamp() - CACHE_ENTRY_SECONDS
    return sorted(entry for entry in cache.iterdir() if entry.lstat().st_mtime < oldest_kept)


def _alive_age_seconds(mark: Path, now: datetime) -> int | None:
    try:
        touched = datetime.fromtimestamp(mark.stat().st_mtime, timezone.utc)
    except OSError:
        return None
    return max(0, int((now - touched).total_seconds()))


def _runs_under(directory: Path, proc: Path) -> bool:
    """Whether any process that we may look at has its exe below `directory`; by exe, never by argument text (L01)."""
    inside = f"{directory}{os.sep}"
    return any(exe.startswith(inside) for _, exe in procfs.exes(proc))
