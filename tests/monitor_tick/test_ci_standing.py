"""Whether CI is green for exactly the commit that a deploy waits for."""

from __future__ import annotations

import msgspec
import pytest

from monitor_tick.facts import CiJobs, CiOfCommit, CiRun, Missing
from monitor_tick.judging.ci import Standing, required_workflows, standing_of
from monitor_tick.judging.ci_runs import Light
from monitor_tick.memory import CiState, SeenJob
from tests.monitor_tick.ci_facts import SHA, a_ci_view, a_job, a_run, jobs_of, seen, unread
from tests.monitor_tick.views import LIMITS

OLDER = tuple(f"{number:040x}" for number in range(1, 8))


def push(number: int, sha: str, *workflows: str, conclusion: str = "success") -> tuple[CiRun, ...]:
    return tuple(a_run(10 * number + place, name, conclusion, sha=sha) for place, name in enumerate(workflows, start=1))


MAIN = (
    *push(1, OLDER[0], "CI", "Docs", "Gone"),
    *push(2, OLDER[1], "CI", "Docs", "Gone"),
    *push(3, OLDER[2], "CI", "Docs"),
    *push(4, OLDER[3], "CI", "Docs", "Once"),
)


def standing(*own: CiRun, looked: tuple[CiJobs, ...] | None = None, state: CiState | None = None) -> Standing:
    jobs = tuple(jobs_of(run, a_job(conclusion=run.conclusion)) for run in own if run.is_completed)
    of = CiOfCommit(sha=SHA, runs=own, main=(*MAIN, *own), looked=jobs if looked is None else looked)
    return standing_of(of, SHA, a_ci_view(Missing("not looked at"), state))


def test_green_is_every_usual_workflow_passed_for_this_very_commit() -> None:
    green = standing(*push(5, SHA, "CI", "Docs"))
    assert green == Standing(Light.GREEN, ("CI", "Docs"))
    assert (green.is_green, green.is_red, green.words) == (True, False, "green (CI, Docs)")


CI, DOCS = push(5, SHA, "CI", "Docs")
ONCE = a_run(59, "Once", sha=SHA)


def with_conclusion(run: CiRun, conclusion: str, **changes: object) -> CiRun:
    status = "completed" if conclusion else "in_progress"
    return msgspec.structs.replace(run, conclusion=conclusion, status=status, **changes)


@pytest.mark.parametrize(
    ("own", "light", "names", "detail"),
    [
        ((), Light.PENDING, ("CI", "Docs"), ": CI not started, Docs not started"),
        ((CI,), Light.PENDING, ("Docs",), ": Docs not started"),
        ((CI, with_conclusion(DOCS, "")), Light.PENDING, ("Docs",), ": Docs in progress"),
        ((CI, with_conclusion(DOCS, "cancelled")), Light.PENDING, ("Docs",), ": Docs cancelled"),
        ((CI, with_conclusion(DOCS, "skipped")), Light.PENDING, ("Docs",), ": Docs skipped"),
        ((CI, DOCS, with_conclusion(ONCE, "")), Light.PENDING, ("Once",), ": Once in progress"),
        ((CI, DOCS, with_conclusion(ONCE, "cancelled")), Light.GREEN, ("CI", "Docs"), ""),
        ((CI, DOCS, ONCE), Light.GREEN, ("CI", "Docs"), ""),
        ((CI, DOCS, with_conclusion(ONCE, "failure")), Light.RED, ("Once",), ""),
        ((with_conclusion(CI, "failure"),), Light.RED, ("CI",), ""),
        ((with_conclusion(CI, "timed_out"), with_conclusion(DOCS, "")), Light.RED, ("CI",), ""),
        ((with_conclusion(CI, "", attempt=2), DOCS), Light.PENDING, ("CI",), ": CI in progress"),
    ],
)
def test_x5_whatever_is_not_known_to_have_passed_is_waited_for(
    own: tuple[CiRun, ...], light: Light, names: tuple[str, ...], detail: str
) -> None:
    found = standing(*own)
    assert (found.light, found.names, found.detail) == (light, names, detail)
    assert found.is_green == (light is Light.GREEN)


def test_x5_three_pending_runs_are_no_success() -> None:
    assert not standing(*(with_conclusion(a_run(60 + number, "CI", sha=SHA), "") for number in range(3))).is_green


def test_the_newest_run_of_a_workflow_decides() -> None:
    failed, passed = with_conclusion(CI, "failure"), a_run(70, "CI", sha=SHA)
    assert standing(failed, passed, DOCS).is_green
    assert standing(with_conclusion(passed, "failure"), CI, DOCS).is_red


def test_a_failed_job_is_red_and_unread_jobs_are_nothing() -> None:
    docs = jobs_of(DOCS)
    hidden = jobs_of(CI, a_job(), a_job("fuzz", "failure"))
    assert standing(CI, DOCS, looked=(hidden, docs)) == Standing(Light.RED, ("CI",))
    unknown = standing(CI, DOCS, looked=(unread(CI, "jobs not read: HTTP 502"), docs))
    assert unknown == Standing(Light.UNDECIDED, ("CI",), "CI jobs not read: HTTP 502")
    assert standing(CI, DOCS, ONCE, looked=(jobs_of(CI), docs)).light is Light.UNDECIDED


def test_what_check_11_remembers_counts() -> None:
    assert standing(CI, DOCS, looked=(), state=CiState(seen=(seen(CI), seen(DOCS)))).is_green
    red = CiState(seen=(seen(CI, SeenJob("fuzz", "failure")), seen(DOCS)))
    assert standing(CI, DOCS, looked=(), state=red).is_red


def test_facts_of_another_commit_or_none_are_no_answer() -> None:
    view = a_ci_view(Missing("not looked at"))
    assert standing_of(Missing("no gh"), SHA, view) == Standing(Light.UNDECIDED, why="no gh")
    other = CiOfCommit(sha=OLDER[0], runs=(CI, DOCS), main=MAIN)
    assert standing_of(other, SHA, view).words == "undecided (not looked at for b8f18c6d)"
    assert standing_of(CiOfCommit(sha=SHA, runs=(), main=()), SHA, view).why == "no run on main"


@pytest.mark.parametrize(
    ("pushes", "required"),
    [
        (0, ()),
        (1, ("CI", "Docs", "Gone")),
        (2, ("CI", "Docs", "Gone")),
        (3, ("CI", "Docs")),
        (4, ("CI", "Docs")),
    ],
)
def test_a_workflow_is_required_once_it_ran_on_most_of_the_last_commits(pushes: int, required: tuple[str, ...]) -> None:
    known = {run.sha: None for run in MAIN}
    shas = list(known)[:pushes]
    assert required_workflows([run for run in MAIN if run.sha in shas], LIMITS) == required


def test_only_the_last_five_commits_count_and_each_once() -> None:
    later = [*push(5, OLDER[4], "CI"), *push(6, OLDER[5], "CI")]
    docs, thrice = push(7, OLDER[6], "CI", "Docs"), push(7, OLDER[6], "CI", "Docs", "Docs", "Docs")
    assert required_workflows([*MAIN, *later, *docs], LIMITS) == ("CI", "Docs")
    assert required_workflows([*MAIN[:-3], *later, *thrice], LIMITS) == ("CI", "Docs")
    assert required_workflows([*MAIN[:-5], *later, *docs[:1]], LIMITS) == ("CI",)
    assert required_workflows([*MAIN[3:], *later, *push(7, OLDER[6], "CI", "Gone", "Gone", "Gone")], LIMITS) == ("CI",)
