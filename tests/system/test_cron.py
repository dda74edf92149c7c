"""The tick from a real cron, whose clock runs sixty times faster, in its own view of the file system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from monitor_loop import procfs
from monitor_loop.session import DataRoot

PATIENCE_SECONDS = 90.0
TICKS = 3

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
UNSHARE_WORKS = (
    os.geteuid() == 0
    and shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True, check=False).returncode
    == 0
)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("cron") is None, reason="cron is not installed: no tick is run by a real cron"),
    pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed: no tick is run by a real cron"),
    pytest.mark.skipif(not UNSHARE_WORKS, reason="no private mounts (not root?): a real cron would see this machine's"),
]

CRON = """\
set -e
mount --make-rprivate /
mount --bind "$1/crontabs" /var/spool/cron/crontabs
mount --bind "$1/empty" /etc/cron.d
mount --bind "$1/crontab" /etc/crontab
mount -t tmpfs none /run
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LD_PRELOAD="$2" FAKETIME='+0 x60' cron -f
"""
"""Only this cron sees these directories; its pid file, too, is its own."""


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataRoot]:
    data = DataRoot((tmp_path / "data").resolve())
    yield data
    monitor_loop(data, "stop", "--grace", "3")
    assert procfs.find_nodes(data) == ()


def monitor_loop(data: DataRoot, *arguments: str) -> str:
    argv = [sys.executable, "-m", "monitor_loop", "--data-root", str(data.path), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def printed_line(shown: str) -> str:
    return next(line.strip() for line in shown.splitlines() if "monitor-tick.log" in line)


def make_cron_files(directory: Path, line: str) -> None:
    """A crontab of root as cron wants it: owned by root and closed to others."""
    (directory / "empty").mkdir()
    (directory / "crontab").write_text("")
    crontabs = directory / "crontabs"
    crontabs.mkdir()
    crontab = crontabs / "root"
    crontab.write_text(line + "\n")
    crontab.chmod(0o600)


def reports_in(log: Path) -> list[str]:
    text = log.read_text("utf-8") if log.exists() else ""
    return [line for line in text.splitlines() if line.startswith("MONITOR ")]


def test_the_printed_line_ticks_three_times_in_a_row_from_a_real_cron(data: DataRoot, tmp_path: Path) -> None:
    began = datetime.now(timezone.utc).replace(microsecond=0)
    line = printed_line(monitor_loop(data, "start", "--embedded", "--speed", "10"))
    schedule, command = line.split(" * * * * ", 1)
    assert schedule == "3,23,43"
    cron_files = tmp_path / "cron"
    cron_files.mkdir()
    make_cron_files(cron_files, f"*/10 * * * * {command}")  # every ten seconds of ours
    cron = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", CRON, "cron", str(cron_files), str(FAKETIME)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(reports_in(data.tick_log)) < TICKS:
            assert cron.poll() is None, cron.stdout.read() if cron.stdout else b""
            assert time.monotonic() < deadline, data.tick_log.read_text() if data.tick_log.exists() else "no tick"
            time.sleep(0.2)
    finally:
        cron.kill()
        cron.communicate()
    text = data.tick_log.read_text("utf-8")
    reports = reports_in(data.tick_log)
    assert all(report.startswith("MONITOR OK — L") for report in reports), text
    assert "Traceback" not in text
    times = [datetime.strptime(report.split(" — ")[2], "%Y-%m-%dT%H:%M:%S%z") for report in reports]
    assert began <= min(times) <= max(times) <= datetime.now(timezone.utc), "cron's clock is not the tick's"
    ledgers = [int(report.split(" — ")[1][1:]) for report in reports]
    assert ledgers == sorted(set(ledgers)), "each tick saw the node further on"
