"""Runs, jobs and what was read of them, in few words."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor_tick.facts import Ci, CiJob, CiJobs, CiRun, Missing
from monitor_tick.memory import CiState, SeenJob, SeenRun
from monitor_tick.view import View
from tests.monitor_tick.views import NOW, SHIPPED, a_session, a_view, healthy_memory

SHA = "b8f18c6db1f980ba80da626c87f1fdeac91be61f"
GITHUB = a_session(gh="/usr/bin/gh", github_repo="stellar/henyey")


def a_run(number: int = 100, workflow: str = "CI", conclusion: str = "success", **changes: object) -> CiRun:
    """Later numbers are newer. A `conclusion` of "" is a run that has not ended. `minutes` ago it last changed."""
    ago = timedelta(minutes=float(str(changes.pop("minutes", 10))))
    run = CiRun(
        id=number,
        workflow=workflow,
        sha=SHA,
        attempt=1,
        status="completed" if conclusion else "in_progress",
        conclusion=conclusion,
        created_at=NOW - timedelta(days=1) + timedelta(minutes=number),
        touched_at=NOW - ago,
        url=f"https://github.com/stellar/henyey/actions/runs/{number}",
    )
    return msgspec.structs.replace(run, **changes)


def a_job(name: str = "build", conclusion: str = "success", *log: str, step: str = "Run tests") -> CiJob:
    failed = conclusion not in ("success", "skipped", "cancelled")
    return CiJob(name=name, conclusion=conclusion, failed_step=step if failed else "", log=log)


def jobs_of(run: CiRun, *jobs: CiJob) -> CiJobs:
    return CiJobs(run_id=run.id, attempt=run.attempt, jobs=jobs or (a_job(),))


def unread(run: CiRun, reason: str = "jobs not read: HTTP 502") -> CiJobs:
    return CiJobs(run_id=run.id, attempt=run.attempt, jobs=Missing(reason))


def a_ci(*runs: CiRun, looked: tuple[CiJobs, ...] | None = None) -> Ci:
    """Each run that has ended with the one job that it says; other jobs are given as `looked`."""
    own = tuple(jobs_of(run, a_job(conclusion=run.conclusion)) for run in runs if run.is_completed)
    return Ci(runs=runs, looked=own if looked is None else looked)


def a_ci_view(ci: Ci | Missing, state: CiState | None = None) -> View:
    memory = healthy_memory()
    memory = msgspec.structs.replace(memory, state=msgspec.structs.replace(memory.state, ci=state))
    return a_view(ci=ci, memory=memory, session=GITHUB, rules=SHIPPED)


def seen(run: CiRun, *jobs: SeenJob, passed: int = 1) -> SeenRun:
    return SeenRun(id=run.id, attempt=run.attempt, passed=passed, jobs=jobs)
