"""Histogram rows: the p99 bucket and the mean of what was observed between two scrapes."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.session import Mode
from monitor_tick.judging.alarms import AlarmState, Judged, judge_alarm
from monitor_tick.judging.series import dead_rows, histograms_of
from monitor_tick.metrics import Histogram, HistogramDelta, histogram_delta_of
from monitor_tick.view import View
from tests.examples import examples
from tests.monitor_tick.alarm_views import (
    AFTER,
    BASE,
    BEFORE,
    EDGES,
    OTHER_RUN,
    RULES,
    TABLES,
    a_pair_view,
    a_scrape,
    observing,
    of_run,
    row_of,
    with_histogram,
    with_series,
    without,
)
from tests.monitor_tick.views import LIMITS

ROWS = tuple(name for name in TABLES if TABLES[name]["kind"] == "histogram")
CLOSES = 240
LEAST = 20
FAST = 0.001


def limit_of(name: str) -> float:
    return float(TABLES[name]["condition"].split()[1])


def edge_above(value: float) -> float:
    return next(float(edge) for edge in EDGES if float(edge) > value)


def judged(name: str, view: View) -> Judged:
    return judge_alarm(row_of(name), view)


def after_observing(name: str, *observed: float, **changes: Any) -> Judged:
    return judged(name, a_pair_view(*observing(name, observed), **changes))


def slow_tail(name: str, slow: int, of: int = CLOSES) -> tuple[float, ...]:
    """`slow` observations just above the limit, the others far below it."""
    return (*((limit_of(name) * 1.5,) * slow), *((FAST,) * (of - slow)))


# --- the two clauses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
def test_L33_a_slow_tail_fires_by_p99_and_says_so(name: str) -> None:
    found = after_observing(name, *slow_tail(name, 3))
    edge = edge_above(limit_of(name))
    assert (found.state, found.value, found.threshold) == (AlarmState.FIRED, edge, limit_of(name))
    assert found.reason == f"p99 {edge:g} > {limit_of(name):g}"


@pytest.mark.parametrize("name", ROWS)
def test_L33_a_mean_that_breaches_alone_fires_and_is_the_number_that_is_shown(name: str) -> None:
    """Two closes in 240 are below one percent: the p99 bucket does not see them."""
    limit = limit_of(name)
    found = after_observing(name, 1024 * limit, 1024 * limit, *((limit / 2,) * (CLOSES - 2)))
    assert found.histogram is not None
    assert found.histogram.p99 <= limit
    assert (found.state, found.value) == (AlarmState.FIRED, found.histogram.mean)
    assert found.reason.startswith("mean ")
    assert "p99" not in found.reason


@pytest.mark.parametrize("name", ROWS)
def test_both_clauses_are_named_where_both_breach(name: str) -> None:
    limit = limit_of(name)
    found = after_observing(name, *((limit * 2,) * CLOSES))
    assert found.reason == f"p99 {edge_above(limit):g} and mean {limit * 2:g} > {limit:g}"
    assert found.value == edge_above(limit)


@pytest.mark.parametrize("name", ROWS)
def test_a_quiet_row_shows_both_numbers(name: str) -> None:
    limit = limit_of(name)
    found = after_observing(name, *((limit,) * CLOSES))
    assert (found.state, found.value) == (AlarmState.QUIET, limit)
    assert found.reason == f"p99 {limit:g} and mean {limit:g} are not > {limit:g}"


def test_the_value_of_a_quiet_row_is_the_clause_that_would_breach_first() -> None:
    """tune asks what a tighter threshold would have done: the mean may lie above the p99."""
    name = ROWS[0]
    limit = limit_of(name)
    found = after_observing(name, *((limit * 100,) * 2), *((FAST,) * (CLOSES - 2)))
    assert found.histogram is not None
    assert found.state is AlarmState.FIRED or found.value == max(found.histogram.p99, found.histogram.mean)
    quiet = after_observing(name, *((limit * 50,) * 2), *((FAST,) * (CLOSES - 2)))
    assert quiet.histogram is not None
    assert quiet.state is AlarmState.QUIET
    assert quiet.value == quiet.histogram.mean > quiet.histogram.p99


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    ("slow", "of", "expected"),
    [
        (1, 100, AlarmState.QUIET),
        (2, 100, AlarmState.FIRED),
        (2, 240, AlarmState.QUIET),
        (3, 240, AlarmState.FIRED),
        (0, 20, AlarmState.QUIET),
        (1, 20, AlarmState.FIRED),
    ],
)
def test_one_percent_is_the_boundary_of_the_p99(name: str, slow: int, of: int, expected: AlarmState) -> None:
    assert after_observing(name, *slow_tail(name, slow, of)).state is expected


@pytest.mark.parametrize("name", ROWS)
def test_what_lies_above_every_finite_edge_fires(name: str) -> None:
    found = after_observing(name, *((100.0,) * CLOSES))
    assert (found.state, found.value) == (AlarmState.FIRED, math.inf)
    assert found.reason.startswith("p99 +Inf and mean 100 >")


@pytest.mark.parametrize("name", ROWS)
def test_what_was_observed_before_the_last_scrape_does_not_count(name: str) -> None:
    slow = (limit_of(name) * 3,) * 5000
    before = with_histogram(BEFORE, name, slow)
    after = with_histogram(AFTER, name, (*slow, *((FAST,) * CLOSES)))
    found = judged(name, a_pair_view(before, after))
    assert (found.state, found.previous, found.current, found.delta) == (AlarmState.QUIET, 5000, 5240, CLOSES)


# --- what keeps it from being judged ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(("count", "expected"), [(0, False), (1, False), (LEAST - 1, False), (LEAST, True)])
def test_L22_fewer_than_twenty_observations_say_nothing(name: str, count: int, *, expected: bool) -> None:
    found = after_observing(name, *((limit_of(name) * 2,) * count))
    assert found.state is (AlarmState.FIRED if expected else AlarmState.LOW_VOLUME)
    if not expected:
        assert found.reason == f"{count} new observations, 20 are needed"
    assert LIMITS.histogram_least_count == LEAST


@pytest.mark.parametrize("name", ROWS)
def test_L23_low_volume_and_no_such_series_are_different_states(name: str) -> None:
    assert after_observing(name, FAST).state is AlarmState.LOW_VOLUME
    assert judged(name, a_pair_view(BEFORE, without(AFTER, name))).state is AlarmState.NO_SUCH_SERIES


@pytest.mark.parametrize("name", ROWS)
def test_L40_a_histogram_is_absent_by_design_until_the_node_closes_ledgers(name: str) -> None:
    missing = without(AFTER, name)
    for young in ({"uptime": timedelta(minutes=5)}, {"fresh_start": True}, {"age_seconds": 500.0}):
        assert judged(name, a_pair_view(BEFORE, missing, **young)).state is AlarmState.ABSENT_BY_DESIGN
    assert dead_rows(RULES, missing, Mode.VALIDATOR, closing=False) == ()
    assert [dead.name for dead in dead_rows(RULES, missing, Mode.VALIDATOR)] == [name]


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("baseline", ["none", "other run", "without the family"])
def test_L05_without_the_histogram_in_a_scrape_of_the_same_run_there_is_a_new_baseline(
    name: str, baseline: str
) -> None:
    before, after = observing(name, slow_tail(name, CLOSES))
    previous = {"none": None, "other run": of_run(before, OTHER_RUN), "without the family": without(before, name)}
    assert judged(name, a_pair_view(previous[baseline], after)).state is AlarmState.NEW_BASELINE


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    "edges",
    [
        pytest.param((*EDGES[:-1], "60", "+Inf"), id="one more"),
        pytest.param(tuple(edge for edge in EDGES if edge != "0.05"), id="one less"),
        pytest.param(tuple("0.2" if edge == "0.1" else edge for edge in EDGES), id="one moved"),
    ],
)
def test_L32_a_changed_bucket_layout_is_a_new_baseline(name: str, edges: tuple[str, ...]) -> None:
    before, _ = observing(name, ())
    after = with_histogram(AFTER, name, (*BASE, *slow_tail(name, CLOSES)), edges=edges)
    found = judged(name, a_pair_view(before, after))
    assert (found.state, found.reason) == (AlarmState.NEW_BASELINE, "the bucket layout changed since the last scrape")


@pytest.mark.parametrize("name", ROWS)
def test_L32_a_threshold_that_is_no_edge_any_more_is_a_dead_alarm(name: str) -> None:
    """Between two edges the row would fire below its number or stay silent above it."""
    edges = tuple(edge for edge in EDGES if float(edge) != limit_of(name))
    before = with_histogram(BEFORE, name, BASE, edges=edges)
    after = with_histogram(AFTER, name, (*BASE, *slow_tail(name, CLOSES)), edges=edges)
    found = judged(name, a_pair_view(before, after))
    assert (found.state, found.reason) == (AlarmState.NO_SUCH_SERIES, f"no such bucket edge: {limit_of(name):g}")
    assert [dead.name for dead in dead_rows(RULES, after, Mode.VALIDATOR)] == [name]


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("part", ["_count", "_sum", "_bucket"])
def test_a_histogram_that_lacks_a_part_is_dead(name: str, part: str) -> None:
    _, after = observing(name, slow_tail(name, CLOSES))
    gone = (f"{name}{part}", (("le", "+Inf"),) if part == "_bucket" else ())
    after = msgspec.structs.replace(
        after, samples={series: value for series, value in after.samples.items() if series != gone}
    )
    found = judged(name, a_pair_view(BEFORE, after))
    assert found.state is AlarmState.NO_SUCH_SERIES
    assert "no whole histogram" in found.reason


# --- resets, gaps, NaN -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
def test_after_a_reset_the_whole_histogram_is_the_increase(name: str) -> None:
    before = with_histogram(BEFORE, name, BASE)
    for observed, expected in (
        ((limit_of(name) * 2,) * CLOSES, AlarmState.FIRED),
        ((FAST,) * CLOSES, AlarmState.QUIET),
    ):
        found = judged(name, a_pair_view(before, with_histogram(AFTER, name, observed)))
        assert (found.state, found.delta) == (expected, CLOSES)
        assert "since its reset" in found.reason


@pytest.mark.parametrize("name", ROWS)
def test_a_sum_that_falls_by_itself_is_no_slow_mean(name: str) -> None:
    before, after = observing(name, (FAST,) * CLOSES)
    before = with_series(before, {(f"{name}_sum", ()): 1e9})
    after = with_series(after, {(f"{name}_sum", ()): 1e8})
    assert judged(name, a_pair_view(before, after)).state is AlarmState.QUIET


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("minutes", [20, 31, 240])
def test_a_gap_is_shown_and_changes_no_number(name: str, minutes: int) -> None:
    before, after = observing(name, slow_tail(name, 3))
    before = msgspec.structs.replace(before, at=after.at - timedelta(minutes=minutes))
    found = judged(name, a_pair_view(before, after))
    assert (found.state, found.value) == (AlarmState.FIRED, edge_above(limit_of(name)))
    assert found.interval == timedelta(minutes=minutes)


@pytest.mark.parametrize("name", ROWS)
def test_a_sum_that_is_not_a_number_hides_no_slow_tail(name: str) -> None:
    before, after = observing(name, slow_tail(name, 3))
    assert judged(name, a_pair_view(before, with_series(after, {(f"{name}_sum", ()): math.nan}))).reason.startswith(
        "p99"
    )
    before, after = observing(name, (FAST,) * CLOSES)
    quiet = judged(name, a_pair_view(before, with_series(after, {(f"{name}_sum", ()): math.nan})))
    assert quiet.state is AlarmState.NOT_A_NUMBER


@pytest.mark.parametrize("name", ROWS)
def test_a_bucket_that_is_not_a_number_hides_no_slow_mean(name: str) -> None:
    before, after = observing(name, (limit_of(name) * 2,) * CLOSES)
    after = with_series(after, {(f"{name}_bucket", (("le", "0.1"),)): math.nan})
    assert judged(name, a_pair_view(before, after)).reason.startswith("mean ")


@pytest.mark.parametrize("name", ROWS)
def test_warm_up_skips_a_histogram_that_was_empty(name: str) -> None:
    observed = (limit_of(name) * 2,) * CLOSES
    before, after = with_histogram(BEFORE, name, ()), with_histogram(AFTER, name, observed)
    assert judged(name, a_pair_view(before, after, warming_up=True)).state is AlarmState.WARM_UP
    assert judged(name, a_pair_view(before, after)).state is AlarmState.FIRED


# --- labels ----------------------------------------------------------------------------------------------------------


def labelled(name: str, observed_by: dict[str, tuple[float, ...]]) -> tuple[Any, Any]:
    before, after = observing(name, ())
    for label, observed in observed_by.items():
        before = with_histogram(before, name, BASE, labels=(("phase", label),))
        after = with_histogram(after, name, (*BASE, *observed), labels=(("phase", label),))
    return before, after


@pytest.mark.parametrize("name", ROWS)
def test_L24_labelled_histograms_are_judged_together(name: str) -> None:
    before, after = labelled(name, {"one": (FAST,) * 97, "two": (limit_of(name) * 2,) * 3})
    found = judged(name, a_pair_view(before, after))
    assert (found.state, found.delta) == (AlarmState.FIRED, 100)


@pytest.mark.parametrize("name", ROWS)
def test_L30_a_new_label_value_disables_nothing(name: str) -> None:
    before, after = observing(name, slow_tail(name, 3))
    after = with_histogram(after, name, (FAST,) * 9999, labels=(("phase", "never seen"),))
    found = judged(name, a_pair_view(before, after))
    assert (found.state, found.delta) == (AlarmState.FIRED, CLOSES)


# --- the catalog -----------------------------------------------------------------------------------------------------


def test_L25_no_row_is_on_the_cadence_of_the_network() -> None:
    """The cycle holds some 5 s of waiting for consensus: its p99 bucket is 30 on a healthy node."""
    assert not [row.name for row in RULES.alarms if any("_cycle" in metric for metric in row.metrics)]
    (cycle,) = histograms_of("henyey_ledger_close_cycle_seconds", AFTER).values()
    (before,) = histograms_of("henyey_ledger_close_cycle_seconds", BEFORE).values()
    delta = histogram_delta_of(before, cycle)
    assert delta is not None
    assert delta.p99 > 1


def test_every_threshold_is_an_edge_of_the_recorded_scrape() -> None:
    for name in ROWS:
        (histogram,) = histograms_of(name, a_scrape("healthy.prom")).values()
        assert limit_of(name) in histogram.edges


def test_a_watcher_has_no_histogram_row() -> None:
    assert not [row.name for row in RULES.alarms_of(Mode.WATCHER) if row.kind.value == "histogram"]
    assert len(ROWS) == 8


# --- the numbers -----------------------------------------------------------------------------------------------------

LAYOUT = tuple(float(edge) for edge in EDGES)


def histogram_of(observed: list[float], edges: tuple[float, ...] = LAYOUT) -> Histogram:
    return Histogram(
        buckets=tuple((edge, float(sum(each <= edge for each in observed))) for edge in edges),
        count=float(len(observed)),
        sum=math.fsum(observed),
    )


def test_X1_a_cumulative_bucket_is_not_summed_again() -> None:
    """60 % of the observations within 1 s and a tenth above 2 s: summing the buckets once more called that 1 s."""
    increases = ((0.5, 40.0), (1.0, 60.0), (2.0, 90.0), (20.0, 100.0), (30.0, 100.0), (math.inf, 100.0))
    delta = HistogramDelta(buckets=increases, count=100.0, sum=300.0, reset=False)
    assert delta.p99 == 20.0


@examples(200)
@given(
    before=st.lists(st.floats(0, 100), max_size=60),
    observed=st.lists(st.one_of(st.floats(0, 100), st.sampled_from(LAYOUT[:-1])), min_size=1, max_size=400),
)
def test_p99_is_the_edge_that_holds_the_observation_of_that_rank(before: list[float], observed: list[float]) -> None:
    """Against the raw observations: the smallest one that at least 99 % do not exceed, rounded up to an edge."""
    delta = histogram_delta_of(histogram_of(before), histogram_of(before + observed))
    assert delta is not None
    rank = -(-99 * len(observed) // 100)
    value = sorted(observed)[rank - 1]
    assert delta.p99 == min(edge for edge in LAYOUT if edge >= value)
    assert delta.count == len(observed)
    assert delta.mean == pytest.approx(math.fsum(observed) / len(observed), abs=1e-9)
    assert not delta.reset


@examples(150)
@given(before=st.lists(st.floats(0, 100), min_size=1, max_size=60), observed=st.lists(st.floats(0, 100), max_size=59))
def test_the_parts_of_a_delta_are_those_of_counters(before: list[float], observed: list[float]) -> None:
    delta = histogram_delta_of(histogram_of(before), histogram_of(observed))
    assert delta is not None
    for (edge, increase), (_, old), (_, new) in zip(
        delta.buckets, histogram_of(before).buckets, histogram_of(observed).buckets, strict=True
    ):
        assert increase == (new if new < old else new - old), edge
    assert delta.reset is (len(observed) < len(before))
    if delta.reset:
        assert delta.sum == math.fsum(observed)


@examples(150)
@given(name=st.sampled_from(ROWS), observed=st.lists(st.floats(0, 40), max_size=300))
def test_rows_agree_with_a_model_that_has_the_raw_observations(name: str, observed: list[float]) -> None:
    limit = limit_of(name)
    too_slow = sum(each > limit for each in observed)
    mean = math.fsum(observed) / len(observed) if observed else 0.0
    near = abs(mean - limit) < 1e-9
    fires = len(observed) >= LEAST and (100 * too_slow > len(observed) or mean > limit)
    assert near or (after_observing(name, *observed).state is AlarmState.FIRED) is fires
