"""Rows 1 and 3: instructions of a whole tick and of the commands that have nothing to do."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from monitor_loop.files import Lock
from tests.benchmarks.commands import EMPTY, PACKAGES, instructions, run, tick_command
from tests.benchmarks.figures import FEW, Effort, Figure
from tests.benchmarks.world import MB, world

TICK_GOAL = 1.15
LIGHT_GOAL = 5.5
LOCK_HELD = 75

_ENV = "MONITOR_SESSION_ID=1a2b3c4d\n"
_STOPPED = '{"schema":1,"stopped":{"at":"2026-05-09T03:41:57Z","by":"operator"}}'


def whole_tick(effort: Effort) -> Iterator[Figure]:
    reference = _counted(PACKAGES)
    with world((1024 if effort.repeats > FEW else 64) * MB) as quiet:
        run(quiet.command)
        quiet.rewind()
        spent = instructions(quiet.command)
        size_mb = quiet.session.log.stat().st_size // MB
    detail = f"{spent / 1e6:.0f} M of {reference / 1e6:.0f} M instructions, {size_mb} MB log with 2 MB new"
    yield Figure("whole tick: instructions / importing the packages", spent / reference, TICK_GOAL, detail)


def light_commands(_: Effort) -> Iterator[Figure]:
    reference = _counted(EMPTY)
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
        data = Path(directory)
        for name, arguments, status in light_paths(data):
            with held(data, name):
                spent = _counted(tick_command(*arguments), status)
            detail = f"{spent / 1e6:.0f} M instructions"
            yield Figure(f"monitor-tick, {name}: instructions / python -c pass", spent / reference, LIGHT_GOAL, detail)
        for option in ("--help", "--version"):
            spent = _counted((sys.executable, "-m", "monitor_loop", option))
            detail = f"{spent / 1e6:.0f} M instructions"
            yield Figure(f"monitor-loop {option}: instructions / python -c pass", spent / reference, LIGHT_GOAL, detail)


def light_paths(data: Path) -> tuple[tuple[str, tuple[str, ...], int], ...]:
    """Name, arguments and exit status of each command that has nothing to do; makes what they need in `data`."""
    stopped = data / "stopped"
    stopped.mkdir()
    (data / "1a2b3c4d").mkdir()
    for root in (data, stopped):
        (root / "monitor-loop.env").write_text(_ENV)
    (stopped / "node.json").write_text(_STOPPED)
    return (
        ("--help", ("--help",), 0),
        ("--version", ("--version",), 0),
        ("lock held", ("--data-root", str(data)), LOCK_HELD),
        ("stopped session", ("--data-root", str(stopped)), 0),
    )


@contextmanager
def held(data: Path, name: str) -> Iterator[None]:
    """The lock of `data`, where the path called `name` is to find it held."""
    if name != "lock held":
        yield
        return
    with Lock.acquire(data / "monitor-loop.lock", "a benchmark", datetime.now(timezone.utc)):
        yield


def _counted(argv: tuple[str, ...], status: int = 0) -> int:
    run(argv, status)  # compiles what it imports
    return instructions(argv, status)
