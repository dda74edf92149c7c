"""What the logs of crashed runs, and the live one, say about the node's data."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor_loop.session import DataRoot, Session
from monitor_tick.facts import Missing, Signal
from monitor_tick.probes import crashes
from monitor_tick.probes.crashes import observe_crashes, signal_in
from tests.monitor_tick.logs import ABNORMAL, START, an_event
from tests.monitor_tick.views import LIMITS, a_process, a_session

FATAL, LIVELOCK = (ABNORMAL[tag].partition(b" ")[2] for tag in ("fatal_wipe", "fatal_livelock"))
NOW = START + timedelta(hours=1)


def at(seconds: float, line: bytes) -> bytes:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ ").encode() + line


@pytest.fixture
def session(tmp_path: Path) -> Session:
    found = a_session(data=DataRoot(tmp_path))
    found.logs.mkdir(parents=True)
    return found


def live_signal(session: Session, process: object) -> Signal | None:
    return observe_crashes(session, (), process, NOW, LIMITS, blocked=False).live  # type: ignore[arg-type]


def test_the_fatal_end_of_a_run_is_not_held_against_the_one_that_goes_on_in_its_log(session: Session) -> None:
    """A node that was started by hand appends; else a wipe that cured would count as one that did not, for ever."""
    process = a_process(NOW - START, at=NOW)
    session.log.write_bytes(at(-60, FATAL) + an_event(5, "INFO", "Entering main event loop"))
    assert live_signal(session, process) is Signal.NONE
    assert live_signal(session, Missing("no process")) is Signal.WIPE
    with session.log.open("ab") as log:
        log.write(at(60, LIVELOCK))
    assert live_signal(session, process) is Signal.LIVELOCK
    with session.log.open("ab") as log:
        log.write(at(90, FATAL))
    assert live_signal(session, process) is Signal.WIPE


def test_without_a_log_there_is_no_signal(session: Session) -> None:
    assert live_signal(session, Missing("no process")) is None
    session.log.touch()
    assert live_signal(session, Missing("no process")) is None


@pytest.mark.parametrize("after", range(0, 600, 25))
def test_a_livelock_is_one_wherever_the_reading_of_a_long_log_is_cut(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crashes, "_CHUNK", 600)
    monkeypatch.setattr(crashes, "_LINE_BYTES", 400)
    log = tmp_path / "monitor.log"
    log.write_bytes(an_event(0, "INFO", "x" * after) + at(1, LIVELOCK) + an_event(2, "INFO", "y" * 900))
    assert signal_in(log) is Signal.LIVELOCK
