"""What probably caused a finding: the row of the table of causes that the most speaks for. Pure.

A cause is chosen when enough speaks for it and more than for any other; else it is unknown, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor_tick.investigation.causes import TABLE, Clause, Evidence, Row, more_traffic
from monitor_tick.investigation.values import Hypothesis

ENOUGH = 3
"""What must speak for a cause, net of what speaks against it."""

SHORT_SECONDS = 120


def hypothesis_of(evidence: Evidence) -> Hypothesis:
    """The row that the most speaks for; "unknown" where nothing reaches far enough."""
    weighed = [(_net(row, evidence), row) for row in TABLE if not evidence.key.startswith(row.never)]
    net, best = max(weighed, key=lambda each: each[0])
    if net < ENOUGH:
        return _unknown(evidence, best if net > 0 else None)
    numbers = numbers_of(evidence)
    return Hypothesis(
        best.name,
        best.words.format_map(numbers),
        tuple(clause.words.format_map(numbers) for clause in _holding(best.speaks_for, evidence)),
        tuple(clause.words.format_map(numbers) for clause in _holding(best.speaks_against, evidence)),
        best.advice,
    )


def _holding(clauses: Sequence[Clause], evidence: Evidence) -> list[Clause]:
    return [clause for clause in clauses if clause.holds(evidence)]


def _net(row: Row, evidence: Evidence) -> int:
    return sum(clause.weight for clause in _holding(row.speaks_for, evidence)) - sum(
        clause.weight for clause in _holding(row.speaks_against, evidence)
    )


def _unknown(evidence: Evidence, nearest: Row | None) -> Hypothesis:
    """What little there is, of the cause that comes nearest, and where to begin."""
    numbers = numbers_of(evidence)
    words = [clause.words.format_map(numbers) for clause in _holding(nearest.speaks_for, evidence)] if nearest else []
    site = evidence.sites[0] if evidence.sites else None
    return Hypothesis(
        "unknown",
        "The cause is not known." + (f" Nearest, but too weak: {nearest.name}." if nearest else ""),
        tuple(words),
        (),
        f"Begin at {site.path}:{site.line}: what leads there." if site else "",
    )


def numbers_of(evidence: Evidence) -> dict[str, str]:
    finding, past = evidence.finding, evidence.past
    return {
        "since": (evidence.since or past.since)[:8] or "the build before",
        "build": finding.build[:8] or "the one that runs",
        "phase": finding.phase,
        "uptime": _duration(finding.uptime_seconds),
        "clean_ticks": str(past.clean_ticks),
        "fired_ticks": str(past.fired_ticks),
        "disk_pct": _number(past.disk_pct),
        "drift": _number(past.drift_seconds),
        "peers": _number(past.peers),
        "usual_peers": _number(past.usual_peers),
        "age": _number(past.age_seconds),
        "more_traffic": str(more_traffic(evidence)),
    }


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "an unknown time"
    return f"{seconds} s" if seconds < SHORT_SECONDS else f"{seconds // 60} min"
