"""Row 9: how often a quiet tick waits for the disk."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.commands import Notes, witnessed
from tests.benchmarks.figures import Effort, Figure
from tests.benchmarks.world import MB, World, world

STATE_FILES = (
    "state.json",
    "last_ledger",
    "metrics/current.prom",
    "metrics/prev.prom",
    "metrics/ratio_snapshot",
    "metrics/counter_streak_snapshot",
    "../node.json",
)
MORE_FSYNCS = 6


def durability(_: Effort) -> Iterator[Figure]:
    with world(10 * MB) as quiet:
        fsyncs, written, _notes = quiet_tick(quiet)
    detail = f"{fsyncs} fsyncs, {written} state files written"
    yield Figure("durability: fsyncs of a quiet tick / (state files + 6)", fsyncs / (written + MORE_FSYNCS), 1, detail)


def quiet_tick(quiet: World) -> tuple[int, int, Notes]:
    """The fsyncs of the tick's process, how many state files it replaced, and what else was noted."""
    before = _inodes(quiet)
    notes = witnessed("monitor_tick.cli:main", *quiet.arguments)
    return notes.fsyncs, len(_inodes(quiet) - before), notes


def _inodes(quiet: World) -> set[tuple[str, int]]:
    """A replaced file has another inode."""
    paths = ((name, quiet.session.directory / name) for name in STATE_FILES)
    return {(name, path.stat().st_ino) for name, path in paths if path.exists()}
