"""What waits for a tracker that is away for days: beyond some megabytes the oldest of it is one umbrella. Pure.

The ledger is one file, and one that is too large to be read would be the loss of all that it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from monitor_tick.issues.bounds import EVENTS_KEPT, WAITING_LIMIT, bounded, named
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.ledger import MANY, Entry, Intent, Ledger, State
from monitor_tick.issues.umbrella import alerts_of, told_by, with_listed

ROOM = WAITING_LIMIT // 4
"""Bytes that are freed at once, more than the umbrella can take up."""

SCOPE = "waiting"


def merged(ledger: Ledger, new_incident: Callable[[], str]) -> Ledger:
    """Conditions go into the umbrella first, since they tell of themselves again; what is urgent or an event, last."""
    sizes = {entry.incident: len(msgspec.json.encode(entry)) for entry in ledger.outbox if entry.intent is Intent.FILE}
    excess = sum(sizes.values()) - WAITING_LIMIT
    if excess <= 0:
        return ledger
    excess += ROOM
    taken: list[Entry] = []
    for entry in sorted(filter(_can_merge, ledger.outbox), key=_rank):
        if excess <= 0:
            break
        taken.append(entry)
        excess -= sizes[entry.incident]
    return _into_umbrella(ledger, taken, new_incident) if taken else ledger


def _can_merge(entry: Entry) -> bool:
    """What was sent may be in the tracker as it was."""
    waits = entry.intent is Intent.FILE and entry.state is State.PENDING and entry.finding is not None
    return waits and not _is_umbrella(entry)


def _is_umbrella(entry: Entry) -> bool:
    return (entry.key, entry.scope, entry.state) == (MANY, SCOPE, State.PENDING)


def _rank(entry: Entry) -> tuple[bool, bool, datetime]:
    is_event = entry.finding is not None and any(alert.event for alert in alerts_of(entry.finding))
    return is_event, entry.urgent, entry.first_at


def _into_umbrella(ledger: Ledger, taken: Sequence[Entry], new_incident: Callable[[], str]) -> Ledger:
    before = next((entry for entry in ledger.outbox if _is_umbrella(entry)), None)
    entries = [*([before] if before else []), *taken]
    finding = _umbrella([entry.finding for entry in entries if entry.finding is not None])
    gone = {entry.incident for entry in entries}
    umbrella = Entry(
        incident=before.incident if before else new_incident(),
        intent=Intent.FILE,
        key=MANY,
        scope=SCOPE,
        title=finding.alert.title,
        urgent=any(entry.urgent for entry in entries),
        finding=finding,
        first_at=min(entry.first_at for entry in entries),
        times=max(entry.times for entry in entries),
        sent_at=before.sent_at if before else None,
        attempts=before.attempts if before else 0,
        why=before.why if before else "",
        events=tuple(dict.fromkeys(event for entry in entries for event in entry.events))[-EVENTS_KEPT:],
    )
    kept = tuple(entry for entry in ledger.outbox if entry.incident not in gone)
    return msgspec.structs.replace(ledger, outbox=(*kept, umbrella))


def _umbrella(findings: Sequence[Finding]) -> Finding:
    newest = max(findings, key=lambda finding: finding.at)
    alert = msgspec.structs.replace(newest.alert, scope=SCOPE)
    empty = msgspec.structs.replace(newest, alert=alert, owned=(), log=(), beside=())
    return bounded(with_listed(empty, [named(alert) for finding in findings for alert in told_by(finding)]))
