"""One finding on its way into the tracker: which issue it belongs to, and the write that puts it there."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor_tick.issues.compose import Composer
from monitor_tick.issues.door import Door, Stopped
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.following import COMMENT_TRIES, after_comment, after_create, labels_for
from monitor_tick.issues.hiddenline import hidden_line, parse_hidden
from monitor_tick.issues.ledger import Entry
from monitor_tick.issues.matching import Comment, Create, decide
from monitor_tick.issues.order import is_held
from monitor_tick.issues.progress import Written, recorded
from monitor_tick.issues.relations import Contains
from monitor_tick.issues.told import Told, Word
from monitor_tick.issues.tracker import Cause, Issue, TrackerError

UNCONFIRMED = "sent, and not confirmed yet"


class NotNow(Exception):
    """This finding has to wait for the next tick; others go on."""


class Sender:
    """What is known of the tracker in this tick, and what was told of it.

    `open` are the open issues by number, those of this tick among them; `waits` says why an entry was not sent, by its
    incident.
    """

    def __init__(self, door: Door, composer: Composer, contains: Contains) -> None:
        self.door = door
        self.composer = composer
        self.login = ""
        self.open: dict[int, Issue] = {}
        self.told: list[Told] = []
        self.waits: dict[str, str] = {}
        self._contains = contains
        self._created = 0
        self._shut: set[int] = set()

    def look(self) -> None:
        """Stopped where it fails: without the whole list nothing may be written."""
        try:
            self.login = self.door.ask(self.door.tracker.login)
            issues = self.door.ask(self.door.tracker.open_issues)
        except TrackerError as error:
            raise Stopped(str(error), error.cause) from error
        self.open = {issue.number: issue for issue in issues}
        self.door.ledger = msgspec.structs.replace(self.door.ledger, login=self.login)

    def made_by(self, entry: Entry, issues: Sequence[Issue]) -> Issue | None:
        """The issue that an earlier try of this entry made, after all."""
        own = (issue for issue in issues if issue.author == self.login)
        return next((issue for issue in own if _incident(issue.tail) == entry.incident), None)

    # --- questions of matching.Lookups ---------------------------------------------------------------------------

    def issue(self, number: int) -> Issue:
        return self.door.ask(lambda: self.door.tracker.issue(number))

    def search(self, words: Sequence[str], *, is_open: bool) -> tuple[Issue, ...]:
        """Only a finding that may become an issue is searched for; without room for one it can as well wait."""
        self._check_room()
        return self.door.ask(lambda: self.door.tracker.search(words, is_open=is_open))

    def contains(self, build: str, commit: str) -> bool | None:
        return self._contains(build, commit)

    # --- writes --------------------------------------------------------------------------------------------------

    def send(self, entry: Entry) -> None:
        """Raises Stopped. Any other failure is this entry's own: it waits, and `waits` says why."""
        if is_held(self.door.ledger, entry):
            self.waits[entry.incident] = UNCONFIRMED
            return
        late = self.made_by(entry, tuple(self.open.values())) if entry.sent_at else None
        try:
            if late is not None:
                self.adopt(entry, late)
            elif entry.finding is not None:
                self._write(entry, entry.finding)
        except NotNow as later:
            self.waits[entry.incident] = str(later)
        except TrackerError as error:
            self.waits[entry.incident] = str(error)
            self.door.fail(entry, str(error))

    def adopt(self, entry: Entry, issue: Issue) -> None:
        """`issue` is what the entry was to create."""
        following = after_create(entry, issue, has_board=self.door.tracker.has_board(), secrets=self.composer.secrets)
        if issue.is_open:
            self.open[issue.number] = issue
        self._record(entry, Written(issue=issue, at=self.door.now, following=following), Word.FILED)

    def confirm(self, entry: Entry, issue: Issue) -> None:
        """`issue` has the comment that the entry is."""
        written = Written(
            issue=issue,
            at=self.door.now,
            is_ours=issue.author == self.login,
            following=after_comment(entry, issue, has_board=self.door.tracker.has_board()),
        )
        self._record(entry, written, Word.COMMENTED)

    def _write(self, entry: Entry, finding: Finding) -> None:
        decision = self._decide(entry, finding)
        if isinstance(decision, Create):
            self._create(entry, finding, decision)
            return
        try:
            self._comment(entry, finding, decision.issue)
        except TrackerError as error:
            if not self._is_shut(entry, decision.issue.number, error.cause):
                raise
            self._write(entry, finding)

    def _is_shut(self, entry: Entry, number: int, cause: Cause) -> bool:
        """Whether nothing can be written on this issue any more: it went, or refuses again what it refused before."""
        if cause is Cause.NOT_FOUND:
            return self._has_gone(number)
        if cause is Cause.REFUSED and entry.attempts + 1 >= COMMENT_TRIES:
            self._shut.add(number)
        return number in self._shut

    def _has_gone(self, number: int) -> bool:
        """Whether it went between the list and now; one answer that says so may be a mistake."""
        try:
            self.issue(number)
        except TrackerError as error:
            if error.cause is not Cause.NOT_FOUND:
                raise
            self.open.pop(number, None)
            return True
        return False

    def _decide(self, entry: Entry, finding: Finding) -> Comment | Create:
        return decide(
            finding,
            self.door.ledger,
            tuple(self.open.values()),
            self.login,
            self,
            urgent=entry.urgent,
            secrets=self.composer.secrets,
            shut=self._shut,
        )

    def _comment(self, entry: Entry, finding: Finding, issue: Issue) -> None:
        body = self.composer.comment(entry, finding)
        entry = msgspec.structs.replace(entry, number=issue.number)
        self.door.write(entry, lambda: self.door.tracker.comment(issue.number, body))
        self.confirm(entry, issue)

    def _create(self, entry: Entry, finding: Finding, decision: Create) -> None:
        self._check_room()
        labels = labels_for(entry)
        title, body = self.composer.issue(entry, finding, decision.relations)
        entry = msgspec.structs.replace(entry, number=0, back_links=decision.back_links)
        try:
            number = self.door.write(entry, lambda: self.door.tracker.create(title, body, labels))
        except TrackerError as error:
            if error.cause is not Cause.NO_SUCH_LABEL or not labels:
                raise
            labels = ()
            number = self.door.write(entry, lambda: self.door.tracker.create(title, body, ()))
        self._created += 1
        issue = Issue(
            number=number,
            title=title,
            is_open=True,
            author=self.login,
            created_at=self.door.now,
            labels=labels,
            tail=hidden_line(entry.key, entry.scope, entry.incident, self.composer.secrets),
        )
        self.adopt(entry, issue)

    def _record(self, entry: Entry, written: Written, word: Word) -> None:
        self.door.ledger = recorded(self.door.ledger, entry, written)
        self.told.append(Told(entry.key, entry.scope, entry.title, word, written.issue.number))

    def _check_room(self) -> None:
        if self._created >= self.door.limits.issues_per_tick:
            raise NotNow(f"{self._created} new issues in this tick")


def _incident(tail: str) -> str:
    hidden = parse_hidden(tail)
    return hidden.incident if hidden else ""
