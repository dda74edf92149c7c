"""Look at the node once: everything is read here, side by side, and nothing is judged."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from monitor_loop import nodeconfig, procfs
from monitor_loop.acts import Precondition
from monitor_loop.errors import MonitorError, plain
from monitor_loop.files import read as read_file
from monitor_loop.journal import fingerprint
from monitor_loop.session import Identity, NodeConfig, Process, Session
from monitor_tick.budget import Budget
from monitor_tick.confirm import Confirmation, what_to_confirm
from monitor_tick.facts import (
    NO_PROCESS,
    BuildJob,
    BuildPhase,
    Crashes,
    Directories,
    Facts,
    LogReading,
    Missing,
    NodeInfo,
    NodeLock,
    PeerCounts,
    Radar,
    Rotation,
    RpcHealth,
    ScpSlot,
    SecondLook,
    Signal,
)
from monitor_tick.memory import CiState, LogState, Memory
from monitor_tick.phase import interval_of, is_early
from monitor_tick.probes.checkout import Deploying, observe_deploying
from monitor_tick.probes.ci import observe_ci
from monitor_tick.probes.disk import load_cache, observe_trees, save_cache
from monitor_tick.probes.host import observe_disk, observe_host_memory, observe_process_memory
from monitor_tick.probes.http import begin
from monitor_tick.probes.log.reading import observe_log, observe_rotations
from monitor_tick.probes.node import is_sha, observe_info, observe_peers, observe_scp
from monitor_tick.probes.radar import observe_radar
from monitor_tick.probes.rpc import observe_rpc
from monitor_tick.probes.scrape import ScrapeRead, observe_scrape, sample_gauges
from monitor_tick.probes.tree import TreeCache
from monitor_tick.rules import Limits, Rules
from monitor_tick.view import view_of

T = TypeVar("T")

WATCHER = Missing("watcher")

ENDING_SECONDS = 15.0
"""How long a node that was just killed may take to give back many GB; until then it holds its lock."""

SOFT_FAIL = "Recovery escalation blocked: previous fatal state failure"


class Seen(msgspec.Struct, frozen=True):
    """The facts, and what the commit keeps of how they were read.

    `scrape_body` is what current.prom becomes, None where there was no scrape; `trees` spares the next tick a walk.
    `crash_signals` spares it the logs of crashed runs, None where nothing new is known of those.
    """

    facts: Facts
    scrape_body: bytes | None
    trees: TreeCache
    crash_signals: bytes | None = None


def observe(  # noqa: PLR0913  (all that a look depends on)
    session: Session, memory: Memory, rules: Rules, now: datetime, proc: Path, *, budget: Budget, dry_run: bool = False
) -> Seen:
    """Both looks at the node: the first at everything, the second at what a first judgement wants confirmed.

    Every part has its own deadline and none waits for another; the second look takes one shared window,
    or what the tick has left for it.
    """
    seen = _first_look(session, memory, rules, now, proc, fetches=not dry_run)
    confirmation = what_to_confirm(view_of(session, seen.facts, memory, rules))
    if not confirmation.needed:
        return seen
    second = _second_look(session, seen.facts, confirmation, _within(rules.limits, budget), proc)
    return msgspec.structs.replace(seen, facts=msgspec.structs.replace(seen.facts, second=second))


def _within(limits: Limits, budget: Budget) -> Limits:
    """A confirm window no longer than what is left, so that the /info at its end is still in time."""
    left = max(0, int(budget.left() - limits.http_deadline_seconds))
    return msgspec.structs.replace(limits, confirm_window_seconds=min(limits.confirm_window_seconds, left))


def _first_look(  # noqa: PLR0913  (all that a look depends on)
    session: Session, memory: Memory, rules: Rules, now: datetime, proc: Path, *, fetches: bool
) -> Seen:
    """The log and the trees are read while the node answers. Without `fetches` the checkout is left as it is."""
    limits, port = rules.limits, session.admin_port
    process, config = _process(session, memory, proc), _config(session)
    info = begin(lambda: _of(process, lambda _: observe_info(port, limits)))
    rpc = begin(lambda: _of(process, lambda _: _rpc(session, limits)))
    scrape = begin(lambda: _of(process, lambda alive: observe_scrape(port, alive, now, proc, limits)))
    ci = begin(lambda: observe_ci(session, memory.state.ci or CiState(), now, limits))
    build_sha, job = _build_sha(session), _job(session, now)
    deploying = begin(lambda: _deploying(session, memory, info(), build_sha, job, now, limits, fetches=fetches))
    trees = begin(lambda: observe_trees(session, config, load_cache(session), now, limits))
    log = observe_log(session, memory.state.log or LogState(), process, rules.log_patterns, limits)
    scp, peers, radar = _corroborate(session, info(), limits)
    sizes, cache = trees()
    read = scrape()
    rotations, wiped = observe_rotations(session), _wiped_in(config)
    crashes, crash_signals = _crashes(session, memory, process, log, rotations, now, limits, proc)
    facts = Facts(
        at=now,
        boot_id=procfs.boot_id(proc),
        process=process,
        directories=_directories(session, config, now),
        config=config,
        log=log,
        rotations=rotations,
        crashes=crashes,
        wipe_ground=_wipe_ground(process, config, crashes, proc),
        lock=_lock(config, proc) if process == NO_PROCESS else Missing("a process runs"),
        kept=_kept(session, job, build_sha),
        job=job,
        build_logs=_build_logs(session, job),
        rebuild=_rebuild(session, memory, process),
        wiped_data=bool(wiped),
        wiped_expired=bool(wiped) and _is_expired(config, now, limits),
        info=info(),
        rpc=rpc(),
        scrape=read.scrape if isinstance(read, ScrapeRead) else read,
        scrape_checksum=fingerprint(read.body) if isinstance(read, ScrapeRead) else "",
        scp=scp,
        peers=peers,
        radar=radar,
        process_memory=_of(process, lambda alive: observe_process_memory(alive, proc)),
        host_memory=observe_host_memory(proc),
        disk=observe_disk(session.data.path),
        trees=sizes,
        ci=ci(),
        checkout=deploying().checkout,
        ci_of_target=deploying().ci,
        build_sha=build_sha,
    )
    return Seen(facts, read.body if isinstance(read, ScrapeRead) else None, cache, crash_signals)


def save_caches(session: Session, seen: Seen) -> None:
    """What the next tick need not read again. Nothing is lost with it."""
    save_cache(session, seen.trees)
    if seen.crash_signals is not None:
        from monitor_tick.probes.crashlogs import save_ended

        save_ended(session, seen.crash_signals)


def _rpc(session: Session, limits: Limits) -> RpcHealth | Missing:
    return WATCHER if session.rpc_port is None else observe_rpc(session.rpc_port, limits)


def _corroborate(
    session: Session, info: NodeInfo | Missing, limits: Limits
) -> tuple[ScpSlot | Missing, PeerCounts | Missing, Radar | Missing]:
    """Radar, and what speaks for or against it. /scp is asked of a node in sync: before, it walks every slot to 0."""
    if not session.is_validator:
        return WATCHER, WATCHER, WATCHER
    if isinstance(info, Missing):
        return info, info, info
    port, base = session.admin_port, session.radar_url or limits.radar_url
    synced = info.state in {"Synced", "Validating"}
    scp = begin(lambda: observe_scp(port, limits) if synced else Missing("not in sync"))
    peers = begin(lambda: observe_peers(port, limits))
    radar = begin(lambda: observe_radar(base, info.public_key, limits))
    return scp(), peers(), radar()


def _second_look(session: Session, facts: Facts, confirmation: Confirmation, limits: Limits, proc: Path) -> SecondLook:
    """One window for all: the gauges' burst fills it, the other looks come at its end."""
    import time  # a quiet tick never waits

    started, port = time.monotonic(), session.admin_port
    samples = (
        sample_gauges(port, confirmation.gauges, limits.confirm_samples, limits.confirm_interval_seconds, limits)
        if confirmation.gauges
        else ()
    )
    if confirmation.info or confirmation.memory:
        time.sleep(max(0.0, limits.confirm_window_seconds - (time.monotonic() - started)))
    return SecondLook(
        info=observe_info(port, limits) if confirmation.info else None,
        process_memory=_of(facts.process, lambda alive: observe_process_memory(alive, proc))
        if confirmation.memory
        else None,
        host_memory=observe_host_memory(proc) if confirmation.memory else None,
        gauge_samples=samples,
    )


def _of(process: Process | Missing, observe: Callable[[Process], T]) -> T | Missing:
    """A fact of the live node; without one, the reason there is none."""
    return process if isinstance(process, Missing) else observe(process)


def _crashes(  # noqa: PLR0913, PLR0917  (all that decides how closely is looked)
    session: Session,
    memory: Memory,
    process: Process | Missing,
    log: LogReading | Missing,
    rotations: tuple[Rotation, ...],
    now: datetime,
    limits: Limits,
    proc: Path,
) -> tuple[Crashes, bytes | None]:
    """Old logs are read for a node that is down, that cannot recover, or whose wipe has still to prove itself."""
    blocked = isinstance(log, LogReading) and any(SOFT_FAIL in entry.example for entry in log.entries)
    if isinstance(process, Process) and not blocked and not memory.node.wipes:
        return Crashes(), None
    from monitor_tick.probes.crashes import observe_crashes  # a quiet tick has no use for it

    last_start = procfs.last_start_of(_known_runs(memory), proc)
    return observe_crashes(session, rotations, process, now, limits, blocked=blocked, last_start=last_start)


def _wipe_ground(
    process: Process | Missing, config: NodeConfig | Missing, crashes: Crashes, proc: Path
) -> tuple[Precondition, ...]:
    """What a wipe would find, asked only where the logs of a dead node speak for one."""
    signals = (crashes.live, *(crash.signal for crash in crashes.rotated))
    if process != NO_PROCESS or isinstance(config, Missing) or Signal.WIPE not in signals:
        return ()
    from monitor_loop.wipe import wiping

    return wiping.preconditions(config, proc)


def _lock(config: NodeConfig | Missing, proc: Path) -> NodeLock | Missing:
    from monitor_tick.probes.crashes import observe_lock  # only a node that is down

    return observe_lock(config, proc)


def _kept(session: Session, job: BuildJob | None, build_sha: str) -> tuple[str, ...]:
    """Commits whose binary and its SHA-256 are both there; whether they match is asked before it is launched.

    Of the build that waits to be deployed it is asked now: one that was damaged since is built anew.
    """
    try:
        names = sorted(os.listdir(session.binaries))  # noqa: PTH208  (names only)
    except OSError:
        return ()
    waits = job.sha if job is not None and job.phase is BuildPhase.BUILT and job.sha != build_sha else ""
    return tuple(
        name for name in names if _is_kept(session.binaries / name) and (name != waits or _is_whole(session, name))
    )


def _is_whole(session: Session, sha: str) -> bool:
    from monitor_loop.building import build  # only while a build waits

    return build.is_kept(session, sha)


def _wiped_in(config: NodeConfig | Missing) -> tuple[str, ...]:
    """Directories in which a wipe put data aside; most nodes were never wiped."""
    if isinstance(config, Missing):
        return ()
    try:
        names = os.listdir(config.mainnet)  # noqa: PTH208  names are all that is asked for
        return tuple(name for name in names if name.startswith(".wiped-"))
    except OSError:
        return ()


def _is_expired(config: NodeConfig | Missing, now: datetime, limits: Limits) -> bool:
    from monitor_loop.wipe.wiping import expired

    return not isinstance(config, Missing) and expired(config, now, limits.wiped_kept_hours) != ()


def _is_kept(directory: Path) -> bool:
    return os.access(directory / "henyey", os.X_OK) and (directory / "henyey.sha256").is_file()


def _deploying(  # noqa: PLR0913, PLR0917  (all that decides how much is asked)
    session: Session,
    memory: Memory,
    info: NodeInfo | Missing,
    build_sha: str,
    job: BuildJob | None,
    now: datetime,
    limits: Limits,
    *,
    fetches: bool,
) -> Deploying:
    """Not for an early tick, which starts nothing, not for an embedded node, which has no checkout, and not while the
    builder is needed to bring a wiped session back."""
    if session.is_embedded:
        return Deploying(Missing("embedded"), Missing("embedded"))
    recovery = memory.node.recovery
    if not session.directory.is_dir() or (recovery is not None and recovery.session == session.id):
        return Deploying(Missing("session wiped"), Missing("session wiped"))
    if is_early(session, interval_of(now, memory)):
        return Deploying(Missing("early tick"), Missing("early tick"))
    return observe_deploying(session, info, build_sha, job, memory, now, limits, fetches=fetches)


def _job(session: Session, now: datetime) -> BuildJob | None:
    if not session.data.deploy_job.exists():
        return None
    from monitor_tick.probes.job import observe_job  # only where something was built once

    return observe_job(session, now)


def _build_logs(session: Session, job: BuildJob | None) -> tuple[Rotation, ...]:
    if job is None:
        return ()
    from monitor_tick.probes.job import observe_build_logs

    return observe_build_logs(session)


def _rebuild(session: Session, memory: Memory, process: Process | Missing) -> str | Missing:
    if process != NO_PROCESS or session.directory.is_dir():
        return Missing("not looked at")
    from monitor_tick.probes.job import observe_rebuild  # only a session that was wiped

    return observe_rebuild(session, memory.node)


def _process(session: Session, memory: Memory, proc: Path) -> Process | Missing:
    try:
        found = procfs.node_of(session, proc)
    except MonitorError as several:
        return Missing(plain(several))
    if found is None:
        _await_end(memory, proc)
    return found or NO_PROCESS


def _known_runs(memory: Memory) -> tuple[Identity, ...]:
    """The run that was seen last, and the one that was launched last."""
    seen = memory.state.tick.identity if memory.state.tick else None
    return tuple(identity for identity in (seen, memory.node.launched) if identity is not None)


def _await_end(memory: Memory, proc: Path) -> None:
    """A run that is ending just now is nobody's any more; what it still holds is no stranger's."""
    known = _known_runs(memory)
    if all(procfs.has_ended(identity, proc) for identity in known):
        return
    import time  # hardly ever

    end = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < end and not all(procfs.has_ended(identity, proc) for identity in known):
        time.sleep(0.05)


def _config(session: Session) -> NodeConfig | Missing:
    try:
        return nodeconfig.read_node_config(session.config_file, session.repo)
    except MonitorError as unusable:
        return Missing(plain(unusable))


def _directories(session: Session, config: NodeConfig | Missing, now: datetime) -> Directories:
    """Where the config cannot be read, nothing is known to be missing."""
    mainnet = None if isinstance(config, Missing) else config.mainnet
    return Directories(
        session=session.directory.is_dir(),
        mainnet=mainnet is None or mainnet.is_dir(),
        database=isinstance(config, Missing) or config.database.exists(),
        env_age_seconds=_age_seconds(session.data.env_file, now) or 0.0,
        alive_age_seconds=_age_seconds(session.alive, now),
    )


def _age_seconds(path: Path, now: datetime) -> float | None:
    try:
        return now.timestamp() - path.stat().st_mtime
    except OSError:
        return None


def _build_sha(session: Session) -> str:
    """40 hex digits, or nothing: the file is a cache that anything may have damaged."""
    try:
        text = (read_file(session.build_sha, 1024) or b"").decode("ascii", "replace").strip()
    except OSError:
        return ""
    return text if is_sha(text) else ""
