"""The metrics: line, its alerts, and what the next tick is left with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor_loop.session import Mode
from monitor_tick.alert import Tier
from monitor_tick.checks import metrics
from monitor_tick.facts import Missing, SecondLook
from monitor_tick.memory import ScrapeState
from monitor_tick.metrics import Scrape
from monitor_tick.verdict import Decision, Level, Verdict
from monitor_tick.view import View
from tests.monitor_tick.alarm_views import (
    AFTER,
    BEFORE,
    OTHER_RUN,
    RULES,
    a_pair_view,
    a_scrape,
    observing,
    of_run,
    scrape_state,
    with_values,
    without,
)
from tests.monitor_tick.views import DEAD, NOW, a_session


def judge(view: View) -> Verdict:
    verdict = metrics.judge(view)
    assert verdict is not None
    return verdict


def evidence_of(verdict: Verdict) -> dict[str, str]:
    (alert,) = verdict.alerts
    return dict(alert.evidence)


def missing_scrape(reason: str, **changes: Any) -> View:
    return a_pair_view(BEFORE, Missing(reason), **changes)


def test_two_healthy_scrapes_are_clean() -> None:
    verdict = judge(a_pair_view(BEFORE, AFTER))
    assert (verdict.label, verdict.lines, verdict.level) == ("metrics", ("clean",), Level.OK)
    assert (verdict.alerts, verdict.reflections, verdict.watch) == ((), (), ())


def test_a_fresh_start_is_clean() -> None:
    fresh = a_scrape("fresh_start.prom")
    uptime = timedelta(seconds=4)
    verdict = judge(a_pair_view(None, fresh, warming_up=True, restarted=True, fresh_start=True, uptime=uptime))
    assert (verdict.lines, verdict.reflections) == (("clean",), ())


def test_a_watcher_is_not_blamed_for_its_few_peers() -> None:
    watcher = a_scrape("healthy_watcher.prom")
    verdict = judge(a_pair_view(None, watcher, session=a_session(mode=Mode.WATCHER)))
    assert (verdict.lines, verdict.reflections) == (("clean",), ())
    assert judge(a_pair_view(None, watcher)).lines == ("1 alerts (stellar_overlay_inbound_authenticated)",)


def test_alerts_stand_in_the_order_of_the_catalog() -> None:
    sick = with_values(AFTER, {"stellar_peer_count": 7.0, "stellar_herder_lost_sync_total": 3.0})
    verdict = judge(a_pair_view(BEFORE, sick))
    assert verdict.lines == ("2 alerts (stellar_herder_lost_sync_total,stellar_peer_count)",)
    assert verdict.level is Level.WARNING
    assert [alert.tier for alert in verdict.alerts] == [Tier.SYNC, Tier.WARN]


def test_a_counter_alert_carries_its_evidence() -> None:
    verdict = judge(a_pair_view(BEFORE, with_values(AFTER, {"stellar_herder_lost_sync_total": 3.0})))
    (alert,) = verdict.alerts
    assert (alert.key, alert.scope) == ("metric:stellar_herder_lost_sync_total", "row")
    assert alert.cooldown_key == "stellar_herder_lost_sync_total"
    assert alert.title == "metrics: stellar_herder_lost_sync_total — node lost sync"
    assert alert.cause == "delta 2 >= 1"
    assert evidence_of(verdict) == {
        "metric": "stellar_herder_lost_sync_total",
        "current": "3",
        "previous": "1",
        "delta": "2",
        "threshold": ">= 1",
        "interval": "1200s",
        "clause": "delta 2 >= 1",
    }
    assert not alert.urgent


def test_a_sum_names_both_metrics_and_its_formula() -> None:
    verdict = judge(a_pair_view(BEFORE, with_values(AFTER, {"stellar_overlay_timeout_idle_total": 254.0})))
    (alert,) = verdict.alerts
    assert alert.key == "metric:stellar_overlay_timeout_total"
    assert alert.title == (
        "metrics: stellar_overlay_timeout_idle_total + stellar_overlay_timeout_straggler_total — overlay timeouts burst"
    )
    assert evidence_of(verdict)["threshold"] == ">= 25, 5 x max(previous tick's delta, 5)"
    assert evidence_of(verdict)["delta"] == "50"
    assert alert.metrics == ("stellar_overlay_timeout_idle_total", "stellar_overlay_timeout_straggler_total")


def test_a_harmless_alert_says_so_in_its_title() -> None:
    verdict = judge(a_pair_view(BEFORE, with_values(AFTER, {"henyey_archive_cache_refresh_error_total": 2.0})))
    (alert,) = verdict.alerts
    assert alert.title == (
        "Non-critical: metrics: henyey_archive_cache_refresh_error_total breached threshold (2 >= 1)"
    )
    assert (alert.tier, verdict.level) == (Tier.NONC, Level.WARNING)


def test_a_quotient_is_shown_without_rounding_its_boundary_away() -> None:
    verdict = judge(a_pair_view(BEFORE, with_values(AFTER, {"henyey_process_open_fds": 55_706.0})))
    (alert,) = verdict.alerts
    assert alert.title == "metrics: henyey_process_open_fds / henyey_process_max_fds — file descriptors run out"
    assert alert.cause == "value 0.8500061035 > 0.85"
    assert alert.metrics == ("henyey_process_open_fds", "henyey_process_max_fds")


def test_L36_a_stretched_interval_is_part_of_the_evidence() -> None:
    earlier = Scrape(
        identity=BEFORE.identity, at=NOW - timedelta(minutes=40), types=BEFORE.types, samples=BEFORE.samples
    )
    verdict = judge(a_pair_view(earlier, with_values(AFTER, {"stellar_overlay_error_read_total": 589.0})))
    found = evidence_of(verdict)
    assert (found["delta"], found["interval"]) == ("201", "2400s")
    assert found["clause"] == "delta, normalised from 2400s to 1200s, 100.5 >= 50"


def test_L05_the_evidence_across_a_restart_claims_no_previous_value() -> None:
    verdict = judge(a_pair_view(of_run(BEFORE, OTHER_RUN), with_values(AFTER, {"stellar_peer_count": 2.0})))
    found = evidence_of(verdict)
    assert (found["previous"], found["delta"], found["interval"]) == ("unknown", "unknown", "unknown")
    assert found["clause"] == "value 2 < 8"


def test_L23_a_dead_alarm_is_a_fault_of_the_monitor_and_not_clean_alone() -> None:
    verdict = judge(a_pair_view(BEFORE, without(AFTER, "stellar_peer_count")))
    assert verdict.lines == ("clean",)
    assert verdict.reflections == ("dead alarm: stellar_peer_count (no such series)",)


def test_a_dead_sum_names_the_metric_it_lacks() -> None:
    verdict = judge(a_pair_view(BEFORE, without(AFTER, "stellar_overlay_error_write_total")))
    assert verdict.reflections == (
        "dead alarm: stellar_overlay_error_total (no such series: stellar_overlay_error_write_total)",
    )


def test_a_watcher_reflects_only_on_its_own_rows() -> None:
    watcher = a_session(mode=Mode.WATCHER)
    assert judge(a_pair_view(BEFORE, without(AFTER, "stellar_peer_count"), session=watcher)).reflections == ()


def test_a_value_that_is_not_a_number_is_said() -> None:
    verdict = judge(a_pair_view(BEFORE, with_values(AFTER, {"stellar_herder_state": float("nan")})))
    assert (verdict.lines, verdict.reflections) == (("clean",), ("blind alarm: stellar_herder_state (NaN)",))


def test_a_first_breach_of_two_is_watched_and_not_reported() -> None:
    verdict = judge(a_pair_view(BEFORE, with_values(AFTER, {"henyey_jemalloc_fragmentation_pct": 60.0})))
    assert (verdict.lines, verdict.level) == (("clean",), Level.OK)
    assert verdict.watch == ("breach=henyey_jemalloc_fragmentation_pct",)


def test_a_confirmed_backlog_is_an_alert_with_its_samples() -> None:
    name = "henyey_scp_verify_input_backlog"
    second = SecondLook(gauge_samples=((name, (400.0, 300.0, 20.0, 500.0, 2000.0)),))
    verdict = judge(a_pair_view(with_values(BEFORE, {name: 150.0}), with_values(AFTER, {name: 200.0}), second=second))
    (alert,) = verdict.alerts
    assert alert.cause == "value 200 > 100 for 2 ticks, 4 of 5 samples breach"


@pytest.mark.parametrize("reason", ["metrics recorder not installed", "timeout after 5s"])
def test_without_a_scrape_the_line_says_why(reason: str) -> None:
    verdict = judge(missing_scrape(reason))
    assert (verdict.lines, verdict.level) == ((f"skipped ({reason})",), Level.WARNING)
    assert verdict.alerts == ()


def test_a_dead_or_starting_node_owes_no_metrics() -> None:
    assert judge(missing_scrape("no process", process=DEAD)).level is Level.OK
    assert judge(missing_scrape("connection refused", warming_up=True)).level is Level.OK


def test_the_next_tick_is_left_with_this_scrape() -> None:
    verdict = judge(a_pair_view(BEFORE, AFTER, scrape_checksum="ab" * 32))
    assert verdict.remember == (
        ScrapeState(identity=AFTER.identity, at=AFTER.at, checksum="ab" * 32, overlay_timeouts=3.0),
    )


def test_a_new_run_leaves_no_overlay_delta() -> None:
    (kept,) = judge(a_pair_view(of_run(BEFORE, OTHER_RUN), AFTER)).remember
    assert isinstance(kept, ScrapeState)
    assert kept.overlay_timeouts is None


def test_L43_a_skipped_tick_keeps_the_baseline_and_breaks_what_counts() -> None:
    before = scrape_state(12.0)
    (kept,) = judge(missing_scrape("timeout", kept=before)).remember
    assert kept == ScrapeState(
        identity=before.identity, at=before.at, checksum=before.checksum, overlay_timeouts=None, interrupted=True
    )


def test_an_early_tick_remembers_nothing() -> None:
    assert judge(a_pair_view(BEFORE, AFTER, early=True)).remember == ()
    assert judge(missing_scrape("timeout", early=True)).remember == ()


def test_every_row_can_be_named_in_an_issue_title_that_carries_no_number() -> None:
    assert not [row.title for row in RULES.alarms if any(character.isdigit() for character in row.title)]


# --- histograms ------------------------------------------------------------------------------------------------------

HANDLER = "henyey_ledger_close_handle_complete_seconds"


def test_L33_the_evidence_of_a_histogram_has_both_numbers_and_the_clause_that_fired() -> None:
    verdict = judge(a_pair_view(*observing(HANDLER, (*((0.25,) * 98), 100.0, 0.25))))
    (alert,) = verdict.alerts
    assert alert.title == f"metrics: {HANDLER} — post-close handling is slow"
    assert alert.cause == "mean 1.2475 > 0.5"
    assert evidence_of(verdict) == {
        "metric": HANDLER,
        "p99": "0.5",
        "mean": "1.2475",
        "current count": "1100",
        "previous count": "1000",
        "delta count": "100",
        "bucket deltas": "0.001:0 0.005:0 0.01:0 0.05:0 0.1:0 0.5:99 1:99 5:99 30:99 +Inf:100",
        "threshold": "> 0.5",
        "interval": "1200s",
        "clause": "mean 1.2475 > 0.5",
    }


def test_L32_a_histogram_with_other_buckets_is_a_fault_of_the_monitor() -> None:
    edges = [series for series in AFTER.samples if series[0] == f"{HANDLER}_bucket" and ("le", "0.5") in series[1]]
    samples = {series: value for series, value in AFTER.samples.items() if series not in edges}
    verdict = judge(a_pair_view(BEFORE, msgspec.structs.replace(AFTER, samples=samples)))
    assert verdict.reflections == (f"dead alarm: {HANDLER} (no such bucket edge: 0.5)",)


def test_a_histogram_that_is_not_there_is_a_fault_only_once_the_node_closes_ledgers() -> None:
    missing = without(AFTER, HANDLER)
    assert judge(a_pair_view(BEFORE, missing)).reflections == (f"dead alarm: {HANDLER} (no such series)",)
    assert judge(a_pair_view(BEFORE, missing, age_seconds=900.0)).reflections == ()


# --- the decision trace ----------------------------------------------------------------------------------------------


def decisions_of(view: View) -> dict[str, Decision]:
    found = judge(view).decisions
    assert len({decision.alarm for decision in found}) == len(found)
    return {decision.alarm: decision for decision in found}


def test_every_row_leaves_a_decision_in_the_order_of_the_catalog() -> None:
    verdict = judge(a_pair_view(BEFORE, AFTER, kept=scrape_state(None)))
    assert [decision.alarm for decision in verdict.decisions] == [row.name for row in RULES.alarms]
    others = {decision.alarm: decision for decision in verdict.decisions if decision.state != "quiet"}
    assert {name: decision.reason for name, decision in others.items()} == {
        "stellar_overlay_timeout_total": "the previous tick left no delta to compare with"
    }
    assert all(decision.value is not None for decision in verdict.decisions if decision.state == "quiet")


def test_a_skipped_scan_leaves_a_decision_for_every_row_with_the_reason() -> None:
    found = decisions_of(missing_scrape("timeout after 5s"))
    assert list(found) == [row.name for row in RULES.alarms]
    assert {(decision.state, decision.reason) for decision in found.values()} == {("skipped", "timeout after 5s")}
    assert {decision.value for decision in found.values()} == {None}


def test_a_watcher_decides_on_its_own_rows_alone() -> None:
    watcher = a_session(mode=Mode.WATCHER)
    expected = [row.name for row in RULES.alarms_of(Mode.WATCHER)]
    assert list(decisions_of(a_pair_view(BEFORE, AFTER, session=watcher))) == expected
    assert list(decisions_of(missing_scrape("timeout", session=watcher))) == expected


def test_a_decision_has_what_it_was_made_from() -> None:
    name = "stellar_overlay_timeout_total"
    sick = with_values(AFTER, {"stellar_overlay_timeout_idle_total": 254.0})
    decision = decisions_of(a_pair_view(BEFORE, sick, kept=scrape_state(9.0)))[name]
    assert (decision.state, decision.reason) == ("fired", "delta 50 >= 45")
    assert (decision.value, decision.threshold, decision.version) == (50.0, 45.0, RULES.by_name[name].version)
    assert dict(decision.inputs) == {
        "metric": "stellar_overlay_timeout_idle_total + stellar_overlay_timeout_straggler_total",
        "current": "276",
        "previous": "226",
        "delta": "50",
        "interval": "1200s",
        "clause": ">= 5 x max(previous tick's delta, 5)",
    }


def test_a_decision_names_the_gates_and_what_else_the_row_asks_for() -> None:
    found = decisions_of(a_pair_view(BEFORE, AFTER, warming_up=True))
    inbound = found["stellar_overlay_inbound_authenticated"]
    assert inbound.state == "warm-up"
    assert dict(inbound.inputs) == {
        "metric": "stellar_overlay_inbound_authenticated",
        "gates": "synced-only,warmup-exempt",
        "clause": "< 3",
    }
    backlog = dict(found["henyey_scp_verify_input_backlog"].inputs)
    assert backlog["clause"] == "> 100, 2 ticks, confirmed"
    errors = dict(found["stellar_overlay_error_total"].inputs)
    assert errors["clause"] == ">= 50, scaled"


def test_a_version_goes_with_the_decision() -> None:
    rows = tuple(msgspec.structs.replace(row, version=7) for row in RULES.alarms)
    rules = msgspec.structs.replace(RULES, alarms=rows)
    assert {each.version for each in judge(a_pair_view(BEFORE, AFTER, rules=rules)).decisions} == {7}
    assert {each.version for each in judge(missing_scrape("timeout", rules=rules)).decisions} == {7}


def test_a_decision_on_a_histogram_has_its_p99_and_its_mean() -> None:
    inputs = dict(decisions_of(a_pair_view(BEFORE, AFTER))[HANDLER].inputs)
    assert (inputs["p99"], inputs["delta count"], inputs["clause"]) == ("0.5", "240", "> 0.5")
    assert float(inputs["mean"]) == pytest.approx(0.0465, abs=0.001)
