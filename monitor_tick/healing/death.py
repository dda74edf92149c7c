"""Check 3, 3a and 3d: what to do about a node that is not there. Pure.

The order is that of the remedies: the grave ones first, each with what must hold, and a plain relaunch where none of
them applies and the budget allows it.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor_loop.acts import Precondition
from monitor_loop.session import NodeConfig
from monitor_tick.actions import Act, NodeAction
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import Missing, NodeLock, Signal
from monitor_tick.healing import restarts, signals
from monitor_tick.healing.reach import crash_window
from monitor_tick.view import View

NODE_RECORD = "node.json"

REBOOT = "machine restart"
"""How a run ended that said nothing of its end, on a machine that was started again since."""


class Remedy(msgspec.Struct, frozen=True):
    """What is to be done, None where the node stays down, and what the report and the issues say about it.

    `offline` is why it is left down for good: until an operator starts it, or a build of another commit comes.
    `refused` is the act that would have been done if each of its preconditions held.
    """

    action: NodeAction | None
    line: str
    alerts: tuple[Alert, ...] = ()
    offline: str = ""
    refused: NodeAction | None = None

    @property
    def considered(self) -> tuple[NodeAction, ...]:
        return tuple(action for action in (self.action, self.refused) if action is not None)


def unless_refused(action: NodeAction, line: str, alerts: tuple[Alert, ...] = ()) -> Remedy:
    """The remedy, or what keeps the node from it."""
    failed = next((each for each in action.preconditions if not each.holds), None)
    if failed is None:
        return Remedy(action, line, alerts)
    return Remedy(None, f"{line}, not touched: {failed.name} is {failed.seen}", refused=action)


def remedy_of(view: View, ended: str, event: str) -> Remedy:
    """`ended` says how the run ended, and `event` which run it was."""
    if (refused := _refused(view)) is not None:
        return refused
    record = view.memory.node
    if record.offline:
        return _offline(view, _slug(record.offline), record.offline, "an operator, or a build of another commit")
    if _recurs(view):
        return fall_back(view, ended_build_of(view), event, dead_preconditions(view))
    if record.trial is not None and ended != REBOOT:
        return Remedy(None, f"DEAD — {ended}")  # healing.trial judges it, as it does every other symptom
    if _repeats(view):
        return _wipe(view, event)
    return _relaunch(view, ended, event)


def deployed_of(view: View) -> str:
    """The commit that runs, or ran last: the binary's own word, then build_sha, then what an earlier tick was told."""
    return view.facts.build or view.memory.node.deployed_sha


def ended_build_of(view: View) -> str:
    """The commit of the run that ended. build_sha may name another already: a tick that died in the midst of an act had
    installed that, and it has not run yet."""
    return view.memory.node.deployed_sha or view.facts.build_sha


def dead_preconditions(view: View) -> tuple[Precondition, ...]:
    """What every launch of a dead node needs."""
    lock = view.facts.lock
    seen = lock.reason if isinstance(lock, Missing) else ("free" if lock.is_free else f"held by {lock.holder}")
    damaged = any(damage.file.endswith(NODE_RECORD) for damage in view.memory.damaged)
    damaged = damaged or view.memory.node.offline.startswith(NODE_RECORD)  # what is there since then knows no mark
    return (
        Precondition("process", "none of this session", "none" if view.facts.is_dead else "one", view.facts.is_dead),
        Precondition("node's lock", "free", seen, isinstance(lock, NodeLock) and lock.is_free),
        Precondition(NODE_RECORD, "readable", "damaged" if damaged else "readable", not damaged),
        Precondition(
            "stopped on purpose", "no", "yes" if view.memory.node.stopped else "no", view.memory.node.stopped is None
        ),
    )


def wipe_preconditions(view: View) -> tuple[Precondition, ...]:
    """What every wipe needs besides; of a live node, who has a file open is asked once it is stopped."""
    config, fresh = view.facts.config, view.phase.fresh_start
    together = isinstance(config, NodeConfig) and config.buckets.parent == config.database.parent
    where = config.reason if isinstance(config, Missing) else f"{config.database.parent}, {config.buckets.parent}"
    return (
        Precondition("database and buckets", "in one directory", where, together),
        Precondition("fresh start", "no", "yes" if fresh else "no", not fresh),
        Precondition("wipe before", "none that did not cure", _last_wipe(view) or "none", not view.memory.node.wipes),
        *view.facts.wipe_ground,
    )


def _refused(view: View) -> Remedy | None:
    """Reasons to leave it down that no remedy can mend."""
    preconditions = dead_preconditions(view)
    failed = next((each for each in preconditions if not each.holds), None)
    if failed is None:
        return None
    refused = NodeAction(Act.RELAUNCH, f"no process of session {view.session.id}", preconditions=preconditions)
    return msgspec.structs.replace(_left_down(view, failed), refused=refused)


def _left_down(view: View, failed: Precondition) -> Remedy:
    lock = view.facts.lock
    if failed.name == "node's lock" and isinstance(lock, NodeLock):
        return _offline(view, "unidentified-holder", f"unidentified process holds {lock.path}", failed.seen)
    if failed.name == "node's lock":
        return _offline(view, "unknown-lock", "the node's lock cannot be checked", failed.seen)
    if failed.name == NODE_RECORD:
        words = f"{NODE_RECORD} was damaged, so that a node stopped on purpose could not be told"
        return _offline(view, "node-record", words, "run monitor-loop start once it may run again", latched=words)
    return Remedy(None, f"OFFLINE — {failed.name}: {failed.seen}")


def _offline(view: View, cause: str, words: str, seen: str, *, latched: str = "") -> Remedy:
    alert = Alert(
        key=f"offline:{cause}",
        scope=cause,
        title=f"OFFLINE: {words}",
        tier=Tier.ACTION,
        urgent=True,
        cause=words,
        evidence=(
            ("cause", words),
            ("seen", seen),
            ("session", view.session.id),
            ("deployed build", deployed_of(view) or "unknown"),
        ),
    )
    return Remedy(None, f"OFFLINE — {words}", (alert,), latched)


def _recurs(view: View) -> bool:
    """3d: the same signal again although the data was put aside."""
    wipes = view.memory.node.wipes
    return bool(wipes) and signals.ended_signal(view.facts.crashes, wipes[-1].at) is Signal.WIPE


def fall_back(view: View, sha: str, event: str, preconditions: tuple[Precondition, ...]) -> Remedy:
    """Away from build `sha`, empty where it is unknown, which failed again on data that was made anew."""
    record, words = view.memory.node, recurrence_words(sha)
    quarantined = "binary quarantined" if sha else "no sha known, so nothing is quarantined"
    good = record.last_good_sha
    usable = good not in {"", sha} and good in view.facts.kept
    alert = Alert(
        key="offline:recurrence",
        scope="recurrence",
        title=f"OFFLINE: {words} — {quarantined}",
        tier=Tier.ACTION,
        urgent=True,
        event=event,
        of_act=True,
        cause=f"the same fatal signal as before the wipe of {_last_wipe(view)}",
        evidence=(
            ("build", sha or "unknown"),
            ("wiped before", _last_wipe(view)),
            ("last good build", good or "none known"),
            ("fallback", f"{good[:8]} is launched" if usable else "none kept, the node stays down"),
        ),
    )
    action = NodeAction(
        Act.FALL_BACK,
        f"{words}: " + (f"run {good[:8]}" if usable else "no other build is kept"),
        installs=good if usable else "",
        quarantines=sha,
        launches=usable,
        preconditions=(
            *preconditions,
            Precondition("signal after the wipe", Signal.WIPE.value, Signal.WIPE.value, holds=True),
        ),
    )
    return unless_refused(action, f"OFFLINE: {words} — {quarantined}", (alert,))


def recurrence_words(sha: str) -> str:
    """Why the node is left down once that build is out of the way and no other is kept."""
    return f"post-wipe recurrence on {sha[:8] or 'an unknown build'}"


def _repeats(view: View) -> bool:
    """3a: crash after crash, the newest of them for corrupt state."""
    enough = signals.crashes_in_window(view) >= view.rules.limits.crashes_before_wipe
    return enough and not view.phase.fresh_start and signals.ended_signal(view.facts.crashes) is Signal.WIPE


def _wipe(view: View, event: str) -> Remedy:
    count = signals.crashes_in_window(view)
    window = crash_window(view.rules.limits, view.session.cadence_seconds)
    reason = "the newest crash says that its state must be wiped"
    preconditions = (
        *dead_preconditions(view),
        *wipe_preconditions(view),
        Precondition(
            "crashes",
            f"at least {view.rules.limits.crashes_before_wipe} within {_minutes(window)}",
            str(count),
            count >= view.rules.limits.crashes_before_wipe,
        ),
        Precondition("newest crash", Signal.WIPE.value, signals.ended_signal(view.facts.crashes).value, holds=True),
    )
    action = NodeAction(
        Act.WIPE, f"{count} crashes within {_minutes(window)}, {reason}", wipes=True, preconditions=preconditions
    )
    if not action.is_allowed:
        failed = next(each for each in preconditions if not each.holds)
        offline = _offline(view, "wipe-refused", f"the wipe is refused: {failed.name}", failed.seen)
        return msgspec.structs.replace(offline, refused=action)
    return Remedy(action, f"{count} fatal crashes — state wipe", (wipe_alert(view, action, "repeated fatal", event),))


def wipe_alert(view: View, action: NodeAction, trigger: str, event: str) -> Alert:
    """Each state wipe is an issue of its own."""
    soft = trigger != "repeated fatal"
    minutes = (view.facts.crashes.blocked_seconds or 0) // 60
    count = signals.crashes_in_window(view)
    title = (
        f"Soft-fail state wipe: fatal_state_failure stuck for {minutes}m"
        if soft
        else f"State wipe after {count} fatal crashes: state failure"
    )
    return Alert(
        key="wipe:state",
        scope=trigger,
        title=title,
        tier=Tier.ACTION,
        urgent=True,
        event=f"wipe at the {event}",
        of_act=True,
        cause=action.why,
        evidence=tuple((each.name, f"{each.seen} (wanted: {each.wanted})") for each in action.preconditions)
        + tuple(
            (f"crash {crash.rotation.at:%Y-%m-%dT%H:%M:%SZ}", f"{crash.rotation.cause}, {crash.signal.value}")
            for crash in view.facts.crashes.rotated[:5]
        ),
    )


def _relaunch(view: View, ended: str, event: str) -> Remedy:
    allowance = restarts.allowance_of(view.memory.node.restarts, view.rules.limits)
    action = NodeAction(
        Act.RELAUNCH,
        f"no process of session {view.session.id} ({ended}): {allowance.words}",
        preconditions=(*dead_preconditions(view), allowance.precondition),
    )
    if allowance.standing is restarts.Standing.SPENT:
        words = "restart budget spent"
        seen = f"{allowance.words}; the last run ended by {ended}"
        return msgspec.structs.replace(_offline(view, _slug(words), words, seen, latched=words), refused=action)
    if allowance.standing is restarts.Standing.WAIT:
        return Remedy(None, f"OFFLINE — {allowance.words}", refused=action)
    return Remedy(action, f"DEAD — {ended}")


def budget_alert(view: View, words: str) -> Alert:
    """For a node that is alive and would be restarted for ever."""
    return _offline(view, _slug("restart budget spent"), "restart budget spent", words).alerts[0]


def _slug(offline: str) -> str:
    return "recurrence" if offline.startswith("post-wipe") else "restart-budget"


def _last_wipe(view: View) -> str:
    wipes = view.memory.node.wipes
    return f"{wipes[-1].at:%Y-%m-%dT%H:%M:%SZ} ({wipes[-1].trigger})" if wipes else ""


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f}m"
