"""What `monitor-tick` answers from the archive. `cli` registers it, so only click is imported at the top here too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from monitor_loop.session import Session
    from monitor_tick.rules import Rules

EXIT_REFUSED = 1


@click.command()
@click.argument("alarm")
@click.option("--since", default="24h", show_default=True, metavar="WHEN", help="24h, 7d, or a time.")
@click.pass_context
def explain(context: click.Context, alarm: str, since: str) -> None:
    """Say why ALARM did, or did not, fire on each recorded tick."""

    def answer() -> str:
        from monitor_tick.recorded.archive import directory_of, traces  # noqa: PLC0415
        from monitor_tick.recorded.explain import explained  # noqa: PLC0415

        session, first = _archived(context.obj, since)
        return explained(traces(directory_of(session), first), alarm.removeprefix("metric:"))

    _say(answer)


@click.command()
@click.option("--catalog", metavar="PATH", type=click.Path(exists=True), help="A directory of rules, or an alarm file.")
@click.option("--since", metavar="WHEN", help="24h, 7d, or a time (default: the whole archive).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def replay(context: click.Context, catalog: str | None, since: str | None, as_json: bool) -> None:
    """Judge the archive again, and list what comes out otherwise than it was recorded.

    Exit status 1 where no tick could be judged: nothing found is no proof of anything.
    """
    evaluated = 0

    def answer() -> str:
        nonlocal evaluated
        from monitor_tick.recorded.archive import directory_of, entries  # noqa: PLC0415
        from monitor_tick.recorded.replay import replay as judge_again  # noqa: PLC0415
        from monitor_tick.recorded.replay_report import render_json, render_text  # noqa: PLC0415

        session, first = _archived(context.obj, since)
        report = judge_again(entries(directory_of(session), first), session, _rules_of(catalog))
        evaluated = report.evaluated
        return render_json(report) if as_json else render_text(report)

    _say(answer)
    sys.exit(0 if evaluated else EXIT_REFUSED)


@click.command()
@click.argument("alarm")
@click.option(
    "--budget", default="1/week", show_default=True, metavar="N/PERIOD", help="False alarms that are accepted."
)
@click.option("--since", metavar="WHEN", help="24h, 7d, or a time (default: the whole archive).")
@click.pass_context
def tune(context: click.Context, alarm: str, budget: str, since: str | None) -> None:
    """Show what other thresholds of ALARM would have done over the archive."""

    def answer() -> str:
        from monitor_tick.recorded.archive import directory_of, traces  # noqa: PLC0415
        from monitor_tick.recorded.periods import budget_of  # noqa: PLC0415
        from monitor_tick.recorded.tune import tuned  # noqa: PLC0415

        accepted = budget_of(budget)
        session, first = _archived(context.obj, since)
        found = traces(directory_of(session), first)
        return tuned(found, alarm.removeprefix("metric:"), _rules_of(None), accepted)

    _say(answer)


def _say(answer: Callable[[], str]) -> None:
    """Print what a command that only reads has to say, or why it cannot. No lock is taken and nothing is written."""
    from monitor_loop.errors import MonitorError  # noqa: PLC0415
    from monitor_tick.recorded.record import NoAnswer  # noqa: PLC0415

    try:
        click.echo(answer(), nl=False)
    except (MonitorError, NoAnswer) as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(EXIT_REFUSED)
    except OSError as error:
        click.echo(f"ERROR: {error.filename}: {error.strerror} - check its owner and permissions", err=True)
        sys.exit(EXIT_REFUSED)


def _archived(data_root: str | None, since: str | None) -> tuple[Session, datetime | None]:
    """The session, and the time of the first entry that is asked for."""
    from monitor_tick.cli import session_of, the_time  # noqa: PLC0415  (which imports this module)
    from monitor_tick.recorded.periods import since_of  # noqa: PLC0415

    return session_of(data_root), since_of(since, the_time()) if since else None


def _rules_of(path: str | None) -> Rules:
    from pathlib import Path  # noqa: PLC0415

    from monitor_tick.catalog import load_rules  # noqa: PLC0415

    if path is None or Path(path).is_dir():
        return load_rules(Path(path) if path else None)
    return load_rules(alarms=Path(path))
