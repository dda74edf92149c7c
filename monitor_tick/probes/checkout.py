"""The henyey checkout: fetched, compared with what runs, asked about the quarantine; its work tree is not touched."""

from __future__ import annotations

from pathlib import Path

from monitor_loop.errors import MonitorError
from monitor_loop.repository import MAIN, ORIGIN_MAIN, Repository
from monitor_loop.session import Session
from monitor_tick.facts import BuildJob, Checkout, Missing, NodeInfo, QuarantineStanding


def observe_checkout(
    session: Session, info: NodeInfo | Missing, build_sha: str, job: BuildJob | None, *, is_new: bool
) -> Checkout | Missing:
    """`is_new`: the session has no history, so that HEAD is what it was built from."""
    if session.is_embedded:
        return Missing("embedded")
    if not session.git or not (session.repo / ".git").exists():
        return Missing("no repository")
    try:
        return _observe(Repository(session.repo, session.git), session, info, build_sha, job, is_new=is_new)
    except MonitorError as fault:
        return Missing(str(fault))


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
