"""The bodies of the admin API, JSON-RPC and the radar (node contract, 3 and 5); servers.py sends them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import msgspec

from monitor_loop.embedded.clock import second_stamp, unix_now
from monitor_loop.embedded.duties import maintain_by_hand
from monitor_loop.embedded.keys import hex_hash
from monitor_loop.embedded.node import PROTOCOL, VERSION, Node
from monitor_loop.embedded.scrape import scrape
from monitor_loop.embedded.state import Stage

JSON = "application/json"
METRICS = "text/plain; version=0.0.4"
TEXT = "text/plain; charset=utf-8"
MAX_SLOTS = 20


class Answer(msgspec.Struct, frozen=True):
    """`status` is HTTP's; an empty `content_type` leaves the header out."""

    status: int = 200
    body: str = ""
    content_type: str = ""


class BadQuery(Exception):
    """A query value the node refuses with status 400."""


Query = Mapping[str, str]


def admin_answer(node: Node, method: str, path: str, query: Query) -> Answer:
    routes = ROUTES.get(path)
    if routes is None:
        return Answer(404)
    if method not in routes:
        return Answer(405)
    try:
        with node.lock:
            return routes[method](node, query)
    except BadQuery as error:
        return Answer(400, f"Failed to deserialize query string: {error}", TEXT)


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")), JSON)


def _root(_node: Node, _query: Query) -> Answer:
    return json_answer({"name": "henyey", "version": VERSION, "endpoints": sorted(ROUTES)})


def _info(node: Node, _query: Query) -> Answer:
    state, config, now = node.state, node.config, unix_now()
    info: dict[str, object] = {
        "build": f"henyey-v{VERSION}",
        "commit_hash": config.commit_hash,
        "protocol_version": PROTOCOL,
        "state": state.stage.value,
        "started_on": second_stamp(state.started_at),
        "uptime_secs": int(node.uptime_seconds),
        "node_name": config.name,
        "public_key": node.public_key,
        "network_passphrase": config.network,
        "is_validator": config.is_validator,
        "ledger": _ledger_of(node, state.age_seconds(now)),
        "peers": {"pending_count": 0, "authenticated_count": node.overlay.count},
    }
    if state.close_time:
        info["quorum"] = _quorum_of(node)
    return json_answer(info)


def _ledger_of(node: Node, age_seconds: int) -> dict[str, object]:
    state = node.state
    return {
        "num": state.ledger,
        "hash": hex_hash(node.config.seed, "ledger", state.ledger),
        "close_time": state.close_time,
        "version": PROTOCOL if state.close_time else 0,
        "base_fee": 100,
        "base_reserve": 5_000_000,
        "max_tx_set_size": 1000,
        "flags": 0,
        "age": age_seconds,
    }


def _quorum_of(node: Node) -> dict[str, object]:
    state, heard = node.state, node.state.heard_from_quorum
    qset: dict[str, object] = {"phase": "EXTERNALIZE" if heard else "unknown", "hash": "abcdef", "fail_at": 3}
    if node.config.is_validator:
        qset["validated"] = heard
    counts = {"agree": 20 if heard else 0, "disagree": 0, "missing": 1 if heard else 21, "delayed": 0}
    transitive = {"intersection": True, "node_count": 24, "last_check_ledger": state.oldest, "critical": []}
    timing = {"ledger": state.ledger, "lag_ms": 187 if heard else None}
    return {"node": node.public_key[:5], "qset": {**qset, **counts, **timing}, "transitive": transitive}


def _status(node: Node, _query: Query) -> Answer:
    state = node.state
    phases = {Stage.INITIALIZING: "Booting", Stage.CATCHING_UP: "Syncing"}
    return json_answer(
        {
            "ledger_seq": state.ledger,
            "ledger_hash": hex_hash(node.config.seed, "ledger", state.ledger),
            "peer_count": node.overlay.count,
            "consensus_state": phases.get(state.stage, "Tracking"),
            "pending_tx_count": 143 if state.in_sync and node.config.is_validator else 0,
            "uptime_secs": int(node.uptime_seconds),
            "state": state.stage.value,
        }
    )


def _health(node: Node, _query: Query) -> Answer:
    state = node.state
    tail = {"state": state.stage.value, "ledger_seq": state.ledger, "peer_count": node.overlay.count}
    if state.in_sync:
        return json_answer({"status": "healthy", **tail})
    return json_answer({"status": "unhealthy", "reason": "not_synced", **tail}, status=503)


def _metrics(node: Node, _query: Query) -> Answer:
    return Answer(200, scrape(node), METRICS)


def _ledger(node: Node, _query: Query) -> Answer:
    digest = hex_hash(node.config.seed, "ledger", node.state.ledger)
    head = {"sequence": node.state.ledger, "hash": digest, "close_time": node.state.close_time}
    return json_answer({**head, "protocol_version": PROTOCOL})


def _peers(node: Node, _query: Query) -> Answer:
    uptime = int(node.uptime_seconds)
    directions = (("inbound", True), ("outbound", False))
    listed = {name: node.overlay.peers(inbound, PROTOCOL, uptime) for name, inbound in directions}
    return json_answer({"authenticated": listed, "authenticated_count": node.overlay.count, "pending_count": 0})


def _scp(node: Node, query: Query) -> Answer:
    limit = min(_whole(query, "limit", 2), MAX_SLOTS)
    newest = node.state.latest_ext
    slots = [_slot_of(node, newest - step) for step in range(limit)] if newest else []
    return json_answer({"node": node.public_key, "slots": slots})


def _slot_of(node: Node, slot: int) -> dict[str, object]:
    heard = node.state.heard_from_quorum
    return {
        "slot_index": slot,
        "is_externalized": heard,
        "is_nominating": not heard,
        "fully_validated": heard and node.config.is_validator,
        "ballot_phase": "Externalize" if heard else "Prepare",
        "nomination_round": 1,
        "ballot_round": 1 if heard else None,
        "envelope_count": 24 if heard else 3,
    }


def _quorum(_node: Node, _query: Query) -> Answer:
    return json_answer({"local": None})


def _bans(_node: Node, _query: Query) -> Answer:
    return json_answer({"bans": []})


def _self_check(node: Node, _query: Query) -> Answer:
    done = {"ok": True, "checked_ledgers": 32, "last_checked_ledger": node.state.ledger, "message": None}
    return json_answer(done)


def _maintenance(node: Node, query: Query) -> Answer:
    """Without queue=true nothing is done, whatever the count says."""
    if query.get("queue") != "true":
        return json_answer({"message": "No work performed"})
    maintain_by_hand(node, _whole(query, "count", node.config.maintenance_count))
    return json_answer({"message": "Done"})


def _shutdown(node: Node, _query: Query) -> Answer:
    node.loop.stop()
    return json_answer({"success": True, "message": "Shutdown initiated"})


def _without_effect(_node: Node, _query: Query) -> Answer:
    return json_answer({"success": True, "message": "ok"})


def _whole(query: Query, name: str, otherwise: int) -> int:
    text = query.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit()):
        raise BadQuery(f"{name}: invalid digit found in string")
    return int(text)


Route = Callable[[Node, Query], Answer]

ROUTES: Mapping[str, Mapping[str, Route]] = {
    "/": {"GET": _root},
    "/info": {"GET": _info},
    "/status": {"GET": _status},
    "/health": {"GET": _health},
    "/metrics": {"GET": _metrics},
    "/ledger": {"GET": _ledger},
    "/peers": {"GET": _peers},
    "/quorum": {"GET": _quorum},
    "/scp": {"GET": _scp},
    "/bans": {"GET": _bans},
    "/self-check": {"POST": _self_check},
    "/maintenance": {"POST": _maintenance},
    "/shutdown": {"POST": _shutdown},
    "/clearmetrics": {"POST": _without_effect},
    "/logrotate": {"POST": _without_effect},
}
