"""`monitor-tick`: the one place that reads the clock, takes the lock and turns the end of a tick into an exit code.

Only click is imported at the top: help, a held lock and a stopped session cost no more than click does.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from monitor_tick.recorded import cli as recorded_cli

if TYPE_CHECKING:
    from datetime import datetime

    from monitor_loop.session import Mode, Session
    from monitor_tick.metrics import Scrape

EXIT_REFUSED = 1
EXIT_CRASHED = 3
EXIT_LOCK_HELD = 75  # EX_TEMPFAIL: cron's next run tries again

DEADLINE_SHARE = 0.75
"""The part of a cadence after which a tick ends itself, so that it can never meet the next one."""


@click.group(invoke_without_command=True)
@click.version_option(package_name="henyey-monitor", message="%(version)s")
@click.option("--data-root", metavar="DIR", help="Where the sessions are (default: $MONITOR_DATA_ROOT, else ~/data).")
@click.option("--dry-run", is_flag=True, help="Judge and report; write nothing, do nothing, take no lock.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--proc", metavar="DIR", default="/proc", hidden=True)
@click.pass_context
def main(context: click.Context, data_root: str | None, dry_run: bool, as_json: bool, proc: str) -> None:
    """Look at the henyey node of the running session once: observe, judge, act, report.

    Cron runs it every 20 minutes. Exit status: 0 the tick ran, whatever it found; 1 refused; 2 usage; 3 crashed or
    over its deadline; 75 another start, stop or tick holds the lock.
    """
    context.obj = data_root
    if context.invoked_subcommand is not None:
        return
    from datetime import datetime, timezone  # noqa: PLC0415 (light path: only where a tick begins)

    from monitor_loop.errors import LockHeld, MonitorError  # noqa: PLC0415

    now = datetime.now(timezone.utc)
    data = _data_path(data_root)
    try:
        _require_env_file(data)
        _run(data, now, dry_run=dry_run, as_json=as_json, proc=proc)
    except LockHeld as held:
        _note_skipped(data, now, str(held))
        click.echo(str(held), err=True)
        sys.exit(EXIT_LOCK_HELD)
    except MonitorError as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(EXIT_REFUSED)
    except Exception:
        import traceback  # noqa: PLC0415

        traceback.print_exc()
        sys.exit(EXIT_CRASHED)


def _data_path(option: str | None) -> str:
    """Resolved once: every path of a tick is derived from it."""
    chosen = option or os.environ.get("MONITOR_DATA_ROOT") or "~/data"
    return os.path.realpath(os.path.expanduser(chosen))  # noqa: PTH111 (pathlib is not light)


def _env_file(data: str) -> str:
    return f"{data}/monitor-loop.env"


def _require_env_file(data: str) -> None:
    from monitor_loop.errors import MonitorError  # noqa: PLC0415

    if not os.path.exists(_env_file(data)):  # noqa: PTH110
        raise MonitorError(f"ERROR: {_env_file(data)} not found - run monitor-loop start first")


def _note_skipped(data: str, now: datetime, held: str) -> None:
    """The tick that holds the lock, or the next one, counts this one as skipped."""
    import contextlib  # noqa: PLC0415

    from monitor_loop.files import read  # noqa: PLC0415
    from monitor_tick.state.skipped import append_skipped, session_id_in  # noqa: PLC0415

    session_id = ""
    with contextlib.suppress(OSError):  # the holder of the lock will say what is wrong with the env file
        session_id = session_id_in(read(_env_file(data)) or b"")
    if session_id:
        append_skipped(f"{data}/{session_id}", now, held)


def _run(data: str, now: datetime, *, dry_run: bool, as_json: bool, proc: str) -> None:
    from monitor_loop.files import Lock  # noqa: PLC0415
    from monitor_loop.stopped import stopped_line  # noqa: PLC0415

    if dry_run:
        if line := stopped_line(data):
            click.echo(line)
            return
        _tick(data, now, dry_run=True, as_json=as_json, proc=proc)
        return
    with Lock.acquire(f"{data}/monitor-loop.lock", "monitor-tick", now):
        if line := stopped_line(data):
            click.echo(line)
            return
        _tick(data, now, dry_run=False, as_json=as_json, proc=proc)


def _tick(data: str, now: datetime, *, dry_run: bool, as_json: bool, proc: str) -> None:
    _leave_cycles_alone()
    from pathlib import Path  # noqa: PLC0415

    from monitor_loop import envfile  # noqa: PLC0415
    from monitor_loop.session import DataRoot  # noqa: PLC0415
    from monitor_tick.catalog import load_rules  # noqa: PLC0415
    from monitor_tick.report import render_json, render_text  # noqa: PLC0415
    from monitor_tick.tick import tick  # noqa: PLC0415

    session = envfile.read(DataRoot(Path(data)))
    _end_at(session, now, dry_run=dry_run)
    report = tick(session, load_rules(), now, proc=Path(proc), dry_run=dry_run)
    click.echo(render_json(report) if as_json else render_text(report, colour=sys.stdout.isatty()), nl=False)


def _leave_cycles_alone() -> None:
    """The process ends before garbage could add up; to look for cycles, at its exit too, is 8 % of a tick."""
    import atexit  # noqa: PLC0415
    import gc  # noqa: PLC0415

    gc.disable()
    atexit.register(gc.freeze)


def _end_at(session: Session, now: datetime, *, dry_run: bool) -> None:
    """The last resort against whatever may hang: at the deadline this process ends, with its children."""
    import signal  # noqa: PLC0415

    def over(_signum: int, _frame: object) -> None:
        from monitor_loop.shell import kill_children  # noqa: PLC0415
        from monitor_tick.state.skipped import append_mark  # noqa: PLC0415

        kill_children()
        why = f"over the deadline of {seconds:.0f}s"
        if not dry_run:
            append_mark(str(session.directory), now, "OVERLONG", why)
        os.write(2, f"ERROR: the tick ended itself, {why}\n".encode())
        os._exit(EXIT_CRASHED)

    seconds = session.cadence_seconds * DEADLINE_SHARE
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)


@main.group()
def catalog() -> None:
    """The alarm catalog: shared/metric-alarms.toml."""


@catalog.command()
@click.argument("scrape", required=False, type=click.Path(exists=True, dir_okay=False))
@click.pass_context
def check(context: click.Context, scrape: str | None) -> None:
    """List the alarms that can never fire on SCRAPE (default: the running session's last one)."""
    from monitor_loop.errors import MonitorError  # noqa: PLC0415
    from monitor_tick.catalog import load_rules  # noqa: PLC0415
    from monitor_tick.judging.series import dead_rows  # noqa: PLC0415

    try:
        read, mode, _ = _scrape_of(context.obj, scrape)
        dead = dead_rows(load_rules(), read, mode)
    except MonitorError as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(EXIT_REFUSED)
    for row in dead:
        click.echo(f"{row.name}: {row.reason}")
    click.echo(f"{len(dead)} dead alarm(s)")
    sys.exit(EXIT_REFUSED if dead else 0)


@catalog.command()
@click.argument("scrape", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--catalog", "file", metavar="FILE", help="The alarm file to look at (default: the one in use).")
@click.pass_context
def lint(context: click.Context, scrape: str | None, file: str | None) -> None:
    """List the alarms that cannot do their work, and why.

    A metric or a bucket edge that SCRAPE does not have (default: the running session's last one; without a session
    neither is looked at), a gate that never opens, a limit or a streak out of reach, a number without a reason.
    """
    from pathlib import Path  # noqa: PLC0415

    from monitor_loop.errors import MonitorError  # noqa: PLC0415
    from monitor_loop.session import DEFAULT_CADENCE_SECONDS, Mode  # noqa: PLC0415
    from monitor_tick.catalog import ALARMS, default_directory, load_rules, text_of  # noqa: PLC0415
    from monitor_tick.catalog_lint import wrong_rows  # noqa: PLC0415

    known = scrape is not None or os.path.exists(_env_file(_data_path(context.obj)))  # noqa: PTH110
    try:
        seen = _scrape_of(context.obj, scrape) if known else (None, Mode.VALIDATOR, DEFAULT_CADENCE_SECONDS)
        path = Path(file) if file else default_directory() / ALARMS
        wrong = wrong_rows(load_rules(alarms=path), text_of(path), *seen)
    except MonitorError as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(EXIT_REFUSED)
    for row in wrong:
        click.echo(f"{row.alarm}: {row.reason}")
    click.echo(f"{len(wrong)} fault(s)" if known else f"{len(wrong)} fault(s); no scrape to compare with")
    sys.exit(EXIT_REFUSED if wrong else 0)


def _scrape_of(data_root: str | None, file: str | None) -> tuple[Scrape, Mode, int]:
    """The scrape in `file`, else the running session's last one; with the mode and cadence that it is judged at."""
    from datetime import datetime, timezone  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from monitor_loop import envfile  # noqa: PLC0415
    from monitor_loop.errors import MonitorError  # noqa: PLC0415
    from monitor_loop.session import DEFAULT_CADENCE_SECONDS, DataRoot, Identity, Mode  # noqa: PLC0415
    from monitor_tick import exposition  # noqa: PLC0415
    from monitor_tick.metrics import Scrape  # noqa: PLC0415

    mode, cadence = Mode.VALIDATOR, DEFAULT_CADENCE_SECONDS
    if file is None:
        session = envfile.read(DataRoot(Path(_data_path(data_root))))
        file, mode, cadence = str(session.current_prom), session.mode, session.cadence_seconds
    try:
        types, samples = exposition.parse(Path(file).read_text("utf-8"))
    except OSError as error:
        raise MonitorError(f"ERROR: {file}: {error.strerror} - give a file, or run a tick first") from None
    except (UnicodeDecodeError, exposition.ExpositionError) as error:
        raise MonitorError(f"ERROR: {file} is no Prometheus exposition: {error}") from None
    return Scrape(Identity(0, 0, ""), datetime.now(timezone.utc), types, samples), mode, cadence


def the_time() -> datetime:
    from datetime import datetime, timezone  # noqa: PLC0415

    return datetime.now(timezone.utc)


def session_of(data_root: str | None) -> Session:
    """The session that an option or the environment names. Raises MonitorError."""
    from pathlib import Path  # noqa: PLC0415

    from monitor_loop import envfile  # noqa: PLC0415
    from monitor_loop.session import DataRoot  # noqa: PLC0415

    data = _data_path(data_root)
    _require_env_file(data)
    return envfile.read(DataRoot(Path(data)))


@main.command(
    hidden=True,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def decide(context: click.Context, arguments: tuple[str, ...]) -> None:
    """One decision for the shell functions of scripts/lib: `decide NAME -- ARGS...`."""
    from datetime import datetime, timezone  # noqa: PLC0415

    from monitor_tick.decide import decide as decisions  # noqa: PLC0415

    now = datetime.now(timezone.utc)
    decisions.main(list(arguments), prog_name=context.command_path, obj=now, standalone_mode=False)


for _command in (recorded_cli.explain, recorded_cli.replay, recorded_cli.tune):
    main.add_command(_command)
