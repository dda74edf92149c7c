from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_tick.actions import Maintain, Outcome
from monitor_tick.checks.rpc import LABEL, after_maintenance, judge
from monitor_tick.facts import Missing, RpcHealth
from monitor_tick.judging.pruning import after_call
from monitor_tick.memory import Memory, PruningState, TreeState
from monitor_tick.verdict import Level
from tests.monitor_tick.views import (
    GIB,
    LEDGER,
    NOW,
    a_config,
    a_dead_view,
    a_log,
    a_process,
    a_view,
    a_watcher_view,
    healthy_memory,
    some_rules,
)

LIMIT = 3 * 360 + 500


def health(window: int | None = 450, **changes: object) -> RpcHealth:
    oldest = None if window is None else LEDGER - window
    answer = RpcHealth(status="healthy", latest=LEDGER, oldest=oldest, retention_window=360)
    return msgspec.structs.replace(answer, **changes)


def pruning(step: int, window: int | None = None) -> Memory:
    memory = healthy_memory()
    state = msgspec.structs.replace(memory.state, pruning=PruningState(step, window))
    return msgspec.structs.replace(memory, state=state)


def test_a_healthy_validator() -> None:
    verdict = judge(a_view())
    assert verdict.label == LABEL
    assert verdict.lines == (f"healthy oldestL={LEDGER - 450} latestL={LEDGER} window=450 age=3s",)
    assert (verdict.level, verdict.alerts, verdict.effects) == (Level.OK, (), ())
    assert verdict.watch == ("pruning_gap=450",)


def test_the_answers_own_age_comes_first() -> None:
    assert judge(a_view(rpc=health(age_seconds=7))).lines[0].endswith("age=7s")
    assert judge(a_view(age_seconds=None, rpc=health())).lines[0].endswith("age=?s")


def test_a_watcher_and_a_dead_node_are_not_judged() -> None:
    assert judge(a_watcher_view()).lines == ("N/A (watcher)",)
    verdict = judge(a_dead_view())
    assert (verdict.lines, verdict.level, verdict.alerts) == (("N/A (no process)",), Level.OK, ())


def test_a_validator_whose_config_serves_no_rpc_is_not_down() -> None:
    verdict = judge(a_view(rpc_port=None, rpc=Missing("no port")))
    assert (verdict.lines, verdict.level) == (("N/A (no RPC in its config)",), Level.OK)


def test_rpc_down() -> None:
    verdict = judge(a_view(rpc=Missing("connection refused")))
    assert verdict.lines == ("N/A — RPC DOWN (connection refused)",)
    assert verdict.level is Level.WARNING
    assert [(alert.key, alert.title, alert.urgent) for alert in verdict.alerts] == [("rpc:down", "RPC down", False)]
    assert verdict.remember == ()


def test_unhealthy() -> None:
    verdict = judge(a_view(rpc=health(status="unhealthy"), age_seconds=90.0))
    assert verdict.lines[0].startswith("unhealthy oldestL=")
    assert [(alert.key, alert.title) for alert in verdict.alerts] == [("rpc:unhealthy", "RPC unhealthy")]


def test_a_status_we_do_not_know_is_unhealthy_and_quoted_in_the_cause() -> None:
    verdict = judge(a_view(rpc=health(status="degraded")))
    assert verdict.lines[0].startswith("unhealthy ")
    assert verdict.alerts[0].cause == "getHealth says degraded"


@pytest.mark.parametrize(("minutes", "alerts"), [(15, 0), (16, 1)])
def test_L17_what_excuses_sync_excuses_rpc(minutes: int, alerts: int) -> None:
    view = a_view(rpc=health(status="unhealthy"), age_seconds=90.0, uptime=timedelta(minutes=minutes))
    verdict = judge(view)
    assert verdict.lines[0].startswith("unhealthy ")
    assert len(verdict.alerts) == alerts


def test_a_young_node_in_sync_has_no_excuse() -> None:
    assert judge(a_view(rpc=health(status="unhealthy"), uptime=timedelta(minutes=5))).alerts != ()
    unknown = {"age_seconds": None, "uptime": None, "process": a_process()}
    assert judge(a_view(rpc=health(status="unhealthy"), **unknown)).alerts != ()


# --- pruning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "stalled"), [(LIMIT, False), (LIMIT + 1, True)])
def test_L31_the_limit_is_a_formula_over_the_retention(window: int, stalled: bool) -> None:
    verdict = judge(a_view(rpc=health(window)))
    assert (len(verdict.lines) > 1) is stalled
    assert verdict.effects == ((Maintain(100_000),) if stalled else ())
    assert verdict.level is (Level.WARNING if stalled else Level.OK)
    if stalled:
        assert verdict.lines[1] == "pruning stalled: window 1581 > 1580"


@pytest.mark.parametrize(
    ("answer", "config", "limit"),
    [
        (1000, a_config(retention_window=100), 3500),
        (None, a_config(retention_window=100), 800),
        (0, a_config(retention_window=100), 800),
        (None, Missing("unreadable"), 1580),
        (None, a_config(retention_window=0), 1580),
    ],
)
def test_L31_retention_comes_from_the_answer_then_the_config_then_the_default(
    answer: int | None, config: object, limit: int
) -> None:
    for window, stalled in ((limit, False), (limit + 1, True)):
        verdict = judge(a_view(rpc=health(window, retention_window=answer), config=config))
        assert bool(verdict.effects) is stalled


def test_every_number_of_the_formula_is_a_limit() -> None:
    rules = some_rules(pruning_retention_factor=2, pruning_slack_ledgers=10, maintenance_counts=(7, 8, 9))
    assert judge(a_view(rpc=health(730), rules=rules)).effects == ()
    assert judge(a_view(rpc=health(731), rules=rules)).effects == (Maintain(7),)
    assert judge(a_view(rpc=health(731), rules=rules, memory=pruning(2))).effects == (Maintain(9),)


def test_an_unknown_oldest_ledger_is_not_judged() -> None:
    verdict = judge(a_view(rpc=health(None), memory=pruning(1, 2000)))
    assert verdict.lines == (f"healthy oldestL=? latestL={LEDGER} window=? age=3s",)
    assert (verdict.level, verdict.effects, verdict.remember, verdict.watch) == (Level.OK, (), (), ())


@pytest.mark.parametrize(("step", "count", "following"), [(0, 100_000, 1), (1, 500_000, 2), (2, 500_000, 2)])
def test_maintenance_goes_from_the_smaller_count_to_the_larger(step: int, count: int, following: int) -> None:
    view = a_view(rpc=health(2000), memory=pruning(step, 1900))
    verdict = judge(view)
    assert verdict.effects == (Maintain(count),)
    assert verdict.remember == (), "whether the node did it is known only after the call"
    done = Outcome(effect=Maintain(count), done=True, line="done", window=1900)
    assert after_call(view, health(2000), done) == PruningState(following, 2000)


def test_a_call_that_failed_is_no_step_and_nothing_is_said_to_have_been_tried() -> None:
    view = a_view(rpc=health(2000), memory=pruning(0))
    assert after_call(view, health(2000), Outcome(effect=Maintain(100_000), done=False, line="failed")) is None
    assert judge(view).alerts == ()


@pytest.mark.parametrize("state", ["early", "fresh_start", "crash_recovery"])
def test_no_maintenance_beside_a_catch_up_or_between_two_full_ticks(state: str) -> None:
    verdict = judge(a_view(rpc=health(2000), memory=pruning(1, 1900), **{state: True}))
    assert (verdict.effects, verdict.remember) == ((), ())
    assert verdict.level is Level.WARNING


def test_a_window_that_maintenance_did_not_shrink_is_filed() -> None:
    assert judge(a_view(rpc=health(2000), memory=pruning(0))).alerts == ()
    assert judge(a_view(rpc=health(2000), memory=pruning(1, 2001))).alerts == ()
    for before in (2000, 1999):
        verdict = judge(a_view(rpc=health(2000), memory=pruning(1, before)))
        assert verdict.lines[1] == "RESOURCE WARNING — pruning stalled, gap=2000 after manual maintenance"
        assert [(a.key, a.title) for a in verdict.alerts] == [("rpc:pruning", "Pruning stalled: window 2000 ledgers")]


def test_the_issue_shows_the_derivation_the_nodes_own_maintenance_and_the_database() -> None:
    memory = pruning(1, 1900)
    trees = TreeState(
        at=NOW,
        total_bytes=0,
        buckets_bytes=0,
        database_bytes=26 * GIB,
        day_at=NOW,
        day_buckets_bytes=0,
        day_database_bytes=0,
    )
    memory = msgspec.structs.replace(memory, state=msgspec.structs.replace(memory.state, trees=trees))
    log = a_log(maintenance_at=NOW - timedelta(minutes=4), maintenance_slow_ms=12_345)
    (alert,) = judge(a_view(rpc=health(2000), memory=memory, log=log)).alerts
    assert alert.evidence == (
        ("window", f"2000 (L{LEDGER - 2000} to L{LEDGER})"),
        ("limit", "1580 = 3 x 360 (getHealth) + 500"),
        ("window before maintenance", "1900"),
        ("node's own maintenance", "2026-05-09T03:36:07Z"),
        ("it took too long", "12345ms"),
        ("configured", "every 900s"),
        ("database", "27.0GB (26.0GB at the last full tick)"),
    )


def test_the_issue_says_what_could_not_be_read() -> None:
    unread = {"log": Missing("permission denied"), "trees": Missing("timed out"), "config": Missing("unreadable")}
    (alert,) = judge(a_view(rpc=health(2000), memory=pruning(1, 1900), **unread)).alerts
    assert alert.evidence[3:] == (
        ("node's own maintenance", "not seen in the lines read"),
        ("it took too long", "not seen"),
        ("configured", "unknown"),
        ("database", "? (timed out)"),
    )


def test_a_window_back_in_bounds_forgets_the_steps() -> None:
    assert judge(a_view(rpc=health(450), memory=pruning(2, 2000))).remember == (PruningState(),)
    assert judge(a_view(rpc=health(450), memory=pruning(2, 2000), early=True)).remember == ()


@pytest.mark.parametrize(
    ("done", "after", "text"),
    [
        (True, 2000, "RESOURCE WARNING — pruning stalled, gap=2000 after manual maintenance"),
        (True, 1999, None),
        (True, None, None),
        (False, 2000, None),
    ],
)
def test_after_maintenance(done: bool, after: int | None, text: str | None) -> None:
    outcome = Outcome(effect=Maintain(100_000), done=done, line="maintenance", window=after)
    assert after_maintenance(outcome, 2000) == text
