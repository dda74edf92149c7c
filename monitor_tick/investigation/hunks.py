"""Which commits changed the statements of a finding, read from git's logs. Pure.

A log is newest first, so the lines are followed backwards: each commit's hunks say what it touched of them, and where
they stood before it. Over a merge this is an approximation, which only ranks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

import msgspec

from monitor_tick.investigation.values import Commit

SHOWN = 10
LONGEST_SUBJECT = 120

TOUCHED_FILE, TOUCHED_FUNCTION, TOUCHED_LINE = 1, 4, 8
NAMED = 6
"""What a commit scores for a change in the file, the function or the lines of a spot, and for naming what is sought."""

_FIELDS = 3
_SHA = re.compile(r"[0-9a-f]{40,64}")
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


LEAST_WEIGHT = 1
"""Of a spot that only says that the thing is there."""


class Spot(msgspec.Struct, frozen=True):
    """A site as lines of the commit that was read, first and last, within those of its function. `weight` says how
    telling the site is."""

    path: str
    first: int
    last: int
    function_first: int
    function_last: int
    weight: int = LEAST_WEIGHT


class Hunk(msgspec.Struct, frozen=True):
    """Lines `old`..`old + removed` became `new`..`new + added`. Where one count is 0, its line is the one before."""

    old: int
    removed: int
    new: int
    added: int


class Change(msgspec.Struct, frozen=True):
    """What one commit did to one file; `text` are the lines it added and removed."""

    sha: str
    hunks: tuple[Hunk, ...]
    text: str


def listed(log: str) -> tuple[Commit, ...]:
    """Commits of `--format=%H%x1f%ct%x1f%s -z`, in its order."""
    return tuple(commit for record in log.split("\0") if (commit := _commit(record)) is not None)


def _commit(record: str) -> Commit | None:
    parts = record.strip("\n").split("\x1f", _FIELDS - 1)
    if len(parts) < _FIELDS or not _SHA.fullmatch(parts[0]):
        return None
    try:
        at = datetime.fromtimestamp(int(parts[1]), timezone.utc)
    except (ValueError, OverflowError, OSError):
        at = datetime.fromtimestamp(0, timezone.utc)
    return Commit(parts[0], " ".join(_UNSEEN.sub(" ", parts[2]).split())[:LONGEST_SUBJECT], at)


def changes(log: str) -> Iterator[Change]:
    """One file's changes from `--format=%x00%H -p -U0`, in its order."""
    for record in log.split("\n\0"):
        sha, _, diff = record.lstrip("\0").partition("\n")
        if not _SHA.fullmatch(sha):
            continue
        hunks, text = [], []
        for line in diff.split("\n"):
            if found := _HUNK.match(line):
                old, removed, new, added = (int(each) if each is not None else 1 for each in found.groups())
                hunks.append(Hunk(old, removed, new, added))
            elif hunks and line[:1] in ("+", "-"):
                text.append(line)
        yield Change(sha, tuple(hunks), "\n".join(text))


def marks(spots: Sequence[Spot], found: Sequence[Change]) -> tuple[int, ...]:
    """For each of one file's spots, how near to it any of the changes came."""
    best = [0] * len(spots)
    here = list(spots)
    for change in found:
        best = [max(known, _touch(spot, change.hunks)) for known, spot in zip(best, here, strict=True)]
        here = [_before(spot, change.hunks) for spot in here]
    return tuple(best)


def scores(spots: Sequence[Spot], found: Sequence[Change], names: Sequence[str] = ()) -> Mapping[str, int]:
    """By sha, what each of one file's changes has to do with its spots and with the words that are sought."""
    scored: dict[str, int] = {}
    here = list(spots)
    for change in found:
        points = max(spot.weight * _touch(spot, change.hunks) for spot in here)
        points += NAMED if any(name in change.text for name in names) else 0
        scored[change.sha] = scored.get(change.sha, 0) + points
        here = [_before(spot, change.hunks) for spot in here]
    return scored


def _touch(spot: Spot, hunks: Sequence[Hunk]) -> int:
    if any(_overlaps(hunk, spot.first, spot.last) for hunk in hunks):
        return TOUCHED_LINE
    if any(_overlaps(hunk, spot.function_first, spot.function_last) for hunk in hunks):
        return TOUCHED_FUNCTION
    return TOUCHED_FILE


def _overlaps(hunk: Hunk, first: int, last: int) -> bool:
    """Lines that were only removed leave a seam behind line `new`, which is inside where both its sides are."""
    if hunk.added == 0:
        return first <= hunk.new < last
    return first < hunk.new + hunk.added and hunk.new <= last


def _before(spot: Spot, hunks: Sequence[Hunk]) -> Spot:
    lines = (spot.first, spot.last, spot.function_first, spot.function_last)
    first, last, function_first, function_last = (_line_before(line, hunks) for line in lines)
    return Spot(spot.path, first, last, function_first, function_last, spot.weight)


def _line_before(line: int, hunks: Sequence[Hunk]) -> int:
    """The line's number before the change; of a line that it added, where it came to stand."""
    shift = 0
    for hunk in hunks:
        begin = hunk.new + (hunk.added == 0)
        if line < begin:
            break
        if line < begin + hunk.added:
            return max(1, hunk.old)
        shift += hunk.removed - hunk.added
    return max(1, line + shift)


def ranked(commits: Sequence[Commit], by_path: Mapping[str, Mapping[str, int]]) -> tuple[Commit, ...]:
    """The most suspect first, the newest of equals first, with the files of the spots that each touched."""
    total = {commit.sha: sum(points.get(commit.sha, 0) for points in by_path.values()) for commit in commits}
    order = sorted(commits, key=lambda commit: -total[commit.sha])  # stable, and git's log is newest first
    touching = {
        sha: tuple(_UNSEEN.sub("?", path) for path, points in by_path.items() if sha in points) for sha in total
    }
    return tuple(msgspec.structs.replace(commit, touches=touching[commit.sha]) for commit in order)
