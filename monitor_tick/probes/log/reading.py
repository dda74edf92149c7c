"""The unread part of the node's log as a LogReading, and the logs that were put aside."""

from __future__ import annotations

from collections.abc import Sequence

from monitor_loop.session import Process, Session
from monitor_tick.facts import LogReading, Missing, Rotation
from monitor_tick.memory import LogState
from monitor_tick.probes.log.cursor import Unread, blocks_of, rotations_of, text_before, unread_of
from monitor_tick.probes.log.reader import Reader
from monitor_tick.rules import Limits, LogPattern


def observe_rotations(session: Session) -> tuple[Rotation, ...]:
    """Newest first, by last write; none where the directory cannot be read."""
    try:
        return rotations_of(session)
    except OSError:
        return ()


def observe_log(
    session: Session, state: LogState, process: Process | Missing, patterns: Sequence[LogPattern], limits: Limits
) -> LogReading | Missing:
    """Read on where the last tick stopped. Memory does not depend on the size of the log."""
    try:
        unread = unread_of(session, state.cursor, limits.log_bytes_mb << 20, limits.first_log_lines)
        return unread if isinstance(unread, Missing) else _read(unread, state, process, patterns)
    except OSError as error:
        return Missing(f"monitor.log: {error.strerror or type(error).__name__}")


def _read(unread: Unread, state: LogState, process: Process | Missing, patterns: Sequence[LogPattern]) -> LogReading:
    reader = Reader(state, process, patterns, first_tick=unread.first_tick)
    cursor, read_bytes = state.cursor, 0
    reader.follows(text_before(unread.segments[0]))
    for segment in unread.segments:
        for block in blocks_of(segment):
            reader.take(block)
            cursor, read_bytes = block.cursor, read_bytes + block.read_bytes
    close = reader.close
    return LogReading(
        cursor=cursor,
        first_tick=unread.first_tick,
        read_bytes=read_bytes,
        skipped_bytes=unread.skipped_bytes,
        heartbeat=reader.heartbeat,
        earlier_heartbeat=reader.earlier_heartbeat,
        closed_ledger=close.ledger if close else None,
        close_time=close.close_time if close else None,
        memory_reports=tuple(reader.reports),
        entries=reader.tally.entries(),
        catchup_trail=tuple(reader.trail),
        last_lines=tuple(reader.last),
        maintenance_at=reader.maintenance_at,
        maintenance_slow_ms=reader.maintenance_slow_ms,
    )
