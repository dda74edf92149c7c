"""The node's start, in its order: lock, database, servers, restore or catchup, main loop (node contract, 1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor_loop.embedded.clock import unix_now
from monitor_loop.embedded.closing import CHECKPOINT
from monitor_loop.embedded.log import Display, Value
from monitor_loop.embedded.memory import report_startup
from monitor_loop.embedded.node import PROTOCOL, Node
from monitor_loop.embedded.state import Stage

if TYPE_CHECKING:
    from pathlib import Path

CATCHUP_AFTER_LEDGERS = 300
_RUN = "henyey_app::run_cmd"


def introduce(node: Node, config_path: Path) -> None:
    tracing, config = node.tracing, node.config
    who: dict[str, Value] = {"node_name": Display(config.name), "network": Display(config.network)}
    tracing.info("henyey", "Loading configuration from file", {"path": str(config_path)})
    tracing.info(_RUN, "Starting henyey node", {"mode": Display(node.mode), **who})
    tracing.info("henyey_app::app", "Initializing henyey", who)
    node.storage.lock()
    tracing.info("henyey_app::app", "Opening database", {"path": str(config.database)})
    tracing.info("henyey_app::app", "Node identity", {"public_key": Display(node.public_key)})
    node.print_banner()


def restore(node: Node) -> None:
    """From an empty database: a catchup to the last checkpoint. From one that knows a ledger: go on there, after a
    catchup when the network is too far ahead. A stop that comes meanwhile ends it early.
    """
    stored = node.storage.open()
    _settle_before_restore(node)
    report_startup(node.tracing)
    node.loop.sleep(node.scaled(node.config.startup_seconds))
    tip = node.network.tip(unix_now())
    if stored and stored[0] > tip:
        node.network.jump(stored[0] - tip)  # an older session's network was ahead of this one's
    with node.lock:
        if stored:
            _restore_from_disk(node, *stored)
        if stored is None or tip - stored[0] > CATCHUP_AFTER_LEDGERS:
            node.tracing.info(_RUN, "Node is behind, starting catchup")
            node.enter(Stage.CATCHING_UP)
    if node.state.stage is Stage.CATCHING_UP:
        _catch_up(node)


def enter_main_loop(node: Node) -> None:
    tracing, state = node.tracing, node.state
    with node.lock:
        tracing.info("henyey_app::app::lifecycle", "Herder bootstrapped", {"ledger_seq": state.ledger})
        tracing.info("henyey_app::app::lifecycle", "Entering main event loop")
        tracing.info("henyey_app::app", "Event loop watchdog started")
        node.enter(node.synced_stage)
        tracing.info(_RUN, "Node is synced", {"state": Display(state.stage.value)})
        node.overlay.fill()
        node.registry.settle()
        state.heard_from_quorum = True
        state.scp_heard_at = unix_now()
        state.latest_ext = max(state.ledger, node.network.tip(unix_now()))
        node.registry.observe_usual("henyey_archive_cache_refresh_duration_seconds")
        node.registry.observe_usual("stellar_history_publish_time_seconds")  # of the checkpoint before this start


def _settle_before_restore(node: Node) -> None:
    """What the first scrapes show while nothing is loaded."""
    node.registry.gauge("stellar_protocol_version", PROTOCOL)


def _restore_from_disk(node: Node, ledger: int, close_time: int) -> None:
    state = node.state
    state.ledger, state.close_time, state.oldest = ledger, close_time, max(1, ledger - 450)
    node.tracing.info(_RUN, "Restored state from disk, skipping full catchup", {"lcl_seq": ledger})
    node.enter(Stage.SYNCED)


def _catch_up(node: Node) -> None:
    target = node.network.tip(unix_now()) // CHECKPOINT * CHECKPOINT - 1
    fields: dict[str, Value] = {"target": Display(f"Ledger({target})"), "mode": Display("Minimal")}
    node.tracing.info("henyey_app::app::catchup_impl", "Starting catchup", fields)
    message = f"Catching up to checkpoint {target} (no ledgers to replay)"
    node.tracing.info("henyey_history::catchup", message)
    node.loop.sleep(node.scaled(node.config.catchup_seconds))
    if node.loop.stopping:
        return
    with node.lock:
        state, registry = node.state, node.registry
        state.ledger, state.close_time = target, int(node.network.closed_at(target))
        state.oldest = target
        for name in ("bucket_apply", "apply_ledger_chain", "verify_ledger_chain"):
            registry.add(f"stellar_history_{name}_success_total")
        for name, count in (("history_archive_state", 1), ("ledger", 11), ("bucket", 42)):
            registry.add(f"stellar_history_download_{name}_success_total", count, '{archive="sdf1"}')
        registry.add("stellar_history_verify_bucket_success_total", 42)
        registry.add("stellar_herder_lost_sync_total")  # a startup catchup counts as one (node contract, 4.3)
        registry.observe("stellar_ledger_catchup_duration_seconds", node.config.catchup_seconds)
        node.enter(Stage.SYNCED)
