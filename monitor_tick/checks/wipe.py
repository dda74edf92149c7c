"""Section 0: the session directory, the node's data, or both are gone, and nobody of ours removed them."""

from __future__ import annotations

import enum

import msgspec

from monitor_loop.session import Process
from monitor_tick.actions import Act, NodeAction, RecreateDirectories
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import Facts
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "wipe"


class Case(enum.Enum):
    """What became of a wiped session. `case_of` never answers the last two: no version rebuilds one yet."""

    ALIVE = "alive"
    REBUILD_WANTED = "rebuild wanted"
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
    Case.REBUILD_WANTED: Row(
        "session-wiped-rebuild-wanted",
        Level.OFFLINE,
        "SESSION DIR WIPED — rebuild wanted (not done by this version)",
    ),
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
    session, mainnet = wiped(view)
    if session:
        return _session_verdict(view, SESSION[case_of(view.facts)], mainnet=mainnet)
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


def wiped(view: View) -> tuple[bool, bool]:
    """Session and mainnet, each for itself (L09). Before the first launch missing data is a beginning, not a loss."""
    directories = view.facts.directories
    launched_before = view.memory.node.first_launched_at is not None
    return not directories.session, mainnet_wiped(there=directories.mainnet, launched_before=launched_before)


def mainnet_wiped(*, there: bool, launched_before: bool) -> bool:
    return not there and launched_before


def case_of(facts: Facts) -> Case:
    """Several candidate processes count as alive: nothing is rebuilt beside a node that may be running."""
    return Case.REBUILD_WANTED if facts.is_dead else Case.ALIVE


def _session_verdict(view: View, row: Row, *, mainnet: bool) -> Verdict:
    line = row.text.format(process=_process(view.facts)) + (MAINNET_TOO if mainnet else "")
    return Verdict(
        label=LABEL,
        lines=(line,),
        level=max(row.level, MAINNET.level) if mainnet else row.level,
        alerts=(_alert(view, line, session=True, mainnet=mainnet),),
        wants=NodeAction(Act.REBUILD, "session directory wiped, no process") if view.facts.is_dead else None,
        effects=(RecreateDirectories(),),
        watch=(SESSION_WATCH, MAINNET_WATCH) if mainnet else (SESSION_WATCH,),
        words=(row.word, MAINNET.word) if mainnet else (row.word,),
    )


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
