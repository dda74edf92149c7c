"""What a session's directories and processes say, for the shell functions of scripts/lib: the tick's own decisions."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from monitor_loop import cleanup, envfile, nodeconfig, noderecord, procfs
from monitor_loop.errors import MonitorError
from monitor_loop.session import SUBDIRECTORIES, DataRoot
from monitor_tick.checks import wipe
from monitor_tick.facts import Directories
from monitor_tick.judging import refusals
from monitor_tick.rules import Limits

DELETED = " (deleted)"


class Place(msgspec.Struct, frozen=True):
    """Where to look for one session. `env_file` need not be the data root's own."""

    data: DataRoot
    proc: Path
    session_id: str
    env_file: Path


class Wiped(msgspec.Struct, frozen=True):
    wiped: bool
    alive: bool = False
    refusal: str | None = None


def data_at(path: str) -> DataRoot:
    """An empty name would be the current directory, in which nothing may be created."""
    if not path:
        raise MonitorError("ERROR: the data root is empty - name the directory that holds the sessions")
    return DataRoot(Path(path).resolve())


def nodes(data: DataRoot, proc: Path) -> tuple[tuple[int, str], ...]:
    """(pid, session id), by pid; nothing where `proc` cannot be listed."""
    try:
        return procfs.node_pids(data, proc)
    except OSError:
        return ()


def is_alive(place: Place) -> bool:
    return any(session_id == place.session_id for _, session_id in nodes(place.data, place.proc))


def session_wiped(place: Place, limits: Limits, now: datetime) -> Wiped:
    """Recreates the directories unless nothing may be done for this session."""
    _require_id(place.session_id)
    seen = _directories(place, now)
    if seen.session:
        return Wiped(False)
    alive = is_alive(place)
    refusal = refusals.absent(place.session_id, seen, dead=not alive, limits=limits)
    if refusal is None:
        recreate(place.data, place.session_id)
    return Wiped(True, alive, refusal)


def long_stale(place: Place, limits: Limits, now: datetime) -> str | None:
    _require_id(place.session_id)
    return refusals.long_stale(place.session_id, _directories(place, now), dead=not is_alive(place), limits=limits)


def env_stale(env_file: Path, limits: Limits, now: datetime) -> str | None:
    return refusals.env_stale(_age_seconds(env_file, now), limits)


def mainnet_wiped(data: DataRoot) -> bool:
    """Of the running session's node, else at the usual place. Only a record that knows of no launch excuses it."""
    return wipe.mainnet_wiped(there=_mainnet(data).is_dir(), launched_before=_launched_before(data))


def guard_of(data: DataRoot, proc: Path, candidate: str, active: str, threshold: int, now: datetime) -> str:  # noqa: PLR0913, PLR0917 - the shell function's
    """As `cleanup`. What is no session, or cannot be looked at, is never PASS."""
    if not envfile.is_session_id(candidate):
        return cleanup.SKIP_ACTIVE
    try:
        return cleanup.cleanup_guard(data, proc, candidate, active, threshold, now)
    except OSError:
        return cleanup.SKIP_RUNNING


def session_of_stdout(path: str) -> str | None:
    """The session whose log a process writes to, by the last `/data/` of the path."""
    _, mark, rest = path.removesuffix(DELETED).rpartition("/data/")
    segment = rest.split("/", 1)[0]
    return segment if mark and envfile.is_session_id(segment) else None


def recreate(data: DataRoot, session_id: str) -> Path:
    directory = data.session_directory(session_id)
    for name in SUBDIRECTORIES:
        (directory / name).mkdir(parents=True, exist_ok=True)
    return directory


def _directories(place: Place, now: datetime) -> Directories:
    directory = place.data.session_directory(place.session_id)
    mark = directory / ".alive"
    return Directories(
        session=directory.is_dir(),
        mainnet=True,
        database=True,
        env_age_seconds=_age_seconds(place.env_file, now),
        alive_age_seconds=_age_seconds(mark, now) if mark.exists() else None,
    )


def _age_seconds(path: Path, now: datetime) -> int:
    """In whole seconds, as `date` and `stat` of a shell give them. A missing file is as old as 1970."""
    try:
        modified = int(path.stat().st_mtime)
    except OSError:
        modified = 0
    return int(now.timestamp()) - modified


def _mainnet(data: DataRoot) -> Path:
    try:
        session = envfile.read(data)
        return nodeconfig.read_node_config(session.config_file, session.repo).mainnet
    except MonitorError:
        return data.path / "mainnet"


def _launched_before(data: DataRoot) -> bool:
    try:
        return not data.node_record.exists() or noderecord.read(data).first_launched_at is not None
    except (MonitorError, OSError):
        return True


def _require_id(session_id: str) -> None:
    if not envfile.is_session_id(session_id):
        raise MonitorError(f"ERROR: {session_id!r} is not a session id - take MONITOR_SESSION_ID of monitor-loop.env")
