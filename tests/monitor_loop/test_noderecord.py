from __future__ import annotations

import contextlib
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop import noderecord
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Identity, NodeRecord, Stopped
from monitor_loop.stopped import stopped_line

AT = datetime(2026, 5, 9, 3, 40, 7, tzinfo=timezone.utc)
FULL = NodeRecord(
    stopped=Stopped(AT, "op@host"),
    first_launched_at=AT,
    launched=Identity(4242, 1000, "0f1e"),
    fresh_start_since=AT,
    deployed_sha="b8f18c6d",
    crontab_installed=True,
)
TIMES = st.datetimes(timezones=st.just(timezone.utc))


@pytest.mark.parametrize("record", [NodeRecord(), FULL])
def test_what_is_written_is_read_back(tmp_path: Path, record: NodeRecord) -> None:
    data = DataRoot(tmp_path)
    assert noderecord.read(data) == NodeRecord()
    noderecord.write(data, record)
    assert noderecord.read(data) == record


@given(st.builds(NodeRecord, schema=st.just(1), stopped=st.none() | st.builds(Stopped, at=TIMES), launched=st.none()))
def test_every_record_survives(record: NodeRecord) -> None:
    assert noderecord.parse(noderecord.render(record)) == record


def test_no_truncation_goes_unseen() -> None:
    content = noderecord.render(FULL)
    for size in range(len(content)):
        with pytest.raises(MonitorError):
            noderecord.parse(content[:size])


@given(st.integers(0, 8 * len(noderecord.render(FULL)) - 1))
def test_a_flipped_bit_is_a_record_or_a_refusal(bit: int) -> None:
    content = bytearray(noderecord.render(FULL))
    content[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(MonitorError):
        assert isinstance(noderecord.parse(bytes(content)), NodeRecord)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut off"),
        (b"\n", "damaged"),
        (b"[]\n", "damaged"),
        (b"{}\n", "missing required field `schema`"),
        (b"\xff\n", "damaged"),
        (b'{"surprise":1}\n', "surprise"),
        (b'{"schema":2}\n', "another version"),
        (b'{"first_launched_at":"2026-05-09T03:40:07"}\n', "timezone"),
        (b'{"stopped":{"at":"2026-05-09T03:40:07","by":"x"}}\n', "timezone"),
        (b'{"launched":{"pid":"1","start_ticks":1,"boot_id":""}}\n', r"launched\.pid"),
        (b"[" * 100_000 + b"\n", "damaged"),
        (b'{"stopped":' * 100_000 + b"\n", "damaged"),
    ],
)
def test_a_damaged_record_is_refused_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "node.json").write_bytes(content)
    with pytest.raises(MonitorError, match=reason) as caught:
        noderecord.read(DataRoot(tmp_path))
    assert str(caught.value).startswith(f"ERROR: {tmp_path}/node.json: ")
    assert "move it aside" in str(caught.value)


def test_an_endless_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.json").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(MonitorError, match="larger than"):
        noderecord.read(DataRoot(tmp_path))


# --- stopped on purpose ------------------------------------------------------------------------------------------


def test_L07_a_stopped_session_says_since_when_by_whom_and_how_to_resume(tmp_path: Path) -> None:
    noderecord.write(DataRoot(tmp_path), FULL)
    assert stopped_line(str(tmp_path)) == (
        "STOPPED: stopped by the operator at 2026-05-09T03:40:07Z (op@host); to resume: monitor-loop start"
    )


def test_a_session_that_was_not_stopped_says_nothing(tmp_path: Path) -> None:
    assert stopped_line(str(tmp_path)) is None
    noderecord.write(DataRoot(tmp_path), NodeRecord(first_launched_at=AT))
    assert stopped_line(str(tmp_path)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"stopped"',
        b'{"stopped":1}\n',
        b'{"stopped":{"at":1,"by":"x"}}\n',
        b'{"stopped":{"at":"x"}}\n',
        b'["stopped"]',
        b'"stopped"',
        b'{"stopped":"x"}',
        b"[" * 100_000 + b'"stopped"',
    ],
)
def test_a_damaged_mark_is_left_to_the_full_load(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "node.json").write_bytes(content)
    assert stopped_line(str(tmp_path)) is None


def test_the_line_is_one_line_whatever_the_mark_holds(tmp_path: Path) -> None:
    mark = Stopped(AT, "op\n\x1b[2J" + "x" * 10_000)
    noderecord.write(DataRoot(tmp_path), NodeRecord(stopped=mark))
    line = stopped_line(str(tmp_path))
    assert line is not None
    assert line.isprintable()
    assert len(line) < 400


def test_the_question_is_cheap() -> None:
    program = (
        "import sys; from monitor_loop.stopped import stopped_line; stopped_line('/nonexistent');"
        "print(*sorted({'pathlib', 'json', 'msgspec', 'subprocess', 'datetime'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == []
