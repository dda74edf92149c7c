"""Check 12, ratios: the words, the alerts and the trace. What is judged is in monitor_tick.judging.ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor_tick.alert import Alert
from monitor_tick.facts import Missing
from monitor_tick.judging.apply_signs import remembered, signs_of
from monitor_tick.judging.judged import AlarmState, number
from monitor_tick.judging.ratio_counters import (
    APPLY_FAILURE,
    APPLY_SUCCESS,
    PENDING_RECEIVED,
    PENDING_TOO_OLD,
    POST_VERIFY,
    unknown_of,
)
from monitor_tick.judging.ratios import RatioJudged, RatioOutcome, judge_ratios
from monitor_tick.memory import Section
from monitor_tick.rules import RatioKey, RatioRow
from monitor_tick.verdict import Decision, Level, Verdict
from monitor_tick.view import View

LABEL = "metrics_ratio"
NAMED = 5
"""Unknown labels that are named; a node that sprouts thousands has one fault, not thousands."""
COLLECTING = "collecting baseline"

METRIC_OF: Mapping[RatioKey, str] = {
    "apply_success": APPLY_SUCCESS[0],
    "apply_failure": APPLY_FAILURE[0],
    "pv_accepted": POST_VERIFY,
    "pv_processed_directly": POST_VERIFY,
    "pv_total_sum": POST_VERIFY,
    "pending_too_old": PENDING_TOO_OLD[0],
    "pending_received": PENDING_RECEIVED[0],
}


def judge(view: View) -> Verdict | None:
    """None for a watcher, whose ratios mean nothing."""
    if not view.session.is_validator:
        return None
    outcome = judge_ratios(view)
    fired = [check for check in outcome.checks if check.state is AlarmState.FIRED]
    alerts, unfiled = _alerts(view, fired, outcome)
    return Verdict(
        label=LABEL,
        lines=(_line(outcome), *unfiled),
        level=Level.WARNING if fired else Level.OK,
        alerts=alerts,
        remember=_remember(view, outcome),
        watch=tuple(f"breach=ratio:{check.row.name}" for check in outcome.checks if check.state is AlarmState.BREACH),
        reflections=_reflections(view, outcome),
        decisions=tuple(_decision(view, check, outcome) for check in outcome.checks),
    )


def _line(outcome: RatioOutcome) -> str:
    if outcome.skipped is not None:
        return f"skipped ({outcome.skipped.reason})"
    return COLLECTING if outcome.collecting else ", ".join(_words(check) for check in outcome.checks)


def _words(check: RatioJudged) -> str:
    row, name = check.row, check.row.name
    if check.state is AlarmState.QUIET:
        return f"{name} ok ({row.shown}={check.percent}%)"
    if check.state is AlarmState.BREACH:
        return f"{name} breach {row.shown}={check.percent}% (streak {check.streak}/{row.ticks})"
    if check.state is AlarmState.FIRED:
        sign, limit = row.condition.comparison.value, f"{100 * row.condition.threshold:.0f}%"
        more = " — investigating" if row.needs_evidence else ""
        return f"{name} WARNING {row.shown}={check.percent}%{sign}{limit} ({check.streak} ticks){more}"
    return f"{name} skipped ({check.reason})"


def _alerts(
    view: View, fired: Sequence[RatioJudged], outcome: RatioOutcome
) -> tuple[tuple[Alert, ...], tuple[str, ...]]:
    """What is filed, and below the line why the rest is not."""
    alerts, unfiled = [], []
    for check in fired:
        signs = signs_of(view, check) if check.row.needs_evidence else ()
        if check.row.needs_evidence and not signs:
            unfiled.append(f"{check.row.name} not filed: no internal error, no invariant failure, no jump at a deploy")
        else:
            alerts.append(_alert(check, signs, outcome))
    return tuple(alerts), tuple(unfiled)


def _alert(check: RatioJudged, signs: Sequence[str], outcome: RatioOutcome) -> Alert:
    row = check.row
    return Alert(
        key=f"ratio:{row.name}",
        scope="check",
        title=f"metrics: {row.metric} — {row.name} ratio {row.symptom}",
        cause=check.reason,
        evidence=(
            ("metric", row.metric),
            (row.shown, f"{check.percent}%"),
            ("numerator delta", _shown(check.numerator)),
            ("denominator delta", _shown(check.denominator)),
            ("threshold", f"{row.condition.comparison.value} {row.condition.threshold:g}"),
            ("ticks", str(check.streak)),
            ("interval", _interval(outcome)),
            *(("points at the apply engine", sign) for sign in signs[:1]),
        ),
        diagnosis="\n".join(signs),
        cooldown_key=f"ratio:{row.name}",
        metrics=_metrics(row),
    )


def _metrics(row: RatioRow) -> tuple[str, ...]:
    """The metric that the issue is named by first, then what it is compared with."""
    return tuple(dict.fromkeys((row.metric, *(METRIC_OF[key] for key in (*row.numerator, *row.denominator)))))


def _decision(view: View, check: RatioJudged, outcome: RatioOutcome) -> Decision:
    stored = view.memory.ratios.snapshot if view.memory.ratios else None
    inputs = [
        ("numerator", " + ".join(check.row.numerator)),
        ("denominator", " + ".join(check.row.denominator)),
        ("numerator delta", _shown(check.numerator)),
        ("denominator delta", _shown(check.denominator)),
        ("least denominator", str(check.row.least)),
        ("streak before", str(getattr(stored.streaks, check.row.name)) if stored else "0"),
        ("streak", f"{check.streak}/{check.row.ticks}"),
        ("interval", _interval(outcome)),
    ]
    return Decision(
        alarm=f"ratio:{check.row.name}",
        state=check.state.value,
        reason=check.reason,
        value=check.share,
        threshold=check.row.condition.threshold,
        inputs=tuple((name, value) for name, value in inputs if value != "unknown"),
        version=check.row.version,
    )


def _remember(view: View, outcome: RatioOutcome) -> tuple[Section, ...]:
    shares = (remembered(view, check) for check in outcome.checks if check.row.needs_evidence)
    return tuple(section for section in (outcome.baseline, *shares) if section is not None)


def _reflections(view: View, outcome: RatioOutcome) -> tuple[str, ...]:
    """A reason beyond the 14 is named whatever else is skipped; a series that is gone blinds the checks."""
    scrape = view.facts.scrape
    unknown = () if isinstance(scrape, Missing) else unknown_of(scrape)
    gone = outcome.skipped.series if outcome.skipped is not None else ()
    return (
        *(f"unknown label: {series}" for series in unknown[:NAMED]),
        *((f"{len(unknown) - NAMED} more unknown labels",) if len(unknown) > NAMED else ()),
        *(f"blind ratios: {series}" for series in gone),
    )


def _shown(value: float | None) -> str:
    return "unknown" if value is None else number(value)


def _interval(outcome: RatioOutcome) -> str:
    return "unknown" if outcome.interval is None else f"{outcome.interval.total_seconds():.0f}s"
