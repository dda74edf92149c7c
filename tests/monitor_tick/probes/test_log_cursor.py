"""Every byte of the log is read once, whatever happens to the file between two ticks."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_tick.facts import LogCursor, LogEntry, Missing
from monitor_tick.memory import LogState
from monitor_tick.probes.log import cursor
from monitor_tick.probes.log.reading import observe_log, observe_rotations
from tests.examples import examples
from tests.monitor_tick.logs import (
    ABNORMAL,
    PATTERNS,
    SAMPLE,
    NodeLog,
    a_heartbeat_line,
    an_event,
    counted,
    texts,
)

MIB = 1 << 20


@pytest.fixture
def log(tmp_path: Path) -> NodeLog:
    return NodeLog(tmp_path)


def test_X9_an_error_anywhere_between_two_ticks_is_read(log: NodeLog) -> None:
    early = an_event(10, text="early")
    reading = log.read_all(early, SAMPLE * 20, an_event(1190, text="late"))
    assert texts(reading) == ["early", "late"]
    assert reading.read_bytes == len(early) + len(SAMPLE) * 20 + len(an_event(1190, text="late"))


def test_a_line_is_read_once(log: NodeLog) -> None:
    assert texts(log.read_all(an_event(1, text="once"))) == ["once"]
    assert log.read().entries == ()
    log.append(an_event(2, text="twice"))
    assert texts(log.read()) == ["twice"]


def test_the_cursor_follows_a_rotation(log: NodeLog) -> None:
    log.read_all(an_event(1, text="read"))
    log.append(an_event(2, text="rest"))
    log.rotate()
    log.append(an_event(3, text="begun"))
    assert texts(log.read()) == ["rest", "begun"]
    assert log.read().entries == ()


def test_the_cursor_follows_several_rotations_in_order(log: NodeLog) -> None:
    log.append(an_event(0, text="before"))
    log.rotate("preredeploy")
    log.read_all(an_event(1, text="read"))
    for word in ("first", "second", "third"):
        log.append(an_event(2, text=word))
        log.rotate("memory" if word == "second" else "crashed")
    log.append(an_event(3, text="live"))
    assert texts(log.read()) == ["first", "second", "third", "live"]


def test_a_rotation_without_a_new_log_is_read_to_its_end(log: NodeLog) -> None:
    log.read_all(an_event(1, text="read"))
    log.append(an_event(2, text="rest"))
    log.rotate()
    assert texts(log.read()) == ["rest"]
    log.append(an_event(3, text="begun"))
    assert texts(log.read()) == ["begun"]


def test_a_torn_last_line_of_a_rotated_log_is_a_line(log: NodeLog) -> None:
    log.read_all(an_event(1, text="read"))
    log.append(an_event(2, text="torn")[:-1])
    log.rotate()
    log.append(an_event(3, text="begun"))
    assert texts(log.read()) == ["torn", "begun"]


def test_a_file_whose_cursor_is_gone_is_read_from_its_beginning(log: NodeLog) -> None:
    log.read_all(an_event(1, text="read"))
    log.session.log.rename(log.session.directory / "elsewhere")
    log.append(an_event(2, text="new"))
    assert texts(log.read()) == ["new"]


def test_a_truncated_log_is_read_from_its_beginning(log: NodeLog) -> None:
    log.read_all(an_event(1, text="a long one to be gone"), SAMPLE)
    log.session.log.write_bytes(an_event(2, text="new"))
    assert texts(log.read()) == ["new"]


def test_a_partial_last_line_waits(log: NodeLog) -> None:
    whole, later = an_event(1, text="whole"), an_event(2, text="later")
    assert texts(log.read_all(whole, later[:40])) == ["whole"]
    assert log.state.cursor is not None
    assert log.state.cursor.offset == len(whole)
    log.append(later[40:])
    assert texts(log.read()) == ["later"]


def test_the_first_tick_reads_the_last_lines(log: NodeLog) -> None:
    log.limits = msgspec.structs.replace(log.limits, first_log_lines=3)
    log.append(*(an_event(n, text=f"line {word}") for n, word in enumerate(("a", "b", "c", "d", "e"))), b"partial")
    reading = log.read()
    assert reading.first_tick
    assert texts(reading) == ["line c", "line d", "line e"]
    assert reading.skipped_bytes == 0


def test_the_first_tick_on_a_short_log_reads_it_all(log: NodeLog) -> None:
    log.append(an_event(1, text="only"))
    assert texts(log.read()) == ["only"]


@pytest.mark.parametrize("lines", [1, 2, 499, 500, 501, 1200])
def test_the_first_tick_counts_lines_across_its_steps(
    log: NodeLog, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    monkeypatch.setattr(cursor, "BACKWARD", 37)
    log.append(*(an_event(0, text="x" * (n % 5)) for n in range(lines)))
    assert sum(entry.count for entry in log.read().entries) == min(lines, 500)


def test_the_first_tick_does_not_read_a_large_log(log: NodeLog) -> None:
    with log.session.log.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + SAMPLE * 2)
    reading = log.read()
    assert reading.heartbeat is not None
    assert reading.read_bytes < 200_000


def test_what_exceeds_the_bound_is_skipped_and_counted_the_newest_kept(log: NodeLog) -> None:
    log.limits = msgspec.structs.replace(log.limits, log_bytes_mb=1)
    old, new = an_event(1, text="old"), an_event(2, text="new")
    filler = an_event(1, "INFO", "x" * 200)
    reading = log.read_all(old, filler * (2 * MIB // len(filler)), new)
    assert texts(reading) == ["new"]
    assert reading.read_bytes <= MIB
    assert reading.read_bytes + reading.skipped_bytes == log.session.log.stat().st_size


def test_the_bound_holds_for_all_files_together(log: NodeLog) -> None:
    log.limits = msgspec.structs.replace(log.limits, log_bytes_mb=1)
    filler = an_event(1, "INFO", "x" * 200) * 4000
    log.begin_reading()
    for word in ("first", "second"):
        log.append(an_event(1, text=word), filler)
        log.rotate()
    log.append(an_event(1, text="live"))
    total = sum(file.stat().st_size for file in log.session.logs.iterdir())
    reading = log.read()
    assert texts(reading) == ["second", "live"]
    assert reading.read_bytes <= MIB
    assert reading.read_bytes + reading.skipped_bytes == total


def test_a_line_of_megabytes_does_no_harm(log: NodeLog) -> None:
    huge = an_event(1, text="x" * (3 * MIB))
    reading = log.read_all(huge, an_event(2, text="after"))
    assert [entry.count for entry in reading.entries] == [1, 1]
    assert reading.entries[1].normalised == "after"
    assert len(reading.entries[0].example) == 4000


def test_a_line_without_end_does_not_hold_the_cursor(log: NodeLog) -> None:
    reading = log.read_all(b"x" * (MIB + 1))
    assert reading.cursor is not None
    assert reading.cursor.offset == MIB + 1
    log.append(b"x" * 10, b"\n", an_event(1, text="after"))
    assert texts(log.read()) == ["after"]


def test_a_long_line_below_the_bound_waits(log: NodeLog) -> None:
    reading = log.read_all(b"x" * (MIB - 1))
    assert reading.cursor is not None
    assert reading.cursor.offset == 0


def test_nul_bytes_do_no_harm(log: NodeLog) -> None:
    torn = an_event(1, text="torn by nul")
    reading = log.read_all(b"\0" * (2 * MIB), torn[:50], b"\0" * 9, torn[50:], a_heartbeat_line(2, 7), b"\0" * 5000)
    assert texts(reading) == ["torn by nul"]
    assert reading.heartbeat is not None
    assert reading.cursor is not None
    assert reading.cursor.offset == log.session.log.stat().st_size


def test_invalid_utf8_and_carriage_returns_do_no_harm(log: NodeLog) -> None:
    line = an_event(1, text="bad \xff").decode().encode("latin-1")
    reading = log.read_all(line.replace(b"\n", b"\r\n"), a_heartbeat_line(2, 7).replace(b"\n", b"\r\n"))
    assert texts(reading) == ["bad �"]
    assert reading.heartbeat is not None
    assert reading.heartbeat.ledger == 7


def test_a_log_that_is_not_there_is_missing(log: NodeLog) -> None:
    assert observe_log(log.session, LogState(), log.process, PATTERNS, log.limits) == Missing("no monitor.log")
    gone = LogState(cursor=LogCursor(1, 2, 3))
    assert observe_log(log.session, gone, log.process, PATTERNS, log.limits) == Missing("no monitor.log")


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_missing(log: NodeLog, kind: str) -> None:
    log.session.log.mkdir() if kind == "directory" else os.mkfifo(log.session.log)
    assert isinstance(observe_log(log.session, LogState(), log.process, PATTERNS, log.limits), Missing)


def test_a_log_that_cannot_be_read_says_why(log: NodeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(SAMPLE)

    def refused(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    missing = observe_log(log.session, LogState(), log.process, PATTERNS, log.limits)
    assert missing == Missing("monitor.log: Permission denied")


def test_rotations_are_told_newest_first(log: NodeLog) -> None:
    for cause in ("crashed", "preredeploy", "stuck"):
        log.append(b"x\n")
        log.rotate(cause)
    for name in ("monitor.log.1.gz", "monitor.log.crashed-20261399T000000Z", "monitor.log.other-20260508T030000Z"):
        (log.session.logs / name).write_bytes(b"")
    (log.session.logs / "monitor.log.frozen-20260508T030000Z").mkdir()
    found = observe_rotations(log.session)
    assert [rotation.cause for rotation in found] == ["stuck", "preredeploy", "crashed"]
    assert [rotation.at.minute for rotation in found] == [3, 2, 1]


def test_X8_each_cause_of_a_rotation_is_told_apart(log: NodeLog) -> None:
    for cause in ("crashed", "frozen", "stuck", "preredeploy", "memory", "wiped"):
        log.append(b"x\n")
        log.rotate(cause)
    causes = [rotation.cause for rotation in reversed(observe_rotations(log.session))]
    assert causes == ["crashed", "frozen", "stuck", "preredeploy", "memory", "wiped"]


def test_rotations_of_a_directory_that_is_not_there(tmp_path: Path) -> None:
    log = NodeLog(tmp_path)
    log.session.logs.rmdir()
    assert observe_rotations(log.session) == ()


WHOLE = SAMPLE + b"".join(ABNORMAL.values()) + SAMPLE.replace(b"2026-05-09", b"2026-05-10")


LINE_ENDS = [position + 1 for position, byte in enumerate(WHOLE) if byte == ord("\n")]
CUTS = st.lists(st.one_of(st.integers(0, len(WHOLE)), st.sampled_from(LINE_ENDS)), max_size=6).map(sorted)


@examples(40)
@given(cuts=CUTS, rotated=st.sets(st.integers(0, 6)))
def test_any_split_of_a_log_across_ticks_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], rotated: set[int]
) -> None:
    at_once = NodeLog(tmp_path_factory.mktemp("once")).read_all(WHOLE)
    log = NodeLog(tmp_path_factory.mktemp("split"))
    log.begin_reading()
    entries: list[LogEntry] = []
    parts = zip([0, *cuts], [*cuts, len(WHOLE)], strict=True)
    for number, (begin, end) in enumerate(parts):
        log.append(WHOLE[begin:end])
        reading = log.read()
        entries += reading.entries
        # Only between lines: what is torn by a rotation is another line.
        if number in rotated and WHOLE[:end].endswith(b"\n"):
            log.rotate()
            log.append(b"")
    assert counted(entries) == counted(at_once.entries)
    assert reading.heartbeat == at_once.heartbeat
    assert (reading.closed_ledger, reading.close_time) == (at_once.closed_ledger, at_once.close_time)
    assert reading.memory_reports == at_once.memory_reports


@given(garbage=st.binary(max_size=3000))
def test_no_bytes_can_break_the_reading(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    log = NodeLog(tmp_path_factory.mktemp("garbage"))
    reading = log.read_all(garbage, b"\n", an_event(1, text="after"))
    assert "after" in texts(reading)
