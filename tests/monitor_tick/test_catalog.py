"""What the loader of shared/*.toml refuses, and in which words."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from monitor_loop.errors import MonitorError
from monitor_loop.session import Mode
from monitor_tick.alert import Tier
from monitor_tick.catalog import (
    ALARMS,
    CI_FAILURES,
    LIMITS,
    PATTERNS,
    default_directory,
    load_rules,
    refuse_unreachable,
)
from monitor_tick.rules import CiCategory, CiFailure, Comparison, Condition, Gate, Kind
from monitor_tick.streak_rules import RATIOS, RECOVERY

ALARM = """
[[alarm]]
name = "stellar_peer_count"
kind = "gauge"
condition = "< 8"
tier = "WARN"
title = "too few peers"
version = 1
since = 2026-11-23
"""
COUNTER = ALARM.replace("gauge", "counter").replace("< 8", ">= 50")
PATTERN = """
[[pattern]]
name = "dns"
contains = ["failed to lookup"]
reading = "benign"
reason = "a configured peer's name does not resolve"
"""

FAILURE = """
[[failure]]
name = "runner lost"
category = "infrastructure"
patterns = ["lost communication with the server"]
reason = "the machine under the job went away"
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory of six good files."""
    for name in (LIMITS, RATIOS, RECOVERY):
        shutil.copy(default_directory() / name, tmp_path)
    (tmp_path / ALARMS).write_text(ALARM)
    (tmp_path / PATTERNS).write_text(PATTERN)
    (tmp_path / CI_FAILURES).write_text(FAILURE)
    return tmp_path


def refusal(shared: Path, file: str, text: str) -> str:
    (shared / file).write_text(text)
    with pytest.raises(MonitorError) as caught:
        load_rules(shared)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{shared / file}: ")
    return message.removeprefix(f"{shared / file}: ")


def test_a_row_is_read_as_written(shared: Path) -> None:
    (shared / ALARMS).write_text(ALARM + 'gates = ["synced-only"]\nmodes = ["validator", "watcher"]\nticks = 2\n')
    (row,) = load_rules(shared).alarms
    assert (row.name, row.metrics, row.kind, row.tier) == (
        "stellar_peer_count",
        ("stellar_peer_count",),
        Kind.GAUGE,
        Tier.WARN,
    )
    assert row.condition == Condition(Comparison.BELOW, 8.0)
    assert (row.gates, row.modes, row.ticks) == ((Gate.SYNCED_ONLY,), (Mode.VALIDATOR, Mode.WATCHER), 2)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (">= 1", Condition(Comparison.AT_LEAST, 1.0)),
        ("> 0.85", Condition(Comparison.ABOVE, 0.85)),
        ("< -10", Condition(Comparison.BELOW, -10.0)),
        ("!= 2", Condition(Comparison.NOT_EQUAL, 2.0)),
    ],
)
def test_conditions(shared: Path, text: str, condition: Condition) -> None:
    (shared / ALARMS).write_text(ALARM.replace("< 8", text))
    assert load_rules(shared).alarms[0].condition == condition


def test_a_factor_belongs_to_the_condition(shared: Path) -> None:
    (shared / ALARMS).write_text(COUNTER + "factor = 5\n")
    assert load_rules(shared).alarms[0].condition == Condition(Comparison.AT_LEAST, 50.0, 5.0)


@pytest.mark.parametrize(
    "text", ["8", "=> 8", "<8", "< ", "< eight", "< nan", "< inf", "== 8", "< 8 ", "< 1e3", "", "<= 8"]
)
def test_an_odd_condition_is_refused(shared: Path, text: str) -> None:
    message = refusal(shared, ALARMS, ALARM.replace("< 8", text))
    assert message == (
        f"[[alarm]] 1 (stellar_peer_count): condition is {text!r}; allowed is one of >= > < !=, a space and a number"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"gauge"', '"guage"', "kind: Invalid enum value 'guage'; allowed: counter, gauge, histogram"),
        ('"WARN"', '"FATAL"', "tier: Invalid enum value 'FATAL'; allowed: NONC, WARN, ACTION, SYNC"),
        ("version = 1", 'version = "1"', "version: Expected `int`, got `str`"),
        ("version = 1", "version = true", "version: Expected `int`, got `bool`"),
        ("version = 1", "version = 0", "version is 0; it counts from 1"),
        ("version = 1\n", "", "Object missing required field `version`"),
        ("2026-11-23", '"yesterday"', "since: Invalid RFC3339 encoded date"),
        ('"< 8"', "8", "condition is 8; allowed is one of >= > < !=, a space and a number"),
        ("too few peers", "", "title must not be empty"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(shared: Path, old: str, new: str, said: str) -> None:
    assert refusal(shared, ALARMS, ALARM.replace(old, new)) == f"[[alarm]] 1 (stellar_peer_count): {said}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tresholds = 3", "Object contains unknown field `tresholds`; allowed: name, metrics, kind"),
        ('gates = ["synced"]', "gates: Invalid enum value 'synced'; allowed: synced-only, warmup-exempt"),
        ('gates = ["synced-only", "synced-only"]', "gates repeats itself"),
        ('modes = ["miner"]', "modes: Invalid enum value 'miner'; allowed: validator, watcher"),
        ("modes = []", "modes must not be empty"),
        ("metrics = []", "metrics must not be empty"),
        ('metrics = ["stellar_peer_count", "stellar_peer_count"]', "metrics repeats itself"),
        ("ticks = 3", "ticks is 3; allowed: 1, 2 (only the previous scrape is kept)"),
        ("ticks = 0", "ticks is 0; allowed"),
        ("scale = true", "scale is for counters"),
        ("factor = 5", "factor is for counters"),
        ("factor = 0", "factor is 0; allowed is a number above 0"),
        ("factor = true", "factor is True; allowed is a number above 0"),
        ('confirm = true\ndivisor = "stellar_x_max"', "confirm samples one gauge"),
        ('confirm = true\nmetrics = ["stellar_a", "stellar_b"]', "confirm samples one gauge"),
        (
            'metrics = ["henyey_overlay_fetch_channel_depth_max"]',
            "metrics: 'henyey_overlay_fetch_channel_depth_max' is a",
        ),
        ('divisor = "max fds"', "divisor: 'max fds' is no metric of the node"),
    ],
)
def test_a_wrong_gauge_key_is_refused(shared: Path, line: str, said: str) -> None:
    assert f"[[alarm]] 1 (stellar_peer_count): {said}" in refusal(shared, ALARMS, ALARM + line + "\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ticks = 2", "ticks is for gauges"),
        ("confirm = true", "confirm is for gauges"),
        ('divisor = "stellar_x"', "divisor is for gauges"),
        ("scale = true\nfactor = 5", "scale and factor exclude each other"),
    ],
)
def test_a_wrong_counter_key_is_refused(shared: Path, line: str, said: str) -> None:
    assert said in refusal(shared, ALARMS, COUNTER + line + "\n")


HISTOGRAM = ALARM.replace("gauge", "histogram").replace("< 8", "> 0.5")


def test_a_histogram_row_is_read(shared: Path) -> None:
    (shared / ALARMS).write_text(HISTOGRAM)
    (row,) = load_rules(shared).alarms
    assert (row.kind, row.condition) == (Kind.HISTOGRAM, Condition(Comparison.ABOVE, 0.5))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ticks = 2", "ticks is for gauges"),
        ("confirm = true", "confirm is for gauges"),
        ('divisor = "stellar_x"', "divisor is for gauges"),
        ("scale = true", "scale is for counters"),
        ("factor = 5", "factor is for counters"),
        ('metrics = ["stellar_a", "stellar_b"]', "metrics: a histogram row judges one histogram"),
    ],
)
def test_a_wrong_histogram_key_is_refused(shared: Path, line: str, said: str) -> None:
    assert said in refusal(shared, ALARMS, HISTOGRAM + line + "\n")


@pytest.mark.parametrize("condition", [">= 0.5", "< 0.5", "!= 0.5", "> 0", "> -1"])
def test_a_histogram_is_compared_with_an_edge_from_above(shared: Path, condition: str) -> None:
    message = refusal(shared, ALARMS, HISTOGRAM.replace("> 0.5", condition))
    assert "condition of a histogram is > and a bucket edge" in message


def test_a_candidate_file_is_read_in_place_of_the_alarms(shared: Path, tmp_path: Path) -> None:
    candidate = tmp_path / "candidate.toml"
    candidate.write_text(HISTOGRAM)
    assert [row.kind for row in load_rules(shared, alarms=candidate).alarms] == [Kind.HISTOGRAM]
    assert [row.kind for row in load_rules(shared).alarms] == [Kind.GAUGE]


def test_a_number_below_ten_is_never_scaled(shared: Path) -> None:
    (shared / ALARMS).write_text(COUNTER.replace(">= 50", ">= 10") + "scale = true\n")
    assert load_rules(shared).alarms[0].scale
    message = refusal(shared, ALARMS, COUNTER.replace(">= 50", ">= 9.5") + "scale = true\n")
    assert "scale needs a number of at least 10" in message


@pytest.mark.parametrize(
    "name",
    ["test_metric", "henyey_test_counter", "stellar_fake_total", "Stellar_peer", "stellar peer", "", "up", "stellar_"],
)
def test_L54_a_name_that_is_no_metric_of_the_node_is_refused(shared: Path, name: str) -> None:
    message = refusal(shared, ALARMS, ALARM.replace("stellar_peer_count", name))
    assert message.startswith(f"[[alarm]] 1 ({name}): name: {name!r} is no metric of the node")


def test_a_name_that_only_contains_a_test_word_is_a_metric(shared: Path) -> None:
    (shared / ALARMS).write_text(ALARM.replace("stellar_peer_count", "stellar_attested_total"))
    assert load_rules(shared).alarms[0].name == "stellar_attested_total"


def test_L46_a_name_stands_once(shared: Path) -> None:
    assert refusal(shared, ALARMS, ALARM + ALARM) == (
        "[[alarm]] 2 (stellar_peer_count): name is taken by an earlier row"
    )


def test_L27_no_alarm_on_a_high_water_mark(shared: Path) -> None:
    assert "never falls" in refusal(shared, ALARMS, ALARM.replace("stellar_peer_count", "stellar_depth_max"))


def test_one_row_at_most_has_a_factor(shared: Path) -> None:
    other = COUNTER.replace("stellar_peer_count", "stellar_other_total")
    message = refusal(shared, ALARMS, COUNTER + "factor = 5\n" + other + "factor = 2\n")
    assert message == "factor: stellar_peer_count and stellar_other_total have one; only one row can"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no [[alarm]] row"),
        ("alarm = 3", "there is no [[alarm]] row"),
        ("alarm = [3]", "there is no [[alarm]] row"),
        (ALARM + "[[alarms]]\n", "alarms is not known; only [[alarm]] is allowed"),
        ("[[alarm]]\n", "[[alarm]] 1 (without a name): Object missing required field `name`"),
        ("[[alarm]\n", "Expected ']]'"),
    ],
)
def test_a_file_of_another_shape_is_refused(shared: Path, text: str, said: str) -> None:
    assert refusal(shared, ALARMS, text).startswith(said)


def test_a_file_that_is_not_there_is_refused(shared: Path) -> None:
    (shared / ALARMS).unlink()
    with pytest.raises(MonitorError, match=r"metric-alarms\.toml: No such file or directory; reinstall"):
        load_rules(shared)


def test_a_file_that_is_no_text_is_refused(shared: Path) -> None:
    (shared / ALARMS).write_bytes(b"\xff\xfe")
    with pytest.raises(MonitorError, match=r"metric-alarms\.toml: 'utf-8' codec"):
        load_rules(shared)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("stuck_seconds = 600", "stuck_seconds = 600.0", "stuck_seconds: Expected `int`, got `float`"),
        (
            "stuck_seconds = 600",
            "stuck_second = 600",
            "Object contains unknown field `stuck_second`; allowed: real_time",
        ),
        ("stuck_seconds = 600", "", "Object missing required field `stuck_seconds`"),
        ("stuck_seconds = 600", "stuck_seconds = 0", "stuck_seconds must be above 0, not 0"),
        ("stuck_seconds = 600", "stuck_seconds = -1", "stuck_seconds must be above 0, not -1"),
        ("[100000, 500000]", "[100000, 0]", "maintenance_counts must be above 0"),
        (
            "stretched_interval_factor = 1.5",
            "stretched_interval_factor = inf",
            "stretched_interval_factor must be above 0",
        ),
        (
            "stretched_interval_factor = 1.5",
            "stretched_interval_factor = nan",
            "stretched_interval_factor must be above 0",
        ),
    ],
)
def test_a_wrong_limit_is_refused(shared: Path, old: str, new: str, said: str) -> None:
    text = (shared / LIMITS).read_text(encoding="utf-8")
    assert old in text
    assert refusal(shared, LIMITS, text.replace(old, new)).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("benign", "harmless", "reading: Invalid enum value 'harmless'; allowed: finding, benign, ordinary"),
        ('contains = ["failed to lookup"]', "contains = []", "contains: the row would match every line"),
        ('contains = ["failed to lookup"]', 'contains = ["a", ""]', "contains: an empty text matches every line"),
        ('reading = "benign"', 'reading = "finding"', "title: a finding needs the title of its issue"),
        ("a configured peer's name does not resolve", "", "name and reason must not be empty"),
        ('reason = "a', 'urgnt = true\nreason = "a', "Object contains unknown field `urgnt`; allowed: name, contains"),
    ],
)
def test_a_wrong_log_pattern_is_refused(shared: Path, old: str, new: str, said: str) -> None:
    assert refusal(shared, PATTERNS, PATTERN.replace(old, new)).startswith(f"[[pattern]] 1 (dns): {said}")


def test_a_log_pattern_name_stands_once(shared: Path) -> None:
    assert "name is taken" in refusal(shared, PATTERNS, PATTERN + PATTERN)


def test_the_shipped_files_load(tmp_path: Path) -> None:
    rules = load_rules()
    assert rules.alarms
    assert rules.log_patterns
    assert sorted(path.name for path in default_directory().iterdir() if path.suffix != ".toml") in (
        [],
        ["__pycache__"],
    )


TABLE_OF_THE_DOCUMENT = {
    "stellar_herder_lost_sync_total": (">= 1", "SYNC"),
    "henyey_post_catchup_hard_reset_total": (">= 1", "ACTION"),
    "stellar_overlay_timeout_total": (">= 5", "WARN"),
    "stellar_overlay_error_total": (">= 50", "WARN"),
    "henyey_archive_cache_refresh_error_total": (">= 1", "NONC"),
    "henyey_archive_cache_refresh_timeout_total": (">= 3", "NONC"),
    "stellar_peer_count": ("< 8", "WARN"),
    "stellar_overlay_inbound_authenticated": ("< 3", "WARN"),
    "henyey_jemalloc_fragmentation_pct": ("> 50", "WARN"),
    "stellar_ledger_age_current_seconds": ("> 30", "SYNC"),
    "stellar_herder_state": ("!= 2", "SYNC"),
    "henyey_scp_verify_input_backlog": ("> 100", "WARN"),
    "henyey_scp_verifier_thread_state": ("!= 0", "WARN"),
    "stellar_herder_pending_envelopes": ("> 2000", "WARN"),
    "henyey_overlay_fetch_channel_depth": ("> 500", "WARN"),
    "henyey_process_open_fds": ("> 0.85", "WARN"),
    "henyey_herder_drift_max_seconds": ("> 10", "NONC"),
    "henyey_herder_drift_min_seconds": ("< -10", "NONC"),
    "stellar_scp_timing_externalized_seconds": ("> 10", "WARN"),
    "stellar_scp_timing_nominated_seconds": ("> 7", "WARN"),
    "henyey_ledger_close_handle_complete_seconds": ("> 0.5", "WARN"),
    "henyey_ledger_close_dispatch_to_join_seconds": ("> 5", "WARN"),
    "henyey_ledger_close_post_complete_seconds": ("> 0.5", "WARN"),
    "henyey_ledger_close_tx_exec_seconds": ("> 1", "WARN"),
    "henyey_ledger_close_soroban_exec_seconds": ("> 1", "WARN"),
    "henyey_ledger_close_commit_seconds": ("> 0.5", "WARN"),
    "henyey_ledger_close_soroban_state_seconds": ("> 0.5", "WARN"),
    "henyey_ledger_close_complete_tx_queue_seconds": ("> 0.5", "WARN"),
}
"""The user's numbers; the file may explain them and may not change them unseen."""


def test_the_catalog_has_the_numbers_of_the_document() -> None:
    shipped = {
        row.name: (f"{row.condition.comparison.value} {row.condition.threshold:g}", row.tier.value)
        for row in load_rules().alarms
    }
    assert list(shipped.items()) == list(TABLE_OF_THE_DOCUMENT.items())


def test_an_installed_package_is_asked_before_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "monitor_tick"
    monkeypatch.setattr("monitor_tick.catalog.__file__", str(package / "catalog.py"))
    assert default_directory() == tmp_path / "shared"
    (package / "shared").mkdir(parents=True)
    (package / "shared" / ALARMS).touch()
    assert default_directory() == package / "shared"


def test_a_ci_failure_is_read_as_written(shared: Path) -> None:
    (shared / CI_FAILURES).write_text(FAILURE + 'unless = ["panicked at"]\n')
    assert load_rules(shared).ci_failures == (
        CiFailure(
            name="runner lost",
            category=CiCategory.INFRASTRUCTURE,
            patterns=("lost communication with the server",),
            reason="the machine under the job went away",
            unless=("panicked at",),
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "patterns",
            "pattern",
            "Object contains unknown field `pattern`; allowed: name, category, patterns, reason, unless",
        ),
        (
            '"infrastructure"',
            '"infra"',
            "category: Invalid enum value 'infra'; allowed: build, test, timeout, flaky, infrastructure, unknown",
        ),
        ('"infrastructure"', '"test"', "category is 'test'; allowed: infrastructure, flaky"),
        ('["lost communication with the server"]', "[]", "patterns must not be empty"),
        ('["lost communication with the server"]', '"lost"', "patterns: Expected `array`, got `str`"),
        ('["lost communication with the server"]', '["12345678", "12345678"]', "patterns repeats itself"),
        (
            '"lost communication with the server"',
            '"*error**"',
            "patterns: '*error**' is too short; allowed: at least 8 characters without *",
        ),
        ('"the machine under the job went away"', '""', "reason must not be empty"),
        (
            '"infrastructure"',
            '"flaky"\nunless = ["panicked at"]',
            "unless is for infrastructure: a flaky row is about names of tests",
        ),
    ],
)
def test_a_wrong_ci_failure_is_refused_with_its_key(shared: Path, old: str, new: str, said: str) -> None:
    assert refusal(shared, CI_FAILURES, FAILURE.replace(old, new)) == f"[[failure]] 1 (runner lost): {said}"


def test_two_ci_failures_of_one_name_are_refused(shared: Path) -> None:
    assert "name is taken by an earlier row" in refusal(shared, CI_FAILURES, FAILURE + FAILURE)


def test_X2_a_limit_that_the_cadence_can_never_reach_is_refused_with_file_key_and_remedy(tmp_path: Path) -> None:
    limits = msgspec.structs.replace(load_rules().limits, crash_window_cadences=1.0)
    refuse_unreachable(limits, 600, tmp_path)
    with pytest.raises(MonitorError) as refused:
        refuse_unreachable(limits, 1200, tmp_path)
    assert str(refused.value) == (
        f"ERROR: {tmp_path}/limits.toml: crash_window_cadences = 1.0: 3 crashes, one a tick, span 0:40:00; "
        "set it above 2 - with a tick every 20 minutes (MONITOR_CADENCE_SECONDS=1200)"
    )
