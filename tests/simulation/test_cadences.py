"""Every remedy is reached at every cadence: by the ticks themselves, on the model of the node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_loop import envfile, noderecord
from monitor_tick.report import Report
from monitor_tick.rules import Rules
from monitor_tick.verdict import Level
from tests.end_to_end.commands import monitor_tick
from tests.simulation import audit
from tests.simulation.model import Ailing
from tests.simulation.run import Kind
from tests.simulation.tape import FATAL_HEADER
from tests.simulation.world import World, quick_rules

USUAL = 20
CADENCES = [USUAL, *(pytest.param(minutes, marks=pytest.mark.thorough) for minutes in (5, 10, 30, 60))]
SETTLED_AFTER = timedelta(hours=3)
RULES = quick_rules()


class Watched:
    """A node that settled long ago, and the ticks that follow; `acts` are by the number of their tick."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.at = world.now
        self.acts: list[tuple[int, str]] = []
        self.levels: list[Level] = []

    def tick(self) -> Report:
        self.at += self.world.cadence
        report = self._look(self.at)
        self.levels.append(report.level)
        return report

    def early_tick(self) -> Report:
        """Of a second cron line, a minute after the first."""
        return self._look(self.at + timedelta(minutes=1))

    def _look(self, at: datetime) -> Report:
        world = self.world
        world.clock.advance(at)
        before = len(audit.acts_of(world.session.data))
        report = world.tick()
        number = len(self.levels) + (at == self.at)
        self.acts += [(number, act.intent.act) for act in audit.acts_of(world.session.data)[before:]]
        return report

    def tick_until(self, act: str, most: int) -> int:
        """The number of the tick that does it."""
        for _ in range(most):
            self.tick()
            if self.acts and self.acts[-1][1] == act:
                return len(self.levels)
        raise AssertionError(f"no {act} in {most} ticks: {self.acts}")


@contextmanager
def settled(root: Path, minutes: int, rules: Rules = RULES) -> Iterator[Watched]:
    world = World(root, rules, cadence=timedelta(minutes=minutes))
    with world.patched():
        world.new_build()
        world.start_node()
        world.clock.advance(world.now + SETTLED_AFTER)
        world.tick()
        world.clock.advance(world.now + world.cadence)
        world.tick()
        yield Watched(world)
    world.close()


@pytest.mark.parametrize("fate_seconds", [3, 90])
@pytest.mark.parametrize("minutes", CADENCES)
def test_X2_3a_three_fatal_crashes_are_wiped_at_the_third_tick(tmp_path: Path, minutes: int, fate_seconds: int) -> None:
    with settled(tmp_path, minutes) as watched:
        node = watched.world.node
        node.fate_seconds = fate_seconds
        node.corrupt()
        assert node.run is not None
        node.end(node.run, Kind.FATAL)
        wiped = watched.tick_until("wipe", 10)
        print(f"a tick in {minutes} minutes, dead {fate_seconds} s after each launch: the wipe is in tick {wiped}")
        assert watched.acts == [(1, "relaunch"), (2, "relaunch"), (3, "wipe")]
        watched.world.clock.advance(watched.world.now + timedelta(hours=1))
        assert node.is_healthy
        assert (node.second_nodes, node.wrong_kills) == ([], [])


@pytest.mark.parametrize("minutes", CADENCES)
def test_X2_3a_is_reached_with_two_cron_lines(tmp_path: Path, minutes: int) -> None:
    """An early tick may relaunch, and leaves the wipe to the next full one."""
    with settled(tmp_path, minutes) as watched:
        node = watched.world.node
        node.fate_seconds = 3
        node.corrupt()
        assert node.run is not None
        node.end(node.run, Kind.FATAL)
        for _ in range(3):
            watched.tick()
            watched.early_tick()
        assert watched.acts == [(1, "relaunch"), (1, "relaunch"), (2, "wipe")]
        watched.world.clock.advance(watched.world.now + timedelta(hours=1))
        assert node.is_healthy
        assert (node.second_nodes, node.wrong_kills) == ([], [])


@pytest.mark.parametrize("minutes", CADENCES)
def test_back_off_counts_no_early_tick(tmp_path: Path, minutes: int) -> None:
    """The early tick after the last that waited is the one that relaunches."""
    with settled(tmp_path, minutes) as watched:
        node = watched.world.node
        node.ailing = [Ailing(Kind.PANIC, 3)] * 10
        assert node.run is not None
        node.end(node.run, Kind.PANIC)
        for _ in range(30):
            watched.tick()
            watched.early_tick()
        first_wait, second_wait = RULES.limits.backoff_ticks
        tried = [number for number, act in watched.acts if act == "relaunch"]
        assert tried == [1, 1, 2, 2 + first_wait, 2 + first_wait + second_wait]
        assert noderecord.read(watched.world.session.data).offline == "restart budget spent"


@pytest.mark.parametrize("minutes", CADENCES)
def test_a_crash_at_each_launch_is_tried_thrice_then_later_then_left(tmp_path: Path, minutes: int) -> None:
    with settled(tmp_path, minutes) as watched:
        node = watched.world.node
        node.ailing = [Ailing(Kind.PANIC, 60)] * 10
        assert node.run is not None
        node.end(node.run, Kind.PANIC)
        for _ in range(30):
            watched.tick()
        tried = [number for number, act in watched.acts if act == "relaunch"]
        print(f"a tick in {minutes} minutes: relaunches in ticks {tried}, then none")
        first_wait, second_wait = RULES.limits.backoff_ticks
        assert tried == [1, 2, 3, 3 + first_wait + 1, 3 + first_wait + 1 + second_wait + 1]
        assert len(watched.acts) == len(tried)
        assert set(watched.levels[tried[-1] :]) == {Level.OFFLINE}
        assert noderecord.read(watched.world.session.data).offline == "restart budget spent"
        titles = [text.title for text in audit.texts_of(watched.world.session.data) if text.is_issue]
        assert titles.count("OFFLINE: restart budget spent") == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("minutes", CADENCES)
def test_L64_3c_a_node_alive_after_a_fatal_failure_is_wiped(tmp_path: Path, minutes: int, share: float) -> None:
    """`share` of a cadence after a tick it fails; what has to last is looked for by the ticks after that."""
    with settled(tmp_path, minutes) as watched:
        world, node = watched.world, watched.world.node
        world.node.show()
        world.clock.advance(world.now + world.cadence * share)
        node.corrupt()
        assert node.run is not None
        node.run.halt(world.now)
        node.run.blocked_since = world.now
        node.run.tape.at(world.wall).fatal(FATAL_HEADER, node.run.ledger(world.now))
        wiped = watched.tick_until("wipe", 5)
        print(f"a tick in {minutes} minutes, failed {share:.0%} after one: the wipe is in tick {wiped}")
        assert wiped <= 2
        assert watched.acts == [(wiped, "wipe")]


def test_X2_a_tick_whose_limits_its_cadence_can_never_reach_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, RULES)
    session = msgspec.structs.replace(world.session, cadence_seconds=7 * 3600)
    envfile.write(session)
    world.close()
    ran = monitor_tick(session.data.path, "--dry-run", "--proc", str(world.machine.proc))
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "limits.toml: trial_ticks = 3: a trial would last over a day; lower it or the cadence" in ran.stderr
    assert "MONITOR_CADENCE_SECONDS=25200" in ran.stderr
