"""What `monitor-tick` answers from the archive. `cli` registers it, so only click is imported at the top here too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from monitor_tick.commandline import EXIT_REFUSED, say, session_of, the_time

if TYPE_CHECKING:
    from datetime import datetime

    from monitor_loop.session import Session
    from monitor_tick.rules import Rules


@click.command()
@click.argument("alarm")
@click.option("--since", default="24h", show_default=True, metavar="WHEN", help="24h, 7d, or a time.")
@click.pass_context
def explain(context: click.Context, alarm: str, since: str) -> None:
    """Say why ALARM did, or did not, fire on each recorded tick.

    ALARM is a metric, scp, apply, pending, or recovery_stalled.
    """

    def answer() -> str:
        from monitor_tick.recorded.archive import directory_of, traces
        from monitor_tick.recorded.explain import explained
        from monitor_tick.recorded.names import alarm_named

        session, first = _archived(context.obj, since)
        return explained(traces(directory_of(session), first), alarm_named(alarm, _rules_of(None)))

    say(answer)


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
        from monitor_tick.recorded.archive import directory_of, entries
        from monitor_tick.recorded.explain import nothing_archived
        from monitor_tick.recorded.replay import replay as judge_again
        from monitor_tick.recorded.replay_report import render_json, render_text

        session, first = _archived(context.obj, since)
        report = judge_again(entries(directory_of(session), first), session, _rules_of(catalog))
        evaluated = report.evaluated
        if as_json:
            return render_json(report)
        if not report.ticks and not report.unreadable:
            raise nothing_archived()
        return render_text(report)

    say(answer)
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
        from monitor_tick.recorded.archive import directory_of, traces
        from monitor_tick.recorded.names import alarm_named
        from monitor_tick.recorded.periods import budget_of
        from monitor_tick.recorded.tune import tuned

        accepted = budget_of(budget)
        session, first = _archived(context.obj, since)
        rules = _rules_of(None)
        return tuned(traces(directory_of(session), first), alarm_named(alarm, rules), rules, accepted)

    say(answer)


def _archived(data_root: str | None, since: str | None) -> tuple[Session, datetime | None]:
    """The session, and the time of the first entry that is asked for."""
    from monitor_tick.recorded.periods import since_of

    return session_of(data_root), since_of(since, the_time()) if since else None


def _rules_of(path: str | None) -> Rules:
    from pathlib import Path

    from monitor_tick.catalog import load_rules

    if path is None or Path(path).is_dir():
        return load_rules(Path(path) if path else None)
    return load_rules(alarms=Path(path))
