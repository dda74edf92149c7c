"""A healthy embedded node, seen from outside: what node contract sections 1 to 6 say, on the live process."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor_loop import nodeconfig
from tests.embedded_fixture import RunningNode

DATA = Path(__file__).parent.parent / "data"
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ( INFO| WARN|ERROR) ([\w:]+): (.*)")
BANNER = re.compile(r"henyey \S+|Node: .*|Mode: validator|Public Key: G[A-Z2-7]{55}|Network: .*|")


def test_the_exe_is_the_sessions_binary_and_the_argv_is_a_run(quiet_node: RunningNode) -> None:
    session = quiet_node.session
    assert Path(f"/proc/{quiet_node.pid}/exe").readlink() == session.launch_path
    assert Path(f"/proc/{quiet_node.pid}/comm").read_text() == "henyey\n"
    argv = Path(f"/proc/{quiet_node.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    assert argv[-5:] == ["--mainnet", "run", "--validator", "-c", session.config]


def test_the_sessions_config_is_one_the_real_reader_reads(quiet_node: RunningNode) -> None:
    session = quiet_node.session
    config = nodeconfig.read_node_config(session.config_file, session.repo)
    assert (config.http_port, config.rpc_port) == (session.admin_port, session.rpc_port)
    assert (config.retention_window, config.maintenance_period_seconds) == (360, 900)
    assert config.database.exists()
    assert config.lock_file.read_bytes() == b""
    assert config.buckets.is_dir()


def test_every_line_has_the_nodes_shape(quiet_node: RunningNode) -> None:
    text = quiet_node.wait_logged("Heartbeat")
    lines = text[: text.rindex("\n")].split("\n")
    strange = [line for line in lines if not LINE.fullmatch(line) and not BANNER.fullmatch(line)]
    assert strange == []
    assert not [line for line in lines if " ERROR " in line]


def _shape(line: str) -> tuple[str, str, str]:
    """Target, message up to its first number or key, and the line with every value replaced by its kind."""
    match = LINE.fullmatch(line)
    assert match
    body = re.sub(r"\bG[A-Z2-7]{55}\b", "KEY", match[4])
    body = re.sub(r"\b[0-9a-f]{64}\b", "HASH", body)
    body = re.sub(r"\d+\.\d+\.\d+\.\d+:\d+", "ADDRESS", body)
    body = re.sub(r"\d+(\.\d+)?", "N", body)
    body = re.sub(r"\b(true|false)\b", "BOOL", body)
    body = re.sub(r'="[a-z_]+"', '="NAME"', body)
    return match[2], match[3], body


_STEADY = (
    "Heartbeat heartbeat",
    "Ledger closed",
    "Rapid close cycle ended",
    "Requested SCP state",
    "Started SCP nomination",
    "Performing database maintenance",
    "Memory report summary",
    "Memory report component",
)


@pytest.mark.parametrize("begin", _STEADY)
def test_its_lines_are_the_real_nodes_lines(quiet_node: RunningNode, begin: str) -> None:
    text = quiet_node.wait_logged(f": {begin}")
    ours = {_shape(line) for line in text.splitlines() if f": {begin}" in line}
    real = {_shape(line) for line in (DATA / "monitor.log.sample").read_text().splitlines() if f": {begin}" in line}
    assert ours == real


def test_the_heartbeat_has_its_fields_in_order(quiet_node: RunningNode) -> None:
    line = next(one for one in quiet_node.wait_logged(" Heartbeat ").splitlines() if " Heartbeat " in one)
    names = re.findall(r"(\w+)=", line)
    real = next(one for one in (DATA / "monitor.log.sample").read_text().splitlines() if " Heartbeat " in one)
    assert names == re.findall(r"(\w+)=", real)


def test_the_start_tells_its_steps_in_order(quiet_node: RunningNode) -> None:
    steps = (
        "Loading configuration from file",
        "Starting henyey node",
        "Opening database",
        "Node identity",
        "Starting HTTP status server",
        "Starting JSON-RPC server",
        "Node is behind, starting catchup",
        "State transition from=Initializing to=Catching Up",
        "Starting catchup target=Ledger(",
        "State transition from=Catching Up to=Synced",
        "Entering main event loop",
        "State transition from=Synced to=Validating",
        "Node is synced state=Validating",
        "Ledger closed",
    )
    text = quiet_node.wait_logged("Ledger closed")
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_info_has_every_key_of_the_contract(quiet_node: RunningNode) -> None:
    info = quiet_node.info()
    assert list(info) == [
        *("build", "commit_hash", "protocol_version", "state", "started_on", "uptime_secs", "node_name", "public_key"),
        *("network_passphrase", "is_validator", "ledger", "peers", "quorum"),
    ]
    assert list(info["ledger"]) == [
        *("num", "hash", "close_time", "version", "base_fee", "base_reserve", "max_tx_set_size", "flags", "age")
    ]
    assert re.fullmatch("[0-9a-f]{40}", info["commit_hash"])
    assert (info["state"], info["is_validator"]) == ("Validating", True)
    assert info["ledger"]["age"] <= 5
    assert info["peers"]["authenticated_count"] == 25


def test_get_health_has_four_keys_and_no_age(quiet_node: RunningNode) -> None:
    answer = quiet_node.rpc({"jsonrpc": "2.0", "id": 7, "method": "getHealth"})
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
    assert list(answer["result"]) == ["status", "latestLedger", "oldestLedger", "ledgerRetentionWindow"]
    assert answer["result"]["status"] == "healthy"
    assert 0 < answer["result"]["latestLedger"] - answer["result"]["oldestLedger"] < 1580


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"{", -32700),
        ([{"jsonrpc": "2.0", "id": 1, "method": "getHealth"}], -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "getHealth"}, -32600),
        ({"jsonrpc": "2.0", "method": "getHealth"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "getAge"}, -32601),
    ],
)
def test_rpc_errors_are_in_the_body(quiet_node: RunningNode, request_: object, code: int) -> None:
    answer = quiet_node.rpc(request_)
    assert answer["error"]["code"] == code
    assert "result" not in answer


@pytest.mark.parametrize("method", ["getLatestLedger", "getNetwork", "getVersionInfo"])
def test_other_rpc_methods_answer(quiet_node: RunningNode, method: str) -> None:
    assert quiet_node.rpc({"jsonrpc": "2.0", "id": 1, "method": method})["result"]["protocolVersion"] == 25


def test_paths_and_methods_that_are_none(quiet_node: RunningNode) -> None:
    assert quiet_node.get("/nope") == (404, "")
    assert quiet_node.get("/maintenance")[0] == 405
    assert quiet_node.get("/info", method="POST")[0] == 405
    assert quiet_node.get("/scp?limit=many")[0] == 400


def test_scp_shows_the_newest_slots(quiet_node: RunningNode) -> None:
    slots = json.loads(quiet_node.get("/scp?limit=3")[1])["slots"]
    assert [slots[0]["slot_index"] - slot["slot_index"] for slot in slots] == [0, 1, 2]
    assert slots[0]["is_externalized"] is slots[0]["fully_validated"] is True
    assert slots[0]["ballot_phase"] == "Externalize"


def test_peers_status_and_health_agree_with_info(quiet_node: RunningNode) -> None:
    peers = json.loads(quiet_node.get("/peers")[1])
    status = json.loads(quiet_node.get("/status")[1])
    code, health = quiet_node.get("/health")
    assert len(peers["authenticated"]["inbound"]) == 9
    assert peers["authenticated_count"] == status["peer_count"] == 25
    assert (code, json.loads(health)["status"]) == (200, "healthy")
    assert (status["state"], status["consensus_state"]) == ("Validating", "Tracking")


def test_maintenance_works_only_when_queued(quiet_node: RunningNode) -> None:
    assert json.loads(quiet_node.get("/maintenance?count=1", method="POST")[1]) == {"message": "No work performed"}
    assert "manual maintenance" not in quiet_node.log_text()
    assert json.loads(quiet_node.get("/maintenance?queue=true&count=77", method="POST")[1]) == {"message": "Done"}
    assert "Performing manual maintenance count=77 lcl=" in quiet_node.log_text()


def test_the_radar_knows_this_node_and_no_other(quiet_node: RunningNode) -> None:
    key = quiet_node.info()["public_key"]
    quiet_node.wait_for(lambda: quiet_node.radar(key)[1]["lag"] < 5)  # more where it got no processor for a while
    status, radar = quiet_node.radar(key)
    assert (status, radar["isValidating"]) == (200, True)
    assert quiet_node.radar("GNOBODY")[0] == 404


def test_the_scrape_has_all_225_families_and_parses(quiet_node: RunningNode) -> None:
    status, text = quiet_node.get("/metrics")
    parsed = {family.name for family in text_string_to_metric_families(text)}
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    real = {line.split()[2] for line in (DATA / "healthy.prom").read_text().splitlines() if line.startswith("# TYPE")}
    assert status == 200
    assert names == real
    assert len(parsed) == len(names) == 225


def _samples(text: str) -> dict[str, float]:
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_its_series_are_those_of_the_real_node(quiet_node: RunningNode) -> None:
    ours, real = set(_samples(quiet_node.get("/metrics")[1])), set(_samples((DATA / "healthy.prom").read_text()))
    assert {name for name in real - ours if "archive=" not in name} == set()
    assert {name for name in ours - real if "archive=" not in name} == set()


def test_counters_and_buckets_never_fall_and_the_state_shows(quiet_node: RunningNode) -> None:
    first = quiet_node.get("/metrics")[1]
    ledger = quiet_node.info()["ledger"]["num"]
    quiet_node.wait_for(lambda: quiet_node.info()["ledger"]["num"] > ledger + 3)
    second = quiet_node.get("/metrics")[1]
    gauges = {line.split()[2] for line in first.splitlines() if line.startswith("# TYPE") and line.endswith("gauge")}
    before, after = _samples(first), _samples(second)
    assert [name for name in before if name not in gauges and after[name] < before[name]] == []
    assert after["stellar_ledger_sequence"] > ledger
    assert after["stellar_herder_state"] == 2
    assert after["stellar_peer_count"] == 25
    assert after["stellar_ledger_age_current_seconds"] <= 5
    assert after["stellar_herder_lost_sync_total"] == 1


def test_buckets_are_cumulative(quiet_node: RunningNode) -> None:
    text = quiet_node.get("/metrics")[1]
    name = "stellar_ledger_transaction_apply_seconds"
    counts = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"{name}_bucket")]
    assert counts == sorted(counts)
    assert counts[-1] == _samples(text)[f"{name}_count"] > 300
