"""The second half of an issue: what was found out about the cause, and what to do. Its values are redacted. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from monitor_tick.investigation.values import Commit, Hypothesis, Investigation, Site
from monitor_tick.issues.evidence_sections import moment
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.fitting import Part, Section, Weight, bullets, detail, table
from monitor_tick.issues.redaction import block, code, inline
from monitor_tick.issues.umbrella import alerts_of
from monitor_tick.judging.judged import number

MOST_SITES = 15
MOST_COMMITS = 15
MOST_CLAUSES = 10
TABLE_TICKS = 12
SPARK_TICKS = 240
FIX_SITES = 3
MOST_COMMANDS = 20

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


REPLAYED = ("metric:", "ratio:")
"""Keys of what the archive can tell again; the other checks read what it does not keep."""


def reproduce_section(finding: Finding) -> Section:
    return Section("Reproduce", (Part("\n\n".join(_reproduce(finding))),))


def _reproduce(finding: Finding) -> Iterator[str]:
    judged = [alert.key for alert in alerts_of(finding) if alert.key.startswith(REPLAYED)]
    if finding.archived:
        session = code(finding.session_id, 80) or "unknown"
        yield f"Archived tick: {code(finding.archived, 80)}, in `metrics/archive` of session {session}."
    if finding.archived and judged:
        which = "this prints" if len(judged) == 1 else "each of these prints"
        yield f"The first tick that {which} is that one, with its verdict and what it was judged from:"
        explain, since = f"{_program(finding)} explain", f"--since {_exactly(finding.at)}"
        yield block("\n".join(f"{explain} {_alarm(key)} {since}" for key in judged[:MOST_COMMANDS]))
        return
    yield (
        "The tick is not in the archive."
        if not finding.archived
        else "The archive keeps what the metrics were judged from, and this was judged from something else."
    ) + " Whether it still holds, without doing anything:"
    yield block(f"{_program(finding)} --dry-run")


def _program(finding: Finding) -> str:
    """A home directory was redacted to `~`, which a shell takes for one unless it is quoted."""
    home, rest = ("~/", finding.data_root[2:]) if finding.data_root.startswith("~/") else ("", finding.data_root)
    is_default = finding.data_root in ("", "~/data")
    return "monitor-tick" if is_default else f"monitor-tick --data-root {home}{_quoted(rest)}"


def _alarm(key: str) -> str:
    """As `explain` takes it."""
    return _quoted(" ".join(key.removeprefix("metric:").split()))


def _quoted(text: str) -> str:
    """For a shell."""
    return text if all(char.isalnum() or char in "_:-./" for char in text) else "'" + text.replace("'", "'\\''") + "'"


def _exactly(at: datetime) -> str:
    """To the microsecond, as the archive names its ticks."""
    return f"{at.isoformat()}".replace("+00:00", "Z")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
