"""The beginning of such a week in every run of the tests: nothing lost, nothing done twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.simulation.week import Week
from tests.simulation.world import quick_rules


def test_every_fault_ends_well(tmp_path: Path, tell: Callable[[str], None]) -> None:
    run = Week(tmp_path, quick_rules(), 1, ticks=144)
    run.run()
    tell(run.summary())
    assert (run.problems, run.duplicates, run.lost, run.log_faults) == ([], [], [], ())
    assert (run.world.node.wrong_kills, run.world.node.second_nodes) == ([], [])
    assert all(episode.outcomes for episode in run.episodes)
    assert len(run.episodes) > 5
