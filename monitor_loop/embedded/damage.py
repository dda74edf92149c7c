"""What happens in the node when a fault is switched on, and when it is cleared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from monitor_loop.embedded.dying import abort, die
from monitor_loop.embedded.faults import Fault
from monitor_loop.embedded.keys import hex_hash
from monitor_loop.embedded.log import Display, Value
from monitor_loop.embedded.node import FAULTS_LOOK_SECONDS, FatalState, Node
from monitor_loop.embedded.state import Stage
from monitor_loop.embedded.watchdog import stay_frozen

if TYPE_CHECKING:
    from monitor_loop.embedded.servers import Servers


class Damage:
    """Compares what is on now with what was on before; the freeze happens inside, in the event loop's own turn."""

    def __init__(self, node: Node, servers: Servers) -> None:
        self._node = node
        self._servers = servers
        self._suffered: tuple[Fault, ...] = ()

    def look(self) -> float:
        node = self._node
        node.breaking.look(node.uptime_seconds)
        with node.lock:
            self._switch(node.breaking.active)
            for fault in node.breaking.take_due():
                _ONCE[fault.name](node, fault)
        self._servers.follow(node.breaking)
        if node.breaking.find("freeze"):
            stay_frozen(node)
        return FAULTS_LOOK_SECONDS

    def _switch(self, active: tuple[Fault, ...]) -> None:
        begun = [fault for fault in active if fault not in self._suffered]
        gone = {fault.name for fault in self._suffered} - {fault.name for fault in active}
        self._suffered = active
        for name in sorted(gone & _END.keys()):
            _END[name](self._node)
        for fault in begun:
            if fault.name in _BEGIN:
                _BEGIN[fault.name](self._node, fault)


def _crash(_node: Node, fault: Fault) -> None:
    die(int(fault.number("signal")))


def _panic(node: Node, fault: Fault) -> None:
    place = f"thread 'tokio-rt-worker' ({os.getpid()}) panicked at crates/ledger/src/manager.rs:2049:9:"
    note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"
    node.tracing.raw(f"\n{place}\n{fault.argument('message')}\n{note}")
    abort()


def _alloc_failed(node: Node, fault: Fault) -> None:
    node.tracing.raw(f"memory allocation of {fault.argument('bytes')} bytes failed")
    abort()


def _fatal(node: Node, fault: Fault) -> None:
    if fault.argument("kind") == "catchup":
        reason = "verification failed: bucket list hash mismatch"
        raise FatalState(f"Buffered catchup verification/integrity failure: {reason}")
    ledger = node.state.ledger + 1
    ours, theirs = hex_hash("ours", ledger), hex_hash("theirs", ledger)
    fields: dict[str, Value] = {"ledger_seq": ledger, "our_header_hash": Display(ours)}
    more: dict[str, Value] = {"network_prev_hash": Display(theirs), "header_version": 25}
    message = "Pre-close hash mismatch - individual header fields"
    node.tracing.error("hash_mismatch_debug", message, {**fields, **more})
    raise FatalState(
        f"pre-close hash mismatch at ledger {ledger}: our header hash {ours} does not match network's previous "
        f"ledger hash {theirs}"
    )


def _livelock(node: Node, _fault: Fault) -> None:
    node.registry.add("henyey_post_catchup_hard_reset_total", 10)
    place = f"641s stuck at ledger {node.state.ledger} (gap=11) with no progress"
    raise FatalState(f"Hard-reset livelock: {place}. Fail-fast: state wipe required.")


def _error_line(node: Node, fault: Fault) -> None:
    node.tracing.error(str(fault.argument("target")), str(fault.argument("text")))


def _raw_line(node: Node, fault: Fault) -> None:
    node.tracing.raw(str(fault.argument("text")))


def _counter(node: Node, fault: Fault) -> None:
    name, brace, labels = fault.subject.partition("{")
    node.registry.add(name, fault.number("amount"), brace + labels)


def _lag(node: Node, fault: Fault) -> None:
    node.network.jump(int(fault.number("ledgers")))
    node.state.close_time -= int(fault.number("seconds"))


def _lost_sync(node: Node, fault: Fault) -> None:
    node.tracing.warn("henyey_herder::sync_recovery", "Consensus stuck - transitioning to out-of-sync")
    node.tracing.warn("henyey_app::app::close", "Lost sync with network - transitioning to syncing state")
    node.registry.add("stellar_herder_lost_sync_total")
    node.state.heard_from_quorum = False
    node.state.close_time -= int(fault.number("seconds"))
    node.network.jump(int(fault.number("seconds") / 5))
    node.enter(Stage.CATCHING_UP)


def _regain_sync(node: Node) -> None:
    node.state.heard_from_quorum = True
    node.enter(node.synced_stage)


def _few_peers(node: Node, fault: Fault) -> None:
    node.overlay.shrink(int(fault.number("inbound")), int(fault.number("outbound")))


def _more_peers(node: Node) -> None:
    node.overlay.fill()


def _grow(node: Node, fault: Fault) -> None:
    node.state.growth_mb = int(fault.number("mb"))
    node.ballast = bytearray(b"\x01") * (int(fault.number("real_mb")) << 20)


def _shrink(node: Node) -> None:
    node.state.growth_mb = 0
    node.ballast = bytearray()


def _stop_pruning(node: Node, fault: Fault) -> None:
    node.state.oldest = min(node.state.oldest, node.state.ledger - int(fault.number("window")))


_ONCE: Mapping[str, Callable[[Node, Fault], None]] = {
    "crash": _crash,
    "panic": _panic,
    "alloc_failed": _alloc_failed,
    "fatal": _fatal,
    "livelock": _livelock,
    "error_line": _error_line,
    "raw_line": _raw_line,
    "counter": _counter,
}
_BEGIN: Mapping[str, Callable[[Node, Fault], None]] = {
    "lag": _lag,
    "lost_sync": _lost_sync,
    "few_peers": _few_peers,
    "memory_growth": _grow,
    "pruning_stalled": _stop_pruning,
}
_END: Mapping[str, Callable[[Node], None]] = {
    "lost_sync": _regain_sync,
    "few_peers": _more_peers,
    "memory_growth": _shrink,
}
