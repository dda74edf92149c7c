"""Closing ledgers, and what a closed ledger brings with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor_loop.embedded.clock import unix_now
from monitor_loop.embedded.keys import hex_hash
from monitor_loop.embedded.log import Display, Value
from monitor_loop.embedded.memory import MemoryClaim, report_memory

if TYPE_CHECKING:
    from monitor_loop.embedded.node import Node

CHECKPOINT = 64
REPLAY_SECONDS = 0.002  # between two ledgers that were waiting: about what a fast replay needs
LOOK_SECONDS = 0.1  # a fault that is cleared, or a jump of the network, shows at once
USUAL_FRAGMENTATION_PCT = 18.2


def close_due(node: Node) -> float:
    """Close the next ledger if the network has it, and return the seconds until there may be another."""
    now = unix_now()
    state, tip = node.state, node.network.tip(now)
    state.latest_ext = max(state.latest_ext, tip)
    state.peer_max_verified = tip + 1
    behind = int(node.breaking.number("lag", "ledgers", 0))
    if node.breaking.find("stall") or node.breaking.find("lost_sync") or tip - behind <= state.ledger:
        return min(node.network.closed_at(max(tip, state.ledger) + 1) - now, LOOK_SECONDS)
    close_next(node, now, live=tip - behind == state.ledger + 1)
    return REPLAY_SECONDS


def close_next(node: Node, now: float, *, live: bool) -> None:
    state, ledger = node.state, node.state.ledger + 1
    lagging = node.breaking.number("lag", "seconds", 0.0) if node.breaking.find("lag") else 0.0
    close_time = int(now - lagging) if lagging else int(node.network.closed_at(ledger))
    interval = close_time - state.close_time if state.close_time else 0
    state.ledger, state.close_time = ledger, max(close_time, state.close_time)
    slowness = node.breaking.number("slow_close", "factor", 1.0)
    state.close_ms = round(node.rng.randint(150, 410) * slowness)
    state.tx_count = node.rng.randint(250, 340)
    state.fee_pool += node.rng.randint(2_000_000, 4_000_000)
    _log_close(node, live)
    _measure(node, slowness, interval if live else 0.1)
    _housekeep(node)
    node.storage.save(ledger, state.close_time)


def memory_claim(node: Node) -> MemoryClaim:
    pct = node.breaking.number("fragmentation", "pct", USUAL_FRAGMENTATION_PCT)
    return MemoryClaim(ledger=node.state.ledger, growth_mb=node.state.growth_mb, fragmentation_pct=pct)


def _log_close(node: Node, live: bool) -> None:
    state, seed = node.state, node.config.seed
    fields: dict[str, Value] = {
        "ledger_seq": state.ledger,
        "tx_count": state.tx_count,
        "close_time_ms": state.close_ms,
        "computed_hash": Display(hex_hash(seed, "ledger", state.ledger)),
        "bucket_list_hash": Display(hex_hash(seed, "buckets", state.ledger)),
        "tx_result_hash": Display(hex_hash(seed, "results", state.ledger)),
        "total_coins": state.total_coins,
        "fee_pool": state.fee_pool,
        "close_time": state.close_time,
    }
    node.tracing.info("henyey_ledger::manager", "Ledger closed", fields)
    if live:
        rapid: dict[str, Value] = {"current_ledger": state.ledger, "latest_ext": state.latest_ext}
        message = "Rapid close cycle ended; requesting SCP state from peers"
        node.tracing.info("henyey_app::app::lifecycle", message, rapid)
        asked: dict[str, Value] = {"ledger_seq": state.ledger - 2, "peers_sent": node.overlay.count}
        node.tracing.info("henyey_app::app", "Requested SCP state from peers", asked)


def _measure(node: Node, slowness: float, interval: float) -> None:
    state, registry = node.state, node.registry
    registry.ledger_closed(slowness)
    registry.observe("stellar_ledger_close_duration_seconds", state.close_ms / 1000)
    registry.observe("stellar_ledger_age_closed_seconds", float(interval))
    registry.observe("henyey_ledger_close_cycle_seconds", float(interval))
    if not node.config.is_validator:
        return
    state.sent_nominate += 2
    state.sent_prepare += 2
    state.sent_confirm += 1
    state.sent_externalize += 1
    registry.add("stellar_scp_envelope_emit_total", 6)
    if state.ledger % CHECKPOINT == CHECKPOINT - 1:
        registry.observe_usual("stellar_history_publish_time_seconds")


def _housekeep(node: Node) -> None:
    ledger = node.state.ledger
    if ledger % CHECKPOINT == 0:
        report_memory(node.tracing, memory_claim(node))
    if ledger % 25 == 0:
        node.storage.add_bucket(node.config.seed, ledger)
    if ledger % 100 == 0 and (deleted := node.storage.drop_stale_buckets()):
        node.tracing.info("henyey_app::app", "Cleaned up stale bucket files", {"deleted": deleted})
