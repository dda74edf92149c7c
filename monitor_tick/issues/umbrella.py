"""Many alarms in one tick have one cause: they are one finding that lists them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from monitor_tick.alert import Alert, Tier
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.ledger import MANY
from monitor_tick.issues.policy import URGENT, labels_of

_TITLES_SHOWN = 3


def is_urgent(alert: Alert) -> bool:
    return URGENT in labels_of(alert)


def gravity(alert: Alert) -> tuple[bool, int]:
    """Sorts the worst first."""
    return (not is_urgent(alert), -list(Tier).index(alert.tier))


def alerts_of(finding: Finding) -> tuple[Alert, ...]:
    """What the finding is filed for: of an umbrella, all that it lists."""
    return finding.owned if finding.alert.key == MANY else (finding.alert,)


def told_by(finding: Finding) -> tuple[Alert, ...]:
    """What the finding is filed for, and what it explains."""
    return finding.owned if finding.alert.key == MANY else (finding.alert, *finding.owned)


def umbrella_of(findings: Sequence[Finding]) -> Finding:
    """One finding for all of these, of one tick, and for what they explain."""
    first = msgspec.structs.replace(findings[0], owned=(), beside=())
    keys = sorted({finding.alert.key for finding in findings})
    scope = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:8]
    return _listing(first, scope, [alert for finding in findings for alert in told_by(finding)])


def with_listed(umbrella: Finding, alerts: Iterable[Alert]) -> Finding:
    """`umbrella` with the newest of each condition, and with every occurrence of what is an event of its own."""
    listed = {(alert.key, alert.scope, alert.event): alert for alert in (*umbrella.owned, *alerts)}
    return _listing(umbrella, umbrella.alert.scope, list(listed.values()))


def _listing(finding: Finding, scope: str, alerts: Sequence[Alert]) -> Finding:
    worst_first = sorted(alerts, key=gravity)
    alert = Alert(
        key=MANY,
        scope=scope,
        title=f"{len(alerts)} alarms at once: " + "; ".join(alert.title for alert in worst_first[:_TITLES_SHOWN]),
        tier=worst_first[0].tier,
        urgent=is_urgent(worst_first[0]),
        cause="more alarms at once than are filed one by one",
        evidence=(("alarms", str(len(alerts))),),
    )
    return msgspec.structs.replace(finding, alert=alert, owned=tuple(worst_first))
