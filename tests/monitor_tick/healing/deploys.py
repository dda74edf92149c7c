"""A node that another build waits for, as a View: everything ready to be deployed, and then wrong in one point."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from monitor_tick.actions import Act, NodeAction
from monitor_tick.facts import BuildJob, BuildPhase, Checkout, CiOfCommit, CiRun, QuarantineStanding
from monitor_tick.view import View
from tests.monitor_tick.ci_facts import a_job, a_run, jobs_of
from tests.monitor_tick.healing.nodes import FREE, GOOD, RECORD, SHA
from tests.monitor_tick.views import NOW, a_dead_view, a_view

NEW = "c" * 40
OTHER = "d" * 40

CHECKOUT = Checkout(
    head=SHA,
    branch="main",
    dirty=(),
    fetched="",
    origin_main=NEW,
    target=NEW,
    deployed=SHA,
    deployed_from="/info",
    diverged=False,
    behind=3,
    ahead=3,
    paths=("crates/henyey/src/main.rs",),
)
UP_TO_DATE = {"origin_main": SHA, "target": SHA, "behind": 0, "ahead": 0, "paths": ()}
BLOCKED = QuarantineStanding(
    blocks=True,
    text="DEFERRED (quarantined: dddddddd reachable from origin/main — see /data/deploy_quarantine.txt)",
)
BUILT = BuildJob(
    sha=NEW,
    phase=BuildPhase.BUILT,
    started_at=NOW - timedelta(minutes=40),
    finished_at=NOW - timedelta(minutes=10),
    pid=77,
    log="/data/1a2b3c4d/logs/build-cccccccc.log",
)


def job(phase: BuildPhase = BuildPhase.BUILT, **changes: object) -> BuildJob:
    return msgspec.structs.replace(BUILT, phase=phase, **changes)


BUILDING = job(BuildPhase.BUILDING, started_at=NOW - timedelta(minutes=7), finished_at=None)


def ci_of(*runs: CiRun, sha: str = NEW) -> CiOfCommit:
    """These runs of the commit; on main the workflow CI is what every commit had."""
    before = tuple(a_run(number, sha=f"{number:040x}") for number in range(1, 5))
    looked = tuple(jobs_of(run, a_job(conclusion=run.conclusion)) for run in runs if run.is_completed)
    return CiOfCommit(sha=sha, runs=runs, main=(*runs, *before), looked=looked)


GREEN = ci_of(a_run(100, sha=NEW))
RED = ci_of(a_run(100, sha=NEW, conclusion="failure"))
PENDING = ci_of(a_run(100, sha=NEW, conclusion=""))


def waiting(*, checkout: Mapping[str, object] | None = None, **changes: object) -> View:
    """A live node that NEW is built for: it may be deployed now. `checkout` are changes of the checkout."""
    return a_view(**(_ready(checkout) | changes))


def down(*, checkout: Mapping[str, object] | None = None, **changes: object) -> View:
    """The same with the node dead."""
    return a_dead_view(**(_ready(checkout) | {"lock": FREE} | changes))


def _ready(checkout: Mapping[str, object] | None) -> dict[str, object]:
    return {
        "node": RECORD,
        "checkout": msgspec.structs.replace(CHECKOUT, **(checkout or {})),
        "job": BUILT,
        "ci_of_target": GREEN,
        "kept": (SHA, GOOD, NEW),
        "build_sha": SHA,
    }


def deploys(action: NodeAction | None) -> bool:
    return action is not None and action.act is Act.DEPLOY and action.is_allowed
