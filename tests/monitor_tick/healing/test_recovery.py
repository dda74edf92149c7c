"""A wiped session over its ticks: what the record carries, and that nothing else touches the node meanwhile."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_loop.session import NodeRecord, Recovery, Restarts, Trial
from monitor_tick.actions import Act, Acted, NodeAction, StartBuild
from monitor_tick.checks import judge_all, node
from monitor_tick.facts import BuildJob, BuildPhase, Missing
from monitor_tick.healing import record
from monitor_tick.healing.recovery import recovery_of
from monitor_tick.plan import plan_of
from monitor_tick.verdict import Level
from monitor_tick.view import View
from tests.monitor_tick.healing.nodes import GOOD, RECORD, SHA, dead
from tests.monitor_tick.views import LIMITS, NOW, a_process, a_view, healthy_facts

WIPED = msgspec.structs.replace(healthy_facts().directories, session=False)
BEGUN = Recovery(sha=SHA, since=NOW - timedelta(minutes=20), session="1a2b3c4d")


def first_tick(**changes: object) -> View:
    return dead(**{"directories": WIPED, "rebuild": SHA, "kept": (), **changes})


def later(known: Recovery = BEGUN, phase: BuildPhase = BuildPhase.BUILDING, **changes: object) -> View:
    job = BuildJob(
        sha=SHA, phase=phase, started_at=NOW - timedelta(minutes=19), why="failed" * (phase.value == "failed")
    )
    fields: dict[str, object] = {"node": msgspec.structs.replace(RECORD, recovery=known), "job": job, "kept": (SHA,)}
    return dead(**{**fields, **changes})


def after(view: View) -> NodeRecord:
    return record.before_acting(view, judge_all(view), None)


def rebuilt(view: View, *, came_up: bool = True) -> NodeRecord:
    action = plan_of(judge_all(view), early=False).node
    assert action is not None
    assert action.act is Act.REBUILD
    acted = Acted(action=action, done=came_up, line="", process=a_process() if came_up else None)
    return record.after_acting(after(view), acted, LIMITS, NOW)


def test_the_first_tick_is_remembered_and_the_next_ones_go_on_with_it() -> None:
    known = after(first_tick()).recovery
    assert known == Recovery(sha=SHA, since=NOW, session="1a2b3c4d")
    assert after(later(known)).recovery == known
    assert after(later(known, job=None)).recovery == known


def test_a_build_that_a_power_cut_ended_is_begun_again() -> None:
    view = later()
    assert view.facts.job is not None
    cut = msgspec.structs.replace(view.facts.job, phase=BuildPhase.FAILED, why="stopped: x", stopped=True)
    assert StartBuild(SHA) in plan_of(judge_all(later(job=cut)), early=False).effects
    assert after(later(job=cut)).recovery == BEGUN
    failed = msgspec.structs.replace(cut, stopped=False)
    assert StartBuild(SHA) not in plan_of(judge_all(later(job=failed)), early=False).effects


def test_the_launch_of_what_was_built_ends_it() -> None:
    ended = rebuilt(later(phase=BuildPhase.BUILT))
    assert (ended.recovery, ended.deployed_sha, ended.launched) == (None, SHA, a_process().identity)


def test_a_launch_that_fails_is_tried_within_the_budget_of_all_launches() -> None:
    again = rebuilt(later(phase=BuildPhase.BUILT), came_up=False)
    assert again.recovery == BEGUN
    assert again.restarts == Restarts(count=1)
    spent = msgspec.structs.replace(RECORD, recovery=BEGUN, restarts=Restarts(count=5))
    view = later(phase=BuildPhase.BUILT, node=spent)
    assert plan_of(judge_all(view), early=False).node is None
    left = after(view).recovery
    assert left is not None
    assert left.failed == "5 relaunches without real-time sync"


def test_what_failed_stays_failed_whatever_is_built_later() -> None:
    failed = after(later(phase=BuildPhase.FAILED)).recovery
    assert failed == msgspec.structs.replace(BEGUN, failed="failed")
    assert after(later(failed, phase=BuildPhase.BUILT)).recovery == failed
    assert after(later(failed, job=None)).recovery == failed


def test_a_session_that_is_wiped_again_begins_again() -> None:
    failed = msgspec.structs.replace(BEGUN, failed="cargo build failed")
    view = first_tick(node=msgspec.structs.replace(RECORD, recovery=failed))
    assert after(view).recovery == Recovery(sha=SHA, since=NOW, session="1a2b3c4d")


def test_another_sessions_recovery_is_not_this_ones() -> None:
    of_before = msgspec.structs.replace(BEGUN, session="89abcdef")
    view = later(of_before)
    assert recovery_of(view) is None
    wanted = plan_of(judge_all(view), early=False).node
    assert wanted is not None
    assert wanted.act is Act.RELAUNCH


def test_a_process_ends_it_and_an_unclear_one_does_not() -> None:
    known = msgspec.structs.replace(RECORD, recovery=BEGUN)
    assert recovery_of(a_view(node=known)) is None
    assert recovery_of(a_view(node=known, process=Missing("2 processes: 12, 13"))) == BEGUN


@pytest.mark.parametrize("view", [first_tick(), later(), later(phase=BuildPhase.FAILED)])
def test_meanwhile_nothing_else_touches_the_node_and_no_crash_is_filed(view: View) -> None:
    verdicts = judge_all(view)
    assert plan_of(verdicts, early=False).node is None
    assert not [alert for verdict in verdicts for alert in verdict.alerts if alert.key.startswith("process:")]
    said = node.judge(view)
    assert said is not None
    assert said.lines[-1] == "DEAD — session directory wiped"
    assert said.level is Level.ACTION


def test_a_wiped_session_says_nothing_against_the_build_on_trial() -> None:
    trial = Trial(sha=SHA, previous=GOOD, since=NOW, left=2)
    on_trial = msgspec.structs.replace(RECORD, trial=trial)
    assert plan_of(judge_all(first_tick(node=on_trial)), early=False).node is None
    rebuilding = msgspec.structs.replace(on_trial, recovery=BEGUN)
    assert rebuilt(later(phase=BuildPhase.BUILT, node=rebuilding)).trial == trial
    other = msgspec.structs.replace(rebuilding, deployed_sha=GOOD)
    action = NodeAction(Act.REBUILD, "", installs=SHA)
    assert record.after_acting(other, Acted(action=action, done=True, line=""), LIMITS, NOW).trial is None


def test_an_early_tick_begins_no_build_and_launches_one_that_is_made() -> None:
    """The directories that it recreates say nothing any more, so the record must."""
    plan = plan_of(judge_all(first_tick(early=True)), early=True)
    assert not any(isinstance(effect, StartBuild) for effect in plan.effects)
    assert after(first_tick(early=True)).recovery is not None
    launch = plan_of(judge_all(later(phase=BuildPhase.BUILT, early=True)), early=True).node
    assert launch is not None
    assert launch.act is Act.REBUILD
    assert StartBuild(SHA) in plan_of(judge_all(later(job=None)), early=False).effects
