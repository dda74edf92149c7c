"""A build on trial: passed, failed, or not decided; and what node.json learns of it."""

from __future__ import annotations

import msgspec
import pytest

from monitor_loop.session import NodeRecord, Restarts, Trial
from monitor_tick.actions import Act, Acted, NodeAction
from monitor_tick.alert import Alert, Tier
from monitor_tick.checks import judge_all
from monitor_tick.facts import Missing
from monitor_tick.healing import alive, record, trial
from monitor_tick.healing.restarts import spent_after
from monitor_tick.memory import State, TickState
from monitor_tick.plan import plan_of
from monitor_tick.verdict import Verdict
from monitor_tick.view import View
from tests.monitor_tick.healing.nodes import GOOD, RECORD, SHA, dead, frozen, on_trial, restarted, wiped
from tests.monitor_tick.views import IDENTITY, LIMITS, NOW, a_process, a_view, an_info


def raised(key: str, tier: Tier = Tier.WARN, **evidence: str) -> Verdict:
    alert = Alert(key=key, scope="x", title=f"title of {key}", tier=tier, evidence=tuple(evidence.items()))
    return Verdict(label="x", lines=("x",), alerts=(alert,))


def in_trial(left: int = 3, **changes: object) -> View:
    return a_view(**{"node": on_trial(left), "kept": (SHA, GOOD), "info": an_info(commit_hash=SHA), **changes})


@pytest.mark.parametrize(
    ("verdict", "fails"),
    [
        (raised("process:wedge"), True),
        (raised("process:death"), True),
        (raised("process:death", run="previous"), False),
        (raised("wipe:state"), True),
        (raised("log:hash-mismatch", run="this"), True),
        (raised("log:hash-mismatch", run="previous"), False),
        (raised("sync:failure", Tier.SYNC), True),
        (raised("sync:failure", Tier.WARN), False),
        (raised("metric:henyey_scp_verifier_thread_state"), True),
        (raised("metric:stellar_peer_count"), False),
        (raised("disk:low"), False),
    ],
)
def test_what_is_a_regression(verdict: Verdict, fails: bool) -> None:
    assert (trial.regression_of(in_trial(), [verdict]) is not None) is fails
    assert trial.regression_of(a_view(), [verdict]) is None


def test_it_is_passed_after_three_full_ticks_in_sync() -> None:
    node = on_trial(3)
    for left in (2, 1):
        node = record.before_acting(in_trial(node=node), [], None)
        assert node.trial is not None
        assert node.trial.left == left
        assert node.last_good_sha == GOOD
    node = record.before_acting(in_trial(node=node), [], None)
    assert (node.trial, node.last_good_sha) == (None, SHA)


FAILED = msgspec.structs.replace(on_trial(), trial=msgspec.structs.replace(on_trial().trial, failed="crashed"))


def test_the_build_before_is_not_stopped_for_the_trial_that_a_dead_tick_had_rolled_back() -> None:
    """It runs already; what was seen against the other one is not said of it."""
    view = in_trial(node=FAILED, info=an_info(commit_hash=GOOD))
    assert trial.regression_of(view, [raised("process:wedge")]) is None
    after = record.before_acting(view, [], None)
    assert (after.trial, after.deployed_sha, after.last_good_sha) == (None, GOOD, GOOD)


def test_while_it_does_not_say_what_it_is_the_trial_neither_ends_nor_goes_on() -> None:
    view = in_trial(node=FAILED, info=Missing("refused"), build_sha=GOOD)
    assert trial.regression_of(view, []) is None
    assert record.before_acting(view, [], None).trial == FAILED.trial


def test_a_node_that_died_in_a_rollback_is_rolled_back_again() -> None:
    view = dead(node=FAILED, build_sha=GOOD)
    assert trial.regression_of(view, []) is not None


def test_a_build_that_somebody_put_in_the_place_of_the_one_on_trial_is_on_trial_itself() -> None:
    other = "d" * 40
    after = record.before_acting(in_trial(info=an_info(commit_hash=other)), [], None)
    assert after.trial is not None
    assert (after.trial.sha, after.trial.previous, after.last_good_sha) == (other, GOOD, GOOD)


@pytest.mark.parametrize(
    "view",
    [
        in_trial(1, scrape=Missing("refused")),
        in_trial(1, age_seconds=90.0, in_real_time=False),
        in_trial(1, early=True),
    ],
    ids=["no scrape", "not yet in sync", "early"],
)
def test_a_tick_that_cannot_tell_passes_nothing(view: View) -> None:
    after = record.before_acting(view, [], None)
    assert after.trial == on_trial(1).trial
    assert after.last_good_sha == GOOD


def test_a_power_cut_is_no_regression_and_the_build_on_trial_comes_back() -> None:
    before = msgspec.structs.replace(IDENTITY, boot_id="before")
    view = dead(node=on_trial(2), state=State(tick=TickState(at=NOW, full_at=NOW, identity=before)))
    verdicts = judge_all(view)
    plan = plan_of(verdicts, early=False)
    assert plan.node is not None
    assert (plan.node.act, plan.node.quarantines) == (Act.RELAUNCH, "")
    assert record.before_acting(view, verdicts, plan.node).trial == on_trial(2).trial
    killed = dead(node=on_trial(2))
    assert plan_of(judge_all(killed), early=False).node == regressed(killed)


def regressed(view: View) -> NodeAction:
    found = trial.regression_of(view, judge_all(view))
    assert found is not None
    assert view.memory.node.trial is not None
    return trial.rollback_of(view, view.memory.node.trial, found)[0]


def test_a_symptom_that_two_checks_saw_is_listed_once() -> None:
    view, death = in_trial(), raised("process:death")
    regression = trial.regression_of(view, [death, raised("process:wedge"), death])
    assert regression is not None
    assert view.memory.node.trial is not None
    _, alert = trial.rollback_of(view, view.memory.node.trial, regression)
    symptoms = [pair for pair in alert.evidence if pair[0].startswith("symptom ")]
    assert symptoms == [("symptom 1", "title of process:death"), ("symptom 2", "title of process:wedge")]


def test_a_regression_quarantines_and_goes_back_without_a_build() -> None:
    view = in_trial()
    regression = trial.regression_of(view, [raised("process:wedge")])
    assert regression is not None
    assert view.memory.node.trial is not None
    action, alert = trial.rollback_of(view, view.memory.node.trial, regression)
    assert (action.act, action.quarantines, action.installs, action.launches) == (Act.ROLLBACK, SHA, GOOD, True)
    assert action.is_allowed
    assert (alert.title, alert.urgent) == (f"Deploy regression: {SHA[:8]}", True)


def test_without_a_kept_build_a_live_node_goes_on_and_a_dead_one_is_relaunched() -> None:
    for view, launches in ((in_trial(kept=(SHA,)), False), (dead(node=on_trial(), kept=(SHA,)), True)):
        regression = trial.regression_of(view, [raised("process:death")])
        assert regression is not None
        assert view.memory.node.trial is not None
        action, alert = trial.rollback_of(view, view.memory.node.trial, regression)
        assert (action.installs, action.launches, action.quarantines) == ("", launches, SHA)
        assert dict(alert.evidence)["rollback"].startswith("not possible")


def test_the_build_that_is_quarantined_is_not_the_one_to_go_back_to() -> None:
    """Main went back to the last good build, which was deployed anew and regressed."""
    view = in_trial(node=on_trial(previous=SHA))
    regression = trial.regression_of(view, [raised("process:wedge")])
    assert regression is not None
    assert view.memory.node.trial is not None
    action, _ = trial.rollback_of(view, view.memory.node.trial, regression)
    assert (action.installs, action.launches, action.quarantines) == ("", False, SHA)


def test_a_trial_is_rolled_back_once_whatever_the_budget_and_what_comes_then_is_for_the_budget() -> None:
    node = msgspec.structs.replace(on_trial(), restarts=Restarts(count=spent_after(LIMITS)))
    view = dead(node=node)
    regression = trial.regression_of(view, [raised("process:death")])
    assert regression is not None
    assert node.trial is not None
    action, _ = trial.rollback_of(view, node.trial, regression)
    assert action.is_allowed
    for done in (True, False):
        after = record.after_acting(node, Acted(action=action, done=done, line="x"), LIMITS, NOW)
        assert after.trial is None


# --- node.json ---------------------------------------------------------------------------------------------------


def acted(act: Act, *, done: bool = True, **changes: object) -> Acted:
    fields = {"launches": True, **changes}
    action = msgspec.structs.replace(NodeAction(act, "why"), **fields)
    return Acted(action=action, done=done, line="x", process=a_process() if action.launches and done else None)


def test_a_deploy_opens_a_trial_against_the_last_good_build() -> None:
    after = record.after_acting(RECORD, acted(Act.DEPLOY, installs="c" * 40), LIMITS, NOW)
    assert after.trial == Trial(sha="c" * 40, previous=GOOD, since=NOW, left=3)
    assert (after.deployed_sha, after.last_good_sha, after.launched) == ("c" * 40, GOOD, IDENTITY)
    assert after.restarts == Restarts()


def test_a_deploy_begins_with_a_whole_budget() -> None:
    spent = restarted(spent_after(LIMITS))
    assert record.after_acting(spent, acted(Act.DEPLOY, installs="c" * 40), LIMITS, NOW).restarts == Restarts()


def test_an_act_that_was_refused_counts_for_nothing() -> None:
    refused = msgspec.structs.replace(acted(Act.RELAUNCH, done=False), began=False)
    assert record.after_acting(restarted(4, 9), refused, LIMITS, NOW) == restarted(4, 9)


def test_a_node_is_left_down_for_good_only_once_its_build_is_quarantined() -> None:
    for done, offline in ((True, f"post-wipe recurrence on {SHA[:8]}"), (False, "")):
        gone = acted(Act.FALL_BACK, done=done, quarantines=SHA, launches=False)
        assert record.after_acting(RECORD, gone, LIMITS, NOW).offline == offline


def test_a_build_that_is_quarantined_is_no_good_one_to_go_back_to() -> None:
    """Else the trial of the next build would roll back to it."""
    for sha, good in ((SHA, ""), (GOOD, GOOD)):
        before = msgspec.structs.replace(RECORD, last_good_sha=sha)
        gone = acted(Act.FALL_BACK, quarantines=SHA, launches=False)
        assert record.after_acting(before, gone, LIMITS, NOW).last_good_sha == good


def test_a_build_that_was_left_down_is_nothing_to_go_back_to_either() -> None:
    left_down = record.after_acting(
        msgspec.structs.replace(RECORD, last_good_sha=SHA),
        acted(Act.FALL_BACK, quarantines=SHA, launches=False),
        LIMITS,
        NOW,
    )
    after = record.after_acting(left_down, acted(Act.DEPLOY, installs="c" * 40), LIMITS, NOW)
    assert after.trial == Trial(sha="c" * 40, previous="", since=NOW, left=3)
    young = msgspec.structs.replace(RECORD, last_good_sha="")
    after = record.after_acting(young, acted(Act.DEPLOY, installs="c" * 40), LIMITS, NOW)
    assert after.trial == Trial(sha="c" * 40, previous=SHA, since=NOW, left=3), "what runs is all that is known"


def test_a_trial_ends_with_the_build_that_is_left_down() -> None:
    """Else the next tick would roll back, which launches what is quarantined where nothing else is kept."""
    gone = acted(Act.FALL_BACK, quarantines=SHA, launches=False)
    assert record.after_acting(on_trial(), gone, LIMITS, NOW).trial is None


def test_an_entry_that_could_not_be_written_is_remembered() -> None:
    failed = msgspec.structs.replace(acted(Act.ROLLBACK, installs=GOOD), unquarantined=SHA)
    assert record.after_acting(on_trial(), failed, LIMITS, NOW).unquarantined == SHA


def test_a_rollback_ends_the_trial_and_is_not_itself_on_trial() -> None:
    after = record.after_acting(on_trial(), acted(Act.ROLLBACK, installs=GOOD, quarantines=SHA), LIMITS, NOW)
    assert (after.trial, after.deployed_sha) == (None, GOOD)
    assert after.restarts.count == 1


def test_a_deploy_that_failed_is_remembered_and_is_no_restart() -> None:
    after = record.after_acting(RECORD, acted(Act.DEPLOY, installs="c" * 40, done=False), LIMITS, NOW)
    assert after.failed_deploy is not None
    assert msgspec.structs.replace(after, failed_deploy=None) == RECORD


def test_a_relaunch_counts_whether_it_worked_or_not() -> None:
    for done in (True, False):
        assert record.after_acting(restarted(2, 3), acted(Act.RELAUNCH, done=done), LIMITS, NOW).restarts == Restarts(
            count=3
        )


def test_L63_X6_each_wipe_is_recorded_and_makes_a_fresh_start() -> None:
    wiping = msgspec.structs.replace(acted(Act.WIPE, wipes=True), wiped_to="/data/mainnet/.wiped-x")
    after = record.after_acting(RECORD, wiping, LIMITS, NOW)
    assert [(each.at, each.sha) for each in after.wipes] == [(NOW, SHA)]
    assert (after.fresh_start_since, after.wiped_at) == (NOW, NOW)


def test_real_time_sync_gives_the_budget_back() -> None:
    assert record.before_acting(a_view(node=restarted(4, 2)), [], None).restarts == Restarts()


def test_a_node_that_was_left_down_stays_so_while_its_last_ledger_is_young() -> None:
    latched = NodeRecord(offline="post-wipe recurrence on 11111111")
    for young in (True, False):
        view = dead(node=latched)
        view = msgspec.structs.replace(view, standing=msgspec.structs.replace(view.standing, in_real_time=young))
        assert record.before_acting(view, [], None).offline == latched.offline
    assert record.before_acting(a_view(node=latched), [], None).offline == "", "an operator started it"


def test_the_back_off_counts_full_ticks_that_waited() -> None:
    assert record.before_acting(dead(node=restarted(3, 1)), [], None).restarts == Restarts(count=3, waited=2)
    early = dead(node=restarted(3, 1), early=True)
    assert record.before_acting(early, [], None).restarts == Restarts(count=3, waited=1)


def test_the_back_off_of_a_frozen_node_passes_too_and_it_is_restarted_at_last() -> None:
    view = frozen(node=restarted(3), in_real_time=False)
    for waited in range(1, LIMITS.backoff_ticks[0] + 1):
        remedy = alive.remedy_of(view)
        assert remedy is not None
        assert remedy.action is None
        verdict = Verdict(label="node", lines=("x",), considered=remedy.considered)
        after = record.before_acting(view, [verdict], None)
        assert after.restarts == Restarts(count=3, waited=waited)
        view = frozen(node=after, in_real_time=False)
    remedy = alive.remedy_of(view)
    assert remedy is not None
    assert remedy.action is not None
    assert record.before_acting(view, [Verdict(label="node", lines=("x",))], remedy.action).restarts == after.restarts


def test_what_is_left_down_for_good_is_remembered() -> None:
    verdict = Verdict(label="node", lines=("x",), offline="restart budget spent")
    assert record.before_acting(dead(), [verdict], None).offline == "restart budget spent"


def test_a_wipe_is_cured_by_half_an_hour_of_ledgers() -> None:
    assert record.before_acting(a_view(node=wiped(), advanced=10), [], None).wipes == ()
    for kept in (a_view(node=wiped(), advanced=0), a_view(node=wiped(), advanced=None)):
        assert record.before_acting(kept, [], None).wipes == wiped().wipes


def test_the_first_settled_build_is_the_first_good_one() -> None:
    new = msgspec.structs.replace(RECORD, last_good_sha="")
    assert record.before_acting(a_view(node=new), [], None).last_good_sha != ""
    unsettled = a_view(node=new, synced_only=False)
    assert record.before_acting(unsettled, [], None).last_good_sha == ""


def test_a_restart_counts_unless_it_was_for_memory() -> None:
    for cause, count in (("frozen", 1), ("crashed", 1), ("memory", 0)):
        after = record.after_acting(RECORD, acted(Act.RESTART, cause=cause), LIMITS, NOW)
        assert after.restarts.count == count


@pytest.mark.parametrize("early", [True, False])
def test_a_run_that_was_seen_alive_is_known_whoever_launched_it(early: bool) -> None:
    """Its launch may be that of a tick that died, and the only one that saw it an early one."""
    seen = record.before_acting(a_view(early=early), [], None)
    assert seen.launched == IDENTITY
    assert record.before_acting(dead(node=seen), [], None).launched == IDENTITY
