"""The tracker within one tick: no call without time for it, no write that the ledger does not know of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from monitor_tick.budget import Budget
from monitor_tick.issues.bounds import UNCONFIRMED_KEPT
from monitor_tick.issues.ledger import Entry, Intent, Ledger, State
from monitor_tick.issues.progress import failed, sent, unsent
from monitor_tick.issues.tracker import Cause, Tracker, TrackerError
from monitor_tick.rules import Limits

T = TypeVar("T")

ENDING = (Cause.NOT_LOGGED_IN, Cause.LIMITED, Cause.NO_NETWORK, Cause.UNCERTAIN, Cause.NO_GH)
"""The next call would fail the same way, or make it worse."""


class Stopped(Exception):
    """Nothing more is filed in this tick; the text says why. `cause` is None where the tick's own share is used up."""

    def __init__(self, why: str, cause: Cause | None = None) -> None:
        super().__init__(why)
        self.cause = cause


class Door:
    """`ledger` is what is known at this moment. It is saved before every write, with all that came before."""

    def __init__(  # noqa: PLR0913  (all that a call depends on)
        self,
        ledger: Ledger,
        tracker: Tracker,
        save: Callable[[Ledger], None],
        *,
        now: datetime,
        budget: Budget,
        limits: Limits,
    ) -> None:
        self.ledger = ledger
        self.tracker = tracker
        self.now = now
        self.limits = limits
        self._budget = budget
        self._save = save
        self._saved = ledger
        self._writes = 0

    def ask(self, call: Callable[[], T]) -> T:
        """Stopped where the next call would fail as well; any other TrackerError is about this question alone."""
        self._check_time()
        try:
            return call()
        except TrackerError as error:
            if error.cause in ENDING:
                raise Stopped(str(error), error.cause) from error
            raise

    def write(self, entry: Entry, call: Callable[[], T]) -> T:
        """`entry` is in the ledger as sent when this returns, and where nobody knows whether it was written.

        After any other failure it waits again. Stopped and TrackerError as with `ask`.
        """
        self._check_time()
        if self._writes >= self.limits.writes_per_tick:
            raise Stopped(f"{self._writes} writes in this tick")
        self._check_unconfirmed(entry)
        entry = sent(entry, self.now)
        self.ledger = self.ledger.with_entry(entry)
        self.save()
        self._writes += 1
        try:
            return call()
        except TrackerError as error:
            if error.cause in ENDING:
                if error.cause is not Cause.UNCERTAIN:
                    self.fail(entry, str(error))
                raise Stopped(str(error), error.cause) from error
            self.ledger = self.ledger.with_entry(unsent(entry))
            raise

    def fail(self, entry: Entry, why: str) -> None:
        self.ledger = self.ledger.with_entry(failed(entry, why))

    def save(self) -> None:
        if self.ledger != self._saved:
            self._save(self.ledger)
            self._saved = self.ledger

    def _check_unconfirmed(self, entry: Entry) -> None:
        others = (each for each in self.ledger.outbox if each.incident != entry.incident)
        sent_ones = sum(each.state is State.SENT and each.intent is Intent.FILE for each in others)
        if entry.intent is Intent.FILE and sent_ones >= UNCONFIRMED_KEPT:
            raise Stopped(f"{sent_ones} writes are not confirmed")

    def _check_time(self) -> None:
        if self._budget.left() <= 0:
            raise Stopped("no time is left in this tick")
