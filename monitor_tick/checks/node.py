"""Check 3: is the node's process there, does it work, and if not, how did it end and what is to be done."""

from __future__ import annotations

from datetime import timedelta

from monitor_loop.session import Identity, Process
from monitor_tick.actions import Act
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import LogReading, Missing
from monitor_tick.healing import alive, death
from monitor_tick.healing.recovery import is_under_way
from monitor_tick.judging.log_patterns import classify
from monitor_tick.memory import ExitState, Interrupted
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "node"
KEY = "process:death"
"""As in shared/log-patterns.toml: the lines that end a run and the missing process are one finding."""

_ON_THE_NODE = frozenset(act.value for act in Act)


def judge(view: View) -> Verdict | None:
    session, build = view.session, view.facts.build[:8] or "unknown"
    texts = [f"mode={session.mode.value} session={session.id} {_run(view)} build={build}"]
    process = view.facts.process
    if isinstance(process, Process):
        return _alive(view, process, texts)
    if not view.facts.is_dead:
        return Verdict(
            label=LABEL,
            lines=(*texts, f"unidentified: {process.reason}"),
            level=Level.WARNING,
            alerts=(_several(process.reason),),
        )
    if is_under_way(view):  # checks.wipe tells of it, and brings the node back
        return Verdict(label=LABEL, lines=(*texts, "DEAD — session directory wiped"), level=Level.ACTION)
    ended = _how_it_ended(view)
    remedy = death.remedy_of(view, ended.kind, ended_run(view))
    lines = [f"DEAD — {ended.kind}"]
    if remedy.line not in lines:
        lines.append(remedy.line)
    return Verdict(
        label=LABEL,
        lines=(*texts, *lines),
        level=Level.OFFLINE,
        alerts=(_death(view, ended), *remedy.alerts),
        wants=remedy.action,
        considered=remedy.considered,
        remember=(ended,),
        offline=remedy.offline,
    )


def _alive(view: View, process: Process, texts: list[str]) -> Verdict:
    if process.deleted:
        texts.append("the binary was replaced under the running node")
    remedy = alive.remedy_of(view)
    return Verdict(
        label=LABEL,
        lines=(*texts, *((remedy.line,) if remedy else ())),
        level=Level.ACTION if remedy else Level.OK,
        alerts=remedy.alerts if remedy else (),
        wants=remedy.action if remedy else None,
        considered=remedy.considered if remedy else (),
        remember=(ExitState(),),
    )


def _run(view: View) -> str:
    fresh = "yes" if view.phase.fresh_start else "no"
    if isinstance(view.facts.process, Missing) or view.phase.uptime is None:
        return f"pid=none uptime=- fresh_start={fresh}"
    return f"pid={view.facts.process.pid} uptime={duration(view.phase.uptime)} fresh_start={fresh}"


def duration(span: timedelta) -> str:
    """The two largest units: `26h00m`, `14m05s`, `9s`."""
    seconds = int(span.total_seconds())
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds % 60:02}s" if minutes else f"{seconds}s"


def _several(reason: str) -> Alert:
    """Nobody may guess which of them is meant, so none is touched; two may be at one database."""
    return Alert(
        key="offline:unidentified-node",
        scope="unidentified node",
        title="OFFLINE: the node of the session cannot be told",
        tier=Tier.ACTION,
        urgent=True,
        cause=reason,
        evidence=(("seen", reason),),
    )


def _how_it_ended(view: View) -> ExitState:
    """What the last run wrote before its end, the gravest line deciding; kept until another run ends."""
    run, event = _last_known(view), ended_run(view)
    entries = view.facts.log.entries if isinstance(view.facts.log, LogReading) else ()
    read = (classify(entry, view.rules.log_patterns) for entry in entries)
    ends = [classified for classified in read if classified.key == KEY]
    if ends:
        gravest = min(ends, key=lambda classified: classified.rank)
        return ExitState(kind=gravest.scope, title=gravest.title, run=run, event=event)
    known = view.memory.state.exit
    if known is not None and known.kind and (known.run, known.event) == (run, event):
        return known
    if _rebooted(view):
        return ExitState(kind=death.REBOOT, title="Node down: the machine was restarted", run=run, event=event)
    return ExitState(kind="unknown", title="Node crashed: unknown", run=run, event=event)


def _rebooted(view: View) -> bool:
    """The run that ended is one of before the machine's last start."""
    known = _last_identity(view)
    return known is not None and known.boot_id != view.facts.boot_id and _unseen_launch(view) is None


def ended_run(view: View) -> str:
    """Which run it is that ended: a node that stays down died once.

    One that was launched and died between two ticks was never seen alive, and is a run of its own.
    """
    if (launch := _unseen_launch(view)) is not None:
        return f"end of the run that the {launch.act} of {launch.at:%Y-%m-%dT%H:%M:%SZ} launched"
    told, run = view.memory.state.exit, _last_known(view)
    return told.event if told is not None and told.kind and told.run == run else run


def _last_known(view: View) -> str:
    known = _last_identity(view)
    return f"end of pid {known.pid}, start_ticks {known.start_ticks}" if known else "end of a run not seen alive"


def _last_identity(view: View) -> Identity | None:
    seen = view.memory.state.tick.identity if view.memory.state.tick else None
    return _later(seen, view.memory.node.launched, view.facts.boot_id)


def _unseen_launch(view: View) -> Interrupted | None:
    """The act of a tick that found the node down and died in it, where it launched a node that has ended since.

    It did where somebody has written a line to the log since that tick read it; half a line may have been there, where
    the power went, and is read each time.
    """
    was_down = view.memory.state.exit is not None and view.memory.state.exit.kind
    log, known = view.facts.log, view.memory.state.log
    wrote = isinstance(log, LogReading) and log.read_bytes > 0 and (known is None or log.cursor != known.cursor)
    acts = [each for each in view.memory.interrupted if each.act in _ON_THE_NODE]  # a builder launches no node
    return acts[-1] if acts and was_down and wrote else None


def _later(seen: Identity | None, launched: Identity | None, boot_id: str) -> Identity | None:
    if seen is None or launched is None:
        return seen or launched
    if seen.boot_id != launched.boot_id:
        return seen if seen.boot_id == boot_id else launched
    return max(seen, launched, key=lambda identity: identity.start_ticks)


def _death(view: View, ended: ExitState) -> Alert:
    heartbeat = view.facts.log.heartbeat if isinstance(view.facts.log, LogReading) else None
    return Alert(
        key=KEY,
        scope=ended.kind,
        title=ended.title,
        tier=Tier.ACTION,
        urgent=True,
        cause="no process of the session",
        event=ended_run(view),
        evidence=(
            ("exit", ended.kind),
            ("last heartbeat", f"{heartbeat.at:%Y-%m-%dT%H:%M:%SZ}" if heartbeat else "unknown"),
            ("last ledger", str(heartbeat.ledger) if heartbeat else "unknown"),
        ),
    )
