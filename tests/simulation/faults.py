"""What may befall the node, its machine and its monitor. Each fault is begun at a moment between two ticks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import NamedTuple

from tests.simulation.model import Ailing
from tests.simulation.run import CATCHING_UP, REPLAY_RATE, Kind, Run
from tests.simulation.tape import FATAL_HEADER, LIVELOCK
from tests.simulation.world import World

CADENCE_SECONDS = 1200


class Fault(NamedTuple):
    """`before_tick` are the seconds before the next tick between which it begins."""

    name: str
    begin: Callable[[World, Random], None]
    before_tick: tuple[int, int] = (130, 1190)


def _alive(world: World) -> Run:
    assert world.node.run is not None, "a fault begins on a healthy node"
    return world.node.run


# --- it dies -------------------------------------------------------------------------------------------------------


def _crash(world: World, rng: Random) -> None:
    world.node.pid_is_reused = rng.random() < 0.3
    world.node.end(_alive(world), rng.choice([Kind.PANIC, Kind.KILLED]))


def _crash_again(world: World, rng: Random) -> None:
    after = rng.choice([3, 60, 700])
    world.node.ailing = [Ailing(Kind.PANIC, after)] * rng.randint(1, 3)
    world.node.end(_alive(world), Kind.PANIC)


def _crash_for_good(world: World, rng: Random) -> None:
    """Until the restart budget is spent and an operator comes."""
    world.node.ailing = [Ailing(Kind.PANIC, rng.choice([3, 60, 700]))] * 12
    world.node.end(_alive(world), Kind.PANIC)


def _fatal(world: World, rng: Random) -> None:
    """Corrupt state: cured by a wipe, and by nothing else."""
    world.node.fate_seconds = rng.choice([3, 90, 600])
    world.node.corrupt()
    world.node.end(_alive(world), Kind.FATAL, code=1)


def _fatal_build(world: World, rng: Random) -> None:
    """The build is what is wrong: a wipe does not help."""
    run = _alive(world)
    world.node.fate_seconds = rng.choice([3, 90, 600])
    world.node.bad_builds.append(run.build)
    world.node.end(run, Kind.FATAL, code=1)


def _livelock(world: World, rng: Random) -> None:
    world.node.ailing = [Ailing(Kind.LIVELOCK, 700)] * rng.randint(0, 2)
    world.node.end(_alive(world), Kind.LIVELOCK, code=1)


def _stranger(world: World, rng: Random) -> None:
    """Somebody else takes the lock of a dead node for some ticks."""
    world.node.end(_alive(world), Kind.KILLED, code=137)
    lock = os.open(world.node.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 4), lambda: os.close(lock))


# --- it lives, and does not work -----------------------------------------------------------------------------------


def _freeze(world: World, _rng: Random) -> None:
    run = _alive(world)
    run.halt(world.now)
    run.frozen_since, run.is_silent = world.now, True
    world.clock.call_in(121, lambda: world.node.end(run, Kind.FROZEN))


def _hang(world: World, rng: Random) -> None:
    """Frozen, and no watchdog says so or ends it."""
    run = _alive(world)
    run.halt(world.now)
    run.frozen_since, run.is_silent, run.has_watchdog = world.now, True, False


def _soft_fail(world: World, _rng: Random) -> None:
    world.node.corrupt()
    _block(world, FATAL_HEADER)


def _soft_livelock(world: World, _rng: Random) -> None:
    _block(world, LIVELOCK)


def _block(world: World, reason: str) -> None:
    run = _alive(world)
    run.halt(world.now)
    run.blocked_since = world.now
    run.tape.at(world.wall).fatal(reason, run.ledger(world.now))


def _memory(world: World, rng: Random) -> None:
    _alive(world).rss_mb = rng.randint(16_600, 20_000)


def _lost_sync(world: World, rng: Random) -> None:
    run = _alive(world)
    run.tape.at(world.wall).lose_sync()
    run.halt(world.now)
    run.hears = False
    run.lost_syncs += 1
    run.enter(CATCHING_UP, world.wall)
    world.clock.call_in(60 * rng.randint(3, 100), lambda: _regain(world, run))


def _lag(world: World, rng: Random) -> None:
    """No ledger closes for a while; everything else goes on."""
    run = _alive(world)
    run.halt(world.now)
    world.clock.call_in(60 * rng.randint(1, 60), lambda: _regain(world, run))


def _regain(world: World, run: Run) -> None:
    if world.node.run is run:
        run.hears = True
        world.clock.call_at(run.go_on(world.now, REPLAY_RATE), lambda: world.node.reach_tip(run))


# --- its machine ---------------------------------------------------------------------------------------------------


def _disk_full(world: World, rng: Random) -> None:
    """Nothing can be written, by nobody; the node dies of it."""
    run = _alive(world)
    world.machine.used_pct, run.tape.is_stopped = 100.0, True
    world.clock.call_in(30, lambda: world.node.end(run, Kind.DISK_FULL))
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 4), lambda: _use(world, 60.0))


def _disk_tight(world: World, rng: Random) -> None:
    _use(world, 96.5)
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 4), lambda: _use(world, 45.0))


def _use(world: World, pct: float) -> None:
    world.machine.used_pct = pct


def _log_moved(world: World, rng: Random) -> None:
    """By logrotate: the node writes on to the file of another name."""
    world.session.log.rename(world.session.logs / f"monitor.log.{world.now:%Y%m%d}")
    _without_log(world, rng)


def _log_deleted(world: World, rng: Random) -> None:
    world.session.log.unlink()
    _without_log(world, rng)


def _without_log(world: World, rng: Random) -> None:
    """Until somebody restarts the node."""
    run = _alive(world)
    run.has_log = False
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 6), lambda: _restart(world, run))


def _restart(world: World, run: Run) -> None:
    if world.node.run is run:
        world.node.end(run, Kind.STOPPED, code=0)
        world.start_node()


def _clock_ahead(world: World, rng: Random) -> None:
    _jump(world, timedelta(hours=rng.randint(1, 7), seconds=rng.randint(1, 999)), rng)


def _clock_behind(world: World, rng: Random) -> None:
    _jump(world, -timedelta(hours=rng.randint(1, 7), seconds=rng.randint(1, 999)), rng)


def _jump(world: World, by: timedelta, rng: Random) -> None:
    """The clock is wrong for some ticks; now and then the node dies meanwhile."""
    world.machine.jump(by)
    if rng.random() < 0.4:
        world.node.end(_alive(world), Kind.PANIC)
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 5), lambda: world.machine.jump(-by))


def _power_cut(world: World, rng: Random) -> None:
    _off(world, timedelta(minutes=rng.randint(2, 200)))


def _long_power_cut(world: World, rng: Random) -> None:
    """So long that nobody may revive what was abandoned."""
    _off(world, timedelta(hours=rng.randint(7, 9)))


def _off(world: World, span: timedelta) -> None:
    world.node.end(_alive(world), Kind.POWER)
    world.ticks_from = world.now + span
    world.clock.call_at(world.ticks_from, lambda: world.machine.boot(world.now))


def _cron_off(world: World, rng: Random) -> None:
    world.ticks_from = world.now + timedelta(seconds=CADENCE_SECONDS * rng.randint(1, 8))


# --- its operator --------------------------------------------------------------------------------------------------


def _deploy(world: World, rng: Random) -> None:
    """Another build, by hand; some of them are bad, and show it within their trial."""
    run = _alive(world)
    sha = world.new_build()
    if rng.random() < 0.6:
        world.node.bad_builds.append(sha)
        world.node.fate_seconds = rng.randint(1500, 3000)
    _restart(world, run)


FAULTS = (
    Fault("crash", _crash),
    Fault("crashes", _crash_again),
    Fault("crashes for good", _crash_for_good),
    Fault("corrupt state", _fatal),
    Fault("bad build", _fatal_build),
    Fault("livelock", _livelock),
    Fault("lock held", _stranger),
    Fault("freeze", _freeze, (45, 115)),
    Fault("freeze, aborted", _freeze),
    Fault("hang", _hang),
    Fault("soft fail", _soft_fail),
    Fault("soft livelock", _soft_livelock),
    Fault("memory", _memory),
    Fault("lost sync", _lost_sync),
    Fault("lag", _lag),
    Fault("disk full", _disk_full),
    Fault("disk tight", _disk_tight),
    Fault("log moved", _log_moved),
    Fault("log deleted", _log_deleted),
    Fault("clock ahead", _clock_ahead),
    Fault("clock behind", _clock_behind),
    Fault("power cut", _power_cut),
    Fault("long power cut", _long_power_cut),
    Fault("cron off", _cron_off),
    Fault("deploy by hand", _deploy),
)
