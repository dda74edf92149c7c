"""What was filed for which key, and what is still to be sent: <data>/issue-ledger.json as values. Pure.

Every write to the tracker is an entry of the outbox. An entry is `pending` until it is about to be sent, `sent` from
then on (saved before the call), and leaves the outbox once the tracker's answer is known; `sent` on load means that
nobody knows whether the tracker has it, and is looked up there before anything is tried again.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from monitor_tick.alert import Alert
from monitor_tick.issues.finding import Finding

MANY = "incident:many"
"""The key of a finding that stands for others, its `owned`, where a tick has too many to file one by one."""


class Intent(str, enum.Enum):
    """What an entry is to write. FILE is decided when it is sent: a new issue, or a comment on the one that is open."""

    FILE = "file"
    COMMENT = "comment"
    LABEL = "label"
    BOARD = "board"


class State(str, enum.Enum):
    PENDING = "pending"
    SENT = "sent"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One write that has not been confirmed.

    `incident` is 12 hex digits, unique, and stands in the hidden line of what is written, which is how it is found
    again. `finding` is the newest of those merged into this entry, `events` the occurrences of the others, `first_at`
    when the first was seen and `times` how often. `number` is the issue that is written to: 0 for a FILE entry until
    it was decided to comment. `text` is the body of a COMMENT that has no finding of its own (a back-link, a board
    failure), `label` what LABEL adds, `status` the column that BOARD wants, `back_links` the issues that are to be
    told of a new one. `title` is for the report. `sent_at` is when the tick that tried last began to file; `attempts`
    counts tries that failed, `why` says how the last one did.
    """

    incident: str
    intent: Intent
    key: str
    scope: str
    title: str
    urgent: bool = False
    state: State = State.PENDING
    finding: Finding | None = None
    first_at: datetime
    times: int = 1
    number: int = 0
    text: str = ""
    label: str = ""
    status: str = ""
    sent_at: datetime | None = None
    attempts: int = 0
    why: str = ""
    events: tuple[str, ...] = ()
    back_links: tuple[int, ...] = ()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """What a FILE entry files: its finding's alert, and those that it lists."""
        if self.finding is None:
            return ()
        return (self.finding.alert, *(self.finding.owned if self.key == MANY else ()))

    def tells_of(self, key: str, scope: str) -> bool:
        return any((alert.key, alert.scope) == (key, scope) for alert in self.alerts)

    def explains(self, key: str, scope: str, event: str) -> bool:
        """Whether its finding lists this as its own consequence."""
        owned = self.finding.owned if self.finding else ()
        return any((alert.key, alert.scope, alert.event) == (key, scope, event) for alert in owned)


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """The issue that stands for one key and scope: the newest we filed, or an open one we commented on.

    `at` is when the last write for it was confirmed, from which cooldown counts. `events` are the newest occurrences
    (Alert.event) that it tells of, at most 20. `ours` is False where a person filed it.
    """

    key: str
    scope: str
    number: int
    title: str
    at: datetime
    incident: str = ""
    urgent: bool = False
    cooldown_key: str = ""
    events: tuple[str, ...] = ()
    ours: bool = True


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """What was told in the issue `number` of another finding, its owner, the last time at `at`."""

    key: str
    scope: str
    number: int
    at: datetime
    event: str = ""
    urgent: bool = False
    cooldown_key: str = ""

    def is_of(self, key: str, scope: str, event: str) -> bool:
        return (self.key, self.scope, self.event) == (key, scope, event)


class BoardFailure(msgspec.Struct, frozen=True):
    """Tries in a row that could not put an issue on the board; `told` says that the issue has a comment about it."""

    number: int
    tries: int
    told: bool = False


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """`login` is the account that files, learned from gh; `board` are failures that stand."""

    filed: tuple[Filed, ...] = ()
    mentions: tuple[Mention, ...] = ()
    outbox: tuple[Entry, ...] = ()
    board: tuple[BoardFailure, ...] = ()
    login: str = ""

    def filed_for(self, key: str, scope: str) -> Filed | None:
        return next((each for each in self.filed if (each.key, each.scope) == (key, scope)), None)

    def knows(self, key: str, scope: str, event: str) -> bool:
        """Whether this very occurrence was told, alone or with what explains it, or is in the outbox."""
        filed = self.filed_for(key, scope)
        if filed is not None and event in filed.events:
            return True
        if any(mention.is_of(key, scope, event) for mention in self.mentions):
            return True
        if any(entry.explains(key, scope, event) for entry in self.outbox):
            return True
        return any(
            event in (alert.event, *entry.events)
            for entry in self.outbox
            for alert in entry.alerts
            if (alert.key, alert.scope) == (key, scope)
        )

    def number_of(self, alert: Alert) -> int:
        """The issue that tells of this occurrence, its own or its owner's; 0 where none does yet."""
        filed = self.filed_for(alert.key, alert.scope)
        if filed is not None and alert.event in filed.events:
            return filed.number
        this = (alert.key, alert.scope, alert.event)
        return next((mention.number for mention in self.mentions if mention.is_of(*this)), 0)

    def told_with(self, owner: Alert, alert: Alert) -> bool:
        """Whether what was written last about `owner`, or waits to be written, tells of `alert` too."""
        this = (alert.key, alert.scope, alert.event)
        waiting = (entry for entry in self.outbox if entry.tells_of(owner.key, owner.scope))
        if any(entry.explains(*this) for entry in waiting):
            return True
        filed = self.filed_for(owner.key, owner.scope)
        return filed is not None and any(
            mention.number == filed.number and mention.at >= filed.at and mention.is_of(*this)
            for mention in self.mentions
        )

    def with_entry(self, entry: Entry) -> Ledger:
        """`entry` in the place of the one with its incident, else at the end."""
        if any(each.incident == entry.incident for each in self.outbox):
            outbox = tuple(entry if each.incident == entry.incident else each for each in self.outbox)
        else:
            outbox = (*self.outbox, entry)
        return msgspec.structs.replace(self, outbox=outbox)

    def without_entry(self, incident: str) -> Ledger:
        outbox = tuple(entry for entry in self.outbox if entry.incident != incident)
        return msgspec.structs.replace(self, outbox=outbox)


NOTHING_FILED = Ledger()
