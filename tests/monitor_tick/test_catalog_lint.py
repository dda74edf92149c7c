"""`catalog lint`: every kind of row that cannot do its work is found, and the shipped catalog has none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from monitor_loop.session import DEFAULT_CADENCE_SECONDS, Mode
from monitor_tick.catalog import ALARMS, default_directory, load_rules, text_of
from monitor_tick.catalog_lint import Wrong, reasons_in, wrong_rows
from monitor_tick.cli import main
from monitor_tick.metrics import Scrape
from tests.monitor_tick.alarm_views import AFTER, EDGES, SCRAPES, a_scrape, with_histogram, without
from tests.monitor_tick.views import the_limits

REASON = "# Seen 0-40 on a settled node (2026-05); more than that means that it does not keep up.\n"
SHIPPED = default_directory() / ALARMS
HEALTHY = SCRAPES / "healthy.prom"


def row_text(name: str = "stellar_peer_count", kind: str = "gauge", condition: str = "< 8", *more: str) -> str:
    lines = (
        "[[alarm]]",
        f'name = "{name}"',
        f'kind = "{kind}"',
        f'condition = "{condition}"',
        'tier = "WARN"',
        'title = "a title"',
        "version = 1",
        "since = 2026-11-23",
        *more,
    )
    return "\n".join(lines) + "\n"


def faults(
    tmp_path: Path,
    text: str,
    scrape: Scrape | None = AFTER,
    cadence_seconds: int = DEFAULT_CADENCE_SECONDS,
    **limits: Any,
) -> list[str]:
    """What the lint says of a file of these rows, which loads."""
    file = tmp_path / "alarms.toml"
    file.write_text(text, encoding="utf-8")
    rules = load_rules(alarms=file)
    rules = msgspec.structs.replace(rules, limits=msgspec.structs.replace(the_limits(), **limits))
    return [wrong.reason for wrong in wrong_rows(rules, text_of(file), scrape, Mode.VALIDATOR, cadence_seconds)]


def test_a_good_row_has_no_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, REASON + row_text()) == []


@pytest.mark.parametrize("file", ["healthy.prom", "healthy_next.prom", "fresh_start.prom", "healthy_watcher.prom"])
@pytest.mark.parametrize("mode", Mode)
def test_the_shipped_catalog_is_clean(file: str, mode: Mode) -> None:
    found = wrong_rows(load_rules(), text_of(SHIPPED), a_scrape(file), mode, DEFAULT_CADENCE_SECONDS)
    assert found == ()


# --- against a scrape ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["counter", "gauge"])
def test_L41_a_metric_that_the_node_does_not_have_is_found(tmp_path: Path, kind: str) -> None:
    text = REASON + row_text("stellar_renamed_long_ago", kind, ">= 8")
    assert faults(tmp_path, text) == ["no such series"]
    assert faults(tmp_path, text, None) == []


def test_L23_a_typo_in_the_name_of_a_histogram_is_found(tmp_path: Path) -> None:
    text = REASON + row_text("henyey_ledger_close_handel_complete_seconds", "histogram", "> 0.5")
    assert faults(tmp_path, text) == ["no such series"]
    assert faults(tmp_path, text, a_scrape("fresh_start.prom")) == []


def test_L34_a_divisor_that_the_node_does_not_have_is_found(tmp_path: Path) -> None:
    text = REASON + row_text("henyey_process_open_fds", "gauge", "> 0.85", 'divisor = "henyey_process_max_fd"')
    assert [fault.split(":")[0] for fault in faults(tmp_path, text)] == ["no such series"]


def test_a_metric_of_another_type_is_found(tmp_path: Path) -> None:
    text = REASON + row_text("stellar_peer_count", "counter", ">= 8")
    assert faults(tmp_path, text) == ["stellar_peer_count is typed gauge by the node, counter by the row"]


@pytest.mark.parametrize(("limit", "edge"), [("0.5", True), ("1", True), ("30", True), ("0.4", False), ("60", False)])
def test_L32_a_threshold_that_is_no_bucket_edge_is_found(tmp_path: Path, limit: str, *, edge: bool) -> None:
    text = REASON + row_text("henyey_ledger_close_commit_seconds", "histogram", f"> {limit}")
    assert faults(tmp_path, text) == ([] if edge else [f"no such bucket edge: {limit}"])


def test_L32_an_edge_that_the_node_no_longer_has_is_found() -> None:
    edges = tuple(edge for edge in EDGES if edge != "0.5")
    name = "henyey_ledger_close_commit_seconds"
    found = wrong_rows(
        load_rules(), text_of(SHIPPED), with_histogram(AFTER, name, (), edges=edges), Mode.VALIDATOR, 1200
    )
    assert found == (Wrong(name, "no such bucket edge: 0.5"),)


# --- the row alone ---------------------------------------------------------------------------------------------------


def test_L27_a_threshold_on_a_high_water_mark_is_found() -> None:
    """The loader refuses it already; the lint says so of rows that came from elsewhere."""
    (row,) = (each for each in load_rules().alarms if each.name == "stellar_peer_count")
    high = msgspec.structs.replace(row, metrics=("henyey_overlay_fetch_channel_depth_max",))
    rules = msgspec.structs.replace(load_rules(), alarms=(high,))
    (found,) = wrong_rows(rules, REASON + "[[alarm]]\n", None, Mode.VALIDATOR, 1200)
    assert "is a high-water mark and never falls" in found.reason


@pytest.mark.parametrize(("minutes", "opens"), [(15, True), (1439, True), (1440, False), (100_000, False)])
def test_a_gate_that_waits_longer_than_a_run_lasts_is_found(tmp_path: Path, minutes: int, *, opens: bool) -> None:
    text = REASON + row_text("stellar_peer_count", "gauge", "< 8", 'gates = ["synced-only"]')
    found = faults(tmp_path, text, synced_only_uptime_minutes=minutes)
    assert [fault.split(":")[0] for fault in found] == ([] if opens else ["gate synced-only never opens"])


def test_a_gate_that_waits_two_ticks_of_half_a_day_is_found(tmp_path: Path) -> None:
    text = REASON + row_text("stellar_peer_count", "gauge", "< 8", 'gates = ["warmup-exempt"]')
    (found,) = faults(tmp_path, text, cadence_seconds=43_200)
    assert found == "gate warmup-exempt never opens: it needs 1 day, 0:00:00 of uptime, a run has 1 day, 0:00:00"


@pytest.mark.parametrize(("seconds", "opens"), [(900, False), (901, True)])
def test_a_gate_that_opens_where_the_condition_is_over_is_found(tmp_path: Path, seconds: int, *, opens: bool) -> None:
    text = REASON + row_text("stellar_uptime_seconds", "gauge", f"< {seconds}", 'gates = ["synced-only"]')
    said = f"gate synced-only never opens while the uptime is below {seconds} s"
    assert faults(tmp_path, text) == ([] if opens else [said])


@pytest.mark.parametrize(
    ("condition", "reachable"), [("> 99", True), ("> 100", False), (">= 100", True), (">= 101", False), ("< 3", True)]
)
def test_a_percentage_above_a_hundred_is_found(tmp_path: Path, condition: str, *, reachable: bool) -> None:
    text = REASON + row_text("henyey_jemalloc_fragmentation_pct", "gauge", condition)
    assert faults(tmp_path, text) == ([] if reachable else ["limit: the value never exceeds 100"])


def test_a_share_above_the_whole_is_found(tmp_path: Path) -> None:
    text = REASON + row_text("henyey_process_open_fds", "gauge", "> 85", 'divisor = "henyey_process_max_fds"')
    assert faults(tmp_path, text) == ["limit: the value never exceeds 1"]


@pytest.mark.parametrize(("condition", "reachable"), [("< 0", False), ("< -3", False), ("< 1", True), (">= 1", True)])
def test_an_increase_below_zero_is_found(tmp_path: Path, condition: str, *, reachable: bool) -> None:
    text = REASON + row_text("stellar_herder_lost_sync_total", "counter", condition)
    assert faults(tmp_path, text) == ([] if reachable else ["limit: an increase is never below 0"])


@pytest.mark.parametrize(("cadence", "enough"), [(1200, True), (100, True), (99, False), (60, False)])
def test_a_volume_that_a_cadence_does_not_hold_is_found(tmp_path: Path, cadence: int, *, enough: bool) -> None:
    text = REASON + row_text("henyey_ledger_close_commit_seconds", "histogram", "> 0.5")
    said = f"limit: {cadence}s hold {cadence // 5} ledger closes, 20 observations are needed"
    assert faults(tmp_path, text, cadence_seconds=cadence) == ([] if enough else [said])


def test_a_streak_longer_than_a_run_is_found(tmp_path: Path) -> None:
    text = REASON + row_text("stellar_peer_count", "gauge", "< 8", "ticks = 2")
    assert faults(tmp_path, text, cadence_seconds=43_199) == []
    (found,) = faults(tmp_path, text, cadence_seconds=43_200)
    assert found.startswith("streak: 2 tick(s) 12:00:00 apart do not fit")


@pytest.mark.parametrize(
    "limits",
    [{"confirm_breaching": 6}, {"confirm_samples": 2}, {"confirm_interval_seconds": 11}, {"confirm_window_seconds": 3}],
)
def test_a_confirmation_that_cannot_succeed_is_found(tmp_path: Path, limits: dict[str, int]) -> None:
    name = "henyey_scp_verify_input_backlog"
    text = REASON + row_text(name, "gauge", "> 100", "confirm = true")
    assert faults(tmp_path, text) == []
    (found,) = faults(tmp_path, text, **limits)
    assert found.startswith("streak: ")


# --- the reason ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "# too few\n",
        REASON + "\n",
        REASON.replace("#", "").replace("Seen", "title_of = 3 #"),
        "# --- gauges: the value now --------------------------------------------------------------\n",
        "#" + REASON.strip("#"),
    ],
    ids=["none", "short", "a blank line between", "no comment", "a heading", "good"],
)
def test_a_number_without_its_reason_is_found(tmp_path: Path, comment: str) -> None:
    rules = msgspec.structs.replace(load_rules(), alarms=load_rules().alarms[:1])
    found = wrong_rows(rules, comment + "[[alarm]]\n", None, Mode.VALIDATOR, 1200)
    good = comment == REASON
    assert [wrong.reason.split(":")[0] for wrong in found] == ([] if good else ["no reason"])


def test_each_row_needs_a_reason_of_its_own(tmp_path: Path) -> None:
    second = row_text("stellar_herder_state", "gauge", "!= 2")
    assert faults(tmp_path, REASON + row_text() + REASON + second) == []
    assert len(faults(tmp_path, REASON + row_text() + "\n" + second)) == 1


def test_a_reason_may_have_several_lines() -> None:
    assert reasons_in("# one\n# two\n[[alarm]]\nname = 1\n\n[[alarm]]\n") == ("one two", "")


# --- the command -----------------------------------------------------------------------------------------------------


def lint(tmp_path: Path, *arguments: object) -> tuple[int, list[str]]:
    words = ["--data-root", str(tmp_path), "catalog", "lint", *map(str, arguments)]
    result = CliRunner().invoke(main, words)
    return result.exit_code, result.output.splitlines()


def test_the_command_is_content_with_what_is_shipped(tmp_path: Path) -> None:
    assert lint(tmp_path, HEALTHY) == (0, ["0 fault(s)"])


@pytest.mark.parametrize("command", ["check", "lint"])
def test_a_scrape_that_is_a_fifo_is_refused_and_not_waited_for(tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "scrape.prom")
    words = ["--data-root", str(tmp_path), "catalog", command, str(tmp_path / "scrape.prom")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "scrape.prom: not a regular file - give a file" in result.output


def test_the_command_without_a_session_looks_at_the_file_alone(tmp_path: Path) -> None:
    assert lint(tmp_path) == (0, ["0 fault(s); no scrape to compare with"])


def test_the_command_names_the_row_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(row_text("henyey_ledger_close_commit_seconds", "histogram", "> 0.4"))
    code, lines = lint(tmp_path, "--catalog", file, HEALTHY)
    assert code == 1
    assert lines == [
        "henyey_ledger_close_commit_seconds: no reason: a comment directly above [[alarm]] says what was observed",
        "henyey_ledger_close_commit_seconds: no such bucket edge: 0.4",
        "2 fault(s)",
    ]


def test_the_command_refuses_a_file_that_does_not_load_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(REASON + row_text("henyey_overlay_fetch_channel_depth_max", "gauge", "> 500"))
    code, lines = lint(tmp_path, "--catalog", file, HEALTHY)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"ERROR: {file}: [[alarm]] 1")
    assert "high-water mark" in lines[0]


def test_the_command_refuses_what_is_no_scrape(tmp_path: Path) -> None:
    file = tmp_path / "garbage.prom"
    file.write_text("<html>\n")
    code, (line,) = lint(tmp_path, file)
    assert code == 1
    assert "is no Prometheus exposition" in line


def test_a_scrape_without_a_metric_is_told_row_by_row(tmp_path: Path) -> None:
    text = "".join(
        line for line in HEALTHY.read_text("utf-8").splitlines(keepends=True) if "stellar_peer_count" not in line
    )
    file = tmp_path / "node.prom"
    file.write_text(text)
    assert lint(tmp_path, file) == (1, ["stellar_peer_count: no such series", "1 fault(s)"])
    assert without(AFTER, "stellar_peer_count").value("stellar_peer_count") is None
