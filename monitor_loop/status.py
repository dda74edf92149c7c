"""`monitor-loop status`: one look at the files and /proc. Takes no lock, writes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from monitor_loop import envfile, history, noderecord, procfs
from monitor_loop.building import deployjob
from monitor_loop.building.deployjob import Phase
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import DataRoot, NodeRecord, Process, Session, Stopped, start_command

SCHEMA = 1
REBUILDING = "session directory wiped, rebuilding"


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


class Build(msgspec.Struct, frozen=True):
    """What the builder makes or made last; `phase` is "building", "built" or "failed", and `why` says how it failed."""

    sha: str
    phase: str
    since: datetime
    age_seconds: int
    why: str = ""


class OnTrial(msgspec.Struct, frozen=True):
    sha: str
    passed: int
    ticks: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`nodes` are all that run under the data root; more than one is a fault. `next_tick_at` is None where none is
    expected. `marks` are the ticks since the last that did not look. `build` is None where nothing was built, or what
    was built is deployed by now. `offline` is why a node that is down is left so. `problems` are lines about files
    that cannot be read."""

    schema: int = SCHEMA
    data_root: str
    session: str | None
    mode: str | None
    embedded: bool
    nodes: tuple[RunningNode, ...]
    last_tick: LastTick | None = None
    marks: history.Marks = history.Marks()
    next_tick_at: datetime | None = None
    stopped: Stopped | None = None
    build: Build | None = None
    trial: OnTrial | None = None
    offline: str = ""
    problems: tuple[str, ...] = ()


def status(data: DataRoot, now: datetime, proc: Path) -> Status:
    problems: list[str] = []
    session = _session(data, problems)
    record = _record(data, problems)
    stopped = record.stopped
    tick = history.last_tick(session) if session is not None else None
    cadence = timedelta(seconds=session.cadence_seconds) if session is not None else timedelta()
    return Status(
        data_root=str(data.path),
        session=session.id if session else None,
        mode=session.mode.value if session else None,
        embedded=session is not None and session.is_embedded,
        nodes=tuple(_node(process, now) for process in procfs.find_nodes(data, proc)),
        last_tick=LastTick(tick.ts, _seconds(now - tick.ts), tick.status, tick.ledger) if tick else None,
        marks=history.marks_since(session, tick) if session is not None else history.Marks(),
        next_tick_at=tick.ts + cadence if tick and stopped is None else None,
        stopped=stopped,
        build=_build(data, session, record, now, problems),
        trial=_trial(record),
        offline=_offline(record),
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
    lines += [f"build:    {_build_line(seen.build)}"] if seen.build else []
    if seen.trial is not None:
        lines.append(f"trial:    on trial {seen.trial.sha[:8]} ({seen.trial.passed}/{seen.trial.ticks})")
    start = start_command(embedded=seen.embedded)
    if seen.offline:
        by_itself = seen.offline == REBUILDING
        lines.append(f"offline:  {seen.offline}{'' if by_itself else f'; {start} brings it back'}")
    if seen.stopped is not None:
        resume = "but a node runs" if seen.nodes else f"{start} resumes"
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
    try:
        session = envfile.find(data)
    except MonitorError as error:
        problems.append(plain(error))
        return None
    if session is not None and not session.directory.is_dir():
        problems.append(f"{session.directory}, the session's directory, is not there")
    return session


def _record(data: DataRoot, problems: list[str]) -> NodeRecord:
    try:
        return noderecord.read(data)
    except MonitorError as error:
        problems.append(plain(error))
        return NodeRecord()


def _build(
    data: DataRoot, session: Session | None, record: NodeRecord, now: datetime, problems: list[str]
) -> Build | None:
    try:
        job = deployjob.poll(data, now)
    except MonitorError as error:
        problems.append(plain(error))
        return None
    if job is None or (job.phase is Phase.BUILT and job.sha == record.deployed_sha):
        return None
    if not job.is_building and (session is None or job.session != session.id):
        return None
    return Build(job.sha, job.phase.value, job.started_at, _seconds(now - job.started_at), job.why)


def _build_line(build: Build) -> str:
    if build.phase == Phase.BUILDING.value:
        return f"building {build.sha[:8]} ({build.age_seconds // 60}m)"
    if build.phase == Phase.BUILT.value:
        return f"built {build.sha[:8]}"
    return f"build failed {build.sha[:8]}: {build.why}"


def _trial(record: NodeRecord) -> OnTrial | None:
    trial = record.trial
    return OnTrial(trial.sha, max(0, trial.ticks - trial.left), trial.ticks) if trial else None


def _offline(record: NodeRecord) -> str:
    if record.recovery is not None:
        failed = record.recovery.failed
        return f"session directory wiped, rebuild failed: {failed}" if failed else REBUILDING
    return record.offline


def _seconds(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds()))


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
