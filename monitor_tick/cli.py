"""`monitor-tick`: takes the lock, runs the tick, and turns its end into an exit code.

Only click is imported at the top: help, a held lock and a stopped session cost no more than click does.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from monitor_loop import __version__
from monitor_tick import catalog_cli
from monitor_tick.commandline import EXIT_REFUSED, data_path, env_file, require_env_file, the_time
from monitor_tick.issues import cli as issues_cli
from monitor_tick.recorded import cli as recorded_cli

if TYPE_CHECKING:
    from datetime import datetime

    from monitor_loop.session import Session

EXIT_CRASHED = 3
EXIT_LOCK_HELD = 75  # EX_TEMPFAIL: cron's next run tries again

DEADLINE_SHARE = 0.75
"""The part of a cadence after which a tick ends itself, so that it can never meet the next one."""


@click.group(invoke_without_command=True)
@click.version_option(__version__, message="%(version)s")
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
    from monitor_loop.errors import LockHeld, MonitorError

    now = the_time()
    data = data_path(data_root)
    try:
        require_env_file(data)
        _run(data, now, dry_run=dry_run, as_json=as_json, proc=proc)
    except LockHeld as held:
        _note_skipped(data, now, str(held))
        click.echo(str(held), err=True)
        sys.exit(EXIT_LOCK_HELD)
    except MonitorError as refusal:
        click.echo(refusal.marked, err=True)
        sys.exit(EXIT_REFUSED)
    except Exception:
        import traceback

        traceback.print_exc()
        sys.exit(EXIT_CRASHED)


def _note_skipped(data: str, now: datetime, held: str) -> None:
    """The tick that holds the lock, or the next one, counts this one as skipped."""
    import contextlib

    from monitor_loop.files import read
    from monitor_tick.state.skipped import append_skipped, session_id_in

    session_id = ""
    with contextlib.suppress(OSError):  # the holder of the lock will say what is wrong with the env file
        session_id = session_id_in(read(env_file(data)) or b"")
    if session_id:
        append_skipped(f"{data}/{session_id}", now, held)


def _run(data: str, now: datetime, *, dry_run: bool, as_json: bool, proc: str) -> None:
    from monitor_loop.files import Lock
    from monitor_loop.stopped import stopped_line

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
    from pathlib import Path

    from monitor_loop import envfile
    from monitor_loop.session import DataRoot
    from monitor_tick.catalog import load_rules, refuse_unreachable
    from monitor_tick.report import render_json, render_text
    from monitor_tick.tick import tick

    session = envfile.read(DataRoot(Path(data)))
    rules = load_rules()
    refuse_unreachable(rules.limits, session.cadence_seconds)
    _end_at(session, now, dry_run=dry_run)
    report = tick(session, rules, now, proc=Path(proc), dry_run=dry_run)
    click.echo(render_json(report) if as_json else render_text(report, colour=sys.stdout.isatty()), nl=False)


def _leave_cycles_alone() -> None:
    """The process ends before garbage could add up; to look for cycles, at its exit too, is 8 % of a tick."""
    import atexit
    import gc

    gc.disable()
    atexit.register(gc.freeze)


def _end_at(session: Session, now: datetime, *, dry_run: bool) -> None:
    """The last resort against whatever may hang: at the deadline this process ends, with its children."""
    import signal

    def over(_signum: int, _frame: object) -> None:
        from monitor_loop.shell import kill_children
        from monitor_tick.state.skipped import append_mark

        kill_children()
        why = f"over the deadline of {seconds:.0f}s"
        if not dry_run:
            append_mark(str(session.directory), now, "OVERLONG", why)
        os.write(2, f"ERROR: the tick ended itself, {why}\n".encode())
        os._exit(EXIT_CRASHED)

    seconds = session.cadence_seconds * DEADLINE_SHARE
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)


@main.command(
    hidden=True,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def decide(context: click.Context, arguments: tuple[str, ...]) -> None:
    """One decision for the shell functions of scripts/lib: `decide NAME -- ARGS...`."""
    from monitor_tick.decide import decide as decisions

    decisions.main(list(arguments), prog_name=context.command_path, obj=the_time(), standalone_mode=False)


for _command in (
    catalog_cli.catalog,
    issues_cli.issues,
    recorded_cli.explain,
    recorded_cli.replay,
    recorded_cli.tune,
):
    main.add_command(_command)
