"""Whether an alert was filed a short while ago, and is only shown now. Pure.

The map is written by what files; this reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from monitor_tick.alert import Alert, short_name
from monitor_tick.issues.ledger import Filed, Mention
from monitor_tick.memory import Memory, UrgentState
from monitor_tick.rules import Limits


class Cooling(msgspec.Struct, frozen=True, kw_only=True):
    """When each key was last filed, how long that silences it, and which keys have escalated since."""

    now: datetime
    seconds: int
    filed: tuple[tuple[str, int], ...] = ()
    escalated: tuple[str, ...] = ()

    def left(self, alert: Alert) -> timedelta | None:
        """How long this alert is still suppressed; None where it is to be filed.

        Cooldown is for conditions: an alert with an event of its own (wedge, wipe, restart, rollback) is filed once
        for each event. A time in the future was stored by a clock that has gone back since, and suppresses nothing.
        """
        key = key_of(alert)
        if alert.event or (alert.urgent and key not in self.escalated):
            return None
        return self._left(key)

    def urgent_after(self, alerts: Sequence[Alert]) -> UrgentState:
        """The keys whose escalation is used up: urgent now, or urgent before while their cooldown lasts."""
        kept = (key for key in self.escalated if self._left(key) is not None)
        now = (key_of(alert) for alert in alerts if alert.urgent)
        return UrgentState(tuple(dict.fromkeys((*kept, *now))))

    def _left(self, key: str) -> timedelta | None:
        last = dict(self.filed).get(key)
        if last is None:
            return None
        since = self.now.timestamp() - last
        return timedelta(seconds=self.seconds - since) if 0 <= since < self.seconds else None


def cooling_of(memory: Memory, limits: Limits, now: datetime) -> Cooling:
    """The file can be lost with its session, or with a tick that died before it wrote it; the ledger knows as well."""
    filed = dict(memory.cooldowns.filed)
    escalated = list(memory.state.urgent.keys) if memory.state.urgent else []
    told: list[Filed | Mention] = [*memory.issues.filed, *(each for each in memory.issues.mentions if not each.event)]
    for each in told:
        key = each.cooldown_key or each.key
        filed[key] = max(filed.get(key, 0), int(each.at.timestamp()))
        if each.urgent:  # also by an early tick, which remembers no escalation
            escalated.append(key)
    waiting = (alert for entry in memory.issues.outbox for alert in entry.alerts)
    escalated += [key_of(alert) for alert in waiting if alert.urgent]
    return Cooling(
        now=now,
        seconds=limits.cooldown_seconds,
        filed=tuple(filed.items()),
        escalated=tuple(dict.fromkeys(escalated)),
    )


def key_of(alert: Alert) -> str:
    return short_name(alert.cooldown_key or alert.key)
