"""Every fault shows its effect on the live node, and is gone when it is cleared."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded_fixture import RunningNode, prepared_session

FAST = 200.0  # a memory report every 1.6 s; twice that is more than a busy machine has to give


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Takes everything that does not kill."""
    node = RunningNode(prepared_session(tmp_path_factory.mktemp("data"), speed=FAST))
    try:
        node.wait_synced()
        yield node
    finally:
        node.kill()


@pytest.fixture
def node(patient: RunningNode) -> Iterator[RunningNode]:
    yield patient
    patient.mend()


def _metric(node: RunningNode, series: str) -> float:
    line = re.search(rf"^{re.escape(series)} (\S+)$", node.get("/metrics")[1], re.MULTILINE)
    assert line, series
    return float(line[1])


def _window(node: RunningNode) -> int:
    seen = node.health()
    return int(seen["latestLedger"] - seen["oldestLedger"])


def _maintain(node: RunningNode) -> int:
    """The window after a maintenance call."""
    node.get("/maintenance?queue=true", method="POST")
    return _window(node)


def _last_heartbeat(node: RunningNode) -> dict[str, str]:
    line = [one for one in node.log_text().splitlines() if " Heartbeat " in one][-1]
    return dict(re.findall(r"(\w+)=(\S+)", line))


def test_lag_shows_in_age_gap_and_health_at_once(node: RunningNode) -> None:
    node.fault("lag", ledgers=40, seconds=100)
    assert node.wait_for(lambda: node.info()["ledger"]["age"] >= 99)
    assert node.health()["status"] == "unhealthy"
    assert node.wait_for(lambda: int(_last_heartbeat(node)["peer_gap"]) >= 40)
    heartbeat = _last_heartbeat(node)
    assert int(heartbeat["latest_ext"]) - int(heartbeat["ledger"]) >= 40
    assert _metric(node, "stellar_ledger_age_current_seconds") >= 99
    ledger = node.info()["ledger"]["num"]
    assert node.wait_for(lambda: node.info()["ledger"]["num"] > ledger)
    node.clear("lag")
    assert node.wait_for(lambda: node.health()["status"] == "healthy")


def test_a_stall_keeps_the_ledger(node: RunningNode) -> None:
    node.fault("stall")
    seen = [0]

    def stands() -> bool:
        seen.append(node.info()["ledger"]["num"])
        time.sleep(0.1)  # eight ledgers
        return seen[-1] == node.info()["ledger"]["num"]

    assert node.wait_for(stands)
    node.clear("stall")
    assert node.wait_for(lambda: node.info()["ledger"]["num"] > seen[-1])


def test_lost_sync_changes_the_state_and_its_lines(node: RunningNode) -> None:
    lost = _metric(node, "stellar_herder_lost_sync_total")
    node.fault("lost_sync", seconds=90)
    assert node.wait_for(lambda: node.info()["state"] == "Catching Up")
    text = node.wait_logged("Recovery stalled for too long — forcing catchup current_ledger=")
    for words in (
        "WARN henyey_herder::sync_recovery: Consensus stuck - transitioning to out-of-sync",
        "State transition from=Validating to=Catching Up",
        "WARN henyey_app::app::lifecycle: Have not heard from quorum",
        "heard_from_quorum=false",
    ):
        assert words in text
    assert node.info()["ledger"]["age"] >= 90
    assert node.get("/health")[0] == 503
    assert _metric(node, "stellar_herder_lost_sync_total") == lost + 1
    assert _metric(node, "stellar_herder_state") == 1
    assert _metric(node, 'henyey_recovery_stalled_tick_total{reason="forcing_catchup_behind"}') >= 1
    node.clear("lost_sync")
    assert node.wait_for(lambda: node.info()["state"] == "Validating" and node.info()["ledger"]["age"] < 10)


def test_peers_leave_and_come_back(node: RunningNode) -> None:
    node.fault("few_peers", inbound=0, outbound=3)
    assert node.wait_for(lambda: node.info()["peers"]["authenticated_count"] == 3)
    assert _metric(node, "stellar_overlay_inbound_authenticated") == 0
    node.clear()
    assert node.wait_for(lambda: node.info()["peers"]["authenticated_count"] == 25)


def _rss_mb(node: RunningNode) -> int:
    line = next(one for one in Path(f"/proc/{node.pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) >> 10


def test_memory_growth_is_reported_and_partly_real(node: RunningNode) -> None:
    before = _rss_mb(node)
    node.fault("memory_growth", mb=6000, real_mb=48)
    text = node.wait_logged('component="bucket_list_cache" mb="6611.2"')
    assert 'jemalloc_allocated_mb="12101"' in text, "in the summary that goes before"
    assert _rss_mb(node) >= before + 40
    assert _metric(node, "henyey_jemalloc_allocated_bytes") == 12101 << 20


def test_fragmentation_is_reported(node: RunningNode) -> None:
    node.fault("fragmentation", pct=61.5)
    node.wait_logged('fragmentation_pct="61.5"')
    assert _metric(node, "henyey_jemalloc_fragmentation_pct") == 61.5


def test_slow_closes_fill_the_upper_buckets(node: RunningNode) -> None:
    name = "henyey_ledger_close_handle_complete_seconds"
    slow = "stellar_ledger_close_duration_seconds"
    before = _metric(node, f"{slow}_count") - _metric(node, f'{slow}_bucket{{le="2"}}')
    node.fault("slow_close", factor=20)
    assert node.wait_for(
        lambda: _metric(node, f"{slow}_count") - _metric(node, f'{slow}_bucket{{le="2"}}') > before + 3
    )
    assert _metric(node, f"{name}_count") > _metric(node, f'{name}_bucket{{le="0.5"}}')


def test_stalled_pruning_widens_the_window_whatever_maintenance_does(node: RunningNode) -> None:
    node.fault("pruning_stalled", window=2000)
    assert node.wait_for(lambda: _window(node) >= 2000)
    assert _maintain(node) >= 2000
    node.clear()
    assert node.wait_for(lambda: _maintain(node) < 1000)


def test_slow_maintenance_is_a_warning(node: RunningNode) -> None:
    node.fault("slow_maintenance", elapsed_ms=15001)
    said = "WARN henyey_app::maintainer: Maintenance took too long;"
    assert node.wait_for(lambda: _maintain(node) and said in node.log_text())
    assert " elapsed_ms=15001\n" in node.log_text()


def test_a_counter_jumps_once(node: RunningNode) -> None:
    series = 'henyey_scp_post_verify_total{reason="panic"}'
    node.fault("counter", name=series, amount=7)
    node.fault("counter", name="stellar_ledger_invariant_failure_total", amount=3)
    assert node.wait_for(lambda: _metric(node, "stellar_ledger_invariant_failure_total") == 3)
    assert _metric(node, series) == 7


def test_a_gauge_shows_what_it_is_told(node: RunningNode) -> None:
    node.fault("gauge", name="henyey_scp_verify_input_backlog", value=450)
    assert node.wait_for(lambda: _metric(node, "henyey_scp_verify_input_backlog") == 450)
    node.clear()
    assert node.wait_for(lambda: _metric(node, "henyey_scp_verify_input_backlog") != 450)


def test_a_missing_metric_is_absent(node: RunningNode) -> None:
    node.fault("missing", name="stellar_peer_count")
    assert node.wait_for(lambda: "stellar_peer_count" not in node.get("/metrics")[1])


def test_no_recorder_and_garbage(node: RunningNode) -> None:
    node.fault("no_recorder")
    assert node.wait_for(lambda: node.get("/metrics") == (200, "# metrics recorder not installed\n"))
    node.clear()
    node.fault("garbage")
    assert node.wait_for(lambda: "{{{" in node.get("/metrics")[1])


def test_one_path_answers_500_and_others_do_not(node: RunningNode) -> None:
    node.fault("http_500", path="/scp")
    assert node.wait_for(lambda: node.get("/scp")[0] == 500)
    assert node.get("/info")[0] == 200
    node.fault("http_500", path="rpc")
    assert node.wait_for(lambda: node.rpc({"jsonrpc": "2.0", "id": 1, "method": "getHealth"}) == {"error": "internal"})
    node.fault("http_500")
    assert node.wait_for(lambda: node.get("/info")[0] == 500)


def test_a_slow_answer_outlasts_its_reader(node: RunningNode) -> None:
    node.fault("slow", path="/peers", seconds=30)

    def late() -> bool:
        try:
            node.get("/peers", timeout=0.1)
        except TimeoutError:
            return True
        return False

    assert node.wait_for(late)
    assert node.get("/info")[0] == 200


def _raw_answer(node: RunningNode, path: str, most: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", node.session.admin_port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read1(most)
    finally:
        connection.close()


def test_a_trickle_gives_a_byte_at_a_time(node: RunningNode) -> None:
    node.fault("trickle", path="/info")
    assert node.wait_for(lambda: _raw_answer(node, "/info", 1000) == b"{")


def test_an_endless_answer_goes_on(node: RunningNode) -> None:
    node.fault("endless", path="/metrics")

    def goes_on() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", node.session.admin_port, timeout=30)
        try:
            connection.request("GET", "/metrics")
            return len(connection.getresponse().read(1 << 20)) == 1 << 20
        finally:
            connection.close()

    assert node.wait_for(goes_on)


def test_a_dropped_connection_has_no_answer(node: RunningNode) -> None:
    node.fault("drop", path="/info")

    def dropped() -> bool:
        try:
            _raw_answer(node, "/info", 1)
        except http.client.RemoteDisconnected:
            return True
        return False

    assert node.wait_for(dropped)


def test_a_redirect_leads_to_itself(node: RunningNode) -> None:
    node.fault("redirect", path="/info")
    connection = http.client.HTTPConnection("127.0.0.1", node.session.admin_port, timeout=30)

    def redirected() -> bool:
        connection.request("GET", "/info")
        response = connection.getresponse()
        response.read()
        return (response.status, response.getheader("location")) == (302, "/info")

    assert node.wait_for(redirected)
    connection.close()


def _refused(node: RunningNode, *, rpc: bool) -> bool:
    try:
        if rpc:
            node.health()
        else:
            node.info()
    except OSError:
        return True
    return False


def test_rpc_down_leaves_the_admin_port(node: RunningNode) -> None:
    node.fault("rpc_down")
    assert node.wait_for(lambda: _refused(node, rpc=True))
    assert node.info()["state"] == "Validating"
    node.clear()
    assert node.wait_for(lambda: node.health()["status"] == "healthy")


def test_ports_not_bound_are_told_and_come_back(node: RunningNode) -> None:
    node.fault("ports_not_bound")
    text = node.wait_logged("JSON-RPC server error error=Address already in use (os error 98)")
    assert "ERROR henyey_app::run_cmd: HTTP status server error error=Address already in use" in text
    assert _refused(node, rpc=False)
    assert _refused(node, rpc=True)
    node.clear()
    assert node.wait_for(lambda: node.info()["state"] == "Validating")


def test_a_log_flood_is_many_lines(node: RunningNode) -> None:
    before = node.log_text().count("Slow event-loop operation")
    node.fault("log_flood", rate=2000)
    assert node.wait_for(lambda: node.log_text().count("Slow event-loop operation") > before + 1000)


def test_lines_on_demand(node: RunningNode) -> None:
    node.fault("error_line", text="Disk is on fire", target="henyey_db::pool")
    node.fault("raw_line", text="thread 'x' panicked at y:\nz")
    text = node.wait_logged("panicked at y:\nz\n")
    assert re.search(r"Z ERROR henyey_db::pool: Disk is on fire\n", text)


def test_what_the_radar_says(node: RunningNode) -> None:
    key = node.info()["public_key"]
    node.fault("not_validating")
    assert node.wait_for(lambda: node.radar(key)[1]["isValidating"] is False)
    node.fault("radar_incomplete")
    assert node.wait_for(lambda: node.radar(key)[1]["latestLedger"] is None)
    seen = node.radar(key)[1]
    assert (seen["lag"], seen["updatedAt"]) == (8754, None)
