"""Check 7: the node's own account of its memory, every 64 ledgers, as report lines and findings. Pure."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor_tick.alert import Tier
from monitor_tick.facts import LogReading, MemoryReport, Missing
from monitor_tick.judging import amounts
from monitor_tick.judging.evidence import memory_alert
from monitor_tick.judging.finding import Finding
from monitor_tick.view import View


def report_texts(view: View, report: MemoryReport | None) -> tuple[str, ...]:
    """What follows the RSS in the report: two texts, or one that says why there is no memory report."""
    if report is None:
        return (_without_report(view),)
    noted = " (noted)" if report.unaccounted_mb > view.rules.limits.unaccounted_mb else ""
    return (
        f"alloc={report.allocated_mb:.0f}MB resident={report.resident_mb:.0f}MB frag={report.fragmentation_pct:.1f}%",
        f"heap={report.heap_mb:.0f}MB mmap={report.mmap_mb:.0f}MB unaccounted={report.unaccounted_mb:+.0f}MB{noted}",
    )


def report_finding(view: View, report: MemoryReport | None) -> Finding | None:
    if report is None:
        return _missing(view)
    limit = view.rules.limits.fragmentation_pct
    if report.fragmentation_pct <= limit:
        return None
    fragmentation = f"{amounts.percent(report.fragmentation_pct)}%"
    line = f"HIGH FRAGMENTATION — {fragmentation} > {limit}%"
    return Finding(line, memory_alert(view, "fragmentation", f"Memory: fragmentation {fragmentation}", line))


def _missing(view: View) -> Finding | None:
    if not _report_is_due(view):
        return None
    line = f"no memory report after {amounts.minutes(view.phase.uptime)} of uptime"
    alert = memory_alert(view, "report-missing", "Non-critical: memory report missing", line)
    return Finding(line, msgspec.structs.replace(alert, tier=Tier.NONC))


def _without_report(view: View) -> str:
    if isinstance(view.facts.log, Missing):
        return f"N/A ({view.facts.log.reason})"
    if _report_is_due(view):
        return "memory-report-missing"
    return "N/A (no ledger closed yet)" if _is_filling(view) else "N/A (warmup)"


def _report_is_due(view: View) -> bool:
    """A report comes every 64 closed ledgers: none is due in the first minutes (L20), nor before any closed."""
    uptime = view.phase.uptime
    if not isinstance(view.facts.log, LogReading) or uptime is None or _is_filling(view):
        return False
    return uptime > timedelta(seconds=view.rules.limits.report_missing_seconds)


def _is_filling(view: View) -> bool:
    """A fresh start downloads buckets for minutes or hours before it closes its first ledger."""
    return view.phase.fresh_start and view.standing.ledger is None
