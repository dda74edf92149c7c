"""A week of ticks beside a node that suffers from everything, twice: the same reports, nothing lost or done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.week import Week
from tests.simulation.world import quick_rules


@pytest.mark.parametrize(
    "ticks", [pytest.param(160, id="two days"), pytest.param(504, id="a week", marks=pytest.mark.thorough)]
)
def test_every_fault_ends_well_and_the_same_way_twice(tmp_path: Path, ticks: int) -> None:
    weeks = [Week(tmp_path / name, quick_rules(), seed=1, ticks=ticks) for name in ("first", "second")]
    for week in weeks:
        week.run()
        print(f"\n{week.summary()}")
        assert week.problems == []
        assert week.duplicates == []
        assert week.lost == []
        assert week.world.node.wrong_kills == []
        assert week.world.node.second_nodes == []
        assert week.log_faults == ()
        assert all(episode.outcomes for episode in week.episodes)
    assert weeks[0].reports == weeks[1].reports
    assert len(weeks[0].episodes) >= ticks // 20
