"""Is the node in real-time sync, on its way there, past its deadline, or stuck: check 2's decision, shared by others.

Only here does a late node count as excused: RPC, radar and sync ask the same function.
"""

from __future__ import annotations

import enum
from datetime import timedelta

from monitor_tick.facts import Missing, NodeInfo
from monitor_tick.view import View


class Progress(enum.Enum):
    SYNCED = "synced"
    LATE = "late"
    STUCK = "stuck"
    CATCHING_UP = "catching up"
    FAILURE = "failure"


def progress_of(view: View) -> Progress:
    """SYNC FAILURE beats CATCHING UP beats STUCK, except where progress or the deadline excuses the node."""
    if not view.standing.in_real_time:
        if catching_up(view):
            return Progress.CATCHING_UP
        if _is_confirmed(view):
            return Progress.FAILURE
    if stuck_for(view) is not None:
        return Progress.STUCK
    return Progress.SYNCED if view.standing.in_real_time or _second_look_is_fine(view) else Progress.LATE


def catching_up(view: View) -> bool:
    """Not in sync and excused: within its deadline, or recovering from a crash and gaining on the network."""
    phase, limits = view.phase, view.rules.limits
    if view.standing.in_real_time or phase.unsynced_for is None:
        return False
    gaining = phase.crash_recovery and phase.advanced is not None and phase.advanced >= limits.progress_ledgers
    return gaining or phase.unsynced_for <= phase.deadline


def needs_second_info(view: View) -> bool:
    """True where only a second /info can tell a slow close from a node that lags."""
    return (
        not isinstance(view.facts.process, Missing)
        and is_a_little_late(view)
        and not catching_up(view)
        and not _was_late(view)
    )


def stuck_for(view: View) -> timedelta | None:
    """How long the ledger has stood still, where that is too long; a young process has not had its chance yet."""
    last, uptime = view.memory.last_ledger, view.phase.uptime
    limit = timedelta(seconds=view.rules.limits.stuck_seconds)
    if last is None or uptime is None or last.ledger != view.standing.ledger:
        return None
    still = view.facts.at - last.since
    return still if still > limit and uptime > limit else None


def is_a_little_late(view: View) -> bool:
    """An age that a slow close explains as well as a lag, with no gap to decide it."""
    age, gap, limits = view.standing.age_seconds, view.standing.gap, view.rules.limits
    if age is None or (gap is not None and gap > limits.evidence_gap):
        return False
    return limits.real_time_age_seconds < age <= limits.confirm_age_seconds


def _was_late(view: View) -> bool:
    return view.memory.state.sync is not None and view.memory.state.sync.late


def second_look(view: View) -> NodeInfo | None:
    info = view.facts.second.info if view.facts.second else None
    return info if isinstance(info, NodeInfo) else None


def _second_look_is_fine(view: View) -> bool:
    info = second_look(view)
    return info is not None and info.age_seconds is not None and info.age_seconds <= _real_time(view)


def _is_confirmed(view: View) -> bool:
    if not is_a_little_late(view) or _was_late(view):
        return True
    return second_look(view) is not None and not _second_look_is_fine(view)


def _real_time(view: View) -> int:
    return view.rules.limits.real_time_age_seconds
