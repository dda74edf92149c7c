"""What came of an effect: in the report, in the second commit, and in alerts that only the doing could raise."""

from __future__ import annotations

import pytest

from monitor_loop.session import Process
from monitor_tick.actions import Act, Acted, CleanUp, Maintain, NodeAction, Outcome, StartBuild
from monitor_tick.effects.aftermath import acted_told, learned, told
from monitor_tick.facts import Missing, RpcHealth
from monitor_tick.memory import PruningState
from monitor_tick.verdict import Level, Verdict
from tests.monitor_tick.checks.test_wipe import recovering
from tests.monitor_tick.views import LEDGER, a_process, a_view

STALLED = RpcHealth(status="healthy", latest=LEDGER, oldest=LEDGER - 2000, retention_window=360)
RPC = Verdict(label="rpc", lines=("healthy window=2000",), level=Level.WARNING)
DISK = Verdict(label="disk", lines=("97%",), level=Level.WARNING)


def maintained(window: int | None, *, done: bool = True) -> Outcome:
    return Outcome(effect=Maintain(100_000), done=done, line="maintenance count=100000 done", window=window)


@pytest.mark.parametrize(("window", "stalled"), [(1999, False), (2000, True), (None, False)])
def test_a_window_that_did_not_shrink_is_an_alert_of_the_same_tick(window: int | None, stalled: bool) -> None:
    (verdict,) = told((RPC,), (maintained(window),), a_view(rpc=STALLED))
    assert verdict.lines[1] == "maintenance count=100000 done"
    assert [alert.key for alert in verdict.alerts] == ["rpc:pruning"] * stalled
    assert verdict.level is Level.ACTION


def test_only_a_call_that_was_answered_is_a_step() -> None:
    view = a_view(rpc=STALLED)
    assert learned((maintained(1500),), view) == (PruningState(1, 2000),)
    assert learned((maintained(2000, done=False),), view) == ()
    assert learned((maintained(1500),), a_view(rpc=Missing("refused"))) == ()
    (verdict,) = told((RPC,), (maintained(2000, done=False),), view)
    assert (verdict.alerts, verdict.level) == ((), Level.WARNING)


@pytest.mark.parametrize(("used", "critical"), [(95.0, False), (95.1, True)])
def test_a_clean_up_that_did_not_help_says_so(used: float, critical: bool) -> None:
    outcome = Outcome(effect=CleanUp(), done=True, line="cleaned up 3 items", used_pct=used)
    (verdict,) = told((DISK,), (outcome,), a_view())
    words = "RESOURCE CRITICAL — disk at 95.1% after cleanup, manual intervention needed"
    assert (words in verdict.lines) is critical


def test_an_outcome_is_told_on_the_line_of_its_check_alone() -> None:
    rpc, disk = told((RPC, DISK), (maintained(1999),), a_view(rpc=STALLED))
    assert disk == DISK
    assert len(rpc.lines) == 2


def test_a_wiped_session_whose_builder_cannot_be_started_is_an_urgent_issue() -> None:
    """A build for a node that runs is not: it runs on."""
    failed = Outcome(effect=StartBuild("a" * 40), done=False, line="build failed: the builder cannot be started: x")
    wipe = Verdict(label="wipe", lines=("rebuilding",), level=Level.ACTION, effects=(failed.effect,))
    (told_of,) = told((wipe,), (failed,), recovering())
    (alert,) = told_of.alerts
    assert (alert.title, alert.urgent) == ("OFFLINE: the builder cannot be started", True)
    (alone,) = told((wipe,), (failed,), a_view())
    assert alone.alerts == ()


@pytest.mark.parametrize(("process", "level"), [(a_process(), Level.ACTION), (None, Level.OFFLINE)])
def test_a_node_that_a_rollback_brought_back_is_not_offline(process: Process | None, level: Level) -> None:
    """The check that found it dead is another than the one that wanted the rollback."""
    action = NodeAction(Act.ROLLBACK, "regression")
    verdicts = (
        Verdict(label="node", lines=("DEAD",), level=Level.OFFLINE),
        Verdict(label="deploy", lines=("REGRESSION",), level=Level.ACTION, wants=action),
    )
    acted = Acted(action=action, done=process is not None, line="rollback", process=process)
    assert max(verdict.level for verdict in acted_told(verdicts, acted)) is level
