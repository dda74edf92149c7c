"""A whole tick that is killed with SIGKILL before each of its writes, and the tick that comes after it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor_tick.catalog import load_rules
from monitor_tick.tick import tick
from tests.end_to_end.killed_ticks import KILLED_AT
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node

CHECKOUT = Path(__file__).parents[2]
WHOLE_TICK = 20
"""Fewer steps than this, and the test would not see the tick's writes."""

FINISHED = "the last tick died inside its commit; the commit was finished"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.thorough), 4])
def test_a_tick_killed_at_any_write_leaves_whole_files_and_the_next_tick_goes_on(
    node: RecordedNode, every: int, tell: Callable[[str], None]
) -> None:
    tick(node.session, load_rules(), SAMPLED_AT, proc=node.proc)
    node.scrape("healthy_next.prom")
    node.answer_at(62_484_251, KILLED_AT + timedelta(seconds=2))
    program = [sys.executable, "-m", "tests.end_to_end.killed_ticks"]
    argv = [*program, str(node.session.data.path), str(node.proc), str(every)]
    ran = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    *killed, whole = [json.loads(row) for row in ran.stdout.splitlines()]
    tell(f"{len(killed)} points tried")

    assert [tried["killed"] for tried in killed] == [True] * len(killed)
    assert len(killed) > WHOLE_TICK // every
    assert not whole["killed"]
    for tried in (*killed, whole):
        assert (tried["damaged"], tried["next"], tried["journal"]) == ([], "new", False)
        assert (tried["log"], tried["sync"], tried["metrics"]) == ("clean", "synced", "clean")
        assert tried["self_reflect"] in ("clean", FINISHED)
    left = [tried["left"] for tried in killed]
    assert left == sorted(left, reverse=True), "once new, it stays new"
    assert set(left) == {"old", "new"}, "and never a mix of both"
