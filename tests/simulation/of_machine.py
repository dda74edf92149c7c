"""What befalls the machine: its disk, the files on it, its clock, its power."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from random import Random

from tests.simulation.fault import CADENCE_SECONDS, alive, restart
from tests.simulation.run import Kind, Run
from tests.simulation.world import World


def disk_full(world: World, rng: Random) -> None:
    """Nothing can be written, by nobody; the node dies of it."""
    run = alive(world)
    world.fill_disk()
    run.tape.is_stopped = True
    world.clock.call_in(30, lambda: world.node.end(run, Kind.DISK_FULL))
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 4), lambda: _use(world, 60.0))


def no_room(world: World, rng: Random) -> None:
    """On the disk of the data root, which is not the node's: it goes on, and its log has a gap."""
    run = alive(world)
    world.fill_disk()
    run.tape.is_stopped = True
    seconds = CADENCE_SECONDS * rng.randint(1, 4)
    world.trouble_until = world.now + timedelta(seconds=seconds)
    world.clock.call_in(seconds, lambda: _has_room(world, run))


def _has_room(world: World, run: Run) -> None:
    _use(world, 60.0)
    run.tape.is_stopped = False


def disk_tight(world: World, rng: Random) -> None:
    _use(world, 96.5)
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 4), lambda: _use(world, 45.0))


def _use(world: World, pct: float) -> None:
    world.machine.used_pct = pct


def log_moved(world: World, rng: Random) -> None:
    """By logrotate: the node writes on to the file of another name."""
    moved = world.session.logs / f"monitor.log.{world.now:%Y%m%d}"
    world.session.log.rename(moved)
    _without_log(world, rng, str(moved))


def log_deleted(world: World, rng: Random) -> None:
    world.session.log.unlink()
    _without_log(world, rng)


def _without_log(world: World, rng: Random, now_at: str = "") -> None:
    """Until somebody restarts the node."""
    run = alive(world)
    run.has_log = False
    world.machine.lose(run.pid, "fd/1", now_at)
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 6), lambda: restart(world, run))


def state_damaged(world: World, rng: Random) -> None:
    """What an earlier tick left is cut off, empty or noise. What waits for a tracker that is away has no other copy."""
    session = world.session
    for path in rng.sample([session.state, session.data.node_record, session.data.issue_ledger], rng.randint(1, 3)):
        if path != session.data.issue_ledger or world.way.is_open(world.now):
            _damage(path, rng)


def record_damaged(world: World, rng: Random) -> None:
    """node.json, and the node dies beside it: who stopped it on purpose, nobody knows."""
    _damage(world.session.data.node_record, rng)
    world.node.end(alive(world), Kind.KILLED, code=137)


def _damage(path: Path, rng: Random) -> None:
    content = path.read_bytes() if path.exists() else b""
    path.write_bytes(rng.choice([b"", content[: len(content) // 2], b"\0" * len(content), b"{}\n"]))


def session_wiped(world: World, rng: Random) -> None:
    """With its node. It comes back by itself only where somebody started it lately."""
    if rng.random() < 0.7 and world.build_there():
        restart(world, alive(world))
    world.node.end(alive(world), Kind.KILLED, code=137)
    shutil.rmtree(world.session.directory)


def session_wiped_beside(world: World, rng: Random) -> None:
    """Under a node that lives on, until an operator builds and starts it anew."""
    run = alive(world)
    run.has_log = False
    shutil.rmtree(world.session.directory)
    world.machine.lose(run.pid, "exe")
    world.machine.lose(run.pid, "fd/1")
    world.clock.call_in(CADENCE_SECONDS * rng.randint(1, 4), lambda: restart(world, run, builds=True))


def clock_ahead(world: World, rng: Random) -> None:
    _jump(world, timedelta(hours=rng.randint(1, 7), seconds=rng.randint(1, 999)), rng)


def clock_behind(world: World, rng: Random) -> None:
    _jump(world, -timedelta(hours=rng.randint(1, 7), seconds=rng.randint(1, 999)), rng)


def _jump(world: World, by: timedelta, rng: Random) -> None:
    """The clock is wrong for some ticks; now and then the node dies meanwhile."""
    world.machine.jump(by)
    if rng.random() < 0.4:
        world.node.end(alive(world), Kind.PANIC)
    seconds = CADENCE_SECONDS * rng.randint(1, 5)
    world.trouble_until = world.now + timedelta(seconds=seconds)
    world.clock.call_in(seconds, lambda: world.machine.jump(-by))


def power_cut(world: World, rng: Random) -> None:
    off(world, timedelta(minutes=rng.randint(2, 200)))


def long_power_cut(world: World, rng: Random) -> None:
    """So long that nobody may revive what was abandoned."""
    off(world, timedelta(hours=rng.randint(7, 9)))


def off(world: World, span: timedelta) -> None:
    world.node.end(alive(world), Kind.POWER)
    world.ticks_from = world.now + span
    world.clock.call_at(world.ticks_from, lambda: world.machine.boot(world.now))


def cron_off(world: World, rng: Random) -> None:
    world.ticks_from = world.now + timedelta(seconds=CADENCE_SECONDS * rng.randint(1, 8))
