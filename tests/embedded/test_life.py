"""Starts and ends of the embedded node: exit codes, trails, what a relaunch finds."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor_loop import envfile
from monitor_loop.embedded.__main__ import main
from monitor_loop.embedded.cli import embedded
from monitor_loop.embedded.faults import FAULTS, planned_fault, read_faults
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Session
from tests.embedded_fixture import RunningNode, prepared_session

Start = Callable[..., RunningNode]

TRAIL = (
    "henyey_app::run_cmd: Received SIGTERM",
    "henyey_app::run_cmd: Shutdown signal received",
    "henyey_app::app::lifecycle: Shutdown requested",
    "henyey_app::app::lifecycle: Shutdown signal received",
    "henyey_app::app::lifecycle: Close pipeline drained elapsed_ms=",
    "henyey_app::app::lifecycle: Performing shutdown cleanup",
    "henyey_app::app::lifecycle: Signaling overlay shutdown",
    "henyey_app::app::lifecycle: Overlay manager shutdown complete elapsed_ms=",
    "henyey_app::app::lifecycle: Shutdown cleanup complete elapsed_ms=",
    "henyey_app::run_cmd: Node stopped gracefully",
)


def test_sigterm_ends_it_with_its_trail_and_status_0_and_a_relaunch_goes_on(embedded_node: Start) -> None:
    node = embedded_node()
    node.wait_synced()
    ledger = node.info()["ledger"]["num"]
    assert node.terminate() == 0
    last = node.log_text().splitlines()[-len(TRAIL) :]
    assert [said in line for said, line in zip(TRAIL, last, strict=True)] == [True] * len(TRAIL)
    node.relaunch()
    node.wait_synced()
    assert node.info()["ledger"]["num"] >= ledger
    assert "Restored state from disk, skipping full catchup lcl_seq=" in node.log_text()
    assert node.log_text().count("Starting catchup") == 1


def test_a_second_start_is_refused_by_the_lock(embedded_node: Start) -> None:
    node = embedded_node()
    node.wait_logged("Opening database")
    second = subprocess.run(
        [node.session.launch_path, *node.process.args[1:]],  # type: ignore[index]  # a list, as it was given
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lock = node.session.data.path / "mainnet" / "mainnet.lock"
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1] == f"Error: database is locked (lockfile: {lock})"
    assert node.process.poll() is None


@pytest.mark.parametrize(
    ("fault", "arguments", "status", "said"),
    [
        ("crash", {}, -9, ""),
        pytest.param("crash", {"signal": 11}, -11, "", marks=pytest.mark.thorough),
        (
            "panic",
            {"message": "index out of bounds"},
            -6,
            r"\n\nthread 'tokio-rt-worker' \(\d+\) panicked at .*:\nindex",
        ),
        ("alloc_failed", {}, -6, r"\nmemory allocation of 8589934592 bytes failed\n$"),
        ("fatal", {}, 1, r" ERROR .*— pre-close hash mismatch at ledger \d+: .* fatal_wipe_required=true\n"),
        pytest.param(
            "fatal",
            {"kind": "catchup"},
            1,
            r"verification/integrity failure: .* fatal_wipe_required=true\n",
            marks=pytest.mark.thorough,
        ),
        ("livelock", {}, 1, r"— Hard-reset livelock: 641s stuck at ledger \d+ .* fatal_wipe_required=true\n"),
    ],
)
def test_every_end_has_its_status_and_its_words(
    embedded_node: Start, fault: str, arguments: dict[str, str | int], status: int, said: str
) -> None:
    node = embedded_node(startup_seconds=0)
    node.wait_logged("Node is synced")
    node.fault(fault, **arguments)
    assert node.wait_exit() == status
    text = node.log_text()
    assert re.search(said, text)
    assert "Shutdown requested" not in text
    if status == 1:
        assert text.endswith("\nError: Node shutdown due to fatal state failure — state wipe required\n")
    assert read_faults(node.session.directory / "faults.json") == ()


def test_a_freeze_ends_in_the_watchdogs_abort(embedded_node: Start) -> None:
    node = embedded_node(speed=200.0, startup_seconds=0)
    node.wait_logged("Node is synced")
    node.fault("freeze")
    assert node.wait_exit() == -signal.SIGABRT
    lines = node.log_text().splitlines()
    told = [line for line in lines if "WATCHDOG" in line]
    assert "WARN henyey_app::app: WATCHDOG: Event loop slow (>15s since last tick) stale_secs=" in told[0]
    assert " watchdog_freeze=true stale_secs=" in told[1]
    assert f"pid={node.pid}" in told[1]
    assert "Thread state summary" in told[2]
    assert "Thread wchan summary" in told[3]
    stalled = re.search(r"Auto-aborting after (\d+)s freeze", told[-1])
    assert stalled is not None
    assert int(stalled[1]) >= 120
    assert lines[-1] == told[-1]


def _hangs(node: RunningNode) -> bool:
    try:
        node.get("/info", timeout=0.1)
    except TimeoutError:
        return True
    return False


def test_a_frozen_node_hangs_http_and_thaws(embedded_node: Start) -> None:
    node = embedded_node(speed=5.0, startup_seconds=0)  # the abort would come after 24 s
    node.wait_synced()
    node.fault("freeze")
    assert node.wait_for(lambda: _hangs(node))
    node.clear()
    assert node.wait_for(lambda: node.info()["state"] == "Validating")


def test_sigterm_can_be_ignored(embedded_node: Start) -> None:
    node = embedded_node(startup_seconds=0, scenario=(planned_fault({"name": "ignore_sigterm"}),))
    node.wait_synced()
    node.process.terminate()
    node.wait_logged("Received SIGTERM")
    ledger = node.info()["ledger"]["num"]
    assert node.wait_for(lambda: node.info()["ledger"]["num"] > ledger)


def test_a_stop_can_be_slow(embedded_node: Start) -> None:
    node = embedded_node(startup_seconds=0, scenario=(planned_fault({"name": "slow_stop", "arg_seconds": 600.0}),))
    node.wait_synced()
    node.process.terminate()
    node.wait_logged("Shutdown requested")
    assert "Node stopped gracefully" not in node.log_text()
    assert node.process.poll() is None


def test_before_the_restore_it_answers_ledger_1_and_healthy(embedded_node: Start) -> None:
    node = embedded_node(startup_seconds=60 * 50)
    info = node.wait_for(node.info)
    assert (info["state"], info["ledger"]["num"], info["ledger"]["close_time"]) == ("Initializing", 1, 0)
    assert info["ledger"]["age"] == 0
    assert node.wait_for(node.health) == {
        "status": "healthy",
        "latestLedger": 1,
        "oldestLedger": 1,
        "ledgerRetentionWindow": 360,
    }
    scrape = node.get("/metrics")[1]
    assert "histogram" not in scrape
    assert "\nstellar_ledger_sequence 1\n" in scrape
    assert (node.session.data.path / "mainnet" / "mainnet.db").exists()
    assert node.terminate() == 0


def test_a_taken_port_is_told_and_the_node_goes_on(embedded_node: Start, tmp_path: Path) -> None:
    session = prepared_session(tmp_path / "taken", startup_seconds=0)
    with socket.create_server(("127.0.0.1", session.admin_port)):
        node = RunningNode(session)
        try:
            node.wait_logged("ERROR henyey_app::run_cmd: HTTP status server error error=Address already in use")
            node.wait_logged("Heartbeat")
            assert node.health()["status"] == "healthy"
        finally:
            node.kill()


def test_a_scenario_of_the_config_is_played_on_every_start(embedded_node: Start) -> None:
    node = embedded_node(startup_seconds=0, scenario=(planned_fault({"name": "crash", "after_seconds": 20.0}),))
    assert node.wait_exit() == -signal.SIGKILL
    node.relaunch()
    assert node.wait_exit() == -signal.SIGKILL


def test_a_json_log_means_the_same(embedded_node: Start) -> None:
    node = embedded_node(startup_seconds=0, log_format="json")
    lines = node.wait_logged('"heartbeat":true').splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert all(list(event) == ["timestamp", "level", "fields", "target"] for event in events)
    beat = next(event["fields"] for event in events if event["fields"]["message"] == "Heartbeat")
    assert beat["heartbeat"] is True
    assert isinstance(beat["ledger"], int)


def test_a_watcher_is_synced_without_rpc_or_nomination(embedded_node: Start) -> None:
    node = embedded_node(watcher=True, startup_seconds=0)
    node.wait_synced()
    text = node.wait_logged("Heartbeat")
    info = node.info()
    assert (info["state"], info["is_validator"]) == ("Synced", False)
    assert "Mode: full" in text
    assert "scp_sent=0 " in text
    assert "Started SCP nomination" not in text
    peers = json.loads(node.get("/peers")[1])["authenticated"]
    assert (len(peers["inbound"]), len(peers["outbound"])) == (0, 8)


@pytest.mark.parametrize("argv", [["walk"], ["run"], ["run", "--no-such", "-c", "x"]])
def test_a_bad_command_line_is_status_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2


def test_a_validator_run_of_a_watchers_config_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    session = prepared_session(tmp_path, watcher=True)
    assert main(["run", "--validator", f"--config={session.config}"]) == 1
    assert capfd.readouterr().err.startswith("Error: --validator given")


def test_a_config_that_is_not_there_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--mainnet", "run", f"-c={tmp_path / 'none.toml'}"]) == 1
    assert capfd.readouterr().err.startswith("Error: Failed to read config file")


# --- the command line that breaks it ---


class _Options:
    def __init__(self, data: DataRoot) -> None:
        self._data = data

    def data(self) -> DataRoot:
        return self._data


def _session_in_use(tmp_path: Path) -> Session:
    session = prepared_session(tmp_path)
    envfile.write(session)
    return session


def _invoke(session: Session, *argv: str) -> str:
    return CliRunner().invoke(embedded, ["fault", *argv], obj=_Options(session.data), catch_exceptions=False).output


def test_the_command_switches_faults_of_the_running_session(tmp_path: Path) -> None:
    session = _session_in_use(tmp_path)
    assert _invoke(session, "lag", "ledgers=40") == (
        "fault lag ledgers=40 seconds=100.0: on until monitor-loop embedded fault lag --clear; "
        "the node does not run now\n"
    )
    assert [one.name for one in read_faults(session.directory / "faults.json")] == ["lag"]
    assert _invoke(session, "lag", "--clear") == "cleared lag\n"
    assert read_faults(session.directory / "faults.json") == ()
    assert _invoke(session, "lag", "--clear") == "lag is not on\n"
    assert _invoke(session, "panic").startswith(
        "fault panic message=called `Option::unwrap()` on a `None` value: happens once"
    )
    assert _invoke(session, "stall").startswith("fault stall: on until ")
    assert _invoke(session, "--clear") == "cleared panic, stall\n"
    assert _invoke(session, "--clear") == "no fault is on\n"
    with pytest.raises(MonitorError, match="no fault is called 'earthquake'"):
        _invoke(session, "earthquake", "--clear")


def test_a_session_whose_directory_is_gone_is_named(tmp_path: Path) -> None:
    session = _session_in_use(tmp_path)
    shutil.rmtree(session.directory)
    for argv in (("lag",), ("--clear",)):
        with pytest.raises(MonitorError, match=f"^{session.directory}, .* run monitor-loop start --embedded$"):
            _invoke(session, *argv)


def test_the_command_lists_every_fault(tmp_path: Path) -> None:
    lines = _invoke(_session_in_use(tmp_path), "--list").splitlines()
    assert "lag ledgers=20 seconds=100.0                   behind the network by this many ledgers and seconds" in lines
    assert "gauge name=NAME value=0.0                      a gauge shows this value" in lines
    too_long = lines.index("panic message=called `Option::unwrap()` on a `None` value")
    assert lines[too_long + 1] == " " * 47 + "panic text, then SIGABRT", "in the column of the others"
    assert all(sum(line.split(" ")[0] == name for line in lines) == 1 for name in FAULTS)
    assert lines[-1].startswith("Once: crash, panic, ")


@pytest.mark.parametrize("argv", [(), ("lag", "ledgers")])
def test_the_command_refuses_what_it_cannot_read(tmp_path: Path, argv: tuple[str, ...]) -> None:
    assert "Usage:" in _invoke(_session_in_use(tmp_path), *argv)
