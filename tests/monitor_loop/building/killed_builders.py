"""A builder that is killed at one in so many steps; run as a program, with the directory to work in and that number.

A step is a call of git, of cargo, or one that changes a file. After each death the next builder works in what the one
before left, until one gets through. Prints the step before which each was killed.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_loop import files, shell
from monitor_loop.building import build, buildwork, cargo, deployjob
from monitor_loop.building.deployjob import Phase
from monitor_loop.session import Session
from tests.monitor_loop.building.builds import a_job, a_session, commit_in, deployed, head, identity_of, standing
from tests.monitor_tick.crashes import Steps, die_for_real, no_fsync

CALLS: tuple[tuple[Any, str], ...] = (
    (shell, "run"),
    (cargo, "run_in"),
    (files, "replace"),
    (files, "remove_tree"),
    (Path, "unlink"),
    (Path, "replace"),
    (Path, "mkdir"),
)
NEVER = 10**6


def killed_at(at: int, session: Session) -> str:
    """The step that was not taken any more; empty where the builder got through."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        names: list[str] = []

        def die() -> None:
            os.write(writing, names[-1].encode())
            die_for_real()

        names = Steps(pytest.MonkeyPatch(), die, at, CALLS).names
        os._exit(buildwork.main(session.data, a_job(session, identity_of(os.getpid())).id))
    os.close(writing)
    begun = datetime.now(timezone.utc)
    deployjob.write(session.data, a_job(session, identity_of(child), started_at=begun))
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, encoding="ascii") as told:
        step = told.read()
    if status != (signal.SIGKILL if step else 0):
        raise SystemExit(f"step {at} ended with status {status}")
    return step


def check(session: Session, before: str, target: str) -> None:
    """What a tick finds: a failed job, and nothing that could be launched by mistake."""
    job = standing(session)
    assert (job.phase, job.why[:11]) == (Phase.FAILED, "the builder"), job
    assert build.is_kept(session, before), "the way back"
    assert not build.is_kept(session, target) or commit_in(session.binaries / target / "henyey") == target
    assert session.build_sha.read_text() == f"{before}\n"
    assert commit_in(session.launch_path) in (before, target)


def run_through(session: Session, before: str, target: str) -> None:
    """The next builder, in what the killed one left."""
    assert not killed_at(NEVER, session)
    assert standing(session).phase is Phase.BUILT
    assert commit_in(session.binaries / target / "henyey") == target
    assert build.is_installed(session, before)
    assert not session.worktrees.exists()
    assert not list(session.directory.rglob("*.tmp")), "copies of a binary are large"
    build.prune_kept(session, {before})


def main(root: Path, every: int) -> None:
    pytest.MonkeyPatch().setattr(os, "fsync", no_fsync)
    session = a_session(root)
    before, target = deployed(session), head(session)
    at = 0
    while step := killed_at(at, session):
        print("killed before", step, flush=True)
        check(session, before, target)
        build.prune_kept(session, {before})
        run_through(session, before, target)
        at += every


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
