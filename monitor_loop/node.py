"""The life of a node: launch, see it live, stop, and put its log aside."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from monitor_loop import files, preflight, procfs
from monitor_loop.errors import MonitorError
from monitor_loop.procfs import PROC
from monitor_loop.session import Identity, NodeConfig, Process, Session

SHOWN_LINES = 30
_TAIL_BYTES = 256 * 1024
_POLL_SECONDS = 0.05
_LOOK_SECONDS = 0.25
_KILL_SECONDS = 30.0
"""How long a process may take to go once nothing of it runs any more: 16 GB are given back in about ten seconds."""

# Lines of a start that got as far as its work, and lines that tell of a failure whatever else they say.
_SIGN = re.compile(
    r"Starting|Opening database|Catching up|Entering main event loop|Node is synced|Ledger closed|heartbeat=true"
)
_FAILURE = re.compile(r"\S+Z\s+ERROR\s|Error: |Caused by:|thread '.*panicked|note: run with `RUST_BACKTRACE")
_SEED = re.compile(r"\bS[A-Z2-7]{55}\b")
_CAUSE = re.compile(r"[a-z0-9][a-z0-9_-]*")


class _Launch(NamedTuple):
    """A child of ours, kept so that it is reaped, and where the log ended before it wrote."""

    child: subprocess.Popen[bytes]
    offset: int


_launched: dict[Identity, _Launch] = {}


def launch(session: Session, config: NodeConfig | None, now: datetime, proc: Path = PROC) -> Process:
    """Starts the node and returns at once; `verify` tells whether it lives.

    It has a session of its own, nothing on stdin, and none of our descriptors, so that it outlives a cron job and does
    not keep the lock. MonitorError where a node of the session runs already, where somebody holds the node's lock
    file, or where there is nothing to launch. `now` is the start that is reported should /proc not tell.
    """
    _refuse_second(session, config, proc)
    argv = _argv(session)
    log = _open_log(session)
    try:
        offset = os.fstat(log).st_size
        child = _start(argv, session, log)
    finally:
        os.close(log)
    birth = procfs.birth_of(child.pid, proc) or procfs.birth_of(child.pid)  # a made-up /proc does not know our child
    identity, started_at = birth or (Identity(child.pid, 0, procfs.boot_id()), now)
    _launched[identity] = _Launch(child, offset)
    return Process(
        identity=identity,
        session_id=session.id,
        exe=session.launch_path,
        deleted=False,
        argv=tuple(argv),
        cwd=session.repo,
        started_at=started_at,
        stdout=str(session.log),
    )


def verify(
    session: Session, process: Process, seconds: float = 10.0, proc: Path = PROC
) -> tuple[bool, tuple[str, ...]]:
    """Whether it lives and has printed a sign of life since its launch, and the last 30 lines it printed.

    Returns as soon as either is known. A known sign must be followed by one more look at the living process; anything
    else it printed, errors apart, counts only at the end of `seconds`.
    """
    ours = _launched.get(process.identity)
    offset = ours.offset if ours else _size(session.log)
    end = time.monotonic() + seconds
    seen = False
    while True:
        alive = _lives(process, proc)
        lines = _lines_since(session.log, offset)
        if not alive or seen:
            return alive, lines[-SHOWN_LINES:]
        ordinary = [line for line in lines if line.strip() and not _FAILURE.match(line)]
        seen = any(map(_SIGN.search, ordinary))
        if time.monotonic() >= end:
            return bool(ordinary), lines[-SHOWN_LINES:]
        time.sleep(_LOOK_SECONDS)


def stop(process: Process, grace_seconds: float = 10.0, proc: Path = PROC) -> str:
    """ "terminated" within `grace_seconds` of SIGTERM, else "killed"; "gone" where it was ending before.

    When this returns all of it is gone, so that the next node finds the lock free. A node that is still restoring or
    catching up ignores SIGTERM, and one that merges buckets may need longer.
    """
    how = "gone"
    if procfs.send_signal(process, signal.SIGTERM, proc):
        how = "terminated"
        if not _ends_within(process, grace_seconds, proc) and procfs.send_signal(process, signal.SIGKILL, proc):
            how = "killed"
    if (how == "killed" and not _ends_within(process, _KILL_SECONDS, proc)) or not _is_over_within(
        process, _KILL_SECONDS, proc
    ):
        raise MonitorError(
            f"ERROR: pid {process.pid} survives SIGKILL, stuck in the kernel - look at its disk, then reboot"
        )
    return how


def rotate(session: Session, cause: str, now: datetime) -> Path | None:
    """Puts monitor.log aside as monitor.log.<cause>-<UTC>; None where there is no log, or nothing in it.

    Where that name is taken the time in it is a few seconds later: no evidence is ever overwritten. For a node that
    has ended: a live one would go on writing to the file under its new name.
    """
    if not _CAUSE.fullmatch(cause):
        raise ValueError(f"not a cause: {cause!r}")
    if not _size(session.log):
        return None  # a launch that came to nothing is no run, and no evidence
    at = now.astimezone(timezone.utc)
    while os.path.lexists(target := session.logs / f"{session.log.name}.{cause}-{at:%Y%m%dT%H%M%SZ}"):
        at += timedelta(seconds=1)
    session.log.rename(target)
    files.sync_directory(session.logs)
    return target


def _refuse_second(session: Session, config: NodeConfig | None, proc: Path) -> None:
    running = procfs.node_of(session, proc)
    if running is not None:
        raise MonitorError(
            f"ERROR: a node of session {session.id} runs already: PID={running.pid} - monitor-loop start attaches to it"
        )
    if config is not None:
        preflight.check_database(config, proc)


def _argv(session: Session) -> list[str]:
    prefix, flags = shlex.split(session.launch_prefix), shlex.split(session.run_flags)
    return [str(session.launch_path), *prefix, "--mainnet", "run", *flags, "-c", session.config]


def _open_log(session: Session) -> int:
    try:
        return os.open(session.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise MonitorError(f"ERROR: cannot write {session.log}: {error.strerror} - see monitor-loop doctor") from None


def _start(argv: Sequence[str], session: Session, log: int) -> subprocess.Popen[bytes]:
    binary = session.launch_path
    if binary.resolve() != binary:
        raise MonitorError(f"ERROR: {binary} is a link or lies behind one, so its node is never found - make it a file")
    try:
        return subprocess.Popen(  # noqa: S603 - our own binary, a list of arguments, no shell
            argv,
            cwd=session.repo,
            env={**os.environ, "RUST_LOG": "info"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    except OSError as error:
        raise MonitorError(f"ERROR: cannot run {binary} in {session.repo}: {error.strerror} - build it again") from None


def _lives(process: Process, proc: Path) -> bool:
    """Our own child is asked directly, which also reaps it; otherwise its zombie would stay as long as we do."""
    ours = _launched.get(process.identity)
    if ours is None:
        return procfs.still_runs(process, proc)
    if ours.child.poll() is None:
        return True
    del _launched[process.identity]
    return False


def _ends_within(process: Process, seconds: float, proc: Path) -> bool:
    return _within(seconds, lambda: not _lives(process, proc))


def _is_over_within(process: Process, seconds: float, proc: Path) -> bool:
    """Nothing is left of it. A process of a made-up /proc that the real one does not know leaves nothing."""
    _lives(process, proc)  # reaps
    return _within(seconds, lambda: any(procfs.has_ended(process.identity, root) for root in {proc, PROC}))


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _lines_since(log: Path, offset: int) -> tuple[str, ...]:
    """What was written after `offset`, at most its last 256 KiB; a node that quotes its config may print the seed."""
    try:
        with log.open("rb") as file:
            file.seek(max(offset, _size(log) - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(_SEED.sub("S... (a seed, hidden)", line) for line in text.splitlines())
