"""How much of everything the ledger keeps: it is one file, and one that is too large is not read. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from monitor_tick.alert import Alert, with_short_names
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.findings import LOG_LINE_LENGTH, LOG_LINES, LONGEST_DIAGNOSIS
from monitor_tick.issues.ledger import MANY, Entry, Ledger
from monitor_tick.issues.order import rank_of

EVIDENCE_LIMIT = 3 * 2**20
"""Bytes of findings that wait with all their evidence."""

WAITING_LIMIT = 5 * 2**20
"""Bytes of all the findings that wait."""

LISTED_LIMIT = 2 * 2**20
"""Bytes of what an umbrella lists."""

FILED_LIMIT = 3 * 2**20
MENTIONS_LIMIT = 2**20
FOLLOWING_LIMIT = 2**20
"""Bytes of labels, links back and places on the board that wait. All limits together leave room in 16 MB, more than
which is not read of a state file (state.shelf)."""

UNCONFIRMED_KEPT = 10
"""Findings that were sent and cannot be looked up: they can neither be merged nor forgotten."""

FILED_KEPT = 2000

EVENTS_KEPT = 20
"""Occurrences that an entry, or the record of an issue, tells of; the newest."""

MENTIONS_KEPT = 500

OWNED_KEPT = 50
OWNED_DIAGNOSIS = 2000
LISTED_KEPT = 2000

BRIEF_DIAGNOSIS = 500
BRIEF_CAUSE = 500
BRIEF_EVIDENCE = 20
BRIEF_VALUE = 200
BRIEF_METRICS = 5
BRIEF_OWNED = 10
LONGEST_TITLE = 300

LONGEST_TEXT = 2000
LONGEST_LABEL = 200
MOST_PAIRS = 40
"""Of an alert as it waits; an issue shows less."""

T = TypeVar("T")


def bounded(finding: Finding) -> Finding:
    """An umbrella keeps what it stands for, the worst first."""
    is_many = finding.alert.key == MANY
    owned = tuple(_cut(alert, OWNED_DIAGNOSIS) for alert in finding.owned[: LISTED_KEPT if is_many else OWNED_KEPT])
    finding = _storable(
        msgspec.structs.replace(
            finding,
            alert=_cut(finding.alert, LONGEST_DIAGNOSIS),
            owned=owned,
            beside=tuple(title[:LONGEST_TITLE] for title in finding.beside[:MOST_PAIRS]),
            log=tuple(line[:LOG_LINE_LENGTH] for line in finding.log[-LOG_LINES:]),
            watch=tuple(word[:LONGEST_LABEL] for word in finding.watch[:MOST_PAIRS]),
            acted=finding.acted[:LONGEST_TEXT],
            data_root=_whole_path(finding.data_root, LONGEST_TEXT),
        )
    )
    return msgspec.structs.replace(finding, owned=_listed(finding.owned)) if is_many else finding


def _listed(alerts: tuple[Alert, ...]) -> tuple[Alert, ...]:
    if len(msgspec.json.encode(alerts)) <= LISTED_LIMIT:
        return alerts
    return tuple(reversed(last_within(tuple(map(named, reversed(alerts))), LISTED_LIMIT)))


def last_within(values: Sequence[T], limit: int) -> tuple[T, ...]:
    """As many of the last as have room in so many bytes."""
    sizes = itertools.accumulate(len(msgspec.json.encode(value)) + 1 for value in reversed(values))
    count = sum(size <= limit for size in sizes)
    return tuple(values[len(values) - count :])


def slimmed(ledger: Ledger) -> Ledger:
    """Every entry stays. Where they are very many, those that go last keep their numbers and a few words."""
    room = EVIDENCE_LIMIT
    brief: dict[str, Entry] = {}
    for entry in sorted(ledger.outbox, key=rank_of):
        if entry.finding is None:
            continue
        room -= len(msgspec.json.encode(entry.finding))
        if room < 0:
            brief[entry.incident] = msgspec.structs.replace(entry, finding=_brief(entry.finding))
    if not brief:
        return ledger
    return msgspec.structs.replace(ledger, outbox=tuple(brief.get(entry.incident, entry) for entry in ledger.outbox))


def _brief(finding: Finding) -> Finding:
    alert = msgspec.structs.replace(
        _cut(finding.alert, BRIEF_DIAGNOSIS),
        cause=finding.alert.cause[:BRIEF_CAUSE],
        evidence=tuple((name, value[:BRIEF_VALUE]) for name, value in finding.alert.evidence[:BRIEF_EVIDENCE]),
        metrics=finding.alert.metrics[:BRIEF_METRICS],
        message=finding.alert.message[:BRIEF_VALUE],
    )
    owned = finding.owned if alert.key == MANY else finding.owned[:BRIEF_OWNED]
    return msgspec.structs.replace(
        finding,
        alert=alert,
        owned=tuple(map(named, owned)),
        log=(),
        beside=(),
        watch=(),
        acted=finding.acted[:BRIEF_VALUE],
        data_root=_whole_path(finding.data_root, BRIEF_VALUE),
    )


def _whole_path(path: str, limit: int) -> str:
    """Half of one names another place."""
    return path if len(path) <= limit else ""


def named(alert: Alert) -> Alert:
    """What it takes to know it again, and to list it."""
    return Alert(
        key=alert.key,
        scope=alert.scope,
        title=alert.title[:LONGEST_TITLE],
        tier=alert.tier,
        urgent=alert.urgent,
        cooldown_key=alert.cooldown_key,
        event=alert.event,
    )


def _cut(alert: Alert, diagnosis: int) -> Alert:
    pairs = alert.evidence[:MOST_PAIRS]
    return msgspec.structs.replace(
        with_short_names(alert),
        title=alert.title[: 2 * LONGEST_TITLE],
        cause=alert.cause[:LONGEST_TEXT],
        evidence=tuple((name[:LONGEST_LABEL], value[:LONGEST_TEXT]) for name, value in pairs),
        diagnosis=alert.diagnosis[:diagnosis],
        metrics=tuple(name[:LONGEST_LABEL] for name in alert.metrics[:MOST_PAIRS]),
        message=alert.message[:LONGEST_TEXT],
    )


def _storable(finding: Finding) -> Finding:
    """Without halves of a character, which a text from outside may hold and no file can."""
    try:
        msgspec.json.encode(finding)
    except UnicodeEncodeError:
        return msgspec.convert(_whole(msgspec.to_builtins(finding)), Finding)
    return finding


def _whole(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, (list, tuple)) else value
