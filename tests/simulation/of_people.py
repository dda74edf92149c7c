"""What the operator does, and whoever else has a hand in it."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from tests.simulation.fault import CADENCE_SECONDS, alive, restart
from tests.simulation.of_machine import off
from tests.simulation.run import Kind, Run
from tests.simulation.world import World


def has_one_to_go_back_to(world: World) -> bool:
    """So that another build is put on trial; after a damaged node.json there is none for a while."""
    record = world.record()
    return record.trial is None and record.last_good_sha == record.deployed_sha != ""


def deploy(world: World, rng: Random) -> None:
    """Another build, by hand; some of them are bad, and show it within their trial, or soon where there is none."""
    run, is_tried = alive(world), has_one_to_go_back_to(world)
    sha = world.new_build()
    if rng.random() < 0.6:
        world.node.bad_builds.append(sha)
        world.node.fate_seconds = rng.randint(1500, 3000) if is_tried else 90
    restart(world, run)


def deploy_stalled(world: World, _rng: Random) -> None:
    """Another build, by hand, that never gets into sync; a good one where there is none to go back to."""
    run, is_tried = alive(world), has_one_to_go_back_to(world)
    sha = world.new_build()
    if is_tried:
        world.node.stalled_builds.append(sha)
    restart(world, run)


def deploy_and_power_cut(world: World, rng: Random) -> None:
    """A good build, and the power goes while it is on trial."""
    run = alive(world)
    world.new_build()
    restart(world, run)
    tried, seconds = world.node.run, rng.randint(100, 3 * CADENCE_SECONDS)
    world.trouble_until = world.now + timedelta(seconds=seconds + CADENCE_SECONDS)
    world.clock.call_in(seconds, lambda: _cut(world, tried, timedelta(minutes=rng.randint(2, 100))))


def _cut(world: World, tried: Run | None, span: timedelta) -> None:
    if tried is not None and world.node.run is tried:
        off(world, span)


def tracker_away(world: World, rng: Random) -> None:
    """For most of a day, in which other things go on happening."""
    world.way.away_until = world.now + timedelta(minutes=rng.randint(600, 1300))


def tracker_vague(world: World, rng: Random) -> None:
    """It takes what is written, or not, and half of its answers are lost; the node dies meanwhile."""
    world.way.vague_until = world.now + timedelta(minutes=rng.randint(60, 300))
    world.node.end(alive(world), Kind.PANIC)


def two_cron_lines(world: World, rng: Random) -> None:
    """Each tick is followed by an early one; the node dies now and then."""
    seconds = CADENCE_SECONDS * rng.randint(3, 9)
    world.two_lines_until = world.trouble_until = world.now + timedelta(seconds=seconds)
    run, after = alive(world), rng.randint(1, seconds)
    if rng.random() < 0.6:
        world.clock.call_in(after, lambda: world.node.end(run, Kind.PANIC))
