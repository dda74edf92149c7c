"""Do what the plan says, each effect once, and say what came of it. A failed effect is an outcome, never a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from monitor_loop import files
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import NodeConfig
from monitor_tick.actions import (
    Act,
    Acted,
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
from monitor_tick.alert import Alert, Tier
from monitor_tick.budget import Budget
from monitor_tick.checks import ci, deploy, disk, rpc, wipe
from monitor_tick.facts import Missing, RpcHealth
from monitor_tick.judging.amounts import counted
from monitor_tick.judging.pruning import after_call, stalled_alert
from monitor_tick.memory import Section
from monitor_tick.verdict import Level, Verdict
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
    removed = counted(len(effect.paths), "rotated log")
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

LABELS: dict[type[Effect], str] = {
    CleanUp: disk.LABEL,
    Maintain: rpc.LABEL,
    RecreateDirectories: wipe.LABEL,
    PruneLogs: disk.LABEL,
    RemoveWiped: disk.LABEL,
    PruneKept: disk.LABEL,
    StartBuild: deploy.LABEL,
    StopBuild: deploy.LABEL,
    FastForward: deploy.LABEL,
    NoteBuild: deploy.LABEL,
    ClearWorktree: deploy.LABEL,
    Quarantine: deploy.LABEL,
    Rerun: ci.LABEL,
}
"""The report line that tells of an effect, unless another check wanted it."""

NOTABLE = (CleanUp, Maintain)
"""Effects that make a tick an ACTION; the others are housekeeping, or their check has said so already."""


def acted_told(verdicts: Sequence[Verdict], acted: Acted | None) -> tuple[Verdict, ...]:
    """The verdict that wanted the act says what came of it.

    A node that this tick brought back is not OFFLINE, whichever check found it dead.
    """
    if acted is None:
        return tuple(verdicts)
    told = (_with_act(verdict, acted) if verdict.wants == acted.action else verdict for verdict in verdicts)
    return tuple(_back(verdict) if acted.process is not None else verdict for verdict in told)


def _back(verdict: Verdict) -> Verdict:
    return msgspec.structs.replace(verdict, level=min(verdict.level, Level.ACTION))


def _with_act(verdict: Verdict, acted: Acted) -> Verdict:
    if acted.action.act is Act.REBUILD:
        verdict = wipe.after_rebuild(verdict, acted)
    if acted.action.act is Act.DEPLOY:
        verdict = deploy.after_deploy(verdict, acted)
    return msgspec.structs.replace(
        verdict,
        lines=(*verdict.lines, acted.line),
        level=_level_after(verdict, acted),
        words=(*verdict.words, acted.action.act.value) if acted.done else verdict.words,
        alerts=(*verdict.alerts, *_alerts_after(acted)),
    )


def _level_after(verdict: Verdict, acted: Acted) -> Level:
    """A node that this tick brought back is not OFFLINE, and one that it stopped and could not launch is."""
    if acted.process is not None:
        return Level.ACTION
    return Level.OFFLINE if acted.stopped_how else max(verdict.level, Level.ACTION)


def _alerts_after(acted: Acted) -> tuple[Alert, ...]:
    if acted.began:
        return () if acted.done else (_failed(acted),)
    return (_refused(acted),) if acted.keeps_down else ()


def _refused(acted: Acted) -> Alert:
    """Nothing was touched, on this tick as on the next one: the node stays down for as long as nobody mends it."""
    act = acted.action.act.value
    cause = f"{act} refused: {acted.keeps_down}"
    return Alert(
        key="offline:act-refused",
        scope=cause,
        title=f"OFFLINE: {cause}",
        tier=Tier.ACTION,
        urgent=True,
        cause=acted.line,
        cooldown_key=f"offline:act-refused:{cause}",
        evidence=(("act", act), ("why", acted.action.why), ("refusal", acted.line)),
    )


def _failed(acted: Acted) -> Alert:
    """What was begun and not done leaves the node as nobody wanted it; the next tick judges it anew."""
    act = acted.action.act.value
    title = f"OFFLINE: {act} failed" if acted.process is None else f"The {act} failed, the node was brought back"
    if acted.left_alone:
        title = f"The {act} failed, the node runs on as before"
    return Alert(
        key="offline:act-failed",
        scope=act,
        title=title,
        tier=Tier.ACTION,
        urgent=True,
        cause=acted.line,
        evidence=(("act", act), ("why", acted.action.why), ("outcome", acted.line)),
    )


def learned(outcomes: Sequence[Outcome], view: View) -> tuple[Section, ...]:
    """What is known only after acting, for the second commit."""
    health = view.facts.rpc
    if isinstance(health, Missing):
        return ()
    steps = (after_call(view, health, outcome) for outcome in outcomes if isinstance(outcome.effect, Maintain))
    return tuple(step for step in steps if step is not None)


def told(verdicts: Sequence[Verdict], outcomes: Sequence[Outcome], view: View) -> tuple[Verdict, ...]:
    """The verdicts with what was done in their lines, and the alerts that only the doing could raise."""
    for outcome in outcomes:
        wanted_by = {verdict.label for verdict in verdicts if outcome.effect in verdict.effects}
        labels = wanted_by or {LABELS[type(outcome.effect)]}
        verdicts = [_with(verdict, outcome, view) if verdict.label in labels else verdict for verdict in verdicts]
    return tuple(verdicts)


def _with(verdict: Verdict, outcome: Outcome, view: View) -> Verdict:
    words, alerts = _aftermath(outcome, view)
    if isinstance(outcome.effect, FastForward):
        verdict = deploy.after_sync(verdict, outcome)
    known = {alert.key for alert in verdict.alerts}
    return msgspec.structs.replace(
        verdict,
        lines=(*verdict.lines, outcome.line, *(text for text in words if text not in verdict.lines)),
        alerts=(*verdict.alerts, *(alert for alert in alerts if alert.key not in known)),
        level=max(verdict.level, Level.ACTION)
        if outcome.done and isinstance(outcome.effect, NOTABLE)
        else verdict.level,
    )


def _aftermath(outcome: Outcome, view: View) -> tuple[tuple[str, ...], tuple[Alert, ...]]:
    if isinstance(outcome.effect, CleanUp):
        words = disk.after_clean_up(outcome, view.rules.limits)
        return ((words,) if words else ()), ()
    health = view.facts.rpc
    if isinstance(outcome.effect, Maintain) and isinstance(health, RpcHealth) and health.window is not None:
        words = rpc.after_maintenance(outcome, health.window)
        if words and outcome.window is not None:
            return (words,), (stalled_alert(view, health, outcome.window),)
    return (), ()
