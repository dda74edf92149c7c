from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_loop import quarantine
from monitor_loop.building import deployjob
from monitor_loop.building.deployjob import Phase
from monitor_loop.session import NodeRecord, Session
from monitor_tick.facts import BuildPhase, Missing, Rotation
from monitor_tick.probes.job import observe_build_logs, observe_job, observe_rebuild
from tests.monitor_loop.building.builds import NOW, a_job, a_session, head, identity_of
from tests.monitor_loop.checkouts import git

DEPLOYED = "d" * 40


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return a_session(tmp_path)


def test_nothing_was_ever_built(session: Session) -> None:
    assert observe_job(session, NOW) is None


def test_a_build_that_is_under_way(session: Session) -> None:
    deployjob.write(session.data, a_job(session, identity_of(os.getpid())))
    seen = observe_job(session, NOW + timedelta(minutes=7))
    assert seen is not None
    assert (seen.sha, seen.phase, seen.pid) == (head(session), BuildPhase.BUILDING, os.getpid())
    assert (seen.started_at, seen.last_lines) == (NOW, ())


def test_a_failed_build_comes_with_the_end_of_its_log(session: Session) -> None:
    log = session.logs / "build-0123abcd.log"
    log.write_bytes(b"\xff not text\n" + b"".join(b"line %d\n" % number for number in range(5000)))
    failed = a_job(session, identity_of(os.getpid()), log=str(log)).ended(Phase.FAILED, NOW, "cargo build failed")
    deployjob.write(session.data, failed)
    seen = observe_job(session, NOW)
    assert seen is not None
    assert (seen.phase, seen.why, seen.log) == (BuildPhase.FAILED, "cargo build failed", str(log))
    assert seen.last_lines[-1] == "line 4999"
    assert len(seen.last_lines) == 30
    log.unlink()
    seen = observe_job(session, NOW)
    assert seen is not None
    assert seen.last_lines == ()


def test_no_other_file_is_read_for_a_log(session: Session, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SSEED\n")
    failed = a_job(session, identity_of(os.getpid()), log=str(tmp_path / "secret")).ended(Phase.FAILED, NOW)
    deployjob.write(session.data, failed)
    seen = observe_job(session, NOW)
    assert seen is not None
    assert seen.last_lines == ()


def test_the_logs_of_builds_are_what_the_builder_names_so_each_at_its_last_write(session: Session) -> None:
    for name in ("build-0123abcd.log", "build.log", "build-0123abcd.log.1", "build-0123ABCD.log", "monitor.log"):
        (session.logs / name).write_bytes(b"x\n")
    (session.logs / "build-00000001.log").symlink_to(session.logs / "build.log")
    (session.logs / "build-00000002.log").mkdir()
    os.utime(session.logs / "build-0123abcd.log", (NOW.timestamp(), NOW.timestamp()))
    assert observe_build_logs(session) == (Rotation(session.logs / "build-0123abcd.log", "build", NOW),)
    shutil.rmtree(session.logs)
    assert observe_build_logs(session) == ()


def test_another_sessions_build_is_none_of_this_one(session: Session) -> None:
    deployjob.write(session.data, a_job(session, identity_of(os.getpid()), session="89abcdef"))
    assert observe_job(session, NOW) is None


def test_a_damaged_file_is_a_failed_build_of_no_commit(session: Session) -> None:
    session.data.deploy_job.write_bytes(b"\0")
    seen = observe_job(session, NOW)
    assert seen is not None
    assert (seen.sha, seen.phase) == ("", BuildPhase.FAILED)
    assert "move it aside" in seen.why


def test_a_wiped_session_comes_back_at_what_was_deployed(session: Session) -> None:
    assert observe_rebuild(session, NodeRecord(deployed_sha=DEPLOYED)) == DEPLOYED
    assert observe_rebuild(session, NodeRecord()) == head(session)


def test_no_quarantined_commit_comes_back(session: Session) -> None:
    first = head(session)
    quarantine.append(str(session.data.quarantine), DEPLOYED, "regression")
    for record in (NodeRecord(), NodeRecord(deployed_sha=DEPLOYED)):
        assert observe_rebuild(session, record) == Missing(f"HEAD is quarantined ({DEPLOYED[:8]})"), "git knows it not"
    quarantine.remove(str(session.data.quarantine), DEPLOYED)
    git(session.repo, "commit", "-q", "--allow-empty", "-m", "on top")
    quarantine.append(str(session.data.quarantine), first, "regression")
    assert observe_rebuild(session, NodeRecord()) == Missing(f"HEAD is quarantined ({first[:8]})")
    git(session.repo, "checkout", "-q", "--orphan", "clean")
    git(session.repo, "commit", "-q", "-m", "without it")
    assert observe_rebuild(session, NodeRecord(deployed_sha=first)) == head(session)


def test_an_unreadable_quarantine_lets_nothing_come_back(session: Session) -> None:
    session.data.quarantine.symlink_to("nowhere")
    assert observe_rebuild(session, NodeRecord(deployed_sha=DEPLOYED)) == Missing("quarantine file unreadable")


def test_where_there_is_no_checkout_the_reason_is_told(session: Session) -> None:
    assert observe_rebuild(msgspec.structs.replace(session, git=""), NodeRecord()) == Missing("git is not known")
    shutil.rmtree(session.repo / ".git")
    found = observe_rebuild(session, NodeRecord())
    assert isinstance(found, Missing)
    assert found.reason.endswith("has no HEAD")


def test_the_embedded_node_is_its_own_commit(session: Session) -> None:
    embedded = msgspec.structs.replace(session, launch_prefix="-I -S boot.py")
    found = observe_rebuild(embedded, NodeRecord())
    assert isinstance(found, str)
    assert len(found) == 40
    assert observe_rebuild(embedded, NodeRecord(deployed_sha=found)) == found
    quarantine.append(str(session.data.quarantine), found, "regression")
    assert observe_rebuild(embedded, NodeRecord(deployed_sha=found)) == Missing(f"{found[:8]} is quarantined")
