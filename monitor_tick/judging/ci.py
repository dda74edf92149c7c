"""Is CI green for exactly the commit that is to be deployed? What is not known to have passed has not. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from monitor_tick.facts import CiOfCommit, CiRun, Missing
from monitor_tick.judging.ci_runs import Light, Seen, by_workflow, light_of, newest_first, seen_of
from monitor_tick.memory import CiState, SeenRun
from monitor_tick.rules import Limits
from monitor_tick.view import View


class Standing(msgspec.Struct, frozen=True):
    """GREEN, PENDING, RED, or UNDECIDED where it cannot be told. `names` are the workflows that decide it."""

    light: Light
    names: tuple[str, ...] = ()
    why: str = ""

    @property
    def is_green(self) -> bool:
        return self.light is Light.GREEN

    @property
    def is_red(self) -> bool:
        return self.light is Light.RED

    @property
    def detail(self) -> str:
        """What is waited for, as it follows `ci pending` in a line; empty where nothing is."""
        return f": {self.why}" if self.why else ""

    @property
    def words(self) -> str:
        return f"{self.light.value} ({self.why or ', '.join(self.names)})"


def standing_of(of: CiOfCommit | Missing, sha: str, view: View) -> Standing:
    """Of the commit `sha`, from what was read of CI for it, and what the ticks before remember."""
    if not isinstance(of, Missing) and of.sha != sha:
        return Standing(Light.UNDECIDED, why=f"not looked at for {sha[:8]}")
    if isinstance(of, Missing):
        return Standing(Light.UNDECIDED, why=of.reason)
    return green_for(of, seen_of(of, view.memory.state.ci or CiState(), view.rules.ci_failures), view.rules.limits)


def green_for(of: CiOfCommit, seen: Seen, limits: Limits) -> Standing:
    """`seen` is ci_runs.seen_of the same facts.

    GREEN: every workflow that main's pushes usually run has passed for this commit, by its jobs, and no other is red or
    under way. A required workflow that was cancelled, skipped or never started is waited for (X5).
    """
    required = required_workflows(of.main, limits)
    if not required:
        return Standing(Light.UNDECIDED, why="no run on main")
    newest = {name: runs[0] for name, runs in by_workflow(of.runs).items()}
    lights = {name: _light(run, seen) for name, run in newest.items()}
    red = tuple(name for name, (light, _) in lights.items() if light is Light.RED)
    if red:
        return Standing(Light.RED, red)
    unread = tuple(name for name, run in newest.items() if run.is_completed and isinstance(_jobs(run, seen), Missing))
    if unread:
        return Standing(Light.UNDECIDED, unread, _why(unread, lights))
    waiting = tuple(
        sorted(
            {name for name, (light, _) in lights.items() if light is Light.PENDING}
            | {name for name in required if lights.get(name, _NOT_STARTED)[0] is not Light.GREEN}
        )
    )
    return Standing(Light.PENDING, waiting, _why(waiting, lights)) if waiting else Standing(Light.GREEN, required)


def required_workflows(main: Sequence[CiRun], limits: Limits) -> tuple[str, ...]:
    """Those that ran on most of the last commits; of a young repository, on all of them."""
    commits = tuple(dict.fromkeys(run.sha for run in newest_first(main)))[: limits.ci_commits_read]
    least = min(limits.ci_commits_required, len(commits))
    ran_on = {name: {run.sha for run in runs} & set(commits) for name, runs in by_workflow(main).items()}
    return tuple(name for name, shas in ran_on.items() if shas and len(shas) >= least)


_NOT_STARTED = (Light.PENDING, "not started")


def _light(run: CiRun, seen: Seen) -> tuple[Light, str]:
    """The newest run's: an older one of the same commit was run again."""
    if not run.is_completed:
        return Light.PENDING, run.status.replace("_", " ")
    return light_of(run, _jobs(run, seen))


def _jobs(run: CiRun, seen: Seen) -> SeenRun | Missing:
    return seen.get((run.id, run.attempt), Missing("jobs not read"))


def _why(names: Sequence[str], lights: Mapping[str, tuple[Light, str]]) -> str:
    return ", ".join(f"{name} {lights.get(name, _NOT_STARTED)[1]}".rstrip() for name in names)
