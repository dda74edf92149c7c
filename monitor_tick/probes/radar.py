"""OBSRVR Radar: what a crawler outside sees of this node. A half answer is no answer (api-incomplete)."""

from __future__ import annotations

import re

import msgspec

from monitor_tick.facts import Missing, Radar
from monitor_tick.probes.http import Count, Line, decode, fetch
from monitor_tick.rules import Limits

_PUBLIC_KEY = re.compile(r"G[A-Z2-7]{55}")
_MAX_BYTES = 2**20

API_ERROR = Missing("api-error")
API_INCOMPLETE = Missing("api-incomplete")


class _Statistics(msgspec.Struct, frozen=True, rename="camel"):
    validating24_hours_percentage: float | None = None


class _Node(msgspec.Struct, frozen=True, rename="camel"):
    """Radar keeps the percentage under `statistics`; the documents name it without. Ledgers may come as strings."""

    is_validating: bool | None = None
    validating24_hours_percentage: float | None = None
    statistics: _Statistics | None = None
    lag: int | None = None
    latest_ledger: Count | Line | None = None
    updated_at: Line | None = None


def observe_radar(base_url: str, public_key: str, limits: Limits) -> Radar | Missing:
    """`public_key` comes from the node's /info and becomes part of the URL, so only a real one goes out."""
    if not _PUBLIC_KEY.fullmatch(public_key):
        return Missing("no public key")
    url = f"{base_url.rstrip('/')}/api/v1/nodes/{public_key}"
    node = decode(fetch("GET", url, deadline_seconds=limits.radar_deadline_seconds, max_bytes=_MAX_BYTES), _Node)
    return API_ERROR if isinstance(node, Missing) else _radar_of(node)


def _radar_of(node: _Node) -> Radar | Missing:
    percentage = node.validating24_hours_percentage
    if percentage is None and node.statistics is not None:
        percentage = node.statistics.validating24_hours_percentage
    if node.is_validating is None or percentage is None or node.lag is None:
        return API_INCOMPLETE
    if node.latest_ledger is None or not node.updated_at or not str(node.latest_ledger).isdecimal():
        return API_INCOMPLETE
    return Radar(
        is_validating=node.is_validating,
        validating_24h_pct=percentage,
        lag=node.lag,
        latest_ledger=int(node.latest_ledger),
        updated_at=node.updated_at,
    )
