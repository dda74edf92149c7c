"""A volume that has run full under a live node: the tick commits what it saw all the same, and files it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from monitor_loop import ballast, envfile
from monitor_loop.session import DataRoot
from monitor_tick.catalog import load_rules
from monitor_tick.report import Report
from monitor_tick.tick import tick
from tests.end_to_end.commands import monitor_loop

pytestmark = pytest.mark.system


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system may be mounted here: a full one is not tried")
    yield tmp_path
    monitor_loop(tmp_path, "stop")
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 2**10, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass


def test_a_full_volume_is_an_issue_and_not_a_silence(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ballast, "ROOM", ballast.SIZE)
    assert monitor_loop(volume, "start", "--embedded", "--speed", "5").returncode == 0
    data, now = DataRoot(volume), datetime.now(tz=timezone.utc)
    session, rules = envfile.read(data), load_rules()

    def look(after: timedelta) -> Report:
        return tick(session, rules, now + after, proc=Path("/proc"))

    look(timedelta())
    assert data.ballast.exists()
    fill(volume / "filler")
    told = look(timedelta(minutes=20))
    titles = [page.read_text().partition("title: ")[2].splitlines()[0] for page in sorted(data.issues.glob("*.md"))]
    assert [title for title in titles if title.startswith("Disk: ")] == ["Disk: 100% on the data volume"], told
    assert not data.ballast.exists()
    (volume / "filler").unlink()
    look(timedelta(minutes=40))
    assert data.ballast.exists()
