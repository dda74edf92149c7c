"""The restart budget: a dead node is relaunched at once a few times, then after a while, then not at all. Pure."""

from __future__ import annotations

import enum

import msgspec

from monitor_loop.acts import Precondition
from monitor_loop.session import Restarts
from monitor_tick.rules import Limits

BUDGET = "restart budget"


class Standing(enum.Enum):
    GO = "go"
    WAIT = "wait"
    SPENT = "spent"


class Allowance(msgspec.Struct, frozen=True):
    """Whether the next relaunch is due; `words` say which one it is, or what it waits for."""

    standing: Standing
    words: str

    @property
    def precondition(self) -> Precondition:
        return Precondition(BUDGET, "a relaunch is due", self.words, self.standing is Standing.GO)


def allowance_of(restarts: Restarts, limits: Limits) -> Allowance:
    """`restarts` as the ticks before left it: this tick is not yet among those waited."""
    number = restarts.count + 1
    beyond = restarts.count - limits.restarts_before_backoff
    if beyond < 0:
        return Allowance(Standing.GO, f"relaunch {number} of {limits.restarts_before_backoff} without real-time sync")
    if beyond >= len(limits.backoff_ticks):
        return Allowance(Standing.SPENT, f"{restarts.count} relaunches without real-time sync")
    wanted = limits.backoff_ticks[beyond]
    if restarts.waited >= wanted:
        return Allowance(Standing.GO, f"relaunch {number}, after waiting {restarts.waited} ticks")
    return Allowance(Standing.WAIT, f"relaunch {number} waits: tick {restarts.waited + 1} of {wanted}")


def spent_after(limits: Limits) -> int:
    """Relaunches after which the node stays down."""
    return limits.restarts_before_backoff + len(limits.backoff_ticks)
