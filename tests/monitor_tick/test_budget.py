"""All deadlines of a tick together fit into one budget; an effect that no longer does is put off, or a mere outcome."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor_loop import cleanup
from monitor_tick import effects, probes
from monitor_tick.actions import CleanUp, Effect, Maintain, Outcome
from monitor_tick.budget import Budget
from monitor_tick.confirm import Confirmation
from monitor_tick.facts import Missing, SecondLook
from monitor_tick.memory import Memory
from monitor_tick.probes import node as node_probe
from monitor_tick.probes import rpc as rpc_probe
from monitor_tick.report import render_text
from monitor_tick.rules import Limits
from monitor_tick.tick import tick
from tests.monitor_tick.alarm_views import RULES
from tests.monitor_tick.archives import with_limits
from tests.monitor_tick.views import a_view
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node

CLOCK = 1000.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock stands still; every deadline that a request of an effect is given, and none is sent."""
    given: list[float] = []

    def refuse(*_: object, deadline_seconds: float, **__: object) -> Missing:
        given.append(deadline_seconds)
        return Missing("not asked")

    monkeypatch.setattr(time, "monotonic", lambda: CLOCK)
    monkeypatch.setattr(node_probe, "fetch", refuse)
    monkeypatch.setattr(rpc_probe, "fetch", refuse)
    return given


def performed(effect: Effect, left: float) -> Outcome:
    (outcome,) = effects.perform((effect,), a_view(), Path("/proc"), Budget(CLOCK + left))
    return outcome


@pytest.mark.parametrize(("left", "given"), [(55.0, 30.0), (35.0, 30.0), (15.0, 10.0), (10.0, 5.0)])
def test_maintenance_gets_what_is_left_beside_the_measuring(deadlines: list[float], left: float, given: float) -> None:
    assert not performed(Maintain(100_000), left).done
    assert deadlines == [given, RULES.limits.http_deadline_seconds]


@pytest.mark.parametrize(
    ("effect", "left", "what"),
    [(Maintain(100_000), 9.9, "maintenance"), (Maintain(100_000), -1.0, "maintenance"), (CleanUp(), 4.9, "clean-up")],
)
def test_an_effect_without_time_is_put_off(deadlines: list[float], effect: Effect, left: float, what: str) -> None:
    line = f"{what} put off: the tick's time is used up"
    assert performed(effect, left) == Outcome(effect=effect, done=False, line=line)
    assert deadlines == []


def test_a_crash_of_an_effect_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("of nothing\nand more")

    monkeypatch.setattr(cleanup, "clean_up", crash)
    (outcome,) = effects.perform((CleanUp(),), a_view(), Path("/proc"), Budget(time.monotonic() + 600))
    assert outcome == Outcome(effect=CleanUp(), done=False, line="CleanUp failed: ZeroDivisionError: of nothing")


@pytest.mark.parametrize(("left", "window"), [(55.0, 20), (20.5, 15), (5.0, 0), (-3.0, 0)])
def test_the_confirm_window_ends_in_time_for_the_info_after_it(
    node: RecordedNode, monkeypatch: pytest.MonkeyPatch, left: float, window: int
) -> None:
    windows: list[float] = []

    def second_look(_session: object, _facts: object, _wanted: object, limits: Limits, _proc: object) -> SecondLook:
        windows.append(limits.confirm_window_seconds)
        return SecondLook(info=None, process_memory=None, host_memory=None, gauge_samples=())

    monkeypatch.setattr(Budget, "left", lambda _: left)
    monkeypatch.setattr(probes, "_second_look", second_look)
    monkeypatch.setattr(probes, "what_to_confirm", lambda _: Confirmation(info=True, memory=False, gauges=()))
    probes.observe(node.session, Memory(), RULES, SAMPLED_AT, node.proc, budget=Budget(0.0))
    assert windows == [window]


def test_a_tick_counts_its_budget_from_its_start(node: RecordedNode) -> None:
    node.bodies["/"] = node.bodies["/"].replace(b'"oldestLedger": 62483583', b'"oldestLedger": 62470000')
    report = tick(node.session, with_limits(tick_budget_seconds=0), SAMPLED_AT, proc=node.proc)
    assert "maintenance put off: the tick's time is used up" in render_text(report)


def test_the_longest_tick_ends_within_its_budget() -> None:
    """The looks, at their latest, leave maintenance its least and getHealth its own."""
    limits = RULES.limits
    looks = 2 * limits.http_deadline_seconds + limits.radar_deadline_seconds + limits.confirm_window_seconds
    assert looks + effects.LEAST_SECONDS + limits.http_deadline_seconds <= limits.tick_budget_seconds < 60
