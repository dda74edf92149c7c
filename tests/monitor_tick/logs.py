"""A log in tmp_path that ticks read one after the other, each going on where the last one stopped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from monitor_loop.session import DataRoot, Process, Session
from monitor_tick.catalog import load_rules
from monitor_tick.facts import LogCursor, LogEntry, LogReading, Missing
from monitor_tick.memory import LogState
from monitor_tick.probes.log.reading import observe_log
from tests.monitor_tick.views import LIMITS, a_process, a_session

TEST_DATA = Path(__file__).parents[1] / "data"
SAMPLE = (TEST_DATA / "monitor.log.sample").read_bytes()
START = datetime(2026, 5, 9, 3, 0, tzinfo=timezone.utc)
PATTERNS = load_rules().log_patterns


def abnormal() -> dict[str, bytes]:
    """The lines of abnormal_lines.tsv by tag, as the node would write them."""
    rows = (TEST_DATA / "abnormal_lines.tsv").read_bytes().splitlines()
    pairs = (row.split(b"\t", 1) for row in rows)
    return {tag.decode(): line.replace(b"\\n", b"\n") + b"\n" for tag, line in pairs}


ABNORMAL = abnormal()


def stamp(seconds: float) -> str:
    """The printed time, `seconds` after the process started."""
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def an_event(seconds: float, level: str = "ERROR", text: str = "boom", target: str = "henyey_app::app") -> bytes:
    return f"{stamp(seconds)} {level:>5} {target}: {text}\n".encode()


def a_heartbeat_line(seconds: float, ledger: int) -> bytes:
    text = (
        f"Heartbeat heartbeat=true tracking_slot={ledger + 1} ledger={ledger} latest_ext={ledger} peers=25 peer_gap=7"
    )
    return an_event(seconds, "INFO", text, "henyey_app::app::lifecycle")


def a_close_line(seconds: float, ledger: int, close_time: int) -> bytes:
    text = f"Ledger closed ledger_seq={ledger} tx_count=1 close_time_ms=99 close_time={close_time}"
    return an_event(seconds, "INFO", text, "henyey_ledger::manager")


class NodeLog:
    """`read` is one tick. The live process started at START unless `process` says otherwise."""

    def __init__(self, root: Path) -> None:
        self.session: Session = a_session(data=DataRoot(root))
        self.session.logs.mkdir(parents=True)
        self.process: Process | Missing = msgspec.structs.replace(a_process(), started_at=START)
        self.state = LogState()
        self.limits = LIMITS
        self._rotations = 0

    def append(self, *lines: bytes) -> None:
        with self.session.log.open("ab") as log:
            log.write(b"".join(lines))

    def begin_reading(self) -> None:
        """Leave the first tick behind: what is appended from here on is read."""
        self.session.log.touch()
        status = self.session.log.stat()
        self.state = LogState(cursor=LogCursor(status.st_dev, status.st_ino, status.st_size), identity=self._identity())

    def rotate(self, cause: str = "crashed") -> Path:
        """Put the log aside; each rotation a minute after the last, in name and time of last write."""
        self._rotations += 1
        at = START - timedelta(days=1) + timedelta(minutes=self._rotations)
        target = self.session.logs / f"monitor.log.{cause}-{at:%Y%m%dT%H%M%SZ}"
        self.session.log.rename(target)
        os.utime(target, (at.timestamp(), at.timestamp()))
        return target

    def read(self) -> LogReading:
        reading = observe_log(self.session, self.state, self.process, PATTERNS, self.limits)
        assert isinstance(reading, LogReading), reading
        self.state = LogState(
            cursor=reading.cursor,
            identity=self._identity(),
            heartbeat=reading.heartbeat,
            closed_ledger=reading.closed_ledger,
            close_time=reading.close_time,
            memory_reports=reading.memory_reports,
        )
        return reading

    def read_all(self, *lines: bytes) -> LogReading:
        """Append, and read it all as a later tick."""
        self.begin_reading()
        self.append(*lines)
        return self.read()

    def _identity(self) -> object:
        return self.process.identity if isinstance(self.process, Process) else self.state.identity


def counted(entries: Sequence[LogEntry]) -> dict[tuple[str, str, str, bool], int]:
    """The entries without what a split between two ticks may cut off."""
    total: dict[tuple[str, str, str, bool], int] = {}
    for entry in entries:
        key = (entry.level, entry.target, entry.normalised, entry.previous_run)
        total[key] = total.get(key, 0) + entry.count
    return total


def texts(reading: LogReading) -> list[str]:
    return [entry.normalised for entry in reading.entries]
