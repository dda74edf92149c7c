"""What the builder does, and what a wiped session could be rebuilt from."""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime, timezone
from pathlib import Path

from monitor_loop.building import deployjob
from monitor_loop.building.deployjob import Job, Phase
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import NodeRecord, Session
from monitor_tick.facts import BuildJob, BuildPhase, Missing, Rotation

LAST_LINES = 30
_TAIL_BYTES = 16 * 2**10

_LOG = re.compile(r"build-[0-9a-f]{8}\.log")
_PHASES = {Phase.BUILDING: BuildPhase.BUILDING, Phase.BUILT: BuildPhase.BUILT, Phase.FAILED: BuildPhase.FAILED}


def observe_job(session: Session, now: datetime) -> BuildJob | None:
    """None where nothing was ever built for this session. A file that tells nothing is a failed job of no commit."""
    try:
        job = deployjob.poll(session.data, now)
    except MonitorError as damage:
        return BuildJob(sha="", phase=BuildPhase.FAILED, started_at=now, why=plain(damage))
    if job is None or job.session != session.id:
        return None
    return BuildJob(
        sha=job.sha,
        phase=_PHASES[job.phase],
        started_at=job.started_at,
        finished_at=job.finished_at,
        pid=job.builder.pid,
        why=job.why,
        log=job.log,
        last_lines=_last_lines(session, job) if job.phase is Phase.FAILED else (),
        stopped=job.was_stopped,
    )


def observe_build_logs(session: Session) -> tuple[Rotation, ...]:
    """The builder's logs, each at its last write; none where the directory cannot be read."""
    try:
        with os.scandir(session.logs) as entries:
            found = [(Path(entry.path), entry.stat(follow_symlinks=False)) for entry in entries if _is_log(entry.name)]
    except OSError:
        return ()
    return tuple(
        Rotation(path=path, cause="build", at=datetime.fromtimestamp(status.st_mtime, timezone.utc))
        for path, status in found
        if stat.S_ISREG(status.st_mode)
    )


def observe_rebuild(session: Session, record: NodeRecord) -> str | Missing:
    """The commit at which a wiped session comes back: what was deployed, else HEAD; none that is quarantined."""
    from monitor_loop import quarantine  # only a session that was wiped

    listed = quarantine.read(str(session.data.quarantine))
    if not listed.readable:
        return Missing("quarantine file unreadable")
    if record.deployed_sha and record.deployed_sha not in listed.entries:
        return record.deployed_sha
    if session.is_embedded:
        from monitor_loop.embedded.setup import commit_of

        return Missing(f"{record.deployed_sha[:8]} is quarantined") if record.deployed_sha else commit_of()
    return _head(session, listed.entries)


def _head(session: Session, quarantined: tuple[str, ...]) -> str | Missing:
    """A quarantined commit that HEAD has reverted still counts: which revert is a good one, the deploy gate judges."""
    from monitor_loop.git.repository import Repository

    if not session.git:
        return Missing("git is not known")
    repository = Repository(session.repo, session.git)
    try:
        head = repository.sha_of("HEAD")
        bad = next((sha for sha in quarantined if repository.is_ancestor(sha, head) is not False), "")
    except MonitorError as fault:
        return Missing(plain(fault))
    if not head:
        return Missing(f"{session.repo} has no HEAD")
    return Missing(f"HEAD is quarantined ({bad[:8]})") if bad else head


def _is_log(name: str) -> bool:
    return _LOG.fullmatch(name) is not None


def _last_lines(session: Session, job: Job) -> tuple[str, ...]:
    """The end of the build's log, which is only read where it is a log of this session."""
    path = session.logs / Path(job.log).name
    try:
        with path.open("rb") as file:
            file.seek(-min(_TAIL_BYTES, os.fstat(file.fileno()).st_size), os.SEEK_END)
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ()
    return tuple(text.splitlines()[-LAST_LINES:])
