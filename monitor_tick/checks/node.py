"""Check 3: is the node's process there, and if not, how did it end."""

from __future__ import annotations

from datetime import timedelta

from monitor_loop.session import Process
from monitor_tick.actions import Act, NodeAction
from monitor_tick.facts import LogEntry, LogReading, Missing
from monitor_tick.verdict import Alert, Level, Tier, Verdict
from monitor_tick.view import View

LABEL = "node"


def judge(view: View) -> Verdict | None:
    session, build = view.session, view.facts.build[:8] or "unknown"
    texts = [f"mode={session.mode.value} session={session.id} {_run(view)} build={build}"]
    process = view.facts.process
    if isinstance(process, Process):
        if process.deleted:
            texts.append("the binary was rebuilt under the running node")
        return Verdict(label=LABEL, lines=tuple(texts))
    if not view.facts.is_dead:
        return Verdict(label=LABEL, lines=(*texts, f"unidentified: {process.reason}"), level=Level.WARNING)
    exit_kind = _exit_kind(view)
    return Verdict(
        label=LABEL,
        lines=(*texts, f"DEAD — {exit_kind}"),
        level=Level.OFFLINE,
        alerts=(_death(view, exit_kind),),
        wants=NodeAction(Act.RELAUNCH, f"no process of session {view.session.id} ({exit_kind})"),
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


EXIT_SIGNS = (
    ("fatal_wipe_required", "fatal state"),
    ("WATCHDOG: Auto-aborting", "watchdog abort"),
    ("memory allocation of", "out of memory"),
)
"""What a run writes before it ends, and the kind of exit it means; a panic comes first and names its site."""


def _exit_kind(view: View) -> str:
    """How the last run ended, as its unread log lines say; the newest sign decides."""
    entries = view.facts.log.entries if isinstance(view.facts.log, LogReading) else ()
    for entry in reversed(entries):
        if entry.level == "PANIC":
            return f"panic at {_panic_site(entry)}"
        for sign, kind in EXIT_SIGNS:
            if sign in entry.example:
                return kind
    exits = [entry.example.splitlines()[0] for entry in entries if entry.level == "EXIT"]
    return exits[-1][:120] if exits else "unknown"


def _panic_site(entry: LogEntry) -> str:
    site = entry.example.partition("panicked at ")[2].splitlines()
    return site[0].rstrip(":")[:120] if site else "unknown site"


def _death(view: View, exit_kind: str) -> Alert:
    heartbeat = view.facts.log.heartbeat if isinstance(view.facts.log, LogReading) else None
    return Alert(
        key="process:death",
        scope=exit_kind,
        title=f"Node crashed: {exit_kind}",
        tier=Tier.ACTION,
        urgent=True,
        cause="no process of the session",
        evidence=(
            ("exit", exit_kind),
            ("last heartbeat", f"{heartbeat.at:%Y-%m-%dT%H:%M:%SZ}" if heartbeat else "unknown"),
            ("last ledger", str(heartbeat.ledger) if heartbeat else "unknown"),
        ),
    )
