"""What this tick is to do: at most one node action, the effects, and an issue for each alert with the reason."""

from __future__ import annotations

import enum
from collections.abc import Sequence, Set
from datetime import timedelta

import msgspec

from monitor_tick.actions import Act, Effect, NodeAction, PruneLogs, RecreateDirectories
from monitor_tick.alert import Alert
from monitor_tick.judging.cooldown import Cooling
from monitor_tick.verdict import Verdict

PRECEDENCE = (Act.REBUILD, Act.WIPE, Act.RELAUNCH, Act.RESTART)
"""First match wins: the session comes back before its data, and a dead node before a sick one."""

EARLY_EFFECTS = (RecreateDirectories, PruneLogs)
"""Effects that count no tick; the others wait for the next full one."""


class Disposition(str, enum.Enum):
    """Why an alert is, or is not, brought to GitHub this tick."""

    FILE = "would file"
    SUPPRESSED = "suppressed"
    OWNED = "in the issue of"


class Filing(msgspec.Struct, frozen=True):
    """`left` is how long cooldown still suppresses it; an owned alert is evidence in the issue of its owner."""

    alert: Alert
    disposition: Disposition
    left: timedelta | None = None


class Plan(msgspec.Struct, frozen=True):
    node: NodeAction | None
    effects: tuple[Effect, ...]
    filings: tuple[Filing, ...]


def plan_of(verdicts: Sequence[Verdict], *, early: bool, cooling: Cooling | None = None) -> Plan:
    """The plan for these verdicts. An early tick may only relaunch, and starts nothing that counts ticks.

    Without `cooling` nothing was ever filed.
    """
    wanted = [verdict.wants for verdict in verdicts if verdict.wants is not None]
    if early:
        wanted = [action for action in wanted if action.act is Act.RELAUNCH]
    effects = tuple(effect for verdict in verdicts for effect in verdict.effects)
    if early:
        effects = tuple(effect for effect in effects if isinstance(effect, EARLY_EFFECTS))
    return Plan(
        node=min(wanted, key=lambda action: PRECEDENCE.index(action.act), default=None),
        effects=effects,
        filings=_filings(verdicts, cooling),
    )


def _filings(verdicts: Sequence[Verdict], cooling: Cooling | None) -> tuple[Filing, ...]:
    """One filing for each key and scope: several alerts of the same finding are one issue, the first one's."""
    first: dict[tuple[str, str], Alert] = {}
    for verdict in verdicts:
        for alert in verdict.alerts:
            first.setdefault((alert.key, alert.scope), alert)
    keys = {alert.key for alert in first.values()}
    return tuple(_filing(alert, keys, cooling) for alert in first.values())


def _filing(alert: Alert, keys: Set[str], cooling: Cooling | None) -> Filing:
    if alert.owner in keys - {alert.key}:
        return Filing(alert, Disposition.OWNED)
    left = cooling.left(alert) if cooling else None
    return Filing(alert, Disposition.FILE if left is None else Disposition.SUPPRESSED, left)
