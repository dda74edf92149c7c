"""Check 8: does the validator's JSON-RPC answer, is it healthy, and is its window pruned."""

from __future__ import annotations

from monitor_tick.alert import Alert
from monitor_tick.facts import Missing, RpcHealth
from monitor_tick.judging import amounts
from monitor_tick.judging.evidence import lag_evidence
from monitor_tick.judging.progress import catching_up
from monitor_tick.judging.pruning import (
    after_maintenance,
    is_unhelped,
    maintenance,
    next_pruning,
    pruning_stalled,
    retention_of,
    stalled_alert,
    stalled_window,
)
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

__all__ = ["LABEL", "after_maintenance", "judge"]

LABEL = "rpc"
HEALTHY = "healthy"


def judge(view: View) -> Verdict:
    if not view.session.is_validator:
        return Verdict(label=LABEL, lines=("N/A (watcher)",))
    if view.session.rpc_port is None:
        return Verdict(label=LABEL, lines=("N/A (no RPC in its config)",))
    if isinstance(view.facts.process, Missing):
        return Verdict(label=LABEL, lines=(f"N/A ({view.facts.process.reason})",))
    health = view.facts.rpc
    return _down(view, health) if isinstance(health, Missing) else _answered(view, health)


def _down(view: View, health: Missing) -> Verdict:
    line = f"N/A — RPC DOWN ({health.reason})"
    alert = Alert(key="rpc:down", scope="down", title="RPC down", cause=health.reason, evidence=lag_evidence(view))
    return Verdict(label=LABEL, lines=(line,), level=Level.WARNING, alerts=(alert,))


def _answered(view: View, health: RpcHealth) -> Verdict:
    unhealthy, texts = _unhealthy(view, health), _pruning_texts(view, health)
    window = stalled_window(view, health)
    alerts = [unhealthy] if unhealthy else []
    if window is not None and is_unhelped(view, window):
        alerts.append(stalled_alert(view, health, window))
    call, remember = maintenance(view, health), next_pruning(view, health)
    return Verdict(
        label=LABEL,
        lines=(_line(view, health), *texts),
        level=Level.WARNING if alerts or texts else Level.OK,
        alerts=tuple(alerts),
        effects=(call,) if call else (),
        remember=(remember,) if remember else (),
        watch=() if health.window is None else (f"pruning_gap={health.window}",),
    )


def _line(view: View, health: RpcHealth) -> str:
    age = health.age_seconds if health.age_seconds is not None else view.standing.age_seconds
    return (
        f"{_status(health)} oldestL={amounts.known(health.oldest)} latestL={health.latest} "
        f"window={amounts.known(health.window)} age={amounts.known(age)}s"
    )


def _status(health: RpcHealth) -> str:
    return HEALTHY if health.status == HEALTHY else "unhealthy"


def _unhealthy(view: View, health: RpcHealth) -> Alert | None:
    """The node calls itself unhealthy by the age that sync judges, so what excuses the one excuses the other (L17)."""
    if health.status == HEALTHY or catching_up(view):
        return None
    cause = f"getHealth says {health.status}"
    return Alert(
        key="rpc:unhealthy", scope="unhealthy", title="RPC unhealthy", cause=cause, evidence=lag_evidence(view)
    )


def _pruning_texts(view: View, health: RpcHealth) -> tuple[str, ...]:
    window = stalled_window(view, health)
    if window is None:
        return ()
    if is_unhelped(view, window):
        return (pruning_stalled(window),)
    return (f"pruning stalled: window {window} > {retention_of(view, health).limit(view.rules.limits)}",)
