"""Real-time sync, warm-up, fresh start, crash recovery, deadlines: each definition from both sides."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_loop.session import Identity, NodeRecord
from monitor_tick.facts import Directories, Facts, Missing, Rotation
from monitor_tick.memory import Memory, PhaseState, State, TickState
from monitor_tick.metrics import Scrape
from monitor_tick.phase import Phase, node_record_of, phase_of, standing_of, tick_state_of
from tests.monitor_tick.views import (
    CADENCE,
    DEAD,
    IDENTITY,
    LEDGER,
    LIMITS,
    NOW,
    a_heartbeat,
    a_log,
    a_process,
    a_session,
    an_info,
    healthy_facts,
    healthy_memory,
)

SILENT = Missing("connection refused")
MINUTE = timedelta(minutes=1)


def facts_with(**changes: object) -> Facts:
    return msgspec.structs.replace(healthy_facts(), **changes)


def memory_with(phase: PhaseState | None = None, *, full_ago: timedelta = CADENCE, **changes: object) -> Memory:
    tick = TickState(at=NOW - full_ago, full_at=NOW - full_ago, identity=IDENTITY)
    return msgspec.structs.replace(healthy_memory(), state=State(tick=tick, phase=phase), **changes)


def phase_with(facts: Facts, memory: Memory) -> Phase:
    return phase_of(a_session(), facts, memory, standing_of(facts, LIMITS), LIMITS)


def lagging(uptime: timedelta, **changes: object) -> Facts:
    """A live node whose last ledger closed two minutes ago."""
    return facts_with(process=a_process(uptime), info=an_info(age_seconds=120), **changes)


def with_rotation(cause: str) -> tuple[Rotation, ...]:
    return (Rotation(Path(f"/data/1a2b3c4d/logs/monitor.log.{cause}-x"), cause, NOW - 5 * MINUTE),)


# --- standing ----------------------------------------------------------------------------------------------------


def test_ledger_comes_from_the_heartbeat_then_info_then_rpc() -> None:
    facts = healthy_facts()
    assert standing_of(facts, LIMITS).ledger == LEDGER
    facts = facts_with(log=a_log(heartbeat=None), info=an_info(ledger=7))
    assert standing_of(facts, LIMITS).ledger == 7
    facts = facts_with(log=a_log(heartbeat=None), info=SILENT)
    assert standing_of(facts, LIMITS).ledger == LEDGER
    assert standing_of(facts_with(log=SILENT, info=SILENT, rpc=SILENT), LIMITS).ledger is None


@pytest.mark.parametrize(("seconds", "fresh"), [(60, True), (61, False)])
def test_a_heartbeat_of_more_than_a_minute_ago_yields_to_info(seconds: int, fresh: bool) -> None:
    old = a_log(heartbeat=a_heartbeat(at=NOW - timedelta(seconds=seconds), ledger=LEDGER - 100, latest_ext=LEDGER - 90))
    standing = standing_of(facts_with(log=old), LIMITS)
    assert (standing.ledger, standing.gap) == ((LEDGER - 100, 10) if fresh else (LEDGER, None))
    frozen = facts_with(log=old, info=SILENT, rpc=SILENT)
    assert standing_of(frozen, LIMITS).ledger == LEDGER - 100


def test_ledger_1_is_unknown_not_a_place() -> None:
    facts = facts_with(log=a_log(heartbeat=None), info=an_info(ledger=1), rpc=SILENT)
    assert standing_of(facts, LIMITS).ledger is None


def test_L13_gap_0_and_a_heard_quorum_do_not_make_a_node_synced() -> None:
    facts = facts_with(log=a_log(heartbeat=a_heartbeat(heard_from_quorum=True)), info=an_info(age_seconds=31))
    standing = standing_of(facts, LIMITS)
    assert (standing.gap, standing.heard_from_quorum, standing.in_real_time) == (0, True, False)


@pytest.mark.parametrize(("age", "synced"), [(0, True), (30, True), (31, False)])
def test_real_time_sync_ends_above_30_seconds(age: int, synced: bool) -> None:
    assert standing_of(facts_with(info=an_info(age_seconds=age)), LIMITS).in_real_time is synced


def test_age_of_the_rpc_answer_comes_first_where_a_node_reports_it() -> None:
    rpc = msgspec.structs.replace(healthy_facts().rpc, age_seconds=44)
    assert standing_of(facts_with(rpc=rpc), LIMITS).age_seconds == 44


def test_age_falls_back_to_the_metric_and_then_to_the_close_time_in_the_log() -> None:
    samples = {("stellar_ledger_sequence", ()): float(LEDGER), ("stellar_ledger_age_current_seconds", ()): 9.0}
    scrape = Scrape(IDENTITY, NOW, {}, samples)
    assert standing_of(facts_with(info=SILENT, scrape=scrape), LIMITS).age_seconds == 9
    facts = facts_with(info=SILENT, scrape=SILENT, log=a_log(close_time=NOW - timedelta(seconds=71)))
    assert standing_of(facts, LIMITS).age_seconds == 71


def test_age_is_unknown_before_the_first_close_and_not_0() -> None:
    unknown = an_info(ledger=1, age_seconds=None, close_time=None, state="Initializing")
    samples = {("stellar_ledger_sequence", ()): 1.0, ("stellar_ledger_age_current_seconds", ()): 0.0}
    facts = facts_with(info=unknown, scrape=Scrape(IDENTITY, NOW, {}, samples), log=a_log(heartbeat=None))
    assert standing_of(facts, LIMITS).age_seconds is None
    assert not standing_of(facts, LIMITS).in_real_time
    facts = msgspec.structs.replace(facts, info=SILENT, log=a_log(heartbeat=None, close_time=None))
    assert standing_of(facts, LIMITS).age_seconds is None


# --- early ticks and restarts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ago", "early"), [(599, True), (600, False), (1200, False)])
def test_a_tick_is_early_below_half_a_cadence(ago: int, early: bool) -> None:
    assert phase_with(healthy_facts(), memory_with(full_ago=timedelta(seconds=ago))).early is early


def test_a_clock_that_went_back_does_not_make_every_tick_early() -> None:
    phase = phase_with(healthy_facts(), memory_with(full_ago=-timedelta(days=1)))
    assert not phase.early
    assert phase.interval is None


def test_L05_another_pid_start_or_boot_is_a_restart() -> None:
    for identity in (
        Identity(1, 990_000, "5b2b4f0a-boot"),
        Identity(4711, 1, "5b2b4f0a-boot"),
        Identity(4711, 990_000, "x"),
    ):
        facts = facts_with(process=a_process(identity=identity))
        assert phase_with(facts, memory_with()).restarted
    assert not phase_with(healthy_facts(), memory_with()).restarted


@pytest.mark.parametrize(("uptime", "restarted"), [(14 * MINUTE, True), (15 * MINUTE, False)])
def test_a_first_tick_is_a_restart_only_on_a_young_process(uptime: timedelta, restarted: bool) -> None:
    facts = facts_with(process=a_process(uptime))
    assert phase_with(facts, Memory()).restarted is restarted


def test_warm_up_is_the_tick_of_the_restart_and_the_next_one() -> None:
    young = facts_with(process=a_process(10 * MINUTE))
    first = phase_with(young, Memory())
    assert first.warming_up
    second = phase_with(young, memory_with(first.remember))
    assert second.warming_up
    assert not phase_with(young, memory_with(second.remember)).warming_up


def test_an_early_tick_leaves_the_last_full_one_as_it_was() -> None:
    memory = memory_with(full_ago=5 * MINUTE)
    other = facts_with(process=a_process(identity=Identity(9, 9, "b")))
    phase = phase_with(other, memory)
    assert tick_state_of(other, memory, phase) == TickState(at=NOW, full_at=NOW - 5 * MINUTE, identity=IDENTITY)
    full = memory_with()
    assert tick_state_of(other, full, phase_with(other, full)).identity == Identity(9, 9, "b")


def test_a_tick_on_a_dead_node_still_knows_which_run_was_the_last() -> None:
    dead = facts_with(process=DEAD)
    memory = memory_with()
    assert tick_state_of(dead, memory, phase_with(dead, memory)).identity == IDENTITY


# --- fresh start -------------------------------------------------------------------------------------------------

NO_DATABASE = Directories(session=True, mainnet=True, database=False, env_age_seconds=60, alive_age_seconds=60)


def test_fresh_start_while_the_database_is_absent_and_not_in_sync() -> None:
    assert phase_with(lagging(2 * MINUTE, directories=NO_DATABASE), Memory()).fresh_start
    assert not phase_with(lagging(2 * MINUTE), Memory()).fresh_start


def test_fresh_start_outlives_the_file_that_the_node_creates_at_once() -> None:
    first = lagging(2 * MINUTE, directories=NO_DATABASE)
    node = node_record_of(first, Memory(), phase_with(first, Memory()))
    assert node.fresh_start_since == NOW
    later = msgspec.structs.replace(lagging(30 * MINUTE), at=NOW + CADENCE)
    memory = msgspec.structs.replace(memory_with(), node=node)
    phase = phase_with(later, memory)
    assert phase.fresh_start
    assert (phase.deadline, phase.unsynced_for) == (timedelta(hours=4), CADENCE)


def test_fresh_start_ends_for_good_in_real_time_sync() -> None:
    memory = memory_with(node=NodeRecord(fresh_start_since=NOW - timedelta(hours=1)))
    phase = phase_with(healthy_facts(), memory)
    assert not phase.fresh_start
    assert node_record_of(healthy_facts(), memory, phase).fresh_start_since is None


def test_a_fresh_starts_hours_count_from_the_first_launch_across_relaunches() -> None:
    memory = memory_with(node=NodeRecord(fresh_start_since=NOW - timedelta(hours=3)))
    assert phase_with(lagging(MINUTE), memory).unsynced_for == timedelta(hours=3)


# --- crash recovery ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["crashed", "stuck", "frozen"])
def test_L14_L15_crash_recovery_after_a_crash_has_60_minutes(cause: str) -> None:
    facts = lagging(20 * MINUTE, rotations=with_rotation(cause))
    phase = phase_with(facts, memory_with(PhaseState()))
    assert phase.crash_recovery
    assert phase.deadline == timedelta(minutes=60)
    assert not phase.synced_only


@pytest.mark.parametrize("cause", ["preredeploy", "memory", "wiped"])
def test_X8_a_planned_rotation_is_no_crash(cause: str) -> None:
    facts = lagging(20 * MINUTE, rotations=with_rotation(cause))
    phase = phase_with(facts, memory_with(PhaseState()))
    assert not phase.crash_recovery
    assert phase.deadline == timedelta(minutes=15)


@pytest.mark.parametrize(("uptime", "recovering"), [(300, False), (301, True)])
def test_L16_still_catching_up_after_five_minutes_is_recovery(uptime: int, recovering: bool) -> None:
    facts = lagging(timedelta(seconds=uptime))
    facts = msgspec.structs.replace(facts, info=an_info(state="Catching Up", age_seconds=120))
    assert phase_with(facts, memory_with(PhaseState())).crash_recovery is recovering


def test_crash_recovery_ends_in_real_time_sync() -> None:
    facts = facts_with(process=a_process(20 * MINUTE), rotations=with_rotation("crashed"))
    assert not phase_with(facts, memory_with(PhaseState(recovering=True))).crash_recovery


@pytest.mark.parametrize(("advanced", "recovering"), [(499, False), (500, True), (None, False)])
def test_after_two_hours_only_progress_keeps_it_in_recovery(advanced: int | None, recovering: bool) -> None:
    before = PhaseState(recovering=True, previous_ledger=None if advanced is None else LEDGER - advanced)
    phase = phase_with(lagging(timedelta(seconds=7201)), memory_with(before))
    assert phase.crash_recovery is recovering
    assert phase_with(lagging(timedelta(seconds=7200)), memory_with(before)).crash_recovery


def test_a_run_that_was_in_sync_is_not_put_back_into_recovery_by_an_old_crash() -> None:
    facts = lagging(60 * MINUTE, rotations=with_rotation("crashed"))
    assert not phase_with(facts, memory_with(PhaseState(synced_once=True))).crash_recovery


@pytest.mark.parametrize(("uptime", "settled"), [(15 * MINUTE, False), (16 * MINUTE, True)])
def test_synced_only_opens_above_15_minutes(uptime: timedelta, settled: bool) -> None:
    assert phase_with(facts_with(process=a_process(uptime)), memory_with()).synced_only is settled


def test_no_process_is_in_no_phase() -> None:
    phase = phase_with(facts_with(process=DEAD, info=SILENT, rpc=SILENT, scrape=SILENT), memory_with())
    assert (phase.uptime, phase.crash_recovery, phase.synced_only, phase.restarted) == (None, False, False, False)
