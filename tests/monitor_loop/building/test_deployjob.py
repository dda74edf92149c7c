from __future__ import annotations

import os
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_loop import procfs
from monitor_loop.building import deployjob
from monitor_loop.building.deployjob import Job, Phase
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Identity
from tests.monitor_loop.building.builds import NOW, identity_of

SHA = "a" * 40
US = identity_of(os.getpid())


@pytest.fixture
def data(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path)


def job(**changes: object) -> Job:
    made = Job(
        id="0123456789ab",
        sha=SHA,
        session="0123abcd",
        builder=US,
        phase=Phase.BUILDING,
        started_at=NOW,
        deadline_seconds=5400.0,
    )
    return msgspec.structs.replace(made, **changes)


def polled(data: DataRoot, written: Job, minutes: float = 7) -> Job:
    deployjob.write(data, written)
    found = deployjob.poll(data, NOW + timedelta(minutes=minutes))
    assert found is not None
    return found


def test_what_was_written_is_read(data: DataRoot) -> None:
    assert deployjob.read(data) is None
    assert deployjob.poll(data, NOW) is None
    built = job().ended(Phase.BUILT, NOW)
    deployjob.write(data, built)
    assert deployjob.read(data) == built
    assert deployjob.poll(data, NOW + timedelta(days=9)) == built


def test_a_builder_that_lives_and_has_time_builds(data: DataRoot) -> None:
    assert polled(data, job()).phase is Phase.BUILDING
    assert polled(data, job(), minutes=90).phase is Phase.BUILDING


@pytest.mark.parametrize(
    ("builder", "minutes", "why"),
    [
        (US, 91, "not done after 90 minutes"),
        (Identity(US.pid, US.start_ticks + 1, US.boot_id), 7, "ended without a word"),
        (Identity(2**22, 5, US.boot_id), 7, "ended without a word"),
    ],
    ids=["late", "another process", "gone"],
)
def test_a_builder_that_is_gone_or_late_has_failed(data: DataRoot, builder: Identity, minutes: float, why: str) -> None:
    found = polled(data, job(builder=builder), minutes)
    assert found.phase is Phase.FAILED
    assert re.search(why, found.why)
    assert found.finished_at == NOW + timedelta(minutes=minutes)
    stored = deployjob.read(data)
    assert stored is not None
    assert stored.is_building, "a look writes nothing"


@pytest.mark.parametrize("minutes", [7, 91])
def test_a_power_cut_says_nothing_about_the_commit(data: DataRoot, minutes: float) -> None:
    """It is built again, an hour after the boot; however often it is looked at, that hour goes by."""
    found = polled(data, job(builder=Identity(US.pid, US.start_ticks, "another boot")), minutes)
    assert (found.why, found.was_stopped) == ("stopped: the machine was restarted", True)
    assert found.finished_at == max(procfs.boot_time(), NOW)


def test_a_zombie_builds_nothing(data: DataRoot) -> None:
    child = subprocess.Popen(["true"])
    identity = identity_of(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not procfs.lives(identity)
    assert polled(data, job(builder=identity)).phase is Phase.FAILED
    child.wait()


def test_a_clock_that_went_back_makes_nobody_late(data: DataRoot) -> None:
    assert polled(data, job(), minutes=-600).phase is Phase.BUILDING


WHOLE = deployjob.render(job())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\0" * 100,
        b"\xff\xfe\n",
        b"null\n",
        b"[" * 100_000 + b"\n",
        WHOLE[:-1],
        WHOLE[: len(WHOLE) // 2] + b"\n",
        WHOLE.replace(b'"schema":1', b'"schema":2'),
        WHOLE.replace(SHA.encode(), b"../../../../etc/passwd"),
        WHOLE.replace(SHA.encode(), b"A" * 40),
        WHOLE.replace(b'"building"', b'"deployed"'),
        WHOLE.replace(b'"building"', b'"built"'),
        WHOLE.replace(b"0123456789ab", b"0123456789ab\\n"),
        WHOLE.replace(f'"pid":{US.pid}'.encode(), b'"pid":1'),
        WHOLE.replace(f'"pid":{US.pid}'.encode(), b'"pid":-1'),
        WHOLE.replace(f'"pid":{US.pid}'.encode(), b'"pid":"4711"'),
        WHOLE.replace(f'"pid":{US.pid}'.encode(), b'"pid":999999999999999999'),
        WHOLE.replace(b"5400.0", b"1e300"),
        WHOLE.replace(b"5400.0", b"-1"),
        WHOLE.replace(b"+00:00", b"").replace(b'00Z"', b'00"'),
        WHOLE.replace(b'"schema":1', b'"schema":1,"argv":["rm"]'),
        b"x" * 2**17,
    ],
)
def test_hostile_content_is_damage_in_one_line(data: DataRoot, content: bytes) -> None:
    data.deploy_job.write_bytes(content)
    for look in (deployjob.read, lambda data: deployjob.poll(data, NOW)):
        with pytest.raises(MonitorError, match=r"deploy\.json.* - move it aside") as damage:
            look(data)
        assert "\n" not in str(damage.value)


def test_a_place_that_is_no_file_is_damage(data: DataRoot) -> None:
    data.deploy_job.mkdir()
    with pytest.raises(MonitorError, match="move it aside"):
        deployjob.read(data)


def test_why_it_failed_is_one_line_of_some_length(data: DataRoot) -> None:
    ended = job().ended(Phase.FAILED, NOW, "error:\n  could not\tcompile \udcff" + "x" * 5000)
    deployjob.write(data, ended)
    assert deployjob.read(data) == ended
    assert ended.why.startswith("error: could not compile ?xxx")
    assert len(ended.why) == 1000
