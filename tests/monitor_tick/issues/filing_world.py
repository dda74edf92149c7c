"""Ticks that queue and file against the model of GitHub, with the ledger on a disk that a death does not undo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from monitor_tick.alert import Alert, Tier
from monitor_tick.budget import Budget
from monitor_tick.investigation.values import Investigation
from monitor_tick.issues import ledgerfile
from monitor_tick.issues.drain import drain
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.hiddenline import Hidden, parse_hidden
from monitor_tick.issues.ledger import NOTHING_FILED, Ledger
from monitor_tick.issues.outbox import queue
from monitor_tick.issues.told import Drained
from monitor_tick.rules import Limits
from tests.monitor_tick.issues.model_github import LOGIN, Fault, Hook, ModelGitHub
from tests.monitor_tick.views import CADENCE, LIMITS, NOW


class Died(BaseException):
    """The end of the tick's process."""


BUILD = "5f1a7a9b" + 32 * "0"
FOREVER = Budget(float("inf"))


def a_finding(
    key: str,
    scope: str = "kind",
    title: str = "",
    *,
    event: str = "",
    urgent: bool = False,
    tier: Tier = Tier.WARN,
    token: str = "",
    at: datetime = NOW,
    **alert: Any,
) -> Finding:
    """`token` is evidence that no other finding has: where it stands, this very finding was told."""
    evidence = (("token", token),) if token else ()
    raised = Alert(
        key=key,
        scope=scope,
        title=title or f"An alarm about {key}",
        tier=tier,
        urgent=urgent,
        event=event,
        evidence=evidence,
    )
    raised = msgspec.structs.replace(raised, **alert)
    return Finding(alert=raised, at=at, session_id="1a2b3c4d", mode="validator", build=BUILD)


def no_investigation(_finding: Finding, _seconds: float) -> Investigation:
    return Investigation()


class World:
    """The disk, GitHub and the clock. `hook` sees every call to GitHub and every save, before and after it."""

    def __init__(self, hook: Hook = lambda _name: None, *, limits: Limits = LIMITS, board: bool = True) -> None:
        self.hook = hook
        self.github = ModelGitHub(NOW, self._step, board=board)
        self.limits = limits
        self.saves = 0
        self._disk: bytes = ledgerfile.render(NOTHING_FILED)
        self._incidents = 0

    def _step(self, name: str) -> Fault | None:
        return self.hook(name)

    @property
    def ledger(self) -> Ledger:
        return ledgerfile.parse(self._disk)

    @property
    def now(self) -> datetime:
        return self.github.now

    def wait(self, span: timedelta = CADENCE) -> None:
        self.github.now += span

    def save(self, ledger: Ledger) -> None:
        self.hook("save")
        self._disk = ledgerfile.render(ledger)
        self.saves += 1
        self.hook("save done")

    def queue(self, findings: Sequence[Finding]) -> None:
        """As the tick commits what it judged."""
        self.save(queue(self.ledger, findings, self.now, self.new_incident, umbrella_from=self.limits.umbrella_from))

    def new_incident(self) -> str:
        self._incidents += 1
        return f"{self._incidents:012x}"

    def drain(self, budget: Budget = FOREVER, **changes: Any) -> Drained:
        arguments: dict[str, Any] = {
            "investigate": no_investigation,
            "save": self.save,
            "now": self.now,
            "budget": budget,
            "limits": self.limits,
        }
        return drain(self.ledger, self.github, **(arguments | changes))

    def tick(self, *findings: Finding) -> Drained:
        if findings:
            self.queue(findings)
        return self.drain()

    # --- what came of it -----------------------------------------------------------------------------------------

    def hidden(self) -> list[Hidden]:
        """The hidden lines of all that was written."""
        found = [parse_hidden(text) for text in self.github.texts]
        assert None not in found
        return [hidden for hidden in found if hidden is not None]

    def issues_of(self, key: str, scope: str = "kind") -> list[int]:
        """The issues that were created for it."""
        return [
            issue.number
            for issue in self.github.issues.values()
            if issue.author == LOGIN
            and (hidden := parse_hidden(issue.body)) is not None
            and (hidden.key, hidden.scope) == (key, scope)
        ]
