"""What the event loop does besides closing: heartbeat, nomination, maintenance, churn, the ordinary noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor_loop.embedded.clock import unix_now
from monitor_loop.embedded.log import Display, Value
from monitor_loop.embedded.network import LEDGER_SECONDS

if TYPE_CHECKING:
    from monitor_loop.embedded.node import Node

HEARTBEAT_SECONDS = 10.0
CHURN_SECONDS = 25.0
SCP_MESSAGES = 1290  # taken in between two heartbeats
_LIFECYCLE = "henyey_app::app::lifecycle"


def heartbeat(node: Node) -> float:
    state, registry = node.state, node.registry
    if state.heard_from_quorum:
        registry.add("stellar_scp_envelope_receive_total", SCP_MESSAGES + node.rng.randint(-90, 90))
        state.scp_heard_at = unix_now()
    total = registry.counter("stellar_scp_envelope_receive_total")
    fields: dict[str, Value] = {
        "heartbeat": True,
        "tracking_slot": state.latest_ext + 1,
        "ledger": state.ledger,
        "latest_ext": state.latest_ext,
        "peers": node.overlay.count,
        "heard_from_quorum": state.heard_from_quorum,
        "is_v_blocking": state.heard_from_quorum,
        "scp_total": total,
        "scp_since_last": total - state.scp_at_heartbeat,
        "scp_silent_secs": int(unix_now() - state.scp_heard_at),
        "scp_sent": state.scp_sent,
        "scp_sent_nom": state.sent_nominate,
        "scp_sent_prep": state.sent_prepare,
        "scp_sent_conf": state.sent_confirm,
        "scp_sent_ext": state.sent_externalize,
        "peer_max_verified": state.peer_max_verified,
        "peer_gap": max(0, state.peer_max_verified - state.ledger),
    }
    state.scp_at_heartbeat = total
    node.tracing.info(_LIFECYCLE, "Heartbeat", fields)
    if node.breaking.find("lost_sync"):
        _complain(node)
    return node.scaled(HEARTBEAT_SECONDS)


def nominate(node: Node) -> float:
    if node.config.is_validator and node.state.in_sync:
        slot: dict[str, Value] = {"slot": node.state.ledger + 1}
        node.tracing.info("henyey_herder::herder", "Started SCP nomination for ledger", slot)
    return node.scaled(LEDGER_SECONDS)


def maintain(node: Node) -> float:
    node.tracing.info("henyey_app::maintainer", "Performing database maintenance")
    prune(node)
    return node.scaled(node.config.maintenance_period_seconds)


def maintain_by_hand(node: Node, count: int) -> None:
    fields: dict[str, Value] = {"count": count, "lcl": node.state.ledger, "min_queued": Display("None")}
    node.tracing.info("henyey_app::app", "Performing manual maintenance", fields)
    prune(node)


def prune(node: Node) -> None:
    """Headers older than the retention go, unless pruning is broken."""
    if fault := node.breaking.find("slow_maintenance"):
        message = (
            "Maintenance took too long; consider increasing AUTOMATIC_MAINTENANCE_COUNT or performing manual "
            "database maintenance"
        )
        node.tracing.warn("henyey_app::maintainer", message, {"elapsed_ms": int(fault.number("elapsed_ms"))})
    if node.breaking.find("pruning_stalled") is None:
        node.state.oldest = max(node.state.oldest, node.state.ledger - node.config.retention_window)


def churn(node: Node) -> float:
    node.overlay.churn()
    if node.rng.random() < 0.1:  # noqa: PLR2004  a few an hour, as observed
        _slow_call(node, node.rng.randint(250, 420))
    return node.scaled(CHURN_SECONDS) * node.rng.uniform(0.5, 1.5)


def flood(node: Node) -> float:
    """Ten bursts a second while log_flood is on."""
    rate = node.breaking.number("log_flood", "rate", 0)
    for number in range(int(rate / 10)):
        fields: dict[str, Value] = {"op": "handle_close_complete", "count": number, "elapsed_ms": 612}
        message = "Slow event-loop operation (>= 500ms) — possible #1759 contributor"
        node.tracing.warn("henyey_app::app", message, fields)
    return 0.1


def _slow_call(node: Node, total_ms: int) -> None:
    fields: dict[str, Value] = {
        "call": "app.handle_close_complete",
        "total_ms": total_ms,
        "threshold_ms": 250,
        "phases": Display(
            f"join_match_ms=0 meta_emit_ms=9 build_persist_inputs_ms=14 overlay_bookkeeping_ms=1 "
            f"spawn_blocking_setup_ms=0 tx_queue_background_wait_ms={total_ms - 27} post_close_bookkeeping_ms=3"
        ),
    }
    message = "Slow call (>= 250ms) phase breakdown — possible #1759/#1772 contributor"
    node.tracing.warn("henyey_common::tracking", message, fields)


def _complain(node: Node) -> None:
    """What a node says at every heartbeat while it is out of sync and cannot recover."""
    state = node.state
    slot, gap = state.latest_ext + 1, max(0, state.latest_ext - state.ledger)
    silent: dict[str, Value] = {"tracking_slot": slot, "is_v_blocking": False}
    stalled: dict[str, Value] = {"latest_ext": state.latest_ext, "tracking_slot": slot, "heard_from_quorum": False}
    recovery: dict[str, Value] = {"current_ledger": state.ledger, "latest_externalized": state.latest_ext}
    node.tracing.warn(_LIFECYCLE, "Have not heard from quorum - may be experiencing network partition", silent)
    message = "SCP externalization stalled; requesting SCP state"
    node.tracing.warn(_LIFECYCLE, message, {**stalled, "gap": gap, "next_slot_missing": True})
    more: dict[str, Value] = {"gap": gap, "attempts": 6, "cache_age_secs": Display("Some(41)"), "urgent": False}
    message = "Recovery stalled for too long — forcing catchup"
    node.tracing.info("henyey_app::app::consensus", message, {**recovery, **more})
    node.registry.add("henyey_recovery_stalled_tick_total", 1, '{reason="forcing_catchup_behind"}')
