"""The whole product on a live node: start, look, break it in each of its ways, look again, stop."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor_loop import envfile, procfs
from monitor_loop.embedded.faults import Scalar, clear_faults, set_fault
from monitor_loop.session import DataRoot, Session
from tests.end_to_end.commands import line, monitor_loop, monitor_tick, tick_json, tree_of

PATIENCE_SECONDS = 120.0

Faults = tuple[tuple[str, dict[str, Scalar]], ...]
Expected = dict[str, str]

BREAKS: dict[str, tuple[Faults, Expected]] = {
    "a dead thread, an error, a metric less, a vote less, no RPC": (
        (
            ("gauge", {"name": "henyey_scp_verifier_thread_state", "value": 2}),
            ("error_line", {"text": "Disk is on fire", "target": "henyey_db::pool"}),
            ("missing", {"name": "stellar_peer_count"}),
            ("not_validating", {}),
            ("rpc_down", {}),
        ),
        {
            "status": "WARNING",
            "metrics": r"alerts \(.*henyey_scp_verifier_thread_state",
            "log": r"ERROR x1",
            "self_reflect": r"dead alarm: stellar_peer_count \(no such series\)",
            "obsrvr": r"validating=N val24h=0% lag=\d+",
            "rpc": r"N/A — RPC DOWN \(connection refused\)",
            "issues": r"would file: log: henyey_db::pool: Disk is on fire",
        },
    ),
    "no recorder, the radar incomplete, RPC with 500": (
        (("no_recorder", {}), ("radar_incomplete", {}), ("http_500", {"path": "rpc"})),
        {
            "metrics": r"skipped \(recorder not installed\)",
            "obsrvr": r"N/A \(api-incomplete\)",
            "rpc": r"RPC DOWN \(HTTP 500\)",
        },
    ),
    "garbage metrics of a node that lags": (
        (("garbage", {}), ("lag", {"ledgers": 40, "seconds": 100})),
        {
            "metrics": r"skipped \(not parseable: line \d+\)",
            "sync": r"CATCHING UP \(gap=\d+, uptime=\d+m, deadline=15m\)",
            "rpc": r"unhealthy .* age=\d{3}s",
        },
    ),
    "metrics with 500 of a node that lost sync": (
        (("http_500", {"path": "/metrics"}), ("lost_sync", {"seconds": 120})),
        {"status": "WARNING", "metrics": r"skipped \(HTTP 500\)", "sync": r"CATCHING UP", "log": r"lost sync x\d"},
    ),
    "metrics without end, info redirected": (
        (("endless", {"path": "/metrics"}), ("redirect", {"path": "/info"})),
        {"metrics": r"skipped \(body over 16 MB\)", "obsrvr": r"N/A \(redirect refused\)"},
    ),
    "ports not bound": (
        (("ports_not_bound", {}),),
        {
            "status": "WARNING",
            "log": r"admin HTTP not served x\d+, RPC not served x\d+",
            "metrics": r"skipped \(connection refused\)",
            "rpc": r"RPC DOWN \(connection refused\)",
        },
    ),
}


def _said(report: dict[str, Any], label: str) -> str:
    return str(report["status"]) if label == "status" else line(report, label)


class Monitored:
    """A data root in which `monitor-loop start --embedded` has started a node."""

    def __init__(self, data: Path) -> None:
        self.data = data
        ran = monitor_loop(data, "start", "--embedded", "--speed", "20")
        assert ran.returncode == 0, ran.stderr
        assert "MONITOR LOOP STARTED" in ran.stdout

    @property
    def session(self) -> Session:
        return envfile.read(DataRoot(self.data))

    def fault(self, name: str, /, **arguments: Scalar) -> None:
        set_fault(self.session.directory, name, **arguments)

    def full_tick(self) -> dict[str, Any]:
        """The tick after a lost state is a full one, whenever it comes."""
        self.session.state.unlink()
        return tick_json(self.data)

    def mend(self) -> None:
        clear_faults(self.session.directory)

    def report_with(self, expected: Expected) -> dict[str, Any]:
        """The first dry run whose lines are as expected: a fault is seen by the node within a fraction of a second."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            report = tick_json(self.data, "--dry-run")
            wrong = [label for label, words in expected.items() if not re.search(words, _said(report, label))]
            if not wrong:
                return report
            if time.monotonic() > deadline:
                pytest.fail(f"{wrong} not as expected: {report['lines']}")

    def end(self) -> None:
        ran = monitor_loop(self.data, "stop", "--grace", "3")
        assert ran.returncode == 0, ran.stderr
        assert procfs.find_nodes(DataRoot(self.data)) == ()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """In sync, and looked at once, so that there is a scrape to compare with."""
    node = Monitored(tmp_path_factory.mktemp("data").resolve())
    try:
        node.report_with({"sync": "^synced$", "metrics": "^clean$"})
        tick_json(node.data)
        yield node
    finally:
        node.end()


@pytest.fixture
def node(running: Monitored) -> Iterator[Monitored]:
    yield running
    running.mend()


USUAL = (
    "a dead thread, an error, a metric less, a vote less, no RPC",
    "metrics with 500 of a node that lost sync",
    "ports not bound",
)
"""The others stand in the lines of these, as the tests of their probes tell them apart."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in USUAL else pytest.mark.thorough) for name in BREAKS]
)
def test_what_is_broken_stands_in_its_line(node: Monitored, name: str) -> None:
    faults, expected = BREAKS[name]
    for fault, arguments in faults:
        node.fault(fault, **arguments)
    node.report_with(expected)


def test_a_counter_that_jumps_is_an_alert(node: Monitored) -> None:
    assert "lost_sync" not in line(node.full_tick(), "metrics")
    node.fault("counter", name="stellar_herder_lost_sync_total", amount=1)
    expected = {
        "metrics": r"stellar_herder_lost_sync_total",
        "issues": r"would file: metrics: stellar_herder_lost_sync",
    }
    assert node.report_with(expected)["status"] == "WARNING"


def test_a_flood_of_ordinary_lines_is_no_finding(node: Monitored) -> None:
    node.fault("log_flood", rate=5000)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while node.session.log.read_bytes().count(b"Slow event-loop operation") < 2000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    report = tick_json(node.data, "--dry-run")
    assert "Slow" not in line(report, "log")
    assert "Slow" not in line(report, "issues")


def test_stalled_pruning_is_met_with_one_maintenance_call(node: Monitored) -> None:
    node.fault("pruning_stalled", window=2000)
    node.report_with({"rpc": r"pruning stalled: window 2\d\d\d > 1580"})
    report = node.full_tick()
    assert re.search(r"maintenance count=100000 done, window now 2\d\d\d", line(report, "rpc"))
    assert report["status"] == "ACTION"
    again = tick_json(node.data)
    assert "maintenance count" not in line(again, "rpc"), "an early tick does not call again"


def test_a_dry_run_changes_no_byte_beside_a_live_node(node: Monitored) -> None:
    of_node = ("/logs/monitor.log", "mainnet/", "/faults.json")
    before = tree_of(node.data, but=of_node)
    assert any(name.endswith("state.json") for name in before)
    assert monitor_tick(node.data, "--dry-run").returncode == 0
    assert monitor_tick(node.data, "--dry-run", "--json").returncode == 0
    assert tree_of(node.data, but=of_node) == before


def test_json_has_the_content_of_the_text(node: Monitored) -> None:
    """Two looks at a live node; one that changes its state between them is looked at again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        shown = monitor_tick(node.data, "--dry-run").stdout
        report = tick_json(node.data, "--dry-run")
        told = [_plain(text) for texts in report["lines"].values() for text in texts]
        head, *rows = shown.partition("\n\nplan: ")[0].splitlines()
        texts = [_plain(re.sub(r"^  (\w+: *| {9})", "", row)) for row in rows]
        if texts == told or time.monotonic() > deadline:
            break
    assert texts == told
    assert head.startswith(f"MONITOR {report['status']} — L")
    assert [row.split(":")[0].strip() for row in rows if row[2] != " "] == list(report["lines"])
    assert report["schema"] == 2


def _plain(text: str) -> str:
    """What differs between two looks at a live node is numbers."""
    return re.sub(r"[+-]?\d[\d.hms]*", "N", text)


def test_from_start_over_death_to_a_clean_stop(tmp_path: Path) -> None:
    node = Monitored(tmp_path.resolve())
    node.report_with({"sync": "^synced$"})
    first = node.session.id
    assert tick_json(node.data)["status"] == "OK"

    node.fault("panic")
    report = node.report_with({"node": r"DEAD — panic at \S+\.rs"})
    assert report["status"] == "OFFLINE"
    assert report["plan"]["node"] == "relaunch"
    assert "would relaunch the node" in line(report, "issues")
    before = tree_of(node.data)
    assert monitor_tick(node.data, "--dry-run").returncode == 0
    assert tree_of(node.data) == before

    again = Monitored(node.data)
    assert again.session.id != first
    again.report_with({"sync": "^synced$", "node": rf"session={again.session.id} pid=\d+"})

    again.end()
    stopped = monitor_tick(node.data)
    assert stopped.returncode == 0
    assert re.fullmatch(r"STOPPED: stopped by the operator at .*; to resume: monitor-loop start\n", stopped.stdout)
    assert monitor_tick(node.data, "--dry-run").stdout == stopped.stdout
