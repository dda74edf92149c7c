"""A week of ticks, each twenty minutes, through everything that may befall a node, its machine and its monitor.

It is run again in another directory, and every report must be that of the first time, byte for byte. The quick suite
does so with its first two days.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_tick.actions import Act
from tests.simulation.faults import FAULTS
from tests.simulation.week import Week
from tests.simulation.world import quick_rules

pytestmark = pytest.mark.thorough

SEED = 20260509
TICKS = 7 * 24 * 3
TWO_DAYS = 2 * 24 * 3


def a_week(root: Path) -> Week:
    return Week(root, quick_rules(), SEED, ticks=TICKS)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    made = a_week(tmp_path_factory.mktemp("week"))
    made.run()
    print(made.summary())
    return made


def test_two_days_of_it_are_the_same_again(week: Week, tmp_path: Path) -> None:
    again = a_week(tmp_path)
    again.run(until=TWO_DAYS)
    assert len(again.reports) > TWO_DAYS / 2
    assert again.reports == week.reports[: len(again.reports)]


@pytest.mark.system
def test_the_whole_week_is_the_same_again(week: Week, tmp_path: Path) -> None:
    again = a_week(tmp_path)
    again.run()
    assert again.reports == week.reports
    assert again.issues == week.issues


def test_every_fault_came_and_ended_in_a_healthy_node_or_offline_with_a_reason(week: Week) -> None:
    assert {episode.fault.name for episode in week.episodes} == {fault.name for fault in FAULTS}
    for episode in week.episodes:
        *left_down, last = episode.outcomes
        assert last == "healthy", f"{episode.fault.name} of tick {episode.tick}: {episode.outcomes}"
        assert all(outcome.startswith("OFFLINE: ") for outcome in left_down)


def test_no_act_was_done_against_its_preconditions_and_no_node_was_down_without_an_urgent_issue(week: Week) -> None:
    assert week.problems == []


def test_each_finding_has_one_open_issue_and_is_told_once(week: Week) -> None:
    assert week.duplicates == []


def test_no_alert_was_lost(week: Week) -> None:
    assert week.lost == []


def test_nobody_but_a_sick_node_was_signalled_and_never_did_two_run(week: Week) -> None:
    assert week.world.node.wrong_kills == []
    assert week.world.node.second_nodes == []


def test_the_ledger_of_acts_is_whole_and_holds_every_kind_of_act(week: Week) -> None:
    assert week.log_faults == ()
    assert {Act.RELAUNCH, Act.RESTART, Act.WIPE, Act.FALL_BACK, Act.ROLLBACK} <= week.acts_done
