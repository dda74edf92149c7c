"""A session whose directory is gone, with no process, is built anew and launched. Pure.

It takes several ticks, and only the first finds the directory missing: the record of the node carries the rest.
"""

from __future__ import annotations

import msgspec

from monitor_loop.acts import Precondition
from monitor_loop.session import Recovery
from monitor_tick.actions import Act, Effect, NodeAction, RecreateDirectories, StartBuild, StopBuild
from monitor_tick.facts import BuildJob, BuildPhase, Missing
from monitor_tick.healing import restarts
from monitor_tick.healing.death import dead_preconditions
from monitor_tick.view import View


def recovery_of(view: View) -> Recovery | None:
    """What is under way, as the record keeps it from this tick on; None where nothing has to come back.

    A process ends it, whoever launched that. One that failed stays failed until somebody starts the node.
    """
    known = view.memory.node.recovery
    if not view.facts.is_dead:
        return known if isinstance(view.facts.process, Missing) else None
    if not view.facts.directories.session:
        return _begun(view)
    if known is None or known.session != view.session.id:
        return None
    if known.failed:
        return known
    return msgspec.structs.replace(known, failed=_failure(view, known))


def is_under_way(view: View) -> bool:
    """Whether the node that is missing is on its way back, so that no other remedy may touch it."""
    return view.facts.is_dead and recovery_of(view) is not None


def job_of(view: View, recovery: Recovery) -> BuildJob | None:
    """The builder's work for this recovery; an older build of the same commit was wiped with the session, and one that
    a power cut ended is begun again."""
    job = view.facts.job
    ours = job is not None and job.sha == recovery.sha and job.started_at >= recovery.since and not job.stopped
    return job if ours else None


def effects_of(view: View, recovery: Recovery) -> tuple[Effect, ...]:
    """The directories where they are missing, and the builder where it has not begun."""
    directories: tuple[Effect, ...] = () if view.facts.directories.session else (RecreateDirectories(),)
    if recovery.failed or job_of(view, recovery) is not None:
        return directories
    other = view.facts.job is not None and view.facts.job.phase is BuildPhase.BUILDING
    return (*directories, *((StopBuild("the session was wiped"),) if other else ()), StartBuild(recovery.sha))


def action_of(view: View, recovery: Recovery) -> NodeAction | None:
    """The launch of what was built; None before it is."""
    job = job_of(view, recovery)
    if recovery.failed or job is None or job.phase is not BuildPhase.BUILT:
        return None
    kept = recovery.sha in view.facts.kept
    return NodeAction(
        Act.REBUILD,
        f"session directory wiped, {recovery.sha[:8]} built anew",
        cause="wiped",
        installs=recovery.sha,
        preconditions=(
            *dead_preconditions(view),
            Precondition("build", f"{recovery.sha[:8]} kept", "kept" if kept else "not kept", kept),
            restarts.allowance_of(view.memory.node.restarts, view.rules.limits).precondition,
        ),
    )


def _begun(view: View) -> Recovery:
    rebuild, offline = view.facts.rebuild, view.memory.node.offline
    sha = "" if isinstance(rebuild, Missing) else rebuild
    failed = f"left down before that: {offline}" if offline else rebuild.reason if isinstance(rebuild, Missing) else ""
    return Recovery(sha=sha, since=view.facts.at, session=view.session.id, failed=failed)


def _failure(view: View, recovery: Recovery) -> str:
    """Why it can go no further; empty while it can."""
    job = job_of(view, recovery)
    if job is None or job.phase is BuildPhase.BUILDING:
        return ""
    if job.phase is BuildPhase.FAILED:
        return job.why or "the build failed"
    allowance = restarts.allowance_of(view.memory.node.restarts, view.rules.limits)
    if allowance.standing is restarts.Standing.SPENT:
        return allowance.words
    return "" if recovery.sha in view.facts.kept else "what was built is not there any more"
