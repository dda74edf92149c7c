"""The texts of an entry, with an investigation within the share of time that a tick has for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from monitor_tick.investigation.values import Investigation
from monitor_tick.issues.body import Relation, comment_body, issue_body, note_body, title_of
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.ledger import Entry
from monitor_tick.issues.tracker import Cause, TrackerError

Investigate = Callable[[Finding, float], Investigation]
"""What is known about a finding after so many seconds."""

T = TypeVar("T")


class Composer:
    """`seconds` is the share of all investigations together; half of what `left` says remains for the calls."""

    def __init__(
        self, investigate: Investigate, left: Callable[[], float], seconds: float, secrets: Sequence[str]
    ) -> None:
        self.secrets = tuple(secrets)
        self._investigate = investigate
        self._left = left
        self._seconds = seconds

    def issue(self, entry: Entry, finding: Finding, relations: Sequence[Relation]) -> tuple[str, str]:
        """The title and the body."""
        found = self._investigated(finding)
        body = _made(
            lambda: issue_body(
                finding,
                found,
                incident=entry.incident,
                relations=relations,
                times=entry.times,
                first_at=entry.first_at,
                secrets=self.secrets,
            )
        )
        return _made(lambda: title_of(finding, self.secrets)), body

    def comment(self, entry: Entry, finding: Finding) -> str:
        found = self._investigated(finding)
        return _made(
            lambda: comment_body(
                finding,
                found,
                incident=entry.incident,
                times=entry.times,
                first_at=entry.first_at,
                secrets=self.secrets,
            )
        )

    def note(self, entry: Entry) -> str:
        return _made(
            lambda: note_body(
                entry.text, key=entry.key, scope=entry.scope, incident=entry.incident, secrets=self.secrets
            )
        )

    def _investigated(self, finding: Finding) -> Investigation:
        seconds = min(self._seconds, self._left() / 2)
        if seconds <= 0:
            return Investigation(missing=("no time was left in this tick to look for the cause",))
        started = time.monotonic()
        found = self._investigate(finding, seconds)
        self._seconds -= time.monotonic() - started
        return found


def _made(make: Callable[[], T]) -> T:
    """A defect in the text of one finding keeps that one waiting, and no other."""
    try:
        return make()
    except Exception as fault:
        raise TrackerError(Cause.REFUSED, f"its text cannot be made: {type(fault).__name__}: {fault}") from fault
