"""Check 12, counters, gauges and histograms: the rows of shared/metric-alarms.toml on this tick's scrape."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from monitor_loop.session import Process
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import Missing
from monitor_tick.judging.alarms import closing, judge_alarms, overlay_timeouts_of
from monitor_tick.judging.judged import AlarmState, Judged, number
from monitor_tick.judging.series import dead_rows
from monitor_tick.memory import ScrapeState, Section
from monitor_tick.rules import AlarmRow, Kind
from monitor_tick.verdict import Decision, Level, Verdict
from monitor_tick.view import View

LABEL = "metrics"

NEARLY = (AlarmState.BREACH, AlarmState.NOT_CONFIRMED)
"""States of a row that breaches and does not fire: history keeps their names."""

_UNKNOWN = "unknown"


def judge(view: View) -> Verdict | None:
    scrape, rows = view.facts.scrape, judge_alarms(view)
    if isinstance(scrape, Missing):
        return _skipped(view, scrape.reason, rows)
    dead = dead_rows(view.rules, scrape, view.session.mode, closing=closing(view))
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
            *(f"dead alarm: {row.name} ({row.reason})" for row in dead),
            *(f"blind alarm: {judged.row.name} (NaN)" for judged in rows if judged.state is AlarmState.NOT_A_NUMBER),
        ),
        decisions=tuple(decision_of(judged) for judged in rows),
    )


def _skipped(view: View, reason: str, rows: tuple[Judged, ...]) -> Verdict:
    """A settled node whose metrics cannot be read is watched with one eye, which is no OK."""
    blind = isinstance(view.facts.process, Process) and not view.phase.warming_up
    return Verdict(
        label=LABEL,
        lines=(f"skipped ({reason})",),
        level=Level.WARNING if blind else Level.OK,
        remember=_remember(view),
        decisions=tuple(decision_of(judged) for judged in rows),
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
            *_readings(judged),
            ("threshold", _threshold(judged)),
            ("interval", _interval(judged)),
            ("clause", judged.reason),
        ),
        cooldown_key=row.name,
        metrics=(*row.metrics, row.divisor) if row.divisor else row.metrics,
    )


def decision_of(judged: Judged) -> Decision:
    """The row in the trace, whatever came of it; what was not read is not among the inputs."""
    row = judged.row
    inputs = (
        ("metric", _subject(row)),
        *_readings(judged),
        ("interval", _interval(judged)),
        ("gates", ",".join(gate.value for gate in row.gates)),
        ("clause", condition_of(row)),
    )
    return Decision(
        alarm=row.name,
        state=judged.state.value,
        reason=judged.reason,
        value=judged.value,
        threshold=judged.threshold,
        inputs=tuple((name, value) for name, value in inputs if value not in ("", _UNKNOWN)),
        version=row.version,
    )


@lru_cache(maxsize=256)
def condition_of(row: AlarmRow) -> str:
    """What the row asks for, in one phrase: "> 100, 2 ticks, confirmed"."""
    condition = row.condition
    factor = "" if condition.factor is None else f"{number(condition.factor)} x max(previous tick's delta, "
    words = f"{condition.comparison.value} {factor}{number(condition.threshold)}{')' if factor else ''}"
    extras = (("confirmed", row.confirm), ("scaled", row.scale))
    ticks = [f"{row.ticks} ticks"] if row.ticks > 1 else []
    return ", ".join([words, *ticks, *(word for word, holds in extras if holds)])


def _readings(judged: Judged) -> tuple[tuple[str, str], ...]:
    """The metric in the two scrapes; a histogram's are its observations, with the p99 and mean of the new ones."""
    what = "" if judged.row.kind is not Kind.HISTOGRAM else " count"
    counts = (
        (f"current{what}", _shown(judged.current)),
        (f"previous{what}", _shown(judged.previous)),
        (f"delta{what}", _shown(judged.delta)),
    )
    if judged.histogram is None:
        return counts
    buckets = " ".join(f"{number(edge)}:{number(increase)}" for edge, increase in judged.histogram.buckets)
    p99, mean = number(judged.histogram.p99), number(judged.histogram.mean)
    return (("p99", p99), ("mean", mean), *counts, ("bucket deltas", buckets))


def _interval(judged: Judged) -> str:
    return _UNKNOWN if judged.interval is None else f"{judged.interval.total_seconds():.0f}s"


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
    return _UNKNOWN if value is None else number(value)
