"""Our two lines in a crontab that belongs to somebody else."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from monitor_loop import crontab
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot
from tests.monitor_loop.checkouts import make_crontab

DATA = DataRoot(Path("/home/op/data"))
TICK = ("/opt/monitor/bin/monitor-tick",)
CADENCE = timedelta(minutes=20)
OTHERS = "MAILTO=op@example.org\n# nightly\n5 1 * * * /usr/bin/backup /home/op/data\n"


def line(data: DataRoot = DATA) -> str:
    return crontab.line_of(data, TICK, CADENCE)


def test_the_shipped_cadence_is_the_documented_line() -> None:
    assert line() == (
        "3,23,43 * * * * /opt/monitor/bin/monitor-tick --data-root /home/op/data >> /home/op/data/monitor-tick.log 2>&1"
    )


@pytest.mark.parametrize(
    ("minutes", "fields"),
    [
        (0.5, "* * * * *"),
        (1, "* * * * *"),
        (5, "3,8,13,18,23,28,33,38,43,48,53,58 * * * *"),
        (7, "3,9,15,21,27,33,39,45,51,57 * * * *"),
        (10, "3,13,23,33,43,53 * * * *"),
        (30, "3,33 * * * *"),
        (59, "3,33 * * * *"),
        (60, "3 * * * *"),
        (90, "3 * * * *"),
        (300, "3 */4 * * *"),
        (1440, "3 0 * * *"),
        (10080, "3 0 * * *"),
    ],
)
def test_every_cadence_has_a_schedule_that_is_no_rarer(minutes: float, fields: str) -> None:
    assert crontab.schedule_of(timedelta(minutes=minutes)) == fields


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (1 / 3, "every minute"),
        (7, "every 6 minutes"),
        (20, "every 20 minutes"),
        (90, "every hour"),
        (300, "every 4 hours"),
        (10080, "every 24 hours"),
    ],
)
def test_the_pace_is_that_of_the_line_and_not_of_the_cadence(minutes: float, words: str) -> None:
    assert crontab.pace_of(timedelta(minutes=minutes)) == words


def test_blanks_quotes_and_percent_reach_the_shell_as_they_are(tmp_path: Path) -> None:
    data = DataRoot(tmp_path / "my 50% data's")
    data.path.mkdir()
    command = crontab.line_of(data, ("/bin/echo",), CADENCE).split(" ", 5)[5]
    assert "%" not in command.replace("\\%", ""), "cron turns a bare % into a newline"
    # What cron hands to /bin/sh in its bare environment.
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SHELL": "/bin/sh"}
    subprocess.run(["/bin/sh", "-c", command.replace("\\%", "%")], env=bare, check=True)
    assert data.tick_log.read_text() == f"--data-root {data.path}\n"


def test_a_newline_in_the_data_root_is_refused() -> None:
    with pytest.raises(MonitorError, match="newline"):
        line(DataRoot(Path("/home/op/da\nta")))


def test_the_line_goes_in_once_and_out_again_and_nothing_else_moves() -> None:
    once = crontab.with_line(OTHERS, DATA, line())
    assert once.startswith(OTHERS)
    assert once.splitlines()[-2:] == ["# monitor-loop: ticks of /home/op/data", line()]
    assert crontab.with_line(once, DATA, line()) == once
    assert crontab.without_lines(once, DATA) == OTHERS
    assert crontab.has_line(once, DATA)
    assert not crontab.has_line(OTHERS, DATA)


def test_an_older_line_of_ours_is_replaced_even_where_it_was_typed_by_hand() -> None:
    typed = f"*/10 * * * * cd /x && monitor-tick --data-root /home/op/data >> /tmp/t.log 2>&1\n{OTHERS}"
    changed = crontab.with_line(typed, DATA, line())
    assert "*/10" not in changed
    assert changed == f"{OTHERS}# monitor-loop: ticks of /home/op/data\n{line()}\n"


@pytest.mark.parametrize(
    "foreign",
    [
        "3 * * * * monitor-tick --data-root /home/op/data2 >> /home/op/data2/monitor-tick.log 2>&1\n",
        "3 * * * * monitor-tick --data-root /srv/home/op/data\n",
        "3 * * * * monitor-tick --data-root /home/op/data/inner\n",
        "# 3 * * * * monitor-tick --data-root /home/op/data (switched off)\n",
        "# monitor-loop: ticks of /home/op/data2\n",
        "3 * * * * /usr/bin/monitor-ticker /home/other\n",
    ],
)
def test_lines_of_other_data_roots_and_comments_stay(foreign: str) -> None:
    assert crontab.without_lines(foreign, DATA) == foreign
    assert not crontab.has_line(foreign, DATA)


@pytest.mark.parametrize("text", ["5 1 * * * last line without its end", "a\x0cb\u2028c\r\nd\n"])
def test_odd_text_of_others_is_kept(text: str) -> None:
    kept = crontab.without_lines(crontab.with_line(text, DATA, line()), DATA)
    assert kept.rstrip("\n") == text.rstrip("\n")


def test_quoted_data_roots_are_recognised() -> None:
    for name in ("with blank", "50%", "o'clock"):
        data = DataRoot(Path("/home/op") / name)
        assert crontab.without_lines(crontab.with_line("", data, line(data)), data) == ""
        assert crontab.has_line(line(data), data)


def test_the_tick_is_the_script_beside_the_interpreter_else_the_module(tmp_path: Path) -> None:
    python = str(tmp_path / "python")
    assert crontab.tick_command(python) == (python, "-m", "monitor_tick")
    (tmp_path / "monitor-tick").touch()
    assert crontab.tick_command(python) == (str(tmp_path / "monitor-tick"),)


# --- through a crontab program that keeps its table in a file ------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_crontab(tmp_path / "bin", monkeypatch)


def test_install_and_remove_on_an_empty_and_a_full_table(table: Path) -> None:
    crontab.install(DATA, line())
    assert crontab.has_line(table.read_text(), DATA)
    assert crontab.remove(DATA)
    assert table.read_text() == ""
    table.write_text(OTHERS)
    crontab.install(DATA, line())
    assert crontab.remove(DATA)
    assert table.read_text() == OTHERS
    assert not crontab.remove(DATA)


def test_a_table_that_cannot_be_read_is_never_overwritten(table: Path, tmp_path: Path) -> None:
    table.write_text(OTHERS)
    (tmp_path / "bin" / "crontab").write_text("#!/bin/sh\necho 'not allowed to use cron' >&2\nexit 1\n")
    with pytest.raises(MonitorError, match="not allowed"):
        crontab.install(DATA, line())
    assert table.read_text() == OTHERS


def test_a_table_that_is_not_utf8_is_left_alone(table: Path) -> None:
    table.write_bytes(b"# caf\xe9\n")
    with pytest.raises(MonitorError, match="UTF-8"):
        crontab.install(DATA, line())
    assert table.read_bytes() == b"# caf\xe9\n"


def test_no_crontab_program_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("crontab") is None
    with pytest.raises(MonitorError, match="crontab"):
        crontab.read()
