"""What the logs of crashed runs, and the live one, say about the node's data."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from monitor_loop.session import DataRoot, Session
from monitor_tick.facts import Missing, Rotation, Signal
from monitor_tick.probes import crashlogs
from monitor_tick.probes.crashes import observe_crashes
from monitor_tick.probes.crashlogs import LIVE_SCAN_BYTES, SCAN_BYTES, read_ended, save_ended, signal_in
from tests.monitor_tick.logs import ABNORMAL, START, an_event
from tests.monitor_tick.views import LIMITS, a_process, a_session

FATAL, LIVELOCK = (ABNORMAL[tag].partition(b" ")[2] for tag in ("fatal_wipe", "fatal_livelock"))
NOBODY = Missing("no process")
NOW = START + timedelta(hours=1)


def at(seconds: float, line: bytes) -> bytes:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ ").encode() + line


@pytest.fixture
def session(tmp_path: Path) -> Session:
    found = a_session(data=DataRoot(tmp_path))
    found.logs.mkdir(parents=True)
    return found


def live_signal(session: Session, process: object) -> Signal | None:
    return observe_crashes(session, (), process, NOW, LIMITS, blocked=False)[0].live  # type: ignore[arg-type]


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


def test_the_fatal_end_of_a_run_is_not_that_of_the_next_one_which_died_of_something_else(session: Session) -> None:
    """Else the data of a healthy node is wiped, or its build quarantined, for what was mended by hand before it."""
    session.log.write_bytes(at(-60, FATAL) + an_event(5, "INFO", "Entering main event loop"))
    said = {
        start: observe_crashes(session, (), NOBODY, NOW, LIMITS, blocked=False, last_start=start)[0].live
        for start in (START, START - timedelta(seconds=60), None)
    }
    assert list(said.values()) == [Signal.NONE, Signal.WIPE, Signal.WIPE]


def test_without_a_log_there_is_no_signal(session: Session) -> None:
    assert live_signal(session, Missing("no process")) is None
    session.log.touch()
    assert live_signal(session, Missing("no process")) is None


@pytest.mark.parametrize("after", range(0, 600, 25))
def test_a_livelock_is_one_wherever_the_reading_of_a_long_log_is_cut(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crashlogs, "_CHUNK", 600)
    monkeypatch.setattr(crashlogs, "_LINE_BYTES", 400)
    log = tmp_path / "monitor.log"
    log.write_bytes(an_event(0, "INFO", "x" * after) + at(1, LIVELOCK) + an_event(2, "INFO", "y" * 900))
    assert signal_in(log) is Signal.LIVELOCK


@pytest.mark.parametrize(
    ("line", "signal"),
    [
        (b"x fatal_wipe_required=true", Signal.WIPE),
        (b"x fatal_wipe_required: true ", Signal.WIPE),
        (b'{"fatal_wipe_required":true}', Signal.WIPE),
        (b'{"fatal_wipe_required": true}', Signal.WIPE),
        (b"State wipe required before restart", Signal.WIPE),
        (b"fatal_wipe_required=true Hard-reset livelock", Signal.LIVELOCK),
        (b"x fatal_wipe_required=false", Signal.NONE),
        (b"not_fatal_wipe_required=true", Signal.NONE),
        (b"fatal_wipe_required=trueish", Signal.NONE),
        (b'fatal_wipe_required": true', Signal.NONE),
    ],
)
@pytest.mark.parametrize("around", [b"", b"\n", b"y\n" * 5000, b"fatal_wipe_required=false " * 3000 + b"\n"])
def test_what_counts_as_evidence(tmp_path: Path, line: bytes, signal: Signal, around: bytes) -> None:
    (tmp_path / "log").write_bytes(around + line + around[::-1])
    assert signal_in(tmp_path / "log") is signal


def ended(session: Session, number: int, content: bytes) -> Rotation:
    path = session.logs / f"monitor.log.crashed-2026041{number}T000000Z"
    path.write_bytes(content)
    return Rotation(path=path, cause="crashed", at=NOW)


def signals(session: Session, *rotations: Rotation) -> list[Signal]:
    """What a tick sees, which keeps it for the next."""
    crashes, content = read_ended(session, rotations)
    if content is not None:
        save_ended(session, content)
    return [crash.signal for crash in crashes]


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    scan = crashlogs._signal

    def noting(file: BinaryIO, since: datetime | None, scan_bytes: int) -> Signal:
        names.append(Path(file.name if isinstance(file.name, str) else f"/proc/self/fd/{file.name}").resolve().name)
        return scan(file, since, scan_bytes)

    monkeypatch.setattr(crashlogs, "_signal", noting)
    return names


def test_the_log_of_a_crashed_run_is_read_once_for_all_ticks(session: Session, scanned: list[str]) -> None:
    first, second = ended(session, 1, at(0, FATAL)), ended(session, 2, at(0, LIVELOCK))
    third = ended(session, 3, b"")
    for _ in range(3):
        assert signals(session, first, second, third) == [Signal.WIPE, Signal.LIVELOCK, Signal.NONE]
    assert scanned == [rotation.path.name for rotation in (first, second, third)]
    before = session.crash_signals.stat()
    assert read_ended(session, (first, second, third))[1] is None
    assert session.crash_signals.stat() == before
    second.path.write_bytes(at(0, FATAL))
    assert signals(session, first, second) == [Signal.WIPE, Signal.WIPE]
    assert scanned[3:] == [second.path.name]


@pytest.mark.parametrize("damage", [b"", b"x", b"\x00" * 9, None])
def test_what_was_kept_may_be_lost_or_damaged(session: Session, scanned: list[str], damage: bytes | None) -> None:
    one = ended(session, 1, at(0, FATAL))
    signals(session, one)
    session.crash_signals.unlink() if damage is None else session.crash_signals.write_bytes(damage)
    assert signals(session, one) == [Signal.WIPE]
    assert len(scanned) == 2


def test_a_turned_bit_in_what_was_kept_makes_no_corrupt_state(session: Session) -> None:
    one = ended(session, 1, at(0, LIVELOCK))
    signals(session, one)
    kept = session.crash_signals.read_bytes()
    for bit in range(len(kept) * 8):
        turned = bytearray(kept)
        turned[bit // 8] ^= 1 << bit % 8
        session.crash_signals.write_bytes(turned)
        assert signals(session, one) == [Signal.LIVELOCK]


def test_nothing_is_remembered_of_a_log_that_could_not_be_read(session: Session) -> None:
    one = ended(session, 1, at(0, FATAL))
    one.path.unlink()
    assert signals(session, one) == [Signal.NONE]
    os.mkfifo(one.path)
    assert signals(session, one) == [Signal.NONE]
    one.path.unlink()
    one.path.write_bytes(at(0, FATAL))
    assert signals(session, one) == [Signal.WIPE]


def test_only_the_end_of_a_huge_log_is_read_and_more_of_the_one_that_goes_on(session: Session) -> None:
    one = ended(session, 1, at(0, FATAL))
    session.log.write_bytes(at(0, FATAL))
    for times, signal in ((1, Signal.WIPE), (2, Signal.NONE)):
        os.truncate(one.path, SCAN_BYTES * times)
        os.truncate(session.log, LIVE_SCAN_BYTES * times)
        assert signals(session, one) == [signal]
        assert live_signal(session, NOBODY) is signal


@pytest.mark.parametrize("piece", [b"fatal_wipe_required=", b"fatal_wipe_required=true Hard-reset livelock\n"])
def test_a_log_full_of_near_evidence_costs_little_more_than_reading_it(tmp_path: Path, piece: bytes) -> None:
    log = tmp_path / "log"
    log.write_bytes(piece * (SCAN_BYTES // len(piece)))
    started = time.process_time()
    signal_in(log)
    assert time.process_time() - started < 20
