"""Check 11 with the real gh on a fake GitHub: what it reads, what it runs again, and what it says when it cannot."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from monitor_tick.actions import Rerun
from monitor_tick.budget import Budget
from monitor_tick.checks.ci import GREEN, judge
from monitor_tick.effects import perform
from monitor_tick.facts import Ci, Missing
from monitor_tick.judging.ci import standing_of
from monitor_tick.judging.ci_runs import Light
from monitor_tick.memory import CiState
from monitor_tick.probes.ci import observe_ci, observe_ci_of
from monitor_tick.verdict import Verdict
from monitor_tick.view import View
from tests.fake_github.faults import Answer
from tests.fake_github.fixture import gh
from tests.monitor_tick.views import LIMITS, SHIPPED, a_session, a_view, healthy_memory

if TYPE_CHECKING:
    from tests.fake_github.server import FakeGitHub

SHA = "5" * 40
NETWORK = "error: failed to download from `https://static.crates.io/crates/syn/2.0.1/download`\n"
BROKEN = "running 3 tests\ntest a::ok ... ok\n\x1b[31mtest herder::closes ... FAILED\x1b[0m\n"
LEFT = 600.0
PATIENT = msgspec.structs.replace(LIMITS, ci_call_seconds=120, ci_seconds=600)
"""Each test runs gh some ten times."""


def view_of(github: FakeGitHub, state: CiState | None = None) -> View:
    """What a tick sees ten minutes after the newest run changed."""
    session = a_session(gh=gh().binary, github_repo=gh().repo)
    now = github.hub.now + timedelta(minutes=10)
    ci = observe_ci(session, state or CiState(), now, PATIENT)
    memory = healthy_memory()
    memory = msgspec.structs.replace(memory, state=msgspec.structs.replace(memory.state, ci=state))
    return a_view(session=session, at=now, ci=ci, memory=memory, rules=SHIPPED)


def state_after(verdict: Verdict) -> CiState:
    (state,) = verdict.remember
    assert isinstance(state, CiState)
    return state


def test_green_red_and_hidden_red_as_gh_prints_them(github: FakeGitHub) -> None:
    github.hub.add_run("CI", jobs=[github.hub.job("build"), github.hub.job("lint")])
    assert judge(view_of(github)).lines == (GREEN,)
    github.hub.add_run("Fuzz", jobs=[github.hub.job("short"), github.hub.job("long", "failure", BROKEN)])
    github.hub.add_run("Docs", status="in_progress", conclusion="")
    verdict = judge(view_of(github))
    assert verdict.lines == ("Fuzz jobs FAILED (continue-on-error) — long|failure", "pending (Docs)")
    (alert,) = verdict.alerts
    assert alert.key == "ci:Fuzz:long:test herder::closes"
    assert alert.diagnosis == BROKEN.replace("\x1b[31m", "").replace("\x1b[0m", "").strip()


def test_a_quiet_tick_asks_for_the_list_alone(github: FakeGitHub) -> None:
    github.hub.add_run("CI", jobs=[github.hub.job("build")])
    state = state_after(judge(view_of(github)))
    asked = len(github.calls)
    assert judge(view_of(github, state)).lines == (GREEN,)
    assert all(
        call.name.endswith(("/actions/runs", "/actions/workflows")) or "/actions/workflows/" in call.name
        for call in github.calls[asked:]
    )


def test_l59_the_failed_jobs_are_run_again_once_and_filed_when_they_fail_again(
    github: FakeGitHub, tmp_path: Path
) -> None:
    run = github.hub.add_run("CI", conclusion="failure", jobs=[github.hub.job("fetch", "failure", NETWORK)])
    view = view_of(github)
    verdict = judge(view)
    assert verdict.lines == ("CI RERUN ATTEMPTED — CI jobs fetch on 55555555, attempt 1→2",)
    (outcome,) = perform(verdict.effects, view, tmp_path, Budget(time.monotonic() + LEFT))
    assert (outcome.done, outcome.line) == (True, f"run {run.id}: its failed jobs are run again")
    assert (run.attempt, run.status) == (2, "queued")

    state = state_after(verdict)
    waiting = judge(view_of(github, state))
    assert (waiting.lines, waiting.effects) == (("pending (CI)",), ())
    run.status, run.conclusion = "completed", "failure"
    again = judge(view_of(github, state_after(waiting)))
    assert (again.lines, again.effects) == (("CI failed",), ())
    assert [alert.event for alert in again.alerts] == [f"{run.id}/2"]
    assert NETWORK.strip() in again.alerts[0].diagnosis
    assert len(github.writes()) == 1


def test_a_rerun_that_github_refuses_is_said_and_not_tried_again(github: FakeGitHub, tmp_path: Path) -> None:
    github.hub.add_run("CI", conclusion="failure", jobs=[github.hub.job("fetch", "failure", NETWORK)])
    view = view_of(github)
    verdict = judge(view)
    github.fail("rerun-failed-jobs", Answer.SECONDARY_LIMIT)
    (outcome,) = perform(verdict.effects, view, tmp_path, Budget(time.monotonic() + LEFT))
    assert not outcome.done
    assert outcome.line.startswith("Rerun failed: ")
    following = judge(view_of(github, state_after(verdict)))
    assert (following.effects, len(following.alerts)) == ((), 1)


def test_a_tick_out_of_time_runs_nothing_again(github: FakeGitHub, tmp_path: Path) -> None:
    view = view_of(github)
    (outcome,) = perform((Rerun(1000, 1),), view, tmp_path, Budget(time.monotonic()))
    assert (outcome.done, outcome.line) == (False, "rerun put off: the tick's time is used up")
    assert github.writes() == []


def test_what_github_does_not_say_is_a_reason_on_the_line(github: FakeGitHub) -> None:
    github.hub.add_run("CI", jobs=[github.hub.job("build")])
    github.fail("/actions/runs", Answer.BAD_GATEWAY)
    (line,) = judge(view_of(github)).lines
    assert line.startswith("N/A (no certain answer: ")


def test_x5_a_commit_is_green_when_every_usual_workflow_passed_for_it(github: FakeGitHub) -> None:
    session = a_session(gh=gh().binary, github_repo=gh().repo)
    for number in range(4):
        for name in ("CI", "Docs"):
            github.hub.now += timedelta(minutes=1)
            github.hub.add_run(name, sha=str(number) * 40, jobs=[github.hub.job("build")])
    github.hub.now += timedelta(minutes=1)
    github.hub.add_run("CI", sha=SHA, jobs=[github.hub.job("build")])

    def light() -> Light:
        view = view_of(github)
        return standing_of(observe_ci_of(session, SHA, CiState(), view.facts.at, PATIENT), SHA, view).light

    docs = github.hub.add_run("Docs", sha=SHA, status="queued", conclusion="", jobs=[github.hub.job("build")])
    assert light() is Light.PENDING
    docs.status, docs.conclusion = "completed", "success"
    assert light() is Light.GREEN
    docs.jobs.append(github.hub.job("links", "failure"))
    assert light() is Light.RED


def test_a_repository_without_runs_is_no_green(github: FakeGitHub) -> None:
    view = view_of(github)
    assert isinstance(view.facts.ci, Ci)
    assert judge(view).lines == ("N/A (no runs on main)",)
    missing = observe_ci(a_session(gh="/nonexistent/gh", github_repo=gh().repo), CiState(), view.facts.at, PATIENT)
    assert isinstance(missing, Missing)
