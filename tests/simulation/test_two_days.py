"""The beginning of such a week in every run of the tests: the same reports twice, nothing lost, nothing done twice."""

from __future__ import annotations

from pathlib import Path

from tests.simulation.week import Week
from tests.simulation.world import quick_rules


def test_every_fault_ends_well_and_the_same_way_twice(tmp_path: Path) -> None:
    runs = [Week(tmp_path / name, quick_rules(), 1, ticks=144) for name in ("first", "second")]
    for run in runs:
        run.run()
        assert (run.problems, run.duplicates, run.lost, run.log_faults) == ([], [], [], ())
        assert (run.world.node.wrong_kills, run.world.node.second_nodes) == ([], [])
        assert all(episode.outcomes for episode in run.episodes)
    print(runs[0].summary())
    assert runs[0].reports == runs[1].reports
    assert len(runs[0].episodes) > 5
