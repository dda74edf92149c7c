"""In which order the outbox is written to the tracker. Pure."""

from __future__ import annotations

from datetime import datetime

from monitor_tick.issues.ledger import MANY, Entry, Intent, Ledger, State
from monitor_tick.issues.umbrella import gravity

FOLLOWING = (Intent.LABEL, Intent.COMMENT, Intent.BOARD)
"""What is done about an issue once it is there, in this order: a board that fails, fails for all."""

Rank = tuple[bool, int, datetime]


def rank_of(entry: Entry) -> Rank:
    """Sorts urgent first, then the gravest tier, then the oldest."""
    tier = gravity(entry.finding.alert)[1] if entry.finding else 0
    return (not entry.urgent, tier, entry.first_at)


def worst_first(ledger: Ledger) -> tuple[Entry, ...]:
    """The findings that are to be sent. An umbrella goes before those that wait for the issue it will be."""
    waiting = [entry for entry in ledger.outbox if entry.intent is Intent.FILE and entry.state is State.PENDING]

    def rank(entry: Entry) -> tuple[Rank, bool]:
        covered = [other for other in waiting if entry.key == MANY and entry.tells_of(other.key, other.scope)]
        return min(rank_of(each) for each in (entry, *covered)), entry.key != MANY

    return tuple(sorted(waiting, key=rank))


def is_held(ledger: Ledger, entry: Entry) -> bool:
    """Whether one that may be in the tracker already is for the same issue: which issue that is, is not known yet."""
    return any(
        other.state is State.SENT and other.intent is Intent.FILE and other.tells_of(entry.key, entry.scope)
        for other in ledger.outbox
        if other.incident != entry.incident
    )


def follow_ups(ledger: Ledger) -> tuple[Entry, ...]:
    """What is to be done about issues that are there; what failed least often first."""
    waiting = [entry for entry in ledger.outbox if entry.intent in FOLLOWING and entry.state is State.PENDING]
    return tuple(sorted(waiting, key=lambda entry: (FOLLOWING.index(entry.intent), entry.attempts, not entry.urgent)))
