"""How findings come into the outbox, and are merged with those that wait there. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from monitor_tick.alert import Alert, Tier
from monitor_tick.issues.bounds import EVENTS_KEPT, bounded, slimmed
from monitor_tick.issues.finding import OF_NO_RUN, Finding
from monitor_tick.issues.ledger import MANY, Entry, Intent, Ledger, State
from monitor_tick.issues.overflow import merged
from monitor_tick.issues.policy import always_new
from monitor_tick.issues.umbrella import alerts_of, is_urgent, told_by, umbrella_of, with_listed

UMBRELLA_FROM = 10
"""As shared/limits.toml says; for those who have no limits at hand."""

_match_no_key = re.compile(r"\s*|[^:]*:\s*").fullmatch


def queue(
    ledger: Ledger,
    findings: Sequence[Finding],
    now: datetime,
    new_incident: Callable[[], str],
    *,
    umbrella_from: int = UMBRELLA_FROM,
) -> Ledger:
    """`ledger` with an entry for each finding that no entry waits for yet; the others are merged into theirs.

    An occurrence that is known is not queued again. More than `umbrella_from` new entries are one,
    and so are the oldest where more wait than a file can hold.
    """
    fresh, merging = _sorted_out(ledger, [bounded(_keyed(finding)) for finding in findings])
    for incident, more in merging.items():
        waiting = next(entry for entry in ledger.outbox if entry.incident == incident)
        ledger = ledger.with_entry(_merged(waiting, more))
    for finding in [bounded(umbrella_of(fresh))] if len(fresh) > umbrella_from else fresh:
        if not _is_known(ledger, finding.alert):  # by one before it
            ledger = _added(ledger, finding, now, new_incident)
    return merged(slimmed(ledger), new_incident)


def with_act(ledger: Ledger, at: datetime, words: str) -> Ledger:
    """`ledger` in which what was queued about the node by the tick of `at` says what that tick did to it."""
    for entry in ledger.outbox:
        finding = entry.finding
        if finding is not None and finding.at == at and not entry.key.startswith(OF_NO_RUN):
            acted = msgspec.structs.replace(finding, acted=words)
            ledger = ledger.with_entry(msgspec.structs.replace(entry, finding=bounded(acted)))
    return ledger


def _sorted_out(ledger: Ledger, findings: Sequence[Finding]) -> tuple[list[Finding], dict[str, list[Finding]]]:
    """Those that need an entry, and those that have one, by its incident."""
    fresh: list[Finding] = []
    merging: dict[str, list[Finding]] = {}
    for finding in findings:
        if _is_known(ledger, finding.alert):
            continue
        if (waiting := _entry_for(ledger, finding)) is not None:
            merging.setdefault(waiting.incident, []).append(finding)
        else:
            fresh.append(finding)
    return fresh, merging


def _is_known(ledger: Ledger, alert: Alert) -> bool:
    return bool(alert.event) and ledger.knows(alert.key, alert.scope, alert.event)


def _entry_for(ledger: Ledger, finding: Finding) -> Entry | None:
    """Rather one of its own that is still to be sent."""
    taking = (entry for entry in ledger.outbox if _takes(entry, finding))
    return min(taking, key=lambda entry: (entry.state is State.SENT, entry.key != finding.alert.key), default=None)


def _takes(entry: Entry, finding: Finding) -> bool:
    """Whether what `entry` writes can still tell of `finding`.

    What was sent may be in the tracker as it was: there, only the repetition of a condition that explains nothing new
    adds nothing. An event needs words of its own, and where each is an issue, an entry of its own.
    """
    alert = finding.alert
    if entry.intent is not Intent.FILE or not entry.tells_of(alert.key, alert.scope):
        return False
    if alert.event:
        return entry.state is State.PENDING and entry.key == alert.key and not always_new(alert.key)
    if entry.state is State.PENDING:
        return True
    return (entry.urgent or not is_urgent(alert)) and _identities(finding) <= _identities(entry.finding)


def _identities(finding: Finding | None) -> set[tuple[str, str, str]]:
    return {(alert.key, alert.scope, alert.event) for alert in finding.owned} if finding else set()


def _added(ledger: Ledger, finding: Finding, now: datetime, new_incident: Callable[[], str]) -> Ledger:
    if (waiting := _entry_for(ledger, finding)) is not None:
        return ledger.with_entry(_merged(waiting, [finding]))
    alert = finding.alert
    entry = Entry(
        incident=new_incident(),
        intent=Intent.FILE,
        key=alert.key,
        scope=alert.scope,
        title=alert.title,
        urgent=_is_grave(finding),
        finding=finding,
        first_at=now,
    )
    return ledger.with_entry(entry)


def _merged(entry: Entry, findings: Sequence[Finding]) -> Entry:
    """The newest evidence under the oldest date, with what any of them explained.

    Those that an umbrella lists are one more time of it, together.
    """
    before, newest = entry.finding, findings[-1]
    if before is None:
        return entry
    seen = [before.alert.event, *(finding.alert.event for finding in findings[:-1])]
    events = [event for event in (*entry.events, *seen) if event and event != newest.alert.event]
    times = len(findings)
    if entry.key == MANY:
        listed = [alert for finding in findings for alert in told_by(finding)]
        newest, times = bounded(with_listed(before, listed)), 1
    else:
        newest = bounded(msgspec.structs.replace(newest, owned=_explained(before, *findings)))
    return msgspec.structs.replace(
        entry,
        title=newest.alert.title,
        urgent=entry.urgent or any(_is_grave(finding) for finding in findings),
        finding=newest,
        times=entry.times + times,
        events=tuple(dict.fromkeys(events))[-EVENTS_KEPT:],
    )


def _explained(*findings: Finding) -> tuple[Alert, ...]:
    """The newest of each first, and the others while there is room for them."""
    alerts = (alert for finding in reversed(findings) for alert in finding.owned)
    newest: dict[tuple[str, str, str], Alert] = {}
    for alert in alerts:
        newest.setdefault((alert.key, alert.scope, alert.event), alert)
    return tuple(newest.values())


def _is_grave(finding: Finding) -> bool:
    return any(is_urgent(alert) for alert in alerts_of(finding))


def _keyed(finding: Finding) -> Finding:
    """What has no key belongs to no issue and is not filed; that there is such a finding is a fault of ours, and is."""
    alert = finding.alert
    if not _match_no_key(alert.key):
        return finding
    fault = Alert(
        key="self:no-key",
        scope="",
        title="monitor-tick: a finding without a key was refused",
        tier=Tier.WARN,
        cause=f"{alert.title!r} has the key {alert.key!r}",
        evidence=(("title", alert.title), ("key", repr(alert.key)), ("scope", repr(alert.scope))),
    )
    return msgspec.structs.replace(finding, alert=fault, owned=(alert,))
