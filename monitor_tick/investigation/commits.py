"""Commits between the last build that ran without the finding and the one that runs, the most suspect first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor_tick.investigation.hunks import LEAST_WEIGHT, SHOWN, Change, Spot, changes, listed, marks, ranked, scores
from monitor_tick.investigation.source import Source, Unread
from monitor_tick.investigation.values import Commit

MOST_COMMITS = 5000
MOST_PATHS = 8
_LOG = ("log", "--no-color", "--no-show-signature", "--no-notes", "--no-decorate", "--no-ext-diff", "--no-textconv")


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """`since` is the full sha, empty where there is no range. `touching` counts commits that changed a file of the
    spots, `marks` say how near to each spot one came, and `nearest` how near to one that does something."""

    since: str = ""
    commits: tuple[Commit, ...] = ()
    left_out: int = 0
    touching: int = 0
    marks: tuple[int, ...] = ()
    nearest: int = 0
    missing: tuple[str, ...] = ()


def commits_between(source: Source, since: str, spots: Sequence[Spot], names: Sequence[str]) -> Range:
    """`names` are words of the code that the finding is about. Raises Unread where git cannot tell of the range."""
    known = source.resolve(since)
    if not known:
        return Range(missing=(f"the last good build {since[:8]} is not in the checkout, so no commits are listed",))
    between = f"{known}..{source.sha}"
    shown = "--format=%H%x1f%ct%x1f%s"
    found = listed(source.git(*_LOG, "-z", f"--max-count={MOST_COMMITS}", shown, between))
    if not found:
        return Range(since=known, missing=(f"{source.sha[:8]} has no commit that {known[:8]} lacks",))
    missing: list[str] = []
    if source.git("merge-base", known, source.sha, accept=(0, 1)).strip() != known:
        missing.append(f"{known[:8]} is not an ancestor of {source.sha[:8]}: listed is what it lacks")
    by_path = _changes(source, between, spots, missing)
    own = {path: [spot for spot in spots if spot.path == path] for path in by_path}
    order = ranked(found, {path: scores(own[path], each, names) for path, each in by_path.items()})
    marked = {
        spot: mark
        for path, each in by_path.items()
        for spot, mark in zip(own[path], marks(own[path], each), strict=True)
    }
    return Range(
        since=known,
        commits=order[:SHOWN],
        left_out=max(0, len(order) - SHOWN),
        touching=len({change.sha for each in by_path.values() for change in each}),
        marks=tuple(marked.get(spot, 0) for spot in spots),
        nearest=max((mark for spot, mark in marked.items() if spot.weight > LEAST_WEIGHT), default=0),
        missing=tuple(missing),
    )


def _changes(source: Source, between: str, spots: Sequence[Spot], missing: list[str]) -> dict[str, tuple[Change, ...]]:
    """What was changed in each file of the spots, the files of the most telling ones first."""
    paths = list(dict.fromkeys(spot.path for spot in spots))
    if len(paths) > MOST_PATHS:
        missing.append(f"commits are ranked by {MOST_PATHS} of {len(paths)} files")
    found = {}
    for path in paths[:MOST_PATHS]:
        try:
            log = source.git(
                *_LOG, "-p", "-U0", "--inter-hunk-context=0", "--no-renames", "--format=%x00%H",
                f"--max-count={MOST_COMMITS}", between, "--", f":(top,literal){path}",
            )  # fmt: skip
            found[path] = tuple(changes(log))
        except Unread as why:
            missing.append(f"commits are not ranked by one file ({why})")
    return found
