"""An entry on its way to the tracker, and what its answer makes of the ledger. Pure; the caller saves it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from monitor_tick.alert import Alert
from monitor_tick.issues.bounds import (
    EVENTS_KEPT,
    FILED_KEPT,
    FILED_LIMIT,
    FOLLOWING_LIMIT,
    MENTIONS_KEPT,
    MENTIONS_LIMIT,
    last_within,
)
from monitor_tick.issues.ledger import MANY, Entry, Filed, Intent, Ledger, Mention, State
from monitor_tick.issues.tracker import Issue
from monitor_tick.issues.umbrella import is_urgent

LONGEST_REASON = 500


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The issue that an entry is in now. `following` is what remains to be done about it."""

    issue: Issue
    at: datetime
    is_ours: bool = True
    following: tuple[Entry, ...] = ()


def sent(entry: Entry, at: datetime) -> Entry:
    return msgspec.structs.replace(entry, state=State.SENT, sent_at=at)


def unsent(entry: Entry) -> Entry:
    """Surely not written. A finding is to be decided again: where it belongs may have been closed since."""
    if entry.intent is not Intent.FILE:
        return msgspec.structs.replace(entry, state=State.PENDING)
    return msgspec.structs.replace(entry, state=State.PENDING, number=0)


def failed(entry: Entry, why: str) -> Entry:
    return msgspec.structs.replace(unsent(entry), attempts=entry.attempts + 1, why=why[:LONGEST_REASON])


def recorded(ledger: Ledger, entry: Entry, written: Written) -> Ledger:
    """The issue stands for each finding that the entry told of, from now on."""
    ledger = ledger.without_entry(entry.incident)
    records = [_filed(ledger, entry, alert, written) for alert in entry.alerts]
    renewed = {(each.key, each.scope) for each in records}
    kept = [each for each in ledger.filed if (each.key, each.scope) not in renewed]
    waiting = {(each.intent, each.number, each.label) for each in ledger.outbox if each.intent is not Intent.COMMENT}
    new = [each for each in written.following if (each.intent, each.number, each.label) not in waiting]
    filed = (*kept, *{(each.key, each.scope): each for each in records}.values())
    return msgspec.structs.replace(
        ledger,
        filed=last_within(filed[-FILED_KEPT:], FILED_LIMIT),
        mentions=last_within(_mentions(ledger, entry, written)[-MENTIONS_KEPT:], MENTIONS_LIMIT),
        outbox=_with_following(ledger.outbox, new),
    )


def _with_following(outbox: tuple[Entry, ...], new: Sequence[Entry]) -> tuple[Entry, ...]:
    """Thousands of labels or places on a board that fail for ever: the oldest are given up."""
    following = [entry for entry in (*outbox, *new) if entry.intent is not Intent.FILE]
    kept = {entry.incident for entry in last_within(following, FOLLOWING_LIMIT)}
    return tuple(entry for entry in (*outbox, *new) if entry.intent is Intent.FILE or entry.incident in kept)


def _mentions(ledger: Ledger, entry: Entry, written: Written) -> tuple[Mention, ...]:
    """What an umbrella lists is filed there itself."""
    owned = entry.finding.owned if entry.finding is not None and entry.key != MANY else ()
    new = [
        Mention(
            key=alert.key,
            scope=alert.scope,
            event=alert.event,
            number=written.issue.number,
            at=written.at,
            urgent=is_urgent(alert),
            cooldown_key=alert.cooldown_key,
        )
        for alert in owned
    ]
    kept = (each for each in ledger.mentions if not any(each.is_of(one.key, one.scope, one.event) for one in new))
    return (*kept, *new)


def _filed(ledger: Ledger, entry: Entry, alert: Alert, written: Written) -> Filed:
    is_own = (alert.key, alert.scope) == (entry.key, entry.scope)
    before = ledger.filed_for(alert.key, alert.scope)
    beside = (each.event for each in entry.alerts if (each.key, each.scope) == (alert.key, alert.scope))
    events = (*(before.events if before else ()), *(entry.events if is_own else ()), *beside)
    return Filed(
        key=alert.key,
        scope=alert.scope,
        number=written.issue.number,
        title=written.issue.title,
        at=written.at,
        incident=entry.incident,
        urgent=entry.urgent if is_own else is_urgent(alert),
        cooldown_key=alert.cooldown_key,
        events=tuple(dict.fromkeys(event for event in events if event))[-EVENTS_KEPT:],
        ours=written.is_ours,
    )
