"""Check 12, counters and gauges: the rows of shared/metric-alarms.toml on this tick's scrape."""

from __future__ import annotations

import msgspec

from monitor_loop.session import Process
from monitor_tick.facts import Missing
from monitor_tick.judging.alarms import AlarmState, Judged, judge_alarms, number, overlay_timeouts_of
from monitor_tick.judging.series import dead_rows
from monitor_tick.memory import ScrapeState, Section
from monitor_tick.rules import AlarmRow
from monitor_tick.verdict import Alert, Level, Tier, Verdict
from monitor_tick.view import View

LABEL = "metrics"

NEARLY = (AlarmState.BREACH, AlarmState.NOT_CONFIRMED)
"""States of a row that breaches and does not fire: history keeps their names."""


def judge(view: View) -> Verdict | None:
    scrape = view.facts.scrape
    if isinstance(scrape, Missing):
        return _skipped(view, scrape.reason)
    rows = judge_alarms(view)
    alerts = tuple(alert_of(judged) for judged in rows if judged.state is AlarmState.FIRED)
    names = ",".join(alert.cooldown_key for alert in alerts)
    return Verdict(
        label=LABEL,
        lines=(f"{len(alerts)} alerts ({names})" if alerts else "clean",),
        level=Level.WARNING if alerts else Level.OK,
        alerts=alerts,
        remember=_remember(view),
        watch=tuple(f"breach={judged.row.name}" for judged in rows if judged.state in NEARLY),
        reflections=(
            *(f"dead alarm: {dead.name} ({dead.reason})" for dead in dead_rows(view.rules, scrape, view.session.mode)),
            *(f"blind alarm: {judged.row.name} (NaN)" for judged in rows if judged.state is AlarmState.NOT_A_NUMBER),
        ),
    )


def _skipped(view: View, reason: str) -> Verdict:
    """A settled node whose metrics cannot be read is watched with one eye, which is no OK."""
    blind = isinstance(view.facts.process, Process) and not view.phase.warming_up
    return Verdict(
        label=LABEL,
        lines=(f"skipped ({reason})",),
        level=Level.WARNING if blind else Level.OK,
        remember=_remember(view),
    )


def _remember(view: View) -> tuple[Section, ...]:
    """The baseline of the next tick. A tick without a scrape keeps the old one and breaks what counts ticks."""
    scrape, kept = view.facts.scrape, view.memory.state.scrape
    if view.phase.early:
        return ()
    if isinstance(scrape, Missing):
        return (msgspec.structs.replace(kept, overlay_timeouts=None, interrupted=True),) if kept else ()
    return (
        ScrapeState(
            identity=scrape.identity,
            at=scrape.at,
            checksum=view.facts.scrape_checksum,
            overlay_timeouts=overlay_timeouts_of(view),
        ),
    )


def alert_of(judged: Judged) -> Alert:
    """The finding of a row that fired; its key and cooldown go by the row's name."""
    row = judged.row
    return Alert(
        key=f"metric:{row.name}",
        scope="row",
        title=_title(judged),
        tier=row.tier,
        cause=judged.reason,
        evidence=(
            ("metric", _subject(row)),
            ("current", _shown(judged.current)),
            ("previous", _shown(judged.previous)),
            ("delta", _shown(judged.delta)),
            ("threshold", _threshold(judged)),
            ("interval", "unknown" if judged.interval is None else f"{judged.interval.total_seconds():.0f}s"),
            ("clause", judged.reason),
        ),
        cooldown_key=row.name,
    )


def _title(judged: Judged) -> str:
    row = judged.row
    if row.tier is not Tier.NONC:
        return f"metrics: {_subject(row)} — {row.title}"
    breach = f"{_shown(judged.value)} {row.condition.comparison.value} {_shown(judged.threshold)}"
    return f"Non-critical: metrics: {_subject(row)} breached threshold ({breach})"


def _subject(row: AlarmRow) -> str:
    total = " + ".join(row.metrics)
    return f"{total} / {row.divisor}" if row.divisor else total


def _threshold(judged: Judged) -> str:
    condition = judged.row.condition
    text = f"{condition.comparison.value} {_shown(judged.threshold)}"
    if condition.factor is None:
        return text
    return f"{text}, {number(condition.factor)} x max(previous tick's delta, {number(condition.threshold)})"


def _shown(value: float | None) -> str:
    return "unknown" if value is None else number(value)
