"""Checks 3b and 3c: a node that is there and does not work. Pure."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor_loop.acts import Precondition
from monitor_loop.session import Process
from monitor_tick.actions import Act, NodeAction
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import LogEntry, LogReading, Missing, Signal
from monitor_tick.healing import restarts, signals
from monitor_tick.healing.death import (
    Remedy,
    budget_alert,
    deployed_of,
    fall_back,
    unless_refused,
    wipe_alert,
    wipe_preconditions,
)
from monitor_tick.judging.log_patterns import classify
from monitor_tick.judging.progress import Progress, progress_of, stuck_for
from monitor_tick.view import View

WEDGE = "process:wedge"


def remedy_of(view: View) -> Remedy | None:
    """None for a node that needs nothing, or that may not be touched because it still gains on the network."""
    remedy = _soft_fail(view) or _wedge(view)
    if remedy is None or remedy.action is None or remedy.action.act is not Act.RESTART:
        return remedy
    return _within_budget(view, remedy, remedy.action)


def _within_budget(view: View, remedy: Remedy, action: NodeAction) -> Remedy:
    """A node that freezes after each start is not stopped for ever: these restarts are relaunches like any other."""
    allowance = restarts.allowance_of(view.memory.node.restarts, view.rules.limits)
    action = msgspec.structs.replace(action, preconditions=(*action.preconditions, allowance.precondition))
    if allowance.standing is restarts.Standing.GO:
        return msgspec.structs.replace(remedy, action=action)
    line = f"{remedy.line}, not touched: {allowance.words}"
    spent = (budget_alert(view, allowance.words),) if allowance.standing is restarts.Standing.SPENT else ()
    return Remedy(None, line, (*remedy.alerts, *spent), refused=action)


def alive_preconditions(view: View) -> tuple[Precondition, ...]:
    """What every restart of a live node needs: that it is known which process it is, and that it does not recover."""
    process = view.facts.process
    advanced = view.phase.advanced
    stands = advanced is not None and advanced <= 0
    return (
        Precondition(
            "process",
            "one of this session",
            f"pid {process.pid}" if isinstance(process, Process) else process.reason,
            isinstance(process, Process),
        ),
        Precondition(
            "ledgers since the last full tick", "none", "unknown" if advanced is None else str(advanced), stands
        ),
    )


# --- 3c ----------------------------------------------------------------------------------------------------------


def _soft_fail(view: View) -> Remedy | None:
    """The fatal flag is set and the process lives on, useless."""
    blocked = view.facts.crashes.blocked_seconds
    process = view.facts.process
    if blocked is None or isinstance(process, Missing):
        return None
    corrupt = signals.any_wipe_signal(view.facts.crashes) is not None
    livelock = view.facts.crashes.live is Signal.LIVELOCK
    limits = view.rules.limits
    event = f"run of pid {process.pid}, start_ticks {process.identity.start_ticks}"
    preconditions = (
        *alive_preconditions(view),
        Precondition(
            "recovery blocked", f"for {limits.soft_fail_span_seconds}s and still", f"for {blocked}s", holds=True
        ),
    )
    if not corrupt:
        if not livelock:
            return None
        action = NodeAction(Act.RESTART, f"alive after a livelock, blocked for {blocked}s", preconditions=preconditions)
        return unless_refused(
            action, f"SOFT FAIL — livelock, blocked for {blocked // 60}m", (_livelock(action, event),)
        )
    if view.memory.node.wipes and view.facts.crashes.live is Signal.WIPE:
        return _after_a_wipe(view, event, preconditions)
    action = NodeAction(
        Act.WIPE,
        f"alive after a fatal state failure, blocked for {blocked}s",
        wipes=True,
        preconditions=(*preconditions, *wipe_preconditions(view)),
    )
    line = f"SOFT FAIL — fatal state failure, blocked for {blocked // 60}m"
    return unless_refused(action, line, (wipe_alert(view, action, "soft fail", event),))


def _after_a_wipe(view: View, event: str, preconditions: tuple[Precondition, ...]) -> Remedy:
    """3d of a node that lives on: the wipe before did not cure it, so that the build is the suspect."""
    if view.memory.node.offline:
        return Remedy(None, f"SOFT FAIL — {view.memory.node.offline}, left as it is")
    return fall_back(view, deployed_of(view), event, preconditions)


def _livelock(action: NodeAction, event: str) -> Alert:
    return Alert(
        key="process:livelock",
        scope="hard-reset livelock",
        title="Node stuck after a hard-reset livelock",
        tier=Tier.ACTION,
        urgent=True,
        event=event,
        cause=action.why,
        evidence=tuple((each.name, each.seen) for each in action.preconditions),
    )


# --- 3b ----------------------------------------------------------------------------------------------------------


class Wedge(msgspec.Struct, frozen=True):
    """Why the event loop is taken for frozen. `phase` is the watchdog's, empty where it said nothing."""

    why: str
    phase: str = ""


def freeze_line(view: View) -> LogEntry | None:
    """The newest line of this run's watchdog that is young enough to tell of a live freeze."""
    if not isinstance(view.facts.log, LogReading):
        return None
    limit = timedelta(seconds=view.rules.limits.freeze_recent_seconds)
    lines = (
        entry
        for entry in view.facts.log.entries
        if not entry.previous_run and entry.last is not None and view.facts.at - entry.last <= limit
    )
    return next((entry for entry in lines if classify(entry, view.rules.log_patterns).name == "freeze"), None)


def may_be_wedged(view: View) -> bool:
    """Before the second look: silent, and the watchdog, a ledger that stands still or a start without end says why."""
    silent = isinstance(view.facts.process, Process) and isinstance(view.facts.info, Missing)
    return silent and (freeze_line(view) is not None or _stuck_again(view) or _hangs_in_its_start(view))


def wedge_of(view: View) -> Wedge | None:
    """Silent on both looks; a look that was not taken is no second one."""
    second = view.facts.second.info if view.facts.second else None
    if not may_be_wedged(view) or not isinstance(second, Missing):
        return None
    line = freeze_line(view)
    if line is None and _hangs_in_its_start(view):
        return Wedge("no ledger since its start, not a line since the last tick, and /info silent on two looks")
    if line is None:
        return Wedge("no ledger on two ticks, and /info silent on two looks")
    phase = classify(line, view.rules.log_patterns).scope
    return Wedge("the watchdog sees a frozen event loop, and /info is silent on two looks", phase)


def _wedge(view: View) -> Remedy | None:
    wedge, process = wedge_of(view), view.facts.process
    if wedge is None or isinstance(process, Missing):
        return None
    scope = wedge.phase or "unknown phase"
    alert = Alert(
        key=WEDGE,
        scope=scope,
        title=f"Node wedged: event loop frozen in {scope}",
        tier=Tier.ACTION,
        urgent=True,
        event=f"freeze of pid {process.pid}, start_ticks {process.identity.start_ticks}",
        cause=wedge.why,
        evidence=(("phase", scope), ("/info", view.facts.info.reason if isinstance(view.facts.info, Missing) else "")),
        diagnosis=line.example if (line := freeze_line(view)) else "",
    )
    action = NodeAction(
        Act.RESTART,
        f"wedged: {wedge.why}",
        cause="frozen",
        preconditions=(
            *(each for each in alive_preconditions(view) if each.name == "process"),
            Precondition("/info", "silent on two looks", "silent on two looks", holds=True),
        ),
    )
    return Remedy(action, f"WEDGED — {wedge.why}", (alert,))


def _stuck_again(view: View) -> bool:
    before = view.memory.state.sync.stuck_ticks if view.memory.state.sync else 0
    return before >= 1 and stuck_for(view) is not None


def _hangs_in_its_start(view: View) -> bool:
    """Before its main loop a node has no watchdog and no ledger that could be seen to stand still.

    One that is past its deadline and did not log a line for a whole tick is not at work. Where its log is another file
    nothing is known.
    """
    process, log = view.facts.process, view.facts.log
    logs_here = isinstance(process, Process) and process.stdout == str(view.session.log)
    is_mute = isinstance(log, LogReading) and not log.first_tick and log.read_bytes == 0
    late = progress_of(view) is Progress.FAILURE and view.standing.ledger is None
    return logs_here and is_mute and late and not view.phase.early
