"""`monitor-loop start`: attach to the node that runs, or build and launch one; then write down what is watched.

Every write stands where a crash after it loses nothing: what a launch destroys is remembered before it, and a node that
was launched but not written down is found by its exe, and attached to, by the next start.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec.structs import replace

from monitor_loop import attach, crontab, envfile, files, fresh, journal, noderecord, preflight, procfs
from monitor_loop.begun import Begun, Console, Request
from monitor_loop.building import build
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import DataRoot, Restarts, Session

_OPERATORS = ("cadence_seconds", "project", "operator", "board_command", "investigator", "extra")
_TOOLS = ("gh", "git", "cargo")


class Started(msgspec.Struct, frozen=True, kw_only=True):
    session: Session
    pid: int
    attached: bool
    crontab_line: str
    crontab_installed: bool
    warnings: tuple[str, ...] = ()


def start(request: Request, now: datetime, console: Console, proc: Path) -> Started:
    """Raises LockHeld at once where another start, stop or tick runs, and MonitorError for what an operator mends."""
    data = request.data
    _make(data.path)
    with files.Lock.acquire(data.lock_file, "monitor-loop start", now):
        journal.finish(data)
        known, damage = _known(data)
        process = attach.find(data, request.session_id, known.id if known else None, proc)
        if process is not None and request.fresh:
            raise MonitorError(
                f"PID={process.pid} session={process.session_id} runs, and --fresh does not attach; "
                "run monitor-loop stop first"
            )
        if process is not None:
            begun = attach.attach(process, request, known)
        else:
            begun = fresh.begin(request, known, now, console, proc)
        session = with_operators_keys(begun.session, known)
        _write_down(session, begun, damaged=bool(damage))
        line = crontab.line_of(data, crontab.tick_command(), timedelta(seconds=session.cadence_seconds))
        installed, trouble = _crontab(data, line, request.install_cron)
    return Started(
        session=session,
        pid=begun.process.pid,
        attached=begun.attached,
        crontab_line=line,
        crontab_installed=installed,
        warnings=(*damage, *begun.warnings, *_environment_warnings(begun, proc), *trouble),
    )


def with_operators_keys(session: Session, known: Session | None) -> Session:
    """`session` with what an operator set in the env file, or what was found there before; tools by absolute path."""
    kept = {name: getattr(known, name) for name in _OPERATORS if known is not None and getattr(known, name)}
    if known is not None and not known.is_embedded and not session.is_embedded:
        kept |= {"tracker": known.tracker, "radar_url": known.radar_url}
        kept |= {"github_repo": known.github_repo} if known.repo == session.repo else {}
    tools = {name: _tool(name, getattr(known, name, "")) for name in _TOOLS}
    session = replace(session, **kept, **tools)
    if session.github_repo or session.is_embedded or not session.git:
        return session
    return replace(session, github_repo=build.github_repo_of(session.repo, session.git))


def render(started: Started) -> str:
    session = started.session
    facts = {
        "Session": session.id,
        "Mode": session.mode.value,
        "Config": session.config,
        "Binary": str(session.binary),
        "Log": str(session.log),
        "PID": str(started.pid),
        "Attached": "yes" if started.attached else "no",
        "Env": str(session.data.env_file),
    }
    return "\n".join(
        [
            *(f"WARNING: {warning}" for warning in started.warnings),
            "═══ MONITOR LOOP STARTED ═══",
            *(f"{name + ':':<10}{value}" for name, value in facts.items()),
            "",
            _crontab_heading(started),
            "",
            f"  {started.crontab_line}",
            "═" * 32,
        ]
    )


def _crontab_heading(started: Started) -> str:
    pace = crontab.pace_of(timedelta(seconds=started.session.cadence_seconds))
    if started.crontab_installed:
        return f"A tick {pace} is in your crontab:"
    return f"To run a tick {pace}, add this line with crontab -e (or start --install-cron):"


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MonitorError(f"{path}: cannot be made ({error.strerror}); choose another with --data-root") from None


def _known(data: DataRoot) -> tuple[Session | None, list[str]]:
    """The session of the env file. A damaged file must not keep anyone from starting; it is put aside, not lost."""
    try:
        return envfile.find(data), []
    except MonitorError as error:
        return None, [f"{plain(error)}; kept as {_aside(data).name}, and its operator's keys with it"]


def _aside(data: DataRoot) -> Path:
    return data.env_file.with_name(f"{data.env_file.name}.damaged")


def _write_down(session: Session, begun: Begun, damaged: bool) -> None:
    """The node's record first: a mark that says "stopped" must be gone before the env file invites ticks.

    Who starts a node by hand gives it its relaunches back; what was wiped stays known. A build of a new session has no
    other beside it to go back to, so the first that settles there is the first good one.
    """
    data = session.data
    record = noderecord.read(data)
    started_at = begun.process.started_at
    noderecord.write(
        data,
        replace(
            record,
            stopped=None,
            offline="",
            restarts=Restarts(),
            recovery=None,
            trial=None if begun.sha else record.trial,
            launched=begun.process.identity,
            first_launched_at=record.first_launched_at or started_at,
            fresh_start_since=started_at if begun.fresh_start else record.fresh_start_since,
            deployed_sha=begun.sha or record.deployed_sha or _built(session),
            last_good_sha=record.last_good_sha if begun.sha in {"", record.last_good_sha} else "",
        ),
    )
    envfile.parse(envfile.render(session), data)  # what no tick could read is not written
    if damaged:
        data.env_file.replace(_aside(data))
    envfile.write(session)


def _built(session: Session) -> str:
    """The build that a start noted before it was killed; an embedded node has nothing deployed."""
    content = None if session.is_embedded else files.read(session.build_sha)
    return (content or b"").decode("ascii", "replace").strip()


def _environment_warnings(begun: Begun, proc: Path) -> list[str]:
    """A node that came back without its seed would be another validator, or none."""
    overrides = preflight.overrides_of(procfs.environment_of(begun.process.pid, proc))
    return [f"the node has {overrides} in its environment; {preflight.OVERRIDES_REMEDY}"] if overrides else []


def _tool(name: str, known: str) -> str:
    return known if known and os.access(known, os.X_OK) else build.which(name)


def _crontab(data: DataRoot, line: str, install: bool) -> tuple[bool, list[str]]:
    """Whether our line is in the crontab now, and what went wrong: a node that runs is no reason to fail."""
    record = noderecord.read(data)
    if not install:
        return record.crontab_installed, []
    try:
        crontab.install(data, line)
    except MonitorError as error:
        return record.crontab_installed, [plain(error)]
    noderecord.write(data, replace(record, crontab_installed=True))
    return True, []
