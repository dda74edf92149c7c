"""A node that runs and does not work: frozen, or alive after a fatal failure; and every near miss."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_tick.actions import Act
from monitor_tick.confirm import what_to_confirm
from monitor_tick.facts import Crashes, Missing, SecondLook, Signal
from monitor_tick.healing import alive
from monitor_tick.healing.death import recurrence_words
from monitor_tick.memory import LastLedger
from monitor_tick.view import View
from tests.monitor_tick.healing.nodes import (
    FREEZE,
    GOOD,
    SHA,
    SILENT,
    STUCK_BEFORE,
    crash,
    frozen,
    restarted,
    stuck,
    wiped,
)
from tests.monitor_tick.views import LEDGER, NOW, a_config, a_log, a_process, a_view, an_info

OLD_FREEZE = msgspec.structs.replace(FREEZE, last=NOW - timedelta(seconds=121))
LIVELOCKED = Crashes(live=Signal.LIVELOCK, blocked_seconds=400)
STILL = LastLedger(LEDGER, NOW - timedelta(minutes=30))


def act_of(view: View) -> Act | None:
    remedy = alive.remedy_of(view)
    return remedy.action.act if remedy and remedy.action else None


def test_a_healthy_node_needs_nothing() -> None:
    assert alive.remedy_of(a_view()) is None


def test_L10_3b_a_frozen_event_loop_is_one_urgent_issue_and_one_restart() -> None:
    remedy = alive.remedy_of(frozen())
    assert remedy is not None
    assert remedy.action is not None
    assert (remedy.action.act, remedy.action.cause, remedy.action.wipes) == (Act.RESTART, "frozen", False)
    assert remedy.action.is_allowed
    (alert,) = remedy.alerts
    assert (alert.key, alert.urgent) == ("process:wedge", True)
    assert alert.title.startswith("Node wedged: event loop frozen in ")


NEAR_3B = {
    "/info answers": frozen(info=an_info()),
    "/info answers on the second look": frozen(second=SecondLook(info=an_info())),
    "no second look": frozen(second=None),
    "the freeze line is old": frozen(entry=OLD_FREEZE),
    "the freeze line is of the run before": frozen(entry=msgspec.structs.replace(FREEZE, previous_run=True)),
    "no freeze line": frozen(entry=None),
}


@pytest.mark.parametrize("near", NEAR_3B.values(), ids=NEAR_3B)
def test_near_misses_of_3b_touch_nothing(near: View) -> None:
    assert alive.remedy_of(near) is None


def test_a_ledger_that_stands_on_two_ticks_with_http_silent_is_a_wedge_too() -> None:
    assert act_of(frozen(entry=None, state=STUCK_BEFORE, last_ledger=STILL)) is Act.RESTART


MUTE = a_log(read_bytes=0, heartbeat=None, earlier_heartbeat=None, closed_ledger=None, close_time=None)
LATE = timedelta(minutes=20)


def hung(**changes: object) -> View:
    """It never got to its main loop, and says nothing."""
    unknown = {"ledger": None, "age_seconds": None, "in_real_time": False, "advanced": None}
    return frozen(**{"log": MUTE, "uptime": LATE, **unknown, **changes})


def test_a_node_that_hangs_in_its_start_past_its_deadline_is_a_wedge() -> None:
    assert act_of(hung()) is Act.RESTART
    assert what_to_confirm(hung(second=None)).info


NEAR_HUNG = {
    "/info answers": hung(info=an_info()),
    "/info answers on the second look": hung(second=SecondLook(info=an_info())),
    "within its deadline": hung(uptime=timedelta(minutes=15)),
    "within the deadline of its recovery": hung(crash_recovery=True),
    "within the deadline of a fresh start": hung(fresh_start=True),
    "it logged something": hung(log=msgspec.structs.replace(MUTE, read_bytes=1)),
    "its log is read for the first time": hung(log=msgspec.structs.replace(MUTE, first_tick=True)),
    "its log cannot be read": hung(log=Missing("monitor.log: no such file")),
    "its log is elsewhere": hung(process=a_process(LATE, stdout="/var/log/henyey.log")),
    "a ledger is known": hung(ledger=LEDGER),
    "early": hung(early=True),
}


@pytest.mark.parametrize("near", NEAR_HUNG.values(), ids=NEAR_HUNG)
def test_near_misses_of_a_node_that_hangs_in_its_start_touch_nothing(near: View) -> None:
    assert act_of(near) is None


def test_a_possible_wedge_asks_for_a_second_look() -> None:
    assert what_to_confirm(frozen(second=None)).info
    assert not what_to_confirm(a_view()).info


def test_L64_3c_alive_after_a_fatal_failure_is_a_wipe() -> None:
    remedy = alive.remedy_of(stuck())
    assert remedy is not None
    assert remedy.action is not None
    assert (remedy.action.act, remedy.action.wipes, remedy.action.cause) == (Act.WIPE, True, "crashed")
    assert remedy.action.is_allowed
    assert remedy.alerts[0].title == "Soft-fail state wipe: fatal_state_failure stuck for 10m"


def test_3c_takes_the_evidence_of_a_rotated_log_too() -> None:
    assert act_of(stuck(crashes=Crashes(live=Signal.NONE, rotated=(crash(90),), blocked_seconds=400))) is Act.WIPE


def test_3c_after_a_livelock_restarts_and_wipes_nothing() -> None:
    remedy = alive.remedy_of(stuck(crashes=Crashes(live=Signal.LIVELOCK, blocked_seconds=400)))
    assert remedy is not None
    assert remedy.action is not None
    assert (remedy.action.act, remedy.action.wipes) == (Act.RESTART, False)


def test_3c_after_a_livelock_an_old_crash_is_no_evidence_of_corrupt_state() -> None:
    """Its data may have been wiped since, and cured."""
    old = (crash(60 * 24 * 30),)
    assert act_of(stuck(crashes=Crashes(live=Signal.LIVELOCK, rotated=old, blocked_seconds=400))) is Act.RESTART


NEAR_3C = {
    "not blocked any more": stuck(crashes=Crashes(live=Signal.WIPE)),
    "no fatal evidence": stuck(crashes=Crashes(live=Signal.NONE, blocked_seconds=600)),
    "a fresh start": stuck(fresh_start=True),
    "it advances": stuck(advanced=1),
    "nobody knows whether it advances": stuck(advanced=None),
    "wiped already, and no new evidence": stuck(
        node=wiped(), crashes=Crashes(live=Signal.NONE, rotated=(crash(90),), blocked_seconds=600)
    ),
    "wiped already, and it advances": stuck(node=wiped(), advanced=1),
    "database and buckets lie apart": stuck(config=a_config(buckets=a_config().database.parent.parent / "b")),
    "it advances after a livelock": stuck(crashes=Crashes(live=Signal.LIVELOCK, blocked_seconds=600), advanced=3),
}


@pytest.mark.parametrize("near", NEAR_3C.values(), ids=NEAR_3C)
def test_near_misses_of_3c_touch_nothing(near: View) -> None:
    assert act_of(near) is None


def test_L63_3c_after_a_wipe_that_did_not_cure_leaves_the_build_and_no_data_is_touched() -> None:
    remedy = alive.remedy_of(stuck(node=wiped(), kept=(SHA, GOOD), info=an_info(commit_hash=SHA)))
    assert remedy is not None
    action = remedy.action
    assert action is not None
    assert (action.act, action.quarantines, action.installs, action.launches, action.wipes) == (
        (Act.FALL_BACK, SHA, GOOD, True, False)
    )
    assert [(alert.key, alert.urgent) for alert in remedy.alerts] == [("offline:recurrence", True)]


def test_3c_after_a_wipe_without_another_build_is_told_and_the_node_is_left_as_it_is() -> None:
    remedy = alive.remedy_of(stuck(node=wiped(), kept=(SHA,), info=an_info(commit_hash=SHA)))
    assert remedy is not None
    assert remedy.action is not None
    assert (remedy.action.quarantines, remedy.action.launches) == (SHA, False)
    told = msgspec.structs.replace(wiped(), offline=recurrence_words(SHA))
    after = alive.remedy_of(stuck(node=told, kept=(SHA,), info=an_info(commit_hash=SHA)))
    assert after is not None
    assert (after.action, after.line) == (None, f"SOFT FAIL — post-wipe recurrence on {SHA[:8]}, left as it is")


def test_what_keeps_a_corrupt_node_from_its_wipe_is_said() -> None:
    remedy = alive.remedy_of(stuck(fresh_start=True))
    assert remedy is not None
    assert remedy.line == "SOFT FAIL — fatal state failure, blocked for 10m, not touched: fresh start is yes"
    assert [action.act for action in remedy.considered] == [Act.WIPE]


def test_silence_alone_is_no_wedge() -> None:
    assert not alive.may_be_wedged(a_view(info=SILENT))


@pytest.mark.parametrize(("count", "acts", "spent"), [(2, True, False), (3, False, False), (5, False, True)])
def test_a_node_that_freezes_after_each_start_is_not_stopped_for_ever(count: int, acts: bool, spent: bool) -> None:
    for view in (frozen(node=restarted(count)), stuck(crashes=LIVELOCKED, node=restarted(count))):
        remedy = alive.remedy_of(view)
        assert remedy is not None
        assert (remedy.action is not None) is acts
        assert ("offline:restart-budget" in [alert.key for alert in remedy.alerts]) is spent


def test_a_restart_of_a_livelock_is_an_issue() -> None:
    remedy = alive.remedy_of(stuck(crashes=LIVELOCKED))
    assert remedy is not None
    assert [(alert.key, alert.urgent) for alert in remedy.alerts] == [("process:livelock", True)]
