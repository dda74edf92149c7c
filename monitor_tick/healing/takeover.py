"""Check 10.8: the build that was made takes the node's place, or waits. Pure."""

from __future__ import annotations

from datetime import timedelta

from monitor_loop.acts import Precondition
from monitor_loop.session import FailedDeploy, Process
from monitor_tick.actions import Act, NodeAction
from monitor_tick.facts import BuildJob, Checkout, Missing
from monitor_tick.healing.death import NODE_RECORD, dead_preconditions
from monitor_tick.healing.gate import Gate
from monitor_tick.judging.ci import Standing
from monitor_tick.view import View


def takeover_of(view: View, checkout: Checkout, job: BuildJob, standing: Standing) -> Gate:
    dead = view.facts.is_dead
    action = NodeAction(
        Act.DEPLOY,
        f"main moved {checkout.deployed[:8] or '?'}..{job.sha[:8]}, {_count(checkout)} commits, built and green",
        cause="crashed" if dead else "preredeploy",
        installs=job.sha,
        preconditions=(
            *(dead_preconditions(view) if dead else ()),
            *_preconditions(view, checkout, job, standing),
        ),
    )
    if waits := _waits_for(view, action, job):
        return Gate(text=f"DEFERRED ({waits})", considered=(action,))
    return Gate(text=f"built {job.sha[:8]}, {_count(checkout)} commits", action=action, considered=(action,))


def _preconditions(view: View, checkout: Checkout, job: BuildJob, standing: Standing) -> tuple[Precondition, ...]:
    """Every gate that was passed, with what was seen there."""
    record, process = view.memory.node, view.facts.process
    kept, blocks, dirty = job.sha in view.facts.kept, checkout.quarantine.blocks, checkout.dirty
    damaged = any(damage.file.endswith(NODE_RECORD) for damage in view.memory.damaged)
    alive = isinstance(process, Process)
    seen = process.reason if isinstance(process, Missing) else f"pid {process.pid}"
    return (
        Precondition("build", f"{job.sha[:8]} kept", "kept" if kept else "not kept", kept),
        Precondition("CI of the commit", "green, job by job", standing.words, standing.is_green),
        Precondition("quarantine", "clear", "blocks" if blocks else "clear", not blocks),
        Precondition("work tree", "clean", "dirty" if dirty else "clean", not dirty),
        Precondition("trial", "none open", "open" if record.trial else "none", record.trial is None),
        Precondition(NODE_RECORD, "readable", "damaged" if damaged else "readable", not damaged),
        Precondition("node", "down, or one process", seen, view.facts.is_dead or alive),
    )


def _waits_for(view: View, action: NodeAction, job: BuildJob) -> str:
    """Empty where it may be done now.

    A node that is down and could come back does not wait for a deploy that fails, and one that runs is not stopped for
    it over and over.
    """
    refused = next((each for each in action.preconditions if not each.holds), None)
    if refused is not None:
        return f"{refused.name}: {refused.seen}"
    if _recovers(view):
        return "the node is catching up"
    failed = view.memory.node.failed_deploy
    return _waits_after(view, failed) if failed is not None and failed.sha == job.sha else ""


def _waits_after(view: View, failed: FailedDeploy) -> str:
    if view.facts.is_dead:
        return "" if view.memory.node.offline else "it failed before, the node comes back first"
    again = failed.at + timedelta(hours=view.rules.limits.deploy_retry_hours)
    if failed.stopped and failed.at <= view.facts.at < again:
        return f"it failed before, and the node had been stopped for it: again at {again:%Y-%m-%dT%H:%MZ}"
    return ""


def _recovers(view: View) -> bool:
    """A node that catches up and advances is never touched, nor one that fetches its state and has its time to."""
    phase = view.phase
    if view.facts.is_dead or view.standing.in_real_time:
        return False
    fetches = phase.fresh_start and phase.unsynced_for is not None and phase.unsynced_for <= phase.deadline
    return fetches or (phase.advanced is not None and phase.advanced > 0)


def _count(checkout: Checkout) -> str:
    return "?" if checkout.ahead is None else str(checkout.ahead)
