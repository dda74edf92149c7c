"""`python -m monitor_loop.building.buildwork DATA JOB`: the builder itself, beside the node and outside every tick.

It may be killed anywhere. Until a binary is kept with its checksum there is none, the launch path is put back by the
next builder or relaunch, and the next tick finds that the builder is gone.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from monitor_loop import envfile, files, noderecord, procfs
from monitor_loop.building import build, builder, cargo, deployjob, worktree
from monitor_loop.building.deployjob import Job, Phase
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Session

NICENESS = 19
_NAMED_SECONDS = 10.0
_LOOK_SECONDS = 0.02


def main(data: DataRoot, job_id: str) -> int:
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    job = _await_name(data, job_id)
    if job is None:
        _say("nobody wrote this builder down, so it does nothing")
        return 1
    work = Work(data, job)
    failed = _failure_of(work)
    _say(f"failed: {failed}" if failed else f"built {job.sha}")
    work.go_on_unless_forgotten()
    phase = Phase.FAILED if failed else Phase.BUILT
    deployjob.write(data, job.ended(phase, datetime.now(timezone.utc), failed))
    builder.end(job, spare=os.getpid())
    return 1 if failed else 0


class Work:
    """One job, from the kept binary of what runs to the kept binary of what is wanted."""

    def __init__(self, data: DataRoot, job: Job) -> None:
        self._data, self._job = data, job
        self._late = time.monotonic() + job.deadline_seconds

    def go_on(self) -> None:
        """Ends this process where the job is not ours any more; MonitorError where it has taken too long."""
        self.go_on_unless_forgotten()
        if time.monotonic() > self._late:
            raise MonitorError(self._job.late_words)

    def go_on_unless_forgotten(self) -> None:
        """Whoever took our name out of deploy.json wants no more of us, and may have started another builder."""
        try:
            named = deployjob.read(self._data)
        except MonitorError:
            named = None
        if named is None or named.id != self._job.id or not named.is_building:
            os.killpg(0, signal.SIGKILL)

    def do(self) -> None:
        session = envfile.read(self._data)
        if session.id != self._job.session:
            raise MonitorError(f"the session is {session.id} by now, not {self._job.session}")
        if session.is_embedded:
            _prepare_embedded(session, self._job.sha)
            return
        build.sweep(session, self._job.started_at)
        keep_what_runs(session)
        if not build.is_kept(session, self._job.sha):
            try:
                self._make(session)
            finally:
                put_back(session)
                worktree.clear(session)
        build.prune_kept(session, {self._job.sha, *_to_go_back_to(session)})

    def _make(self, session: Session) -> None:
        checkout = worktree.add(session, self._job.sha)
        before = _inode(session.launch_path)
        _say(f"building {self._job.sha} in {checkout}")
        status = cargo.run_in(session, checkout, self.go_on)
        if status != 0:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            raise MonitorError(f"cargo build failed ({how})")
        self.go_on_unless_forgotten()
        try:
            with session.launch_path.open("rb") as built:
                _refuse_old(built, before, session)
                config = worktree.config_of(session, checkout)
                build.keep_as(session, self._job.sha, Path(f"/proc/self/fd/{built.fileno()}"), config)
        except FileNotFoundError as error:
            raise MonitorError(f"cargo succeeded, yet there is no {error.filename}") from None


def keep_what_runs(session: Session) -> None:
    """Before anything can take its place: the binary of the running process, else the one that would be launched.

    The launch path then holds a copy of it, which no build can be taken for: cargo's own files are links of its.
    """
    running = procfs.node_of(session)
    binary = Path(f"/proc/{running.pid}/exe") if running else session.launch_path
    if not binary.exists():
        return  # a wiped session
    name = _deployed(session)
    if name == build.UNKNOWN or not build.is_kept(session, name):
        build.keep_as(session, name, binary, session.config_file)
    put_back(session)


def put_back(session: Session) -> None:
    """What is deployed to the launch path, so that a relaunch launches that. Where it is not kept nothing is."""
    name, path = _deployed(session), session.launch_path
    kept = session.binaries / name
    if not build.holds(kept, kept / build.PACKAGE):
        return
    if not build.holds(kept, path) or path.stat().st_nlink > 1:
        build.put_back(session, name)


def _deployed(session: Session) -> str:
    """Read anew each time: a tick may have rolled back meanwhile."""
    noted = (files.read(session.build_sha, 1024) or b"").decode("ascii", "replace").strip()
    return noderecord.read(session.data).deployed_sha or (noted if build.is_sha(noted) else build.UNKNOWN)


def _to_go_back_to(session: Session) -> set[str]:
    record = noderecord.read(session.data)
    return {_deployed(session), record.last_good_sha, record.trial.previous if record.trial else ""}


def _refuse_old(built: BinaryIO, before: int, session: Session) -> None:
    """What stands at the launch path must have come from cargo: not from before, nor from a tick that relaunched."""
    found = os.fstat(built.fileno())
    kept = session.binaries / _deployed(session)
    put_there = found.st_nlink == 1 and build.holds(kept, Path(f"/proc/self/fd/{built.fileno()}"))
    if found.st_ino == before or put_there:
        raise MonitorError(f"cargo succeeded, and left no new binary at {session.launch_path}")
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & stat.S_IXUSR:
        raise MonitorError(f"cargo left no executable at {session.launch_path}")


def _prepare_embedded(session: Session, sha: str) -> None:
    """The embedded node is not built: its files are written anew, for the ports and the arguments of the env file."""
    from monitor_loop import embedded

    embedded.restore(session, sha)
    build.keep_as(session, sha, session.launch_path, session.config_file)


def _await_name(data: DataRoot, job_id: str) -> Job | None:
    """The job, once deploy.json names this process; None where it does not in time."""
    give_up = time.monotonic() + _NAMED_SECONDS
    while time.monotonic() < give_up:
        job = deployjob.read(data) if data.deploy_job.exists() else None
        if job is not None and job.id == job_id and job.is_building and job.builder.pid == os.getpid():
            return job
        time.sleep(_LOOK_SECONDS)
    return None


def _failure_of(work: Work) -> str:
    """Empty where all went well. A crash is a failed build too, and its traceback is in the log."""
    try:
        work.do()
    except (MonitorError, OSError) as fault:
        return str(fault)
    except Exception as crash:
        traceback.print_exc()
        return f"{type(crash).__name__}: {crash}"
    return ""


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _say(text: str) -> None:
    print(f"builder: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(DataRoot(Path(sys.argv[1])), sys.argv[2]))
