"""The catalog lint: what is wrong with rows that load, and would show only as a silence that nobody notices. Pure.

`scrape` is one of a node that closes ledgers; without it metrics and bucket edges are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from monitor_loop.session import Mode
from monitor_tick.judging.judged import number
from monitor_tick.judging.series import dead_rows
from monitor_tick.lint import wrong_with
from monitor_tick.metrics import Scrape
from monitor_tick.rules import AlarmRow, Comparison, Gate, Kind, Limits, Rules

LEAST_REASON = 40
"""Characters; the shortest that is more than the condition in other words."""

LEDGER_SECONDS = 5
"""A ledger closes about every 5 s, and each close is one observation of a close histogram."""

LONGEST_RUN = timedelta(days=1)
"""A node that follows its main branch is seldom older than a day: what needs a longer run is never judged."""

UPTIME = "stellar_uptime_seconds"
PERCENT = "_pct"


class Wrong(msgspec.Struct, frozen=True):
    """A row by its name, and what keeps it from doing its work."""

    alarm: str
    reason: str


def wrong_rows(rules: Rules, text: str, scrape: Scrape | None, mode: Mode, cadence_seconds: int) -> tuple[Wrong, ...]:
    """Everything the lint finds; `text` is the alarm file itself, whose comments are the reasons."""
    dead = dead_rows(rules, scrape, mode) if scrape else ()
    return (*_of_each_row(rules, text, cadence_seconds), *(Wrong(row.name, row.reason) for row in dead))


def _of_each_row(rules: Rules, text: str, cadence_seconds: int) -> Iterator[Wrong]:
    reasons = reasons_in(text)
    for position, row in enumerate(rules.alarms):
        faults = (
            *wrong_with(row),
            *_closed_gates(row, rules.limits, cadence_seconds),
            *_out_of_reach(row, rules.limits, cadence_seconds),
        )
        yield from (Wrong(row.name, fault) for fault in faults)
        if len(reasons[position] if position < len(reasons) else "") < LEAST_REASON:
            yield Wrong(row.name, "no reason: a comment directly above [[alarm]] says what was observed")


def reasons_in(text: str) -> tuple[str, ...]:
    """The comment directly above each [[alarm]] of the file; empty where there is none."""
    found, comment = [], []
    for line in text.splitlines():
        if line.startswith("# ") and not line.startswith("# ---"):
            comment.append(line[2:])
            continue
        if line.strip() == "[[alarm]]":
            found.append(" ".join(comment))
        comment = []
    return tuple(found)


def _closed_gates(row: AlarmRow, limits: Limits, cadence_seconds: int) -> Iterator[str]:
    """Gates that no run of the node outlasts, or that open only where the condition cannot hold any more."""
    settled = timedelta(minutes=limits.synced_only_uptime_minutes)
    opens = {Gate.SYNCED_ONLY: settled, Gate.WARMUP_EXEMPT: timedelta(seconds=2 * cadence_seconds)}
    for gate in row.gates:
        if opens[gate] >= LONGEST_RUN:
            yield f"gate {gate.value} never opens: it needs {opens[gate]} of uptime, a run has {LONGEST_RUN}"
    young = row.condition.comparison is Comparison.BELOW and row.condition.threshold <= settled.total_seconds()
    if row.metrics == (UPTIME,) and young and Gate.SYNCED_ONLY in row.gates:
        yield f"gate synced-only never opens while the uptime is below {number(row.condition.threshold)} s"


def _out_of_reach(row: AlarmRow, limits: Limits, cadence_seconds: int) -> Iterator[str]:
    condition, cadence = row.condition, timedelta(seconds=cadence_seconds)
    ceiling = _ceiling(row)
    if ceiling is not None and not _reaches(row, ceiling):
        yield f"limit: the value never exceeds {number(ceiling)}"
    if row.kind is Kind.COUNTER and condition.comparison is Comparison.BELOW and condition.threshold <= 0:
        yield "limit: an increase is never below 0"
    if row.kind is Kind.HISTOGRAM and cadence_seconds / LEDGER_SECONDS < limits.histogram_least_count:
        yield (
            f"limit: {cadence_seconds}s hold {cadence_seconds // LEDGER_SECONDS} ledger closes, "
            f"{limits.histogram_least_count} observations are needed"
        )
    if (row.kind is not Kind.GAUGE or row.ticks > 1) and row.ticks * cadence >= LONGEST_RUN:
        yield f"streak: {row.ticks} tick(s) {cadence} apart do not fit in a run of {LONGEST_RUN}"
    samples = min(limits.confirm_samples, 1 + limits.confirm_window_seconds // limits.confirm_interval_seconds)
    if row.confirm and samples < limits.confirm_breaching:
        yield f"streak: {samples} samples fit in the confirmation, {limits.confirm_breaching} must breach"


def _ceiling(row: AlarmRow) -> float | None:
    """The largest value of a gauge that has one: a share of its own limit, or a percentage."""
    if row.kind is Kind.GAUGE and row.divisor is not None:
        return 1.0
    return 100.0 if row.kind is Kind.GAUGE and all(name.endswith(PERCENT) for name in row.metrics) else None


def _reaches(row: AlarmRow, ceiling: float) -> bool:
    rising = row.condition.comparison in (Comparison.ABOVE, Comparison.AT_LEAST)
    return not rising or row.condition.comparison.holds(ceiling, row.condition.threshold)
