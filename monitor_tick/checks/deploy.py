"""Check 10: deploy. healing.deploy asks the gates; here is its line, and the verdict on a build that is on trial."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor_tick.healing import trial
from monitor_tick.healing.deploy import Gate, gate_of
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "deploy"

_BLOCKED = ("SKIPPED", "BLOCKED")


def judge(view: View) -> Verdict | None:
    if view.session.is_embedded:
        return Verdict(label=LABEL, lines=("N/A (embedded)",))
    gate = gate_of(view)
    return Verdict(
        label=LABEL,
        lines=(gate.text,),
        level=_level(gate),
        alerts=(gate.alert,) if gate.alert else (),
        wants=gate.action,
        considered=gate.considered,
        effects=(gate.effect,) if gate.effect else (),
    )


def _level(gate: Gate) -> Level:
    if gate.action is not None or gate.effect is not None:
        return Level.ACTION
    return Level.WARNING if gate.text.startswith(_BLOCKED) else Level.OK


def on_trial(view: View, verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts with a rollback in the deploy line where one of the others speaks against the build on trial."""
    open_trial = view.memory.node.trial
    regression = trial.regression_of(view, verdicts)
    if open_trial is None or regression is None:
        return tuple(verdicts)
    action, alert = trial.rollback_of(view, open_trial, regression)
    return tuple(
        msgspec.structs.replace(
            verdict,
            lines=(f"REGRESSION on trial of {open_trial.sha[:8]}: {regression.symptom}",),
            level=Level.ACTION,
            alerts=(*verdict.alerts, alert),
            wants=action if action.is_allowed else None,
            considered=(action,),
            effects=(),
        )
        if verdict.label == LABEL
        else verdict
        for verdict in verdicts
    )
