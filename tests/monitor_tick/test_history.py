"""tick-history.jsonl: appended in one write, read from its end, bounded, and never trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.session import Session
from monitor_tick.state import history
from monitor_tick.state.history import TAIL_BYTES, History, HistoryAlert, HistoryLine
from monitor_tick.state.skipped import append_mark, append_skipped, session_id_in
from tests.examples import examples
from tests.monitor_tick.stores import a_stored_session
from tests.monitor_tick.views import CADENCE, NOW

FULL = HistoryLine(
    ts=NOW,
    status="WARNING",
    ledger=62_484_011,
    build="b8f18c6d",
    deploys=1,
    warnings=("mem: 13000MB rss",),
    actions=("restart",),
    self_reflect="clean",
    watch=("frag_pct=18", "disk_pct=41"),
    duration_ms=2310,
    interval_s=1200.0,
    pid=4711,
    alerts=(HistoryAlert(key="metric:x", title="metrics: x", tier="WARN", reason="would file"),),
)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return a_stored_session(tmp_path)


def line_at(at: datetime, status: str = "OK") -> HistoryLine:
    return HistoryLine(ts=at, status=status)


def test_a_line_is_read_back_as_it_was_written(session: Session) -> None:
    for line in (FULL, line_at(NOW)):
        history.append(session, line)
    assert history.tail(session) == History((FULL, line_at(NOW)))


def test_L80_a_line_has_a_schema_and_every_key_of_the_page(session: Session) -> None:
    history.append(session, line_at(NOW))
    keys = "schema ts status ledger build deploys warnings actions self_reflect watch duration_ms interval_s pid alerts"
    line = json.loads(session.history.read_bytes())
    assert list(line) == keys.split()
    assert line["schema"] == 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"ts":"2026-05-09T03:40:07Z","status":"OK"}',
        b'{"schema":0,"ts":"2026-05-09T03:40:07+00:00","status":"OK"}',
        b'{"schema":2,"ts":"2026-05-09T03:40:07Z","status":"OK","a_later_key":{"a":[1]}}',
    ],
)
def test_L80_lines_of_older_and_newer_versions_are_read(session: Session, line: bytes) -> None:
    session.history.write_bytes(line + b"\n")
    found = history.tail(session)
    assert [(one.ts, one.status, one.alerts) for one in found.lines] == [(NOW, "OK", ())]
    assert found.unreadable == 0


def test_L73_a_text_of_several_lines_stays_one_line_and_what_cannot_be_read_is_counted(session: Session) -> None:
    told = HistoryLine(ts=NOW, status="OK", warnings=("first\nsecond\r\n\u2028third",))
    history.append(session, told)
    with session.history.open("ab") as file:
        file.write(b'{\n "ts": "2026-05-09T03:40:07Z",\n "status": "OK"\n}\n')
    history.append(session, line_at(NOW))
    assert history.tail(session) == History((told, line_at(NOW)), unreadable=4)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        b'{"status":"OK"}',
        b'{"ts":"yesterday","status":"OK"}',
        b'{"ts":"2026-05-09T03:40:07","status":"OK"}',
        b'{"ts":"2026-05-09T03:40:07Z","status":"OK","ledger":"62484011"}',
    ],
)
def test_what_is_no_line_is_counted_and_passed_over(session: Session, line: bytes) -> None:
    history.append(session, line_at(NOW, "WARNING"))
    with session.history.open("ab") as file:
        file.write(line + b"\n")
    assert history.tail(session) == History((line_at(NOW, "WARNING"),), unreadable=1)
    assert history.since_last_tick(session) == (0, "WARNING")


def test_a_line_cut_anywhere_costs_itself_and_no_other(session: Session) -> None:
    history.append(session, FULL)
    whole = session.history.read_bytes()
    for length in range(1, len(whole), 3):
        session.history.write_bytes(whole + whole[:length])
        assert history.tail(session).lines[0] == FULL
        history.append(session, line_at(NOW))
        found = history.tail(session).lines
        assert (found[0], found[-1]) == (FULL, line_at(NOW))


def test_no_file_is_an_empty_history(session: Session) -> None:
    assert history.tail(session) == History()
    assert history.since_last_tick(session) == (0, "")
    assert not history.bound(session, NOW, 90)
    assert not session.history.exists()


def bytes_read() -> int:
    """By this process, from anywhere, so far."""
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


def test_the_tail_reads_at_most_256_kb_whatever_the_size(session: Session) -> None:
    history.append(session, FULL)
    line = session.history.read_bytes()
    session.history.write_bytes(b'{"odd length"}\n' + line * (8 * TAIL_BYTES // len(line)))
    before = bytes_read()
    found = history.tail(session)
    assert bytes_read() - before < TAIL_BYTES + 10_000
    assert found == History((FULL,) * (TAIL_BYTES // len(line)))


# --- bounded to its days -----------------------------------------------------------------------------------------


def fill(session: Session, ticks: int, *, every: timedelta = CADENCE) -> None:
    """Lines at even distances, the last one at NOW."""
    for tick in range(ticks - 1, -1, -1):
        history.append(session, line_at(NOW - tick * every))


def test_lines_older_than_the_bound_go_and_the_others_stay_as_they_are(session: Session) -> None:
    fill(session, 12, every=timedelta(days=10))
    kept = session.history.read_bytes().splitlines(keepends=True)[-10:]
    session.history.chmod(0o640)
    assert history.bound(session, NOW, 90)
    assert session.history.read_bytes() == b"".join(kept)
    assert session.history.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in session.directory.iterdir()} == {
        "cache", "cargo-target", "logs", "metrics", "tick-history.jsonl",
    }  # fmt: skip


def test_history_is_rewritten_at_most_once_a_day(session: Session) -> None:
    every = timedelta(hours=4)
    fill(session, 13, every=every)
    rewritten = 0
    for tick in range(1, 25):
        now = NOW + tick * every
        history.append(session, line_at(now))
        rewritten += history.bound(session, now, 2)
        oldest = history.tail(session).lines[0].ts
        assert timedelta(days=2) <= now - oldest <= timedelta(days=3)
    assert 3 <= rewritten <= 4


def test_a_bound_that_nothing_exceeds_writes_nothing(session: Session) -> None:
    fill(session, 5)
    before = session.history.stat()
    assert not history.bound(session, NOW, 90)
    after = session.history.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_garbage_among_old_lines_goes_with_them_and_among_young_ones_stays(session: Session) -> None:
    history.append(session, line_at(NOW - timedelta(days=100)))
    with session.history.open("ab") as file:
        file.write(b"old garbage\n")
    history.append(session, line_at(NOW))
    with session.history.open("ab") as file:
        file.write(b"young garbage\n")
    assert history.bound(session, NOW, 90)
    assert history.tail(session) == History((line_at(NOW),), unreadable=1)


def test_a_first_line_that_is_garbage_does_not_stop_the_bound(session: Session) -> None:
    session.history.write_bytes(b"garbage\n")
    history.append(session, line_at(NOW - timedelta(days=100)))
    history.append(session, line_at(NOW))
    assert history.bound(session, NOW, 90)
    assert history.tail(session) == History((line_at(NOW),))


@examples(30)
@given(ages=st.lists(st.integers(0, 300), min_size=1, max_size=30))
def test_the_bound_never_drops_a_young_line(tmp_path_factory: pytest.TempPathFactory, ages: list[int]) -> None:
    session = a_stored_session(tmp_path_factory.mktemp("bound"))
    lines = [line_at(NOW - timedelta(days=age)) for age in sorted(ages, reverse=True)]
    for line in lines:
        history.append(session, line)
    history.bound(session, NOW, 90)
    found = history.tail(session).lines
    young = [line for line in lines if NOW - line.ts <= timedelta(days=90)]
    assert list(found[len(found) - len(young) :]) == young
    assert all(NOW - line.ts <= timedelta(days=91) for line in found)


# --- ticks that did not look -------------------------------------------------------------------------------------


def test_X10_a_skipped_tick_leaves_a_line_that_says_who_held_the_lock(session: Session) -> None:
    holder = 'pid 4711, monitor-tick "--json"\n, 31 s'
    assert append_skipped(str(session.directory), NOW, holder)
    assert history.tail(session) == History((HistoryLine(ts=NOW, status="SKIPPED", self_reflect=holder),))


def test_a_tick_that_ended_itself_is_no_skipped_one(session: Session) -> None:
    append_mark(str(session.directory), NOW, "OVERLONG", "900 s")
    assert history.since_last_tick(session) == (0, "OVERLONG")


@pytest.mark.parametrize(
    ("lines", "skipped", "last"),
    [
        ("", 0, ""),
        ("0 OK", 0, "OK"),
        ("0 SKIPPED, 1 SKIPPED", 2, ""),
        ("0 OK, 1 SKIPPED, 2 SKIPPED", 2, "OK"),  # the lock was held by a start
        ("1 SKIPPED, 2 SKIPPED, 0 ACTION", 2, "ACTION"),  # by the tick that began at 0 and wrote its line last
        ("1 SKIPPED, 0 OK, 2 SKIPPED", 2, "OK"),
        ("0 SKIPPED, 1 OK", 0, "OK"),  # the tick at 1 counted it
        ("0 SKIPPED, 2 SKIPPED, 1 OK", 1, "OK"),
        ("1 SKIPPED, 0 OK, 2 WARNING", 0, "WARNING"),
    ],
)
def test_X10_a_skipped_tick_is_counted_by_the_next_one_that_looks_and_by_no_other(
    session: Session, lines: str, skipped: int, last: str
) -> None:
    for minute, status in (words.split() for words in lines.split(", ") if words):
        history.append(session, line_at(NOW + timedelta(minutes=int(minute)), status))
    assert history.since_last_tick(session) == (skipped, last)


def test_a_skipped_line_after_a_torn_one_stands_on_its_own(session: Session) -> None:
    session.history.write_bytes(b'{"schema":1,"ts":"2026')
    append_skipped(str(session.directory), NOW, "")
    assert history.tail(session) == History((line_at(NOW, "SKIPPED"),), unreadable=1)


def test_a_skipped_tick_creates_no_directory_and_raises_nothing(session: Session, tmp_path: Path) -> None:
    gone = tmp_path / "5e6f7a8b"
    assert not append_skipped(str(gone), NOW, "")
    assert not gone.exists()
    session.history.mkdir()
    assert not append_skipped(str(session.directory), NOW, "")


def test_times_in_another_zone_are_the_same_moment(session: Session) -> None:
    append_skipped(str(session.directory), NOW.astimezone(timezone(timedelta(hours=-7))), "")
    assert history.tail(session).lines[0].ts == NOW


def test_ticks_that_append_at_once_lose_no_line(session: Session) -> None:
    """As a tick that finds the lock held and the tick that holds it do."""
    script = (
        "import sys; from datetime import datetime, timezone; from monitor_tick.state.skipped import append_skipped\n"
        "for _ in range(100): assert append_skipped(sys.argv[1], datetime.now(timezone.utc), sys.argv[2] * 500)"
    )
    ticks = [subprocess.Popen([sys.executable, "-c", script, str(session.directory), one]) for one in "ab"]
    assert [tick.wait() for tick in ticks] == [0, 0]
    found = [line for line in session.history.read_bytes().splitlines() if line]
    assert len(found) == 200
    assert {len(json.loads(line)["self_reflect"]) for line in found} == {500}


def test_the_path_of_a_skipped_tick_imports_nothing_heavy() -> None:
    script = (
        "import sys; from datetime import datetime; before = set(sys.modules)\n"
        "from monitor_tick.state.skipped import append_skipped; append_skipped('/nowhere', datetime.min, '')\n"
        "heavy = {'msgspec', 'requests', 'psutil', 'prometheus_client', 'pathlib', 'subprocess', 'hashlib', 'tomli'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run([sys.executable, "-S", "-c", "import site; site.main()\n" + script],
                           env=environ, capture_output=True, text=True, check=True)  # fmt: skip
    assert found.stdout == "[]\n"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", ""),
        (b"MONITOR_MODE=validator\nMONITOR_SESSION_ID=1a2b3c4d\n", "1a2b3c4d"),
        (b"  export MONITOR_SESSION_ID='1a2b3c4d'\r\n", "1a2b3c4d"),
        (b'MONITOR_SESSION_ID="my.node-2"', "my.node-2"),
        (b"#MONITOR_SESSION_ID=1a2b3c4d\n", ""),
        (b"MONITOR_SESSION_ID=../../etc\n", ""),
        (b"MONITOR_SESSION_ID=..\n", ""),
        (b"MONITOR_SESSION_ID=mainnet\n", ""),
        (b"MONITOR_SESSION_ID=\xff\xfe\n", ""),
        (b"MONITOR_SESSION_ID=$(id)\n", ""),
        (b"MONITOR_SESSION_ID=\n", ""),
    ],
)
def test_the_session_of_a_skipped_tick_is_one_plain_directory_name_or_none(content: bytes, found: str) -> None:
    assert session_id_in(content) == found
