"""Check 10.9: a deployed build proves itself over a few full ticks, or goes. Pure.

It is judged last, from what the other checks found: whatever they raise against the run of a build on trial is that
build's regression. A tick that could not tell passes nothing and fails nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor_loop.acts import Precondition
from monitor_loop.session import Trial
from monitor_tick.actions import Act, NodeAction
from monitor_tick.alert import Alert, Tier
from monitor_tick.facts import Missing
from monitor_tick.healing.death import REBOOT, dead_preconditions
from monitor_tick.metrics import Scrape
from monitor_tick.verdict import Verdict
from monitor_tick.view import View

REGRESSIONS = ("process:", "wipe:state", "log:hash-mismatch", "metric:henyey_scp_verifier_thread_state")
"""Keys of crash, wedge, fatal, hash mismatch and a dead verifier thread; SYNC FAILURE is told by its tier."""


REGRESSION = "deploy:regression"


class Regression(msgspec.Struct, frozen=True):
    symptom: str
    alerts: tuple[Alert, ...]


def regression_of(view: View, verdicts: Sequence[Verdict]) -> Regression | None:
    """What speaks against the build on trial; lines of the run before it are not its own.

    What was seen once stands until the rollback is done: a build that could not be quarantined must not pass.
    """
    trial = view.memory.node.trial
    if trial is None or runs_another(view, trial):
        return None
    found = tuple(alert for verdict in verdicts for alert in verdict.alerts if _speaks_against(alert, view))
    if found:
        return Regression(found[0].title, found)
    return Regression(trial.failed, ()) if trial.failed else None


def runs_another(view: View, trial: Trial) -> bool:
    """The process is of another build: a tick that died in a rollback has launched the one before, or somebody did."""
    return not view.facts.is_dead and view.facts.build not in {"", trial.sha}


def _speaks_against(alert: Alert, view: View) -> bool:
    if alert.key == "sync:failure":
        return alert.tier is Tier.SYNC
    if alert.scope == REBOOT:  # a power cut says nothing of the build
        return False
    of_before = dict(alert.evidence).get("run") == "previous" and not view.facts.is_dead
    return alert.key.startswith(REGRESSIONS) and not of_before


def after_tick(view: View, trial: Trial) -> Trial | None:
    """The trial after a tick that found nothing against it, None once it is passed."""
    if view.phase.early or not is_conclusive(view):
        return trial
    return msgspec.structs.replace(trial, left=trial.left - 1) if trial.left > 1 else None


def is_conclusive(view: View) -> bool:
    """A tick without a scrape, or before real-time sync, says nothing for the build."""
    return isinstance(view.facts.scrape, Scrape) and view.standing.in_real_time


def words_of(view: View, trial: Trial) -> str:
    """What the deploy line says while it lasts."""
    done = max(0, trial.ticks - trial.left)
    state = "" if is_conclusive(view) else ", this tick tells nothing"
    return f"on trial {trial.sha[:8]} ({done}/{trial.ticks} ticks passed{state})"


def rollback_of(view: View, trial: Trial, regression: Regression) -> tuple[NodeAction, Alert]:
    """Quarantine the build and run the one before it. Where that is not kept, what runs goes on, quarantined."""
    is_kept = trial.previous != trial.sha and trial.previous in view.facts.kept
    dead = view.facts.is_dead
    action = NodeAction(
        Act.ROLLBACK,
        f"regression on trial of {trial.sha[:8]}: {regression.symptom}",
        installs=trial.previous if is_kept else "",
        quarantines=trial.sha,
        launches=is_kept or dead,
        preconditions=(
            *(dead_preconditions(view) if dead else (_alive(view),)),
            Precondition("trial", "open", f"{trial.left} ticks left", holds=True),
        ),
    )
    alert = Alert(
        key=REGRESSION,
        scope=trial.sha[:8],
        title=f"Deploy regression: {trial.sha[:8]}",
        tier=Tier.ACTION,
        urgent=True,
        event=f"regression of {trial.sha}",
        of_act=True,
        cause=regression.symptom,
        evidence=(
            ("build on trial", trial.sha),
            ("last good build", trial.previous or "none"),
            ("deployed at", f"{trial.since:%Y-%m-%dT%H:%M:%SZ}"),
            ("range", f"{trial.previous[:8] or '?'}..{trial.sha[:8]}"),
            ("rollback", f"to {trial.previous[:8]}, no rebuild" if is_kept else "not possible: no build is kept"),
            *((f"symptom {number}", title) for number, title in enumerate(_titles(regression), 1)),
        ),
    )
    return action, alert


def _titles(regression: Regression) -> tuple[str, ...]:
    """The checks raise a death more than once, from what the log and what the process says."""
    return tuple(dict.fromkeys(alert.title for alert in regression.alerts))


def _alive(view: View) -> Precondition:
    process = view.facts.process
    missing = isinstance(process, Missing)
    seen = process.reason if isinstance(process, Missing) else f"pid {process.pid}"
    return Precondition("process", "one of this session", seen, not missing)
