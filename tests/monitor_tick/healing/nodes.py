"""Nodes that are down, frozen or corrupt, as Views: each healthy to be treated, and then wrong in one point."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from monitor_loop.session import Identity, NodeRecord, Restarts, Trial, WipeDone
from monitor_tick.catalog import load_rules
from monitor_tick.facts import Crash, Crashes, LogEntry, Missing, NodeLock, Rotation, SecondLook, Signal
from monitor_tick.memory import State, SyncState, TickState
from monitor_tick.view import View
from tests.monitor_tick.views import IDENTITY, NOW, a_dead_view, a_log, a_view

SHA = "a" * 40
GOOD = "b" * 40
FREE = NodeLock(is_free=True, path="/data/mainnet/mainnet.lock")
HELD = NodeLock(is_free=False, path="/data/mainnet/mainnet.lock", holder="PID=99 (/opt/other)")
RECORD = NodeRecord(first_launched_at=NOW - timedelta(days=30), deployed_sha=SHA, last_good_sha=GOOD)


def crash(minutes_ago: float, signal: Signal = Signal.WIPE, cause: str = "crashed") -> Crash:
    at = NOW - timedelta(minutes=minutes_ago)
    return Crash(Rotation(Path(f"/data/s/logs/monitor.log.{cause}-{at:%H%M%S}"), cause, at), signal)


def record(**changes: object) -> NodeRecord:
    return msgspec.structs.replace(RECORD, **changes)


def restarted(count: int, waited: int = 0) -> NodeRecord:
    return record(restarts=Restarts(count=count, waited=waited))


def wiped(minutes_ago: float = 60) -> NodeRecord:
    return record(wipes=(WipeDone(at=NOW - timedelta(minutes=minutes_ago), trigger="3a", sha=SHA),))


def on_trial(left: int = 3, previous: str = GOOD) -> NodeRecord:
    return record(trial=Trial(sha=SHA, previous=previous, since=NOW - timedelta(minutes=20), left=left))


def dead(**changes: object) -> View:
    known = State(tick=TickState(at=NOW, full_at=NOW - timedelta(minutes=20), identity=IDENTITY))
    return a_dead_view(
        **{"node": RECORD, "lock": FREE, "build_sha": SHA, "kept": (SHA, GOOD), "state": known, **changes}
    )


def crashing(*, live: Signal | None = Signal.WIPE, before: tuple[Crash, ...] | None = None, **changes: object) -> View:
    """Dead for the third time within the window, and each time for corrupt state."""
    rotated = (crash(20), crash(40)) if before is None else before
    return dead(crashes=Crashes(live=live, rotated=rotated), **changes)


def stuck(**changes: object) -> View:
    """Alive, closing nothing, and saying that an earlier fatal failure blocks its recovery."""
    blocked = Crashes(live=Signal.WIPE, blocked_seconds=600)
    return a_view(**{"node": RECORD, "crashes": blocked, "advanced": 0, **changes})


FREEZE = LogEntry(
    level="ERROR",
    target="henyey_app::app",
    normalised="WATCHDOG: Event loop appears frozen",
    example="2026-05-09T03:39:50Z ERROR henyey_app::app: WATCHDOG: Event loop appears frozen phase=7",
    count=1,
    first=NOW - timedelta(seconds=20),
    last=NOW - timedelta(seconds=20),
)
SILENT = Missing("no answer within 5 s")


def frozen(*, entry: LogEntry | None = FREEZE, **changes: object) -> View:
    entries = () if entry is None else (entry,)
    return a_view(
        **{
            "node": RECORD,
            "log": a_log(entries=entries),
            "info": SILENT,
            "second": SecondLook(info=SILENT),
            "rules": load_rules(),
            **changes,
        }
    )


STUCK_BEFORE = State(sync=SyncState(stuck_ticks=1), tick=TickState(at=NOW, full_at=NOW, identity=Identity(1, 2, "b")))
