"""The builder as a process: a real git, a real process group, and a cargo that is a script."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor_loop import envfile, files, noderecord, procfs, stop
from monitor_loop.building import build, builder, deployjob
from monitor_loop.building.deployjob import Job, Phase
from monitor_loop.errors import MonitorError
from monitor_loop.session import NodeRecord, Session
from tests.descriptors import descriptors_of
from tests.monitor_loop.building.builds import (
    DEADLINE_SECONDS,
    NOW,
    PATIENCE_SECONDS,
    a_job,
    a_session,
    commit_in,
    deployed,
    done,
    head,
    identity_of,
    until,
)
from tests.monitor_loop.checkouts import CONFIG, git


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    yield a_session(tmp_path)
    for child in builder._children.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    builder._children.clear()


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cargo goes on for ten minutes; the file holds the pid of what it started, once it has."""
    monkeypatch.setenv("CARGO_HANGS", str(tmp_path / "compiler"))
    return tmp_path / "compiler"


def start(session: Session, sha: str = "") -> Job:
    return builder.start(session, sha or head(session), NOW, DEADLINE_SECONDS)


def log_of(job: Job) -> str:
    return Path(job.log).read_text()


def worktrees(session: Session) -> list[str]:
    return [line for line in git(session.repo, "worktree", "list", "--porcelain").splitlines() if "worktree" in line]


def runs(pid: int) -> bool:
    birth = procfs.birth_of(pid)
    return birth is not None and procfs.lives(birth[0])


def opens_only(pid: int, allowed: set[str]) -> bool:
    """What it was given stays open; a file that it reads now is closed soon."""
    return set(descriptors_of(pid).values()) <= allowed


def test_a_build_is_made_beside_what_is_deployed(session: Session) -> None:
    before, target = deployed(session), head(session)
    work_tree = {path: path.stat().st_mtime_ns for path in session.repo.rglob("*") if ".git" not in path.parts}
    job = start(session)
    assert (job.sha, job.session, job.phase) == (target, session.id, Phase.BUILDING)
    ended = done(session)
    assert (ended.phase, ended.why) == (Phase.BUILT, ""), log_of(job)
    assert ended.finished_at is not None
    assert build.is_kept(session, target)
    assert commit_in(session.binaries / target / "henyey") == target
    assert build.is_installed(session, before), "a crash relaunches what is deployed"
    assert session.build_sha.read_text() == f"{before}\n"
    assert worktrees(session) == [f"worktree {session.repo}"]
    assert not session.worktrees.exists()
    assert {path: path.stat().st_mtime_ns for path in session.repo.rglob("*") if ".git" not in path.parts} == work_tree
    assert f"compiling {target} in {session.worktrees / target}" in log_of(job)


def test_it_shares_nothing_with_who_started_it(session: Session, hanging: Path) -> None:
    deployed(session)
    inherited = os.open(session.data.lock_file, os.O_RDWR | os.O_CREAT)
    os.set_inheritable(inherited, True)
    with files.Lock.acquire(session.data.lock_file, "monitor-tick", NOW):
        job = start(session)
    os.close(inherited)
    pid = job.builder.pid
    assert (os.getpgid(pid), os.getsid(pid)) == (pid, pid)
    until(hanging.exists)
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    compiler = int(hanging.read_text())
    until(lambda: Path(f"/proc/{compiler}/comm").read_text() == "sleep\n")
    assert os.getpriority(os.PRIO_PROCESS, compiler) == 19
    for each in (pid, compiler):
        until(partial(opens_only, each, {"/dev/null", job.log}))
    files.Lock.acquire(session.data.lock_file, "monitor-tick", NOW).release()


def test_it_outlives_the_tick_and_its_process_group(session: Session, hanging: Path) -> None:
    """Cron ends what it started by its group; a terminal that closes ends its session."""
    deployed(session)
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, timezone\n"
        "from monitor_loop import envfile; from monitor_loop.building import builder\n"
        "from monitor_loop.session import DataRoot\n"
        "session = envfile.read(DataRoot(Path(sys.argv[1])))\n"
        "builder.start(session, sys.argv[2], datetime.now(timezone.utc), 5400.0)\n"
        "print('started', flush=True); sys.stdin.read()\n"
    )
    tick = subprocess.Popen(
        [sys.executable, "-c", program, str(session.data.path), head(session)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with tick:
        assert tick.stdout is not None
        assert tick.stdout.readline() == b"started\n"
        os.killpg(tick.pid, signal.SIGKILL)
    until(hanging.exists)
    job = deployjob.read(session.data)
    assert job is not None
    assert job.is_building
    assert runs(job.builder.pid)
    builder.end(job)


def test_a_failed_build_says_how_and_leaves_everything_as_it_was(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deployed(session)
    monkeypatch.setenv("CARGO_FAILS", "1")
    start(session)
    ended = done(session)
    assert (ended.phase, ended.why) == (Phase.FAILED, "cargo build failed (exit status 101)")
    assert "could not compile" in log_of(ended)
    assert build.is_installed(session, before)
    assert sorted(path.name for path in session.binaries.iterdir()) == [before]
    assert worktrees(session) == [f"worktree {session.repo}"]


def test_what_stood_at_the_launch_path_before_is_never_taken_for_the_build(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deployed(session)
    monkeypatch.setenv("CARGO_MAKES_NOTHING", "1")
    start(session)
    assert "left no new binary" in done(session).why
    assert not build.is_kept(session, head(session))
    assert build.is_installed(session, before)


def test_a_build_that_takes_too_long_ends_itself(
    session: Session, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(session)
    target, popen = head(session), subprocess.Popen

    def on_its_clock(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        program, _, _, *arguments = argv
        return popen([program, "-c", LATE, *arguments], **options)

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", on_its_clock)
        job = start(session, target)
    until(lambda: not runs(job.builder.pid))
    ended = deployjob.read(session.data)
    assert ended is not None
    assert (ended.phase, ended.why) == (Phase.FAILED, "not done after 90 minutes"), log_of(job)
    until(lambda: not runs(int(hanging.read_text())))  # what cargo had started


LATE = f"""
import os, sys, time
from pathlib import Path
from monitor_loop.building import buildwork
from monitor_loop.session import DataRoot
clock, compiler = time.monotonic, Path(os.environ["CARGO_HANGS"])
time.monotonic = lambda: clock() + {DEADLINE_SECONDS} * compiler.exists()
sys.exit(buildwork.main(DataRoot(Path(sys.argv[1])), sys.argv[2]))
"""
"""The time of a build is up once cargo has begun."""


def test_one_builder_at_a_time(session: Session, hanging: Path) -> None:
    deployed(session)
    job = start(session)
    with pytest.raises(MonitorError, match=rf"\(pid {job.builder.pid}\) is at work on {job.sha[:8]}"):
        start(session)
    assert deployjob.read(session.data) == job


def test_stopping_ends_the_whole_group_and_nothing_else(session: Session, hanging: Path) -> None:
    before = deployed(session)
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    job = start(session)
    until(hanging.exists)
    stopped = builder.stop(session, "the node needs its memory", NOW)
    assert stopped is not None
    assert (stopped.phase, stopped.why) == (Phase.FAILED, "stopped: the node needs its memory")
    assert deployjob.read(session.data) == stopped
    assert not runs(job.builder.pid)
    assert not runs(int(hanging.read_text()))
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert build.is_installed(session, before)
    assert builder.stop(session, "again", NOW) is None


def test_a_session_that_is_stopped_builds_nothing(session: Session, hanging: Path) -> None:
    deployed(session)
    job = start(session)
    until(hanging.exists)
    ended = stop.stop(stop.Request(data=session.data, by="op"), NOW, procfs.PROC)
    assert not procfs.lives(job.builder)
    assert f"Build:    of {job.sha[:8]} cut short" in stop.render(ended).splitlines()
    assert done(session).why == "stopped: by the operator"
    again = stop.stop(stop.Request(data=session.data, by="op"), NOW, procfs.PROC)
    assert "Build:" not in stop.render(again)
    session.data.deploy_job.write_text("{")
    assert stop.stop(stop.Request(data=session.data, by="op"), NOW, procfs.PROC).warnings


def test_what_a_killed_builder_left_is_ended_by_the_next_one(
    session: Session, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel, short of memory, kills one process and not its group."""
    deployed(session)
    job = start(session)
    until(hanging.exists)
    os.kill(job.builder.pid, signal.SIGKILL)
    assert done(session).why == f"the builder (pid {job.builder.pid}) ended without a word"
    compiler = int(hanging.read_text())
    assert runs(compiler)
    assert worktrees(session) != [f"worktree {session.repo}"]
    monkeypatch.delenv("CARGO_HANGS")
    start(session)
    assert not runs(compiler)
    assert done(session).phase is Phase.BUILT
    assert worktrees(session) == [f"worktree {session.repo}"]


def test_a_group_whose_number_is_anothers_by_now_is_left_alone(session: Session) -> None:
    deployed(session)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        us = identity_of(other.pid)
        deployjob.write(session.data, a_job(session, msgspec.structs.replace(us, start_ticks=us.start_ticks - 1)))
        builder.stop(session, "no longer wanted", NOW)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("damaged", [True, False])
def test_a_builder_that_nobody_names_any_more_ends_itself(session: Session, hanging: Path, damaged: bool) -> None:
    deployed(session)
    job = start(session)
    until(hanging.exists)
    if damaged:
        session.data.deploy_job.write_bytes(b"{}\n")
    else:
        session.data.deploy_job.unlink()
    until(lambda: not runs(job.builder.pid))
    until(lambda: not runs(int(hanging.read_text())))
    assert not damaged or session.data.deploy_job.read_bytes() == b"{}\n"


def test_a_builder_that_was_never_written_down_does_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tick died between starting it and naming it, and another job stands there."""
    deployed(session)
    other = a_job(session, identity_of(os.getpid()))
    deployjob.write(session.data, other)
    argv = [sys.executable, "-c", NEVER_NAMED, str(session.data.path), "0" * 12]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert (ran.returncode, ran.stdout) == (1, "builder: nobody wrote this builder down, so it does nothing\n")
    assert deployjob.read(session.data) == other
    assert not session.worktrees.exists()


NEVER_NAMED = """
import sys
from pathlib import Path
from monitor_loop.building import buildwork
from monitor_loop.session import DataRoot
buildwork._NAMED_SECONDS = 0.2
sys.exit(buildwork.main(DataRoot(Path(sys.argv[1])), sys.argv[2]))
"""


def test_a_commit_that_is_kept_already_needs_no_cargo(session: Session) -> None:
    before = deployed(session)
    job = start(session, before)
    assert done(session).phase is Phase.BUILT
    assert "compiling" not in log_of(job)


def test_a_session_that_was_replaced_gets_no_build(session: Session) -> None:
    deployed(session)
    envfile.write(msgspec.structs.replace(session, id="89abcdef"))
    start(session)
    assert done(session).why == "the session is 89abcdef by now, not 0123abcd"


def test_an_earlier_session_s_builder_makes_way(
    session: Session, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(session)
    old = start(session)
    until(hanging.exists)
    later = msgspec.structs.replace(session, id="89abcdef")
    later.logs.mkdir(parents=True)
    envfile.write(later)
    monkeypatch.delenv("CARGO_HANGS")
    new = start(later)
    assert not runs(old.builder.pid)
    assert done(later).phase is Phase.BUILT, log_of(new)


def test_the_binary_that_runs_is_kept_before_anything_takes_its_place(session: Session) -> None:
    """An attached node's session keeps nothing, and its launch path may hold another build by now."""
    before = deployed(session)
    shutil.rmtree(session.binaries)
    session.launch_path.unlink()
    shutil.copy("/bin/sh", session.launch_path)
    with subprocess.Popen([session.launch_path, "-c", "read line", "run"], stdin=subprocess.PIPE) as node:
        until(lambda: procfs.node_of(session) is not None)
        session.launch_path.unlink()
        session.launch_path.write_text("what somebody built meanwhile")
        start(session)
        assert done(session).phase is Phase.BUILT
        node.kill()
    assert (session.binaries / before / "henyey").read_bytes() == Path("/bin/sh").read_bytes()
    assert build.is_installed(session, before)


def test_a_build_that_cannot_be_kept_is_refused_before_cargo(session: Session) -> None:
    before = deployed(session)
    shutil.rmtree(session.binaries)
    (session.repo / CONFIG).unlink()
    job = start(session)
    assert "could not be kept" in done(session).why
    assert "compiling" not in log_of(job)
    assert session.launch_path.is_file()
    assert session.build_sha.read_text() == f"{before}\n"


def test_what_runs_is_kept_also_where_nobody_knows_its_commit(session: Session) -> None:
    deployed(session)
    shutil.rmtree(session.binaries)
    session.build_sha.unlink()
    noderecord.write(session.data, NodeRecord())
    ran = session.launch_path.read_bytes()
    start(session)
    assert done(session).phase is Phase.BUILT
    assert session.launch_path.read_bytes() == ran
    assert (session.binaries / "unknown" / "henyey").read_bytes() == ran
    assert not session.build_sha.exists()


def test_a_wiped_session_is_built_where_nothing_is_left(session: Session) -> None:
    deployed(session)
    shutil.rmtree(session.directory)
    start(session)
    assert done(session).phase is Phase.BUILT
    assert build.is_kept(session, head(session))


@pytest.mark.parametrize("kind", ["changed", "absolute", "untouched"])
def test_the_config_kept_beside_a_build_is_the_one_that_it_is_to_run_with(
    session: Session, tmp_path: Path, kind: str
) -> None:
    deployed(session)
    target = head(session)
    git(session.repo, "checkout", "-q", "--detach", "HEAD~1")
    own = session.repo / CONFIG
    if kind == "absolute":
        own = tmp_path / "validator-mainnet-rpc.toml"
        session = msgspec.structs.replace(session, config=str(own))
        envfile.write(session)
    if kind != "untouched":
        own.write_text("# the operator's own seed\n")
    start(session, target)
    assert done(session).phase is Phase.BUILT
    kept = (session.binaries / target / own.name).read_text()
    assert kept == ("# the operator's own seed\n" if kind != "untouched" else git_file(session, target))


def git_file(session: Session, sha: str) -> str:
    return git(session.repo, "show", f"{sha}:{CONFIG}") + "\n"


def test_the_libraries_are_those_of_the_build_that_runs(session: Session) -> None:
    """henyey does not commit its Cargo.lock."""
    deployed(session)
    (session.repo / "Cargo.lock").write_text("pinned")
    start(session)
    assert done(session).phase is Phase.BUILT
    assert "pinned" in (session.binaries / head(session) / "henyey").read_text()


def test_hooks_and_the_operators_own_worktrees_are_not_touched(session: Session, tmp_path: Path) -> None:
    deployed(session)
    hook = session.repo / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    own, unreachable, stale = tmp_path / "own", tmp_path / "gone", session.data.path / "feedbeef/worktrees" / ("b" * 40)
    for path in (own, unreachable, stale):
        git(session.repo, "-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", "--detach", str(path))
    shutil.rmtree(unreachable)
    shutil.rmtree(stale)
    start(session)
    assert done(session).phase is Phase.BUILT
    assert not (tmp_path / "hooked").exists()
    assert sorted(worktrees(session)) == sorted(f"worktree {path}" for path in (session.repo, own, unreachable))


def test_as_many_binaries_are_kept_as_may_be_needed(session: Session) -> None:
    before = deployed(session)
    older = ("c" * 40, "d" * 40)
    for sha in older:
        build.keep_as(session, sha, session.launch_path, session.config_file)
    (session.binaries / "notes").mkdir()
    noderecord.write(session.data, NodeRecord(deployed_sha=before, last_good_sha=older[0]))
    start(session)
    assert done(session).phase is Phase.BUILT
    assert {path.name for path in session.binaries.iterdir()} == {before, older[0], head(session), "notes"}
    assert build.prune_kept(session, {before}) == tuple(sorted((older[0], head(session))))
    assert {path.name for path in session.binaries.iterdir()} == {before, "notes"}


def test_a_checkout_that_is_not_on_the_path_finds_its_modules(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under cron, and from any directory: nothing but the interpreter and the package's own place is needed."""
    deployed(session)
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir("/")
    start(session)
    assert done(session).phase is Phase.BUILT


def test_a_clock_that_is_late_does_not_hide_a_finished_build(session: Session) -> None:
    deployed(session)
    start(session)
    done(session)
    found = deployjob.poll(session.data, NOW + timedelta(days=30))
    assert found is not None
    assert found.phase is Phase.BUILT


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.thorough), 3])
def test_killed_at_each_of_its_steps_it_leaves_what_the_next_one_can_work_with(tmp_path: Path, every: int) -> None:
    program = "tests.monitor_loop.building.killed_builders"
    argv = [sys.executable, "-m", program, str(tmp_path), str(every)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    steps = re.findall(r"^killed before (\w+)$", ran.stdout, re.MULTILINE)
    assert len(steps) > 15 // every
    assert every > 1 or {"run", "run_in", "replace", "remove_tree", "unlink"} <= set(steps)
