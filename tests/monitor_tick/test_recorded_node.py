"""Whole ticks on recordings of the real node, at their own clock, against a server that is not the embedded node."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor_loop.errors import MonitorError
from monitor_loop.session import Mode
from monitor_tick.catalog import load_rules
from monitor_tick.report import Line, Report, render_text
from monitor_tick.tick import tick
from tests.recorded_node import DATA, SAMPLED_AT, RecordedNode, recorded_node

RULES = load_rules()
CADENCE = timedelta(minutes=20)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


def look(node: RecordedNode, after: timedelta = timedelta(), *, dry_run: bool = False) -> Report:
    return tick(node.session, RULES, SAMPLED_AT + after, proc=node.proc, dry_run=dry_run)


def line(report: Report, label: str) -> str:
    return next(" / ".join(each.texts) for each in report.lines if each.label == label)


def tree_of(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file under `root`, with its bytes and its time of change."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_healthy_node_reports_ledger_window_sync_memory_and_log(node: RecordedNode) -> None:
    report = look(node)
    assert render_text(report).startswith("MONITOR OK — L62484032 — 2026-05-09T03:41:57Z\n")
    assert line(report, "node").endswith("pid=48213 uptime=26h01m fresh_start=no build=b8f18c6d")
    assert line(report, "log") == "clean"
    assert line(report, "sync") == "synced"
    assert line(report, "rpc") == "healthy oldestL=62483583 latestL=62484033 window=450 age=3s"
    assert line(report, "mem") == (
        "7588MB rss | alloc=6104MB resident=7213MB frag=18.2% / heap=5244MB mmap=11046MB unaccounted=+860MB"
    )
    assert line(report, "obsrvr") == "validating=Y val24h=99.8% lag=1"
    assert line(report, "metrics") == "clean"
    assert line(report, "issues") == "none"
    assert line(report, "self_reflect") == "clean"


def test_healthy_to_healthy_next_stays_clean(node: RecordedNode) -> None:
    look(node)
    node.scrape("healthy_next.prom")
    node.answer_at(62_484_251, SAMPLED_AT + CADENCE)
    report = look(node, CADENCE)
    assert render_text(report).startswith("MONITOR OK — L62484251 — ")
    assert (line(report, "metrics"), line(report, "sync")) == ("clean", "synced")
    metrics = node.session.metrics
    assert (metrics / "current.prom").read_bytes() == (DATA / "healthy_next.prom").read_bytes()
    assert (metrics / "prev.prom").read_bytes() == (DATA / "healthy.prom").read_bytes()


def test_a_watcher_reports_its_reduced_catalog(tmp_path: Path) -> None:
    with recorded_node(tmp_path, Mode.WATCHER) as watcher:
        watcher.scrape("healthy_watcher.prom")
        report = look(watcher)
    assert line(report, "metrics") == "clean"
    assert (line(report, "rpc"), line(report, "obsrvr")) == ("N/A (watcher)", "N/A (watcher)")


def test_a_dry_run_says_the_same_and_changes_no_byte_under_the_data_root(node: RecordedNode) -> None:
    before = tree_of(node.session.data.path)
    dry = look(node, dry_run=True)
    assert tree_of(node.session.data.path) == before
    assert _but_disk(dry) == _but_disk(look(node))
    before = tree_of(node.session.data.path)
    look(node, CADENCE, dry_run=True)
    assert tree_of(node.session.data.path) == before


def _but_disk(report: Report) -> list[Line]:
    """Others write to the volume meanwhile."""
    return [line for line in report.lines if line.label != "disk"]


def test_a_tick_run_twice_changes_nothing_more_than_once(node: RecordedNode) -> None:
    """The second, early tick may move the time of the last look and the history, and nothing that counts."""
    look(node)
    node.scrape("healthy_next.prom")
    look(node, CADENCE)
    files = ("metrics/current.prom", "metrics/prev.prom", "last_ledger")
    before = {name: (node.session.directory / name).read_bytes() for name in files}
    again = look(node, CADENCE + timedelta(seconds=30))
    assert {name: (node.session.directory / name).read_bytes() for name in files} == before
    assert line(again, "metrics") == "clean"


def test_the_abnormal_lines_become_findings_and_the_harmless_ones_do_not(node: RecordedNode) -> None:
    look(node)
    rows = [row.split("\t", 1)[1] for row in (DATA / "abnormal_lines.tsv").read_text("utf-8").splitlines()]
    with node.session.log.open("a", encoding="utf-8") as log:
        log.writelines(row.replace("\\n", "\n") + "\n" for row in rows)
    report = look(node, timedelta(minutes=30))
    titles = [filing.alert.title for filing in report.plan.filings]
    assert any("Hash mismatch" in title for title in titles)
    assert not any("GeneralizedTxSet" in title or "Unable to resolve peer" in title for title in titles)


def test_L05_a_restart_makes_the_scrape_a_new_baseline(node: RecordedNode) -> None:
    look(node)
    node.run_as(started_at=SAMPLED_AT + timedelta(minutes=19))
    node.answer_at(62_484_251, SAMPLED_AT + CADENCE)
    node.scrape("healthy_next.prom")
    node.bodies["/metrics"] = node.bodies["/metrics"].replace(
        b"\nstellar_herder_lost_sync_total ", b"\nstellar_herder_lost_sync_total 9"
    )
    report = look(node, CADENCE)
    assert line(report, "metrics") == "clean"


def test_L08_a_wiped_session_with_a_live_process_is_rebuilt_as_directories_and_goes_on(node: RecordedNode) -> None:
    look(node)
    shutil.rmtree(node.session.directory)
    report = look(node, CADENCE)
    assert line(report, "wipe").startswith(
        "SESSION DIR WIPED — process alive (PID 48213), operator intervention needed"
    )
    assert node.session.logs.is_dir()
    assert report.level.name == "ACTION"
    assert "wipe" not in {each.label for each in look(node, 2 * CADENCE).lines}


def test_L07_a_session_left_for_days_is_refused_and_nothing_is_made(node: RecordedNode) -> None:
    shutil.rmtree(node.proc / "48213")
    old = (SAMPLED_AT - timedelta(days=2)).timestamp()
    os.utime(node.session.alive, (old, old))
    os.utime(node.session.data.env_file, (old, old))
    before = tree_of(node.session.directory)
    with pytest.raises(MonitorError, match="long-stale"):
        look(node)
    (refused,) = node.session.history.read_text().splitlines()
    assert '"status": "REFUSED"' in refused
    node.session.history.unlink()
    assert tree_of(node.session.directory).keys() == before.keys()


def test_a_refusal_is_one_urgent_issue_a_day(node: RecordedNode) -> None:
    shutil.rmtree(node.proc / "48213")
    for path in (node.session.alive, node.session.data.env_file):
        os.utime(path, ((SAMPLED_AT - timedelta(days=3)).timestamp(),) * 2)
    for after in (timedelta(0), CADENCE, timedelta(hours=23)):
        with pytest.raises(MonitorError, match="long-stale"):
            look(node, after)
    (issue,) = node.session.data.issues.glob("*.md")
    text = issue.read_text()
    assert "title: OFFLINE: monitoring refused for session 1a2b3c4d" in text
    assert "labels: urgent" in text
    assert "## Comment" not in text
    before = len(text)
    with pytest.raises(MonitorError, match="long-stale"):
        look(node, timedelta(hours=25))
    assert len(issue.read_text()) > before


def test_a_refusal_is_told_again_within_the_day_where_the_session_was_started_in_between(node: RecordedNode) -> None:
    shutil.rmtree(node.proc / "48213")
    shutil.rmtree(node.session.directory)
    told = []
    for after, started in ((0, -3), (5, -3), (9, 6), (10, 6)):
        os.utime(node.session.data.env_file, ((SAMPLED_AT + timedelta(hours=started)).timestamp(),) * 2)
        with pytest.raises(MonitorError, match="absent"):
            look(node, timedelta(hours=after))
        (issue,) = node.session.data.issues.glob("*.md")
        told.append(issue.read_text().count("key=offline:refused"))
    assert told == [1, 1, 2, 2]


def test_a_dead_node_whose_binary_is_gone_too_is_offline_and_says_so(node: RecordedNode) -> None:
    look(node)
    shutil.rmtree(node.proc / "48213")
    node.session.launch_path.unlink(missing_ok=True)
    report = look(node, CADENCE)
    assert report.level.name == "OFFLINE"
    assert "relaunch FAILED: log kept as monitor.log.crashed-" in line(report, "node")
    assert "filed #1 Node crashed: unknown" in line(report, "issues")
    assert line(report, "metrics").startswith("skipped")
