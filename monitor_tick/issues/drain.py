"""Bring what waits in the outbox to the tracker, so that each finding is in exactly one issue.

Every outside thing is an argument. What a tick that died may have written, or what got no certain answer, is looked up
before anything is written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from monitor_tick.budget import Budget
from monitor_tick.issues.bounds import FILED_KEPT
from monitor_tick.issues.compose import Composer, Investigate
from monitor_tick.issues.door import Door, Stopped
from monitor_tick.issues.follow import follow
from monitor_tick.issues.ledger import Intent, Ledger
from monitor_tick.issues.order import worst_first
from monitor_tick.issues.reconcile import reconcile
from monitor_tick.issues.relations import Contains
from monitor_tick.issues.send import Sender
from monitor_tick.issues.told import Drained, Told, Word
from monitor_tick.issues.tracker import Tracker
from monitor_tick.memory import Cooldowns
from monitor_tick.rules import Limits


def cannot_tell(_build: str, _commit: str) -> None:
    """`Contains` without a checkout."""


def drain(  # noqa: PLR0913  (every outside thing is an argument)
    ledger: Ledger,
    tracker: Tracker,
    *,
    investigate: Investigate,
    save: Callable[[Ledger], None],
    now: datetime,
    budget: Budget,
    limits: Limits,
    operator: str = "",
    contains: Contains = cannot_tell,
    secrets: Sequence[str] = (),
) -> Drained:
    """Send what waits, worst first, as far as this tick's share goes. An empty outbox costs no call.

    `save` is durable when it returns; it is called before each write and at the end. Its MonitorError is not caught:
    what cannot be remembered must not be written. `now` is when filing began.
    """
    if not ledger.outbox:
        return Drained(ledger=ledger)
    door = Door(ledger, tracker, save, now=now, budget=budget, limits=limits)
    sender = Sender(door, Composer(investigate, budget.left, limits.investigation_seconds, secrets), contains)
    lines: list[str] = []
    why = ""
    try:
        sender.look()
        reconcile(sender)
        for entry in worst_first(door.ledger):
            sender.send(entry)
        follow(sender, operator, lines)
    except Stopped as stopped:
        why = str(stopped)
    door.save()
    return Drained(
        ledger=door.ledger,
        told=(*sender.told, *_queued(door.ledger, sender.waits, why)),
        queued=len(door.ledger.outbox),
        why=why or next(iter(sender.waits.values()), ""),
        lines=tuple(lines),
    )


def _queued(ledger: Ledger, waits: dict[str, str], why: str) -> Iterator[Told]:
    """The findings that wait, with what was in the way of each, or of all."""
    for entry in ledger.outbox:
        if entry.intent is Intent.FILE:
            reason = waits.get(entry.incident) or why or entry.why
            yield Told(entry.key, entry.scope, entry.title, Word.QUEUED, why=reason)


def cooldowns_of(ledger: Ledger, before: Cooldowns) -> Cooldowns:
    """When each key was last filed, by the file or by the ledger, whichever is newer."""
    newest = dict(before.filed)
    for filed in ledger.filed:
        key = filed.cooldown_key or filed.key
        newest[key] = max(newest.get(key, 0), int(filed.at.timestamp()))
    return Cooldowns(tuple(sorted(newest.items(), key=lambda each: each[1])[-FILED_KEPT:]))
