"""Section 0: the session directory, the node's data, or both are gone, and nobody of ours removed them.

What brings the session back, over several ticks, is in healing.recovery.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from monitor_loop.session import Process, Recovery
from monitor_tick.actions import Acted, Effect, NodeAction, RecreateDirectories
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import BuildPhase, Facts
from monitor_tick.healing import restarts
from monitor_tick.healing.recovery import action_of, effects_of, job_of, recovery_of
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "wipe"


class Case(enum.Enum):
    """What became of a wiped session. RECOVERED is only known after the launch."""

    ALIVE = "alive"
    REBUILDING = "rebuilding"
    RECOVERED = "recovered"
    REBUILD_FAILED = "rebuild failed"


class Row(msgspec.Struct, frozen=True):
    """A line of the wipe table: the action's word in tick history, the level, and the report's fragment."""

    word: str
    level: Level
    text: str


SESSION = {
    Case.ALIVE: Row(
        "session-wiped-process-alive",
        Level.ACTION,
        "SESSION DIR WIPED — process alive ({process}), operator intervention needed",
    ),
    Case.REBUILDING: Row("session-wiped-recovery", Level.ACTION, "SESSION DIR WIPED — rebuilding"),
    Case.RECOVERED: Row(
        "session-wiped-recovery", Level.ACTION, "SESSION DIR WIPED — rebuilt + relaunched (new {process})"
    ),
    Case.REBUILD_FAILED: Row("session-wiped-rebuild-failed", Level.OFFLINE, "SESSION DIR WIPED — rebuild failed"),
}
MAINNET = Row("mainnet-data-wiped", Level.ACTION, "MAINNET DATA WIPED — catchup recovery")
MAINNET_TOO = " + MAINNET DATA WIPED"

SESSION_WATCH = "wipe=session-dir"
MAINNET_WATCH = "wipe=mainnet-data"

TITLES = {
    (False, True): "OFFLINE: mainnet data wiped out-of-band",
    (True, False): "OFFLINE: validator session wiped out-of-band",
    (True, True): "OFFLINE: session + mainnet data wiped out-of-band",
}
SCOPES = {(False, True): "mainnet", (True, False): "session", (True, True): "session+mainnet"}


def judge(view: View) -> Verdict | None:
    recovery, (session, mainnet) = recovery_of(view), wiped(view)
    if recovery is not None and view.facts.is_dead:
        return _recovering(view, recovery, mainnet=mainnet)
    if session:
        return _wiped_beside_its_process(view, mainnet=mainnet)
    if mainnet:
        return Verdict(
            label=LABEL,
            lines=(MAINNET.text,),
            level=MAINNET.level,
            alerts=(_alert(view, MAINNET.text, session=False, mainnet=True),),
            watch=(MAINNET_WATCH,),
            words=(MAINNET.word,),
        )
    return None


def after_rebuild(verdict: Verdict, acted: Acted) -> Verdict:
    """The verdict once the launch was tried. A node that did not come up is down; another tick tries again."""
    if not acted.done or acted.process is None:
        return msgspec.structs.replace(verdict, level=Level.OFFLINE)
    line = SESSION[Case.RECOVERED].text.format(process=f"PID {acted.process.pid}")
    suffix = MAINNET_TOO if MAINNET.word in verdict.words else ""
    return msgspec.structs.replace(verdict, lines=(f"{line}{suffix}",))


def wiped(view: View) -> tuple[bool, bool]:
    """Session and mainnet, each for itself (L09). Before the first launch missing data is a beginning, not a loss."""
    directories = view.facts.directories
    launched_before = view.memory.node.first_launched_at is not None
    return not directories.session, mainnet_wiped(there=directories.mainnet, launched_before=launched_before)


def mainnet_wiped(*, there: bool, launched_before: bool) -> bool:
    return not there and launched_before


def _wiped_beside_its_process(view: View, *, mainnet: bool) -> Verdict:
    """Several candidate processes count as alive: nothing is rebuilt beside a node that may be running."""
    row = SESSION[Case.ALIVE]
    line = row.text.format(process=_process(view.facts)) + (MAINNET_TOO if mainnet else "")
    alert = _alert(view, line, session=True, mainnet=mainnet)
    return _session_verdict(row, line, alert, mainnet=mainnet, effects=(RecreateDirectories(),))


def _recovering(view: View, recovery: Recovery, *, mainnet: bool) -> Verdict:
    row = SESSION[Case.REBUILD_FAILED if recovery.failed else Case.REBUILDING]
    line = row.text + _time(view, recovery) + (MAINNET_TOO if mainnet else "")
    action = action_of(view, recovery)
    refused = next((each for each in action.preconditions if not each.holds), None) if action else None
    why = recovery.failed or (f"not launched: {refused.name} is {refused.seen}" if refused else "")
    waits = refused is not None and refused.name == restarts.BUDGET
    ends = "rebuild failed" if recovery.failed else f"not launched: {refused.name}" if refused and not waits else ""
    alert = _alert(view, line, session=True, mainnet=mainnet)
    alert = msgspec.structs.replace(
        alert,
        event=", ".join(filter(None, (f"session wiped, seen at {_utc(recovery.since)}", ends))),
        evidence=(*alert.evidence, *_rebuild_evidence(view, recovery), *((("node", why),) if refused else ())),
    )
    verdict = _session_verdict(row, line, alert, mainnet=mainnet, effects=effects_of(view, recovery), action=action)
    level = Level.OFFLINE if ends else verdict.level
    return msgspec.structs.replace(verdict, lines=(line, why), level=level) if why else verdict


def _session_verdict(  # noqa: PLR0913  (the keywords are what its rows differ in)
    row: Row,
    line: str,
    alert: Alert,
    *,
    mainnet: bool,
    effects: tuple[Effect, ...],
    action: NodeAction | None = None,
) -> Verdict:
    return Verdict(
        label=LABEL,
        lines=(line,),
        level=max(row.level, MAINNET.level) if mainnet else row.level,
        alerts=(alert,),
        wants=action if action is not None and action.is_allowed else None,
        considered=(action,) if action is not None else (),
        effects=effects,
        watch=(SESSION_WATCH, MAINNET_WATCH) if mainnet else (SESSION_WATCH,),
        words=(row.word, MAINNET.word) if mainnet else (row.word,),
    )


def _time(view: View, recovery: Recovery) -> str:
    """How long the builder has been at it."""
    job = job_of(view, recovery)
    if job is None or job.phase is not BuildPhase.BUILDING:
        return ""
    return f" ({max(0, int((view.facts.at - job.started_at).total_seconds() // 60))}m)"


def _rebuild_evidence(view: View, recovery: Recovery) -> tuple[tuple[str, str], ...]:
    job = job_of(view, recovery)
    return (
        ("rebuild at", recovery.sha or "no commit"),
        ("seen at", _utc(recovery.since)),
        *((("why it failed", recovery.failed),) if recovery.failed else ()),
        *((("build log", job.log),) if job is not None and job.log else ()),
    )


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _process(facts: Facts) -> str:
    return f"PID {facts.process.pid}" if isinstance(facts.process, Process) else facts.process.reason


def _alert(view: View, line: str, *, session: bool, mainnet: bool) -> Alert:
    directories = view.facts.directories
    return Alert(
        key="wipe:out-of-band",
        scope=SCOPES[session, mainnet],
        title=TITLES[session, mainnet],
        tier=Tier.ACTION,
        urgent=True,
        cause=line,
        event=f"{SCOPES[session, mainnet]} gone beside {_run(view)}",
        evidence=(
            ("session directory", "missing" if session else "there"),
            ("mainnet data", "there" if directories.mainnet else "missing"),
            ("process", _process(view.facts)),
            ("env file age", f"{directories.env_age_seconds:.0f}s"),
            ("deployed sha", view.memory.node.deployed_sha or "unknown"),
        ),
    )


def _run(view: View) -> str:
    """What is missing is missed once for each run that is there, or was last."""
    process = view.facts.process
    known = view.memory.state.tick.identity if view.memory.state.tick else view.memory.node.launched
    identity = process.identity if isinstance(process, Process) else known
    return f"pid {identity.pid}, start_ticks {identity.start_ticks}" if identity else "no known run"
