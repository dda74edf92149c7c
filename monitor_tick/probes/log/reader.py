"""Finding in blocks of the log the few lines that say something.

Most lines are ordinary and many: a whole block is searched for a few literals, and only the lines that hold one are
taken apart. Of the periodic lines only a block's first and newest are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import TypeVar

import msgspec

from monitor_loop.session import Process
from monitor_tick.facts import Heartbeat, MemoryReport, Missing
from monitor_tick.judging.log_patterns import ERROR, PANIC, row_of
from monitor_tick.memory import LogState
from monitor_tick.probes.log.cursor import Block
from monitor_tick.probes.log.endings import body_of, ending_of, endings_in, site_of, text_of
from monitor_tick.probes.log.entries import Kind, Tally, normalised
from monitor_tick.probes.log.lines import (
    STAMPED_LINE,
    Close,
    Line,
    close_of,
    component_of,
    heartbeat_of,
    integer,
    line_of,
    report_of,
    stamp_of,
)
from monitor_tick.rules import LogPattern

TRAIL_LINES = 40
TRAIL_LENGTH = 500
LAST_LINES = 20
REPORTS = 2
LINES_BACK = 50

MAINTENANCE = "Performing database maintenance"
MAINTENANCE_SLOW = "Maintenance took too long"

_LEVELS = ("INFO", "WARN", ERROR)
Periodic = TypeVar("Periodic", Heartbeat, Close)


class Reader:
    """What is understood so far of the unread part, beginning with what is remembered of the same run."""

    def __init__(
        self, state: LogState, process: Process | Missing, patterns: Sequence[LogPattern], *, first_tick: bool
    ) -> None:
        known = state if isinstance(process, Missing) or process.identity == state.identity else LogState()
        self._rows = {level: [row for row in patterns if row.level in (level, "")] for level in _LEVELS}
        self._openings = _openings(patterns)
        self._first_tick = first_tick
        self._since = _printed(process.started_at) if isinstance(process, Process) else b""
        self._stamp = b""
        self.heartbeat: Heartbeat | None = known.heartbeat
        self.earlier_heartbeat: Heartbeat | None = known.heartbeat
        self.close = Close(known.closed_ledger, known.close_time) if known.closed_ledger is not None else None
        self.reports: deque[MemoryReport] = deque(known.memory_reports, maxlen=REPORTS)
        self.tally = Tally()
        self.trail: deque[str] = deque(maxlen=TRAIL_LINES)
        self._is_dead = isinstance(process, Missing)
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.maintenance_at: datetime | None = None
        self.maintenance_slow_ms: int | None = None

    def follows(self, before: bytes) -> None:
        """What stands before the unread part: the run of a line without a time is that of the lines before it."""
        self._stamp = _newest_stamp(before, len(before))

    def take(self, block: Block) -> None:
        data = block.data
        if block.opens_file:
            self._stamp = b""
        for begin in sorted(self._begins(data)):
            self._event(_line_at(data, begin))
        self._unstamped(data)
        self._heartbeats(data)
        self.close = self._newest(data, b"Ledger closed", close_of) or self.close
        self._stamp = _newest_stamp(data, len(data)) or self._stamp
        if self._is_dead:
            self.last.extend(_last_lines(data))

    # --- lines of the node's logger ---------------------------------------------------------------------------------

    def _begins(self, data: bytes) -> set[int]:
        """Where the lines begin that hold one of the literals."""
        begins: set[int] = set()
        for literal, start in ((b"ERROR", 0), (b"WARN", 0), (b"Memory report ", _reports_begin(data))):
            found = data.find(literal, start)
            while found >= 0:
                begins.add(data.rfind(b"\n", 0, found) + 1)
                found = data.find(literal, _end(data, found))
        for opening in self._openings[: 2 if b'\n{"' in data else 1]:
            begins.update(data.rfind(b"\n", 0, found.start()) + 1 for found in opening.finditer(data))
        return begins

    def _event(self, raw: bytes) -> None:
        previous = self._is_previous(stamp_of(raw))
        if previous and self._first_tick:
            return
        line = line_of(raw)
        if line is None or line.level not in self._rows:
            return
        if not previous:
            self._periodic(line)
        row = row_of(self._rows[line.level], line.level, line.target, line.text)
        if row is None and line.level != ERROR:
            return
        example = str(line)
        kind = Kind(line.level, line.target, normalised(line.text), previous)
        self.tally.add(kind, example, line.at, named=row is not None)
        if row is not None and row.trail and not previous:
            self.trail.append(example[:TRAIL_LENGTH])

    def _periodic(self, line: Line) -> None:
        """Memory reports with their components, and the node's own maintenance."""
        if line.text.startswith("Memory report "):
            report, component = report_of(line), component_of(line)
            if report is not None:
                self.reports.append(report)
            elif component is not None and self.reports and self.reports[-1].ledger == component[0]:
                newest = self.reports[-1]
                self.reports[-1] = msgspec.structs.replace(newest, components=(*newest.components, component[1]))
        elif line.text.startswith(MAINTENANCE):
            self.maintenance_at, self.maintenance_slow_ms = line.at, None
        elif line.text.startswith(MAINTENANCE_SLOW):
            self.maintenance_slow_ms = integer(line.text, "elapsed_ms")

    def _heartbeats(self, data: bytes) -> None:
        newest = self._newest(data, b"heartbeat", heartbeat_of)
        if newest is None:
            return
        self.heartbeat = newest
        if self.earlier_heartbeat is None:
            self.earlier_heartbeat = self._oldest_heartbeat(data)

    def _oldest_heartbeat(self, data: bytes) -> Heartbeat | None:
        found = data.find(b"heartbeat")
        while found >= 0:
            raw = _line_at(data, data.rfind(b"\n", 0, found) + 1)
            line = None if self._is_previous(stamp_of(raw)) else line_of(raw)
            heartbeat = heartbeat_of(line) if line else None
            if heartbeat is not None:
                return heartbeat
            found = data.find(b"heartbeat", _end(data, found))
        return None

    def _newest(self, data: bytes, literal: bytes, of: Callable[[Line], Periodic | None]) -> Periodic | None:
        """The newest line of this run in the block that `of` understands."""
        found = data.rfind(literal)
        while found >= 0:
            begin = data.rfind(b"\n", 0, found) + 1
            raw = _line_at(data, begin)
            if self._is_previous(stamp_of(raw)):
                return None
            line = line_of(raw)
            value = of(line) if line else None
            if value is not None:
                return value
            found = data.rfind(literal, 0, begin)
        return None

    # --- lines that the logger did not write ------------------------------------------------------------------------

    def _unstamped(self, data: bytes) -> None:
        """The run of such a line is that of the lines before it, or after it where there are none."""
        searched, oldest = 0, None
        for begin in endings_in(data):
            raw = _line_at(data, begin).rstrip(b"\r")
            level = ending_of(raw)
            if not level:
                continue
            self._stamp = _newest_stamp(data, begin, searched) or self._stamp
            searched = begin
            if not self._stamp and oldest is None:
                oldest = _oldest_stamp(data)
            previous = self._is_previous(self._stamp or oldest or b"")
            self._ended(level, raw, body_of(data, _end(data, begin)), previous=previous)

    def _ended(self, level: str, raw: bytes, body: Iterator[str], *, previous: bool) -> None:
        """A panic or an exit line with what follows it."""
        if previous and self._first_tick:
            return
        first = text_of(raw)
        example = "\n".join([first, *body])
        kind = Kind(level, level.lower(), site_of(first) if level == PANIC else normalised(first), previous)
        self.tally.add(kind, example, None, named=True)

    def _is_previous(self, stamp: bytes) -> bool:
        """Written before the live process started: the printed times sort like the times."""
        return bool(stamp) and stamp[:-1] < self._since


def _openings(patterns: Sequence[LogPattern]) -> tuple[re.Pattern[bytes], ...]:
    """INFO lines are too many to be taken apart: a row for one is found by the beginning of its message."""
    texts = {MAINTENANCE, *(row.contains[0] for row in patterns if row.level in ("INFO", "") and row.contains)}
    either = b"|".join(re.escape(text.encode()) for text in sorted(texts))
    return re.compile(b": (?:" + either + b")"), re.compile(b'"message":"(?:' + either + b")")


def _printed(moment: datetime) -> bytes:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()


def _reports_begin(data: bytes) -> int:
    """Where the newest REPORTS memory reports begin: replay prints many, and no more are kept."""
    begin = len(data)
    for _ in range(REPORTS):
        begin = data.rfind(b"Memory report summary", 0, begin)
        if begin < 0:
            return 0
    return begin


def _end(data: bytes, begin: int) -> int:
    """Where the line ends that `begin` is in; a block ends in a line break."""
    return data.find(b"\n", begin)


def _line_at(data: bytes, begin: int) -> bytes:
    return data[begin : _end(data, begin)]


def _last_lines(data: bytes) -> Iterator[str]:
    begin = len(data)
    for _ in range(LAST_LINES + 1):
        begin = data.rfind(b"\n", 0, max(0, begin))
    return (text_of(raw)[:TRAIL_LENGTH] for raw in data[begin + 1 :].split(b"\n") if raw.strip())


def _newest_stamp(data: bytes, end: int, searched: int = 0) -> bytes:
    """The time of the newest stamped line before `end`, looked for down to `searched`.

    It is nearly always on one of the last lines; a block of garbage is searched forward, which is faster.
    """
    begin = end
    for _ in range(LINES_BACK):
        begin = data.rfind(b"\n", searched, begin)
        if begin < 0:
            return b""
        stamp = stamp_of(data[begin + 1 : begin + 64])
        if stamp:
            return stamp
    newest = b""
    for found in STAMPED_LINE.finditer(data, searched, begin):
        newest = found[1]
    return newest


def _oldest_stamp(data: bytes) -> bytes:
    found = STAMPED_LINE.search(data)
    return found[1] if found else b""
