"""Two things at once: while one fault is dealt with, another one begins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.simulation.faults import FAULTS, Fault
from tests.simulation.test_week import TICKS, assert_all_went_well
from tests.simulation.week import Week
from tests.simulation.world import BEGAN, quick_rules

pytestmark = pytest.mark.thorough

ALONE = {
    "deploy by hand",  # see LONGEST_FATE_SECONDS
    "deploy that never syncs",  # where the other one costs it its trial, it is told of and nobody takes it back
    "record damaged",  # node.json forgets which run was launched: an end of that run passes for the one before it
}
PAIRED = tuple(fault for fault in FAULTS if fault.name not in ALONE)
LONGEST_FATE_SECONDS = 600
"""A deploy makes fatal runs last up to 50 minutes, also those of corrupt state that comes later: three of them never
meet in the 70 minutes that 3a looks back."""


class Pairs(Week):
    """The second one begins within three ticks of the first, on what that has made of the node by then."""

    def __init__(self, root: Path, seed: int) -> None:
        super().__init__(root, quick_rules(), seed, ticks=TICKS)
        self.pairs: dict[int, tuple[str, str]] = {}

    def _pass_to(self, number: int) -> None:
        episode = self._open
        is_new = episode is not None and episode.fault in PAIRED and episode.tick not in self.pairs
        if episode is not None and is_new and 0 < number - episode.tick <= 3:
            fault = self._faults.choice(PAIRED)
            self.world.clock.advance(self._begins(fault, number))
            if self._is_possible(fault):
                self.pairs[episode.tick] = (episode.fault.name, fault.name)
                self.world.node.fate_seconds = min(self.world.node.fate_seconds, LONGEST_FATE_SECONDS)
                fault.begin(self.world, self._faults)
        super()._pass_to(number)

    def _begins(self, fault: Fault, number: int) -> datetime:
        at = BEGAN + number * self.world.cadence - timedelta(seconds=self._faults.randint(*fault.before_tick))
        return max(self.world.now, at)

    def _is_possible(self, fault: Fault) -> bool:
        has_log = self.world.session.log.exists() or not fault.name.startswith("log ")
        return self.world.node.run is not None and has_log


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_fault_while_another_one_is_dealt_with_is_survived_as_well(
    tmp_path: Path, seed: int, tell: Callable[[str], None]
) -> None:
    week = Pairs(tmp_path, seed)
    week.run()
    tell(week.summary())
    tell("\n".join(f"{first}, then {second}" for first, second in sorted(week.pairs.values())))
    assert len(week.pairs) > 10
    assert_all_went_well(week)
