from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_tick.alert import Tier
from monitor_tick.checks.sync import LABEL, judge, needs_second_info
from monitor_tick.facts import Missing, SecondLook
from monitor_tick.memory import LastLedger, Memory, Section, SyncState
from monitor_tick.verdict import Level
from monitor_tick.view import View
from tests.monitor_tick.views import (
    LEDGER,
    LIMITS,
    LIMITS_FILE,
    NOW,
    a_dead_view,
    a_log,
    a_view,
    an_info,
    healthy_memory,
)

MINUTE = timedelta(minutes=1)


def remembering(sync: SyncState | None = None, last: LastLedger | None = None) -> Memory:
    memory = healthy_memory()
    state = msgspec.structs.replace(memory.state, sync=sync)
    return msgspec.structs.replace(memory, state=state, last_ledger=last or memory.last_ledger)


def line(view: View) -> str:
    return judge(view).lines[0]


def remembered(view: View, kind: type[Section]) -> list[Section]:
    return [section for section in judge(view).remember if isinstance(section, kind)]


def test_a_node_in_real_time_sync() -> None:
    verdict = judge(a_view())
    assert (verdict.label, verdict.lines, verdict.level, verdict.alerts) == (LABEL, ("synced",), Level.OK, ())


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (30.0, "synced"),
        (61.0, "SYNC FAILURE (gap=0, age=61s, uptime=1560m)"),
        (None, "SYNC FAILURE (gap=0, age=?s, uptime=1560m)"),
    ],
)
def test_real_time_is_the_age_and_nothing_else(age: float | None, text: str) -> None:
    assert line(a_view(age_seconds=age)) == text


def test_L13_no_gap_and_a_heard_quorum_prove_nothing() -> None:
    verdict = judge(a_view(age_seconds=400.0, gap=0, heard_from_quorum=True))
    assert verdict.lines == ("SYNC FAILURE (gap=0, age=400s, uptime=1560m)",)


def test_L13_a_gap_alone_is_no_failure() -> None:
    assert line(a_view(gap=9, heard_from_quorum=False)) == "synced"


def test_unknown_numbers_are_question_marks() -> None:
    assert line(a_view(age_seconds=None, gap=None)) == "SYNC FAILURE (gap=?, age=?s, uptime=1560m)"


def test_a_failure_is_urgent_and_never_a_mere_warning() -> None:
    trail = ("State transition from=Validating to=Catching Up", "Starting catchup target=62484031")
    verdict = judge(a_view(age_seconds=400.0, gap=20, log=a_log(catchup_trail=trail)))
    assert verdict.level is Level.ACTION
    (alert,) = verdict.alerts
    assert (alert.key, alert.scope, alert.tier, alert.urgent) == ("sync:failure", "restart", Tier.SYNC, True)
    assert alert.title == "SYNC FAILURE: not in real-time sync after 15m (restart)"
    assert alert.diagnosis == "\n".join(trail)
    evidence = dict(alert.evidence)
    assert evidence["gap"] == "20"
    assert evidence["age"] == "400s"
    assert evidence["heard_from_quorum"] == "true"
    assert evidence["state"] == "Validating"


def test_the_evidence_names_what_could_not_be_read() -> None:
    view = a_view(
        age_seconds=None, gap=None, heard_from_quorum=None, log=a_log(heartbeat=None), info=Missing("timed out")
    )
    evidence = dict(judge(view).alerts[0].evidence)
    assert (evidence["age"], evidence["gap"], evidence["heard_from_quorum"]) == ("?s", "?", "?")
    assert evidence["state"] == "? (timed out)"
    assert "latest_ext" not in evidence
    assert judge(a_view(age_seconds=None, log=Missing("permission denied"))).alerts[0].diagnosis == ""


# --- deadlines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "minutes", "deadline"),
    [({}, 15, "15m"), ({"crash_recovery": True}, 60, "60m"), ({"fresh_start": True}, 240, "4h")],
)
def test_L14_each_kind_of_start_has_its_deadline(start: dict[str, object], minutes: int, deadline: str) -> None:
    late = {"age_seconds": 900.0, "gap": 3, "advanced": 10}
    within = judge(a_view(uptime=minutes * MINUTE, **start, **late))
    assert within.lines == (f"CATCHING UP (gap=3, uptime={minutes}m, deadline={deadline})",)
    assert (within.level, within.alerts) == (Level.OK, ())
    beyond = judge(a_view(uptime=minutes * MINUTE + timedelta(seconds=1), **start, **late))
    assert beyond.lines == (f"SYNC FAILURE (gap=3, age=900s, uptime={minutes}m)",)


@pytest.mark.parametrize(
    ("start", "scope"),
    [({}, "restart"), ({"crash_recovery": True}, "crash recovery"), ({"fresh_start": True}, "fresh start")],
)
def test_the_scope_is_the_kind_of_start(start: dict[str, object], scope: str) -> None:
    (alert,) = judge(a_view(uptime=300 * MINUTE, age_seconds=None, advanced=0, **start)).alerts
    assert alert.scope == scope
    assert alert.title.endswith(f"({scope})")


def test_a_fresh_start_counts_from_its_first_launch() -> None:
    view = a_view(fresh_start=True, uptime=5 * MINUTE, unsynced_for=241 * MINUTE, age_seconds=None)
    assert line(view) == "SYNC FAILURE (gap=0, age=?s, uptime=5m)"


@pytest.mark.parametrize(("advanced", "word"), [(500, "CATCHING UP"), (499, "SYNC FAILURE"), (None, "SYNC FAILURE")])
def test_L14_crash_recovery_that_advances_is_left_alone(advanced: int | None, word: str) -> None:
    assert line(a_view(crash_recovery=True, uptime=90 * MINUTE, age_seconds=900.0, advanced=advanced)).startswith(word)


def test_progress_excuses_only_crash_recovery() -> None:
    assert line(a_view(uptime=90 * MINUTE, age_seconds=900.0, advanced=5000)).startswith("SYNC FAILURE")


def test_L18_every_deadline_carries_its_observation() -> None:
    rows = [row for row in LIMITS_FILE.read_text(encoding="utf-8").splitlines() if "deadline_minutes =" in row]
    assert len(rows) == 4
    assert all(len(row.partition("#")[2].strip()) > 10 for row in rows)


# --- the second look ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "gap", "needed"),
    [
        (30.0, 0, False),
        (31.0, 0, True),
        (60.0, 5, True),
        (60.0, None, True),
        (61.0, 0, False),
        (45.0, 6, False),
        (None, 0, False),
    ],
)
def test_only_a_small_age_without_a_gap_needs_a_second_look(age: float | None, gap: int | None, needed: bool) -> None:
    assert needs_second_info(a_view(age_seconds=age, gap=gap)) is needed


@pytest.mark.parametrize(("age", "gap"), [(61.0, 0), (31.0, 6)])
def test_a_large_age_or_a_gap_is_a_failure_at_once(age: float, gap: int) -> None:
    assert line(a_view(age_seconds=age, gap=gap)).startswith("SYNC FAILURE")


def test_no_second_look_where_the_node_is_excused_or_dead() -> None:
    assert not needs_second_info(a_view(age_seconds=45.0, uptime=15 * MINUTE))
    assert not needs_second_info(a_dead_view(age_seconds=45.0))
    assert not needs_second_info(a_view(age_seconds=45.0, memory=remembering(SyncState(late=True))))


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (an_info(age_seconds=31), "SYNC FAILURE (gap=0, age=45s, uptime=1560m)"),
        (an_info(age_seconds=None), "SYNC FAILURE (gap=0, age=45s, uptime=1560m)"),
        (an_info(age_seconds=30), "synced (age=30s, was 45s)"),
        (Missing("timed out"), "late, not confirmed (gap=0, age=45s)"),
        (None, "late, not confirmed (gap=0, age=45s)"),
    ],
)
def test_the_second_look_decides(second: object, text: str) -> None:
    assert line(a_view(age_seconds=45.0, second=SecondLook(info=second))) == text  # type: ignore[arg-type]  # a row


def test_the_previous_tick_confirms_as_well() -> None:
    late = a_view(age_seconds=45.0)
    assert remembered(late, SyncState) == [SyncState(late=True)]
    again = a_view(age_seconds=45.0, memory=remembering(SyncState(late=True)))
    assert line(again).startswith("SYNC FAILURE")


def test_what_was_late_once_is_forgotten_when_it_is_in_time_again() -> None:
    view = a_view(memory=remembering(SyncState(late=True)))
    assert line(view) == "synced"
    assert remembered(view, SyncState) == [SyncState()]


# --- stuck -------------------------------------------------------------------------------------------------------


def standing_still(seconds: int, *, ticks: int = 0) -> Memory:
    return remembering(SyncState(stuck_ticks=ticks), LastLedger(LEDGER, NOW - timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    ("seconds", "uptime", "text"),
    [
        (601, timedelta(hours=2), f"STUCK at L{LEDGER} for 10m"),
        (600, timedelta(hours=2), "synced"),
        (1200, timedelta(seconds=601), f"STUCK at L{LEDGER} for 20m"),
        (1200, timedelta(seconds=600), "synced"),
    ],
)
def test_stuck_is_one_ledger_for_too_long_on_a_process_that_had_its_chance(
    seconds: int, uptime: timedelta, text: str
) -> None:
    assert line(a_view(memory=standing_still(seconds), uptime=uptime)) == text


def test_stuck_is_urgent_when_the_next_full_tick_sees_it_too() -> None:
    first = judge(a_view(memory=standing_still(1200)))
    assert (first.level, first.alerts[0].urgent, first.alerts[0].tier) == (Level.WARNING, False, Tier.WARN)
    assert first.alerts[0].title == "STUCK: no ledger progress"
    assert first.alerts[0].key == "sync:failure"
    assert first.remember == (SyncState(stuck_ticks=1, kind="restart"),)
    again = judge(a_view(memory=standing_still(2400, ticks=1)))
    assert again.alerts[0].urgent
    assert again.remember == (SyncState(stuck_ticks=2, kind="restart"),)


def test_progress_ends_the_count() -> None:
    memory = remembering(SyncState(stuck_ticks=3), LastLedger(LEDGER - 1, NOW - timedelta(hours=1)))
    assert remembered(a_view(memory=memory), SyncState) == [SyncState()]


def test_failure_beats_catching_up_beats_stuck() -> None:
    still = standing_still(1200)
    assert line(a_view(memory=still, age_seconds=1200.0)).startswith("SYNC FAILURE")
    assert line(a_view(memory=still, age_seconds=1200.0, uptime=12 * MINUTE)).startswith("CATCHING UP")


def test_a_failure_says_how_long_the_ledger_stands_and_counts_it() -> None:
    verdict = judge(a_view(memory=standing_still(1200), age_seconds=1200.0))
    assert ("at this ledger for", "20m") in verdict.alerts[0].evidence
    assert verdict.remember == (SyncState(stuck_ticks=1, kind="restart"),)


def test_an_outage_that_outlasts_its_crash_recovery_is_the_same_one() -> None:
    """Two hours after the launch the terms are those of a restart again; the issue is the one that is there."""
    first = judge(a_view(age_seconds=1200.0, uptime=80 * MINUTE, crash_recovery=True, deadline=LIMITS.deadline * 4))
    state = first.remember[-1]
    assert isinstance(state, SyncState)
    assert first.alerts[0].scope == state.kind == "crash recovery"
    again = judge(a_view(age_seconds=1200.0, uptime=140 * MINUTE, memory=remembering(state)))
    assert (again.alerts[0].scope, again.alerts[0].title) == (first.alerts[0].scope, first.alerts[0].title)
    assert again.alerts[0].title == "SYNC FAILURE: not in real-time sync after 60m (crash recovery)"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, ""),
        ({"age_seconds": 1200.0}, "crash recovery"),
        ({"age_seconds": 1200.0, "uptime": 5 * MINUTE}, "crash recovery"),
        ({"age_seconds": 1200.0, "restarted": True}, "restart"),
        ({"age_seconds": 1200.0, "uptime": 5 * MINUTE, "restarted": True}, ""),
    ],
    ids=["synced", "failing", "excused", "started anew", "started anew and excused"],
)
def test_an_outage_ends_in_sync_or_with_its_run(changes: dict[str, object], kind: str) -> None:
    view = a_view(memory=remembering(SyncState(kind="crash recovery")), **changes)
    assert remembered(view, SyncState) == [SyncState(kind=kind)]


# --- what is remembered ------------------------------------------------------------------------------------------


def test_last_ledger_is_rewritten_when_the_ledger_differs_or_was_missing() -> None:
    assert remembered(a_view(), LastLedger) == [LastLedger(LEDGER, NOW)]
    assert remembered(a_view(last_ledger=None), LastLedger) == [LastLedger(LEDGER, NOW)]
    fell_back = LastLedger(LEDGER + 7, NOW - MINUTE)
    assert remembered(a_view(last_ledger=fell_back), LastLedger) == [LastLedger(LEDGER, NOW)]


def test_last_ledger_stays_while_the_ledger_is_the_same_or_unknown() -> None:
    assert remembered(a_view(last_ledger=LastLedger(LEDGER, NOW - MINUTE)), LastLedger) == []
    assert remembered(a_view(ledger=None), LastLedger) == []


def test_an_early_tick_moves_no_count() -> None:
    assert judge(a_view(early=True, memory=standing_still(1200, ticks=1))).remember == ()
    assert judge(a_view(early=True, age_seconds=45.0)).remember == (LastLedger(LEDGER, NOW),)
    assert judge(a_dead_view(early=True)).remember == ()


def test_an_early_tick_does_not_make_stuck_urgent() -> None:
    assert not judge(a_view(early=True, memory=standing_still(1200, ticks=1))).alerts[0].urgent
    assert judge(a_view(early=True, memory=standing_still(1200, ticks=2))).alerts[0].urgent


def test_a_dead_node_is_not_judged() -> None:
    verdict = judge(a_dead_view(memory=standing_still(1200, ticks=2)))
    assert (verdict.lines, verdict.level, verdict.alerts) == (("N/A (no process)",), Level.OK, ())
    assert verdict.remember == (SyncState(),)
