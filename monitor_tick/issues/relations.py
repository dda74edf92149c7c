"""What a new issue says of those it is related to, one line each. Pure; the body makes the words safe."""

from __future__ import annotations

from collections.abc import Callable

from monitor_tick.issues.body import Relation
from monitor_tick.issues.tracker import Issue

Contains = Callable[[str, str], bool | None]
"""Whether a build, the first, has a commit, the second, in its history; None where that cannot be told."""


def possibly(issue: Issue, signature: str) -> Relation:
    """An urgent finding is not left to an issue that a person filed, whose title is all that is known of it."""
    return Relation(issue.number, False, f"its title names {signature}", is_sure=False)


def other_scope(issue: Issue, theirs: str, ours: str) -> Relation:
    return Relation(issue.number, False, f"the same alarm for {theirs or '-'}; this one is for {ours or '-'}")


def takes_no_comment(issue: Issue) -> Relation:
    return Relation(issue.number, False, "the same, and it takes no comment any more")


def fixed(issue: Issue, build: str, contains: Contains) -> Relation:
    return Relation(issue.number, True, _not_covered(issue, build, contains))


def last_time(issue: Issue, build: str, contains: Contains) -> Relation:
    words = "the last time this happened"
    if issue.is_open:
        return Relation(issue.number, False, words)
    return Relation(issue.number, True, f"{words}; {_not_covered(issue, build, contains)}")


def _not_covered(issue: Issue, build: str, contains: Contains) -> str:
    """Why what closed it did not help against this."""
    fix = issue.closed_by
    if not fix:
        return "closed without a commit, so that no fix is known"
    running = f"the running build {build[:8]}" if build else "the running build"
    contained = contains(build, fix) if build else None
    if contained is None:
        return f"closed by {fix[:8]}; whether {running} contains that commit cannot be told"
    if contained:
        return f"closed by {fix[:8]}, which {running} contains: that fix does not cover this"
    return f"closed by {fix[:8]}, which {running} does not contain: that fix does not run here yet"
