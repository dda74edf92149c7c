"""JSON-RPC on the node's RPC port (node contract, section 5), and the radar that watches it from outside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from monitor_loop.embedded.answers import Answer, json_answer
from monitor_loop.embedded.clock import second_stamp, unix_now
from monitor_loop.embedded.keys import hex_hash
from monitor_loop.embedded.node import PROTOCOL, VERSION

if TYPE_CHECKING:
    from monitor_loop.embedded.node import Node

HEALTHY_SECONDS = 30
_PARSE_ERROR, _INVALID_REQUEST, _METHOD_NOT_FOUND = -32700, -32600, -32601
_RADAR_NODES = "/api/v1/nodes/"


def rpc_answer(node: Node, method: str, path: str, body: bytes) -> Answer:
    """Status 200 for whatever reached the one route; errors are in the body."""
    if path != "/":
        return Answer(404)
    if method != "POST":
        return Answer(405)
    try:
        request = json.loads(body)
    except ValueError:
        return _error(None, _PARSE_ERROR, "parse error")
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0" or request.get("id") is None:
        return _error(None, _INVALID_REQUEST, "invalid request")
    name = request.get("method")
    if not isinstance(name, str) or name not in _METHODS:
        return _error(request["id"], _METHOD_NOT_FOUND, f"method not found: {name}")
    return json_answer({"jsonrpc": "2.0", "id": request["id"], "result": _METHODS[name](node)})


def radar_answer(node: Node, path: str) -> Answer:
    """What the crawler knows of this node and of no other."""
    if path != _RADAR_NODES + node.public_key:
        return json_answer({"error": "Node not found"}, status=404)
    state, validates = node.state, node.config.is_validator and node.breaking.find("not_validating") is None
    incomplete = node.breaking.find("radar_incomplete") is not None
    return json_answer(
        {
            "publicKey": node.public_key,
            "name": node.config.name,
            "active": True,
            "isValidator": node.config.is_validator,
            "isValidating": validates,
            "validating24HoursPercentage": 99.6 if validates else 0,
            "active24HoursPercentage": 99.9,
            "lag": 8754 if incomplete else max(0, state.latest_ext - state.ledger),
            "latestLedger": None if incomplete else state.ledger,
            "updatedAt": None if incomplete else second_stamp(unix_now()),
        }
    )


def _get_health(node: Node) -> dict[str, object]:
    state = node.state
    late = state.age_seconds(unix_now()) > HEALTHY_SECONDS
    return {
        "status": "unhealthy" if late else "healthy",
        "latestLedger": state.ledger,
        "oldestLedger": state.oldest,
        "ledgerRetentionWindow": node.config.retention_window,
    }


def _get_latest_ledger(node: Node) -> dict[str, object]:
    state = node.state
    return {
        "id": hex_hash(node.config.seed, "ledger", state.ledger),
        "protocolVersion": PROTOCOL,
        "sequence": state.ledger,
        "closeTime": str(state.close_time),
        "headerXdr": "AAAAGQ==",
        "metadataXdr": "",
    }


def _get_network(node: Node) -> dict[str, object]:
    return {"friendbotUrl": None, "passphrase": node.config.network, "protocolVersion": PROTOCOL}


def _get_version_info(node: Node) -> dict[str, object]:
    head = {"version": VERSION, "commitHash": node.config.commit_hash, "buildTimestamp": None}
    return {**head, "captiveCoreVersion": "", "protocolVersion": PROTOCOL}


def _error(request_id: object, code: int, message: str) -> Answer:
    return json_answer({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}})


_METHODS: Mapping[str, Callable[[Node], dict[str, object]]] = {
    "getHealth": _get_health,
    "getLatestLedger": _get_latest_ledger,
    "getNetwork": _get_network,
    "getVersionInfo": _get_version_info,
}
