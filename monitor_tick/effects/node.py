"""The one door to the node: an act is refused here, or its `steps` are taken between its intent and its outcome."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec

from monitor_loop import actionlog, procfs
from monitor_loop.acts import Precondition
from monitor_loop.errors import MonitorError
from monitor_loop.session import NodeConfig, Process, Session
from monitor_loop.wipe import wiping
from monitor_tick.actions import Acted, NodeAction
from monitor_tick.effects.steps import Steps, is_half_wiped, one_line
from monitor_tick.view import View


class _Refused(MonitorError):
    """A precondition that held when it was judged holds no more; `cause` is its name.

    Empty where the node itself is another than the one that was judged: that is no reason for a node to stay down.
    """

    def __init__(self, said: str, cause: str = "") -> None:
        super().__init__(said)
        self.cause = cause


def act(action: NodeAction, view: View, proc: Path) -> Acted:
    """Do it, or say why not. Nothing is touched before each precondition held twice and the intent is on disk.

    Also a defect in here is an outcome: the tick goes on, files and reports.
    """
    session, now = view.session, view.facts.at
    failed = next((each for each in action.preconditions if not each.holds), None)
    if failed is not None:
        return _refused(action, view, _Refused(f"{failed.name} is {failed.seen}", failed.name))
    try:
        running = _still_as_judged(view, proc)
        _refuse_wipe(action, view, running, proc)
        intent = _intend(action, view, running)
    except Exception as refusal:
        return _refused(action, view, refusal)
    steps = Steps(session, action, now, proc, intent.id)
    try:
        steps.take(running, view)
        acted = steps.acted(done=True)
    except Exception as fault:
        steps.bring_back(view)
        acted = steps.acted(done=False, fault=one_line(fault))
    return msgspec.structs.replace(acted, intent=intent.id)


def conclude(acted: Acted, session: Session, now: datetime) -> str:
    """Record the outcome, once what it changed is committed: until then a load that finds the intent open settles it.

    Empty, or why the disk refuses, which the next load settles as well.
    """
    identity = acted.process.identity if acted.process else None
    outcome = actionlog.Outcome(
        id=acted.intent,
        at=now,
        done=acted.done,
        words=acted.line,
        pid=identity.pid if identity else None,
        start_ticks=identity.start_ticks if identity else None,
    )
    try:
        actionlog.conclude(session.data, outcome)
    except (MonitorError, OSError) as fault:
        return one_line(fault)
    return ""


def _refused(action: NodeAction, view: View, refusal: Exception) -> Acted:
    cause = refusal.cause if isinstance(refusal, _Refused) else "what it needs cannot be read or written"
    return Acted(
        action=action,
        done=False,
        began=False,
        line=f"{action.act.value} refused: {one_line(refusal)}",
        keeps_down=cause if view.facts.is_dead else "",
    )


def _still_as_judged(view: View, proc: Path) -> Process | None:
    """The process to stop, None where none runs; refuses where that is not what was judged."""
    try:
        running = procfs.node_of(view.session, proc)
    except MonitorError as several:
        raise _Refused(str(several)) from None
    judged = view.facts.process
    if isinstance(judged, Process):
        if running is None or running.identity != judged.identity:
            raise _Refused(f"pid {judged.pid} is not the node any more")
        return running
    if running is not None:
        raise _Refused(f"a node runs again, pid {running.pid}")
    return None


def _refuse_wipe(action: NodeAction, view: View, running: Process | None, proc: Path) -> None:
    """Of a dead node it is known before anything is moved; a live one holds its files until it is stopped."""
    config = view.facts.config
    if running is not None or not isinstance(config, NodeConfig):
        return
    if not action.wipes and not (action.launches and is_half_wiped(view)):
        return
    failed = next((each for each in wiping.preconditions(config, proc) if not each.holds), None)
    if failed is not None:
        raise _Refused(f"{failed.name}: {failed.seen}, wanted {failed.wanted}", failed.name)


def _intend(action: NodeAction, view: View, running: Process | None) -> actionlog.Intent:
    identity = running.identity if running else None
    evidence = msgspec.json.encode((view.facts.crashes, view.standing, view.phase.remember), enc_hook=str)
    intent = actionlog.Intent(
        id=hashlib.sha256(f"{view.session.id}|{view.facts.at.isoformat()}|{action.act.value}".encode()).hexdigest()[
            :12
        ],
        at=view.facts.at,
        act=action.act.value,
        why=action.why,
        preconditions=(*action.preconditions, Precondition("node", "as it was judged", _named(running), holds=True)),
        evidence_digest=hashlib.sha256(evidence).hexdigest(),
        installs=action.installs,
        quarantines=action.quarantines,
        pid=identity.pid if identity else None,
        start_ticks=identity.start_ticks if identity else None,
        boot_id=view.facts.boot_id,
    )
    actionlog.intend(view.session.data, intent)
    return intent


def _named(running: Process | None) -> str:
    return f"pid {running.pid}" if running else "no process"
