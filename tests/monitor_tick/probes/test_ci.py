"""What gh is asked about CI on main, and what becomes of its answers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor_loop.session import Session
from monitor_tick.facts import Ci, CiJob, CiJobs, CiOfCommit, CiRun, Missing
from monitor_tick.judging.ci import standing_of
from monitor_tick.memory import CiState, SeenRun
from monitor_tick.probes import ci as probe
from monitor_tick.probes.ci import observe_ci, observe_ci_of
from tests.clocks import stand_still
from tests.monitor_tick.ci_facts import SHA, a_ci_view
from tests.monitor_tick.issues.standin_gh import StandIn
from tests.monitor_tick.views import LIMITS, NOW, a_session

FIELDS = "databaseId,name,workflowName,status,conclusion,headSha,headBranch,event,createdAt,updatedAt,attempt,url"
NOTHING_KNOWN = CiState()


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def session_of(stand_in: StandIn, **changes: object) -> Session:
    return a_session(**({"gh": str(stand_in.program), "github_repo": "stellar/henyey"} | changes))


def run(number: int = 7, **given: Any) -> dict[str, Any]:
    """As gh 2 prints one of `gh run list`."""
    fields = {
        "databaseId": number,
        "name": "CI on main",
        "workflowName": "CI",
        "status": "completed",
        "conclusion": "success",
        "headSha": SHA,
        "headBranch": "main",
        "event": "push",
        "createdAt": "2026-05-09T03:00:00Z",
        "updatedAt": "2026-05-09T03:30:00Z",
        "attempt": 1,
        "url": f"https://github.com/stellar/henyey/actions/runs/{number}",
    }
    return fields | given


def job(name: str = "build", conclusion: str = "success", *steps: tuple[str, str]) -> dict[str, Any]:
    """As gh 2 prints one of `gh run view --json jobs`."""
    told = [
        {"name": step, "conclusion": end, "number": number, "status": "completed", "startedAt": "", "completedAt": ""}
        for number, (step, end) in enumerate(steps, start=1)
    ]
    return {
        "name": name,
        "conclusion": conclusion,
        "status": "completed",
        "databaseId": 31,
        "steps": told,
        "startedAt": "2026-05-09T03:00:10Z",
        "completedAt": "2026-05-09T03:29:00Z",
        "url": "https://github.com/stellar/henyey/actions/runs/7/job/31",
    }


def observed(stand_in: StandIn, state: CiState = NOTHING_KNOWN, **limits: int) -> Ci | Missing:
    return observe_ci(session_of(stand_in), state, NOW, msgspec.structs.replace(LIMITS, **limits))


def found(stand_in: StandIn, state: CiState = NOTHING_KNOWN) -> Ci:
    ci = observed(stand_in, state)
    assert isinstance(ci, Ci)
    return ci


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"launch_prefix": "-I boot.py"}, "embedded"),
        ({"gh": ""}, "no gh"),
        ({"github_repo": ""}, "no repository"),
    ],
)
def test_gh_is_asked_only_where_there_is_something_to_ask(
    stand_in: StandIn, changes: dict[str, Any], reason: str
) -> None:
    session = session_of(stand_in, **changes)
    assert observe_ci(session, NOTHING_KNOWN, NOW, LIMITS) == Missing(reason)
    assert observe_ci_of(session, SHA, NOTHING_KNOWN, NOW, LIMITS) == Missing(reason)
    assert stand_in.calls == []


def test_where_issues_go_has_no_say_in_where_CI_runs(stand_in: StandIn) -> None:
    stand_in.answers([])
    assert observe_ci(session_of(stand_in, tracker="directory"), NOTHING_KNOWN, NOW, LIMITS) == Ci(runs=())


def test_a_run_is_read_as_gh_prints_it(stand_in: StandIn) -> None:
    stand_in.answers([run(attempt=2)])
    stand_in.answers({"jobs": [job("build"), job("opt", "skipped")]})
    ci = found(stand_in)
    assert [call.argv for call in stand_in.calls] == [
        ["run", "list", "--repo", "stellar/henyey", "--branch", "main", "--limit", "10", "--json", FIELDS],
        ["run", "view", "--repo", "stellar/henyey", "7", "--json", "jobs"],
    ]
    assert ci.runs == (
        CiRun(
            id=7,
            workflow="CI",
            sha=SHA,
            attempt=2,
            status="completed",
            conclusion="success",
            created_at=NOW.replace(minute=0, second=0),
            touched_at=NOW.replace(minute=30, second=0),
            url="https://github.com/stellar/henyey/actions/runs/7",
        ),
    )
    jobs = (CiJob(name="build", conclusion="success"), CiJob(name="opt", conclusion="skipped"))
    assert ci.looked == (CiJobs(run_id=7, attempt=2, jobs=jobs),)


def test_a_quiet_tick_makes_one_call(stand_in: StandIn) -> None:
    stand_in.answers([run(7), run(6, createdAt="2026-05-08T03:00:00Z"), run(5, workflowName="Docs", status="queued")])
    state = CiState(seen=(SeenRun(id=7, attempt=1, passed=1),))
    ci = found(stand_in, state)
    assert len(stand_in.calls) == 1
    assert ci.looked == ()
    assert [each.id for each in ci.runs] == [7, 5, 6]


def test_another_attempt_is_looked_at_anew(stand_in: StandIn) -> None:
    stand_in.answers([run(7, attempt=2)])
    stand_in.answers({"jobs": [job()]})
    assert len(found(stand_in, CiState(seen=(SeenRun(id=7, attempt=1, passed=1),))).looked) == 1


def test_the_log_of_failed_jobs_is_read_to_its_last_lines(stand_in: StandIn) -> None:
    steps = (("Set up", "success"), ("Tests", "failure"), ("Post", "failure"))
    lines = [f"test\tTests\t2026-05-09T03:29:00.1234567Z line {number}" for number in range(500)]
    stand_in.answers([run(conclusion="failure")])
    stand_in.answers({"jobs": [job("build"), job("test", "failure", *steps), job("doc", "timed_out")]})
    stand_in.answers("\n".join([*lines, "test\tTests\t2026-05-09T03:29:01Z \x1b[31m##[error]boom\x1b[0m"]) + "\n")
    (look,) = found(stand_in).looked
    assert stand_in.calls[2].argv[3:] == ["stellar/henyey", "7", "--log-failed"]
    assert not isinstance(look.jobs, Missing)
    build, test, doc = look.jobs
    assert build == CiJob(name="build", conclusion="success")
    assert (test.failed_step, test.log_unread) == ("Tests", "")
    assert test.log == (*(f"line {number}" for number in range(421, 500)), "##[error]boom")
    assert (doc.log, doc.log_unread) == ((), "not in what gh printed")


def test_a_failure_of_long_ago_needs_no_log(stand_in: StandIn) -> None:
    ended = NOW - timedelta(hours=LIMITS.ci_recent_hours, minutes=1)
    stand_in.answers([run(conclusion="failure", updatedAt=ended.isoformat())])
    stand_in.answers({"jobs": [job("test", "failure")]})
    assert len(found(stand_in).looked) == 1
    assert len(stand_in.calls) == 2


def test_a_log_beyond_every_bound_is_no_log_and_the_jobs_still_count(stand_in: StandIn) -> None:
    stand_in.answers([run(conclusion="failure")])
    stand_in.answers({"jobs": [job("test", "failure")]})
    stand_in.answers(("test\tTests\t" + "x" * 1000 + "\n") * (17 * 1024))
    (look,) = found(stand_in).looked
    assert not isinstance(look.jobs, Missing)
    assert look.jobs[0].log == ()
    assert "more than can be read" in look.jobs[0].log_unread


def test_names_of_others_are_one_printable_line_each(stand_in: StandIn) -> None:
    hostile = "C\x1b[31mI\n\u202e```\x00" + "n" * 5_000_000
    stand_in.answers([run(workflowName=hostile, url=hostile, headSha=hostile, conclusion="FAILURE")])
    stand_in.answers({"jobs": [job(hostile, "failure", (hostile, "failure"))]})
    stand_in.answers("")
    ci = found(stand_in)
    (look,) = ci.looked
    assert not isinstance(look.jobs, Missing)
    texts = (ci.runs[0].workflow, ci.runs[0].url, ci.runs[0].sha, look.jobs[0].name, look.jobs[0].failed_step)
    assert all(text.isprintable() and text.startswith("C [31mI ```") and len(text) <= 300 for text in texts)
    assert ci.runs[0].conclusion == "failure"


def test_a_pull_request_of_a_fork_whose_branch_is_called_main_is_not_mains(stand_in: StandIn) -> None:
    stand_in.answers(
        [
            run(9, event="pull_request", conclusion="failure"),
            run(8, event="pull_request_target", conclusion="failure"),
            run(7, headBranch="work", conclusion="failure"),
            run(6, event="schedule"),
            run(5, workflowName="", name="Org policy"),
        ]
    )
    stand_in.answers({"jobs": [job()]})
    stand_in.answers({"jobs": [job()]})
    assert [(each.id, each.workflow) for each in found(stand_in).runs] == [(6, "CI"), (5, "Org policy")]


@pytest.mark.parametrize(
    "out", ["", "null", "{}", "[[[", "[{}]", '[{"databaseId": "7"}]', "<html>502</html>", "[" * 90_000]
)
def test_an_answer_that_is_not_gh_s_is_a_reason(stand_in: StandIn, out: str) -> None:
    stand_in.answers(out)
    assert observed(stand_in) == Missing("gh run list: unexpected answer")


@pytest.mark.parametrize(
    "wrong", [{"createdAt": "2026-05-09T03:00:00"}, {"createdAt": ""}, {"databaseId": -1}, {"databaseId": 2**64}]
)
def test_a_run_with_an_impossible_field_is_no_answer(stand_in: StandIn, wrong: dict[str, Any]) -> None:
    stand_in.answers([run(**wrong)])
    assert observed(stand_in) == Missing("gh run list: unexpected answer")


@pytest.mark.parametrize("out", ["", "null", '{"jobs": null}', '{"jobs": [{}]}', "{" * 90_000])
def test_jobs_that_cannot_be_read_are_a_reason_of_that_run_alone(stand_in: StandIn, out: str) -> None:
    stand_in.answers([run(8, workflowName="Docs"), run(7)])
    stand_in.answers(out)
    stand_in.answers({"jobs": [job()]})
    jobs = {look.run_id: look.jobs for look in found(stand_in).looked}
    assert [isinstance(each, Missing) for each in jobs.values()] == [True, False]
    assert Missing("jobs not read: gh run view: unexpected answer") in jobs.values()


def test_why_gh_failed_is_the_reason(stand_in: StandIn) -> None:
    stand_in.fails("HTTP 403: API rate limit exceeded for user ID 1.\n(https://api.github.com)\n")
    missing = observed(stand_in)
    assert isinstance(missing, Missing)
    assert missing.reason.startswith("rate limited: HTTP 403: API rate limit exceeded")
    assert "\n" not in missing.reason


def test_a_gh_that_hangs_is_given_up_at_its_deadline(stand_in: StandIn) -> None:
    stand_in.answers([run()], sleep=60)
    assert observed(stand_in, ci_call_seconds=1) == Missing("no certain answer: gh run: no answer in 1 s")


def test_all_calls_together_have_one_deadline(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call gets what is left, the third is not made."""
    stand_in.answers([run(8, workflowName="Docs"), run(7)])
    stand_in.answers({"jobs": []}, sleep=60)
    stand_still(monkeypatch, until=lambda: len(stand_in.calls) == 2)
    ci = observed(stand_in, ci_seconds=1)
    assert isinstance(ci, Ci)
    reasons = [look.jobs.reason for look in ci.looked if isinstance(look.jobs, Missing)]
    assert len(reasons) == 2
    assert reasons[1] == "jobs not read: gh takes too long"
    assert len(stand_in.calls) == 2


def test_red_runs_are_looked_at_before_others(stand_in: StandIn) -> None:
    stand_in.answers([run(8, workflowName="A"), run(7, workflowName="B", conclusion="failure")])
    stand_in.answers({"jobs": []})
    stand_in.answers({"jobs": [job()]})
    assert [look.run_id for look in found(stand_in).looked] == [7, 8]


# --- one commit --------------------------------------------------------------------------------------------------


def test_a_deploy_asks_for_the_runs_of_its_commit_and_the_last_ones_of_main(stand_in: StandIn) -> None:
    older = [run(number, headSha=f"{number:040x}", createdAt=f"2026-05-0{number}T00:00:00Z") for number in (1, 2, 3)]
    stand_in.answers([run(7)])
    stand_in.answers([run(7), *older])
    stand_in.answers({"jobs": [job()]})
    of = observe_ci_of(session_of(stand_in), SHA, NOTHING_KNOWN, NOW, LIMITS)
    assert isinstance(of, CiOfCommit)
    assert [call.argv[4:-2] for call in stand_in.calls[:2]] == [
        ["--branch", "main", "--commit", SHA, "--limit", "100"],
        ["--branch", "main", "--limit", "100"],
    ]
    assert [each.id for each in of.runs] == [7]
    assert [each.id for each in of.main] == [7, 3, 2, 1]
    assert standing_of(of, SHA, a_ci_view(Missing("not looked at"))).is_green


def test_runs_of_another_commit_are_not_taken_for_it(stand_in: StandIn) -> None:
    stand_in.answers([run(7, headSha="0" * 40)])
    stand_in.answers([])
    of = observe_ci_of(session_of(stand_in), SHA, NOTHING_KNOWN, NOW, LIMITS)
    assert of == CiOfCommit(sha=SHA, runs=(), main=())


@pytest.mark.parametrize("failing", [0, 1])
def test_half_an_answer_is_none(stand_in: StandIn, failing: int) -> None:
    for _ in range(failing):
        stand_in.answers([])
    stand_in.fails("HTTP 502: Bad Gateway")
    of = observe_ci_of(session_of(stand_in), SHA, NOTHING_KNOWN, NOW, LIMITS)
    assert isinstance(of, Missing)
    assert "HTTP 502" in of.reason


def test_the_fields_asked_for_are_those_that_are_read() -> None:
    encoded = {field.encode_name for field in msgspec.structs.fields(probe._Run)}
    assert encoded == set(FIELDS.split(",")) == set(run())
