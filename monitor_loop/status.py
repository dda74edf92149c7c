"""`monitor-loop status`: one look at the files and /proc. Takes no lock, writes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from monitor_loop import envfile, history, noderecord, procfs
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Process, Session, Stopped

SCHEMA = 1


class RunningNode(msgspec.Struct, frozen=True):
    pid: int
    session: str
    since: datetime
    uptime_seconds: int
    rebuilt_under_it: bool


class LastTick(msgspec.Struct, frozen=True):
    at: datetime
    age_seconds: int
    status: str
    ledger: int | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`nodes` are all that run under the data root; more than one is a fault. `next_tick_at` is None where none is
    expected. `marks` are the ticks since the last that did not look. `problems` are lines about files that cannot be
    read."""

    schema: int = SCHEMA
    data_root: str
    session: str | None
    mode: str | None
    nodes: tuple[RunningNode, ...]
    last_tick: LastTick | None = None
    marks: history.Marks = history.Marks()
    next_tick_at: datetime | None = None
    stopped: Stopped | None = None
    problems: tuple[str, ...] = ()


def status(data: DataRoot, now: datetime, proc: Path) -> Status:
    problems: list[str] = []
    session = _session(data, problems)
    stopped = _stopped(data, problems)
    tick = history.last_tick(session) if session is not None else None
    cadence = timedelta(seconds=session.cadence_seconds) if session is not None else timedelta()
    return Status(
        data_root=str(data.path),
        session=session.id if session else None,
        mode=session.mode.value if session else None,
        nodes=tuple(_node(process, now) for process in procfs.find_nodes(data, proc)),
        last_tick=LastTick(tick.ts, _seconds(now - tick.ts), tick.status, tick.ledger) if tick else None,
        marks=history.marks_since(session, tick) if session is not None else history.Marks(),
        next_tick_at=tick.ts + cadence if tick and stopped is None else None,
        stopped=stopped,
        problems=tuple(problems),
    )


def render(seen: Status, now: datetime) -> str:
    lines = [f"WARNING: {problem}" for problem in seen.problems]
    if len(seen.nodes) > 1:
        lines.append("WARNING: several nodes run; stop all but one")
    lines += [f"node:     {_node_line(node)}" for node in seen.nodes] or ["node:     not running"]
    session = f"{seen.session} ({seen.mode})" if seen.session else "none; run monitor-loop start"
    lines.append(f"session:  {session}, data root {seen.data_root}")
    lines.append(f"tick:     {_tick_line(seen, now)}")
    if seen.stopped is not None:
        resume = "but a node runs" if seen.nodes else "monitor-loop start resumes"
        lines.append(f"stopped:  by {seen.stopped.by} at {_utc(seen.stopped.at)}; {resume}")
    return "\n".join(lines)


def to_json(seen: Status) -> str:
    return msgspec.json.encode(seen).decode()


def _node(process: Process, now: datetime) -> RunningNode:
    return RunningNode(
        process.pid, process.session_id, process.started_at, _seconds(now - process.started_at), process.deleted
    )


def _node_line(node: RunningNode) -> str:
    rebuilt = ", binary rebuilt since" if node.rebuilt_under_it else ""
    uptime = timedelta(seconds=node.uptime_seconds)
    return f"running PID={node.pid} session={node.session} since {_utc(node.since)} ({uptime}){rebuilt}"


def _tick_line(seen: Status, now: datetime) -> str:
    if seen.last_tick is None:
        return f"none yet; monitor-tick runs one{_marks(seen.marks)}"
    ledger = f"L{seen.last_tick.ledger if seen.last_tick.ledger is not None else '?'}"
    line = f"{seen.last_tick.status} {ledger}, {timedelta(seconds=seen.last_tick.age_seconds)} ago{_marks(seen.marks)}"
    if seen.next_tick_at is None:
        return line
    overdue = " (overdue: is cron running?)" if seen.next_tick_at < now else ""
    return f"{line}; next expected {_utc(seen.next_tick_at)}{overdue}"


def _marks(marks: history.Marks) -> str:
    counts = ((marks.skipped, "skipped"), (marks.overlong, "over its deadline"))
    return "".join(f"; {count} {what} since" for count, what in counts if count)


def _session(data: DataRoot, problems: list[str]) -> Session | None:
    if not data.env_file.exists():
        return None
    try:
        return envfile.read(data)
    except MonitorError as error:
        problems.append(str(error))
        return None


def _stopped(data: DataRoot, problems: list[str]) -> Stopped | None:
    try:
        return noderecord.read(data).stopped
    except MonitorError as error:
        problems.append(str(error))
        return None


def _seconds(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds()))


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
