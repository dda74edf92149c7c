"""`monitor-tick issues`. `monitor_tick.cli` registers it, so only click is imported at the top here too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor_tick.commandline import say, session_of, the_time

if TYPE_CHECKING:
    from datetime import datetime

    from monitor_loop.session import Session


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def issues(context: click.Context, as_json: bool) -> None:
    """List what was filed, what waits to be, and what cools down.

    From the files of the data root alone: whether a person has closed an issue since is not looked up.
    """
    say(lambda: _listed(session_of(context.obj), the_time(), as_json=as_json))


def _listed(session: Session, now: datetime, *, as_json: bool) -> str:
    """Also between the two halves of a commit, as a dry run reads it. Raises MonitorError."""
    from monitor_loop.errors import MonitorError
    from monitor_tick.catalog import load_rules
    from monitor_tick.issues import ledgerfile
    from monitor_tick.issues.ledger import NOTHING_FILED
    from monitor_tick.issues.overview import overview_of, render_json, render_text
    from monitor_tick.memory import Cooldowns
    from monitor_tick.state.shelf import Shelf
    from monitor_tick.state.snapshots import parse_cooldowns

    path = session.data.issue_ledger
    shelf = Shelf(session.data, now, finish=False)
    shelf.settle_journal()
    ledger = shelf.read(path, ledgerfile.parse)
    cooldowns = shelf.read(session.anomaly_cooldown, parse_cooldowns) or Cooldowns()
    for damage in shelf.damaged:
        if damage.file == path.name:
            raise MonitorError(
                f"ERROR: {path} is damaged: {damage.reason} - restore a copy, or leave it: the next tick sets it "
                "aside, and filing finds its issues again by their hidden lines"
            )
        click.echo(f"WARNING: {damage.file} unreadable ({damage.reason}); the next tick sets it aside", err=True)
    overview = overview_of(ledger or NOTHING_FILED, cooldowns, load_rules().limits, now)
    if as_json:
        return render_json(overview)
    if ledger is None and not overview.issues:
        return f"nothing was ever filed: there is no {path}; the first finding that is to be filed makes it\n"
    return render_text(overview)
