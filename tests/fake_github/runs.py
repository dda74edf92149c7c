"""Workflow runs over REST: lists, jobs, a re-run, and logs, which are a redirect to a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from tests.fake_github.faults import Response, json_response
from tests.fake_github.model import Hub, Job, Run, workflow_number
from tests.fake_github.views import told_time

_NOT_FOUND = json_response(404, {"message": "Not Found", "status": "404"})


def _run_json(hub: Hub, run: Run) -> dict[str, Any]:
    own = f"https://api.github.com/repos/{hub.repository.full_name}/actions/runs/{run.id}"
    repository = {"owner": {"login": hub.repository.owner}, "name": hub.repository.name}
    return {
        "id": run.id,
        "name": run.workflow,
        "display_title": f"{run.workflow} on {run.branch}",
        "workflow_id": run.workflow_id,
        "status": run.status,
        "conclusion": run.conclusion or None,
        "event": "push",
        "head_branch": run.branch,
        "head_sha": run.sha,
        "head_repository": repository,
        "run_number": run.id,
        "run_attempt": run.attempt,
        "created_at": told_time(run.created_at),
        "run_started_at": told_time(run.created_at),
        "updated_at": told_time(run.created_at),
        "url": own,
        "html_url": f"https://github.com/{hub.repository.full_name}/actions/runs/{run.id}",
        "jobs_url": f"{own}/jobs",
        "logs_url": f"{own}/logs",
        "rerun_url": f"{own}/rerun",
        "check_suite_url": f"{own}/check-suite",
    }


def _job_json(hub: Hub, run: Run, job: Job) -> dict[str, Any]:
    steps = [
        {"name": step.name, "status": "completed", "conclusion": step.conclusion, "number": number}
        for number, step in enumerate(job.steps, start=1)
    ]
    at = told_time(run.created_at)
    return {
        "id": job.id,
        "run_id": run.id,
        "run_attempt": run.attempt,
        "name": job.name,
        "status": "completed",
        "conclusion": job.conclusion,
        "started_at": at,
        "completed_at": at,
        "steps": steps,
        "html_url": f"https://github.com/{hub.repository.full_name}/actions/runs/{run.id}/job/{job.id}",
        "check_run_url": f"https://api.github.com/repos/{hub.repository.full_name}/check-runs/{job.id}",
    }


def _found(hub: Hub, id: int) -> Run | None:
    return next((run for run in hub.repository.runs if run.id == id), None)


def _list(hub: Hub, arguments: Mapping[str, str], workflow: int | None = None) -> Response:
    """The newest first."""
    known = [run for run in hub.repository.runs if workflow in (None, run.workflow_id)]
    known = [run for run in known if arguments.get("branch", run.branch) == run.branch]
    known = [run for run in known if arguments.get("status", run.status) in (run.status, run.conclusion)]
    known = [run for run in known if arguments.get("head_sha", run.sha) == run.sha]
    known.sort(key=lambda run: run.created_at, reverse=True)
    size, page = int(arguments.get("per_page", 30)), int(arguments.get("page", 1))
    shown = [_run_json(hub, run) for run in known[(page - 1) * size : page * size]]
    return json_response(200, {"total_count": len(known), "workflow_runs": shown})


def _run(hub: Hub, arguments: Mapping[str, str], id: int, attempt: int | None = None) -> Response:
    run = _found(hub, id)
    if run is None or attempt not in (None, run.attempt):
        return _NOT_FOUND
    return json_response(200, _run_json(hub, run))


def _jobs(hub: Hub, arguments: Mapping[str, str], id: int, attempt: int | None = None) -> Response:
    run = _found(hub, id)
    if run is None or attempt not in (None, run.attempt):
        return _NOT_FOUND
    jobs = [_job_json(hub, run, job) for job in run.jobs]
    return json_response(200, {"total_count": len(jobs), "jobs": jobs})


def _job(hub: Hub, arguments: Mapping[str, str], id: int) -> Response:
    for run in hub.repository.runs:
        for job in run.jobs:
            if job.id == id:
                return json_response(200, _job_json(hub, run, job))
    return _NOT_FOUND


def _workflow(hub: Hub, arguments: Mapping[str, str], id: int) -> Response:
    names = {run.workflow_id: run.workflow for run in hub.repository.runs}
    if id not in names:
        return _NOT_FOUND
    path = f".github/workflows/{names[id].lower()}.yml"
    return json_response(200, {"id": id, "name": names[id], "path": path, "state": "active"})


def _workflows(hub: Hub, arguments: Mapping[str, str]) -> Response:
    names = sorted({run.workflow for run in hub.repository.runs})
    shown = [{"id": workflow_number(name), "name": name, "path": "x.yml", "state": "active"} for name in names]
    return json_response(200, {"total_count": len(shown), "workflows": shown})


def _rerun(hub: Hub, arguments: Mapping[str, str], id: int) -> Response:
    run = _found(hub, id)
    if run is None:
        return _NOT_FOUND
    if run.status != "completed":
        return json_response(403, {"message": "This workflow is already running", "status": "403"})
    run.attempt, run.status, run.conclusion = run.attempt + 1, "queued", ""
    return json_response(201, {})


def _logs(hub: Hub, arguments: Mapping[str, str], id: int, attempt: int | None = None) -> Response:
    if _found(hub, id) is None:
        return _NOT_FOUND
    return Response(302, headers=(("Location", f"https://pipelines.example/logs/{id}"),))


def _job_logs(hub: Hub, arguments: Mapping[str, str], id: int) -> Response:
    return Response(302, headers=(("Location", f"https://pipelines.example/job-logs/{id}"),))


def _zip(hub: Hub, arguments: Mapping[str, str], id: int) -> Response:
    """One file a step, and one a job, named as GitHub names them."""
    run = _found(hub, id)
    assert run is not None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, job in enumerate(run.jobs):
            archive.writestr(f"{number}_{job.name}.txt", "".join(step.log for step in job.steps))
            for place, step in enumerate(job.steps, start=1):
                archive.writestr(f"{job.name}/{place}_{step.name}.txt", step.log)
    return Response(200, content.getvalue(), content_type="application/zip")


def _text(hub: Hub, arguments: Mapping[str, str], id: int) -> Response:
    jobs = [job for run in hub.repository.runs for job in run.jobs if job.id == id]
    log = "".join(step.log for job in jobs for step in job.steps)
    return Response(200, log.encode(), content_type="text/plain")


CALLS: dict[str, Callable[..., Response]] = {
    "GET /actions/runs": _list,
    r"GET /actions/workflows/(\d+)/runs": _list,
    "GET /actions/workflows": _workflows,
    r"GET /actions/workflows/(\d+)": _workflow,
    r"GET /actions/runs/(\d+)": _run,
    r"GET /actions/runs/(\d+)/attempts/(\d+)": _run,
    r"GET /actions/runs/(\d+)/jobs": _jobs,
    r"GET /actions/runs/(\d+)/attempts/(\d+)/jobs": _jobs,
    r"GET /actions/jobs/(\d+)": _job,
    r"GET /actions/runs/(\d+)/logs": _logs,
    r"GET /actions/runs/(\d+)/attempts/(\d+)/logs": _logs,
    r"GET /actions/jobs/(\d+)/logs": _job_logs,
    r"GET /logs/(\d+)": _zip,
    r"GET /job-logs/(\d+)": _text,
    r"POST /actions/runs/(\d+)/rerun-failed-jobs": _rerun,
    r"POST /actions/runs/(\d+)/rerun": _rerun,
}
"""By method and path below the repository; the two of logs are where the redirects lead."""
