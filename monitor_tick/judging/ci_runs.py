"""What CI says of main: each workflow by the jobs of its newest completed run, never by the run's word alone. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from monitor_tick.facts import Ci, CiJob, CiOfCommit, CiRun, Missing
from monitor_tick.memory import CiState, SeenJob, SeenRun
from monitor_tick.rules import CiCategory, CiFailure, Limits

FAILED = frozenset({"failure", "timed_out", "startup_failure"})
"""Conclusions that are red. Cancelled, skipped, neutral, stale, action_required and none are neither green nor red."""

NOT_RUN = frozenset({"skipped", "neutral"})
"""Conclusions of jobs that say nothing about their run: it meant to leave them out."""

EXCUSED = frozenset({CiCategory.INFRASTRUCTURE.value, CiCategory.FLAKY.value})
"""Categories that say nothing about the code."""

PASSED = "success"
WHOLE_RUN = "(run)"
"""Stands for a job where a run failed and none of its jobs did, as with a workflow file that cannot be read."""

MOST_JOBS = 20
"""Failed jobs that are kept apart in one run; a matrix of 200 fails as a whole."""

MOST_RERUNS = 200


Seen = Mapping[tuple[int, int], SeenRun | Missing]
"""The jobs of runs that have ended, by run id and attempt."""


class Light(str, enum.Enum):
    GREEN = "green"
    RED = "red"
    PENDING = "pending"
    UNDECIDED = "undecided"
    """It ended and says neither: cancelled, skipped, or its jobs could not be read."""


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """`run` is its newest completed run, None where all are still under way, and `seen` that run's jobs.

    `why` says in a word or two why it is UNDECIDED. `pending` are the runs after `run` that have not ended.
    """

    name: str
    light: Light
    run: CiRun | None = None
    seen: SeenRun | Missing = Missing("no run has ended")
    pending: tuple[CiRun, ...] = ()
    why: str = ""

    @property
    def failed_jobs(self) -> tuple[SeenJob, ...]:
        if isinstance(self.seen, Missing):
            return ()
        return tuple(job for job in self.seen.jobs if job.conclusion in FAILED)


def newest_first(runs: Iterable[CiRun]) -> tuple[CiRun, ...]:
    return tuple(sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True))


def by_workflow(runs: Iterable[CiRun]) -> Mapping[str, tuple[CiRun, ...]]:
    """The runs of each workflow, newest first."""
    groups: dict[str, list[CiRun]] = {}
    for run in newest_first(runs):
        groups.setdefault(run.workflow, []).append(run)
    return {name: tuple(group) for name, group in sorted(groups.items())}


def to_look_at(runs: Iterable[CiRun]) -> tuple[CiRun, ...]:
    """The runs whose jobs decide: of each workflow the newest that has ended. The red ones come first."""
    ended = (next((run for run in group if run.is_completed), None) for group in by_workflow(runs).values())
    return tuple(sorted((run for run in ended if run), key=lambda run: run.conclusion not in FAILED))


def is_recent(run: CiRun, now: datetime, limits: Limits) -> bool:
    """Whether a failure of this run is acted on. A clock that is behind GitHub's makes it no older."""
    return now - run.touched_at <= timedelta(hours=limits.ci_recent_hours)


def seen_of(ci: Ci | CiOfCommit, state: CiState, rows: Sequence[CiFailure]) -> Seen:
    """What is remembered, and what was read this tick."""
    known: dict[tuple[int, int], SeenRun | Missing] = {(seen.id, seen.attempt): seen for seen in state.seen}
    read = {(look.run_id, look.attempt): look.jobs for look in ci.looked}
    for run in ci.runs:
        jobs = read.get((run.id, run.attempt))
        if jobs is not None:
            known[run.id, run.attempt] = jobs if isinstance(jobs, Missing) else _seen(run, jobs, rows)
    return known


def _seen(run: CiRun, jobs: Sequence[CiJob], rows: Sequence[CiFailure]) -> SeenRun:
    failed = [_seen_job(job, rows) for job in jobs if job.conclusion in FAILED]
    others = [SeenJob(job.name, job.conclusion) for job in jobs if job.conclusion not in FAILED | NOT_RUN | {PASSED}]
    if not failed and run.conclusion in FAILED:
        failed = [_seen_job(CiJob(name=WHOLE_RUN, conclusion=run.conclusion), rows)]
    return SeenRun(
        id=run.id,
        attempt=run.attempt,
        passed=sum(job.conclusion == PASSED for job in jobs),
        jobs=(*sorted(failed, key=lambda job: job.category in EXCUSED)[:MOST_JOBS], *others[:MOST_JOBS]),
    )


def _seen_job(job: CiJob, rows: Sequence[CiFailure]) -> SeenJob:
    from monitor_tick.judging.ci_logs import diagnose  # only a red job has a log to understand

    found = diagnose(job, rows)
    return SeenJob(job.name, job.conclusion, found.category.value, found.signature)


def workflows_of(ci: Ci, seen: Seen) -> tuple[Workflow, ...]:
    return tuple(_workflow(name, runs, seen) for name, runs in by_workflow(ci.runs).items())


def _workflow(name: str, runs: Sequence[CiRun], seen: Seen) -> Workflow:
    position = next((index for index, run in enumerate(runs) if run.is_completed), None)
    if position is None:
        return Workflow(name=name, light=Light.PENDING, pending=tuple(runs))
    run = runs[position]
    jobs = seen.get((run.id, run.attempt), Missing("jobs not read"))
    light, why = light_of(run, jobs)
    return Workflow(name=name, light=light, run=run, seen=jobs, pending=tuple(runs[:position]), why=why)


def light_of(run: CiRun, seen: SeenRun | Missing) -> tuple[Light, str]:
    """Of a run that has ended, and why where that is UNDECIDED. Green needs the run's word and a job that passed."""
    if run.conclusion in FAILED:
        return Light.RED, ""
    if isinstance(seen, Missing):
        return Light.UNDECIDED, seen.reason
    if any(job.conclusion in FAILED for job in seen.jobs):
        return Light.RED, ""
    if run.conclusion != PASSED:
        return Light.UNDECIDED, run.conclusion.replace("_", " ") or "no conclusion"
    if seen.jobs:
        return Light.UNDECIDED, f"job {seen.jobs[0].name} {seen.jobs[0].conclusion or 'without conclusion'}"
    return (Light.GREEN, "") if seen.passed else (Light.UNDECIDED, "no job passed")


def may_rerun(workflow: Workflow, state: CiState, now: datetime, limits: Limits) -> bool:
    """Every failed job of it is known not to be the code's fault, and this run was not run again: once an id, ever."""
    run = workflow.run
    if workflow.light is not Light.RED or run is None or not is_recent(run, now, limits):
        return False
    if run.attempt > 1 or run.id in state.rerun:
        return False
    return bool(workflow.failed_jobs) and all(job.category in EXCUSED for job in workflow.failed_jobs)


def next_state(ci: Ci, seen: Seen, state: CiState, rerun: Sequence[int] = ()) -> CiState:
    """Runs that left the list are forgotten; a rerun's id never is, as long as there are not hundreds."""
    listed = {(run.id, run.attempt) for run in ci.runs}
    kept = (each for key, each in sorted(seen.items()) if key in listed and not isinstance(each, Missing))
    return CiState(seen=tuple(kept), rerun=(*state.rerun, *rerun)[-MOST_RERUNS:])
