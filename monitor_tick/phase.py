"""Where the node is between launch and real-time sync, and what that excuses. Pure; the terms of every check.

The one authority for real-time sync, warm-up, fresh start, crash recovery and the deadline: no check and no alarm
row has carve-outs of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from monitor_loop.session import NodeRecord, Process, Session
from monitor_tick.facts import Facts, Heartbeat, LogReading, NodeInfo, RpcHealth
from monitor_tick.memory import Memory, PhaseState, TickState
from monitor_tick.metrics import Scrape
from monitor_tick.rules import Limits

CRASH_CAUSES = frozenset({"crashed", "stuck", "frozen"})
"""Causes of a rotation that mean the run before did not end by plan."""

FIRST_REAL_LEDGER = 2
"""Before it restores its state the node answers ledger 1 (the genesis), which says nothing about where it is."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the node says it is; each part is None while unknown, never 0.

    `ledger` is the last closed one, `gap` counts ledgers externalized and not closed here, `age_seconds` is the time
    since the last closed ledger. `in_real_time` is age <= the real-time limit and nothing else: gap = 0 alone
    proves nothing, heard_from_quorum = true alone proves nothing.
    """

    ledger: int | None
    gap: int | None
    age_seconds: float | None
    heard_from_quorum: bool | None
    in_real_time: bool


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """What this tick knows about the run it looks at.

    `early`: less than half a cadence after the last full tick, so nothing that counts ticks moves.
    `interval` is the time since the last full tick, None on a session's first. `unsynced_for` is the time that counts
    against `deadline`: since the first launch of a fresh start, else the uptime. `advanced` is the ledgers closed
    since the last full tick. `synced_only` opens the gates of alarms that only mean something on a settled node.
    """

    uptime: timedelta | None
    early: bool
    interval: timedelta | None
    restarted: bool
    warming_up: bool
    fresh_start: bool
    crash_recovery: bool
    synced_only: bool
    deadline: timedelta
    unsynced_for: timedelta | None
    advanced: int | None
    remember: PhaseState


def standing_of(facts: Facts, limits: Limits) -> Standing:
    """The ledger, gap and age of the node, each from the first source that knows it."""
    heartbeat = _heartbeat(facts)
    fresh = heartbeat if heartbeat is not None and _is_fresh(heartbeat, facts, limits) else None
    age = _age_seconds(facts)
    return Standing(
        ledger=_ledger(facts, heartbeat, fresh),
        gap=fresh.gap if fresh else None,
        age_seconds=age,
        heard_from_quorum=fresh.heard_from_quorum if fresh else None,
        in_real_time=age is not None and age <= limits.real_time_age_seconds,
    )


def _heartbeat(facts: Facts) -> Heartbeat | None:
    return facts.log.heartbeat if isinstance(facts.log, LogReading) else None


def _is_fresh(heartbeat: Heartbeat, facts: Facts, limits: Limits) -> bool:
    """A log that stopped growing must not hold the node at an old ledger while /info goes on."""
    return facts.at - heartbeat.at <= timedelta(seconds=limits.heartbeat_fresh_seconds)


def _ledger(facts: Facts, heartbeat: Heartbeat | None, fresh: Heartbeat | None) -> int | None:
    """The heartbeat's, else /info's, else getHealth's; a heartbeat that is no longer fresh is the last resort."""
    candidates = (
        fresh.ledger if fresh else 0,
        facts.info.ledger if isinstance(facts.info, NodeInfo) else 0,
        facts.rpc.latest if isinstance(facts.rpc, RpcHealth) else 0,
        heartbeat.ledger if heartbeat else 0,
    )
    return next((ledger for ledger in candidates if ledger >= FIRST_REAL_LEDGER), None)


def _age_seconds(facts: Facts) -> float | None:
    if isinstance(facts.rpc, RpcHealth) and facts.rpc.age_seconds is not None:
        return facts.rpc.age_seconds
    if isinstance(facts.info, NodeInfo):
        return facts.info.age_seconds
    if isinstance(facts.scrape, Scrape):
        ledger = facts.scrape.value("stellar_ledger_sequence")
        age = facts.scrape.value("stellar_ledger_age_current_seconds")
        if age is not None and (age > 0 or (ledger is not None and ledger >= FIRST_REAL_LEDGER)):
            return age
    if isinstance(facts.log, LogReading) and facts.log.close_time is not None:
        return (facts.at - facts.log.close_time).total_seconds()
    return None


def phase_of(session: Session, facts: Facts, memory: Memory, standing: Standing, limits: Limits) -> Phase:
    """Judge the run's phase from what is seen now and what the last full tick left."""
    process = facts.process if isinstance(facts.process, Process) else None
    uptime = facts.at - process.started_at if process else None
    interval = interval_of(facts.at, memory)
    early = is_early(session, interval)
    before = memory.state.phase or PhaseState()
    restarted = _restarted(process, uptime, memory, limits)
    advanced = _advanced(standing, before)
    fresh_start = not standing.in_real_time and (
        memory.node.fresh_start_since is not None or not facts.directories.database
    )
    recovering = (
        uptime is not None
        and not standing.in_real_time
        and _recovering(facts, before, uptime, advanced, limits, restarted=restarted)
    )
    return Phase(
        uptime=uptime,
        early=early,
        interval=interval,
        restarted=restarted,
        warming_up=restarted or before.warmup_left > 0,
        fresh_start=fresh_start,
        crash_recovery=recovering,
        synced_only=_settled(uptime, limits) and not recovering and not fresh_start,
        deadline=deadline_of(kind_of_start(fresh_start=fresh_start, crash_recovery=recovering), limits),
        unsynced_for=_unsynced_for(facts, memory, uptime, fresh_start=fresh_start),
        advanced=advanced,
        remember=PhaseState(
            synced_once=standing.in_real_time or (before.synced_once and not restarted),
            warmup_left=1 if restarted else 0,
            recovering=recovering,
            previous_ledger=standing.ledger if standing.ledger is not None else before.previous_ledger,
        ),
    )


def interval_of(now: datetime, memory: Memory) -> timedelta | None:
    """Time since the last full tick; None on the first, and when the clock has gone back behind it."""
    if memory.state.tick is None or now < memory.state.tick.full_at:
        return None
    return now - memory.state.tick.full_at


def is_early(session: Session, interval: timedelta | None) -> bool:
    return interval is not None and interval < timedelta(seconds=session.cadence_seconds) / 2


def _restarted(process: Process | None, uptime: timedelta | None, memory: Memory, limits: Limits) -> bool:
    if process is None or uptime is None:
        return False
    known = memory.state.tick.identity if memory.state.tick else None
    if known is None:
        return uptime < timedelta(minutes=limits.first_tick_restart_minutes)
    return known != process.identity


def _advanced(standing: Standing, before: PhaseState) -> int | None:
    if standing.ledger is None or before.previous_ledger is None:
        return None
    return standing.ledger - before.previous_ledger


def _recovering(  # noqa: PLR0913  (every term of the definition, once)
    facts: Facts, before: PhaseState, uptime: timedelta, advanced: int | None, limits: Limits, *, restarted: bool
) -> bool:
    """Crash recovery of a node that is not in real-time sync: from a launch after a crash, or a late "Catching Up".

    It ends two hours after the launch, unless the node still gains on the network.
    """
    after_crash = bool(facts.rotations) and facts.rotations[0].cause in CRASH_CAUSES
    launched_into_it = after_crash and (restarted or not before.synced_once)
    catching_up_late = (
        isinstance(facts.info, NodeInfo)
        and facts.info.state == "Catching Up"
        and uptime > timedelta(seconds=limits.catching_up_uptime_seconds)
    )
    began = launched_into_it or catching_up_late or (before.recovering and not restarted)
    over = uptime > timedelta(seconds=limits.crash_recovery_ends_seconds)
    return began and (not over or (advanced is not None and advanced >= limits.progress_ledgers))


def _settled(uptime: timedelta | None, limits: Limits) -> bool:
    return uptime is not None and uptime > timedelta(minutes=limits.synced_only_uptime_minutes)


def kind_of_start(*, fresh_start: bool, crash_recovery: bool) -> str:
    """The kind of start that the deadline goes by."""
    if fresh_start:
        return "fresh start"
    return "crash recovery" if crash_recovery else "restart"


def deadline_of(kind: str, limits: Limits) -> timedelta:
    others = {"fresh start": limits.fresh_start_deadline, "crash recovery": limits.crash_recovery_deadline}
    return others.get(kind, limits.deadline)


def _unsynced_for(facts: Facts, memory: Memory, uptime: timedelta | None, *, fresh_start: bool) -> timedelta | None:
    if uptime is None or not fresh_start or memory.node.fresh_start_since is None:
        return uptime
    return facts.at - memory.node.fresh_start_since


def tick_state_of(facts: Facts, memory: Memory, phase: Phase) -> TickState:
    """When this tick was. An early one leaves the last full tick's time and identity, so that it moves no count."""
    before = memory.state.tick
    if phase.early and before is not None:
        return TickState(at=facts.at, full_at=before.full_at, identity=before.identity)
    known = before.identity if before is not None else None
    identity = facts.process.identity if isinstance(facts.process, Process) else known
    return TickState(at=facts.at, full_at=facts.at, identity=identity)


def node_record_of(facts: Facts, memory: Memory, phase: Phase) -> NodeRecord:
    """node.json after this tick: a fresh start begins when the database is first seen missing and ends in sync."""
    since = (memory.node.fresh_start_since or facts.at) if phase.fresh_start else None
    launched = memory.node.first_launched_at
    if launched is None and isinstance(facts.process, Process):
        launched = facts.process.started_at
    return msgspec.structs.replace(memory.node, fresh_start_since=since, first_launched_at=launched)
