"""What an issue and a comment say. Pure.

The order of the sections is the contract with whoever reads them, person or program; the hidden line is the last one.
Every text of a finding or an investigation is redacted before a section sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from monitor_tick.investigation.values import Investigation
from monitor_tick.issues.cause_sections import (
    UNKNOWN,
    cause_section,
    fix_section,
    opinion_section,
    suspicion,
)
from monitor_tick.issues.cleaned import LONGEST_LOG, cleaned, cleaned_text
from monitor_tick.issues.evidence_sections import (
    evidence_section,
    explained_section,
    log_section,
    moment,
    related_section,
    seen,
    symptom,
)
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.fitting import Part, Section, bullets, fitted
from monitor_tick.issues.hiddenline import Hidden, hidden_line, parse_hidden
from monitor_tick.issues.policy import NOT_READY, labels_of
from monitor_tick.issues.redaction import cut, hide, inline, not_ours, plain
from monitor_tick.issues.reproduce_section import reproduce_section

__all__ = ["Hidden", "Relation", "comment_body", "hidden_line", "issue_body", "note_body", "parse_hidden", "title_of"]

LONGEST_BODY = 60_000
LONGEST_COMMENT = 20_000
LONGEST_TITLE = 250
"""Characters. GitHub takes 65536 of a body and 256 of a title."""

MOST_RELATIONS = 10

UNTITLED = "monitor-tick: a finding without a title"
WAITS = f"An operator has to decide before code is changed; the issue is `{NOT_READY}` until then."


class Relation(msgspec.Struct, frozen=True):
    """Another issue that this one is linked to, and why it was not simply commented on: one line.

    `is_sure` is False where only its title says that it may be about the same.
    """

    number: int
    is_closed: bool
    words: str
    is_sure: bool = True


def title_of(finding: Finding, secrets: Sequence[str] = ()) -> str:
    """Plain text, the same for the same alert: it is what an issue without a hidden line is found by."""
    alert = cleaned(finding.alert, secrets)
    return plain(alert.title, LONGEST_TITLE) or plain(alert.key, LONGEST_TITLE) or UNTITLED


def issue_body(  # noqa: PLR0913  (the keywords are what the outbox knows of an entry)
    finding: Finding,
    investigation: Investigation,
    *,
    incident: str,
    relations: Sequence[Relation] = (),
    times: int = 1,
    first_at: datetime | None = None,
    secrets: Sequence[str] = (),
) -> str:
    """Of a new issue. `times` and `first_at` say how often, since when, the finding waited to be filed."""
    seen_now, found = _clean(finding, secrets), cleaned(investigation, secrets)
    related = bullets(_relation(each, secrets) for each in relations[:MOST_RELATIONS])
    sections = (
        Section("Symptom", (Part(symptom(seen_now)), Part(related))),
        evidence_section(seen_now, times, first_at),
        related_section(seen_now),
        log_section(seen_now),
        cause_section(found),
        fix_section(found),
        reproduce_section(seen_now),
        _human_section(seen_now),
        opinion_section(found),
    )
    return _with_hidden_line(sections, LONGEST_BODY, finding, incident, secrets)


def comment_body(  # noqa: PLR0913  (likewise)
    finding: Finding,
    investigation: Investigation,
    *,
    incident: str,
    times: int = 1,
    first_at: datetime | None = None,
    secrets: Sequence[str] = (),
) -> str:
    """On an issue that tells the rest already: what is new."""
    seen_now, found = _clean(finding, secrets), cleaned(investigation, secrets)
    often = seen(times, first_at)
    again = f"**Again** in the tick of {moment(finding.at)}{f', {often}' if often else ''}."
    known = found.hypothesis.name != UNKNOWN
    sections = (
        Section("", (Part(again), Part(symptom(seen_now)))),
        evidence_section(seen_now, 1, None),
        explained_section(seen_now),
        log_section(seen_now),
        Section("Suspected root cause", (Part(suspicion(found.hypothesis) if known else ""),)),
    )
    return _with_hidden_line(sections, LONGEST_COMMENT, finding, incident, secrets)


def note_body(text: str, *, key: str, scope: str, incident: str, secrets: Sequence[str] = ()) -> str:
    """A comment without a finding: a back-link, a board that failed.

    `text` is Markdown of the monitor's own, in which `#N` links and `@operator` pings. What it quotes from outside
    has passed `redact` and `inline` before it was put in.
    """
    text = hide(text[: 2 * LONGEST_COMMENT], secrets)
    return f"{not_ours(cut(text, LONGEST_COMMENT))}\n\n{hidden_line(key, scope, incident, secrets)}\n"


def _clean(finding: Finding, secrets: Sequence[str]) -> Finding:
    """The log is cleaned as one text, since a private key goes over many lines."""
    log = cleaned_text("\n".join(finding.log), secrets, LONGEST_LOG)
    return msgspec.structs.replace(
        cleaned(msgspec.structs.replace(finding, log=()), secrets), log=tuple(log.split("\n"))
    )


def _relation(relation: Relation, secrets: Sequence[str]) -> str:
    closed = " (closed)" if relation.is_closed else ""
    link = "Related to" if relation.is_sure else "possibly"
    return f"{link} #{relation.number}{closed}: {inline(cleaned(relation, secrets).words, 300)}"


def _human_section(finding: Finding) -> Section:
    if NOT_READY not in labels_of(finding.alert):
        return Section("", ())
    return Section("Human input required", (Part(WAITS), Part(inline(finding.alert.diagnosis, 2000))))


def _with_hidden_line(
    sections: Sequence[Section], limit: int, finding: Finding, incident: str, secrets: Sequence[str]
) -> str:
    last = hidden_line(finding.alert.key, finding.alert.scope, incident, secrets)
    return f"{fitted(sections, limit - len(last) - 3)}\n\n{last}\n"
