"""Check 11: is CI green on main, by the jobs and not by the run's word, and what is done about a red one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from monitor_tick.actions import Rerun
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import Ci, CiJob, CiRun, Missing
from monitor_tick.judging.ci_runs import (
    FAILED,
    WHOLE_RUN,
    Light,
    Workflow,
    is_recent,
    may_rerun,
    next_state,
    seen_of,
    workflows_of,
)
from monitor_tick.memory import CiState, SeenJob
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "ci"

GREEN = "all green (run+job level)"
MOST_NAMES = 3
TITLE_LENGTH = 120


def judge(view: View) -> Verdict:
    ci, state = view.facts.ci, view.memory.state.ci or CiState()
    if isinstance(ci, Missing):
        return Verdict(label=LABEL, lines=(f"N/A ({ci.reason})",))
    seen = seen_of(ci, state, view.rules.ci_failures)
    workflows = workflows_of(ci, seen)
    again = next((each for each in workflows if may_rerun(each, state, view.facts.at, view.rules.limits)), None)
    if again is not None and again.run is not None:
        unfiled = {(each.run.id, each.run.attempt) for each in workflows if each.run and each.light is Light.RED}
        told = {key: jobs for key, jobs in seen.items() if key not in unfiled}
        return _rerun(again, again.run, workflows, next_state(ci, told, state, (again.run.id,)))
    alerts = tuple(alert for workflow in workflows for alert in _alerts(view, ci, workflow))
    is_red = any(workflow.light is Light.RED for workflow in workflows)
    return Verdict(
        label=LABEL,
        lines=_lines(workflows),
        level=Level.WARNING if is_red else Level.OK,
        alerts=alerts,
        remember=(next_state(ci, seen, state),),
    )


def _rerun(workflow: Workflow, run: CiRun, workflows: Sequence[Workflow], remember: CiState) -> Verdict:
    """CI is done for this tick: what else is red is read again and filed by the next one.

    The id is on disk before gh is asked.
    """
    names = ", ".join(job.name for job in workflow.failed_jobs)
    line = (
        f"CI RERUN ATTEMPTED — {workflow.name} jobs {names} on {run.sha[:8]}, attempt {run.attempt}→{run.attempt + 1}"
    )
    others = [each for each in workflows if each is not workflow and each.light is not Light.GREEN]
    return Verdict(
        label=LABEL,
        lines=(line, *(_lines(others) if others else ())),
        level=Level.ACTION,
        effects=(Rerun(run.id, run.attempt),),
        remember=(remember,),
    )


# --- the line ----------------------------------------------------------------------------------------------------


def _lines(workflows: Sequence[Workflow]) -> tuple[str, ...]:
    """What is red, then what is under way, then what says nothing; green only where all of them are."""
    red = [_red(workflow) for workflow in workflows if workflow.light is Light.RED]
    pending = [workflow.name for workflow in workflows if workflow.pending]
    undecided = [f"{workflow.name} {workflow.why}" for workflow in workflows if workflow.light is Light.UNDECIDED]
    lines = [
        *red,
        *([f"pending ({', '.join(pending)})"] if pending else []),
        *([f"N/A ({', '.join(undecided)})"] if undecided else []),
    ]
    return tuple(lines) or ((GREEN,) if workflows else ("N/A (no runs on main)",))


def _red(workflow: Workflow) -> str:
    if workflow.run is not None and workflow.run.conclusion in FAILED:
        return f"{workflow.name} failed"
    jobs = [f"{job.name}|{job.conclusion}" for job in workflow.failed_jobs]
    more = [f"{len(jobs) - MOST_NAMES} more"] if len(jobs) > MOST_NAMES else []
    return f"{workflow.name} jobs FAILED (continue-on-error) — {', '.join((*jobs[:MOST_NAMES], *more))}"


# --- the issues --------------------------------------------------------------------------------------------------


def _alerts(view: View, ci: Ci, workflow: Workflow) -> tuple[Alert, ...]:
    """One for each failed job of a recent run: what is older was filed in its time, or is somebody's already."""
    run, limits = workflow.run, view.rules.limits
    if workflow.light is not Light.RED or run is None or not is_recent(run, view.facts.at, limits):
        return ()
    reason = workflow.seen.reason if isinstance(workflow.seen, Missing) else ""
    unread = SeenJob(WHOLE_RUN, run.conclusion, "unknown", run.conclusion.replace("_", " "))
    whole = _alert(workflow, run, unread, None, reason)
    if isinstance(workflow.seen, Missing):
        waited = view.facts.at - run.touched_at
        if waited <= timedelta(hours=limits.ci_recent_hours) / 2:
            return ()  # the next tick knows more, and would file it under another name
        return (whole,)
    if view.memory.issues.knows(whole.key, whole.scope, whole.event):
        return (whole,)  # it was told while its jobs could not be read
    return tuple(_alert(workflow, run, job, _looked(ci, run, job)) for job in workflow.failed_jobs)


def _alert(workflow: Workflow, run: CiRun, job: SeenJob, look: CiJob | None, unread: str = "not read") -> Alert:
    title = f"{workflow.name}: {job.signature}"
    return Alert(
        key=f"ci:{workflow.name}:{job.name}:{job.signature}",
        scope=job.name,
        title=title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…",
        tier=Tier.ACTION,
        urgent=True,
        cause=f"job {job.name}: {job.conclusion}",
        evidence=(
            ("run", run.url or str(run.id)),
            ("commit", run.sha),
            ("attempt", str(run.attempt)),
            ("workflow", workflow.name),
            ("job", job.name),
            ("failed jobs", ", ".join(each.name for each in workflow.failed_jobs) or job.name),
            ("category", job.category),
            ("conclusion", f"run {run.conclusion}, job {job.conclusion}"),
            ("step", (look.failed_step if look else "") or "unknown"),
            ("ended", f"{run.touched_at:%Y-%m-%dT%H:%M:%SZ}"),
            ("log", _log_read(look) if look else unread),
        ),
        diagnosis="\n".join(look.log) if look else "",
        event=f"{run.id}/{run.attempt}",
    )


def _looked(ci: Ci, run: CiRun, job: SeenJob) -> CiJob | None:
    """The job as it was read this tick; None where it is remembered, and filed already."""
    for look in ci.looked:
        if (look.run_id, look.attempt) == (run.id, run.attempt) and not isinstance(look.jobs, Missing):
            return next((each for each in look.jobs if each.name == job.name), None)
    return None


def _log_read(look: CiJob) -> str:
    return f"last {len(look.log)} lines" if look.log else look.log_unread or "not read"
