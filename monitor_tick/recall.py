"""What this tick leaves for the next ones: the sections of state, and its line of tick history. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from monitor_loop.session import Process
from monitor_tick.actions import Act
from monitor_tick.memory import Section
from monitor_tick.phase import tick_state_of
from monitor_tick.report import Report
from monitor_tick.state.history import HistoryAlert, HistoryLine
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View


def sections_of(view: View, verdicts: Sequence[Verdict]) -> tuple[Section, ...]:
    """Each check's sections, and the tick's own; the phase is what full ticks count, so an early one leaves it."""
    phase = () if view.phase.early else (view.phase.remember,)
    return (
        tick_state_of(view.facts, view.memory, view.phase),
        *phase,
        *(section for verdict in verdicts for section in verdict.remember),
    )


def watch_of(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    return tuple(word for verdict in verdicts for word in verdict.watch)


def history_line(view: View, verdicts: Sequence[Verdict], report: Report, seconds: float) -> HistoryLine:
    process, interval = view.facts.process, view.phase.interval
    words = tuple(word for verdict in verdicts for word in verdict.words)
    return HistoryLine(
        ts=view.facts.at,
        status=report.level.name,
        ledger=view.standing.ledger,
        build=view.facts.build,
        deploys=words.count(Act.DEPLOY.value),
        warnings=tuple(
            f"{verdict.label}: {verdict.lines[0]}" for verdict in verdicts if verdict.lines and verdict.level > Level.OK
        ),
        actions=(*words, *report.words),
        self_reflect=next((verdict.lines[0] for verdict in verdicts if verdict.label == "self_reflect"), ""),
        watch=watch_of(verdicts),
        duration_ms=round(seconds * 1000),
        interval_s=interval.total_seconds() if interval is not None else None,
        pid=process.pid if isinstance(process, Process) else None,
        alerts=tuple(
            HistoryAlert(
                key=filing.alert.key,
                title=filing.alert.title,
                tier=filing.alert.tier.value,
                reason=filing.disposition.value,
            )
            for filing in report.plan.filings
        ),
    )
