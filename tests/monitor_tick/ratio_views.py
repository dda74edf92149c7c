"""Ticks of one node whose ratio counters and recovery counter a test sets, and what each tick leaves for the next."""

from __future__ import annotations

from datetime import datetime

from monitor_loop.session import Identity
from monitor_tick.checks import metrics_ratio, recovery_stalled
from monitor_tick.facts import Missing
from monitor_tick.judging.ratio_counters import REASONS
from monitor_tick.memory import Memory, next_memory
from monitor_tick.metrics import Scrape, Series
from monitor_tick.verdict import Verdict
from monitor_tick.view import View
from tests.monitor_tick.views import CADENCE, IDENTITY, NOW, a_process, a_view, healthy_memory

BEHIND: Series = ("henyey_recovery_stalled_tick_total", (("reason", "forcing_catchup_behind"),))


def outcome(reason: str) -> Series:
    return ("henyey_scp_post_verify_total", (("reason", reason),))


def a_ratio_scrape(
    *,
    accepted: float = 0,
    directly: float = 0,
    other: float = 0,
    failed: float = 0,
    succeeded: float = 0,
    too_old: float | None = 0,
    received: float | None = 0,
    behind: float | None = 0,
    age: float | None = 3,
    at: datetime = NOW,
    identity: Identity = IDENTITY,
) -> Scrape:
    """`other` are the envelopes of reason non_quorum; None leaves a series out."""
    samples: dict[Series, float | None] = {outcome(reason): 0.0 for reason in REASONS}
    samples |= {
        outcome("accepted"): accepted,
        outcome("processed_directly"): directly,
        outcome("non_quorum"): other,
        ("stellar_ledger_apply_failure_total", ()): failed,
        ("stellar_ledger_apply_success_total", ()): succeeded,
        ("stellar_herder_pending_too_old_total", ()): too_old,
        ("stellar_herder_pending_received_total", ()): received,
        ("stellar_ledger_age_current_seconds", ()): age,
        BEHIND: behind,
    }
    known = {series: float(value) for series, value in samples.items() if value is not None}
    return Scrape(identity=identity, at=at, types={}, samples=known)


class Ticks:
    """One tick after the other; `memory` is what the last one left."""

    def __init__(self) -> None:
        self.memory: Memory = healthy_memory()
        self.at = NOW

    def view(self, scrape: Scrape | Missing, **changes: object) -> View:
        self.at += CADENCE
        if isinstance(scrape, Scrape):
            changes.setdefault("process", a_process(identity=scrape.identity))
        return a_view(**({"memory": self.memory, "scrape": scrape, "at": self.at} | changes))

    def ratios(self, scrape: Scrape | Missing, **changes: object) -> Verdict:
        verdict = metrics_ratio.judge(self.view(scrape, **changes))
        assert verdict is not None
        return self._left(verdict)

    def recovery(self, behind: float | Missing | None, identity: Identity = IDENTITY, **changes: object) -> Verdict:
        scrape = behind if isinstance(behind, Missing) else a_ratio_scrape(behind=behind, identity=identity)
        verdict = recovery_stalled.judge(self.view(scrape, **changes))
        assert verdict is not None
        return self._left(verdict)

    def _left(self, verdict: Verdict) -> Verdict:
        self.memory = next_memory(self.memory, verdict.remember)
        return verdict
