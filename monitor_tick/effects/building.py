"""The builder started and stopped for the plan, each written down before it is done and after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from monitor_loop import actionlog
from monitor_loop.acts import Precondition
from monitor_loop.building import builder
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import Identity
from monitor_tick.actions import Outcome, StartBuild, StopBuild
from monitor_tick.budget import Budget
from monitor_tick.facts import BuildPhase
from monitor_tick.view import View

_SECONDS_PER_MINUTE = 60

_Done = tuple[str, Identity | None]
"""In words, and who the builder is where there is a new one."""


def start_build(effect: StartBuild, view: View, _proc: Path, _budget: Budget) -> Outcome:
    """The builder works on after this tick; deploy.json says how far it is."""
    deadline_seconds = view.rules.limits.build_deadline_minutes * _SECONDS_PER_MINUTE

    def start() -> _Done:
        job = builder.start(view.session, effect.sha, view.facts.at, deadline_seconds)
        return f"builder started, pid {job.builder.pid}", job.builder

    return _written_down(effect, view, "build", f"{effect.sha[:8]} is to be built", start)


def stop_build(effect: StopBuild, view: View, _proc: Path, _budget: Budget) -> Outcome:
    def stop() -> _Done:
        job = builder.stop(view.session, effect.why, view.facts.at)
        if job is None:
            return "no build was under way", None
        return f"build of {job.sha[:8]} {' — '.join(filter(None, (job.phase.value, job.why)))}", None

    return _written_down(effect, view, "stop build", effect.why, stop)


def _written_down(effect: StartBuild | StopBuild, view: View, act: str, why: str, do: Callable[[], _Done]) -> Outcome:
    data, now = view.session.data, view.facts.at
    act_id = hashlib.sha256(f"{view.session.id}|{now.isoformat()}|{act}|{why}".encode()).hexdigest()[:12]
    actionlog.intend(data, actionlog.Intent(id=act_id, at=now, act=act, why=why, preconditions=(_builder(view),)))
    new, done = None, True
    try:
        words, new = do()
    except (MonitorError, OSError) as fault:
        words, done = f"{act} failed: {plain(fault)}", False
    pid, start_ticks = (new.pid, new.start_ticks) if new else (None, None)
    actionlog.conclude(
        data, actionlog.Outcome(id=act_id, at=now, done=done, words=words, pid=pid, start_ticks=start_ticks)
    )
    return Outcome(effect=effect, done=done, line=words)


def _builder(view: View) -> Precondition:
    """What was seen of it; whether that still holds is asked when it is done."""
    job = view.facts.job
    at_work = job is not None and job.phase is BuildPhase.BUILDING
    seen = f"at work on {job.sha[:8]}, pid {job.pid}" if job is not None and at_work else "not at work"
    return Precondition("builder", seen, seen, holds=True)
