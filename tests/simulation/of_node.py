"""What befalls the node itself: it dies, or it lives and does not work."""

from __future__ import annotations

import fcntl
import os
from datetime import timedelta
from random import Random

from tests.simulation.fault import CADENCE_SECONDS, alive
from tests.simulation.model import Ailing
from tests.simulation.run import CATCHING_UP, REPLAY_RATE, Kind, Run
from tests.simulation.tape import FATAL_HEADER, LIVELOCK
from tests.simulation.world import World

# --- it dies -------------------------------------------------------------------------------------------------------


def crash(world: World, rng: Random) -> None:
    world.node.pid_is_reused = rng.random() < 0.3
    world.node.end(alive(world), rng.choice([Kind.PANIC, Kind.KILLED]))


def crash_again(world: World, rng: Random) -> None:
    after = rng.choice([3, 60, 700])
    world.node.ailing = [Ailing(Kind.PANIC, after)] * rng.randint(1, 3)
    world.node.end(alive(world), Kind.PANIC)


def crash_for_good(world: World, rng: Random) -> None:
    """Until the restart budget is spent and an operator comes."""
    world.node.ailing = [Ailing(Kind.PANIC, rng.choice([3, 60, 700]))] * 12
    world.node.end(alive(world), Kind.PANIC)


def fatal(world: World, rng: Random) -> None:
    """Corrupt state: cured by a wipe, and by nothing else."""
    world.node.fate_seconds = rng.choice([3, 90, 600])
    world.node.corrupt()
    world.node.end(alive(world), Kind.FATAL, code=1)


def fatal_build(world: World, rng: Random) -> None:
    """The build is what is wrong: a wipe does not help."""
    run = alive(world)
    world.node.fate_seconds = rng.choice([3, 90, 600])
    world.node.bad_builds.append(run.build)
    world.node.end(run, Kind.FATAL, code=1)


def livelock(world: World, rng: Random) -> None:
    world.node.ailing = [Ailing(Kind.LIVELOCK, 700)] * rng.randint(0, 2)
    world.node.end(alive(world), Kind.LIVELOCK, code=1)


def stranger(world: World, rng: Random) -> None:
    """Somebody else takes the lock of a dead node for some ticks."""
    _lock_out(world, CADENCE_SECONDS * rng.randint(1, 4))


def stranger_again(world: World, rng: Random) -> None:
    """Twice within two hours, with the node back in between."""
    _lock_out(world, CADENCE_SECONDS * rng.randint(1, 2))
    again = rng.randint(4000, 6900)
    world.trouble_until = world.now + timedelta(seconds=again + CADENCE_SECONDS)
    world.clock.call_in(again, lambda: _lock_out(world, CADENCE_SECONDS * rng.randint(1, 3)))


def _lock_out(world: World, seconds: int) -> None:
    """Nothing happens where the node is not back yet: then the lock may be its own, or a tick may be at work on it."""
    run = world.node.run
    if run is None or not run.is_healthy:
        return
    world.node.end(run, Kind.KILLED, code=137)
    lock = os.open(world.node.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    world.clock.call_in(seconds, lambda: os.close(lock))


# --- it lives, and does not work -----------------------------------------------------------------------------------


def freeze(world: World, _rng: Random) -> None:
    run = alive(world)
    run.halt(world.now)
    run.frozen_since, run.is_silent = world.now, True
    world.clock.call_in(121, lambda: world.node.end(run, Kind.FROZEN))


def hang(world: World, rng: Random) -> None:
    """Frozen, and no watchdog says so or ends it."""
    run = alive(world)
    run.halt(world.now)
    run.frozen_since, run.is_silent, run.has_watchdog = world.now, True, False


def soft_fail(world: World, _rng: Random) -> None:
    """Before its main loop there is no recovery that could be blocked."""
    if alive(world).in_loop:
        world.node.corrupt()
        _block(world, FATAL_HEADER)


def soft_livelock(world: World, _rng: Random) -> None:
    if alive(world).in_loop:
        _block(world, LIVELOCK)


def _block(world: World, reason: str) -> None:
    run = alive(world)
    run.halt(world.now)
    run.blocked_since = world.now
    run.tape.at(world.wall).fatal(reason, run.ledger(world.now))


def memory(world: World, rng: Random) -> None:
    alive(world).rss_mb = rng.randint(16_600, 20_000)


def lost_sync(world: World, rng: Random) -> None:
    run = alive(world)
    run.tape.at(world.wall).lose_sync()
    run.halt(world.now)
    run.hears = False
    run.lost_syncs += 1
    run.enter(CATCHING_UP, world.wall)
    world.clock.call_in(60 * rng.randint(3, 100), lambda: _regain(world, run))


def lag(world: World, rng: Random) -> None:
    """No ledger closes for a while; everything else goes on."""
    run = alive(world)
    run.halt(world.now)
    world.clock.call_in(60 * rng.randint(1, 60), lambda: _regain(world, run))


def _regain(world: World, run: Run) -> None:
    if world.node.run is run and not run.is_held:
        run.hears = True
        world.clock.call_at(run.go_on(world.now, REPLAY_RATE), lambda: world.node.reach_tip(run))
