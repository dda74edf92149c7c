"""Check 10: deploy. healing.deploy asks the gates; here is its line, and the verdict on a build that is on trial."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor_tick.actions import Acted, Outcome, Quarantine
from monitor_tick.healing import trial
from monitor_tick.healing.deploy import gate_of, repairs_of
from monitor_tick.healing.gate import Gate
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "deploy"

_BLOCKED = ("SKIPPED", "BLOCKED")


def judge(view: View) -> Verdict | None:
    unwritten = view.memory.node.unquarantined
    owed = (Quarantine(unwritten),) if unwritten else ()
    if view.session.is_embedded:
        return Verdict(label=LABEL, lines=("N/A (embedded)",), effects=owed)
    gate = gate_of(view)
    return Verdict(
        label=LABEL,
        lines=(gate.text,),
        would=gate.would,
        level=_level(gate),
        alerts=(gate.alert,) if gate.alert else (),
        wants=gate.action,
        considered=gate.considered,
        effects=(*owed, *repairs_of(view, gate), *((gate.effect,) if gate.effect is not None else ())),
        tells_of=tuple(f"ci:{workflow}:" for workflow in gate.red),
    )


def _level(gate: Gate) -> Level:
    if gate.action is not None or gate.effect is not None:
        return Level.ACTION
    return Level.WARNING if gate.text.startswith(_BLOCKED) else Level.OK


def after_deploy(verdict: Verdict, acted: Acted) -> Verdict:
    """The line of a deploy that was done says what it came to; how it went stands below."""
    return msgspec.structs.replace(verdict, lines=(acted.headline,)) if acted.headline else verdict


def after_sync(verdict: Verdict, outcome: Outcome) -> Verdict:
    """Nothing was synced where the fast-forward failed."""
    if outcome.done:
        return verdict
    return msgspec.structs.replace(verdict, lines=("SKIPPED (not fast-forwarded)",), level=Level.WARNING)


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
