"""The embedded node: its parts, its start, its event loop and its end (node contract, sections 1.6 to 1.8)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from monitor_loop.embedded.breaking import Breaking
from monitor_loop.embedded.catalogue import load_catalogue
from monitor_loop.embedded.clock import unix_now
from monitor_loop.embedded.config import EmbeddedConfig
from monitor_loop.embedded.keys import public_key, seeded_chance
from monitor_loop.embedded.log import Display, NodeLog
from monitor_loop.embedded.loop import EventLoop
from monitor_loop.embedded.metrics import Registry
from monitor_loop.embedded.network import Network
from monitor_loop.embedded.overlay import Overlay
from monitor_loop.embedded.state import NodeState, Stage
from monitor_loop.embedded.storage import Storage

VERSION = "26.0.0-alpha.1"
PROTOCOL = 25
FAULTS_LOOK_SECONDS = 0.1


class FatalState(Exception):
    """Unrecoverable local state; the text is the reason in the node's fatal line."""


class Node:
    """Parts and their state. What the node does with them is in closing, duties, start and damage; `lock` guards
    `state`, `registry` and `overlay` between the event loop and the servers' threads.
    """

    def __init__(self, config: EmbeddedConfig, tracing: NodeLog, mode: str) -> None:
        self.config = config
        self.tracing = tracing
        self.mode = mode
        self.lock = threading.RLock()
        self.loop = EventLoop()
        self.rng = seeded_chance(config.seed)
        self.network = Network(config.start_ledger, config.genesis, config.speed)
        self.storage = Storage(config.database, config.buckets)
        self.registry = Registry(load_catalogue(is_validator=config.is_validator), seeded_chance(config.seed))
        self.overlay = Overlay(tracing, seeded_chance(config.seed), config.seed, config.peers)
        self.breaking = Breaking(config.faults_file, config.scenario, config.speed)
        self.state = NodeState(started_at=unix_now())
        self.public_key = public_key(config.seed, "node")
        self.frozen = False
        self.ballast = bytearray()
        self._started = time.monotonic()

    @property
    def uptime_seconds(self) -> float:
        return time.monotonic() - self._started

    def scaled(self, seconds: float) -> float:
        """A duration of the node's life, at this node's speed."""
        return seconds / self.config.speed

    @property
    def synced_stage(self) -> Stage:
        return Stage.VALIDATING if self.config.is_validator else Stage.SYNCED

    def enter(self, stage: Stage) -> None:
        if stage is not self.state.stage:
            change = {"from": Display(self.state.stage.value), "to": Display(stage.value)}
            self.tracing.info("henyey_app::app", "State transition", change)
            self.state.stage = stage

    def locked(self, duty: Callable[[Node], float]) -> Callable[[], float]:
        """A duty as a timer: one turn of it under the lock, then the seconds until the next."""

        def turn() -> float:
            with self.lock:
                return duty(self)

        return turn

    def stop_gracefully(self) -> None:
        """The trail of a SIGTERM, to its last line."""
        tracing, target = self.tracing, "henyey_app::app::lifecycle"
        if self.loop.received:
            tracing.info("henyey_app::run_cmd", f"Received {self.loop.received}")
        tracing.info("henyey_app::run_cmd", "Shutdown signal received")
        tracing.info(target, "Shutdown requested")
        tracing.info(target, "Shutdown signal received")
        self.state.stage = Stage.SHUTTING_DOWN
        time.sleep(self.breaking.number("slow_stop", "seconds", 0.0))
        tracing.info(target, "Close pipeline drained", {"elapsed_ms": self.rng.randint(20, 180)})
        tracing.info(target, "Performing shutdown cleanup")
        tracing.info(target, "Signaling overlay shutdown")
        tracing.info(target, "Overlay manager shutdown complete", {"elapsed_ms": self.rng.randint(1, 40)})
        tracing.info(target, "Shutdown cleanup complete", {"elapsed_ms": self.rng.randint(40, 90)})
        tracing.info("henyey_app::run_cmd", "Node stopped gracefully")

    def fail(self, error: FatalState) -> None:
        """The lines of a fatal state; the process then exits 1."""
        message = "Node shutdown due to fatal state failure — state wipe required"
        self.tracing.error(
            "henyey_app::app::lifecycle",
            f"FATAL: unrecoverable local state failure — {error}. Node will shut down. "
            "State wipe required before restart.",
            {"fatal_wipe_required": True},
        )
        self.tracing.error("henyey_app::run_cmd", "Node stopped with error", {"error": Display(message)})
        self.tracing.raw(f"Error: {message}")

    def print_banner(self) -> None:
        lines = [f"henyey {VERSION}", "", f"Node: {self.config.name}", f"Mode: {self.mode}"]
        lines += [f"Public Key: {self.public_key}", f"Network: {self.config.network}", "", ""]
        os.write(1, "\n".join(lines).encode())
