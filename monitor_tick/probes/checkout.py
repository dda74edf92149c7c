"""What deploying asks: the henyey checkout, fetched and compared with what runs, the quarantine, and CI of the target.

The work tree is not touched.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from monitor_loop.errors import MonitorError
from monitor_loop.repository import MAIN, ORIGIN_MAIN, Repository
from monitor_loop.session import Session
from monitor_tick.facts import BuildJob, Checkout, CiOfCommit, Missing, NodeInfo, QuarantineStanding
from monitor_tick.healing.deploy import needs_ci, target_of
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
) -> Deploying:
    """CI is asked only about a commit that could be built or deployed."""
    unasked = Missing("not looked at")
    if not session.git or not (session.repo / ".git").exists():
        return Deploying(Missing("no repository"), unasked)
    is_new = memory.state.tick is None and memory.node.deployed_sha == ""
    try:
        repository = Repository(session.repo, session.git)
        checkout = _observe(repository, session, info, build_sha, job, is_new=is_new)
    except MonitorError as fault:
        return Deploying(Missing(str(fault)), unasked)
    if not needs_ci(checkout):
        return Deploying(checkout, unasked)
    target = target_of(job, checkout)
    return Deploying(checkout, observe_ci_of(session, target, memory.state.ci or CiState(), now, limits))


def _observe(  # noqa: PLR0913
    repository: Repository,
    session: Session,
    info: NodeInfo | Missing,
    build_sha: str,
    job: BuildJob | None,
    *,
    is_new: bool,
) -> Checkout:
    fetched = repository.fetch()
    head, main, origin_main = (repository.sha_of(name) for name in ("HEAD", MAIN, ORIGIN_MAIN))
    deployed, source = _deployed(repository, info, build_sha, head if is_new else "")
    known = deployed != "" and origin_main != ""
    return Checkout(
        head=head,
        detached=repository.branch() == "",
        dirty=repository.dirty_paths(),
        fetched=fetched or ("" if origin_main else "origin has no main"),
        origin_main=origin_main,
        deployed=deployed,
        deployed_from=source,
        diverged=repository.is_ancestor(main, origin_main) is not True,
        ahead=repository.count(deployed, origin_main) if known else None,
        paths=repository.changed_paths(deployed, origin_main) if known else None,
        quarantine=_quarantine(session),
        job_on_main=job is not None and repository.is_ancestor(job.sha, origin_main) is True,
    )


def _deployed(repository: Repository, info: NodeInfo | Missing, build_sha: str, head: str) -> tuple[str, str]:
    """The running binary's own word where git knows it (L67), else the file, else what a new session was built from."""
    said = info.commit_hash if isinstance(info, NodeInfo) else ""
    for sha, source in ((said, "/info"), (build_sha, "build_sha"), (head, "HEAD")):
        if sha and repository.sha_of(sha) == sha:
            return sha, source
    return "", ""


def _quarantine(session: Session) -> QuarantineStanding:
    from monitor_loop.reverts import gate_of

    gate = gate_of(session.data.quarantine, Path(session.repo), session.git)
    return QuarantineStanding(blocks=gate.blocks, text=gate.text, warnings=gate.warnings)
