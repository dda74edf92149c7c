"""What a command imports and how often it waits for the disk: the exact part of docs/performance.md."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.benchmarks.commands import witnessed
from tests.benchmarks.durability import MORE_FSYNCS, quiet_tick
from tests.benchmarks.startup import held, light_paths
from tests.benchmarks.world import MB, world

HEAVY = frozenset({"requests", "urllib3", "psutil", "prometheus_client", "msgspec", "tomli"})
NEVER_IN_A_QUIET_TICK = frozenset({"psutil", "prometheus_client"})


@pytest.fixture(autouse=True)
def nothing_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worlds that a benchmark makes are made here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize("name", ["--help", "--version", "lock held", "stopped session"])
def test_a_tick_with_nothing_to_do_imports_nothing_heavy(tmp_path: Path, name: str) -> None:
    arguments, status = next(path[1:] for path in light_paths(tmp_path) if path[0] == name)
    with held(tmp_path, name):
        notes = witnessed("monitor_tick.cli:main", *arguments, status=status)
    assert "click" in notes.modules
    assert notes.modules & HEAVY == set()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_monitor_loop_imports_nothing_heavy_before_it_knows_its_verb(option: str) -> None:
    notes = witnessed("monitor_loop.cli:main", option)
    assert "click" in notes.modules
    assert notes.modules & HEAVY == set()


def test_a_quiet_tick_is_quiet_imports_no_more_than_it_uses_and_batches_its_fsyncs() -> None:
    with world(3 * MB) as quiet:
        fsyncs, written, notes = quiet_tick(quiet)
    assert "MONITOR OK " in notes.output
    assert "msgspec" in notes.modules
    assert notes.modules & NEVER_IN_A_QUIET_TICK == set()
    assert written >= 4
    assert written < fsyncs <= written + MORE_FSYNCS


def test_the_witness_sees_an_import() -> None:
    assert "tomli" in witnessed("import", "tomli").modules
