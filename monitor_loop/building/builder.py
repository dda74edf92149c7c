"""The builder as a tick sees it: a process of its own that outlives the tick, started, stopped, and looked for.

What it does is in `buildwork`, how far it got in `deployjob`. It shares nothing with the tick that starts it: no
descriptor (the lock is one), no process group, no session, no terminal. The caller holds the data root's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from monitor_loop import procfs
from monitor_loop.building import deployjob
from monitor_loop.building.deployjob import Job, Phase
from monitor_loop.errors import MonitorError
from monitor_loop.session import Identity, Session

MARK = "MONITOR_BUILD_JOB"
"""The variable that tells the processes of one job from all others, also after the builder itself is gone."""

_END_SECONDS = 10.0
_LOOK_SECONDS = 0.02

_children: dict[Identity, subprocess.Popen[bytes]] = {}
"""Kept so that they are reaped: a child that ended is a zombie for as long as nobody asks for it."""


def start(session: Session, sha: str, now: datetime, deadline_seconds: float) -> Job:
    """Have a builder make `sha`. MonitorError where one is at work for this session, or none can be started.

    The builder does nothing before deploy.json names it, so that a tick that dies in between leaves nothing behind.
    """
    _make_way(session, now)
    job_id = hashlib.sha256(f"{session.id}|{sha}|{now.isoformat()}".encode()).hexdigest()[:12]
    log = session.logs / f"build-{sha[:8]}.log"
    child = _launch(session, job_id, log)
    try:
        job = Job(
            id=job_id,
            sha=sha,
            session=session.id,
            builder=_identity_of(child),
            phase=Phase.BUILDING,
            started_at=now,
            deadline_seconds=deadline_seconds,
            log=str(log),
        )
        deployjob.write(session.data, job)
    except (OSError, MonitorError) as error:
        child.kill()
        child.wait()
        raise MonitorError(f"the builder could not be written down ({error}), so it was ended") from None
    _children[job.builder] = child
    return job


def stop(session: Session, why: str, now: datetime) -> Job | None:
    """End the builder and all that it started; what became of its job, None where none was under way."""
    job = deployjob.read(session.data)
    if job is None or not job.is_building:
        return None
    end(job)
    ended = deployjob.read(session.data)
    if ended is not None and not ended.is_building:
        return ended  # it was done before it was stopped
    stopped = job.stopped(now, why)
    deployjob.write(session.data, stopped)
    return stopped


def end(job: Job, spare: int = 0) -> None:
    """Kill every process of the job but pid `spare`. MonitorError for one that survives.

    While its leader lives, the group is the builder's and goes at once. After that its number may be another's, and
    only who carries the job's mark is killed.
    """
    give_up = time.monotonic() + _END_SECONDS
    if not spare:
        _kill_group(job.builder)
    while left := [member for member in _members(job) if member.pid != spare]:
        if time.monotonic() >= give_up:
            raise MonitorError(f"pid {left[0].pid} of the builder survives SIGKILL - look at its disk, then reboot")
        for member in left:
            _kill(member)
        time.sleep(_LOOK_SECONDS)
    if (child := _children.pop(job.builder, None)) is not None:
        child.wait()


def _make_way(session: Session, now: datetime) -> None:
    """What an earlier builder left running ends; one that is rightly at work stays, and refuses."""
    try:
        job = deployjob.read(session.data)
    except MonitorError:
        return  # a builder that is not named ends itself
    if job is None:
        return
    if job.is_building and job.session == session.id and not job.is_late(now) and procfs.lives(job.builder):
        raise MonitorError(f"the builder (pid {job.builder.pid}) is at work on {job.sha[:8]}")
    end(job)


def _launch(session: Session, job_id: str, log: Path) -> subprocess.Popen[bytes]:
    """`-m` looks in the working directory first, so that a checkout works as an installed wheel does."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-m", "monitor_loop.building.buildwork", str(session.data.path), job_id],
                cwd=Path(__file__).resolve().parents[2],
                env={**os.environ, MARK: job_id},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
            )
    except OSError as error:
        raise MonitorError(f"the builder cannot be started: {error.strerror} ({error.filename})") from None


def _identity_of(child: subprocess.Popen[bytes]) -> Identity:
    birth = procfs.birth_of(child.pid)
    if birth is None:
        raise MonitorError(f"/proc does not tell of pid {child.pid}")
    return birth[0]


def _members(job: Job) -> list[Identity]:
    mark = f"{MARK}={job.id}"
    return [each for each in procfs.group_members(job.builder.pid) if mark in procfs.environment_of(each.pid)]


def _kill_group(leader: Identity) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        fd = os.pidfd_open(leader.pid)
        try:
            if procfs.lives(leader):
                os.killpg(leader.pid, signal.SIGKILL)
        finally:
            os.close(fd)


def _kill(member: Identity) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        fd = os.pidfd_open(member.pid)
        try:
            if procfs.lives(member):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)
