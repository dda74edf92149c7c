"""JSON-RPC getHealth. The status is always 200; what went wrong is in the body."""

from __future__ import annotations

from typing import Annotated

import msgspec

from monitor_tick.facts import Missing, RpcHealth
from monitor_tick.probes.http import Count, Line, decode, fetch
from monitor_tick.rules import Limits

_GET_HEALTH = {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}
_MAX_BYTES = 2**20


class _Health(msgspec.Struct, frozen=True, rename="camel"):
    """`age` is what an earlier node reported; today's has no such key."""

    status: Line
    latest_ledger: Count
    oldest_ledger: Count
    ledger_retention_window: Count | None = None
    age: Annotated[float, msgspec.Meta(ge=0, le=1e15)] | None = None


class _Error(msgspec.Struct, frozen=True):
    code: int
    message: str = ""


class _Answer(msgspec.Struct, frozen=True):
    result: _Health | None = None
    error: _Error | None = None


def observe_rpc(port: int, limits: Limits) -> RpcHealth | Missing:
    url = f"http://127.0.0.1:{port}/"
    body = fetch("POST", url, deadline_seconds=limits.http_deadline_seconds, max_bytes=_MAX_BYTES, json=_GET_HEALTH)
    answer = decode(body, _Answer)
    if isinstance(answer, Missing):
        return answer
    if answer.error is not None:
        return Missing(f"error {answer.error.code}: {ascii(answer.error.message)[1:-1][:100]}")
    if answer.result is None:
        return Missing("unexpected answer: result")
    health = answer.result
    return RpcHealth(
        status=health.status,
        latest=health.latest_ledger,
        # 1 is what the node says when its query failed or the table is empty.
        oldest=health.oldest_ledger if health.oldest_ledger > 1 else None,
        retention_window=health.ledger_retention_window,
        age_seconds=None if health.age is None else int(health.age),
    )
