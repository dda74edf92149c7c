"""How much evidence a finding keeps while it waits: the ledger is one small file. Pure."""

from __future__ import annotations

import msgspec

from monitor_tick.alert import Alert
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.findings import LOG_LINE_LENGTH, LOG_LINES, LONGEST_DIAGNOSIS
from monitor_tick.issues.ledger import MANY, Entry, Ledger
from monitor_tick.issues.order import rank_of

EVIDENCE_LIMIT = 3 * 2**20
"""Bytes of findings that wait with all their evidence: a state file of more than 16 MB is not read."""

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
BRIEF_OWNED = 10
LONGEST_TITLE = 300


def bounded(finding: Finding) -> Finding:
    """An umbrella keeps what it stands for, the worst first."""
    owned = finding.owned[: LISTED_KEPT if finding.alert.key == MANY else OWNED_KEPT]
    return _storable(
        msgspec.structs.replace(
            finding,
            alert=_cut(finding.alert, LONGEST_DIAGNOSIS),
            owned=tuple(_cut(alert, OWNED_DIAGNOSIS) for alert in owned),
            log=tuple(line[:LOG_LINE_LENGTH] for line in finding.log[-LOG_LINES:]),
        )
    )


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
    )
    owned = finding.owned if alert.key == MANY else finding.owned[:BRIEF_OWNED]
    return msgspec.structs.replace(finding, alert=alert, owned=tuple(map(named, owned)), log=(), beside=())


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


def _cut(alert: Alert, length: int) -> Alert:
    return msgspec.structs.replace(alert, diagnosis=alert.diagnosis[:length])


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
