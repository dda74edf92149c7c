"""deploy_quarantine.txt: the commits that may not be deployed, one `<40 hex> [reason]` a line.

What cannot be read or decided blocks: a deploy can wait, a known bad binary cannot be taken back.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from monitor_loop import files, shell
from monitor_loop.errors import MonitorError

REASON_LENGTH = 200
UNREADABLE = "UNREADABLE"

_SHA = re.compile(r"[0-9a-f]{40}")
_SHORT_SHA = re.compile(r"[0-9a-f]{8,40}")
_SHOWN = 12  # characters of a malformed entry
_GIT_SECONDS = 30.0
_IS_ANCESTOR, _IS_NONE = 0, 1
_PROGRAM_MISSING, _DEADLINE_HIT = 127, 124  # what a shell and timeout(1) would say


class Quarantine(msgspec.Struct, frozen=True):
    """`entries` in the file's order. Not `readable`: nobody knows what is in it."""

    entries: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    readable: bool = True


class Standing(str, enum.Enum):
    UNREADABLE = "blocked_unreadable"
    ANCESTOR = "blocked_ancestor"
    GIT_ERROR = "blocked_git_error"
    CLEAR = "clear"


class Verdict(msgspec.Struct, frozen=True):
    """`match` is the commit that blocks, UNREADABLE, or empty."""

    standing: Standing
    match: str = ""
    warnings: tuple[str, ...] = ()


def is_sha(text: str) -> bool:
    return _SHA.fullmatch(text) is not None


def read(path: str) -> Quarantine:
    """A missing file holds nothing; a dangling link, or no name at all, is not known to hold nothing."""
    try:
        content = files.read(path)
    except (OSError, ValueError):
        content = None
    else:
        if content is None and path and not os.path.lexists(path):
            return Quarantine()
    return Quarantine(warnings=(f"unreadable: {path}",), readable=False) if content is None else parse(content)


def reasons(path: str) -> tuple[tuple[str, str], ...]:
    """Each entry with what stands behind it, in the file's order. OSError where the file cannot be read."""
    lines = (files.read(path) or b"").replace(b"\r", b"").split(b"\n")
    words = (line.decode("utf-8", "replace").split(maxsplit=1) for line in lines)
    return tuple((first, one_line(" ".join(rest))) for first, *rest in filter(None, words) if is_sha(first))


def parse(content: bytes) -> Quarantine:
    """Every line is a commit, a comment, blank or a warning."""
    fields = [field for field in map(_first_field, content.split(b"\n")) if field]
    return Quarantine(
        entries=tuple(field for field in fields if is_sha(field)),
        warnings=tuple(f"malformed: {_shown(field)}" for field in fields if not is_sha(field)),
    )


def ancestry(quarantine: Quarantine) -> Verdict:
    """Whether a quarantined commit is part of origin/main, in the repository of the current directory.

    A commit that is part of it counts before one that git cannot tell about; both block.
    """
    if not quarantine.readable:
        return Verdict(Standing.UNREADABLE, UNREADABLE, quarantine.warnings)
    undecided: dict[str, int] = {}
    for sha in quarantine.entries:
        status = _ancestor_status(sha)
        if status == _IS_ANCESTOR:
            return Verdict(Standing.ANCESTOR, sha, _warnings(quarantine, undecided))
        if status != _IS_NONE:
            undecided.setdefault(sha, status)
    standing = Standing.GIT_ERROR if undecided else Standing.CLEAR
    return Verdict(standing, next(iter(undecided), ""), _warnings(quarantine, undecided))


def append(path: str, sha: str, reason: str) -> None:
    """Nothing when it is there already. OSError when the file cannot be read or written."""
    target = os.path.realpath(path)
    with _alone(target):
        seen = read(target)
        if not seen.readable:
            raise OSError(f"{path} cannot be read")
        if sha not in seen.entries:
            files.append_line(target, f"{sha} {one_line(reason)}".rstrip().encode())
            files.sync_directory(Path(target).parent)


def remove(path: str, sha: str) -> None:
    """Every line of this commit; the other bytes of the file stay. OSError as `append`."""
    target = os.path.realpath(path)
    if path and not os.path.lexists(path):
        return
    with _alone(target):
        content = files.read(target)
        if content is None:
            raise OSError(f"{path} cannot be read")
        kept = b"".join(line for line in io.BytesIO(content) if _first_field(line) != sha)
        if kept != content:
            files.replace(target, kept)


def by_act(act_id: str, why: str) -> str:
    """The reason of an entry that an act of the monitor made, until there is an issue that tells of it."""
    return f"act {act_id}: {why}"


def refer(path: str, short_sha: str, issue: str) -> None:
    """Entries that an act made of a commit that begins so name the issue instead. OSError as `append`."""
    target = os.path.realpath(path)
    if not is_short_sha(short_sha) or not os.path.lexists(path):
        return
    own = re.compile(rb"(?m)^(%b[0-9a-f]{%d}) act [0-9a-f]{12}:" % (short_sha.encode(), 40 - len(short_sha)))
    with _alone(target):
        content = files.read(target)
        if content is None:
            raise OSError(f"{path} cannot be read")
        told = own.sub(rb"\1 %b:" % issue.encode(), content)
        if told != content:
            files.replace(target, told)


def is_short_sha(text: str) -> bool:
    return _SHORT_SHA.fullmatch(text) is not None


def one_line(reason: str) -> str:
    """At most REASON_LENGTH characters, each printable."""
    printable = "".join(char if char.isprintable() else " " for char in reason)
    return " ".join(printable.split())[:REASON_LENGTH].rstrip()


def _first_field(line: bytes) -> str:
    """Empty for a blank line and a comment."""
    words = line.replace(b"\r", b"").decode("utf-8", "replace").split(maxsplit=1)
    return "" if not words or words[0].startswith("#") else words[0]


def _shown(field: str) -> str:
    start = "".join(char if char.isprintable() else "?" for char in field[:_SHOWN])
    return f"{start}..." if len(field) > _SHOWN else start


def _warnings(quarantine: Quarantine, undecided: Mapping[str, int]) -> tuple[str, ...]:
    errors = (f"ancestry-check-error: {sha[:8]} (rc={status})" for sha, status in undecided.items())
    return (*quarantine.warnings, *errors)


def _ancestor_status(sha: str) -> int:
    argv = ["git", "merge-base", "--is-ancestor", sha, "refs/remotes/origin/main"]
    try:
        status = shell.run(argv, deadline_seconds=_GIT_SECONDS).status
    except MonitorError:
        return _PROGRAM_MISSING
    return _DEADLINE_HIT if status is None else status


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Between the tick that adds and the operator who removes: no entry may be lost to a replaced file."""
    fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: PTH120 - a plain string
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
