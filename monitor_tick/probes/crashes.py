"""What healing asks of the disk: how runs ended, and whether the node's lock is free.

Only a node that is down, that says it cannot recover, or that was wiped before is looked at this closely.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from monitor_loop import preflight
from monitor_loop.errors import MonitorError
from monitor_loop.session import NodeConfig, Process, Session
from monitor_tick.decide.crashes import soft_fail
from monitor_tick.decide.logfiles import soft_fail_lines
from monitor_tick.facts import Crash, Crashes, Missing, NodeLock, Rotation, Signal
from monitor_tick.phase import CRASH_CAUSES
from monitor_tick.probes.log.lines import stamp_of
from monitor_tick.rules import Limits

SCAN_BYTES = 256 * 2**20
"""The end of a log; a fatal failure is among the last things a run writes."""

_CHUNK = 4 * 2**20
_LINE_BYTES = 4096

# The structured field first, the words of older nodes last.
_FATAL = re.compile(
    rb'(?<!\w)fatal_wipe_required(?:=true|: true)(?!\w)|"fatal_wipe_required": ?true(?!\w)'
    rb"|State wipe required before restart"
)
_LIVELOCK = b"Hard-reset livelock"


def observe_crashes(  # noqa: PLR0913  (all that decides how closely is looked)
    session: Session,
    rotations: Sequence[Rotation],
    process: Process | Missing,
    now: datetime,
    limits: Limits,
    *,
    blocked: bool,
) -> Crashes:
    """`blocked`: a line of this tick says that the recovery of the live process is."""
    crashed = [rotation for rotation in rotations if rotation.cause in CRASH_CAUSES][: limits.crash_logs_read]
    alive = process if isinstance(process, Process) else None
    return Crashes(
        live=_live_signal(session.log, alive),
        rotated=tuple(Crash(rotation, signal_in(rotation.path)) for rotation in crashed),
        blocked_seconds=_blocked(session, alive, now, limits) if alive and blocked else None,
    )


def _live_signal(path: Path, alive: Process | None) -> Signal | None:
    """A node that was started by hand goes on in the log of the run before it, whose end says nothing about it."""
    try:
        return signal_in(path, alive.started_at if alive else None) if path.stat().st_size else None
    except OSError:
        return None


def signal_in(path: Path, since: datetime | None = None) -> Signal:
    """The gravest thing that a run says about its data; what cannot be read says nothing.

    With `since` only lines count that were written then or later.
    """
    first = since.strftime("%Y-%m-%dT%H:%M:%S").encode() if since else b""
    found = Signal.NONE
    try:
        with path.open("rb") as file:
            file.seek(-min(SCAN_BYTES, os.fstat(file.fileno()).st_size), os.SEEK_END)
            before = b""
            while chunk := file.read(_CHUNK):
                text = before + chunk
                for match in _FATAL.finditer(text):
                    line = _line_around(text, match.start())
                    if stamp_of(line) < first:
                        continue
                    if _LIVELOCK not in line:
                        return Signal.WIPE
                    found = Signal.LIVELOCK
                before = text[max(text.rfind(b"\n") + 1, len(text) - _LINE_BYTES) :]  # no line without its beginning
    except OSError:
        return found
    return found


def _line_around(text: bytes, position: int) -> bytes:
    begin = text.rfind(b"\n", max(0, position - _LINE_BYTES), position) + 1
    end = text.find(b"\n", position, position + _LINE_BYTES)
    return text[max(begin, position - _LINE_BYTES) : end if end >= 0 else position + _LINE_BYTES]


def _blocked(session: Session, process: Process, now: datetime, limits: Limits) -> int | None:
    found = soft_fail(soft_fail_lines(str(session.log)), process.started_at.timestamp(), now.timestamp())
    return found.duration_seconds if found.blocked and found.duration_seconds >= limits.soft_fail_span_seconds else None


def observe_lock(config: NodeConfig | Missing, proc: Path) -> NodeLock | Missing:
    """Whether a node could take its lock now. Where the config is unreadable nobody knows where that is."""
    if isinstance(config, Missing):
        return config
    try:
        preflight.check_database(config, proc)
    except MonitorError as held:
        return NodeLock(is_free=False, path=str(config.lock_file), holder=str(held))
    except OSError as error:
        return Missing(f"{config.lock_file}: {error.strerror}")
    return NodeLock(is_free=True, path=str(config.lock_file))
