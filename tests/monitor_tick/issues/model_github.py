"""GitHub in memory, as filing sees it: lists that do not lag, a search that does, and each way a call fails."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from monitor_tick.issues.tracker import TAIL_LENGTH, Cause, Comment, Issue, TrackerError

LOGIN = "henyey-monitor"
SEARCH_LAG = timedelta(minutes=10)
LATENESS = timedelta(seconds=50)

T = TypeVar("T")


class Fault(enum.Enum):
    """How a call fails. DONE was done, LOST was not, and LATE is done LATENESS later; the caller sees no difference."""

    DONE = Cause.UNCERTAIN, "HTTP 502, done"
    LOST = Cause.UNCERTAIN, "HTTP 502, lost"
    LATE = Cause.UNCERTAIN, "no answer in 30 s"
    LIMITED = Cause.LIMITED, "HTTP 429"
    EXPIRED = Cause.NOT_LOGGED_IN, "HTTP 401"
    NO_NETWORK = Cause.NO_NETWORK, "error connecting to api.github.com"
    NO_GH = Cause.NO_GH, "gh"
    REFUSED = Cause.REFUSED, "HTTP 422"
    NOT_FOUND = Cause.NOT_FOUND, "HTTP 404"

    @property
    def error(self) -> TrackerError:
        return TrackerError(*self.value)


class Remark(msgspec.Struct):
    """`sent` is when it was asked for, `at` when it arrived."""

    author: str
    at: datetime
    body: str
    sent: datetime


class Stored(msgspec.Struct):
    number: int
    title: str
    body: str
    author: str
    at: datetime
    labels: list[str]
    comments: list[Remark]
    is_open: bool = True
    closed_at: datetime | None = None
    closed_by: str = ""
    column: str = ""
    locked: bool = False


Hook = Callable[[str], Fault | None]
"""Called before each call with its name, and again with `<name> done` after it; may raise to kill the caller."""

WRITES = ("create", "comment", "add_label", "add_to_board")


class ModelGitHub:
    """A `monitor_tick.issues.tracker.Tracker`. `now` is set from outside; `calls` are the names of all calls."""

    def __init__(self, now: datetime, hook: Hook = lambda _name: None, *, board: bool = True) -> None:
        self.now = now
        self.hook = hook
        self.issues: dict[int, Stored] = {}
        self.known_labels = {"urgent", "not-ready"}
        self.calls: list[str] = []
        self._board = board
        self._late: list[tuple[datetime, Callable[[], object]]] = []
        self._numbers = itertools.count(1)

    # --- what people do ------------------------------------------------------------------------------------------

    def put(self, title: str, *, author: str = "a-person", body: str = "", labels: Sequence[str] = ()) -> int:
        number = next(self._numbers)
        self.issues[number] = Stored(number, title, body, author, self.now, list(labels), [])
        return number

    def close(self, number: int, commit: str = "") -> None:
        issue = self.issues[number]
        issue.is_open, issue.closed_at, issue.closed_by = False, self.now, commit

    @property
    def texts(self) -> list[str]:
        """Everything our login has written, in the order of the issues."""
        written: list[Stored | Remark] = []
        for issue in self.issues.values():
            written += [issue, *issue.comments]
        return [text.body for text in written if text.author == LOGIN]

    def writes(self) -> int:
        return sum(name in WRITES for name in self.calls)

    # --- Tracker -------------------------------------------------------------------------------------------------

    def login(self) -> str:
        return self._call("login", lambda: LOGIN)

    def open_issues(self) -> tuple[Issue, ...]:
        return self._call("open_issues", lambda: self._listed(lambda issue: issue.is_open))

    def created_since(self, at: datetime) -> tuple[Issue, ...]:
        return self._call("created_since", lambda: self._listed(lambda issue: issue.at >= at))

    def issue(self, number: int) -> Issue:
        def view() -> Issue:
            stored = self._stored(number)
            closed_by = "" if stored.is_open else stored.closed_by
            on_board = bool(stored.column) if self._board else None
            return msgspec.structs.replace(_issue_of(stored), closed_by=closed_by, on_board=on_board)

        return self._call("issue", view)

    def search(self, words: Sequence[str], *, is_open: bool) -> tuple[Issue, ...]:
        """The index is old: it knows an issue after SEARCH_LAG, and for that long thinks that a closed one is open."""

        def find(stored: Stored) -> bool:
            known = self.now - stored.at >= SEARCH_LAG
            closed = stored.closed_at is not None and self.now - stored.closed_at >= SEARCH_LAG
            return known and closed is not is_open and all(word.lower() in stored.title.lower() for word in words)

        return self._call("search", lambda: self._listed(find))

    def comments_since(self, number: int, at: datetime) -> tuple[Comment, ...]:
        def view() -> tuple[Comment, ...]:
            recent = (remark for remark in self._stored(number).comments if remark.at >= at)
            return tuple(Comment(remark.author, remark.body[-TAIL_LENGTH:]) for remark in recent)

        return self._call("comments_since", view)

    def create(self, title: str, body: str, labels: Sequence[str]) -> int:
        def make() -> int:
            if missing := set(labels) - self.known_labels:
                raise TrackerError(Cause.NO_SUCH_LABEL, repr(min(missing)))
            return self.put(title, author=LOGIN, body=body, labels=labels)

        return self._call("create", make)

    def comment(self, number: int, body: str) -> None:
        sent = self.now

        def add() -> None:
            if self._stored(number).locked:
                raise TrackerError(Cause.REFUSED, "the issue is locked")
            self._stored(number).comments.append(Remark(LOGIN, self.now, body, sent))

        self._call("comment", add)

    def add_label(self, number: int, label: str) -> None:
        def add() -> None:
            if label not in self.known_labels:
                raise TrackerError(Cause.NO_SUCH_LABEL, repr(label))
            stored = self._stored(number)
            stored.labels = list(dict.fromkeys((*stored.labels, label)))

        self._call("add_label", add)

    def has_board(self) -> bool:
        return self._board

    def add_to_board(self, number: int, status: str) -> None:
        def add() -> None:
            stored = self._stored(number)
            stored.column = stored.column or status

        self._call("add_to_board", add)

    # --- how a call goes -----------------------------------------------------------------------------------------

    def _call(self, name: str, work: Callable[[], T]) -> T:
        self._arrive()
        self.calls.append(name)
        fault = self.hook(name)
        if fault is Fault.LATE and name in WRITES:
            self._late.append((self.now + LATENESS, work))
        if fault is not None and fault is not Fault.DONE:
            raise fault.error
        done = work()
        self.hook(f"{name} done")
        if fault is not None:
            raise fault.error
        return done

    def _arrive(self) -> None:
        """What was under way, and what its sender never heard of."""
        arrived = [work for at, work in self._late if at <= self.now]
        self._late = [(at, work) for at, work in self._late if at > self.now]
        for work in arrived:
            try:
                work()
            except TrackerError:
                continue

    def _stored(self, number: int) -> Stored:
        if number not in self.issues:
            raise TrackerError(Cause.NOT_FOUND, f"#{number}")
        return self.issues[number]

    def _listed(self, holds: Callable[[Stored], bool]) -> tuple[Issue, ...]:
        return tuple(_issue_of(stored) for stored in reversed(list(self.issues.values())) if holds(stored))


def _issue_of(stored: Stored) -> Issue:
    """As a list shows it."""
    return Issue(
        number=stored.number,
        title=stored.title,
        is_open=stored.is_open,
        author=stored.author,
        created_at=stored.at,
        labels=tuple(stored.labels),
        tail=stored.body[-TAIL_LENGTH:],
        closed_at=stored.closed_at,
    )
