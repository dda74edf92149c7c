"""The second half of an issue: what was found out about the cause, and what to do. Its values are redacted. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monitor_tick.investigation.values import Commit, Hypothesis, Investigation, Site
from monitor_tick.issues.evidence_sections import moment
from monitor_tick.issues.fitting import Part, Section, Weight, bullets, detail, table
from monitor_tick.issues.redaction import block, code, inline
from monitor_tick.judging.judged import number

MOST_SITES = 15
MOST_COMMITS = 15
MOST_CLAUSES = 10
TABLE_TICKS = 12
SPARK_TICKS = 240
FIX_SITES = 3

SPARKS = "▁▂▃▄▅▆▇█"
NO_SPARK = "·"
"""A tick that had no value."""

UNKNOWN = "unknown"


def cause_section(found: Investigation) -> Section:
    return Section(
        "Suspected root cause",
        (
            Part(suspicion(found.hypothesis)),
            _listed("For:", found.hypothesis.speaks_for),
            _listed("Against:", found.hypothesis.speaks_against),
            _sites(found),
            _commits(found),
            _history(found),
            _listed("Alarms that fired with it in past ticks:", found.fired_with),
            _listed("Not found out:", found.missing),
        ),
    )


def suspicion(hypothesis: Hypothesis) -> str:
    """In one line."""
    name = "Unknown" if hypothesis.name == UNKNOWN else _capital(inline(hypothesis.name, 80))
    return f"**{name}.** {inline(hypothesis.words)}"


def _listed(head: str, clauses: Sequence[str]) -> Part:
    if not clauses:
        return Part("")
    return detail(f"{head}\n\n{bullets(inline(clause) for clause in clauses[:MOST_CLAUSES])}", head, Weight.DETAIL)


def _sites(found: Investigation) -> Part:
    if not found.sites:
        return Part("")
    head = f"Code at {inline(found.commit[:10])}:" if found.commit else "Code:"
    lines = [_site(site) for site in found.sites[:MOST_SITES]]
    return detail(f"{head}\n\n{bullets(lines)}", "code", Weight.DETAIL, f"{head}\n\n{bullets(lines[:FIX_SITES])}")


def _site(site: Site) -> str:
    text = f": {code(site.text, 200)}" if site.text.strip() else ""
    return f"{_place(site)} ({inline(site.role, 40)}){text}"


def _place(site: Site) -> str:
    function = f" in {code(site.function, 120)}" if site.function else ""
    return f"{code(f'{site.path}:{site.line}', 250)}{function}"


def _commits(found: Investigation) -> Part:
    if not found.commits:
        return Part("")
    left_out = found.commits_left_out + max(0, len(found.commits) - MOST_COMMITS)
    head = f"Commits {_range(found)}, the most suspect first:"
    rows = (_commit_row(rank, commit) for rank, commit in enumerate(found.commits[:MOST_COMMITS], 1))
    text = f"{head}\n\n{table(('rank', 'commit', 'date', 'subject', 'touches'), rows)}"
    return detail(f"{text}\n\nand {left_out} more" if left_out else text, "commits", Weight.DETAIL)


def _range(found: Investigation) -> str:
    if not found.since:
        return f"up to {inline(found.commit[:10]) or 'the deployed one'}"
    return f"{inline(found.since[:10])}..{inline(found.commit[:10])}"


def _commit_row(rank: int, commit: Commit) -> tuple[str, ...]:
    touches = ", ".join(inline(path, 120) for path in commit.touches[:3]) or "-"
    return (str(rank), inline(commit.sha[:10]), f"{commit.at:%Y-%m-%d}", inline(commit.subject, 120), touches)


def _history(found: Investigation) -> Part:
    if not found.history:
        return Part("")
    of = f" of {code(found.history_of, 200)}" if found.history_of else ""
    spark = code(sparkline([value for _, value in found.history[-SPARK_TICKS:]]), SPARK_TICKS)
    head = f"History{of} over {len(found.history)} ticks, oldest first: {spark}"
    rows = ((moment(at), "-" if value is None else number(value)) for at, value in found.history[-TABLE_TICKS:])
    return detail(f"{head}\n\n{table(('tick', 'value'), rows)}", "the history", Weight.HISTORY, head)


def sparkline(values: Sequence[float | None]) -> str:
    """From the least value to the greatest; values that are all the same stand in the middle."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_spark(value, low, high) for value in values)


def _spark(value: float | None, low: float, high: float) -> str:
    if value is None or math.isnan(value):
        return NO_SPARK
    if math.isinf(value):
        return SPARKS[-1] if value > 0 else SPARKS[0]
    if low == high:
        return SPARKS[3]
    share = value / high - low / high if math.isinf(high - low) else (value - low) / (high - low)
    return SPARKS[min(len(SPARKS) - 1, max(0, int(share * len(SPARKS))))]


def fix_section(found: Investigation) -> Section:
    places = [_place(site) for site in found.sites[:FIX_SITES]]
    listed = bullets(places) if places else "No place in the code was found: begin with the evidence above."
    return Section("Suggested fix", (Part(inline(found.hypothesis.advice)), Part(listed)))


def opinion_section(found: Investigation) -> Section:
    if not found.opinion.strip():
        return Section("", ())
    text = detail(block(found.opinion), "the answer", Weight.OPINION, block(found.opinion, 4000))
    return Section("What the operator's investigator says", (text,))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
