"""What nobody knows the answer of: entries that were sent, looked up before anything is written again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor_tick.issues.following import settled
from monitor_tick.issues.hiddenline import parse_hidden
from monitor_tick.issues.ledger import Entry, Intent, State
from monitor_tick.issues.progress import unsent
from monitor_tick.issues.send import UNCONFIRMED, Sender
from monitor_tick.issues.tracker import Cause, Issue, TrackerError

LOOK_BACK = timedelta(days=1)
"""Before the write began, by our clock; the tracker dates by its own, and one that was set in local time is hours
ahead. An incident stands nowhere by chance."""


def reconcile(sender: Sender) -> None:
    """Each entry that was sent is adopted, waits again, or, while its request may still be under way, stays sent."""
    unknown = [entry for entry in sender.door.ledger.outbox if entry.state is State.SENT]
    creates = [entry for entry in unknown if entry.intent is Intent.FILE and not entry.number]
    if creates:
        _reconcile_creates(sender, creates)
    for entry in unknown:
        if entry.intent in (Intent.LABEL, Intent.BOARD):  # once more changes nothing
            sender.door.ledger = sender.door.ledger.with_entry(unsent(entry))
        elif entry.number:
            _reconcile_comment(sender, entry)


def _reconcile_creates(sender: Sender, entries: Sequence[Entry]) -> None:
    door = sender.door
    since = min(_since(entry, door.now) for entry in entries)
    try:
        issues = door.ask(lambda: door.tracker.created_since(since))
    except TrackerError as error:
        sender.waits |= {entry.incident: f"{UNCONFIRMED}: {error}" for entry in entries}
        return
    for entry in entries:
        if (issue := sender.made_by(entry, issues)) is not None:
            sender.adopt(entry, issue)
        else:
            _give_up(sender, entry)


def _reconcile_comment(sender: Sender, entry: Entry) -> None:
    try:
        issue = _commented(sender, entry)
    except TrackerError as error:
        if error.cause is Cause.NOT_FOUND:  # with its issue
            sender.door.ledger = sender.door.ledger.with_entry(unsent(entry))
        else:
            sender.waits[entry.incident] = f"{UNCONFIRMED}: {error}"
        return
    if issue is None:
        _give_up(sender, entry)
    elif entry.intent is Intent.FILE:
        sender.confirm(entry, issue)
    else:
        sender.door.ledger = settled(sender.door.ledger, entry)


def _commented(sender: Sender, entry: Entry) -> Issue | None:
    """The issue, where it has the comment that this entry is."""
    door, since = sender.door, _since(entry, sender.door.now)
    comments = door.ask(lambda: door.tracker.comments_since(entry.number, since))
    own = (parse_hidden(comment.tail) for comment in comments if comment.author == sender.login)
    if not any(hidden is not None and hidden.incident == entry.incident for hidden in own):
        return None
    return sender.issue(entry.number)


def _give_up(sender: Sender, entry: Entry) -> None:
    """A request that is not in the tracker by its deadline never came; before that, it still may."""
    door = sender.door
    deadline = timedelta(seconds=door.limits.request_deadline_seconds)
    if entry.sent_at is not None and abs(door.now - entry.sent_at) <= deadline:
        sender.waits[entry.incident] = UNCONFIRMED
    else:
        door.ledger = door.ledger.with_entry(unsent(entry))


def _since(entry: Entry, now: datetime) -> datetime:
    """Also where the clock has gone back since."""
    return min(entry.sent_at or now, now) - LOOK_BACK
