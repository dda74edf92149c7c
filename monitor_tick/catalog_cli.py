"""`monitor-tick catalog ...`: can the rows of shared/metric-alarms.toml do their work?

`cli` registers these commands, so only click is imported at the top here too.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from monitor_tick.commandline import EXIT_REFUSED, data_path, env_file, say, session_of, the_time

if TYPE_CHECKING:
    from monitor_loop.session import Mode
    from monitor_tick.metrics import Scrape


@click.group()
def catalog() -> None:
    """The alarm catalog: shared/metric-alarms.toml."""


@catalog.command()
@click.argument("scrape", required=False, type=click.Path(exists=True, dir_okay=False))
@click.pass_context
def check(context: click.Context, scrape: str | None) -> None:
    """List the alarms that can never fire on SCRAPE (default: the running session's last one)."""
    found: list[str] = []

    def answer() -> str:
        from monitor_tick.catalog import load_rules
        from monitor_tick.judging.series import dead_rows

        read, mode, _ = _scrape_of(context.obj, scrape)
        found.extend(f"{row.name}: {row.reason}" for row in dead_rows(load_rules(), read, mode))
        return "".join(f"{row}\n" for row in (*found, f"{len(found)} dead alarm(s)"))

    say(answer)
    sys.exit(EXIT_REFUSED if found else 0)


@catalog.command()
@click.argument("scrape", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--catalog", "file", metavar="FILE", help="The alarm file to look at (default: the one in use).")
@click.pass_context
def lint(context: click.Context, scrape: str | None, file: str | None) -> None:
    """List the alarms that cannot do their work, and why.

    A metric or a bucket edge that SCRAPE does not have (default: the running session's last one; without a session
    neither is looked at), a gate that never opens, a limit or a streak out of reach, a number without a reason.
    """
    known = scrape is not None or os.path.exists(env_file(data_path(context.obj)))  # noqa: PTH110 (not light)
    found: list[str] = []

    def answer() -> str:
        from pathlib import Path

        from monitor_loop.session import DEFAULT_CADENCE_SECONDS, Mode
        from monitor_tick.catalog import ALARMS, default_directory, load_rules, text_of
        from monitor_tick.catalog_lint import wrong_rows

        seen = _scrape_of(context.obj, scrape) if known else (None, Mode.VALIDATOR, DEFAULT_CADENCE_SECONDS)
        path = Path(file) if file else default_directory() / ALARMS
        found.extend(f"{row.alarm}: {row.reason}" for row in wrong_rows(load_rules(alarms=path), text_of(path), *seen))
        count = f"{len(found)} fault(s)" + ("" if known else "; no scrape to compare with")
        return "".join(f"{row}\n" for row in (*found, count))

    say(answer)
    sys.exit(EXIT_REFUSED if found else 0)


def _scrape_of(data_root: str | None, file: str | None) -> tuple[Scrape, Mode, int]:
    """The scrape in `file`, else the running session's last one; with the mode and cadence that it is judged at."""
    from monitor_loop import files
    from monitor_loop.errors import MonitorError
    from monitor_loop.session import DEFAULT_CADENCE_SECONDS, Identity, Mode
    from monitor_tick import exposition
    from monitor_tick.metrics import Scrape

    mode, cadence = Mode.VALIDATOR, DEFAULT_CADENCE_SECONDS
    if file is None:
        session = session_of(data_root)
        file, mode, cadence = str(session.current_prom), session.mode, session.cadence_seconds
    try:
        content = files.read(file)
        if content is None:
            raise MonitorError(f"ERROR: {file}: no such file - give a file, or run a tick first")
        types, samples = exposition.parse(content.decode("utf-8"))
    except OSError as error:
        raise MonitorError(f"ERROR: {file}: {error.strerror} - give a file, or run a tick first") from None
    except (UnicodeDecodeError, exposition.ExpositionError) as error:
        raise MonitorError(f"ERROR: {file} is no Prometheus exposition: {error}") from None
    return Scrape(Identity(0, 0, ""), the_time(), types, samples), mode, cadence
