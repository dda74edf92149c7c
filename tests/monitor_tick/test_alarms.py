"""Each row of the catalog against a model that knows only the text of the row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.session import Identity, Mode
from monitor_tick.checks import metrics
from monitor_tick.facts import Missing, SecondLook
from monitor_tick.judging.alarms import (
    AlarmState,
    Judged,
    gauges_to_confirm,
    judge_alarm,
    judge_alarms,
    overlay_timeouts_of,
)
from monitor_tick.judging.series import dead_rows
from monitor_tick.memory import ScrapeState
from monitor_tick.metrics import Labels, Scrape
from monitor_tick.rules import AlarmRow
from monitor_tick.view import View
from tests.examples import examples
from tests.monitor_tick.alarm_views import (
    AFTER,
    BEFORE,
    OTHER_RUN,
    RULES,
    TABLES,
    a_pair_view,
    a_scrape,
    gauge_values,
    metrics_of,
    observing,
    of_run,
    row_of,
    scrape_state,
    with_series,
    with_values,
    without,
)
from tests.monitor_tick.views import CADENCE, LIMITS, NOW, a_session

ROWS = tuple(TABLES)
COUNTERS = tuple(name for name in ROWS if TABLES[name]["kind"] == "counter")
GAUGES = tuple(name for name in ROWS if TABLES[name]["kind"] == "gauge")
HISTOGRAMS = tuple(name for name in ROWS if TABLES[name]["kind"] == "histogram")
CLOSES = 240
TWO_TICKS = tuple(name for name in GAUGES if TABLES[name].get("ticks") == 2)
CONFIRMED = tuple(name for name in GAUGES if TABLES[name].get("confirm"))
EXEMPT = tuple(name for name in GAUGES if "warmup-exempt" in TABLES[name].get("gates", ()))
SYNCED_ONLY = tuple(name for name in GAUGES if "synced-only" in TABLES[name].get("gates", ()))
PLAIN = AlarmState.FIRED, AlarmState.QUIET
PREVIOUS = 1000.0
STEP = 0.001


def sides_of(name: str) -> tuple[float, float]:
    """The values nearest the boundary that do and do not breach, by the sign alone."""
    sign, number = TABLES[name]["condition"].split()
    at = float(number)
    if TABLES[name]["kind"] == "counter":
        at *= TABLES[name].get("factor", 1)
        return at, at - 1
    return {">": (at + STEP, at), "<": (at - STEP, at), "!=": (at + 1, at), ">=": (at, at - STEP)}[sign]


def far_sides_of(name: str) -> tuple[float, float]:
    sign, number = TABLES[name]["condition"].split()
    at = float(number)
    if TABLES[name]["kind"] == "counter":
        return at * 20, 0.0
    return {">": (at * 2, 0.0), "<": (at - 7, at + 7), "!=": (at + 1, at)}[sign]


def moved(name: str, amount: float, *, at: Scrape = AFTER) -> tuple[Scrape, Scrape]:
    """Two scrapes between which the row's counters moved by `amount` in all, the last of them by it."""
    before = with_values(BEFORE, dict.fromkeys(metrics_of(name), PREVIOUS))
    last = metrics_of(name)[-1]
    return before, with_values(at, {**dict.fromkeys(metrics_of(name), PREVIOUS), last: PREVIOUS + amount})


def samples_that_breach(name: str, value: float, count: int = 5) -> SecondLook:
    return SecondLook(gauge_samples=((metrics_of(name)[0], (value,) * count),))


def view_at(name: str, value: float, **changes: Any) -> View:
    """A view in which nothing but the value keeps the row from firing; of a histogram every observation has it."""
    if name in COUNTERS:
        return a_pair_view(*moved(name, value), **changes)
    if name in HISTOGRAMS:
        return a_pair_view(*observing(name, (value,) * CLOSES), **changes)
    values = gauge_values(name, value)
    second = samples_that_breach(name, value)
    return a_pair_view(with_values(BEFORE, values), with_values(AFTER, values), **{"second": second, **changes})


def judged(name: str, view: View) -> Judged:
    return judge_alarm(row_of(name), view)


def state(name: str, view: View) -> AlarmState:
    return judged(name, view).state


# --- every row ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
def test_row_fires(name: str) -> None:
    assert state(name, view_at(name, far_sides_of(name)[0])) is AlarmState.FIRED


@pytest.mark.parametrize("name", ROWS)
def test_row_stays_silent(name: str) -> None:
    assert state(name, view_at(name, far_sides_of(name)[1])) is AlarmState.QUIET


@pytest.mark.parametrize("name", ROWS)
def test_row_on_both_sides_of_its_boundary(name: str) -> None:
    breaching, calm = sides_of(name)
    assert [state(name, view_at(name, value)) for value in (breaching, calm)] == list(PLAIN)


@pytest.mark.parametrize("name", ROWS)
def test_L23_a_missing_series_is_dead_and_not_quiet(name: str) -> None:
    for metric in metrics_of(name):
        view = a_pair_view(BEFORE, without(AFTER, metric))
        assert state(name, view) is AlarmState.NO_SUCH_SERIES
        assert name in [dead.name for dead in dead_rows(RULES, without(AFTER, metric), Mode.VALIDATOR)]


@pytest.mark.parametrize("name", ROWS)
def test_row_of_the_wrong_type_is_dead(name: str) -> None:
    wrong = "gauge" if name in COUNTERS else "counter"
    types = {**AFTER.types, metrics_of(name)[-1]: wrong}
    current = Scrape(identity=AFTER.identity, at=AFTER.at, types=types, samples=AFTER.samples)
    dead = judged(name, a_pair_view(BEFORE, current))
    assert dead.state is AlarmState.NO_SUCH_SERIES
    assert f"typed {wrong}" in dead.reason


@pytest.mark.parametrize("name", ROWS)
def test_nan_never_breaches_and_says_so(name: str) -> None:
    found = judged(name, view_at(name, math.nan))
    assert (found.state, found.reason) == (AlarmState.NOT_A_NUMBER, "NaN never breaches")


@pytest.mark.parametrize("name", ROWS)
def test_row_without_a_scrape_is_skipped_with_the_reason(name: str) -> None:
    found = judged(name, skipped_view())
    assert (found.state, found.reason) == (AlarmState.SKIPPED, "timeout")


def skipped_view() -> View:
    return a_pair_view(BEFORE, Missing("timeout"))


# --- counters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTERS)
def test_after_a_reset_the_whole_value_is_the_increase(name: str) -> None:
    breaching, calm = sides_of(name)
    before, _ = moved(name, 0)
    last = metrics_of(name)[-1]
    for value, expected in ((breaching, AlarmState.FIRED), (calm, AlarmState.QUIET)):
        after = with_values(AFTER, {**dict.fromkeys(metrics_of(name), PREVIOUS), last: value})
        found = judged(name, a_pair_view(before, after))
        assert (found.state, found.delta) == (expected, value)
        assert "reset" in found.reason


@pytest.mark.parametrize("name", COUNTERS)
@pytest.mark.parametrize("baseline", ["none", "other run"])
def test_L05_no_delta_across_runs(name: str, baseline: str) -> None:
    before, after = moved(name, far_sides_of(name)[0])
    previous = None if baseline == "none" else of_run(before, OTHER_RUN)
    assert state(name, a_pair_view(previous, after)) is AlarmState.NEW_BASELINE


@pytest.mark.parametrize("name", COUNTERS)
def test_a_metric_new_since_the_last_scrape_is_a_baseline(name: str) -> None:
    before, after = moved(name, far_sides_of(name)[0])
    for metric in metrics_of(name):
        assert state(name, a_pair_view(without(before, metric), after)) is AlarmState.NEW_BASELINE


@pytest.mark.parametrize("name", COUNTERS)
def test_warm_up_skips_a_counter_that_stood_at_zero(name: str) -> None:
    values = dict.fromkeys(metrics_of(name), far_sides_of(name)[0])
    before = with_values(BEFORE, dict.fromkeys(values, 0.0))
    after = with_values(AFTER, values)
    assert state(name, a_pair_view(before, after, warming_up=True)) is AlarmState.WARM_UP
    assert state(name, a_pair_view(before, after)) is AlarmState.FIRED
    assert state(name, view_at(name, far_sides_of(name)[0], warming_up=True)) is AlarmState.FIRED


@pytest.mark.parametrize("name", COUNTERS)
def test_L24_labelled_series_are_summed(name: str) -> None:
    """Six counters stand at 0 without a label and count with one; an alarm that reads the bare name never fires."""
    breaching, calm = sides_of(name)
    metric = metrics_of(name)[-1]
    split = {"one": math.floor(breaching / 2), "two": math.ceil(breaching / 2)}
    before, after = moved(name, 0)
    idle: dict[tuple[str, Labels], float] = {(metric, (("archive", label),)): 5.0 for label in split}
    before = with_series(before, idle)
    for excess, expected in ((0.0, AlarmState.FIRED), (calm - breaching, AlarmState.QUIET)):
        grown: dict[tuple[str, Labels], float] = {
            (metric, (("archive", label),)): 5.0 + by for label, by in split.items()
        }
        grown[metric, (("archive", "two"),)] += excess
        assert state(name, a_pair_view(before, with_series(after, grown))) is expected


@pytest.mark.parametrize("name", COUNTERS)
def test_L30_a_new_label_value_disables_nothing(name: str) -> None:
    """It is a baseline of its own, while the series known before go on being judged."""
    before, after = moved(name, far_sides_of(name)[0])
    after = with_series(after, {(metrics_of(name)[0], (("reason", "never seen"),)): 7777.0})
    found = judged(name, a_pair_view(before, after))
    assert (found.state, found.delta) == (AlarmState.FIRED, far_sides_of(name)[0])


@pytest.mark.parametrize("name", COUNTERS)
@pytest.mark.parametrize(("minutes", "stretched"), [(20, False), (30, False), (31, True), (240, True)])
def test_L36_only_a_scale_row_is_normalised_and_only_beyond_half_a_cadence_more(
    name: str, minutes: int, stretched: bool
) -> None:
    amount = far_sides_of(name)[0]
    at = AFTER.at - timedelta(minutes=minutes)
    before, after = moved(name, amount)
    before = Scrape(identity=before.identity, at=at, types=before.types, samples=before.samples)
    found = judged(name, a_pair_view(before, after))
    normalised = stretched and TABLES[name].get("scale", False)
    assert found.value == pytest.approx(amount * 20 / minutes if normalised else amount)
    assert ("normalised" in found.reason) is normalised
    assert found.interval == timedelta(minutes=minutes)


def test_L36_57_errors_over_31_minutes_are_not_50_in_20() -> None:
    name = "stellar_overlay_error_total"
    before, after = moved(name, 57)
    before = Scrape(
        identity=before.identity, at=after.at - timedelta(minutes=31), types=before.types, samples=before.samples
    )
    assert state(name, a_pair_view(before, after)) is AlarmState.QUIET
    assert state(name, a_pair_view(*moved(name, 57))) is AlarmState.FIRED


# --- the row that is judged by its own past ----------------------------------------------------------------------

CHURN = "stellar_overlay_timeout_total"


@pytest.mark.parametrize(
    ("previous_delta", "threshold"), [(0.0, 25.0), (4.0, 25.0), (5.0, 25.0), (6.0, 30.0), (100.0, 500.0)]
)
def test_churn_is_five_times_the_tick_before_with_a_floor(previous_delta: float, threshold: float) -> None:
    kept = scrape_state(previous_delta)
    at, below = (judged(CHURN, a_pair_view(*moved(CHURN, amount), kept=kept)) for amount in (threshold, threshold - 1))
    assert (at.state, at.threshold) == (AlarmState.FIRED, threshold)
    assert below.state is AlarmState.QUIET


def test_churn_without_a_previous_delta_is_not_judged() -> None:
    before, after = moved(CHURN, 10_000)
    assert state(CHURN, a_pair_view(before, after, kept=scrape_state(None))) is AlarmState.NO_PREVIOUS_DELTA


def test_L05_churn_does_not_compare_with_the_delta_of_another_run() -> None:
    kept = msgspec.structs.replace(scrape_state(0.0), identity=OTHER_RUN)
    assert state(CHURN, a_pair_view(*moved(CHURN, 10_000), kept=kept)) is AlarmState.NO_PREVIOUS_DELTA


def test_churn_delta_of_this_tick_is_what_the_next_one_compares_with() -> None:
    assert overlay_timeouts_of(a_pair_view(*moved(CHURN, 12))) == 12
    assert overlay_timeouts_of(a_pair_view(None, AFTER)) is None
    assert overlay_timeouts_of(a_pair_view(of_run(BEFORE, OTHER_RUN), AFTER)) is None
    assert overlay_timeouts_of(a_pair_view(without(BEFORE, metrics_of(CHURN)[1]), AFTER)) is None
    assert overlay_timeouts_of(a_pair_view(*moved(CHURN, math.nan))) is None
    assert overlay_timeouts_of(skipped_view()) is None


# --- gauges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GAUGES)
@pytest.mark.parametrize("baseline", ["none", "other run"])
def test_L05_a_new_run_leaves_point_gauges_and_resets_persistence(name: str, baseline: str) -> None:
    value = far_sides_of(name)[0]
    view = view_at(name, value)
    assert view.memory.previous is not None
    previous = None if baseline == "none" else of_run(view.memory.previous, OTHER_RUN)
    again = a_pair_view(previous, view.facts.scrape, second=view.facts.second)
    assert state(name, again) is (AlarmState.BREACH if name in TWO_TICKS else AlarmState.FIRED)


@pytest.mark.parametrize("name", GAUGES)
def test_a_gauge_may_fall(name: str) -> None:
    breaching, calm = far_sides_of(name)
    view = a_pair_view(with_values(BEFORE, gauge_values(name, breaching)), with_values(AFTER, gauge_values(name, calm)))
    assert state(name, view) is AlarmState.QUIET


@pytest.mark.parametrize("name", GAUGES)
def test_a_gap_changes_no_gauge(name: str) -> None:
    view = view_at(name, far_sides_of(name)[0])
    assert view.memory.previous is not None
    earlier = msgspec.structs.replace(view.memory.previous, at=AFTER.at - timedelta(hours=4))
    found = judged(name, a_pair_view(earlier, view.facts.scrape, second=view.facts.second))
    assert (found.state, found.interval) == (AlarmState.FIRED, timedelta(hours=4))


@pytest.mark.parametrize("name", TWO_TICKS)
def test_two_ticks_need_both_scrapes_to_breach(name: str) -> None:
    breaching, calm = far_sides_of(name)
    after = with_values(AFTER, gauge_values(name, breaching))
    second = samples_that_breach(name, breaching)
    for before in (with_values(BEFORE, gauge_values(name, calm)), without(BEFORE, name)):
        found = judged(name, a_pair_view(before, after, second=second))
        assert found.state is AlarmState.BREACH
        assert "streak 1/2" in found.reason


@pytest.mark.parametrize("name", TWO_TICKS)
def test_L43_a_tick_without_a_scrape_breaks_the_streak(name: str) -> None:
    value = far_sides_of(name)[0]
    broken = judged(name, view_at(name, value, kept=scrape_state(interrupted=True)))
    assert broken.state is AlarmState.BREACH
    assert "a tick without a scrape" in broken.reason


@pytest.mark.parametrize("name", TWO_TICKS)
def test_an_early_tick_is_no_second_tick(name: str) -> None:
    assert state(name, view_at(name, far_sides_of(name)[0], early=True)) is AlarmState.BREACH


@pytest.mark.parametrize("name", [name for name in ROWS if name not in TWO_TICKS])
def test_an_early_tick_judges_all_the_others(name: str) -> None:
    assert state(name, view_at(name, far_sides_of(name)[0], early=True)) is AlarmState.FIRED


@pytest.mark.parametrize("name", CONFIRMED)
@pytest.mark.parametrize(
    ("breaching", "of", "expected"),
    [
        (5, 5, AlarmState.FIRED),
        (3, 5, AlarmState.FIRED),
        (3, 3, AlarmState.FIRED),
        (2, 5, AlarmState.NOT_CONFIRMED),
        (0, 5, AlarmState.NOT_CONFIRMED),
        (0, 0, AlarmState.NOT_CONFIRMED),
    ],
)
def test_L28_a_backlog_is_confirmed_by_three_of_five_samples(
    name: str, breaching: int, of: int, expected: AlarmState
) -> None:
    high, low = far_sides_of(name)
    samples = (high,) * breaching + (low,) * (of - breaching)
    view = view_at(name, high, second=SecondLook(gauge_samples=((name, samples),)))
    assert state(name, view) is expected


@pytest.mark.parametrize("name", CONFIRMED)
def test_a_sample_that_is_not_a_number_confirms_nothing(name: str) -> None:
    high = far_sides_of(name)[0]
    view = view_at(name, high, second=SecondLook(gauge_samples=((name, (high, high, math.nan, math.nan, math.nan)),)))
    assert state(name, view) is AlarmState.NOT_CONFIRMED


@pytest.mark.parametrize("name", CONFIRMED)
def test_a_confirmation_is_asked_for_only_when_all_else_breaches(name: str) -> None:
    high, low = far_sides_of(name)
    assert gauges_to_confirm(view_at(name, high, second=None)) == (name,)
    assert state(name, view_at(name, high, second=None)) is AlarmState.NEEDS_CONFIRMATION
    assert gauges_to_confirm(view_at(name, low, second=None)) == ()
    first_tick = a_pair_view(BEFORE, with_values(AFTER, gauge_values(name, high)))
    assert gauges_to_confirm(first_tick) == ()
    assert gauges_to_confirm(view_at(name, high, second=None, early=True)) == ()


def test_a_watcher_asks_for_no_confirmation_of_a_row_it_does_not_judge() -> None:
    name = "henyey_scp_verify_input_backlog"
    watcher = view_at(name, 2000.0, second=None, mode=Mode.WATCHER)
    assert gauges_to_confirm(watcher) == ()
    assert gauges_to_confirm(skipped_view()) == ()


@pytest.mark.parametrize("name", SYNCED_ONLY)
def test_L17_synced_only_rows_ask_the_phase_and_nobody_else(name: str) -> None:
    value = far_sides_of(name)[0]
    for unsettled in ({"uptime": timedelta(minutes=10)}, {"crash_recovery": True}, {"fresh_start": True}):
        assert state(name, view_at(name, value, **unsettled)) is AlarmState.GATED


@pytest.mark.parametrize("name", EXEMPT)
def test_warm_up_exempts_the_rows_that_say_so(name: str) -> None:
    assert state(name, view_at(name, far_sides_of(name)[0], warming_up=True)) is AlarmState.WARM_UP


@pytest.mark.parametrize("name", [name for name in GAUGES if name not in EXEMPT])
def test_warm_up_exempts_no_other_gauge(name: str) -> None:
    assert state(name, view_at(name, far_sides_of(name)[0], warming_up=True)) is AlarmState.FIRED


def test_warm_up_covers_the_peer_gauges_and_jemalloc() -> None:
    peers_and_jemalloc = {
        "stellar_peer_count",
        "stellar_overlay_inbound_authenticated",
        "henyey_jemalloc_fragmentation_pct",
    }
    assert set(EXEMPT) == peers_and_jemalloc | {
        "stellar_scp_timing_externalized_seconds",
        "stellar_scp_timing_nominated_seconds",
    }


@pytest.mark.parametrize("infinite_limit", [0.0, None])
def test_file_descriptors_without_a_denominator_are_off(infinite_limit: float | None) -> None:
    name, divisor = "henyey_process_open_fds", "henyey_process_max_fds"
    after = with_values(AFTER, {name: 1e9})
    after = without(after, divisor) if infinite_limit is None else with_values(after, {divisor: infinite_limit})
    assert state(name, a_pair_view(BEFORE, after)) is AlarmState.OFF


def test_L34_a_mistyped_denominator_is_dead_and_one_of_zero_is_not() -> None:
    divisor = "henyey_process_max_fds"
    assert [dead.name for dead in dead_rows(RULES, without(AFTER, divisor), Mode.VALIDATOR)] == [
        "henyey_process_open_fds"
    ]
    assert dead_rows(RULES, with_values(AFTER, {divisor: 0.0}), Mode.VALIDATOR) == ()


@pytest.mark.parametrize(
    ("value", "healthy"), [(0.0, True), (1.0, False), (2.0, False)], ids=["running", "stopping", "dead"]
)
def test_L21_the_verifier_thread_runs_at_zero(value: float, healthy: bool) -> None:
    found = state("henyey_scp_verifier_thread_state", view_at("henyey_scp_verifier_thread_state", value))
    assert (found is AlarmState.QUIET) is healthy


@pytest.mark.parametrize(("value", "healthy"), [(0.0, False), (1.0, False), (2.0, True)])
def test_L21_the_herder_tracks_at_two(value: float, healthy: bool) -> None:
    assert (state("stellar_herder_state", view_at("stellar_herder_state", value)) is AlarmState.QUIET) is healthy


@pytest.mark.parametrize("drift", [-11.0, -10.0, 10.0, 11.0])
def test_a_clock_that_is_ahead_shows_in_the_minimum(drift: float) -> None:
    fired = {
        name
        for name in ("henyey_herder_drift_max_seconds", "henyey_herder_drift_min_seconds")
        if state(name, view_at(name, drift)) is AlarmState.FIRED
    }
    assert fired == {-11.0: {"henyey_herder_drift_min_seconds"}, 11.0: {"henyey_herder_drift_max_seconds"}}.get(
        drift, set()
    )


def test_L39_inbound_peers_are_judged_apart_from_the_total() -> None:
    """50 peers in all once hid that hardly any of them dialled in, and the node was 15 times slower."""
    starving = with_values(AFTER, {"stellar_peer_count": 50.0, "stellar_overlay_inbound_authenticated": 2.0})
    view = a_pair_view(BEFORE, starving)
    assert state("stellar_peer_count", view) is AlarmState.QUIET
    assert state("stellar_overlay_inbound_authenticated", view) is AlarmState.FIRED


def test_L35_quorum_gauges_are_deliberately_absent() -> None:
    assert not [metric for row in RULES.alarms for metric in row.metrics if metric.startswith("stellar_quorum_")]


def test_L40_a_metric_absent_by_design_is_neither_dead_nor_quiet() -> None:
    name = "stellar_peer_count"
    row = row_of(name)
    by_design = AlarmRow(**{field: getattr(row, field) for field in row.__struct_fields__} | {"absent_by_design": True})
    rules = msgspec.structs.replace(RULES, alarms=(by_design,), log_patterns=())
    missing = without(AFTER, name)
    assert judge_alarm(by_design, a_pair_view(BEFORE, missing, rules=rules)).state is AlarmState.ABSENT_BY_DESIGN
    assert dead_rows(rules, missing, Mode.VALIDATOR) == ()


# --- the recorded scrapes ----------------------------------------------------------------------------------------


def test_two_healthy_scrapes_leave_every_row_judged_and_quiet() -> None:
    found = judge_alarms(a_pair_view(BEFORE, AFTER, kept=scrape_state(None)))
    assert [each.row.name for each in found] == list(ROWS)
    assert {each.row.name: each.state for each in found if each.state is not AlarmState.QUIET} == {
        CHURN: AlarmState.NO_PREVIOUS_DELTA
    }


def test_a_fresh_start_has_baselines_and_closed_gates_and_no_dead_row() -> None:
    fresh = a_scrape("fresh_start.prom")
    found = judge_alarms(
        a_pair_view(None, fresh, warming_up=True, restarted=True, fresh_start=True, uptime=timedelta(seconds=4))
    )
    states = {each.row.name: each.state for each in found}
    assert {states[name] for name in COUNTERS} == {AlarmState.NEW_BASELINE}
    assert {states[name] for name in GAUGES} == {AlarmState.QUIET, AlarmState.WARM_UP, AlarmState.GATED}
    assert {states[name] for name in HISTOGRAMS} == {AlarmState.ABSENT_BY_DESIGN}
    assert dead_rows(RULES, fresh, Mode.VALIDATOR) == ()


def test_a_watcher_judges_process_jemalloc_and_overlay() -> None:
    watcher = a_scrape("healthy_watcher.prom")
    found = judge_alarms(a_pair_view(None, watcher, session=a_session(mode=Mode.WATCHER)))
    assert [(each.row.name, each.state) for each in found] == [
        ("stellar_overlay_timeout_total", AlarmState.NEW_BASELINE),
        ("stellar_overlay_error_total", AlarmState.NEW_BASELINE),
        ("henyey_jemalloc_fragmentation_pct", AlarmState.QUIET),
        ("henyey_overlay_fetch_channel_depth", AlarmState.QUIET),
        ("henyey_process_open_fds", AlarmState.QUIET),
    ]
    assert dead_rows(RULES, watcher, Mode.WATCHER) == ()


@pytest.mark.parametrize("file", ["healthy.prom", "healthy_next.prom", "fresh_start.prom", "healthy_watcher.prom"])
def test_L41_every_metric_of_the_catalog_is_one_of_the_node(file: str) -> None:
    assert dead_rows(RULES, a_scrape(file), Mode.VALIDATOR) == ()


def test_the_two_scrapes_of_one_instant_move_nothing() -> None:
    found = judge_alarms(a_pair_view(AFTER, AFTER))
    assert {each.state for each in found if each.row.name not in HISTOGRAMS} == {AlarmState.QUIET}
    assert {each.state for each in found if each.row.name in HISTOGRAMS} == {AlarmState.LOW_VOLUME}


# --- the model ---------------------------------------------------------------------------------------------------


def model(table: dict[str, object], previous: float, current: float, seconds: int, last_delta: float) -> bool:
    """Whether a row of the file fires on a settled node, told in the words of the file alone."""
    sign, text = str(table["condition"]).split()
    limit, value = float(text), current
    if table["kind"] == "counter":
        value = current if current < previous else current - previous
        if "factor" in table:
            limit = float(str(table["factor"])) * max(last_delta, limit)
        if table.get("scale") and seconds > 1.5 * CADENCE.total_seconds():
            value = value * CADENCE.total_seconds() / seconds
    values = [value, previous] if table.get("ticks") == 2 else [value]
    compare = {">=": float.__ge__, ">": float.__gt__, "<": float.__lt__, "!=": float.__ne__}[sign]
    return all(compare(each, limit) for each in values)


@examples(150)
@given(
    name=st.sampled_from(COUNTERS + GAUGES),
    previous=st.integers(0, 3000),
    current=st.integers(0, 3000),
    seconds=st.integers(600, 8000),
    last_delta=st.integers(0, 60),
)
def test_rows_agree_with_the_model(name: str, previous: int, current: int, seconds: int, last_delta: int) -> None:
    table = TABLES[name]
    last = metrics_of(name)[-1]
    others: dict[str, float] = dict.fromkeys(metrics_of(name)[:-1], 0.0)
    fixed = {**others, str(table["divisor"]): 1.0} if "divisor" in table else others
    before = with_values(BEFORE, {**fixed, last: float(previous)})
    before = Scrape(
        identity=before.identity, at=NOW - timedelta(seconds=seconds), types=before.types, samples=before.samples
    )
    view = a_pair_view(
        before,
        with_values(AFTER, {**fixed, last: float(current)}),
        kept=scrape_state(float(last_delta)),
        second=samples_that_breach(name, 1e9),
    )
    expected = model(table, float(previous), float(current), seconds, float(last_delta))
    assert (state(name, view) is AlarmState.FIRED) is expected


Event = Literal["breach", "healthy", "NaN", "skip", "restart", "early"]
EVENTS: tuple[Event, ...] = get_args(Event)


def fired_over(name: str, events: Sequence[Event]) -> list[bool]:
    """Whether the row fires on each tick, judged on what the one before left; a restart and an early tick breach."""
    high, low = far_sides_of(name)
    second = samples_that_breach(name, high)
    previous: Scrape | None = None
    kept = scrape_state(None)
    run, fired = 1, []
    for event in events:
        if event == "skip":
            view = a_pair_view(previous, Missing("timeout"), kept=kept)
        else:
            run += event == "restart"
            value = {"healthy": low, "NaN": math.nan}.get(event, high)
            scrape = of_run(
                with_values(AFTER, gauge_values(name, value)), Identity(pid=run, start_ticks=1, boot_id="b")
            )
            view = a_pair_view(previous, scrape, kept=kept, second=second, early=event == "early")
            previous = previous if event == "early" else scrape
        fired.append(state(name, view) is AlarmState.FIRED)
        verdict = metrics.judge(view)
        assert verdict is not None
        kept = next((each for each in verdict.remember if isinstance(each, ScrapeState)), kept)
    return fired


def model_of_two_ticks(events: Sequence[Event]) -> list[bool]:
    streak, fired = 0, []
    for event in events:
        if event != "early":
            streak = {"breach": streak + 1, "restart": 1}.get(event, 0)
        fired.append(event == "breach" and streak >= 2)
    return fired


@examples(100)
@given(name=st.sampled_from(TWO_TICKS), events=st.lists(st.sampled_from(EVENTS), max_size=8))
def test_L43_two_ticks_agree_with_a_plain_streak(name: str, events: list[Event]) -> None:
    assert fired_over(name, events) == model_of_two_ticks(events)


def test_confirmation_numbers_are_those_of_the_document() -> None:
    assert (LIMITS.confirm_samples, LIMITS.confirm_breaching, LIMITS.confirm_interval_seconds) == (5, 3, 2)
