"""Do what the plan says, each effect once. A failed effect is an outcome, never a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from monitor_loop import files
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import NodeConfig
from monitor_tick.actions import (
    CleanUp,
    ClearWorktree,
    Effect,
    FastForward,
    Maintain,
    NoteBuild,
    Outcome,
    PruneKept,
    PruneLogs,
    Quarantine,
    RecreateDirectories,
    RemoveWiped,
    Rerun,
    StartBuild,
    StopBuild,
)
from monitor_tick.budget import Budget
from monitor_tick.facts import Missing, RpcHealth
from monitor_tick.judging.amounts import counted
from monitor_tick.view import View

LEAST_SECONDS = 5
"""What a long effect needs at least; with less it is left to the next tick."""


def perform(effects: Sequence[Effect], view: View, proc: Path, budget: Budget) -> tuple[Outcome, ...]:
    return tuple(_perform(effect, view, proc, budget) for effect in effects)


def _perform(effect: Effect, view: View, proc: Path, budget: Budget) -> Outcome:
    """Also a crash is an outcome, as it is a verdict in checks.judge_all."""
    try:
        return PERFORM[type(effect)](effect, view, proc, budget)
    except (MonitorError, OSError) as fault:
        return Outcome(effect=effect, done=False, line=f"{type(effect).__name__} failed: {plain(fault)}")
    except Exception as crash:
        what = f"{type(crash).__name__}: {crash}".splitlines()[0][:200]
        return Outcome(effect=effect, done=False, line=f"{type(effect).__name__} failed: {what}")


def _put_off(effect: Effect, what: str) -> Outcome:
    return Outcome(effect=effect, done=False, line=f"{what} put off: the tick's time is used up")


def _clean_up(effect: CleanUp, view: View, proc: Path, budget: Budget) -> Outcome:
    from monitor_loop.cleanup import clean_up  # only a full disk needs it

    if budget.left() < LEAST_SECONDS:
        return _put_off(effect, "clean-up")
    cleaned = clean_up(view.session, view.session.data, view.facts.at, proc)
    freed = cleaned.bytes // 2**20
    return Outcome(
        effect=effect,
        done=bool(cleaned.removed),
        line=f"cleaned up {counted(len(cleaned.removed), 'item')}, {freed}MB: "
        f"{cleaned.used_pct_before:.1f}% -> {cleaned.used_pct_after:.1f}%",
        used_pct=cleaned.used_pct_after,
    )


def _maintain(effect: Maintain, view: View, _proc: Path, budget: Budget) -> Outcome:
    """The node prunes inside the request, so the window is measured anew whatever the call answered, and in time."""
    from monitor_tick.probes.node import post_maintenance  # only stalled pruning needs HTTP again
    from monitor_tick.probes.rpc import observe_rpc

    limits, port = view.rules.limits, view.session.rpc_port
    left = budget.left() - limits.http_deadline_seconds  # getHealth's
    if left < LEAST_SECONDS:
        return _put_off(effect, "maintenance")
    deadline = min(limits.maintenance_deadline_seconds, left)
    failed = post_maintenance(view.session.admin_port, effect.count, deadline)
    health = observe_rpc(port, limits) if port is not None else Missing("no RPC port")
    window = health.window if isinstance(health, RpcHealth) else None
    answer = f"failed ({failed.reason})" if failed else "done"
    late = failed is not None and failed.reason.startswith("no answer")
    return Outcome(
        effect=effect,
        done=failed is None or late,  # a node that is late with its answer is still at work
        line=f"maintenance count={effect.count} {answer}, window now {'?' if window is None else window}",
        window=window,
    )


def _fast_forward(effect: FastForward, view: View, _proc: Path, _budget: Budget) -> Outcome:
    """Nothing that is built differs, so build_sha and the node stay as they are."""
    from monitor_loop.git.repository import Repository  # main does not move on most ticks

    Repository(view.session.repo, view.session.git).fast_forward(effect.sha)
    return Outcome(effect=effect, done=True, line=f"main is {effect.sha[:8]} now")


def _note_build(effect: NoteBuild, view: View, _proc: Path, _budget: Budget) -> Outcome:
    from monitor_loop.building import build  # the file is hardly ever wrong

    build.note(view.session, effect.sha)
    line = f"build_sha named {effect.before[:8] or 'nothing'}, now {effect.sha[:8]}, which runs"
    return Outcome(effect=effect, done=True, line=line)


def _prune_kept(effect: PruneKept, view: View, _proc: Path, _budget: Budget) -> Outcome:
    from monitor_loop.building.build import prune_kept  # only after a trial has passed

    gone = prune_kept(view.session, frozenset(effect.keep))
    return Outcome(effect=effect, done=True, line=f"removed {len(gone)} old binaries")


def _clear_worktree(effect: ClearWorktree, view: View, _proc: Path, _budget: Budget) -> Outcome:
    from monitor_loop.building import worktree  # a builder clears up after itself

    worktree.clear(view.session)
    return Outcome(effect=effect, done=True, line="removed the worktree of a builder that was killed")


def _quarantine(effect: Quarantine, view: View, _proc: Path, _budget: Budget) -> Outcome:
    from monitor_loop import quarantine  # written with the act that wants it, but for a broken disk

    quarantine.append(str(view.session.data.quarantine), effect.sha, "written late; monitor-loop actions says why")
    return Outcome(effect=effect, done=True, line=f"{effect.sha[:8]} is quarantined now")


def _remove_wiped(effect: RemoveWiped, view: View, _proc: Path, _budget: Budget) -> Outcome:
    from monitor_loop.wipe import wiping  # a node is hardly ever wiped

    if not isinstance(view.facts.config, NodeConfig):
        return Outcome(effect=effect, done=False, line=f"put-aside data stays: {view.facts.config.reason}")
    removed = wiping.remove_expired(view.facts.config, view.facts.at, effect.hours)
    freed = sum(each.bytes for each in removed) // 2**20
    kept = [f"{each.path.name}: {each.reason}" for each in removed if each.reason]
    names = ", ".join(each.path.name for each in removed if not each.reason) or "nothing"
    return Outcome(effect=effect, done=not kept, line="; ".join([f"removed {names}, {freed}MB", *kept]))


def _recreate(effect: RecreateDirectories, view: View, _proc: Path, _budget: Budget) -> Outcome:
    for directory in view.session.subdirectories:
        directory.mkdir(parents=True, exist_ok=True)
    view.session.alive.touch()
    return Outcome(effect=effect, done=True, line="session directories recreated")


def _prune_logs(effect: PruneLogs, view: View, _proc: Path, _budget: Budget) -> Outcome:
    freed = sum(files.remove_tree(path, view.session.logs) for path in effect.paths)
    removed = counted(len(effect.paths), "old log")
    return Outcome(effect=effect, done=True, line=f"removed {removed}, {freed // 2**20}MB")


def _rerun(effect: Rerun, view: View, _proc: Path, budget: Budget) -> Outcome:
    """Its id is on disk already: whatever becomes of this call, no tick makes another for this run."""
    from monitor_tick.github.gh import Gh

    left = budget.left()
    if left < LEAST_SECONDS:
        return _put_off(effect, "rerun")
    gh, deadline = Gh(view.session.gh, view.session.github_repo), min(view.rules.limits.ci_call_seconds, left)
    gh.run(("run", "rerun", str(effect.run_id), "--failed"), deadline_seconds=deadline)
    return Outcome(effect=effect, done=True, line=f"run {effect.run_id}: its failed jobs are run again")


def _start_build(effect: StartBuild, view: View, proc: Path, budget: Budget) -> Outcome:
    from monitor_tick.effects.building import start_build  # main does not move on most ticks

    return start_build(effect, view, proc, budget)


def _stop_build(effect: StopBuild, view: View, proc: Path, budget: Budget) -> Outcome:
    from monitor_tick.effects.building import stop_build

    return stop_build(effect, view, proc, budget)


PERFORM: dict[type[Effect], Callable[..., Outcome]] = {
    CleanUp: _clean_up,
    Maintain: _maintain,
    RecreateDirectories: _recreate,
    PruneLogs: _prune_logs,
    RemoveWiped: _remove_wiped,
    PruneKept: _prune_kept,
    StartBuild: _start_build,
    StopBuild: _stop_build,
    FastForward: _fast_forward,
    NoteBuild: _note_build,
    ClearWorktree: _clear_worktree,
    Quarantine: _quarantine,
    Rerun: _rerun,
}
