"""Which tracker the session files to."""

from __future__ import annotations

from datetime import datetime

from monitor_loop.session import Session
from monitor_tick.issues.tracker import Tracker


def tracker_of(session: Session, now: datetime) -> Tracker:
    """By MONITOR_TRACKER. It lives for one tick; no call is made yet."""
    if session.tracker == "directory":
        from monitor_tick.issues.directory import Directory  # one of the two is needed, the other never

        return Directory(session.data.issues, now)
    from monitor_tick.issues import github

    return github.of(session)
