"""Days of ticks on the made-up world, and whatever may befall it; all of it follows from the seed."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from monitor_loop import actionlog, quarantine
from monitor_loop.errors import MonitorError
from monitor_tick.actions import Act
from monitor_tick.plan import EARLY_ACTS, Disposition
from monitor_tick.report import Report, render_text
from monitor_tick.rules import Rules
from monitor_tick.verdict import Level
from tests.simulation import audit
from tests.simulation.dying import Died, dying_at
from tests.simulation.fault import Fault
from tests.simulation.faults import FAULTS
from tests.simulation.run import Run
from tests.simulation.world import BEGAN, World

FIRST_FAULT_TICK = 6
LAST_TICKS = 12
"""Quiet ones at the end, in which everything has to come to rest."""

LONGEST_EPISODE = 60
OPERATOR_COMES_AFTER = 3
CLOSE_EVERY = 60
"""Ticks between two times that somebody closes every issue."""

REASONS_IN = ("node", "deploy", "wipe")
REASONS = ("OFFLINE", "FAILED", "rebuild failed", "refused", "waits for the next full tick")
"""Of the lines of a report that says OFFLINE, one has to say why."""

REBUILDING = "SESSION DIR WIPED — rebuil"
"""A node that is down and comes back: its level is ACTION."""


BLIND_LOG, BLIND_COOLDOWN = "self:blind-log", timedelta(hours=30)
"""A finding of the monitor itself; the longest cooldown is a day, and the clock may be seven hours off."""

NODE_ACTS = {act.value for act in Act}


class Chances(NamedTuple):
    """Of what may happen to a tick itself; `dies_acting` where the node needs something."""

    dies: float = 0.05
    dies_acting: float = 0.35
    missed: float = 0.02
    early: float = 0.06


USUAL = Chances()


class Ticked(NamedTuple):
    """One tick, in true time and by the machine's clock: `said` is its report, or why there is none.

    `is_heard`: the tracker could be reached.
    """

    at: datetime
    wall: datetime
    early: bool
    said: str
    report: Report | None
    is_heard: bool


class Episode:
    """One fault, and how it ended: `healthy`, or the reason why the node was left down until the operator came."""

    def __init__(self, fault: Fault, tick: int) -> None:
        self.fault = fault
        self.tick = tick
        self.outcomes: list[str] = []
        self.healthy_ticks = 0
        self.down_ticks = 0


class Week:
    def __init__(self, root: Path, rules: Rules, seed: int, *, ticks: int = 504, chances: Chances = USUAL) -> None:
        self.world = World(root, rules)
        self.ticked: list[Ticked] = []
        self.episodes: list[Episode] = []
        self.died = self.missed = 0
        self.closings: list[int] = []
        self.problems: list[str] = []
        self._root, self._ticks, self._chances = root, ticks, chances
        self._faults, self._luck = Random(f"faults {seed}"), Random(f"luck {seed}")
        self._bag: list[Fault] = []
        self._open: Episode | None = None
        self._next_fault = FIRST_FAULT_TICK
        self._acts_seen = self._actions_size = 0
        self._blind_looks = 0
        self._filed: set[tuple[str, str]] = set()

    def run(self) -> None:
        try:
            with self.world.patched():
                self.world.new_build()
                self.world.start_node()
                for number in range(1, self._ticks + 1):
                    self._step(number)
                self._look_back()
        finally:
            self.world.close()

    def _step(self, number: int) -> None:
        world = self.world
        self._pass_to(number)
        if world.now < world.ticks_from or self._luck.random() < self._chances.missed:
            self.missed += 1
            return
        self._tick(early=False)
        if self._luck.random() < self._chances.early or world.now < world.two_lines_until:
            world.clock.advance(world.now + timedelta(seconds=self._luck.randint(20, 400)))
            self._tick(early=True)
        self._look_after(number)

    # --- forward --------------------------------------------------------------------------------------------------

    def _pass_to(self, number: int) -> None:
        """To the time of this tick; a fault that is due begins on the way."""
        world, at = self.world, BEGAN + number * self.world.cadence
        if self._open is None and self._next_fault <= number <= self._ticks - LAST_TICKS - LONGEST_EPISODE:
            if not self._bag:
                self._bag = self._faults.sample(FAULTS, len(FAULTS))
            fault = self._bag.pop()
            self._open = Episode(fault, number)
            self.episodes.append(self._open)
            begins = at - timedelta(seconds=self._faults.randint(*fault.before_tick))
            world.clock.advance(begins)
            fault.begin(world, self._faults)
        world.clock.advance(at)

    def _tick(self, *, early: bool) -> None:
        world = self.world
        run, was_healthy = world.node.run, world.node.is_healthy
        chance = self._chances.dies if was_healthy else self._chances.dies_acting
        step = self._luck.randrange(180 if not was_healthy else 60)
        at, wall, report, is_heard = world.now, world.wall, None, world.way.is_open(world.now)
        try:
            if self._luck.random() < chance:
                with dying_at(step):
                    report = world.tick()
            else:
                report = world.tick()
            said = render_text(report)
        except Died:
            self.died += 1
            said = f"died at step {step}\n"
        except MonitorError as refusal:
            said = f"{refusal}\n"
        self.ticked.append(Ticked(at, wall, early, self._without_places(said), report, is_heard))
        self._check_acts(early=early, run=run, was_healthy=was_healthy)
        if report is not None:
            self._check_report(report)

    def _check_acts(self, *, early: bool, run: Run | None, was_healthy: bool) -> None:
        """`run` is what there was before the tick."""
        path = self.world.session.data.actions
        size = path.stat().st_size if path.exists() else 0
        if size == self._actions_size:
            return
        acts = audit.acts_of(self.world.session.data)
        new = [act for act in acts[self._acts_seen :] if act.intent.act in NODE_ACTS]
        self._acts_seen, self._actions_size = len(acts), size
        if len(new) > 1:
            self._complain(f"{len(new)} acts in one tick")
        for each in new:
            intent = each.intent
            failed = [one.name for one in intent.preconditions if not one.holds]
            if failed:
                self._complain(f"{intent.act} although {failed}")
            if early and self._follows_a_full_one() and intent.act not in EARLY_ACTS:
                self._complain(f"{intent.act} in an early tick")
            if was_healthy and self.world.node.run is not run:
                self._complain(f"{intent.act} of a healthy node: {intent.why}")
            if (run is not None) != (intent.pid is not None):
                self._complain(f"{intent.act} with pid {intent.pid}, while a node {'ran' if run else 'was down'}")

    def _follows_a_full_one(self) -> bool:
        """Where that one died, or the clock was set since, this is the full one."""
        *_, full, this = self.ticked
        return full.report is not None and timedelta() <= this.wall - full.wall < self.world.cadence / 2

    def _check_report(self, report: Report) -> None:
        world = self.world
        self._filed |= {
            (filing.alert.key, filing.alert.scope)
            for filing in report.plan.filings
            if filing.disposition is Disposition.FILE
        }
        self._check_log()
        said = [text for line in report.lines if line.label in REASONS_IN for text in line.texts]
        node = " / ".join(said)
        if report.level is Level.OFFLINE and not any(word in text for text in said for word in REASONS):
            self._complain(f"OFFLINE without a reason: {node}")
        if world.node.run is None and not world.machine.is_full:
            died = max(end.at for end in world.node.ended)
            comes_back = report.level is Level.OFFLINE or any(REBUILDING in text for text in said)
            if not comes_back and world.now - died > timedelta(seconds=30):
                self._complain(f"the node is down and the report says {report.level.name}: {node}")
            if not world.way.is_open(world.now):
                return
            since = min(self._down_since(), world.machine.wall(self._down_since()))
            if not audit.told_down_since(world.session.data, since.replace(microsecond=0)):
                self._complain(f"the node is down since {since:%d %H:%M:%S}, and no urgent issue says so: {node}")

    def _check_log(self) -> None:
        """A node that writes where nobody reads is told of by the second full tick, or was within the cooldown."""
        world = self.world
        run = world.node.run
        if run is None or run.has_log or not world.way.is_open(world.now):
            self._blind_looks = 0
            return
        self._blind_looks += not self.ticked[-1].early
        since = world.wall - BLIND_COOLDOWN
        if self._blind_looks > 1 and not audit.tells_of(audit.texts_of(world.session.data), BLIND_LOG, since):
            self._complain("its log is not where it is read, and no issue says so")

    def _down_since(self) -> datetime:
        """When the node last was in sync, at least: the end of the first of the runs that failed since."""
        assert self._open is not None or not self.world.node.ended
        began = BEGAN + (self._open.tick - 1) * self.world.cadence if self._open else BEGAN
        return min((end.at for end in self.world.node.ended if end.at >= began), default=began)

    # --- the operator, and the end of a fault ----------------------------------------------------------------------

    def _look_after(self, number: int) -> None:
        world, episode = self.world, self._open
        if number % CLOSE_EVERY == 0 and world.node.is_healthy:
            numbers = [int(path.stem) for path in world.session.data.issues.glob("*.md")]
            world.close_issues()
            self.closings.append(max(numbers, default=0))
        if episode is None:
            return
        machine = world.machine
        is_sound = world.node.run is not None and world.node.is_healthy and not world.node.run.is_doomed
        at_rest = is_sound and machine.used_pct < 90 and world.now >= max(world.ticks_from, world.trouble_until)
        said = self.ticked[-1]
        episode.healthy_ticks = episode.healthy_ticks + 1 if at_rest and said.report is not None else 0
        if episode.healthy_ticks > 1:
            episode.outcomes.append("healthy")
            self._open = None
            self._next_fault = number + self._faults.randint(1, 6)
        elif number - episode.tick > LONGEST_EPISODE:
            self._complain(f"{episode.fault.name} since tick {episode.tick} came to no end")
            raise RuntimeError(f"{episode.fault.name} since tick {episode.tick} came to no end")
        else:
            self._answer_call(episode, said)

    def _answer_call(self, episode: Episode, said: Ticked) -> None:
        """An operator comes to a node that is left down for good, some ticks after the issue that says so."""
        refused = said.said.startswith("ERROR: session")
        latched = self._left_down() if self.world.node.run is None else ""
        is_left_down = refused or (latched != "" and said.report is not None and said.report.level is Level.OFFLINE)
        episode.down_ticks = episode.down_ticks + 1 if is_left_down else 0
        if episode.down_ticks > OPERATOR_COMES_AFTER:
            self._repair(episode, f"OFFLINE: {latched or 'refused'}")

    def _left_down(self) -> str:
        """Why, where it is for good."""
        record = self.world.record()
        return record.offline or (record.recovery.failed if record.recovery is not None else "")

    def _repair(self, episode: Episode, why: str) -> None:
        episode.outcomes.append(why)
        episode.down_ticks = 0
        world = self.world
        world.node.ailing.clear()
        if world.build_there() in {"", *world.node.bad_builds, *world.node.stalled_builds}:
            world.new_build()
        world.start_node()

    # --- back -----------------------------------------------------------------------------------------------------

    def _look_back(self) -> None:
        world, data = self.world, self.world.session.data
        if not world.node.is_healthy:
            self._complain("the node is not healthy in the end")
        self.texts = audit.texts_of(data)
        looks = [audit.Look(each.at, each.wall, each.report is not None and each.is_heard) for each in self.ticked]
        self.duplicates = audit.duplicates(self.texts, self.closings)
        self.lost = audit.untold_ends(self.texts, world.node.ended, looks)
        self.lost += [
            f"{key} ({scope})" for key, scope in sorted(self._filed) if not audit.is_filed(data, self.texts, key, scope)
        ]
        self.lost += audit.waiting(data)
        self._look_at_builds()
        self.log_faults = actionlog.verify(data)

    def _look_at_builds(self) -> None:
        """What is in quarantine has earned it; and a build that never got into sync is there."""
        node, listed = self.world.node, quarantine.read(str(self.world.session.data.quarantine)).entries
        for sha in audit.condemned(listed, (*node.bad_builds, *node.stalled_builds), node.ended):
            self._complain(f"{sha[:8]} is quarantined, and nothing speaks against it")
        for sha in audit.untold_quarantines(self.texts, listed):
            self._complain(f"{sha[:8]} is quarantined, and no issue says so")
        for sha in node.stalled_builds:
            if sha not in listed:
                self._complain(f"{sha[:8]} never got into sync, and is not quarantined")

    def _complain(self, problem: str) -> None:
        self.problems.append(f"tick {len(self.ticked)}, {self.world.now:%d %H:%M}: {problem}")

    # --- what it comes to -----------------------------------------------------------------------------------------

    @property
    def acts_done(self) -> set[Act]:
        """Those on the node; the builder's are written down beside them."""
        done = {act.intent.act for act in audit.acts_of(self.world.session.data)}
        return {act for act in Act if act.value in done}

    @property
    def issues(self) -> str:
        """Every text in the tracker; the names of incidents hang on the path of the data root, so they are numbered."""
        texts = "\n".join(f"#{text.number} {text.title}\n{text.text}" for text in self.texts)
        for number, incident in enumerate(dict.fromkeys(text.hidden.incident for text in self.texts)):
            texts = texts.replace(incident, f"incident {number}")
        return self._without_places(texts)

    def _without_places(self, text: str) -> str:
        return text.replace(str(self._root), "<root>").replace(str(self.world.web.port), "<port>")

    @property
    def reports(self) -> str:
        return "\n".join(
            f"{each.at:%d %H:%M:%S} {'early' if each.early else 'full'}\n{each.said}" for each in self.ticked
        )

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.reports.encode()).hexdigest()

    def summary(self) -> str:
        node, acts = self.world.node, audit.acts_of(self.world.session.data)
        issues = [text for text in self.texts if text.is_issue]
        outcomes = Counter(outcome for episode in self.episodes for outcome in episode.outcomes)
        rows = {
            "ticks": f"{len(self.ticked)} ({sum(each.early for each in self.ticked)} early, {self.died} died, "
            f"{self.missed} missed)",
            "faults": f"{len(self.episodes)} of {len({each.fault.name for each in self.episodes})} kinds",
            "ended": ", ".join(f"{name} x{count}" for name, count in sorted(outcomes.items())),
            "runs": f"{node.launches}, ended by {_counted(end.kind.value for end in node.ended)}",
            "actions": _counted(each.intent.act for each in acts),
            "issues": f"{len(issues)}, comments {len(self.texts) - len(issues)}",
            "duplicates": str(len(self.duplicates)),
            "lost alerts": str(len(self.lost)),
            "wrong kills": str(len(node.wrong_kills)),
            "second nodes": str(len(node.second_nodes)),
            "reports": self.digest[:16],
        }
        return "\n".join(f"{name + ':':<14}{value}" for name, value in rows.items())


def _counted(names: object) -> str:
    return ", ".join(f"{name} x{count}" for name, count in sorted(Counter(names).items()))  # type: ignore[call-overload]
