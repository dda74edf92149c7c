"""The model of the builder: a process that makes a binary of one commit beside the node, and takes its time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor_loop import procfs
from monitor_loop.building import build, builder, deployjob
from monitor_loop.session import Identity, Session
from tests.simulation.machine import Machine
from tests.simulation.model import Clock

BUILD_SECONDS = 1500
BUILDER = "/usr/bin/python3"


class Child:
    """What `subprocess.Popen` is to the code that starts a builder."""

    def __init__(self, pid: int, end: Workshop) -> None:
        self.pid = pid
        self._workshop = end

    def wait(self) -> int:
        return 0

    def kill(self) -> None:
        self._workshop.end(self.pid)


class Workshop:
    def __init__(self, session: Session, machine: Machine, clock: Clock) -> None:
        self._session, self._machine, self._clock = session, machine, clock

    def open(self, patch: pytest.MonkeyPatch) -> None:
        """In the place of real processes, and of the real /proc that tells of them."""
        proc = self._machine.proc
        seen = SimpleNamespace(
            lives=lambda identity: procfs.lives(identity, proc),
            birth_of=lambda pid: procfs.birth_of(pid, proc),
            boot_id=lambda: procfs.boot_id(proc),
            group_members=lambda _group: (),
        )
        patch.setattr(builder, "procfs", seen)
        patch.setattr(deployjob, "procfs", seen)
        patch.setattr(builder, "_launch", self._launch)
        patch.setattr(builder, "_kill_group", lambda leader: self.end(leader.pid))

    def end(self, pid: int) -> None:
        if (self._machine.proc / str(pid) / "exe").is_symlink():
            self._machine.remove(pid)

    def _launch(self, _session: Session, job_id: str, log: Path) -> Child:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("building\n")
        pid = self._machine.new_pid()
        self._machine.add(pid, BUILDER, [BUILDER, "-m", "monitor_loop.building.buildwork", job_id], self._clock.now)
        birth = procfs.birth_of(pid, self._machine.proc)
        assert birth is not None
        self._clock.call_in(BUILD_SECONDS, lambda: self._finish(birth[0], job_id))
        return Child(pid, self)

    def _finish(self, who: Identity, job_id: str) -> None:
        """Unless it was ended, forgotten, or lost with its machine or its session."""
        job = deployjob.read(self._session.data)
        if not procfs.lives(who, self._machine.proc):
            return
        self.end(who.pid)
        if job is None or job.id != job_id or not job.is_building or not self._session.cargo_target.is_dir():
            return
        self._make(job.sha)
        deployjob.write(self._session.data, job.ended(deployjob.Phase.BUILT, self._wall()))

    def _make(self, sha: str) -> None:
        path = self._session.launch_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words_of(sha))
        path.chmod(0o755)
        build.keep_as(self._session, sha, path, self._session.config_file)

    def _wall(self) -> datetime:
        return self._machine.wall(self._clock.now)


def words_of(sha: str) -> str:
    """All that the binary of a commit holds."""
    return f"model of henyey, build {sha}\n"
