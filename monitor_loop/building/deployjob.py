"""<data>/deploy.json: what the builder makes, and what came of it.

The tick writes it when it starts or stops a builder, and the builder when it is done, which it does only while the file
still names it. A builder that the file does not name ends itself, so there is never more than the one that is named.
"""

from __future__ import annotations

import enum
import re
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from monitor_loop import files, procfs
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Identity, Moment

SCHEMA = 1
_READ_LIMIT = 2**16
_LONGEST_SECONDS = 7 * 86400
_PIDS = range(2, 2**22 + 1)  # what Linux gives away at most
_TEXT_LENGTH = 1000
_STOPPED = "stopped: "
_SHA = re.compile(r"[0-9a-f]{40}")
_ID = re.compile(r"[0-9a-f]{12}")


class Phase(str, enum.Enum):
    BUILDING = "building"
    BUILT = "built"
    FAILED = "failed"


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One commit that is made into a binary of session `session`.

    `id` is 12 hex digits, new for each job; every process of the builder has it in its environment. The builder has
    `deadline_seconds` from `started_at` on. `why` says how it failed; `log` is an absolute path.
    """

    schema: int = SCHEMA
    id: str
    sha: str
    session: str
    builder: Identity
    phase: Phase
    started_at: Moment
    deadline_seconds: Annotated[float, msgspec.Meta(gt=0, le=_LONGEST_SECONDS)]
    finished_at: Moment | None = None
    why: str = ""
    log: str = ""

    @property
    def is_building(self) -> bool:
        return self.phase is Phase.BUILDING

    def is_late(self, now: datetime) -> bool:
        return now - self.started_at > timedelta(seconds=self.deadline_seconds)

    @property
    def late_words(self) -> str:
        return f"not done after {self.deadline_seconds / 60:.0f} minutes"

    def stopped(self, at: datetime, why: str) -> Job:
        return self.ended(Phase.FAILED, at, f"{_STOPPED}{why}")

    @property
    def was_stopped(self) -> bool:
        """Somebody, or a power cut, ended the builder, which says nothing about the commit."""
        return self.phase is Phase.FAILED and self.why.startswith(_STOPPED)

    def ended(self, phase: Phase, at: datetime, why: str = "") -> Job:
        return msgspec.structs.replace(self, phase=phase, finished_at=at, why=_one_line(why))


def parse(content: bytes) -> Job:
    """MonitorError for anything but one whole job."""
    if not content.endswith(b"\n"):
        raise MonitorError("deploy.json is cut off: its last line has no end")
    try:
        job = msgspec.json.decode(content, type=Job)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MonitorError(f"deploy.json is damaged: {error}") from None
    if job.schema != SCHEMA:
        raise MonitorError(f"deploy.json has schema {job.schema}, not {SCHEMA}: another version wrote it")
    if not _SHA.fullmatch(job.sha) or not _ID.fullmatch(job.id) or job.builder.pid not in _PIDS:
        raise MonitorError("deploy.json is damaged: it names no commit, no job or no builder")
    if job.is_building != (job.finished_at is None):
        raise MonitorError("deploy.json is damaged: a job is either under way or has an end")
    return job


def render(job: Job) -> bytes:
    return msgspec.json.encode(job) + b"\n"


def read(data: DataRoot) -> Job | None:
    """As it was written, whatever became of its builder; None where nothing was ever built. MonitorError for damage."""
    try:
        content = files.read(data.deploy_job, _READ_LIMIT)
        return None if content is None else parse(content)
    except (OSError, MonitorError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise MonitorError(f"ERROR: {data.deploy_job}: {what} - move it aside; a builder that runs then ends") from None


def write(data: DataRoot, job: Job) -> None:
    files.replace(data.deploy_job, render(job))


def poll(data: DataRoot, now: datetime) -> Job | None:
    """The job as it stands at `now`: a builder that is gone, or over its time, has failed. Nothing is written."""
    job = read(data)
    if job is None or not job.is_building:
        return job
    if job.builder.boot_id != procfs.boot_id():  # also where the machine was off for longer than a build may take
        return job.stopped(max(procfs.boot_time(), job.started_at), "the machine was restarted")
    if job.is_late(now):
        return job.ended(Phase.FAILED, now, job.late_words)
    if procfs.lives(job.builder):
        return job
    again = read(data)  # it may have ended well between the two looks
    if again is not None and (again.id, again.phase) != (job.id, Phase.BUILDING):
        return again
    return job.ended(Phase.FAILED, now, f"the builder (pid {job.builder.pid}) ended without a word")


def _one_line(text: str) -> str:
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= _TEXT_LENGTH else f"{line[: _TEXT_LENGTH - 3]}..."
