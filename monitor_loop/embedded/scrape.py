"""GET /metrics: gauges that follow the node's state are set as the scrape comes, like the node does it."""

from __future__ import annotations

import os
import random
import resource
from typing import TYPE_CHECKING

from monitor_loop.embedded.clock import unix_now
from monitor_loop.embedded.closing import memory_claim
from monitor_loop.embedded.memory import gauges_of
from monitor_loop.embedded.state import Stage

if TYPE_CHECKING:
    from monitor_loop.embedded.node import Node

NO_RECORDER = "# metrics recorder not installed\n"
GARBAGE = "\x00\x01\x7f<html>\n{{{ not a metric }}}\nname without value\n= = =\n"
_HERDER_BOOTING, _HERDER_SYNCING, _HERDER_TRACKING = 0, 1, 2


def scrape(node: Node) -> str:
    if node.breaking.find("no_recorder"):
        return NO_RECORDER
    if node.breaking.find("garbage"):
        return GARBAGE
    _follow_state(node)
    forced = {one.subject: one.number("value") for one in node.breaking.active if one.name == "gauge"}
    return node.registry.render(random.SystemRandom(), node.breaking.subjects("missing"), forced)


def _follow_state(node: Node) -> None:
    state, now = node.state, unix_now()
    succeeded = round(state.tx_count * 0.76)
    for name, value in (
        ("stellar_ledger_sequence", state.ledger),
        ("stellar_ledger_age_current_seconds", state.age_seconds(now)),
        ("stellar_ledger_memory_queued_ledgers", max(0, state.latest_ext - state.ledger)),
        ("stellar_uptime_seconds", int(node.uptime_seconds)),
        ("stellar_started_on", round(state.started_at, 5)),
        ("stellar_is_validator", int(node.config.is_validator)),
        ("stellar_herder_state", _herder_state(state.stage)),
        ("stellar_peer_count", node.overlay.count),
        ("stellar_overlay_inbound_authenticated", node.overlay.inbound),
        ("stellar_overlay_outbound_authenticated", node.overlay.outbound),
        ("stellar_ledger_tx_count", state.tx_count),
        ("stellar_ledger_tx_success_count", succeeded),
        ("stellar_ledger_tx_failed_count", state.tx_count - succeeded),
        ("stellar_ledger_apply_us", state.close_ms * 1000),
        ("henyey_process_open_fds", len(os.listdir("/proc/self/fd"))),  # noqa: PTH208  names are all that is wanted
        ("henyey_process_max_fds", resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        ("henyey_archive_cache_age_seconds", round(node.uptime_seconds, 3)),
        *gauges_of(memory_claim(node)),
    ):
        node.registry.gauge(name, float(value))


def _herder_state(stage: Stage) -> int:
    if stage is Stage.INITIALIZING:
        return _HERDER_BOOTING
    return _HERDER_SYNCING if stage is Stage.CATCHING_UP else _HERDER_TRACKING
