"""Check 8's second half: is the RPC window far above its retention, and what is to be done about it. Pure."""

from __future__ import annotations

import msgspec

from monitor_loop.session import NodeConfig
from monitor_tick.actions import Maintain, Outcome
from monitor_tick.alert import Alert
from monitor_tick.facts import LogReading, RpcHealth, Trees
from monitor_tick.judging import amounts
from monitor_tick.judging.evidence import Pairs
from monitor_tick.memory import PruningState
from monitor_tick.rules import Limits
from monitor_tick.view import View


class Retention(msgspec.Struct, frozen=True):
    """How many ledgers the node means to keep, and who said so."""

    ledgers: int
    source: str

    def limit(self, limits: Limits) -> int:
        """A window above this is not explained by retention and the time between two maintenance runs."""
        return limits.pruning_retention_factor * self.ledgers + limits.pruning_slack_ledgers


def retention_of(view: View, health: RpcHealth) -> Retention:
    """From the answer, else the config, else the shipped default; 0 is no retention."""
    if health.retention_window:
        return Retention(health.retention_window, "getHealth")
    if isinstance(view.facts.config, NodeConfig) and view.facts.config.retention_window:
        return Retention(view.facts.config.retention_window, "config")
    return Retention(view.rules.limits.default_retention_ledgers, "default")


def stalled_window(view: View, health: RpcHealth) -> int | None:
    """The window where it exceeds its limit; an unknown one is never judged."""
    window = health.window
    if window is None or window <= retention_of(view, health).limit(view.rules.limits):
        return None
    return window


def maintenance(view: View, health: RpcHealth) -> Maintain | None:
    """The next call: once a full tick, the larger count after the first; never beside a catch-up's own writes."""
    phase = view.phase
    if stalled_window(view, health) is None or phase.early or phase.fresh_start or phase.crash_recovery:
        return None
    counts = view.rules.limits.maintenance_counts
    return Maintain(counts[min(_before(view).step, len(counts) - 1)])


def next_pruning(view: View, health: RpcHealth) -> PruningState | None:
    """The steps are forgotten once the window is back in bounds; None leaves the state as it is."""
    if view.phase.early or health.window is None or stalled_window(view, health) is not None:
        return None
    return PruningState()


def after_call(view: View, health: RpcHealth, outcome: Outcome) -> PruningState | None:
    """The step taken and the window it started from, known only when the node has done the work."""
    if not outcome.done:
        return None
    steps = len(view.rules.limits.maintenance_counts)
    return PruningState(min(_before(view).step + 1, steps), health.window)


def is_unhelped(view: View, window: int) -> bool:
    """An earlier tick's call did its work, and the window has not shrunk since."""
    before = _before(view)
    return before.window is not None and window >= before.window


def after_maintenance(outcome: Outcome, window_before: int) -> str | None:
    """The words for a window that maintenance did not shrink; None where it did, or could not be measured."""
    if not outcome.done or outcome.window is None or outcome.window < window_before:
        return None
    return pruning_stalled(outcome.window)


def pruning_stalled(window: int) -> str:
    return f"RESOURCE WARNING — pruning stalled, gap={window} after manual maintenance"


def stalled_alert(view: View, health: RpcHealth, window: int) -> Alert:
    """The issue for a window that stays; `window` is the newest one measured."""
    return Alert(
        key="rpc:pruning",
        scope="pruning",
        title=f"Pruning stalled: window {window} ledgers",
        cause=pruning_stalled(window),
        evidence=_evidence(view, health, window),
    )


def _before(view: View) -> PruningState:
    return view.memory.state.pruning or PruningState()


def _evidence(view: View, health: RpcHealth, window: int) -> Pairs:
    limits, retention, log, config = view.rules.limits, retention_of(view, health), view.facts.log, view.facts.config
    formula = f"{limits.pruning_retention_factor} x {retention.ledgers} ({retention.source})"
    ran_at = log.maintenance_at if isinstance(log, LogReading) else None
    slow_ms = log.maintenance_slow_ms if isinstance(log, LogReading) else None
    period = f"every {config.maintenance_period_seconds}s" if isinstance(config, NodeConfig) else "unknown"
    return (
        ("window", f"{window} (L{health.oldest} to L{health.latest})"),
        ("limit", f"{retention.limit(limits)} = {formula} + {limits.pruning_slack_ledgers}"),
        ("window before maintenance", amounts.known(_before(view).window)),
        ("node's own maintenance", f"{ran_at:%Y-%m-%dT%H:%M:%SZ}" if ran_at else "not seen in the lines read"),
        ("it took too long", "not seen" if slow_ms is None else f"{slow_ms}ms"),
        ("configured", period),
        ("database", _database(view)),
    )


def _database(view: View) -> str:
    trees, before = view.facts.trees, view.memory.state.trees
    if not isinstance(trees, Trees):
        return f"? ({trees.reason})"
    now = amounts.size(trees.database.bytes)
    return now if before is None else f"{now} ({amounts.size(before.database_bytes)} at the last full tick)"
