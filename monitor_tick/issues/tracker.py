"""What filing asks of a tracker, GitHub or a directory, and how a call can fail. Values and one protocol."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from monitor_loop.errors import MonitorError

TAIL_LENGTH = 2000
"""Characters of a body's end that a tracker shows. The hidden line fits, whose key and scope quote the node's log."""


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue as a list shows it. `tail` is the end of its body, where the hidden line is; `author` is a login.

    `closed_by` is the commit that closed it, empty where none is known; `on_board` is None where that is not known.
    """

    number: int
    title: str
    is_open: bool
    author: str
    created_at: datetime
    labels: tuple[str, ...] = ()
    tail: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""
    on_board: bool | None = None


class Comment(msgspec.Struct, frozen=True):
    """The end of a comment's body, and who wrote it."""

    author: str
    tail: str


class Cause(str, enum.Enum):
    """Why a call failed, told apart from what gh printed.

    After UNCERTAIN (time-out, killed, 502, dropped connection) the write may have happened. The others are sure that
    it did not. LIMITED and NO_NETWORK and UNCERTAIN end filing for this tick.
    """

    NOT_LOGGED_IN = "not logged in"
    LIMITED = "rate limited"
    NO_NETWORK = "no network"
    UNCERTAIN = "no certain answer"
    NO_SUCH_LABEL = "the repository has no such label"
    NOT_FOUND = "not found"
    REFUSED = "refused"
    NO_GH = "gh is not installed"


class TrackerError(MonitorError):
    """A call that failed: the cause, and one line of what was said, free of secrets."""

    def __init__(self, cause: Cause, said: str) -> None:
        super().__init__(f"{cause.value}: {said}" if said else cause.value)
        self.cause = cause


class Tracker(Protocol):
    """Every method may raise TrackerError. A body is whole and final: what is passed is stored, byte for byte."""

    def login(self) -> str:
        """The account that writes."""

    def open_issues(self) -> tuple[Issue, ...]:
        """Every open issue, from a list that does not lag (the search index does)."""

    def created_since(self, at: datetime) -> tuple[Issue, ...]:
        """Issues of any state created at or after `at`, from a list that does not lag."""

    def issue(self, number: int) -> Issue:
        """One issue with `closed_by` and `on_board`."""

    def search(self, words: Sequence[str], *, is_open: bool) -> tuple[Issue, ...]:
        """Open, or closed, issues that the search index knows for these words; it lags by minutes."""

    def comments_since(self, number: int, at: datetime) -> tuple[Comment, ...]: ...

    def create(self, title: str, body: str, labels: Sequence[str]) -> int:
        """The number of the new issue. NO_SUCH_LABEL: nothing was created."""

    def comment(self, number: int, body: str) -> None: ...

    def add_label(self, number: int, label: str) -> None: ...

    def has_board(self) -> bool:
        """Whether there is one to put issues on; without one, `add_to_board` does nothing."""

    def add_to_board(self, number: int, status: str) -> None:
        """Put an issue that is not on the board into the column `status`; one that is on it stays where it is."""
