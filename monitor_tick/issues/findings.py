"""The findings of a tick: each alert that is to be filed, with what it owns and what the tick knew. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from monitor_loop.session import Session
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import LogEntry, LogReading
from monitor_tick.issues.finding import OF_NO_RUN, Finding
from monitor_tick.issues.ledger import Ledger
from monitor_tick.judging.evidence import start_kind
from monitor_tick.judging.log_patterns import classify
from monitor_tick.plan import Disposition, Plan
from monitor_tick.rules import Limits, Reading
from monitor_tick.view import View

LONGEST_DIAGNOSIS = 20_000
"""Characters; the outbox holds findings for as long as the tracker cannot be reached."""

LOG_LINES = 60
LOG_LINE_LENGTH = 2000


def findings_of(view: View, plan: Plan, archived: str, watch: Sequence[str] = ()) -> tuple[Finding, ...]:
    """`archived` is the name of the archived tick, empty where this tick is not in the archive."""
    titles = tuple(filing.alert.title for filing in plan.filings)
    return tuple(
        msgspec.structs.replace(finding_of(view, filing.alert, plan, titles, archived), watch=tuple(watch))
        for filing in plan.filings
        if filing.disposition is Disposition.FILE
    )


def finding_of(view: View, alert: Alert, plan: Plan, titles: Sequence[str], archived: str) -> Finding:
    owned = tuple(
        _bounded(filing.alert)
        for filing in plan.filings
        if filing.disposition is Disposition.OWNED and filing.owner == alert.key
    )
    explained = {alert.title, *(each.title for each in owned)}
    return Finding(
        alert=_bounded(alert),
        at=view.facts.at,
        session_id=view.session.id,
        mode=view.session.mode.value,
        build=view.facts.build,
        ledger=view.standing.ledger,
        uptime_seconds=_seconds(view.phase.uptime),
        interval_seconds=_seconds(view.phase.interval),
        phase=_phase(view),
        owned=owned,
        beside=tuple(title for title in titles if title not in explained),
        log=() if alert.key.startswith(OF_NO_RUN) else _log(view),
        archived=archived,
        data_root=str(view.session.data.path),
    )


def refused_finding(  # noqa: PLR0913, PLR0917  (there is no view to carry them)
    session: Session, ledger: Ledger, limits: Limits, now: datetime, refusal: str, env_age_seconds: float
) -> Finding | None:
    """A tick that must not touch the session saw an outage; None where that was told within `refusal_repeat_hours`.

    What was told before somebody last started the session, which is when its env file was written, was another outage.
    """
    key, scope = "offline:refused", "refused monitoring"
    filed = ledger.filed_for(key, scope)
    waits = any((entry.key, entry.scope) == (key, scope) for entry in ledger.outbox)
    if waits or (filed is not None and now - filed.at < _refusal_repeat(limits, env_age_seconds)):
        return None
    alert = Alert(
        key=key,
        scope=scope,
        title=f"OFFLINE: monitoring refused for session {session.id}",
        tier=Tier.ACTION,
        urgent=True,
        cause=refusal,
        evidence=(("refusal", refusal),),
    )
    root = str(session.data.path)
    return Finding(alert=alert, at=now, session_id=session.id, mode=session.mode.value, phase="down", data_root=root)


def _refusal_repeat(limits: Limits, env_age_seconds: float) -> timedelta:
    return min(timedelta(hours=limits.refusal_repeat_hours), timedelta(seconds=env_age_seconds))


def _bounded(alert: Alert) -> Alert:
    return msgspec.structs.replace(alert, diagnosis=alert.diagnosis[:LONGEST_DIAGNOSIS])


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def _phase(view: View) -> str:
    if view.facts.is_dead:
        return "down"
    return "settled" if view.phase.synced_only else start_kind(view.phase)


def _log(view: View) -> tuple[str, ...]:
    """The path of the catchup, the lines that are findings and the last ones of a run that ended, each once, as far as
    the log was read this tick."""
    if not isinstance(view.facts.log, LogReading):
        return ()
    trail = view.facts.log.catchup_trail
    found = (entry.example for entry in view.facts.log.entries if _is_finding(entry, view))
    lines = [line for example in found if not example.startswith(trail) for line in example.split("\n")]
    last = view.facts.log.last_lines
    before = (line[:LOG_LINE_LENGTH] for line in (*trail, *lines) if line not in last)
    return (*before, *last)[-LOG_LINES:]


def _is_finding(entry: LogEntry, view: View) -> bool:
    """What is known to be harmless would be read as evidence."""
    return classify(entry, view.rules.log_patterns).reading is Reading.FINDING
