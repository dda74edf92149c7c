"""A week of ticks, one in twenty minutes, through everything that may befall a node, its machine and its monitor.

It is run twice, and every report and issue must be the same, byte for byte. test_two_days.py is as much of it as the
quick suite has time for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monitor_tick.actions import Act
from tests.simulation.faults import FAULTS
from tests.simulation.week import Week
from tests.simulation.world import quick_rules

pytestmark = pytest.mark.thorough

SEED = 20260509
TICKS = 7 * 24 * 3
REMEDIES = set(Act) - {Act.DEPLOY}
"""There is no checkout to deploy from: tests/end_to_end/test_deploying.py has one."""


def test_a_week_of_everything_that_may_befall_a_node_is_survived_and_the_same_again(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """One test, and not one for each of its claims: the week is what costs time."""
    week, again = (Week(tmp_path / name, quick_rules(), SEED, ticks=TICKS) for name in ("first", "again"))
    week.run()
    tell(week.summary())
    assert {episode.fault.name for episode in week.episodes} == {fault.name for fault in FAULTS}
    assert week.acts_done >= REMEDIES
    assert_all_went_well(week)
    again.run()
    assert again.reports == week.reports
    assert again.issues == week.issues


@pytest.mark.parametrize("seed", range(2, 5))
def test_another_week_is_survived_as_well(tmp_path: Path, seed: int, tell: Callable[[str], None]) -> None:
    week = Week(tmp_path, quick_rules(), seed, ticks=TICKS)
    week.run()
    tell(week.summary())
    assert_all_went_well(week)


def assert_all_went_well(week: Week) -> None:
    for episode in week.episodes:
        *left_down, last = episode.outcomes
        assert last == "healthy", f"{episode.fault.name} of tick {episode.tick}: {episode.outcomes}"
        assert all(outcome.startswith("OFFLINE: ") for outcome in left_down)
    assert week.problems == []  # acts against their preconditions, a node that is down without an urgent issue
    assert week.duplicates == []
    assert week.lost == []
    assert week.world.node.wrong_kills == []
    assert week.world.node.second_nodes == []
    assert week.log_faults == ()
