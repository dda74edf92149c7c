"""`rm -rf` of a session, with real processes: the builder brings its files back, and a later tick its node."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from monitor_loop import envfile, noderecord
from monitor_loop.building import build, builder, deployjob
from monitor_loop.errors import MonitorError
from monitor_loop.session import Session
from monitor_tick.verdict import Level
from tests.end_to_end.test_healing import Watched, line, wait_for, watching
from tests.monitor_loop.building.builds import a_session, deployed
from tests.monitor_loop.checkouts import free_port, git


@pytest.fixture(autouse=True)
def no_builder_is_left() -> Iterator[None]:
    yield
    for child in builder._children.values():
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    builder._children.clear()


def wipe(one: Watched) -> None:
    os.kill(one.pid(), signal.SIGKILL)
    wait_for(lambda: one.process() is None)
    shutil.rmtree(one.session.directory)


def build_ended(session: Session) -> bool:
    job = deployjob.read(session.data)
    return job is not None and not job.is_building


def test_a_wiped_session_of_a_dead_node_comes_back_by_itself(tmp_path: Path) -> None:
    with watching(tmp_path / "data") as one:
        before = noderecord.read(one.session.data).deployed_sha
        wipe(one)
        shutil.rmtree(one.session.data.path / "mainnet")
        first = one.tick()
        assert line(first, "wipe").startswith("SESSION DIR WIPED — rebuilding")
        assert "builder started, pid " in line(first, "wipe")
        assert first.level is Level.ACTION
        assert one.process() is None
        wait_for(lambda: build_ended(one.session))
        second = one.tick()
        assert line(second, "wipe").startswith(f"SESSION DIR WIPED — rebuilt + relaunched (new PID {one.pid()})")
        assert second.level is Level.ACTION
        assert noderecord.read(one.session.data).recovery is None
        assert build.is_kept(one.session, before)
        assert one.acts() == ["build", "rebuild"]
        third = one.tick()
        assert line(third, "wipe") == ""
        assert f"pid={one.pid()}" in line(third, "node")
        assert f"build={before[:8]}" in line(third, "node")
        assert one.issues().count("title: OFFLINE: validator session wiped out-of-band") == 1
        assert "Node crashed" not in one.issues()


def test_a_wiped_session_with_its_process_alive_is_left_alone(tmp_path: Path) -> None:
    with watching(tmp_path / "data") as one:
        pid = one.pid()
        shutil.rmtree(one.session.directory)
        report = one.tick()
        assert f"SESSION DIR WIPED — process alive (PID {pid}), operator intervention needed" in line(report, "wipe")
        assert one.pid() == pid
        assert not one.session.data.deploy_job.exists()
        assert noderecord.read(one.session.data).recovery is None


def test_a_wiped_session_that_nobody_started_lately_is_not_revived(tmp_path: Path) -> None:
    with watching(tmp_path / "data") as one:
        wipe(one)
        with pytest.raises(MonitorError, match="absent, no process, env stale"):
            one.tick(cadences=9)
        assert not one.session.directory.exists()
        assert not one.session.data.deploy_job.exists()


@pytest.fixture
def henyey(tmp_path: Path) -> Watched:
    """A session with a checkout, whose node is down; what its cargo makes is a script that ends at once."""
    session = msgspec.structs.replace(a_session(tmp_path), admin_port=free_port(), rpc_port=None, tracker="directory")
    envfile.write(session)
    git(session.repo, "remote", "set-url", "origin", str(session.repo))
    deployed(session)
    return Watched(session)


def test_henyey_is_built_at_the_deployed_commit_and_launched(henyey: Watched) -> None:
    session = henyey.session
    before = noderecord.read(session.data).deployed_sha
    shutil.rmtree(session.directory)
    assert line(henyey.tick(), "wipe").startswith("SESSION DIR WIPED — rebuilding")
    wait_for(lambda: build_ended(session))
    report = henyey.tick()
    assert f"rebuild FAILED: installed {before[:8]}" in line(report, "wipe"), "a script that ends is no node"
    assert report.level is Level.OFFLINE
    assert session.build_sha.read_text() == f"{before}\n"
    assert build.is_installed(session, before)
    assert henyey.acts() == ["build", "rebuild"]


def test_a_rebuild_that_fails_is_offline_with_one_issue(henyey: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_FAILS", "1")
    shutil.rmtree(henyey.session.directory)
    henyey.tick()
    wait_for(lambda: build_ended(henyey.session))
    for told in (" — commented #1", ""):
        report = henyey.tick()
        assert line(report, "wipe").splitlines() == [
            f"SESSION DIR WIPED — rebuild failed{told}",
            "cargo build failed (exit status 101)",
        ]
        assert report.level is Level.OFFLINE
    assert henyey.acts() == ["build"], "tried once, and no relaunch of what is not there"
    assert henyey.issues().count("title: OFFLINE: validator session wiped out-of-band") == 1
    assert "rebuild failed" in henyey.issues()
