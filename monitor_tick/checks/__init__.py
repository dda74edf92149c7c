"""One module a check: `LABEL` and `judge`. CHECKS is the report's order."""

from __future__ import annotations

from typing import Protocol

from monitor_tick.checks import (
    ci,
    deploy,
    disk,
    log,
    mem,
    metrics,
    metrics_ratio,
    node,
    obsrvr,
    recovery_stalled,
    rpc,
    sync,
    wipe,
)
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View


class Check(Protocol):
    """What a module of this package offers. None from `judge` leaves the line out."""

    LABEL: str

    def judge(self, view: View) -> Verdict | None: ...


CHECKS: tuple[Check, ...] = (
    node,
    wipe,
    log,
    sync,
    mem,
    disk,
    rpc,
    obsrvr,
    metrics,
    metrics_ratio,
    recovery_stalled,
    deploy,
    ci,
)


def judge_all(view: View) -> tuple[Verdict, ...]:
    """Every check's verdict. A check that crashes costs its own line, never the others'."""
    verdicts = [verdict for check in CHECKS if (verdict := _judge(check, view)) is not None]
    alerts = tuple(alert for verdict in verdicts if verdict.label == metrics.LABEL for alert in verdict.alerts)
    beside = (sync.beside(verdict, alerts) if verdict.label == sync.LABEL else verdict for verdict in verdicts)
    return deploy.on_trial(view, tuple(beside))


def _judge(check: Check, view: View) -> Verdict | None:
    try:
        return check.judge(view)
    except Exception as fault:
        what = f"{type(fault).__name__}: {fault}".splitlines()[0][:200]
        return Verdict(
            label=check.LABEL,
            lines=(f"ERROR ({what})",),
            level=Level.WARNING,
            reflections=(f"check {check.LABEL} crashed: {what}",),
        )
