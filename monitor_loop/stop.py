"""`monitor-loop stop`: mark first, then signal, so that a crash in between cannot let cron revive the node."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from monitor_loop import attach, crontab, envfile, files, history, journal, node, noderecord, procfs
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import DataRoot, Process, Session, Stopped, start_command

TICK_SECONDS = 90.0
"""How long a running tick may take to end before `stop` gives up."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`by` is who will be named to the ticks that cron still fires; `session_id` picks one of several nodes."""

    data: DataRoot
    by: str
    session_id: str | None = None
    grace_seconds: float = 10.0


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The final summary. `how` is node.stop's word, empty where nothing ran; `session_id` is empty where there was
    nothing to stop; `stopped` is the mark that now stands; `build_ended` is the commit whose build was cut short."""

    data: DataRoot
    session_id: str = ""
    embedded: bool = False
    pid: int | None = None
    how: str = ""
    stopped: Stopped | None = None
    ledger: int | None = None
    uptime: timedelta | None = None
    tally: history.Tally = history.Tally()
    crontab_removed: bool = False
    build_ended: str = ""
    warnings: tuple[str, ...] = ()


def stop(request: Request, now: datetime, proc: Path) -> Ended:
    """Raises LockHeld where a tick outlasts 90 s, and MonitorError where several nodes could be meant, or only one that
    the env file does not name."""
    data = request.data
    if not data.path.is_dir():
        return Ended(data=data)
    with files.Lock.acquire(data.lock_file, "monitor-loop stop", now, wait_seconds=TICK_SECONDS):
        known, warnings = _known(data)
        process = attach.find(data, request.session_id, known.id if known else None, proc)
        attach.refuse_unnamed(process, request.session_id, known)
        session = _session_of(process, known, data)
        if session is None:
            return Ended(data=data, warnings=tuple(warnings))
        if _watched_runs_on(process, known, proc):
            stopped, removed, build_ended = None, False, ""
        else:
            stopped = _mark(data, Stopped(now, request.by), keep=process is None)
            removed = _leave_cron(data, warnings)
            build_ended = _end_build(session, now, warnings)
        how = node.stop(process, request.grace_seconds, proc) if process is not None else ""
    return Ended(
        data=data,
        session_id=session.id,
        embedded=session.is_embedded,
        pid=process.pid if process else None,
        how=how,
        stopped=stopped,
        ledger=history.ledger_reached(session),
        uptime=now - process.started_at if process else None,
        tally=history.tally(session),
        crontab_removed=removed,
        build_ended=build_ended,
        warnings=tuple(warnings),
    )


def render(ended: Ended) -> str:
    lines = [f"WARNING: {warning}" for warning in ended.warnings]
    if not ended.session_id:
        return "\n".join([*lines, f"nothing to stop: no session and no henyey under {ended.data.path}"])
    lines += ["═══ MONITOR LOOP STOPPED ═══", f"Session:  {ended.session_id}", f"Node:     {_node_line(ended)}"]
    lines += [f"Build:    of {ended.build_ended[:8]} cut short"] if ended.build_ended else []
    lines.append(f"Ledger:   {ended.ledger if ended.ledger is not None else 'unknown'}")
    if ended.uptime is not None:
        lines.append(f"Uptime:   {timedelta(seconds=int(ended.uptime.total_seconds()))}")
    lines += [f"Ticks:    {ended.tally.ticks}", f"Issues:   {ended.tally.filed} filed"]
    resume = start_command(embedded=ended.embedded)
    return "\n".join([*lines, f"Cron:     {_cron_line(ended)}", f"Logs and cache stay. {resume} resumes."])


def _node_line(ended: Ended) -> str:
    if ended.pid is None:
        return "was not running; ticks will leave it so"
    words = {"terminated": "ended on SIGTERM", "killed": "killed: it outlasted the grace", "gone": "ended by itself"}
    return f"PID={ended.pid} {words.get(ended.how, ended.how)}"


def _cron_line(ended: Ended) -> str:
    if ended.crontab_removed:
        return "our line is taken out of the crontab"
    return f"if a line runs monitor-tick for {ended.data.path}, remove it with crontab -e; it does nothing meanwhile"


def _known(data: DataRoot) -> tuple[Session | None, list[str]]:
    """The session of the env file; nothing that is damaged may keep a node from being stopped."""
    warnings = []
    try:
        journal.finish(data)
    except MonitorError as error:
        warnings.append(plain(error))
    try:
        return envfile.find(data), warnings
    except MonitorError as error:
        return None, [*warnings, plain(error)]


def _session_of(process: Process | None, known: Session | None, data: DataRoot) -> Session | None:
    if process is None or (known is not None and known.id == process.session_id):
        return known
    return attach.describe(process, data, process.cwd)[0]


def _watched_runs_on(process: Process | None, known: Session | None, proc: Path) -> bool:
    """Whether --session picked a stray node while the watched one runs: that one is not to be marked as stopped."""
    if process is None or known is None or known.id == process.session_id:
        return False
    return any(running.session_id == known.id for running in procfs.find_nodes(known.data, proc))


def _mark(data: DataRoot, mark: Stopped, keep: bool) -> Stopped:
    """Leave the mark; with `keep`, one that stands already says better since when."""
    record = noderecord.read(data)
    stopped = record.stopped if keep and record.stopped is not None else mark
    noderecord.write(data, replace(record, stopped=stopped))
    return stopped


def _leave_cron(data: DataRoot, warnings: list[str]) -> bool:
    """Take out the line that `start --install-cron` put there."""
    record = noderecord.read(data)
    if not record.crontab_installed:
        return False
    try:
        crontab.remove(data)
    except MonitorError as error:
        warnings.append(plain(error))
        return False
    noderecord.write(data, replace(record, crontab_installed=False))
    return True


def _end_build(session: Session, now: datetime, warnings: list[str]) -> str:
    """Nobody would install what a builder makes while ticks do nothing."""
    if not session.data.deploy_job.exists():
        return ""
    from monitor_loop.building import builder  # only where something was built once
    from monitor_loop.building.deployjob import Phase

    try:
        job = builder.stop(session, "by the operator", now)
    except (MonitorError, OSError) as error:
        warnings.append(plain(error))
        return ""
    return job.sha if job is not None and job.phase is Phase.FAILED else ""
