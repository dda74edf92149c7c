"""Reads what past ticks left of a finding: the archive for its values, tick history for what fired on which build."""

from __future__ import annotations

import time
from collections import deque
from datetime import timedelta

from monitor_loop.session import Session
from monitor_tick.investigation.moments import MOST_TICKS, Moment, Past, Tick, moment_of, past_of
from monitor_tick.issues.finding import Finding
from monitor_tick.recorded import archive
from monitor_tick.recorded.record import Unreadable
from monitor_tick.state import history
from monitor_tick.state.skipped import SKIPPED

SLACK = 2.0
"""How far back, in cadences a tick: some ticks are late or missed."""


def past_ticks(finding: Finding, session: Session, ends: float) -> Past:
    """`ends` is a reading of time.monotonic(). What cannot be read is said and the rest is used."""
    missing: list[str] = []
    moments = _moments(finding, session, ends, missing)
    ticks: list[Tick] = []
    try:
        ticks = [
            Tick(
                at=line.ts,
                build=line.build,
                keys=frozenset(alert.key for alert in line.alerts),
                watch=line.watch,
            )
            for line in history.tail(session).lines
            if line.ts <= finding.at and line.status != SKIPPED
        ]
    except OSError as error:
        missing.append(f"tick history could not be read ({type(error).__name__})")
    if not moments and not ticks:
        missing.append("no past tick is recorded")
    return past_of(finding, moments, ticks, missing)


def _moments(finding: Finding, session: Session, ends: float, missing: list[str]) -> list[Moment]:
    """Of the newest archived ticks up to the finding, oldest first; one entry is in memory at a time."""
    newest: deque[Moment] = deque(maxlen=MOST_TICKS)
    unreadable = 0
    since = finding.at - timedelta(seconds=session.cadence_seconds * MOST_TICKS * SLACK)
    try:
        for entry in archive.entries(archive.directory_of(session), since):
            if time.monotonic() > ends:
                missing.append("the archive was not read to its end for lack of time")
                break
            if isinstance(entry, Unreadable):
                unreadable += 1
            elif entry.record.at <= finding.at:
                newest.append(moment_of(entry, finding))
    except OSError as error:
        missing.append(f"the archive could not be read ({type(error).__name__})")
    if unreadable:
        missing.append(f"{unreadable} archived ticks could not be read")
    return list(newest)
