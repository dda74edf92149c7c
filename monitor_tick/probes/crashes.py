"""What healing asks of the disk: how runs ended, and whether the node's lock is free.

Only a node that is down, that says it cannot recover, or that was wiped before is looked at this closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from monitor_loop import preflight
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import NodeConfig, Process, Session
from monitor_tick.decide.crashes import soft_fail
from monitor_tick.decide.logfiles import soft_fail_lines
from monitor_tick.facts import Crashes, Missing, NodeLock, Rotation, Signal
from monitor_tick.phase import CRASH_CAUSES
from monitor_tick.probes.crashlogs import LIVE_SCAN_BYTES, read_ended, signal_in
from monitor_tick.rules import Limits


def observe_crashes(  # noqa: PLR0913  (all that decides how closely is looked)
    session: Session,
    rotations: Sequence[Rotation],
    process: Process | Missing,
    now: datetime,
    limits: Limits,
    *,
    blocked: bool,
    last_start: datetime | None = None,
) -> tuple[Crashes, bytes | None]:
    """`blocked`: a line of this tick says that the recovery of the live process is. `last_start` is when the run that
    ended began, as far as it is known.

    With what session.crash_signals becomes, None where it stays as it is.
    """
    crashed = [rotation for rotation in rotations if rotation.cause in CRASH_CAUSES][: limits.crash_logs_read]
    alive = process if isinstance(process, Process) else None
    rotated, signals = read_ended(session, crashed)
    crashes = Crashes(
        live=_live_signal(session.log, alive.started_at if alive else _with_leeway(last_start)),
        rotated=rotated,
        blocked_seconds=_blocked(session, alive, now, limits) if alive and blocked else None,
    )
    return crashes, signals


def _with_leeway(start: datetime | None) -> datetime | None:
    """The time of the boot is known to the second."""
    return start - timedelta(seconds=2) if start else None


def _live_signal(path: Path, since: datetime | None) -> Signal | None:
    """A node that was started by hand goes on in the log of the run before it, whose end says nothing about it."""
    try:
        if not path.stat().st_size:
            return None
    except OSError:
        return None
    return signal_in(path, since, scan_bytes=LIVE_SCAN_BYTES)


def _blocked(session: Session, process: Process, now: datetime, limits: Limits) -> int | None:
    found = soft_fail(soft_fail_lines(str(session.log)), process.started_at.timestamp(), now.timestamp())
    return found.duration_seconds if found.blocked and found.duration_seconds >= limits.soft_fail_span_seconds else None


def observe_lock(config: NodeConfig | Missing, proc: Path) -> NodeLock | Missing:
    """Whether a node could take its lock now. Where the config is unreadable nobody knows where that is."""
    if isinstance(config, Missing):
        return config
    try:
        preflight.check_database(config, proc)
    except preflight.LockUnknown as unknown:
        return Missing(plain(unknown))
    except MonitorError as held:
        return NodeLock(is_free=False, path=str(config.lock_file), holder=plain(held))
    return NodeLock(is_free=True, path=str(config.lock_file))
