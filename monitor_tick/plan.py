"""What this tick is to do: at most one node action, the effects, and an issue for each alert with the reason."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from monitor_tick.actions import Act, Effect, NodeAction, PruneLogs, RecreateDirectories, Rerun, StopBuild
from monitor_tick.alert import Alert, with_short_names
from monitor_tick.issues.ledger import NOTHING_FILED, Ledger
from monitor_tick.issues.ownership import owners_of
from monitor_tick.judging.cooldown import Cooling
from monitor_tick.verdict import Verdict

PRECEDENCE = tuple(Act)
"""First match wins: the session comes back before its data, and a dead node before a sick one."""

EARLY_ACTS = (Act.RELAUNCH, Act.REBUILD)
"""What brings a dead node back as it was."""

EARLY_EFFECTS = (RecreateDirectories, PruneLogs, Rerun, StopBuild)
"""Effects that count no tick; the others wait for the next full one."""


class Disposition(str, enum.Enum):
    """Why an alert is, or is not, brought to the tracker this tick."""

    FILE = "file"
    SUPPRESSED = "suppressed"
    OWNED = "in the issue of"
    KNOWN = "known already"


class Filing(msgspec.Struct, frozen=True):
    """`left` is how long cooldown still suppresses it; `owner` is the key of the alert in whose issue it is shown.

    KNOWN is an occurrence (Alert.event) that was told, or waits to be.
    """

    alert: Alert
    disposition: Disposition
    left: timedelta | None = None
    owner: str = ""


class Plan(msgspec.Struct, frozen=True):
    """`considered` are the node actions that were thought of, each with its preconditions; `node` is the one to do."""

    node: NodeAction | None
    effects: tuple[Effect, ...]
    filings: tuple[Filing, ...]
    considered: tuple[NodeAction, ...] = ()


def plan_of(
    verdicts: Sequence[Verdict], *, early: bool, cooling: Cooling | None = None, ledger: Ledger = NOTHING_FILED
) -> Plan:
    """The plan for these verdicts. An early tick may only relaunch, and starts nothing that counts ticks.

    Without `cooling` and `ledger` nothing was ever filed.
    """
    wanted = [verdict.wants for verdict in verdicts if verdict.wants is not None and verdict.wants.is_allowed]
    if early:
        wanted = [action for action in wanted if action.act in EARLY_ACTS]
    if any(action.act is Act.DEPLOY for action in wanted):  # a node that is down comes back with the new build
        wanted = [action for action in wanted if action.act is not Act.RELAUNCH]
    effects = tuple(effect for verdict in verdicts for effect in verdict.effects)
    if early:
        effects = tuple(effect for effect in effects if isinstance(effect, EARLY_EFFECTS))
    node = min(wanted, key=lambda action: PRECEDENCE.index(action.act), default=None)
    alerts = tuple(alert for verdict in verdicts for alert in _alerts_of(verdict, node))
    return Plan(
        node=node,
        effects=effects,
        filings=_filings(alerts, cooling, ledger),
        considered=tuple(dict.fromkeys(action for verdict in verdicts for action in _considered(verdict))),
    )


def put_off(verdicts: Sequence[Verdict], *, early: bool) -> tuple[Verdict, ...]:
    """The verdicts, with a word where an early tick leaves the act that one of them wants to the next full one."""
    return tuple(_put_off(verdict) if early and _waits(verdict) else verdict for verdict in verdicts)


def _waits(verdict: Verdict) -> bool:
    return verdict.wants is not None and verdict.wants.is_allowed and verdict.wants.act not in EARLY_ACTS


def _put_off(verdict: Verdict) -> Verdict:
    act = verdict.wants.act.value if verdict.wants is not None else ""
    return msgspec.structs.replace(verdict, lines=(*verdict.lines, f"{act} waits for the next full tick"))


def _considered(verdict: Verdict) -> tuple[NodeAction, ...]:
    return verdict.considered or ((verdict.wants,) if verdict.wants is not None else ())


def _alerts_of(verdict: Verdict, node: NodeAction | None) -> tuple[Alert, ...]:
    """An issue about an act is not filed by a tick that does another one, or none."""
    does = node is not None and verdict.wants == node
    return tuple(alert for alert in verdict.alerts if does or not alert.of_act)


def _filings(alerts: Sequence[Alert], cooling: Cooling | None, ledger: Ledger) -> tuple[Filing, ...]:
    """One filing for each finding, the first alert's, and each with the one that explains it."""
    first: dict[tuple[str, str], Alert] = {}
    for alert in map(with_short_names, alerts):
        first.setdefault(_finding_of(alert), alert)
    alone = {alert: _alone(alert, cooling, ledger) for alert in first.values()}
    owners = {alert: _owner(alert, alone, ledger) for alert in alone}
    news = {owner for alert, owner in owners.items() if alone[alert].disposition is Disposition.FILE}
    return tuple(_filing(filing, owners[alert], has_news=alert in news) for alert, filing in alone.items())


def _finding_of(alert: Alert) -> tuple[str, str]:
    """The end of a run is one finding, whatever each check calls it; of all others the scope is part."""
    return (alert.key, "" if alert.key.startswith("process:") else alert.scope)


def _alone(alert: Alert, cooling: Cooling | None, ledger: Ledger) -> Filing:
    """What becomes of it where nothing explains it."""
    if alert.event and ledger.knows(alert.key, alert.scope, alert.event):
        return Filing(alert, Disposition.KNOWN)
    left = cooling.left(alert) if cooling else None
    return Filing(alert, Disposition.FILE if left is None else Disposition.SUPPRESSED, left)


def _owner(alert: Alert, alone: Mapping[Alert, Filing], ledger: Ledger) -> Alert | None:
    """The highest owner whose issue tells of `alert`, or is to: an event that was told is not written about again."""
    above: list[Alert] = []
    for owner in owners_of(alert, tuple(alone)):
        is_written = not _is_known(alone[owner]) and not any(ledger.told_with(each, owner) for each in above)
        if ledger.told_with(owner, alert) or (is_written and not _is_known(alone[alert])):
            return owner
        above.append(owner)
    return None


def _is_known(filing: Filing) -> bool:
    return filing.disposition is Disposition.KNOWN


def _filing(alone: Filing, owner: Alert | None, *, has_news: bool) -> Filing:
    """An owner that explains something new is filed, cooldown or not: where else would that be told?"""
    if owner is not None:
        return Filing(alone.alert, Disposition.OWNED, owner=owner.key)
    if has_news and alone.disposition is Disposition.SUPPRESSED:
        return Filing(alone.alert, Disposition.FILE)
    return alone
