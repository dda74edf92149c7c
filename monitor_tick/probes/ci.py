"""CI on main, through gh: one call where nothing new has ended, each with a deadline, and one deadline for all."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

from monitor_loop.session import Moment, Session
from monitor_tick.facts import Ci, CiJob, CiJobs, CiOfCommit, CiRun, Missing
from monitor_tick.issues.tracker import TrackerError
from monitor_tick.judging.ci_runs import FAILED, is_recent, newest_first, to_look_at
from monitor_tick.memory import CiState
from monitor_tick.rules import Limits

if TYPE_CHECKING:
    from monitor_tick.github.gh import Gh

T = TypeVar("T")

MAIN = "main"
COMMIT_RUNS = 100
"""Runs asked for when a deploy waits: GitHub's largest page, which holds five commits of twenty workflows."""

NAME_LENGTH = 100
_RUN_FIELDS = "databaseId,name,workflowName,status,conclusion,headSha,headBranch,event,createdAt,updatedAt,attempt,url"

_Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Run(msgspec.Struct, frozen=True, rename="camel"):
    """As gh prints it. `workflow_name` is empty for the workflows of an organization."""

    database_id: _Id
    status: str
    head_sha: str
    created_at: Moment
    attempt: _Id = 1
    name: str = ""
    workflow_name: str = ""
    conclusion: str | None = None
    head_branch: str = MAIN
    event: str = ""
    updated_at: Moment | None = None
    url: str = ""


class _Step(msgspec.Struct, frozen=True):
    name: str = ""
    conclusion: str | None = None


class _Job(msgspec.Struct, frozen=True):
    name: str
    conclusion: str | None = None
    steps: tuple[_Step, ...] | None = None


class _Jobs(msgspec.Struct, frozen=True):
    jobs: tuple[_Job, ...]


class _Asking(msgspec.Struct, frozen=True):
    """gh, and when all of its calls must be over (time.monotonic)."""

    gh: Gh
    ends: float
    limits: Limits

    def run(self, args: Sequence[str]) -> str | Missing:
        left = min(float(self.limits.ci_call_seconds), self.ends - time.monotonic())
        if left <= 0:
            return Missing("gh takes too long")
        try:
            return self.gh.run(args, deadline_seconds=left)
        except TrackerError as failed:
            return Missing(_line(str(failed), 200))

    def read(self, args: Sequence[str], shape: type[T]) -> T | Missing:
        out = self.run(args)
        if isinstance(out, Missing):
            return out
        try:
            return msgspec.json.decode(out, type=shape)
        except (msgspec.DecodeError, RecursionError):
            return Missing(f"gh {args[0]} {args[1]}: unexpected answer")


def observe_ci(session: Session, state: CiState, now: datetime, limits: Limits) -> Ci | Missing:
    """The newest runs on main, and the jobs of those that ended since an earlier tick looked."""
    asking = _asking(session, limits)
    if isinstance(asking, Missing):
        return asking
    runs = _runs(asking, ("--branch", MAIN, "--limit", str(limits.ci_runs_read)))
    return runs if isinstance(runs, Missing) else Ci(runs=runs, looked=_looked(asking, runs, state, now))


def observe_ci_of(  # noqa: PLR0913  (all that an answer depends on)
    session: Session, sha: str, state: CiState, now: datetime, limits: Limits, *, ends: float = math.inf
) -> CiOfCommit | Missing:
    """What a deploy of `sha` (40 hex digits) waits for, asked until `ends` (time.monotonic)."""
    asking = _asking(session, limits, ends)
    if isinstance(asking, Missing):
        return asking
    runs = _runs(asking, ("--branch", MAIN, "--commit", sha, "--limit", str(COMMIT_RUNS)))
    if isinstance(runs, Missing):
        return runs
    main = _runs(asking, ("--branch", MAIN, "--limit", str(COMMIT_RUNS)))
    if isinstance(main, Missing):
        return main
    own = tuple(run for run in runs if run.sha == sha)
    return CiOfCommit(sha=sha, runs=own, main=main, looked=_looked(asking, own, state, now))


def _asking(session: Session, limits: Limits, ends: float = math.inf) -> _Asking | Missing:
    unasked = (
        (session.is_embedded, "embedded"),
        (not session.gh, "no gh"),
        (not session.github_repo, "no repository"),
    )
    reason = next((reason for holds, reason in unasked if holds), "")
    if reason:
        return Missing(reason)
    from monitor_tick.github.gh import Gh  # and with it what starts other programs

    ends = min(ends, time.monotonic() + limits.ci_seconds)
    return _Asking(Gh(session.gh, session.github_repo), ends, limits)


# --- runs --------------------------------------------------------------------------------------------------------


def _runs(asking: _Asking, which: Sequence[str]) -> tuple[CiRun, ...] | Missing:
    runs = asking.read(("run", "list", *which, "--json", _RUN_FIELDS), tuple[_Run, ...])
    return runs if isinstance(runs, Missing) else newest_first(_run(run) for run in runs if _is_mains(run))


def _is_mains(run: _Run) -> bool:
    """Not of a pull request: a fork may call its branch main as well."""
    return run.head_branch == MAIN and not run.event.startswith("pull_request")


def _run(run: _Run) -> CiRun:
    return CiRun(
        id=run.database_id,
        workflow=_line(run.workflow_name or run.name) or "unnamed workflow",
        sha=_line(run.head_sha, 40),
        attempt=run.attempt,
        status=_line(run.status).lower(),
        conclusion=_line(run.conclusion or "").lower(),
        created_at=run.created_at,
        touched_at=run.updated_at or run.created_at,
        url=_line(run.url, 300),
    )


# --- jobs and logs -----------------------------------------------------------------------------------------------


def _looked(asking: _Asking, runs: Sequence[CiRun], state: CiState, now: datetime) -> tuple[CiJobs, ...]:
    known = {(seen.id, seen.attempt) for seen in state.seen}
    return tuple(_jobs(asking, run, now) for run in to_look_at(runs) if (run.id, run.attempt) not in known)


def _jobs(asking: _Asking, run: CiRun, now: datetime) -> CiJobs:
    read = asking.read(("run", "view", str(run.id), "--json", "jobs"), _Jobs)
    jobs: tuple[CiJob, ...] | Missing
    if isinstance(read, Missing):
        jobs = Missing(f"jobs not read: {read.reason}")
    else:
        jobs = tuple(_job(job) for job in read.jobs)
        if any(job.conclusion in FAILED for job in jobs) and is_recent(run, now, asking.limits):
            jobs = tuple(_with_logs(asking, run, jobs))
    return CiJobs(run_id=run.id, attempt=run.attempt, jobs=jobs)


def _job(job: _Job) -> CiJob:
    failed = (step.name for step in job.steps or () if (step.conclusion or "").lower() in FAILED)
    return CiJob(
        name=_line(job.name) or "unnamed job",
        conclusion=_line(job.conclusion or "").lower(),
        failed_step=_line(next(failed, "")),
    )


def _with_logs(asking: _Asking, run: CiRun, jobs: Sequence[CiJob]) -> Iterator[CiJob]:
    from monitor_tick.judging.ci_logs import tails_of

    text = asking.run(("run", "view", str(run.id), "--log-failed"))
    tails = {} if isinstance(text, Missing) else tails_of(text, asking.limits.ci_log_lines)
    unread = text.reason if isinstance(text, Missing) else "not in what gh printed"
    by_name = {_line(name): tail for name, tail in tails.items()}
    for job in jobs:
        log = by_name.get(job.name, ()) if job.conclusion in FAILED else ()
        why = unread if job.conclusion in FAILED and not log else ""
        yield msgspec.structs.replace(job, log=log, log_unread=why)


def _line(text: str, length: int = NAME_LENGTH) -> str:
    """One printable line, as it may stand in a report."""
    kept = "".join(char if char.isprintable() else " " for char in text[: 4 * length])
    return " ".join(kept.split())[:length]
