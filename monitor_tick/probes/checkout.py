"""What deploying asks: the henyey checkout, fetched and compared with what runs, the quarantine, and CI of the target.

The work tree is not touched.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor_loop.errors import MonitorError, plain
from monitor_loop.git.repository import LOCAL_MAIN, ORIGIN_MAIN, Repository
from monitor_loop.session import Session
from monitor_tick.facts import BuildJob, BuildPhase, Checkout, CiOfCommit, Missing, NodeInfo, QuarantineStanding
from monitor_tick.healing.deploy import INFO, needs_ci
from monitor_tick.judging.ci import green_for
from monitor_tick.judging.ci_runs import seen_of
from monitor_tick.memory import CiState, Memory
from monitor_tick.probes.ci import observe_ci_of
from monitor_tick.rules import Limits


class Deploying(NamedTuple):
    checkout: Checkout | Missing
    ci: CiOfCommit | Missing


def observe_deploying(  # noqa: PLR0913, PLR0917  (all that decides how much is asked)
    session: Session,
    info: NodeInfo | Missing,
    build_sha: str,
    job: BuildJob | None,
    memory: Memory,
    now: datetime,
    limits: Limits,
    *,
    fetches: bool = True,
) -> Deploying:
    """CI is asked only about a commit that could be built or deployed. All of it has one deadline."""
    unasked = Missing("not looked at")
    if not session.git:
        return Deploying(Missing("no git"), unasked)
    repository = Repository(session.repo, session.git, time.monotonic() + limits.checkout_seconds)
    is_new = memory.state.tick is None and memory.node.deployed_sha == ""
    if memory.node.offline:  # a deploy that never launched may have left its build's name in the file
        build_sha = memory.node.deployed_sha or build_sha
    try:
        if not repository.is_there():
            return Deploying(Missing("no repository"), unasked)
        checkout = _observe(repository, session, info, build_sha, job, is_new=is_new, fetches=fetches)
        if not needs_ci(checkout):
            return Deploying(checkout, unasked)
        return _with_ci(repository, session, checkout, memory.state.ci or CiState(), now, limits)
    except MonitorError as fault:
        return Deploying(Missing(plain(fault)), unasked)


def _observe(  # noqa: PLR0913  (likewise)
    repository: Repository,
    session: Session,
    info: NodeInfo | Missing,
    build_sha: str,
    job: BuildJob | None,
    *,
    is_new: bool,
    fetches: bool,
) -> Checkout:
    fetched = repository.fetch() if fetches else ""
    head, main, origin_main = (repository.sha_of(name) for name in ("HEAD", LOCAL_MAIN, ORIGIN_MAIN))
    branch = repository.branch()
    deployed, source = _deployed(repository, info, build_sha, head if is_new else "")
    known = deployed != "" and origin_main != ""
    quarantine = _quarantine(repository, session)
    target = _target(repository, session, job, deployed, origin_main)
    return Checkout(
        head=head,
        branch=branch,
        dirty=repository.dirty_paths(),
        fetched=fetched,
        origin_main=origin_main,
        target=target,
        deployed=deployed,
        deployed_from=source,
        diverged=any(repository.is_ancestor(own, origin_main) is not True for own in _own(head, branch, main)),
        behind=repository.count(main or head, origin_main),
        ahead=repository.count(deployed, target) if known else None,
        paths=repository.changed_paths(deployed, origin_main) if known else None,
        leftover=(fetched != "" or session.worktrees.exists()) and _is_left(session, job),
        quarantine=quarantine,
    )


def _is_left(session: Session, job: BuildJob | None) -> bool:
    if job is not None and job.phase is BuildPhase.BUILDING:
        return False
    from monitor_loop.building import worktree  # only where a builder was killed

    return worktree.is_left(session)


def _own(head: str, branch: str, main: str) -> tuple[str, ...]:
    """The commits that a fast-forward leaves behind or moves on from; a checkout may have no main of its own."""
    return tuple(sha for sha in (main, "" if branch else head) if sha)


def _deployed(repository: Repository, info: NodeInfo | Missing, build_sha: str, head: str) -> tuple[str, str]:
    """The running binary's own word where git knows it (L67), else the file, else what a new session was built from."""
    said = info.commit_hash if isinstance(info, NodeInfo) else ""
    named = ((said, INFO), (build_sha, "build_sha"), (head, "HEAD"))
    return next(((sha, source) for sha, source in named if repository.knows(sha)), ("", ""))


def _target(repository: Repository, session: Session, job: BuildJob | None, deployed: str, origin_main: str) -> str:
    """What is being built is finished, though main may move on: else a busy day would never deploy.

    Not so a commit that was pushed away, that failed, or that holds what was quarantined and taken back since.
    """
    if job is None or job.phase is BuildPhase.FAILED or job.sha in {deployed, origin_main}:
        return origin_main
    on_main = repository.is_ancestor(job.sha, origin_main) is True
    return job.sha if on_main and not _quarantine(repository, session, job.sha).blocks else origin_main


def _with_ci(  # noqa: PLR0913, PLR0917  (likewise)
    repository: Repository, session: Session, checkout: Checkout, state: CiState, now: datetime, limits: Limits
) -> Deploying:
    """What turned red after it was built gives way to what is on main now."""
    ci = observe_ci_of(session, checkout.target, state, now, limits, ends=repository.ends)
    newest = checkout.origin_main
    if checkout.target == newest or isinstance(ci, Missing) or not green_for(ci, seen_of(ci, state, ()), limits).is_red:
        return Deploying(checkout, ci)
    ahead = repository.count(checkout.deployed, newest) if checkout.deployed else None
    moved = msgspec.structs.replace(checkout, target=newest, ahead=ahead)
    return Deploying(moved, observe_ci_of(session, newest, state, now, limits, ends=repository.ends))


def _quarantine(repository: Repository, session: Session, of: str = ORIGIN_MAIN) -> QuarantineStanding:
    from monitor_loop.git.reverts import gate_of  # not every tick has a checkout

    gate = gate_of(session.data.quarantine, session.repo, session.git, repository.left(), of=of)
    return QuarantineStanding(blocks=gate.blocks, text=gate.text, warnings=gate.warnings)
