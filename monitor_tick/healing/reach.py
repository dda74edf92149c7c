"""Whether the limits of healing can be reached at the configured cadence. Pure.

A remedy that can never fire is worse than none: somebody relies on it.
"""

from __future__ import annotations

from datetime import timedelta

from monitor_tick.rules import Limits


def crash_window(limits: Limits, cadence_seconds: int) -> timedelta:
    """One tick makes one relaunch at most, so the window follows the cadence where the classic one is too short."""
    cadence = timedelta(seconds=cadence_seconds)
    return max(timedelta(minutes=limits.crash_window_minutes), cadence * limits.crash_window_cadences)


def unreachable(limits: Limits, cadence_seconds: int) -> tuple[str, ...]:
    """What is wrong with the limits, as lines that name the key and the remedy; empty where all can be reached."""
    cadence = timedelta(seconds=cadence_seconds)
    spanned = cadence * (limits.crashes_before_wipe - 1)
    faults = []
    if crash_window(limits, cadence_seconds) <= spanned:
        faults.append(
            f"crash_window_cadences = {limits.crash_window_cadences}: {limits.crashes_before_wipe} crashes, one a tick,"
            f" span {spanned}; set it above {limits.crashes_before_wipe - 1}"
        )
    if limits.restarts_before_backoff < limits.crashes_before_wipe - 1:
        faults.append(
            f"restarts_before_backoff = {limits.restarts_before_backoff}: the back-off begins before "
            f"{limits.crashes_before_wipe} crashes can be seen; set it to at least {limits.crashes_before_wipe - 1}"
        )
    if cadence * (limits.trial_ticks + 1) > timedelta(hours=24):
        faults.append(f"trial_ticks = {limits.trial_ticks}: a trial would last over a day; lower it or the cadence")
    if any(ticks < 1 for ticks in limits.backoff_ticks):
        faults.append("backoff_ticks: every wait is at least one tick")
    return tuple(faults)
