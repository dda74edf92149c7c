"""Print the figures of performance, each beside its goal: `./scripts/bench [--quick] [ROW...]`.

Only ratios of one run mean anything. A row that cannot be measured says why, and the others go on.
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import click

from tests.benchmarks.durability import durability
from tests.benchmarks.figures import FULL, QUICK, Effort, Figure, NotMeasured
from tests.benchmarks.hung import hung
from tests.benchmarks.investigation import investigation
from tests.benchmarks.judging import judging, replaying
from tests.benchmarks.log import log
from tests.benchmarks.memory import memory
from tests.benchmarks.process import process
from tests.benchmarks.shell import against_shell
from tests.benchmarks.startup import light_commands, whole_tick
from tests.benchmarks.trees import trees

ROWS: dict[int, tuple[str, Callable[[Effort], Iterator[Figure]]]] = {
    1: ("whole tick", whole_tick),
    2: ("whole tick against shell", against_shell),
    3: ("nothing to do", light_commands),
    4: ("judging", judging),
    5: ("replaying", replaying),
    6: ("log", log),
    7: ("finding the node", process),
    8: ("trees", trees),
    9: ("durability", durability),
    10: ("memory", memory),
    11: ("hung node", hung),
    12: ("investigation", investigation),
}
"""By the number of the goal in docs/performance.md."""


@click.command()
@click.option("--quick", is_flag=True, help="Fewer repeats, smaller logs and trees.")
@click.option("--markdown", is_flag=True, help="Print the table as docs/performance.md has it.")
@click.argument("rows", nargs=-1, type=click.Choice([str(row) for row in ROWS]))
def main(quick: bool, markdown: bool, rows: tuple[str, ...]) -> None:
    """Measure ROWS, all by default. Exit status 1 only if nothing could be measured."""
    started = datetime.now(timezone.utc)
    click.echo(
        f"{started:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}, {'quick' if quick else 'full'}\n"
    )
    line = _markdown if markdown else _plain
    click.echo(line("#", "what", "measured", "goal", "", "detail"))
    if markdown:
        click.echo("|---|---|---|---|---|---|")
    chosen = [int(row) for row in rows] or list(ROWS)
    measured = sum(_print(row, QUICK if quick else FULL, line) for row in chosen)
    seconds = (datetime.now(timezone.utc) - started).total_seconds()
    click.echo(f"\n{measured} figures in {seconds:.0f} s")
    sys.exit(0 if measured else 1)


def _print(row: int, effort: Effort, line: Callable[..., str]) -> int:
    """How many figures the row gave."""
    name, measure = ROWS[row]
    count = 0
    try:
        for figure in measure(effort):
            count += 1
            goal = f"{'>=' if figure.at_least else '<='} {figure.goal:.4g}"
            verdict = "ok" if figure.reached else "MISS"
            click.echo(line(row, figure.what, f"{figure.measured:.3f}", goal, verdict, figure.detail))
    except NotMeasured as why:
        click.echo(line(row, name, "-", "-", "skipped", str(why)))
    except Exception as error:
        click.echo(line(row, name, "-", "-", "ERROR", " ".join(str(error).split())[:300]))
        traceback.print_exc()
    return count


def _plain(*cells: object) -> str:
    number, what, measured, goal, verdict, detail = map(str, cells)
    return f"{number:>2}  {what:<66}  {measured:>8}  {goal:>8}  {verdict:<7}  {detail}".rstrip()


def _markdown(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


if __name__ == "__main__":
    main()
