"""A fault, and what every kind of it begins with."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from tests.simulation.run import Kind, Run
from tests.simulation.world import World

CADENCE_SECONDS = 1200


class Fault(NamedTuple):
    """`before_tick` are the seconds before the next tick between which it begins."""

    name: str
    begin: Callable[[World, Random], None]
    before_tick: tuple[int, int] = (130, 1190)


def alive(world: World) -> Run:
    assert world.node.run is not None, "a fault begins on a healthy node"
    return world.node.run


def some_cadences(rng: Random, least: int, most: int) -> int:
    """In seconds."""
    return CADENCE_SECONDS * rng.randint(least, most)


def restart(world: World, run: Run, *, builds: bool = False) -> None:
    """By the operator, where that run is still there."""
    if world.node.run is run:
        world.node.end(run, Kind.STOPPED, code=0)
        if builds:
            world.new_build()
        world.start_node()
