"""Check 11: what CI says of main, which failures are run again, and which are filed."""

from __future__ import annotations

import msgspec
import pytest

from monitor_tick.actions import Outcome, Rerun
from monitor_tick.alert import Tier
from monitor_tick.checks import ci as check
from monitor_tick.checks.ci import GREEN, judge
from monitor_tick.effects.aftermath import told
from monitor_tick.facts import Ci, CiJobs, CiRun, Missing
from monitor_tick.issues.ledger import Filed, Ledger
from monitor_tick.memory import CiState, SeenJob
from monitor_tick.plan import Disposition, plan_of
from monitor_tick.verdict import Level, Verdict
from tests.monitor_tick.ci_facts import SHA, a_ci, a_ci_view, a_job, a_run, jobs_of, seen, unread
from tests.monitor_tick.views import NOW

NETWORK = "error: failed to download from `https://static.crates.io/crates/syn/2.0.1/download`"
REJOIN = "test simulation::test_core3_restart_rejoin_after_kill ... FAILED"
BROKEN = "test herder::closes ... FAILED"
EXIT = "##[error]Process completed with exit code 101."


def judged(ci: Ci | Missing, state: CiState | None = None) -> Verdict:
    return judge(a_ci_view(ci, state))


def failing(*log: str, conclusion: str = "failure", **changes: object) -> Ci:
    """One run of CI with one failed job that printed `log`."""
    run = a_run(conclusion=conclusion, **changes)
    return a_ci(run, looked=(jobs_of(run, a_job("lint"), a_job("test", "failure", *log, EXIT)),))


def state_of(verdict: Verdict) -> CiState:
    (state,) = verdict.remember
    assert isinstance(state, CiState)
    return state


PASSING = a_run(101)
OLD_RED = a_run(90, conclusion="failure", minutes=300)


@pytest.mark.parametrize(
    ("ci", "lines"),
    [
        (Missing("no gh"), ("N/A (no gh)",)),
        (Missing("embedded"), ("N/A (embedded)",)),
        (a_ci(), ("N/A (no runs on main)",)),
        (a_ci(a_run(1), a_run(2, "Docs")), (GREEN,)),
        (a_ci(a_run(2), a_run(1, conclusion="failure")), (GREEN,)),
        (a_ci(a_run(2, conclusion="failure"), a_run(1)), ("CI failed",)),
        (a_ci(a_run(2, conclusion="timed_out")), ("CI failed",)),
        (a_ci(a_run(2, conclusion="startup_failure"), looked=(CiJobs(run_id=2, attempt=1, jobs=()),)), ("CI failed",)),
        (a_ci(a_run(3, conclusion=""), a_run(2)), ("pending (CI)",)),
        (a_ci(a_run(3, "Docs", "", status="queued"), a_run(2)), ("pending (Docs)",)),
        (a_ci(a_run(3, conclusion=""), a_run(2, "Docs", ""), a_run(1, "Docs")), ("pending (CI, Docs)",)),
        (a_ci(a_run(3, conclusion=""), a_run(2, conclusion="failure")), ("CI failed", "pending (CI)")),
        (a_ci(a_run(2, conclusion="cancelled"), a_run(1)), ("N/A (CI cancelled)",)),
        (a_ci(a_run(2, conclusion="skipped"), a_run(1, "Docs")), ("N/A (CI skipped)",)),
        (a_ci(a_run(2, conclusion="action_required")), ("N/A (CI action required)",)),
        (a_ci(a_run(2, conclusion="", status="completed")), ("N/A (CI no conclusion)",)),
        (a_ci(PASSING, looked=(unread(PASSING),)), ("N/A (CI jobs not read: HTTP 502)",)),
        (a_ci(PASSING, looked=()), ("N/A (CI jobs not read)",)),
        (a_ci(PASSING, looked=(CiJobs(run_id=101, attempt=1, jobs=()),)), ("N/A (CI no job passed)",)),
        (a_ci(PASSING, looked=(jobs_of(PASSING, a_job(), a_job("opt", "skipped")),)), (GREEN,)),
        (a_ci(PASSING, looked=(jobs_of(PASSING, a_job("a", "skipped")),)), ("N/A (CI no job passed)",)),
        (a_ci(PASSING, looked=(jobs_of(PASSING, a_job(), a_job("a", "cancelled")),)), ("N/A (CI job a cancelled)",)),
        (a_ci(PASSING, looked=(jobs_of(PASSING, a_job(), a_job("a", "")),)), ("N/A (CI job a without conclusion)",)),
        (a_ci(OLD_RED), ("CI failed",)),
    ],
)
def test_the_line_is_green_only_where_every_newest_run_passed_by_its_jobs(
    ci: Ci | Missing, lines: tuple[str, ...]
) -> None:
    verdict = judged(ci)
    assert verdict.lines == lines
    assert verdict.level is (Level.WARNING if "failed" in lines[0] else Level.OK)


@pytest.mark.parametrize("conclusion", ["failure", "timed_out", "startup_failure"])
def test_l12_a_failed_job_is_red_though_the_run_says_success(conclusion: str) -> None:
    run = a_run()
    verdict = judged(a_ci(run, looked=(jobs_of(run, a_job(), a_job("fuzz", conclusion), a_job("doc", "failure")),)))
    assert verdict.lines == (f"CI jobs FAILED (continue-on-error) — fuzz|{conclusion}, doc|failure",)
    assert [alert.scope for alert in verdict.alerts] == ["fuzz", "doc"]
    many = judged(a_ci(run, looked=(jobs_of(run, *(a_job(f"m{number}", "failure") for number in range(50))),)))
    assert many.lines == ("CI jobs FAILED (continue-on-error) — m0|failure, m1|failure, m2|failure, 17 more",)


def test_red_comes_first_and_green_is_said_of_none_beside_it() -> None:
    runs = (a_run(4, "Zoo", "failure"), a_run(3, "Bench", "cancelled"), a_run(2, "Docs", ""), a_run(1))
    assert judged(a_ci(*runs)).lines == ("Zoo failed", "pending (Docs)", "N/A (Bench cancelled)")


def test_a_failure_is_one_urgent_alert_for_each_failed_job() -> None:
    verdict = judged(failing("running 200 tests", BROKEN))
    (alert,) = verdict.alerts
    assert (alert.key, alert.scope, alert.title) == (
        "ci:CI:test:test herder::closes",
        "test",
        "CI: test herder::closes",
    )
    assert (alert.tier, alert.urgent, alert.event) == (Tier.ACTION, True, "100/1")
    assert dict(alert.evidence) == {
        "run": "https://github.com/stellar/henyey/actions/runs/100",
        "commit": SHA,
        "attempt": "1",
        "workflow": "CI",
        "job": "test",
        "failed jobs": "test",
        "category": "test",
        "conclusion": "run failure, job failure",
        "step": "Run tests",
        "ended": "2026-05-09T03:30:07Z",
        "log": "last 3 lines",
    }
    assert alert.diagnosis == f"running 200 tests\n{BROKEN}\n{EXIT}"
    assert (verdict.effects, verdict.words) == ((), ())


@pytest.mark.parametrize(("minutes", "alerts"), [(119.9, 1), (120, 1), (120.1, 0), (-5, 1)])
def test_only_failures_of_the_last_two_hours_are_acted_on(minutes: float, alerts: int) -> None:
    for log in (BROKEN, NETWORK):
        verdict = judged(failing(log, minutes=minutes))
        assert len(verdict.alerts) + len(verdict.effects) == alerts
    assert judged(failing(BROKEN, minutes=minutes)).lines == ("CI failed",)


def test_without_a_log_the_step_that_failed_names_it() -> None:
    run = a_run(conclusion="failure")
    job = msgspec.structs.replace(a_job("test", "failure"), log_unread="gh printed more than can be read")
    (alert,) = judged(a_ci(run, looked=(jobs_of(run, job),))).alerts
    assert (alert.key, dict(alert.evidence)["log"]) == ("ci:CI:test:step Run tests", "gh printed more than can be read")


def test_a_workflow_that_failed_without_a_job_is_filed_as_a_whole() -> None:
    run = a_run(conclusion="startup_failure", workflow=".github/workflows/ci.yml")
    (alert,) = judged(a_ci(run, looked=(CiJobs(run_id=run.id, attempt=1, jobs=()),))).alerts
    assert (alert.title, alert.scope) == (".github/workflows/ci.yml: startup failure", "(run)")


@pytest.mark.parametrize(("minutes", "alerts"), [(10, 0), (60, 0), (61, 1)])
def test_a_red_run_whose_jobs_cannot_be_read_is_filed_when_it_stays_so(minutes: float, alerts: int) -> None:
    run = a_run(conclusion="failure", minutes=minutes)
    verdict = judged(a_ci(run, looked=(unread(run),)))
    assert verdict.lines == ("CI failed",)
    assert [alert.scope for alert in verdict.alerts] == ["(run)"] * alerts
    assert state_of(verdict) == CiState()


def test_a_run_that_was_filed_without_its_jobs_is_not_filed_again_with_them() -> None:
    ci = failing(BROKEN, minutes=100)
    (run,) = ci.runs
    (told,) = judged(a_ci(run, looked=(unread(run),))).alerts
    filed = Filed(key=told.key, scope=told.scope, number=7, title=told.title, at=NOW, events=(told.event,))
    view = a_ci_view(ci)
    memory = msgspec.structs.replace(view.memory, issues=Ledger(filed=(filed,)))
    verdict = judge(msgspec.structs.replace(view, memory=memory))
    assert [(alert.key, alert.event) for alert in verdict.alerts] == [(told.key, told.event)]
    assert [alert.scope for alert in judged(ci).alerts] == ["test"]


def test_a_long_hostile_log_makes_a_short_title_and_one_line_keys() -> None:
    (alert,) = judged(failing("error: " + "y" * 390, "``` @everyone <!-- x -->", workflow="W" * 100)).alerts
    assert len(alert.title) == 120
    assert "\n" not in alert.key + alert.title
    assert alert.diagnosis.splitlines()[1] == "``` @everyone <!-- x -->"


# --- the next ticks ----------------------------------------------------------------------------------------------


def test_what_was_read_is_remembered_and_the_same_run_is_filed_once() -> None:
    first = failing(BROKEN)
    verdict = judged(first)
    state = state_of(verdict)
    assert state.seen == (seen(first.runs[0], SeenJob("test", "failure", "test", "test herder::closes"), passed=1),)
    again = judged(Ci(runs=first.runs), state)
    assert again.lines == ("CI failed",)
    assert (again.alerts[0].key, again.alerts[0].event) == (verdict.alerts[0].key, verdict.alerts[0].event)
    assert state_of(again) == state
    (filing,) = plan_of((again,), early=False).filings
    assert filing.disposition is Disposition.FILE  # nothing was filed yet
    second = msgspec.structs.replace(first.runs[0], attempt=2)
    assert [alert.event for alert in judged(a_ci(second)).alerts] == ["100/2"]


def test_runs_that_left_the_list_are_forgotten_and_reruns_never() -> None:
    gone, stays = seen(a_run(1)), seen(a_run(2))
    state = CiState(seen=(gone, stays), rerun=(1,))
    assert state_of(judged(Ci(runs=(a_run(2),)), state)) == CiState(seen=(stays,), rerun=(1,))
    assert judged(Missing("rate limited"), state).remember == ()


# --- run again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "category"),
    [(NETWORK, "infrastructure"), (REJOIN, "flaky"), ("The runner has received a shutdown signal", "infrastructure")],
)
def test_l59_a_failure_that_is_not_the_codes_is_run_again_once_and_then_filed(log: str, category: str) -> None:
    ci = failing(log)
    verdict = judged(ci)
    assert verdict.lines == ("CI RERUN ATTEMPTED — CI jobs test on b8f18c6d, attempt 1→2",)
    assert (verdict.level, verdict.effects, verdict.alerts) == (Level.ACTION, (Rerun(100, 1),), ())
    state = state_of(verdict)
    assert state == CiState(rerun=(100,))

    refused = judged(ci, state)  # gh said no, or the tick died: it stays at its first attempt
    assert (refused.lines, refused.effects) == (("CI failed",), ())
    assert dict(refused.alerts[0].evidence)["category"] == category
    assert log in refused.alerts[0].diagnosis

    running = a_run(conclusion="", attempt=2)
    waiting = judged(Ci(runs=(running,)), state)
    assert (waiting.lines, waiting.alerts) == (("pending (CI)",), ())

    failed = judged(failing(log, attempt=2), state_of(waiting))
    assert (failed.lines, failed.effects, len(failed.alerts)) == (("CI failed",), (), 1)
    assert state_of(failed).rerun == (100,)
    passed = judged(a_ci(a_run(attempt=2)), state_of(waiting))
    assert (passed.lines, passed.alerts) == ((GREEN,), ())


@pytest.mark.parametrize(
    ("ci", "state"),
    [
        (failing(BROKEN), CiState()),
        (failing(BROKEN, REJOIN), CiState()),
        (failing(NETWORK, attempt=2), CiState()),
        (failing(NETWORK), CiState(rerun=(100,))),
        (failing(), CiState()),
    ],
)
def test_nothing_else_is_run_again(ci: Ci, state: CiState) -> None:
    verdict = judged(ci, state)
    assert verdict.effects == ()
    assert len(verdict.alerts) == 1
    assert state_of(verdict).rerun == state.rerun


def test_one_job_that_blames_the_code_keeps_the_run_from_being_run_again() -> None:
    run = a_run(conclusion="failure")
    jobs = jobs_of(run, a_job("fetch", "failure", NETWORK), a_job("test", "failure", BROKEN))
    verdict = judged(a_ci(run, looked=(jobs,)))
    assert verdict.effects == ()
    assert {alert.scope for alert in verdict.alerts} == {"fetch", "test"}
    excused = [a_job(f"a{number}", "failure", NETWORK) for number in range(30)]
    assert judged(a_ci(run, looked=(jobs_of(run, *excused, a_job("z", "failure", BROKEN)),))).effects == ()


def test_ci_is_done_for_the_tick_that_runs_something_again() -> None:
    flaky, broken = a_run(2, "Flaky", "failure"), a_run(1, "Build", "failure")
    ci = a_ci(
        flaky,
        broken,
        a_run(3, "Docs", ""),
        looked=(jobs_of(flaky, a_job("sim", "failure", REJOIN)), jobs_of(broken, a_job("b", "failure", BROKEN))),
    )
    verdict = judged(ci)
    assert verdict.lines == (
        "CI RERUN ATTEMPTED — Flaky jobs sim on b8f18c6d, attempt 1→2",
        "Build failed",
        "pending (Docs)",
    )
    assert (verdict.effects, verdict.alerts) == ((Rerun(2, 1),), ())
    following = judged(ci, state_of(verdict))
    assert all(alert.diagnosis for alert in following.alerts)
    assert {alert.key.split(":")[1] for alert in following.alerts} == {"Build", "Flaky"}


def test_an_early_tick_runs_again_as_well_since_its_id_is_recorded() -> None:
    verdict = judged(failing(NETWORK))
    assert plan_of((verdict,), early=True).effects == (Rerun(100, 1),)


@pytest.mark.parametrize("done", [True, False])
def test_what_gh_said_to_the_rerun_stands_below_the_line(done: bool) -> None:
    verdict = judged(failing(NETWORK))
    outcome = Outcome(effect=Rerun(100, 1), done=done, line="Rerun failed: rate limited")
    (after,) = told((verdict,), (outcome,), a_ci_view(failing(NETWORK)))
    assert after.lines == (*verdict.lines, "Rerun failed: rate limited")
    assert (after.level, after.label) == (Level.ACTION, check.LABEL)


def test_the_order_of_the_list_does_not_matter() -> None:
    runs: list[CiRun] = [a_run(3, conclusion=""), a_run(2, conclusion="failure"), a_run(1)]
    assert judged(a_ci(*runs)) == judged(a_ci(*reversed(runs)))
