"""Check 10: whether another build is to be made, and whether the one that was made may take the node's place. Pure.

The gates are asked in one order and the first that applies is the deploy line. A build is made beside the running node
and asked through the gates again before it is installed.
"""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

from monitor_tick.actions import ClearWorktree, Effect, FastForward, NoteBuild, StartBuild, StopBuild
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import BuildJob, BuildPhase, Checkout, HostMemory, Missing
from monitor_tick.healing import trial
from monitor_tick.healing.gate import Gate
from monitor_tick.healing.takeover import takeover_of
from monitor_tick.judging.ci import Standing, standing_of
from monitor_tick.view import View

INFO = "/info"
"""Checkout.deployed_from where the running binary named its commit itself."""

_MB_PER_GB = 1024
_MOST_PATHS = 3
_PATH_LENGTH = 60
_NO_IMPACT = re.compile(r"(?:\.github|\.claude|scripts|docs|metrics)/.*|[^/]+\.md|stellar-specs")
"""Paths that no build depends on; whatever is not named here is built (L66)."""


def has_no_impact(paths: tuple[str, ...] | None) -> bool:
    """Whether these changes leave the binary as it is; a diff that failed, or is empty, proves nothing."""
    return bool(paths) and all(_NO_IMPACT.fullmatch(path) for path in paths or ())


def needs_ci(checkout: Checkout) -> bool:
    """Whether a gate will ask about CI: before it come the tree, what is deployed, and what needs no build."""
    if _tree(checkout) is not None or checkout.quarantine.blocks:
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
    would = f"{gate.would}{suffix}{warned}" if gate.would else ""
    gate = msgspec.structs.replace(gate, text=f"{gate.text}{suffix}{warned}", would=would)
    return msgspec.structs.replace(gate, effect=None, action=None) if view.phase.early else gate


def repairs_of(view: View, gate: Gate) -> tuple[Effect, ...]:
    """What is put right whatever the gates say, unless it is about to change."""
    checkout = view.facts.checkout
    if isinstance(checkout, Missing) or view.phase.early or gate.action is not None:
        return ()
    left = (ClearWorktree(),) if checkout.leftover and not isinstance(gate.effect, StartBuild) else ()
    known = view.facts.build_sha
    wrong = checkout.deployed_from == INFO and known != checkout.deployed
    return (*left, *((NoteBuild(checkout.deployed, known),) if wrong else ()))  # the file is a cache of it (L67)


def _tree(checkout: Checkout) -> Gate | None:
    if checkout.dirty:
        more = len(checkout.dirty) - _MOST_PATHS
        paths = [_shown(path) for path in checkout.dirty[:_MOST_PATHS]] + ([f"{more} more"] if more > 0 else [])
        return Gate(text=f"SKIPPED (dirty tree): {', '.join(paths)}")
    if checkout.branch not in {"", "main"}:
        return Gate(text=f"SKIPPED (branch {_shown(checkout.branch)} is checked out)")
    if checkout.fetched:
        return Gate(text=f"SKIPPED (fetch failed: {checkout.fetched})")
    if checkout.diverged:
        return Gate(text="SKIPPED (diverged)")
    return None


def _settled(view: View, checkout: Checkout) -> Gate | None:
    """Nothing to do, or not now."""
    record, limits, uptime = view.memory.node, view.rules.limits, view.phase.uptime
    tried = "" if record.trial is None else trial.words_of(view, record.trial)
    if checkout.deployed and checkout.deployed == checkout.origin_main:
        return Gate(text=f"up-to-date, {tried}" if tried else "up-to-date", effect=_unwanted(view, checkout))
    cooldown = timedelta(minutes=limits.deploy_cooldown_minutes)
    if uptime is not None and uptime < cooldown and not view.phase.crash_recovery:
        minutes = int(uptime.total_seconds() // 60)
        text = f"DEFERRED (cool-down: uptime={minutes}m < {limits.deploy_cooldown_minutes}m)"
        return Gate(text=f"{text}, {tried}" if tried else text)
    return Gate(text=f"DEFERRED ({tried})") if tried else None


def _unwanted(view: View, checkout: Checkout) -> Effect | None:
    """A build that main went back from is no longer wanted."""
    job = view.facts.job
    if job is None or job.phase is not BuildPhase.BUILDING:
        return None
    return StopBuild(f"{checkout.deployed[:8]} runs, and nothing that is built differs on main")


def _policy(view: View, checkout: Checkout) -> Gate | None:
    if checkout.deployed and has_no_impact(checkout.paths):
        return _synced(view, checkout)
    if checkout.quarantine.blocks:
        return Gate(text=checkout.quarantine.text)
    if unwritten := view.memory.node.unquarantined:
        return Gate(text=f"BLOCKED (quarantine entry of {unwritten[:8]} could not be written — fail-closed)")
    return None


def _synced(view: View, checkout: Checkout) -> Gate:
    """A build that is under way ends before main moves."""
    if (unwanted := _unwanted(view, checkout)) is not None:
        return Gate(text="DEFERRED (no-binary-impact: a build is ended first)", effect=unwanted)
    commits, why = checkout.behind or 0, "no-binary-impact: allowlisted paths only"
    text = f"SYNCED ({why} — pulled {commits} commits, no restart)"
    if checkout.head == checkout.origin_main and checkout.branch:
        return Gate(text=text)
    would = f"would pull {commits} commits, no restart ({why})"
    return Gate(text=text, would=would, effect=FastForward(checkout.origin_main, commits))


def _build(view: View, checkout: Checkout) -> Gate:
    job, wanted = view.facts.job, checkout.target
    ours = job if job is not None and job.sha == wanted else None
    if job is not None and job.phase is BuildPhase.BUILDING:
        if ours is not None:
            return Gate(text=f"building {wanted[:8]} ({_minutes(view, job)}m)")
        why = f"{job.sha[:8]} may not be deployed any more, {wanted[:8]} is wanted"
        would = f"would end the build of {job.sha[:8]}: {why}"
        return Gate(text=f"building {job.sha[:8]} ends: {why}", would=would, effect=StopBuild(why))
    if ours is not None and (failed := _failed(view, ours)) is not None:
        return failed
    standing = standing_of(view.facts.ci_of_target, wanted, view)
    if not standing.is_green:
        return _not_green(standing)
    if ours is not None and ours.phase is BuildPhase.BUILT and wanted in view.facts.kept:
        return takeover_of(view, checkout, ours, standing)
    return _start(view, wanted)


def _failed(view: View, job: BuildJob) -> Gate | None:
    """A build is not tried twice, unless a tick ended it: then after a while."""
    if job.phase is not BuildPhase.FAILED:
        return None
    if not job.stopped:
        return Gate(text="SKIPPED (build-failed)", alert=_build_failed(view, job))
    rest = timedelta(minutes=view.rules.limits.deploy_cooldown_minutes)
    left = (job.finished_at or view.facts.at) + rest - view.facts.at
    if left <= timedelta(0):
        return None
    return Gate(text=f"DEFERRED (build {job.why}, again in {-(-left.total_seconds() // 60):.0f}m)")


def _not_green(standing: Standing) -> Gate:
    if standing.is_red:
        return Gate(text="SKIPPED (ci-red)", red=standing.names)
    return Gate(text=f"DEFERRED (ci pending{standing.detail})")


def _start(view: View, sha: str) -> Gate:
    host, limits = view.facts.host_memory, view.rules.limits
    available = host.available_mb if isinstance(host, HostMemory) else None
    if available is None or available < limits.build_available_gb * _MB_PER_GB:
        seen = "unknown" if available is None else f"{available / _MB_PER_GB:.1f} GB"
        return Gate(text=f"DEFERRED (memory: {seen} available < {limits.build_available_gb} GB)")
    return Gate(text=f"building {sha[:8]} (0m)", would=f"would build {sha[:8]}", effect=StartBuild(sha))


def _build_failed(view: View, job: BuildJob) -> Alert:
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
            ("to build it again", f"rm {view.session.data.deploy_job}"),
        ),
        diagnosis="\n".join(job.last_lines),
    )


def _minutes(view: View, job: BuildJob) -> int:
    return max(0, int((view.facts.at - job.started_at).total_seconds() // 60))


def _shown(text: str) -> str:
    """A path or branch as it may stand in a line: git takes any bytes for a name."""
    return "".join(char if char.isprintable() else "?" for char in text[:_PATH_LENGTH])
