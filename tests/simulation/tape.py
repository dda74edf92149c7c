"""The log of one run, written at the times of the simulation: the node's own line forms, a few lines for each tick."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone

from monitor_loop.embedded.clock import log_stamp
from monitor_loop.embedded.log import Display, NodeLog, Value, text_line
from monitor_loop.embedded.memory import MemoryClaim, report_memory

_write, _utime, _fstat, _dup = (
    os.write,
    os.utime,
    os.fstat,
    os.dup,
)  # a tick may be dying at any of them; the node is not

LIFECYCLE, APP, RUN_CMD = "henyey_app::app::lifecycle", "henyey_app::app", "henyey_app::run_cmd"
FATAL_HEADER = (
    "pre-close hash mismatch at ledger {ledger}: our header hash 28cb03b06c28 does not match network's previous ledger "
    "hash 0555debc8a41"
)
LIVELOCK = (
    "Hard-reset livelock: 641s stuck at ledger {ledger} (gap=11) with no progress. Fail-fast: state wipe required."
)
BLOCKED = "Recovery escalation blocked: previous fatal state failure — manual intervention required"


class Tape(NodeLog):
    """Writes to the file that the run was started with, wherever its name has gone since. `offset` is the clock's."""

    def __init__(self, log: int) -> None:
        super().__init__(descriptor=_dup(log))
        self.is_stopped = False
        self._at = datetime.min.replace(tzinfo=timezone.utc)

    def at(self, wall: datetime) -> Tape:
        """What is written next is written then; the file's time follows."""
        self._at = wall
        return self

    def line(self, level: str, target: str, message: str, fields: Mapping[str, Value] | None = None) -> None:
        self.raw(text_line(log_stamp(self._at.timestamp()), level, target, message, fields or {}))

    def raw(self, text: str) -> None:
        if self.is_stopped:
            return
        _write(self._descriptor, text.encode() + b"\n")
        seconds = self._at.timestamp()
        _utime(self._descriptor, (seconds, seconds))

    def close(self) -> None:
        os.close(self._descriptor)

    # --- what a run says, by occasion -----------------------------------------------------------------------------

    def introduce(self, database: str) -> None:
        self.info(RUN_CMD, "Starting henyey node", {"mode": Display("validator")})
        self.info(APP, "Opening database", {"path": database})

    def change_state(self, before: str, after: str) -> None:
        self.info(APP, "State transition", {"from": Display(before), "to": Display(after)})

    def enter_loop(self, state: str) -> None:
        self.info(LIFECYCLE, "Entering main event loop")
        self.info(RUN_CMD, "Node is synced", {"state": Display(state)})

    def beat(self, ledger: int, tip: int, *, heard: bool) -> None:
        fields: dict[str, Value] = {"heartbeat": True, "tracking_slot": tip + 1, "ledger": ledger, "latest_ext": tip}
        more: dict[str, Value] = {"peers": 25, "heard_from_quorum": heard, "is_v_blocking": heard}
        counts: dict[str, Value] = {"scp_silent_secs": 0 if heard else 95, "scp_sent_ext": ledger % 100_000}
        self.info(LIFECYCLE, "Heartbeat", {**fields, **more, **counts})

    def close_ledger(self, ledger: int, close_time: int) -> None:
        fields: dict[str, Value] = {"ledger_seq": ledger, "tx_count": 301, "close_time": close_time}
        self.info("henyey_ledger::manager", "Ledger closed", fields)

    def report(self, ledger: int, growth_mb: int) -> None:
        report_memory(self, MemoryClaim(ledger=ledger, growth_mb=growth_mb, fragmentation_pct=18.2))

    def panic(self, pid: int) -> None:
        self.raw(f"\nthread 'tokio-rt-worker' ({pid}) panicked at crates/ledger/src/manager.rs:2049:9:")
        self.raw("called `Option::unwrap()` on a `None` value")
        self.raw("note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace")

    def fatal(self, reason: str, ledger: int) -> None:
        message = (
            f"FATAL: unrecoverable local state failure — {reason.format(ledger=ledger)}. Node will shut down. "
            "State wipe required before restart."
        )
        self.error(LIFECYCLE, message, {"fatal_wipe_required": True})

    def torn(self) -> None:
        """What had not reached the disk when the power went."""
        if not self.is_stopped:
            _write(self._descriptor, b"2026-05-09T04:0")

    def exit(self, why: str) -> None:
        self.error(RUN_CMD, "Node stopped with error", {"error": Display(why)})
        self.raw(f"Error: {why}")

    def persist_failed(self) -> None:
        error = Display("database or disk is full")
        self.error("henyey_app::app::persist", "Fatal persist failure, aborting", {"context": "close", "error": error})

    def lose_sync(self) -> None:
        self.warn("henyey_herder::sync_recovery", "Consensus stuck - transitioning to out-of-sync")
        self.warn("henyey_app::app::close", "Lost sync with network - transitioning to syncing state")

    def block(self) -> None:
        self.warn("henyey_app::app::consensus", BLOCKED)

    def freeze(self, seconds: int, pid: int) -> None:
        """The watchdog's line after so many seconds of it."""
        fields: dict[str, Value] = {"watchdog_freeze": True, "stale_secs": seconds, "phase": 6, "phase_sub": 6}
        message = "WATCHDOG: Event loop appears frozen! Phase codes: 0=select, 6=pending_close"
        self.error(APP, message, {**fields, "pid": pid})

    def abort_frozen(self) -> None:
        fields: dict[str, Value] = {"stale_secs": 121, "phase": 6, "phase_sub": 6, "abort_threshold_secs": 120}
        self.error(APP, "WATCHDOG: Auto-aborting after 121s freeze at phase=6", fields)

    def stop_gracefully(self) -> None:
        for message in ("Received SIGTERM", "Shutdown signal received", "Node stopped gracefully"):
            self.info(RUN_CMD, message)
