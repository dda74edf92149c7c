"""Checks 4 and 7: memory. Here are the degrees of a large RSS; pressure and memory_report hold the other parts."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor_tick.alert import Tier
from monitor_tick.facts import MemoryReport, Missing, ProcessMemory
from monitor_tick.judging import amounts
from monitor_tick.judging.evidence import memory_alert, reports_of
from monitor_tick.judging.finding import Finding
from monitor_tick.judging.memory_report import report_finding, report_texts
from monitor_tick.judging.pressure import Restart, may_restart, needs_second_memory
from monitor_tick.memory import RssState
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

__all__ = ["LABEL", "judge", "needs_second_memory"]

LABEL = "mem"
_MB_PER_GB = 1024


def judge(view: View) -> Verdict:
    if isinstance(view.facts.process, Missing):
        return Verdict(label=LABEL, lines=(f"N/A ({view.facts.process.reason})",))
    reports = reports_of(view)
    report = reports[-1] if reports else None
    restart = may_restart(view)
    found = [finding for finding in (_of_process(view, restart), report_finding(view, report)) if finding]
    first, *more = report_texts(view, report)
    return Verdict(
        label=LABEL,
        lines=(f"{_rss(view)} | {first}", *more, *(finding.line for finding in found)),
        level=max((finding.level for finding in found), default=Level.OK),
        alerts=tuple(finding.alert for finding in found),
        wants=restart.action if restart else None,
        effects=(restart.stops,) if restart and restart.stops else (),
        remember=_remember(view),
        watch=_watch(view, report),
    )


def _of_process(view: View, restart: Restart | None) -> Finding | None:
    """The gravest of critical, leak and high: they are one condition in three degrees."""
    return _critical(view, restart) or _leak(view) or _high(view)


def _critical(view: View, restart: Restart | None) -> Finding | None:
    if restart is None:
        return None
    short = [pressure.text(view) for pressure in restart.pressures]
    line = f"HIGH MEMORY — {', '.join(short)}, on two looks — {restart.text}"
    title = f"Memory: critical, {short[0]}"
    alert = memory_alert(view, "critical", title, line)
    return Finding(line, msgspec.structs.replace(alert, tier=Tier.ACTION, urgent=True, event=_event(view, restart)))


def _event(view: View, restart: Restart) -> str:
    """Each restart is an event of its own; memory that is only reported is a condition."""
    process = view.facts.process
    if restart.action is None or isinstance(process, Missing):
        return ""
    return f"restart of pid {process.pid}, start_ticks {process.identity.start_ticks}"


def _leak(view: View) -> Finding | None:
    grown, limits = _grown_mb(view), view.rules.limits
    young = view.phase.uptime is None or view.phase.uptime <= timedelta(minutes=limits.rss_growth_grace_minutes)
    if grown is None or young or grown <= limits.rss_growth_gb * _MB_PER_GB:
        return None
    growth = f"RSS grew {amounts.gb_of_mb(grown)} GB in {amounts.minutes(view.phase.interval)}"
    line = f"RESOURCE WARNING — {growth} at L{amounts.known(view.standing.ledger)}, suspected leak"
    return Finding(line, memory_alert(view, "leak", f"Memory: {growth}", line))


def _high(view: View) -> Finding | None:
    rss_mb = _rss_mb(view)
    if rss_mb is None or rss_mb <= view.rules.limits.rss_high_gb * _MB_PER_GB:
        return None
    rss = f"RSS {amounts.gb_of_mb(rss_mb)} GB"
    line = f"RESOURCE WARNING — {rss} at L{amounts.known(view.standing.ledger)}, {_trend(view)} — monitoring"
    return Finding(line, memory_alert(view, "high", f"Memory: {rss}", line))


def _trend(view: View) -> str:
    """Stable is said only where an earlier reading says so."""
    grown = _grown_mb(view)
    if grown is None:
        return "no earlier reading"
    if grown > view.rules.limits.rss_growth_gb * _MB_PER_GB:
        return f"grew {amounts.gb_of_mb(grown)} GB since the last tick"
    return "stable"


def _rss(view: View) -> str:
    memory = view.facts.process_memory
    return f"{memory.rss_mb}MB rss" if isinstance(memory, ProcessMemory) else f"rss N/A ({memory.reason})"


def _rss_mb(view: View) -> int | None:
    memory = view.facts.process_memory
    return memory.rss_mb if isinstance(memory, ProcessMemory) else None


def _grown_mb(view: View) -> int | None:
    """Growth since the last full tick, of the same run only."""
    before, now, process = view.memory.state.rss, _rss_mb(view), view.facts.process
    if before is None or now is None or isinstance(process, Missing) or before.identity != process.identity:
        return None
    return now - before.rss_mb


def _remember(view: View) -> tuple[RssState, ...]:
    rss_mb, process = _rss_mb(view), view.facts.process
    if view.phase.early or rss_mb is None or isinstance(process, Missing):
        return ()
    return (RssState(process.identity, rss_mb),)


def _watch(view: View, report: MemoryReport | None) -> tuple[str, ...]:
    rss_mb = _rss_mb(view)
    return (
        *((f"rss_mb={rss_mb}",) if rss_mb is not None else ()),
        *((f"frag_pct={amounts.percent(report.fragmentation_pct)}",) if report else ()),
    )
