"""What `monitor-loop status` says of builds, trials and a node that is left down."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from monitor_loop import envfile, noderecord, procfs, status
from monitor_loop.building import deployjob
from monitor_loop.building.deployjob import Phase
from monitor_loop.session import NodeRecord, Recovery, Session, Trial
from tests.monitor_loop.building.builds import NOW, a_job, a_session, head, identity_of

SEVEN_MINUTES_ON = NOW + timedelta(minutes=7)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return a_session(tmp_path)


def said(session: Session) -> list[str]:
    seen = status.status(session.data, SEVEN_MINUTES_ON, procfs.PROC)
    return status.render(seen, SEVEN_MINUTES_ON).splitlines()


def as_json(session: Session) -> dict[str, object]:
    found: dict[str, object] = json.loads(status.to_json(status.status(session.data, SEVEN_MINUTES_ON, procfs.PROC)))
    return found


def test_nothing_is_said_where_nothing_is_built_on_trial_or_left_down(session: Session) -> None:
    assert not [line for line in said(session) if line.startswith(("build:", "trial:", "offline:"))]
    nothing = as_json(session)
    assert (nothing["build"], nothing["trial"], nothing["offline"]) == (None, None, "")


def test_a_build_in_each_of_its_phases(session: Session) -> None:
    sha = head(session)
    job = a_job(session, identity_of(os.getpid()))
    for written, line in (
        (job, f"build:    building {sha[:8]} (7m)"),
        (job.ended(Phase.BUILT, NOW), f"build:    built {sha[:8]}"),
        (job.ended(Phase.FAILED, NOW, "cargo build failed"), f"build:    build failed {sha[:8]}: cargo build failed"),
    ):
        deployjob.write(session.data, written)
        assert line in said(session)
    assert as_json(session)["build"] == {
        "sha": sha,
        "phase": "failed",
        "since": "2026-05-09T12:00:00Z",
        "age_seconds": 420,
        "why": "cargo build failed",
    }


def test_a_builder_that_is_gone_has_failed_also_before_a_tick_says_so(session: Session) -> None:
    gone = procfs.birth_of(os.getpid())
    assert gone is not None
    deployjob.write(session.data, a_job(session, type(gone[0])(gone[0].pid, 1, gone[0].boot_id)))
    assert any("ended without a word" in line for line in said(session))


def test_a_build_that_is_deployed_or_anothers_is_no_news(session: Session) -> None:
    built = a_job(session, identity_of(os.getpid())).ended(Phase.BUILT, NOW)
    deployjob.write(session.data, built)
    noderecord.write(session.data, NodeRecord(deployed_sha=built.sha))
    assert as_json(session)["build"] is None
    deployjob.write(session.data, a_job(session, built.builder, session="89abcdef").ended(Phase.FAILED, NOW))
    assert as_json(session)["build"] is None


def test_a_build_on_trial(session: Session) -> None:
    trial = Trial(sha="a" * 40, previous="b" * 40, since=NOW, left=2)
    noderecord.write(session.data, NodeRecord(trial=trial))
    assert "trial:    on trial aaaaaaaa (1/3)" in said(session)
    assert as_json(session)["trial"] == {"sha": "a" * 40, "passed": 1, "ticks": 3}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (NodeRecord(offline="restart budget spent"), "restart budget spent"),
        (NodeRecord(recovery=Recovery(sha="a" * 40, since=NOW)), "session directory wiped, rebuilding"),
        (
            NodeRecord(recovery=Recovery(sha="a" * 40, since=NOW, failed="no disk"), offline="before"),
            "session directory wiped, rebuild failed: no disk",
        ),
    ],
)
def test_why_a_node_is_left_down(session: Session, record: NodeRecord, reason: str) -> None:
    noderecord.write(session.data, record)
    remedy = "" if reason.endswith("rebuilding") else "; monitor-loop start brings it back"
    assert f"offline:  {reason}{remedy}" in said(session)
    assert as_json(session)["offline"] == reason


def test_a_damaged_job_is_a_warning(session: Session) -> None:
    session.data.deploy_job.write_text("{")
    assert any(line.startswith("WARNING: ") and "deploy.json" in line for line in said(session))
    assert session.data.deploy_job.read_text() == "{", "status writes nothing"


def test_a_session_whose_directory_is_gone_is_a_warning(session: Session) -> None:
    envfile.write(session)
    session.directory.mkdir(exist_ok=True)
    gone = f"WARNING: {session.directory}, the session's directory, is not there"
    assert gone not in said(session)
    shutil.rmtree(session.directory)
    assert gone in said(session)


def test_a_damaged_file_is_named_in_plain_words(session: Session) -> None:
    session.data.node_record.mkdir()
    session.data.deploy_job.mkdir()
    session.data.env_file.unlink()
    session.data.env_file.mkdir()
    lines = said(session)
    assert [line for line in lines if line.startswith("WARNING: ")] == [
        f"WARNING: {session.data.env_file} cannot be read: Is a directory - move it away",
        f"WARNING: {session.data.node_record}: Is a directory - move it aside; the mark of a stopped node goes with it",
        f"WARNING: {session.data.deploy_job}: Is a directory - move it aside; a builder that runs then ends",
    ]
