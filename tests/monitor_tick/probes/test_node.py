"""/info, /scp, /peers, getHealth, radar and the maintenance call, as the real ones answer and as they should not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest

from monitor_tick.facts import Missing, NodeInfo, PeerCounts, Radar, RpcHealth, ScpSlot
from monitor_tick.probes.node import observe_info, observe_peers, observe_scp, post_maintenance
from monitor_tick.probes.radar import observe_radar
from monitor_tick.probes.rpc import observe_rpc
from tests import hostile_http as hostile
from tests.hostile_http import HostileServer
from tests.monitor_tick.views import LIMITS

KEY = "GDVALIDATOR" + "A" * 45
IMPATIENT = msgspec.structs.replace(LIMITS, http_deadline_seconds=0.3, radar_deadline_seconds=0.3)

INFO: dict[str, Any] = {
    "build": "henyey-v26.0.0-alpha.1",
    "commit_hash": "b8f18c6db1f980ba80da626c87f1fdeac91be61f",
    "protocol_version": 25,
    "state": "Validating",
    "started_on": "2026-05-08T01:40:03Z",
    "uptime_secs": 93604,
    "node_name": "henyey-mainnet-validator",
    "public_key": KEY,
    "network_passphrase": "Public Global Stellar Network ; September 2015",
    "is_validator": True,
    "ledger": {
        "num": 62484011,
        "hash": "ab" * 32,
        "close_time": 1778298004,
        "version": 25,
        "base_fee": 100,
        "base_reserve": 5000000,
        "max_tx_set_size": 1000,
        "flags": 0,
        "age": 3,
    },
    "peers": {"pending_count": 0, "authenticated_count": 25},
    "quorum": {
        "node": "GABCD",
        "qset": {"phase": "EXTERNALIZE", "fail_at": 3, "agree": 20, "lag_ms": None},
        "transitive": {"intersection": True, "node_count": 24, "last_check_ledger": 62470000, "critical": []},
    },
}
HEALTH = {"status": "healthy", "latestLedger": 62484011, "oldestLedger": 62483561, "ledgerRetentionWindow": 360}
SLOT = {
    "slot_index": 62484011,
    "is_externalized": True,
    "is_nominating": False,
    "fully_validated": True,
    "ballot_phase": "Externalize",
    "nomination_round": 1,
    "ballot_round": 1,
    "envelope_count": 24,
}
RADAR = {
    "publicKey": KEY,
    "isValidating": True,
    "statistics": {"validating24HoursPercentage": 99.31},
    "lag": 2,
    "latestLedger": "62484010",
    "updatedAt": "2026-05-09T03:38:00.000Z",
}


def asked(observe: Callable[[HostileServer], Any], answer: Any) -> Any:
    """What `observe` makes of a server that gives `answer` as JSON to everything."""
    with HostileServer(otherwise=hostile.answer(json.dumps(answer).encode())) as server:
        return observe(server)


def info(answer: Any) -> NodeInfo | Missing:
    return asked(lambda server: observe_info(server.port, LIMITS), answer)


def rpc(answer: Any) -> RpcHealth | Missing:
    return asked(lambda server: observe_rpc(server.port, LIMITS), answer)


def radar(answer: Any, key: str = KEY) -> Radar | Missing:
    return asked(lambda server: observe_radar(server.url(""), key, LIMITS), answer)


def with_ledger(**changes: Any) -> dict[str, Any]:
    return {**INFO, "ledger": {**INFO["ledger"], **changes}}


# --- /info ---


def test_info_of_a_healthy_validator() -> None:
    assert info(INFO) == NodeInfo(
        state="Validating",
        ledger=62484011,
        age_seconds=3,
        close_time=datetime(2026, 5, 9, 3, 40, 4, tzinfo=timezone.utc),
        commit_hash="b8f18c6db1f980ba80da626c87f1fdeac91be61f",
        public_key=KEY,
        is_validator=True,
        peers=25,
    )


@pytest.mark.parametrize(
    "body",
    [
        with_ledger(num=1, close_time=0, age=0),
        with_ledger(close_time=0, age=0),
        with_ledger(num=1),
        {**INFO, "state": "Initializing"},
    ],
    ids=["both", "close_time", "ledger 1", "Initializing"],
)
def test_age_is_unknown_and_not_0_while_no_ledger_is_closed(body: Any) -> None:
    observed = info(body)
    assert isinstance(observed, NodeInfo)
    assert (observed.age_seconds, observed.close_time) == (None, None)


def test_a_build_without_git_has_no_commit() -> None:
    observed = info({key: value for key, value in INFO.items() if key not in ("commit_hash", "quorum")})
    assert isinstance(observed, NodeInfo)
    assert observed.commit_hash == ""


@pytest.mark.parametrize("said", ["b8f18c6d", f"{INFO['commit_hash']}-dirty", "B" * 40, "../../../etc"])
def test_L67_what_is_no_commits_full_name_is_none(said: str) -> None:
    """It would be quarantined in words that block nothing, and kept under a name that is a path."""
    observed = info({**INFO, "commit_hash": said})
    assert isinstance(observed, NodeInfo)
    assert observed.commit_hash == ""


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({**INFO, "state": None}, "state"),
        ({**INFO, "state": "Synced\nMONITOR OK"}, "state"),
        ({**INFO, "is_validator": "yes"}, "is_validator"),
        (with_ledger(num="62484011"), "ledger.num"),
        (with_ledger(close_time=2**62), "ledger.close_time"),
        ({**INFO, "peers": []}, "peers"),
        ({"info": INFO}, "state"),
        ([], "not an object"),
    ],
)
def test_an_answer_of_another_shape_names_where(body: Any, path: str) -> None:
    assert info(body) == Missing(f"unexpected answer: {path}")


def test_the_node_is_asked_by_address_and_within_its_deadline() -> None:
    with HostileServer(otherwise=hostile.hang) as server:
        assert observe_info(server.port, IMPATIENT) == Missing("no answer in 0.3 s")
        server.hears("/info")
    assert b"\r\nHost: 127.0.0.1:" in server.exchanges[0].head


# --- /scp and /peers ---


def test_the_newest_slot_and_no_more_than_it() -> None:
    with HostileServer({"/scp": hostile.answer(json.dumps({"node": KEY, "slots": [SLOT]}).encode())}) as server:
        observed = observe_scp(server.port, LIMITS)
    assert observed == ScpSlot(slot=62484011, is_externalized=True, fully_validated=True, ballot_phase="Externalize")
    assert [exchange.target for exchange in server.exchanges] == ["/scp?limit=1"]


@pytest.mark.parametrize("value", [False, None, "absent"])
def test_only_true_is_fully_validated(value: Any) -> None:
    slot = {**SLOT, "fully_validated": value, "ballot_round": None}
    if value == "absent":
        del slot["fully_validated"]
    observed = asked(lambda server: observe_scp(server.port, LIMITS), {"slots": [slot]})
    assert observed.fully_validated is False


def test_no_slot_is_said_so() -> None:
    assert asked(lambda server: observe_scp(server.port, LIMITS), {"node": KEY, "slots": []}) == Missing("no slot")


def test_peers_are_counted_by_direction() -> None:
    peer = {"id": "ab" * 32, "address": "192.0.2.1:11625", "elapsed_secs": 7}
    body = {"authenticated": {"inbound": [peer], "outbound": [peer] * 3}, "authenticated_count": 4, "pending_count": 0}
    assert asked(lambda server: observe_peers(server.port, LIMITS), body) == PeerCounts(inbound=1, outbound=3)


# --- maintenance ---


def maintenance(behaviour: hostile.Behaviour, deadline_seconds: float = 20) -> tuple[Missing | None, list[str]]:
    with HostileServer({"/maintenance": behaviour}) as server:
        outcome = post_maintenance(server.port, 100_000, deadline_seconds)
    return outcome, [f"{exchange.method} {exchange.target}" for exchange in server.exchanges]


def test_maintenance_is_asked_for_with_queue_because_without_it_nothing_is_done() -> None:
    done = hostile.answer(b'{"message":"Done"}')
    assert maintenance(done) == (None, ["POST /maintenance?queue=true&count=100000"])


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (hostile.answer(b'{"message":"No work performed"}'), "answered 'No work performed'"),
        (hostile.answer(b"", 405), "HTTP 405"),
        (hostile.answer(b"bad count", 400), "HTTP 400"),
    ],
)
def test_maintenance_that_was_not_done(behaviour: hostile.Behaviour, reason: str) -> None:
    assert maintenance(behaviour)[0] == Missing(reason)


def test_maintenance_that_takes_too_long() -> None:
    assert maintenance(hostile.hang, 0.3)[0] == Missing("no answer in 0.3 s")


# --- getHealth ---


def test_health_as_the_node_answers() -> None:
    answer = hostile.answer(json.dumps({"jsonrpc": "2.0", "id": 1, "result": HEALTH}).encode())
    with HostileServer(otherwise=answer) as server:
        observed = observe_rpc(server.port, LIMITS)
    assert observed == RpcHealth(status="healthy", latest=62484011, oldest=62483561, retention_window=360)
    assert isinstance(observed, RpcHealth)
    assert observed.window == 450
    (exchange,) = server.exchanges
    assert (exchange.method, exchange.target) == ("POST", "/")
    assert json.loads(exchange.body) == {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}


@pytest.mark.parametrize("oldest", [0, 1])
def test_oldest_ledger_1_is_unknown(oldest: int) -> None:
    observed = rpc({"result": {**HEALTH, "oldestLedger": oldest}})
    assert isinstance(observed, RpcHealth)
    assert (observed.oldest, observed.window) == (None, None)


def test_unhealthy_is_an_answer_and_not_an_error() -> None:
    observed = rpc({"result": {**HEALTH, "status": "unhealthy"}})
    assert isinstance(observed, RpcHealth)
    assert observed.status == "unhealthy"


def test_an_age_is_taken_where_a_node_reports_one() -> None:
    observed = rpc({"result": {**HEALTH, "age": 4.6, "ledgerRetentionWindow": None}})
    assert isinstance(observed, RpcHealth)
    assert (observed.age_seconds, observed.retention_window) == (4, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"id": 1, "error": {"code": -32001, "message": "server is not ready"}}, "error -32001: server is not ready"),
        ({"error": {"code": -32000, "message": "é\n" + "x" * 500}}, "error -32000: \\xe9\\n" + "x" * 94),
        ({"id": 1}, "unexpected answer: result"),
        ({"result": {"status": "healthy"}}, "unexpected answer: result.latestLedger"),
        ({"result": {**HEALTH, "latestLedger": "62484011"}}, "unexpected answer: result.latestLedger"),
        ({"result": {**HEALTH, "age": "4"}}, "unexpected answer: result.age"),
    ],
)
def test_an_rpc_answer_without_health(body: Any, reason: str) -> None:
    assert rpc(body) == Missing(reason)


# --- radar ---


def test_radar_as_it_answers() -> None:
    with HostileServer({f"/api/v1/nodes/{KEY}": hostile.answer(json.dumps(RADAR).encode())}) as server:
        observed = observe_radar(server.url("/"), KEY, LIMITS)
    assert observed == Radar(
        is_validating=True,
        validating_24h_pct=99.31,
        lag=2,
        latest_ledger=62484010,
        updated_at="2026-05-09T03:38:00.000Z",
    )


def test_the_percentage_may_stand_at_the_top() -> None:
    body = {**RADAR, "statistics": None, "validating24HoursPercentage": 48, "latestLedger": 7}
    observed = radar(body)
    assert isinstance(observed, Radar)
    assert (observed.validating_24h_pct, observed.latest_ledger) == (48.0, 7)


@pytest.mark.parametrize("key", ["latestLedger", "updatedAt", "isValidating", "lag", "statistics"])
@pytest.mark.parametrize("how", ["null", "missing"])
def test_L19_half_an_answer_is_none(key: str, how: str) -> None:
    body = {name: value for name, value in RADAR.items() if how == "null" or name != key}
    if how == "null":
        body[key] = None
    assert radar({**body, "isValidating": False, "lag": 8754} if key in ("latestLedger", "updatedAt") else body) == (
        Missing("api-incomplete")
    )


@pytest.mark.parametrize("ledger", ["", "soon", "-1"])
def test_a_ledger_that_is_none_is_incomplete(ledger: str) -> None:
    assert radar({**RADAR, "latestLedger": ledger}) == Missing("api-incomplete")


@pytest.mark.parametrize(
    "behaviour",
    [
        hostile.answer(b"", 500),
        hostile.answer(b"", 404),
        hostile.answer(b"<html>"),
        hostile.answer(b'{"isValidating": "yes"}'),
        hostile.answer(b"[]"),
        hostile.redirect("http://127.0.0.1:1/"),
        hostile.hang_up,
        hostile.trickle_body,
    ],
)
def test_radar_in_trouble(behaviour: hostile.Behaviour) -> None:
    limits = IMPATIENT if behaviour is hostile.trickle_body else LIMITS
    with HostileServer(otherwise=behaviour) as server:
        assert observe_radar(server.url(""), KEY, limits) == Missing("api-error")


@pytest.mark.parametrize(
    "key", ["", "G", KEY.lower(), KEY + "A", KEY[:-1] + "1", "../" + KEY, KEY[:-1] + "\n", KEY + "\n"]
)
def test_only_a_public_key_goes_into_the_url(key: str) -> None:
    with HostileServer(otherwise=hostile.answer(json.dumps(RADAR).encode())) as server:
        assert observe_radar(server.url(""), key, LIMITS) == Missing("no public key")
    assert server.exchanges == []
