"""Ticks that file to the fake GitHub through the real gh, with a ledger that is carried from one to the next."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from monitor_tick.alert import Alert
from monitor_tick.budget import Budget
from monitor_tick.investigation.values import Investigation, Site
from monitor_tick.issues import outbox
from monitor_tick.issues.board import Board
from monitor_tick.issues.body import hidden_line
from monitor_tick.issues.drain import drain
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.github import GitHub
from monitor_tick.issues.ledger import NOTHING_FILED, Ledger
from monitor_tick.issues.told import Drained, Word
from tests.fake_github.fixture import gh
from tests.fake_github.model import LOGIN, OWNER, Issue
from tests.fake_github.server import FakeGitHub
from tests.monitor_tick.views import LIMITS

SHA = "ab12cd34" * 5
INVESTIGATION = Investigation(commit=SHA, sites=(Site("crates/scp/src/lib.rs", 7, "updated", "tally", "inc();"),))
OPERATOR = "operator-one"
KEY = "metric:henyey_peers"

CREATE = "mutation IssueCreate createIssue"
COMMENT = "mutation CommentCreate addComment"
LABEL = "mutation LabelAdd addLabelsToLabelable"
ADD_ITEM = "mutation AddItem addProjectV2ItemById"
MOVE_ITEM = "mutation UpdateItemValues updateProjectV2ItemFieldValue"


class Ticks:
    """`asked` are the calls that the last tick made, `wrote` those of them that write. The board is the project, where
    there is one. `limits` are the tick's; `contains` says whether the running build has a fix.
    """

    def __init__(self, github: FakeGitHub, checkout: Path) -> None:
        self.github = github
        self.ledger: Ledger = NOTHING_FILED
        self.save: Callable[[Ledger], None] = lambda _ledger: None
        self.limits = LIMITS
        self.contains: bool | None = None
        self.asked: list[str] = []
        self.wrote: list[str] = []
        self._checkout = checkout
        self._names = (f"{number:012x}" for number in itertools.count(1))

    @property
    def issues(self) -> list[Issue]:
        return list(self.github.hub.repository.issues.values())

    def found(self, key: str = KEY, scope: str = "row", **of_alert: Any) -> Finding:
        """As a tick raises it now."""
        given: dict[str, Any] = {"title": f"{key.partition(':')[2]} is bad", "evidence": (("value", "5"),), **of_alert}
        alert = Alert(key=key, scope=scope, **given)
        at = self.github.hub.now
        return Finding(alert=alert, at=at, session_id="5eed0001", mode="validator", build=SHA, ledger=61)

    def filed(self, key: str = KEY, scope: str = "row", title: str = "filed before") -> Issue:
        """An issue that an earlier tick filed, of which no ledger knows."""
        body = f"text\n\n{hidden_line(key, scope, '0123456789ab')}"
        return self.github.hub.open_issue(title, body, author=LOGIN)

    def queue(self, *findings: Finding) -> None:
        self.ledger = outbox.queue(self.ledger, findings, self.github.hub.now, lambda: next(self._names))

    def tick(self, *findings: Finding, seconds: float = 600.0) -> Drained:
        """Twenty minutes later: these findings are queued, and what waits is sent, for at most `seconds`."""
        hub = self.github.hub
        hub.now += timedelta(minutes=20)
        self.queue(*findings)
        before = len(self.github.calls)
        project = f"{OWNER}/{hub.projects[0].number}" if hub.projects else ""
        drained = drain(
            self.ledger,
            GitHub(gh(), Board(gh(), project, "", self._checkout)),
            investigate=lambda _finding, _seconds: INVESTIGATION,
            save=self.save,
            now=hub.now,
            budget=Budget(time.monotonic() + seconds),
            limits=self.limits,
            operator=OPERATOR,
            contains=lambda _build, _commit: self.contains,
        )
        self.ledger = drained.ledger
        self.asked = [call.name for call in self.github.calls[before:]]
        self.wrote = [call.name for call in self.github.calls[before:] if call.is_write]
        return drained


def words(drained: Drained) -> list[tuple[Word, int]]:
    """What became of each finding, and where."""
    return [(told.word, told.number) for told in drained.told]
