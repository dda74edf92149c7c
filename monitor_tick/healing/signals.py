"""What the run that ended, and those before it, say about the node's data. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor_tick.facts import Crash, Crashes, Signal
from monitor_tick.healing.reach import crash_window
from monitor_tick.view import View

_LEEWAY = timedelta(minutes=1)
"""A log that is put aside under a name that was taken gets a time a few seconds later."""


def ended_signal(crashes: Crashes, since: datetime | None = None) -> Signal:
    """Of the run that ended last. Its log may be rotated already, by a tick that died before it relaunched; with
    `since` such a log counts only if it is newer."""
    if crashes.live is not None:
        return crashes.live
    newest = crashes.rotated[0] if crashes.rotated else None
    if newest is None or (since is not None and newest.rotation.at <= since):
        return Signal.NONE
    return newest.signal


def crashes_in_window(view: View) -> int:
    """Runs on the data of now that crashed within the window, the one that just ended among them.

    A clock that was ahead has left names in the future: nobody knows how long ago those were.
    """
    window, wiped_at = crash_window(view.rules.limits, view.session.cadence_seconds), view.memory.node.wiped_at
    if wiped_at is not None and wiped_at <= view.facts.at:
        window = min(window, view.facts.at - wiped_at - _LEEWAY)
    ages = [view.facts.at - crash.rotation.at for crash in view.facts.crashes.rotated]
    recent = [age for age in ages if -_LEEWAY < age < window]
    return len(recent) + (view.facts.crashes.live is not None)


def any_wipe_signal(crashes: Crashes) -> Crash | Signal | None:
    """Evidence of corrupt state in the live log, else the newest rotated log that has it.

    A run that names the livelock as what failed it is no evidence, whatever a run of long ago wrote.
    """
    if crashes.live is Signal.WIPE:
        return crashes.live
    if crashes.live is Signal.LIVELOCK:
        return None
    return next((crash for crash in crashes.rotated if crash.signal is Signal.WIPE), None)
