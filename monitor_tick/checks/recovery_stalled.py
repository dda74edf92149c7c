"""Check 12b: the words, the alert and the trace. What is judged is in monitor_tick.judging.recovery."""

from __future__ import annotations

from monitor_tick.alert import Alert
from monitor_tick.judging.judged import AlarmState, number
from monitor_tick.judging.recovery import RecoveryJudged, judge_recovery
from monitor_tick.rules import RecoveryRule
from monitor_tick.verdict import Decision, Level, Verdict
from monitor_tick.view import View

LABEL = "recovery_stalled"


def judge(view: View) -> Verdict | None:
    """None in the mode that the check is not for."""
    rule = view.rules.recovery
    if view.session.mode is not rule.mode:
        return None
    judged = judge_recovery(view)
    fired = judged.state is AlarmState.FIRED
    return Verdict(
        label=LABEL,
        lines=(_line(judged, rule),),
        level=Level.WARNING if fired else Level.OK,
        alerts=(_alert(judged, rule),) if fired else (),
        remember=(judged.remember,) if judged.remember is not None else (),
        watch=(f"breach={LABEL}",) if judged.state is AlarmState.BREACH else (),
        reflections=(f"dead alarm: {rule.key} ({judged.reason})",) if judged.blind else (),
        decisions=(_decision(judged, view),),
    )


def _line(judged: RecoveryJudged, rule: RecoveryRule) -> str:
    delta = number(judged.delta) if judged.delta is not None else ""
    if judged.state is AlarmState.SKIPPED:
        return f"skipped ({judged.reason})"
    if judged.state is AlarmState.NEW_BASELINE:
        return "collecting baseline"
    if judged.state is AlarmState.FIRED:
        return f"WARNING delta={delta} ({'burst' if judged.burst else f'{judged.streak} ticks'}) — investigating"
    if judged.state is AlarmState.BREACH:
        return f"breach (delta={delta}, streak {judged.streak}/{rule.streak})"
    return f"ok (delta={delta})"


def _alert(judged: RecoveryJudged, rule: RecoveryRule) -> Alert:
    return Alert(
        key=f"metric:{rule.key}",
        scope="row",
        title=f"metrics: {rule.key} — sustained breach",
        cause=judged.reason,
        evidence=(("metric", rule.key), *_readings(judged), ("clause", judged.reason)),
        cooldown_key=rule.key,
        metrics=(rule.name,),
    )


def _decision(judged: RecoveryJudged, view: View) -> Decision:
    rule, stored = view.rules.recovery, view.memory.recovery.snapshot
    return Decision(
        alarm=rule.key,
        state=judged.state.value,
        reason=judged.reason,
        value=judged.delta,
        threshold=float(rule.burst if judged.burst else rule.delta),
        inputs=(
            *_readings(judged),
            ("streak before", str(stored.streak if stored else 0)),
            ("streak", f"{judged.streak}/{rule.streak}"),
        ),
    )


def _readings(judged: RecoveryJudged) -> tuple[tuple[str, str], ...]:
    values = (("current", judged.current), ("previous", judged.previous), ("delta", judged.delta))
    read = tuple((name, number(value)) for name, value in values if value is not None)
    return (*read, ("interval", f"{judged.interval.total_seconds():.0f}s")) if judged.interval else read
