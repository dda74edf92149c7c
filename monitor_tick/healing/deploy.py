"""Check 10: whether another build is to be made, and whether the one that was made may take the node's place. Pure.

The gates are asked in one order and the first that applies is the deploy line. A build is made beside the running node
and asked through the gates again before it is installed.
"""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

from monitor_loop.acts import Precondition
from monitor_loop.session import Process
from monitor_tick.actions import Act, Effect, FastForward, NodeAction, StartBuild, StopBuild
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import BuildJob, BuildPhase, Checkout, HostMemory, Missing
from monitor_tick.healing import trial
from monitor_tick.healing.death import dead_preconditions
from monitor_tick.judging.ci import Standing, standing_of
from monitor_tick.view import View

_MB_PER_GB = 1024
_NO_IMPACT = re.compile(r"(?:\.github|\.claude|scripts|docs|metrics)/.*|[^/]+\.md|stellar-specs")
"""Paths that no build depends on; whatever is not named here is built (L66)."""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The deploy line, and what follows from it."""

    text: str
    effect: Effect | None = None
    action: NodeAction | None = None
    alert: Alert | None = None
    considered: tuple[NodeAction, ...] = ()


def has_no_impact(paths: tuple[str, ...] | None) -> bool:
    """Whether these changes leave the binary as it is; a diff that failed, or is empty, proves nothing."""
    return bool(paths) and all(_NO_IMPACT.fullmatch(path) for path in paths or ())


def target_of(job: BuildJob | None, checkout: Checkout) -> str:
    """What is being built is finished, though main may move on: else a busy day would never deploy. A commit that was
    pushed away, or is deployed already, is not."""
    if job is None or job.sha == checkout.deployed or not checkout.job_on_main:
        return checkout.origin_main
    return job.sha


def needs_ci(checkout: Checkout) -> bool:
    """Whether a gate will ask about CI: before it come the tree, what is deployed, and what needs no build."""
    if checkout.dirty or checkout.fetched or checkout.diverged or checkout.quarantine.blocks:
        return False
    return checkout.deployed != checkout.origin_main and not (checkout.deployed and has_no_impact(checkout.paths))


def gate_of(view: View) -> Gate:
    """What this tick says of deploying; nothing is started or installed by an early tick."""
    checkout = view.facts.checkout
    if isinstance(checkout, Missing):
        return Gate(text=f"N/A ({checkout.reason})")
    gate = _tree(checkout) or _settled(view, checkout) or _policy(view, checkout) or _build(view, checkout)
    suffix = "" if checkout.deployed else ", build_sha: invalid"
    warned = f" [WARN: {', '.join(checkout.quarantine.warnings)}]" if checkout.quarantine.warnings else ""
    gate = msgspec.structs.replace(gate, text=f"{gate.text}{suffix}{warned}")
    return msgspec.structs.replace(gate, effect=None, action=None) if view.phase.early else gate


def _tree(checkout: Checkout) -> Gate | None:
    if checkout.dirty:
        more = f", {len(checkout.dirty) - 3} more" if len(checkout.dirty) > 3 else ""  # noqa: PLR2004  (what fits a line)
        return Gate(text=f"SKIPPED (dirty tree): {', '.join(checkout.dirty[:3])}{more}")
    if checkout.fetched:
        return Gate(text=f"SKIPPED (fetch failed: {checkout.fetched})")
    if checkout.diverged:
        return Gate(text="SKIPPED (diverged)")
    return None


def _settled(view: View, checkout: Checkout) -> Gate | None:
    """Nothing to do, or not now."""
    record, limits, uptime = view.memory.node, view.rules.limits, view.phase.uptime
    if checkout.deployed and checkout.deployed == checkout.origin_main:
        text = "up-to-date" if record.trial is None else f"up-to-date, {trial.words_of(view, record.trial)}"
        return Gate(text=text, effect=_unwanted(view))
    if record.trial is not None:
        return Gate(text=f"DEFERRED ({trial.words_of(view, record.trial)})")
    cooldown = timedelta(minutes=limits.deploy_cooldown_minutes)
    if uptime is not None and uptime < cooldown and not view.phase.crash_recovery:
        minutes = int(uptime.total_seconds() // 60)
        return Gate(text=f"DEFERRED (cool-down: uptime={minutes}m < {limits.deploy_cooldown_minutes}m)")
    return None


def _unwanted(view: View) -> Effect | None:
    """A build that main went back from is no longer wanted."""
    job = view.facts.job
    return StopBuild("main is deployed already") if job is not None and job.phase is BuildPhase.BUILDING else None


def _policy(view: View, checkout: Checkout) -> Gate | None:
    if checkout.deployed and has_no_impact(checkout.paths):
        commits = checkout.ahead or 0
        words = f"allowlisted paths only — pulled {commits} commits, no restart"
        return Gate(text=f"SYNCED (no-binary-impact: {words})", effect=_forward(checkout, commits))
    if checkout.quarantine.blocks:
        return Gate(text=checkout.quarantine.text)
    return None


def _forward(checkout: Checkout, commits: int) -> Effect | None:
    return None if checkout.head == checkout.origin_main else FastForward(checkout.origin_main, commits)


def _build(view: View, checkout: Checkout) -> Gate:
    job = view.facts.job
    wanted = target_of(job, checkout)
    if job is not None and job.sha == wanted and job.phase is BuildPhase.BUILDING:
        return Gate(text=f"building {wanted[:8]} ({_minutes(view, job)}m)")
    if job is not None and job.sha == wanted and job.phase is BuildPhase.FAILED:
        return Gate(text="SKIPPED (build-failed)", alert=_build_failed(job))
    standing = standing_of(view.facts.ci_of_target, wanted, view)
    if not standing.is_green:
        return Gate(text=_not_green(standing))
    if job is not None and job.sha == wanted:
        return _deploy(view, checkout, job, standing)
    return _start(view, wanted)


def _not_green(standing: Standing) -> str:
    return "SKIPPED (ci-red)" if standing.is_red else f"DEFERRED (ci pending{standing.detail})"


def _start(view: View, sha: str) -> Gate:
    host, limits = view.facts.host_memory, view.rules.limits
    available = host.available_mb if isinstance(host, HostMemory) else None
    if available is None or available < limits.build_available_gb * _MB_PER_GB:
        seen = "unknown" if available is None else f"{available / _MB_PER_GB:.1f} GB"
        return Gate(text=f"DEFERRED (memory: {seen} available < {limits.build_available_gb} GB)")
    return Gate(text=f"building {sha[:8]} (0m)", effect=StartBuild(sha))


def _deploy(view: View, checkout: Checkout, job: BuildJob, standing: Standing) -> Gate:
    record, dead = view.memory.node, view.facts.is_dead
    damaged = [damage.file for damage in view.memory.damaged if damage.file.endswith("node.json")]
    process = view.facts.process
    preconditions = (
        *(dead_preconditions(view) if dead else ()),
        Precondition(
            "build",
            f"{job.sha[:8]} kept whole",
            "kept" if job.sha in view.facts.kept else "not kept",
            job.sha in view.facts.kept,
        ),
        Precondition("CI of the commit", "green, job by job", standing.words, standing.is_green),
        Precondition(
            "quarantine", "clear", "blocks" if checkout.quarantine.blocks else "clear", not checkout.quarantine.blocks
        ),
        Precondition("work tree", "clean", "clean" if not checkout.dirty else "dirty", not checkout.dirty),
        Precondition("trial", "none open", "open" if record.trial else "none", record.trial is None),
        Precondition("node.json", "readable", "damaged" if damaged else "readable", not damaged),
        Precondition(
            "node", "down, or one process", "down" if dead else _named(process), dead or isinstance(process, Process)
        ),
    )
    action = NodeAction(
        Act.DEPLOY,
        f"main moved {checkout.deployed[:8] or '?'}..{job.sha[:8]}, {_count(checkout)} commits, built and green",
        cause="crashed" if dead else "preredeploy",
        installs=job.sha,
        preconditions=preconditions,
    )
    if not action.is_allowed:
        failed = next(each for each in preconditions if not each.holds)
        return Gate(text=f"DEFERRED ({failed.name}: {failed.seen})", considered=(action,))
    if _recovers(view):
        return Gate(text="DEFERRED (the node is catching up)", considered=(action,))
    return Gate(text=f"built {job.sha[:8]}, {_count(checkout)} commits", action=action, considered=(action,))


def _recovers(view: View) -> bool:
    """A node that catches up and advances is never touched."""
    advanced = view.phase.advanced
    return not view.facts.is_dead and not view.standing.in_real_time and advanced is not None and advanced > 0


def _build_failed(job: BuildJob) -> Alert:
    return Alert(
        key="deploy:build",
        scope=job.sha[:8],
        title=f"Build failed on main at {job.sha[:8]}",
        tier=Tier.ACTION,
        urgent=True,
        event=f"build of {job.sha} at {job.started_at:%Y-%m-%dT%H:%M:%SZ}",
        cause=job.why,
        evidence=(
            ("commit", job.sha),
            ("why", job.why),
            ("started", f"{job.started_at:%Y-%m-%dT%H:%M:%SZ}"),
            ("log", job.log),
        ),
        diagnosis="\n".join(job.last_lines),
    )


def _minutes(view: View, job: BuildJob) -> int:
    return max(0, int((view.facts.at - job.started_at).total_seconds() // 60))


def _count(checkout: Checkout) -> str:
    return "?" if checkout.ahead is None else str(checkout.ahead)


def _named(process: Process | Missing) -> str:
    return process.reason if isinstance(process, Missing) else f"pid {process.pid}"
