"""A frozen event loop, as the watchdog's lines tell it (node contract, 2.4); its seconds are divided by the speed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from monitor_loop.embedded.dying import abort
from monitor_loop.embedded.log import Value

if TYPE_CHECKING:
    from monitor_loop.embedded.node import Node

LOOK_SECONDS = 10.0
SLOW_SECONDS = 15.0
FROZEN_SECONDS = 30.0
_TARGET = "henyey_app::app"
_PHASES = (
    "Phase codes: 0=select, 1=scp_msg, 2=fetch_resp, 3=broadcast, 4=scp_broadcast, 5=consensus_tick, 6=pending_close, "
    "10=process_externalized, 11=externalized_catchup, 12=try_apply_buffered, 13=buffered_catchup, 14=catchup_running, "
    "15=pending_catchup_complete, 16=heartbeat, 20=stats, 21=tx_advert, 22=tx_demand, 23=survey, 24=survey_req, "
    "25=survey_phase, 26=scp_timeout, 27=ping, 28=peer_maint, 29=peer_refresh, 30=herder_cleanup, 31=scp_verifier, "
    "32=scp_verified. Sub-phase N.M labels: see crates/app/src/app/phase.rs for PHASE_6_* and PHASE_13_* constants."
)


def stay_frozen(node: Node) -> None:
    """Until the fault is cleared; at the abort threshold the process ends by SIGABRT. Signals are not answered.

    A node that gets no processor for longer than a step lasts takes its steps late, and leaves none out.
    """
    began = time.monotonic()
    node.frozen = True
    next_look = SLOW_SECONDS
    while node.breaking.find("freeze"):
        stalled = (time.monotonic() - began) * node.config.speed
        if next_look == SLOW_SECONDS and stalled >= next_look:
            _tell_slow(node, stalled)
            next_look = FROZEN_SECONDS
        if next_look > SLOW_SECONDS and stalled >= next_look:
            _tell_frozen(node, stalled)
            next_look = stalled + LOOK_SECONDS
        if stalled >= node.config.watchdog_abort_seconds:
            _abort(node, int(stalled))
        time.sleep(0.02)
        node.breaking.look(node.uptime_seconds)
    node.frozen = False


def _tell_slow(node: Node, stalled: float) -> None:
    node.tracing.warn(_TARGET, "WATCHDOG: Event loop slow (>15s since last tick)", _where(stalled))


def _tell_frozen(node: Node, stalled: float) -> None:
    frozen: dict[str, Value] = {"watchdog_freeze": True, **_where(stalled), "pid": os.getpid()}
    node.tracing.error(_TARGET, f"WATCHDOG: Event loop appears frozen! {_PHASES}", frozen)
    node.tracing.error(_TARGET, "WATCHDOG: Thread state summary", {"count": 41, "state": "State:\tS (sleeping)"})
    node.tracing.error(_TARGET, "WATCHDOG: Thread wchan summary", {"count": 39, "wchan": "futex_wait_queue"})


def _where(stalled: float) -> dict[str, Value]:
    where: dict[str, Value] = {"stale_secs": int(stalled), "phase": 6, "phase_sub": 6}
    return {**where, "fetch_channel_depth": 482, "fetch_channel_depth_max": 482}


def _abort(node: Node, stalled: int) -> None:
    threshold = int(node.config.watchdog_abort_seconds)
    fields: dict[str, Value] = {"stale_secs": stalled, "phase": 6, "phase_sub": 6, "abort_threshold_secs": threshold}
    node.tracing.error(_TARGET, f"WATCHDOG: Auto-aborting after {stalled}s freeze at phase=6", fields)
    abort()
