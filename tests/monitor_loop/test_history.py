"""The ends of files that somebody else writes."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from monitor_loop import history
from monitor_loop.session import DataRoot, Mode, Session

OK = b'{"schema":1,"ts":"2026-05-09T03:43:00Z","status":"OK","ledger":62484000,"actions":[],"more":{"a":1}}\n'
FILED = b'{"ts":"2026-05-09T04:03:00Z","status":"ACTION","ledger":null,"actions":["filed-#7","restart","filed-#8"]}\n'


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(
        data=DataRoot(tmp_path),
        id="0123abcd",
        mode=Mode.WATCHER,
        config="c",
        admin_port=1,
        rpc_port=None,
        run_flags="",
        binary=tmp_path,
        repo=tmp_path,
    )
    session.logs.mkdir(parents=True)
    return session


def test_last_tick_skips_a_torn_line_and_reads_only_the_end(session: Session) -> None:
    session.history.write_bytes(b"x" * (3 * history.TAIL_BYTES) + b"\n" + FILED + OK + FILED[:40])
    tick = history.last_tick(session)
    assert tick is not None
    assert (tick.status, tick.ledger) == ("OK", 62484000)
    assert tick.ts == datetime(2026, 5, 9, 3, 43, tzinfo=timezone.utc)


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"not json\n", b'{"ts":"yesterday","status":"OK"}\n'])
def test_no_tick_yet(session: Session, content: bytes | None) -> None:
    if content is not None:
        session.history.write_bytes(content)
    assert history.last_tick(session) is None
    assert history.tally(session) == history.Tally()


def test_tally_counts_ticks_and_filings(session: Session) -> None:
    session.history.write_bytes(OK + FILED + b"\0torn\n" + OK)
    assert history.tally(session) == history.Tally(ticks=3, filed=2)


@pytest.mark.parametrize("status", ["SKIPPED", "OVERLONG"])
def test_a_tick_that_did_not_look_is_none(session: Session, status: str) -> None:
    mark = b'{"schema":1,"ts":"2026-05-09T04:23:00Z","status":"%b","self_reflect":"pid 7"}\n' % status.encode()
    session.history.write_bytes(mark)
    assert history.last_tick(session) is None
    session.history.write_bytes(OK + mark + FILED + mark)
    tick = history.last_tick(session)
    assert tick is not None
    assert tick.status == "ACTION"
    assert history.tally(session) == history.Tally(ticks=2, filed=2)


def mark_at(minute: int) -> bytes:
    return b'{"ts":"2026-05-09T03:%02d:00Z","status":"SKIPPED"}\n' % minute


@pytest.mark.parametrize(
    ("content", "skipped"),
    [
        (b"", 0),
        (mark_at(1) + mark_at(2), 2),
        (mark_at(42) + OK, 0),
        (OK + mark_at(44), 1),
        (FILED + mark_at(42) + mark_at(44) + OK + mark_at(46), 2),  # at 44 it waited for the tick that began at 43
        (mark_at(59) + FILED + OK, 0),
    ],
)
def test_marks_count_since_the_last_tick_began(session: Session, content: bytes, skipped: int) -> None:
    session.history.write_bytes(content)
    assert history.marks_since(session, history.last_tick(session)) == history.Marks(skipped)


def test_the_ledger_is_the_logs_last_close_else_the_last_ticks(session: Session) -> None:
    assert history.ledger_reached(session) is None
    session.last_ledger.write_text("62484001|1778297784\n")
    assert history.ledger_reached(session) == 62484001
    close = (
        "2026-05-09T03:36:25Z  INFO henyey_ledger::manager: Ledger closed ledger_seq={} tx_count=320 close_time=17\n"
    )
    session.log.write_text(close.format(62484002) + close.format(62484003) + "ledger_seq=99 Ledger closed\n")
    assert history.ledger_reached(session) == 62484003
