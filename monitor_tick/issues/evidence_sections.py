"""The first half of an issue: what was seen. Its values are redacted; here they are made to stay text. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

from monitor_tick.alert import Alert
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.fitting import Part, Section, Weight, bullets, detail
from monitor_tick.issues.ledger import MANY
from monitor_tick.issues.policy import NOT_READY, labels_of
from monitor_tick.issues.redaction import LONGEST_BLOCK, LONGEST_LINE, block, code, inline

MOST_PAIRS = 40
FEWER_PAIRS = 10
MOST_OWNED = 60
MOST_BESIDE = 40


def symptom(finding: Finding) -> str:
    """One line: metric, value, threshold; of other kinds what the check said."""
    alert, pairs = finding.alert, dict(finding.alert.evidence)
    said = inline(alert.cause or alert.title)
    if "metric" not in pairs:
        return said if not alert.cause else f"{inline(alert.title)}: {said}"
    threshold = f" (threshold {code(pairs['threshold'])})" if pairs.get("threshold") else ""
    return f"{code(pairs['metric'])}: {said}{threshold}"


def evidence_section(finding: Finding, times: int, first_at: datetime | None) -> Section:
    ledger = "L?" if finding.ledger is None else f"L{finding.ledger}"
    return Section(
        f"Evidence ({ledger}, binary {inline(finding.build[:8]) or 'unknown'})",
        (
            Part(_circumstances(finding, times, first_at)),
            Part(f"What this tick did to the node: {code(finding.acted)}." if finding.acted else ""),
            pairs(finding.alert),
            Part("") if _is_told_elsewhere(finding) else diagnosis(finding.alert),
        ),
    )


def _is_told_elsewhere(finding: Finding) -> bool:
    """By the section for the operator, or line by line by the log's."""
    if NOT_READY in labels_of(finding.alert):
        return True
    lines = {line for line in finding.alert.diagnosis.split("\n") if line.strip()}
    return lines <= set(finding.log)


def pairs(alert: Alert) -> Part:
    found = list(alert.evidence[:MOST_PAIRS])
    if alert.cause and all(value != alert.cause for _, value in found):
        found.append(("clause", alert.cause))
    if alert.event:
        found.append(("event", alert.event))
    lines = [f"{inline(name, 100)}: {code(value) or '-'}" for name, value in found]
    left_out = len(alert.evidence) - MOST_PAIRS
    few = bullets([*lines[:FEWER_PAIRS], *_more(len(lines) - FEWER_PAIRS + max(0, left_out))])
    return detail(bullets([*lines, *_more(left_out)]), "evidence", Weight.EVIDENCE, few)


def diagnosis(alert: Alert) -> Part:
    """What the check wrote down beside the pairs."""
    if not alert.diagnosis.strip():
        return Part("")
    return detail(
        block(alert.diagnosis), "details", Weight.DETAIL, *(block(alert.diagnosis, LONGEST_BLOCK // n) for n in (4, 20))
    )


def related_section(finding: Finding) -> Section:
    siblings = finding.alert.metrics
    metrics = f"Metrics of this alarm: {', '.join(map(code, siblings[:MOST_PAIRS]))}" if len(siblings) > 1 else ""
    parts = [Part(metrics), _owned(finding), _beside(finding.beside)]
    if not any(part.text for part in parts):
        parts = [Part("Nothing else fired in this tick.")]
    return Section("Related metrics", tuple(parts))


def explained_section(finding: Finding) -> Section:
    """Of a comment: what is told nowhere else."""
    return Section("Related metrics", (_owned(finding),))


def _owned(finding: Finding) -> Part:
    owned, is_many = finding.owned, finding.alert.key == MANY
    if not owned:
        return Part("")
    head = (
        "The alarms that this is about, the worst first:" if is_many else "Explained by this one, and not filed alone:"
    )
    titles = [f"{code(alert.key, 200)}: {inline(alert.title, 250)}" for alert in owned[:MOST_OWNED]]
    full = [
        "\n  ".join(filter(None, (title, _told_of(alert, finding.alert))))
        for title, alert in zip(titles, owned, strict=False)
    ]
    more = list(_more(len(owned) - MOST_OWNED))
    few = bullets([*titles[:10], *_more(len(owned) - 10)])
    return detail(
        f"{head}\n\n{bullets([*full, *more])}",
        f"{len(owned)} {'alarms' if is_many else 'findings that this one explains'}",
        Weight.OWNED,
        f"{head}\n\n{bullets([*titles, *more])}",
        f"{head}\n\n{few}",
    )


def _told_of(alert: Alert, owner: Alert) -> str:
    """What the owner's evidence does not say already: where one node lags, all of it lags alike."""
    own = [pair for pair in alert.evidence if pair not in owner.evidence and pair[1] != alert.cause]
    pairs = ", ".join(f"{inline(name, 60)} {code(value, 120) or '-'}" for name, value in own[:12])
    return "; ".join(text for text in (inline(alert.cause, 300), pairs) if text)


def _beside(beside: Sequence[str]) -> Part:
    if not beside:
        return Part("")
    lines = [inline(title, 250) for title in beside[:MOST_BESIDE]]
    head = "Also fired in this tick:"
    return detail(
        f"{head}\n\n{bullets([*lines, *_more(len(beside) - MOST_BESIDE)])}",
        f"{len(beside)} others that fired in this tick",
        Weight.DETAIL,
    )


def log_section(finding: Finding) -> Section:
    lines = [line for line in finding.log if line.strip()]
    if not lines:
        return Section("Log", (Part("No line of the node's log was read with this finding."),))
    whole, *shorter = (_last_lines(lines, LONGEST_BLOCK // part) for part in (1, 3, 10))
    return Section("Log", (detail(whole, f"{len(lines)} lines of the log", Weight.LOG, *shorter),))


def _last_lines(lines: Sequence[str], limit: int) -> str:
    """As many as fit, at least one: what happened last stands nearest to the finding."""
    widths = itertools.accumulate(min(len(line), LONGEST_LINE) + 1 for line in reversed(lines))
    count = max(1, sum(width <= limit for width in widths))
    left_out = f"({len(lines) - count} earlier lines left out)\n\n" if count < len(lines) else ""
    return left_out + block("\n".join(lines[-count:]))


def seen(times: int, first_at: datetime | None) -> str:
    """How often and since when; empty for the first time."""
    if times <= 1:
        return ""
    return f"seen {times} times" + (f" since {moment(first_at)}" if first_at else "")


def moment(at: datetime) -> str:
    return f"{at.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _circumstances(finding: Finding, times: int, first_at: datetime | None) -> str:
    words = [f"Tick of {moment(finding.at)}", f"session {code(finding.session_id, 80) or 'unknown'}"]
    words.append(inline(finding.mode, 40))
    if finding.uptime_seconds is not None:
        words.append(f"up {_span(finding.uptime_seconds)}")
    words.append(inline(finding.phase, 40))
    if finding.interval_seconds is not None:
        words.append(f"{_span(finding.interval_seconds)} since the tick before")
    words.append(seen(times, first_at))
    return ", ".join(word for word in words if word) + "."


def _span(seconds: int) -> str:
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m" if minutes else f"{seconds}s"


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"and {count} more"
