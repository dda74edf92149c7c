"""The builder started and stopped by a tick, and the ticks while it works: real processes, a cargo that is a script."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from monitor_loop import actionlog, envfile, procfs
from monitor_loop.building import build, builder, deployjob
from monitor_loop.session import Session
from monitor_tick.actions import Outcome, StartBuild, StopBuild
from monitor_tick.budget import Budget
from monitor_tick.catalog import load_rules
from monitor_tick.effects import perform
from monitor_tick.effects.aftermath import told
from monitor_tick.facts import BuildJob, BuildPhase
from monitor_tick.report import render_text
from monitor_tick.tick import tick
from monitor_tick.verdict import Level, Verdict
from tests.monitor_loop.building.builds import a_session, deployed, head, until
from tests.monitor_loop.checkouts import free_port, git
from tests.monitor_tick.views import a_view
from tests.proctree import make_proc, make_process

NOW = datetime(2026, 5, 9, 12, tzinfo=timezone.utc)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = msgspec.structs.replace(
        a_session(tmp_path), admin_port=free_port(), rpc_port=free_port(), tracker="directory"
    )
    envfile.write(made)
    git(made.repo, "branch", "-M", "main")
    git(made.repo, "remote", "set-url", "origin", str(made.repo))
    yield made
    for child in builder._children.values():
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    builder._children.clear()


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARGO_HANGS", str(tmp_path / "compiler"))
    return tmp_path / "compiler"


@pytest.fixture
def proc(session: Session, tmp_path: Path) -> Path:
    """The node of the session runs, as far as /proc tells."""
    proc = make_proc(tmp_path / "proc")
    make_process(proc, 4242, session.launch_path, ["henyey", "--mainnet", "run", "--validator"], cwd=session.repo)
    return proc


def do(session: Session, effect: StartBuild | StopBuild, job: BuildJob | None = None) -> Outcome:
    view = a_view(session=session, at=NOW, job=job)
    (outcome,) = perform((effect,), view, procfs.PROC, Budget(time.monotonic() + 60))
    return outcome


def test_both_are_written_down_before_and_after(session: Session, hanging: Path) -> None:
    deployed(session)
    target = head(session)
    started = do(session, StartBuild(target))
    job = deployjob.read(session.data)
    assert job is not None
    assert (started.done, started.line) == (True, f"builder started, pid {job.builder.pid}")
    (act,) = actionlog.acts(actionlog.read(session.data))
    assert (act.intent.act, act.intent.why) == ("build", f"{target[:8]} is to be built")
    assert isinstance(act.ending, actionlog.Outcome)
    assert (act.ending.pid, act.ending.start_ticks) == (job.builder.pid, job.builder.start_ticks)
    seen = BuildJob(sha=target, phase=BuildPhase.BUILDING, started_at=NOW, pid=job.builder.pid)
    stopped = do(session, StopBuild("memory"), seen)
    assert (stopped.done, stopped.line) == (True, f"build of {target[:8]} failed — stopped: memory")
    assert not procfs.lives(job.builder)
    *_, last = actionlog.acts(actionlog.read(session.data))
    assert last.intent.preconditions[0].seen == f"at work on {target[:8]}, pid {job.builder.pid}"
    assert do(session, StopBuild("memory")).line == "no build was under way"
    assert actionlog.verify(session.data) == ()


def test_a_second_builder_is_refused_and_that_is_written_down_too(session: Session, hanging: Path) -> None:
    deployed(session)
    do(session, StartBuild(head(session)))
    job = deployjob.read(session.data)
    again = msgspec.structs.replace(a_view(session=session, job=None).facts, at=NOW + timedelta(seconds=1))
    (refused,) = perform(
        (StartBuild(head(session)),), a_view(session=session, facts=again), procfs.PROC, Budget(time.monotonic() + 60)
    )
    assert not refused.done
    assert "is at work on" in refused.line
    assert deployjob.read(session.data) == job
    assert actionlog.open_intents(actionlog.read(session.data)) == ()


def test_what_came_of_it_is_told_by_the_check_that_wanted_it() -> None:
    start = StartBuild("a" * 40)
    wipe = Verdict(label="wipe", lines=("rebuilding",), level=Level.ACTION, effects=(start,))
    deploy = Verdict(label="deploy", lines=("N/A (session wiped)",))
    outcome = Outcome(effect=start, done=True, line="builder started, pid 99")
    by_wipe, silent = told((wipe, deploy), (outcome,), a_view())
    assert (by_wipe.lines, silent.lines) == (("rebuilding", "builder started, pid 99"), deploy.lines)
    (by_deploy,) = told((deploy,), (outcome,), a_view())
    assert by_deploy.lines[-1] == "builder started, pid 99", "its usual line"


def test_ticks_go_on_and_see_the_node_while_a_build_takes_its_time(session: Session, hanging: Path, proc: Path) -> None:
    deployed(session)
    target = head(session)
    do(session, StartBuild(target))
    until(hanging.exists)
    for number in range(4):
        (session.logs / f"build-0000000{number}.log").write_text("of long ago\n")
        os.utime(session.logs / f"build-0000000{number}.log", (number, number))
    for minutes in (7, 27):
        report = render_text(tick(session, load_rules(), NOW + timedelta(minutes=minutes), proc=proc), colour=False)
        assert f"building {target[:8]} ({minutes}m)" in report
        assert "pid=4242" in report
        assert "sync:" in report
    kept = sorted(path.name for path in session.logs.glob("build-*.log"))
    assert kept == sorted(["build-00000002.log", "build-00000003.log", f"build-{target[:8]}.log"])
    job = deployjob.read(session.data)
    assert job is not None
    assert procfs.lives(job.builder), "no tick waited for it"
    os.killpg(job.builder.pid, signal.SIGKILL)
    report = render_text(tick(session, load_rules(), NOW + timedelta(minutes=47), proc=proc), colour=False)
    assert "SKIPPED (build-failed" in report
    assert build.is_installed(session, git(session.repo, "rev-parse", "HEAD~1"))


def test_a_damaged_job_is_set_aside_and_named(session: Session, proc: Path) -> None:
    deployed(session)
    session.data.deploy_job.write_bytes(b"{\n")
    report = render_text(tick(session, load_rules(), NOW, proc=proc), colour=False)
    assert "deploy.json" in report
    assert not session.data.deploy_job.exists()
    assert list(session.data.path.glob("deploy.json.damaged-*"))
