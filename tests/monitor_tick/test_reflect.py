"""self_reflect: each fault of the monitor is found, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor_tick.alert import Alert, Tier
from monitor_tick.memory import Damage, FiringState, State, UrgentState
from monitor_tick.reflect import reflect
from monitor_tick.verdict import Level, Verdict
from tests.monitor_tick.views import NOW, a_view

SYNCED = Verdict(label="sync", lines=("synced",))


def firing(key: str, tier: Tier = Tier.WARN) -> Verdict:
    return Verdict(label="metrics", lines=("1 alerts",), alerts=(Alert(key=key, scope="row", title=key, tier=tier),))


def faults(view: object, *verdicts: Verdict) -> str:
    return reflect(view, verdicts).lines[0]  # type: ignore[arg-type]  # a_view's words are checked by a_view


def test_a_healthy_tick_is_clean() -> None:
    verdict = reflect(a_view(), (SYNCED,))
    assert (verdict.lines, verdict.level) == (("clean",), Level.OK)


def test_L82_a_damaged_state_file_is_named_with_where_it_went() -> None:
    view = a_view(damaged=(Damage("state.json", "checksum", "state.json.damaged-x"),))
    assert faults(view, SYNCED) == "state.json unreadable (checksum), kept as state.json.damaged-x"
    assert reflect(view, ()).level is Level.WARNING


def test_an_interrupted_commit_is_told() -> None:
    assert "died inside its commit" in faults(a_view(finished_journal=True))


def test_X10_skipped_ticks_are_counted() -> None:
    assert faults(a_view(skipped_ticks=2)) == "2 tick(s) skipped: the lock was held"


@pytest.mark.parametrize(("seconds", "late"), [(1800, False), (1801, True)])
def test_a_late_tick_is_one_beyond_one_and_a_half_cadences(seconds: int, late: bool) -> None:
    assert (faults(a_view(interval=timedelta(seconds=seconds))) != "clean") is late


def test_an_overlong_tick_is_told_by_the_next_one() -> None:
    assert "over its deadline" in faults(a_view(last_status="OVERLONG"))


def test_lines_that_contradict_each_other_are_a_defect() -> None:
    assert "contradiction" in faults(a_view(age_seconds=31.0), SYNCED)
    assert "contradiction" in faults(a_view(age_seconds=None, in_real_time=False), SYNCED)
    assert faults(a_view(age_seconds=30.0), SYNCED) == "clean"


def test_a_crashed_check_is_among_the_faults() -> None:
    crashed = Verdict(label="disk", lines=("ERROR",), reflections=("check disk crashed: KeyError",))
    assert faults(a_view(), crashed) == "check disk crashed: KeyError"


def test_L26_an_alarm_that_fires_for_24_hours_is_stuck() -> None:
    since = FiringState(since=(("metric:x", NOW - timedelta(hours=24)),))
    view = a_view(state=State(firing=since))
    assert faults(view, firing("metric:x")) == "stuck firing: metric:x for 24h"
    young = a_view(state=State(firing=FiringState(since=(("metric:x", NOW - timedelta(hours=23, minutes=59)),))))
    assert faults(young, firing("metric:x")) == "clean"


def test_a_gap_between_ticks_is_no_firing() -> None:
    since = State(firing=FiringState(since=(("metric:x", NOW - timedelta(hours=25)),)))
    view = a_view(state=since, interval=timedelta(hours=24))
    assert "stuck firing" not in faults(view, firing("metric:x"))


def test_the_line_is_bounded_whatever_a_check_says() -> None:
    flood = Verdict(label="metrics", lines=("x",), reflections=tuple(f"{n}" * 400 for n in range(1000)))
    assert len(faults(a_view(), flood)) < 31 * 302


def test_what_stops_firing_starts_anew_and_an_early_tick_moves_nothing() -> None:
    view = a_view(state=State(firing=FiringState(since=(("metric:x", NOW - timedelta(hours=30)),))))
    assert reflect(view, ()).remember == (FiringState(), UrgentState())
    assert reflect(view, (firing("metric:y"),)).remember[0] == FiringState(since=(("metric:y", NOW),))
    assert reflect(a_view(early=True), (firing("metric:y"),)).remember == ()
