"""A node that is down: which remedy, and for each remedy every near miss, where it must not be done."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.acts import Precondition
from monitor_loop.session import NodeRecord, Restarts, Stopped
from monitor_tick.actions import Act, NodeAction
from monitor_tick.facts import Crashes, Missing, Signal
from monitor_tick.healing import death
from monitor_tick.healing.death import Remedy
from monitor_tick.memory import Damage
from monitor_tick.plan import plan_of
from monitor_tick.verdict import Verdict
from monitor_tick.view import View
from tests.monitor_tick.healing.nodes import (
    FREE,
    GOOD,
    HELD,
    SHA,
    crash,
    crashing,
    dead,
    on_trial,
    record,
    restarted,
    wiped,
)
from tests.monitor_tick.views import LIMITS, NOW, a_config, a_view

EVENT = "end of pid 1"


def remedy(view: View) -> Remedy:
    return death.remedy_of(view, "panic", EVENT)


def act_of(view: View) -> Act | None:
    action = remedy(view).action
    return action.act if action else None


def test_a_dead_node_is_relaunched() -> None:
    action = remedy(dead()).action
    assert action is not None
    assert (action.act, action.launches, action.wipes, action.cause) == (Act.RELAUNCH, True, False, "crashed")
    assert action.is_allowed


NOT_DEAD_ENOUGH = {
    "the lock is held": dead(lock=HELD),
    "the lock is not known": dead(lock=Missing("config unreadable")),
    "node.json is damaged": dead(damaged=(Damage("node.json", "cut off", "node.json.damaged-x"),)),
    "stopped on purpose": dead(node=record(stopped=Stopped(NOW, "op"))),
}


@pytest.mark.parametrize("near", NOT_DEAD_ENOUGH.values(), ids=NOT_DEAD_ENOUGH)
def test_near_misses_of_every_launch_leave_it_down(near: View) -> None:
    assert remedy(near).action is None
    facts = msgspec.structs.replace(near.facts, crashes=Crashes(live=Signal.WIPE, rotated=(crash(20), crash(40))))
    assert remedy(msgspec.structs.replace(near, facts=facts)).action is None


def test_a_damaged_node_record_leaves_it_down_until_an_operator_comes() -> None:
    """The next tick has a whole file again, in which no mark of a stopped node can be."""
    first = remedy(NOT_DEAD_ENOUGH["node.json is damaged"])
    assert first.offline
    later = dead(node=record(offline=first.offline))
    assert remedy(later).action is None
    assert [alert.key for alert in remedy(later).alerts] == ["offline:node-record"]
    assert not all(each.holds for each in death.dead_preconditions(later)), "nor may a deploy or a rebuild launch it"


def test_a_lock_that_somebody_holds_is_an_urgent_issue_that_names_it() -> None:
    (alert,) = remedy(dead(lock=HELD)).alerts
    assert alert.title == "OFFLINE: unidentified process holds /data/mainnet/mainnet.lock"
    assert alert.urgent
    assert ("seen", "held by PID=99 (/opt/other)") in alert.evidence


def test_3a_three_fatal_crashes_are_a_wipe() -> None:
    found = remedy(crashing())
    assert found.action is not None
    assert (found.action.act, found.action.wipes, found.action.launches) == (Act.WIPE, True, True)
    (alert,) = found.alerts
    assert alert.key == "wipe:state"
    assert alert.title == "State wipe after 3 fatal crashes: state failure"


def test_L62_X2_a_crash_at_each_tick_reaches_3a_at_every_cadence() -> None:
    for minutes in (5, 10, 20, 30, 60):
        before = (crash(minutes), crash(2 * minutes))
        assert act_of(crashing(before=before, cadence_seconds=minutes * 60)) is Act.WIPE, minutes


NEAR_3A = {
    "two crashes": crashing(before=(crash(20),)),
    "the third is out of the window": crashing(before=(crash(20), crash(70))),
    "two of them before a wipe that cured": crashing(node=record(wiped_at=NOW - timedelta(minutes=20))),
    "two of them by a clock that was ahead": crashing(before=(crash(-20), crash(-40))),
    "the newest says nothing": crashing(live=Signal.NONE),
    "the newest is a livelock": crashing(live=Signal.LIVELOCK),
    "a fresh start": crashing(fresh_start=True),
}


@pytest.mark.parametrize("near", NEAR_3A.values(), ids=NEAR_3A)
def test_near_misses_of_3a_only_relaunch(near: View) -> None:
    assert act_of(near) is Act.RELAUNCH


def test_a_wipe_is_refused_where_database_and_buckets_lie_apart() -> None:
    apart = a_config(buckets=a_config().database.parent.parent / "elsewhere" / "buckets")
    found = remedy(crashing(config=apart))
    assert found.action is None
    assert found.alerts[0].key == "offline:wipe-refused"


def test_a_wipe_that_would_find_an_open_file_is_refused_before_anything_is_moved() -> None:
    held = Precondition("open files", "none", "PID=9 holds mainnet.db", holds=False)
    found = remedy(crashing(wipe_ground=(held,)))
    assert found.action is None
    assert found.alerts[0].title == "OFFLINE: the wipe is refused: open files"
    assert ("seen", "PID=9 holds mainnet.db") in found.alerts[0].evidence


def test_an_issue_about_an_act_is_filed_only_by_the_tick_that_does_it() -> None:
    found = remedy(crashing())
    verdict = Verdict(label="node", lines=("x",), alerts=found.alerts, wants=found.action)
    assert [filing.alert.key for filing in plan_of([verdict], early=False).filings] == ["wipe:state"]
    assert plan_of([verdict], early=True).filings == ()
    first = Verdict(label="wipe", lines=("x",), wants=NodeAction(Act.REBUILD, "gone"))
    assert plan_of([verdict, first], early=False).filings == ()


def test_planned_rotations_are_no_crashes() -> None:
    assert act_of(crashing(before=())) is Act.RELAUNCH


def test_a_log_that_was_rotated_before_the_tick_died_still_counts() -> None:
    found = remedy(crashing(live=None, before=(crash(1), crash(20), crash(40))))
    assert found.action is not None
    assert found.action.act is Act.WIPE


def test_L63_a_recurrence_after_a_wipe_quarantines_the_build_and_runs_the_last_good_one() -> None:
    found = remedy(crashing(node=wiped()))
    assert found.action is not None
    assert (found.action.act, found.action.quarantines, found.action.installs) == (Act.FALL_BACK, SHA, GOOD)
    assert found.action.launches
    assert not found.action.wipes
    assert found.offline == ""
    assert found.alerts[0].title == f"OFFLINE: post-wipe recurrence on {SHA[:8]} — binary quarantined"


def test_L63_without_another_build_it_stays_down() -> None:
    for kept, good in (((SHA,), GOOD), ((SHA,), SHA), ((SHA, GOOD), "")):
        node = msgspec.structs.replace(wiped(), last_good_sha=good)
        found = remedy(crashing(node=node, kept=kept))
        assert found.action is not None
        assert not found.action.launches
        assert found.action.installs == ""
        assert found.offline == "", "it is left down once that was done"


def test_L63_without_a_known_sha_nothing_is_quarantined_and_it_is_said() -> None:
    found = remedy(crashing(node=msgspec.structs.replace(wiped(), deployed_sha=""), build_sha=""))
    assert found.action is not None
    assert found.action.quarantines == ""
    assert "no sha known" in found.alerts[0].title


def test_the_sha_that_an_earlier_tick_was_told_is_quarantined_where_the_file_is_gone() -> None:
    found = remedy(crashing(node=wiped(), build_sha=""))
    assert found.action is not None
    assert found.action.quarantines == SHA


def test_L63_what_a_tick_that_died_had_installed_is_not_the_build_that_recurred() -> None:
    """build_sha names the last good build already, and it has not run."""
    for live, before in ((Signal.WIPE, ()), (None, (crash(1),))):
        found = remedy(crashing(live=live, before=before, node=wiped(), build_sha=GOOD))
        assert found.action is not None
        assert (found.action.act, found.action.quarantines, found.action.installs) == (Act.FALL_BACK, SHA, GOOD)


def test_a_crash_of_before_the_wipe_is_no_recurrence() -> None:
    assert act_of(crashing(live=None, before=(crash(30),), node=wiped(20))) is Act.RELAUNCH


def test_another_crash_after_a_wipe_is_no_recurrence() -> None:
    assert act_of(crashing(live=Signal.NONE, node=wiped(), before=())) is Act.RELAUNCH


@pytest.mark.parametrize(
    ("count", "waited", "act"),
    [
        (0, 0, True),
        (2, 0, True),
        (3, 0, False),
        (3, 3, False),
        (3, 4, True),
        (4, 8, False),
        (4, 9, True),
        (5, 9, False),
    ],
)
def test_the_restart_budget(count: int, waited: int, act: bool) -> None:
    found = remedy(dead(node=restarted(count, waited)))
    assert (found.action is not None) is act
    assert (found.offline != "") is (count == 5)


def test_a_spent_budget_is_an_urgent_issue_and_stays() -> None:
    found = remedy(dead(node=restarted(5)))
    assert found.offline == "restart budget spent"
    again = remedy(dead(node=record(offline=found.offline, restarts=Restarts(count=5))))
    assert again.action is None
    assert again.alerts[0].key == found.alerts[0].key == "offline:restart-budget"


def test_what_was_left_down_for_good_is_neither_relaunched_nor_wiped_nor_quarantined_again() -> None:
    for node in (record(offline="restart budget spent"), msgspec.structs.replace(wiped(), offline="post-wipe x")):
        assert remedy(crashing(node=node)).action is None


def test_a_node_left_down_after_a_recurrence_is_told_in_the_issue_of_the_recurrence() -> None:
    node = msgspec.structs.replace(wiped(), last_good_sha="")
    first = remedy(crashing(node=node, kept=()))
    later = remedy(dead(node=msgspec.structs.replace(node, offline=death.recurrence_words(SHA))))
    assert [(alert.key, alert.scope) for alert in (*first.alerts, *later.alerts)] == [
        ("offline:recurrence", "recurrence"),
        ("offline:recurrence", "recurrence"),
    ]


def test_a_build_on_trial_is_not_simply_relaunched() -> None:
    assert remedy(dead(node=on_trial())).action is None


SIGNALS = st.sampled_from([None, *Signal])
RECORDS = st.builds(
    NodeRecord,
    deployed_sha=st.sampled_from(["", SHA]),
    last_good_sha=st.sampled_from(["", SHA, GOOD]),
    restarts=st.builds(Restarts, count=st.integers(0, 6), waited=st.integers(0, 12)),
    wipes=st.sampled_from([(), wiped(5).wipes, wiped(500).wipes]),
    offline=st.sampled_from(["", "restart budget spent"]),
    trial=st.sampled_from([None, on_trial().trial]),
    stopped=st.sampled_from([None, Stopped(NOW, "op")]),
)


@given(
    live=SIGNALS,
    ages=st.lists(st.integers(1, 200), max_size=5),
    rotated=SIGNALS,
    node=RECORDS,
    lock=st.sampled_from([FREE, HELD, Missing("x")]),
    fresh=st.booleans(),
    kept=st.sampled_from([(), (SHA,), (SHA, GOOD)]),
    apart=st.booleans(),
)
def test_no_remedy_has_a_precondition_that_does_not_hold(  # noqa: PLR0917  (hypothesis gives each by its name)
    live: Signal | None,
    ages: list[int],
    rotated: Signal | None,
    node: NodeRecord,
    lock: object,
    fresh: bool,
    kept: tuple[str, ...],
    apart: bool,
) -> None:
    before = tuple(crash(age, rotated or Signal.NONE) for age in sorted(ages))
    config = a_config(buckets=a_config().database.parent.parent / "b") if apart else a_config()
    view = crashing(live=live, before=before, node=node, lock=lock, fresh_start=fresh, kept=kept, config=config)
    action = remedy(view).action
    if action is None:
        return
    assert action.is_allowed
    assert lock is FREE
    assert node.stopped is None
    if action.wipes:
        assert not fresh
        assert not apart
        assert not node.wipes
        assert Signal.LIVELOCK is not live
    if action.installs:
        assert action.installs in kept
        assert action.installs != action.quarantines


def test_the_budget_ends_after_five_relaunches() -> None:
    assert LIMITS.restarts_before_backoff + len(LIMITS.backoff_ticks) == 5


def test_a_node_that_is_alive_has_no_dead_preconditions() -> None:
    assert not all(each.holds for each in death.dead_preconditions(a_view(lock=FREE)))
