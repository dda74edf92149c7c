"""The deploy gate's question: is a quarantined commit in effect on origin/main, as it was fetched?

Reachable is not enough to block for ever (a revert lands after it), and a message that says "reverts" is not enough to
let it through: the change must really be taken back in that commit, and not have been made again since. What cannot be
decided blocks, and `monitor-loop quarantine remove` is the way out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from monitor_loop import quarantine
from monitor_loop.git import patches
from monitor_loop.git.commits import Commits, Undecided
from monitor_loop.git.patches import Patch
from monitor_loop.git.repository import ORIGIN_MAIN

GATE_SECONDS = 60.0


class Gate(msgspec.Struct, frozen=True):
    """`text` is what the deploy line says, empty where nothing is in the way; `match` the commit that blocks, as far as
    one does."""

    text: str = ""
    match: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        return self.text != ""


def gate_of(path: Path, repo: Path, git: str, seconds: float = GATE_SECONDS, of: str = ORIGIN_MAIN) -> Gate:
    """Whether anything in the quarantine at `path` is in effect on the origin/main that was fetched into `repo`, or on
    the commit `of`.

    `git` is the program. A commit that is known to be in effect counts before one that git cannot tell about.
    """
    listed = quarantine.read(str(path))
    if not listed.readable:
        return Gate("BLOCKED (quarantine file unreadable — fail-closed)", warnings=listed.warnings)
    door = Commits(repo, git, time.monotonic() + seconds, of)
    warnings, unknown = list(listed.warnings), ""
    for sha in dict.fromkeys(listed.entries):
        in_effect = _is_in_effect(sha, door, warnings)
        if in_effect:
            text = f"DEFERRED (quarantined: {sha[:8]} reachable from origin/main — see {path})"
            return Gate(text, sha, tuple(warnings))
        unknown = unknown or (sha if in_effect is None else "")
    text = f"BLOCKED (quarantine ancestry check failed for {unknown[:8]} — fail-closed)" if unknown else ""
    return Gate(text, unknown, tuple(warnings))


def _is_in_effect(sha: str, git: Commits, warnings: list[str]) -> bool | None:
    """None where git cannot tell whether it is part of origin/main at all."""
    try:
        if not git.has(sha):
            return False
    except Undecided as error:
        warnings.append(f"ancestry-check-error: {sha[:8]} ({error})")
        return None
    try:
        return not _History(git).is_reverted(sha)
    except Undecided as error:
        warnings.append(f"revert-check-error: {sha[:8]} ({error})")
        return True


class _History:
    """What became of commits on their way to the tip. Each question asks about later commits only, so it ends."""

    def __init__(self, git: Commits) -> None:
        self._git = git
        self._reverted: dict[str, bool] = {}

    def is_reverted(self, sha: str) -> bool:
        """Whether some later commit takes `sha` back, in word and in fact, and nothing makes it good again."""
        if sha not in self._reverted:
            patch = self._patch(sha)
            self._reverted[sha] = any(
                self._takes_back(revert, sha, patch) and self._stands(revert, sha, patch)
                for revert in self._claimants(sha)
            )
        return self._reverted[sha]

    def _takes_back(self, revert: str, sha: str, patch: Patch) -> bool:
        """Hunk by hunk; or by the tree, where an edit close by or a renamed file makes the hunks look different."""
        if patches.undoes(self._patch(revert), patch):
            return True
        before = self._git.first_parent(sha)
        return bool(patch and before) and self._git.is_merge_of(revert, f"{revert}^1", before, base=sha)

    def _stands(self, revert: str, sha: str, patch: Patch) -> bool:
        """Whether `patch`, the change of `sha`, was not landed again after `revert` took it back.

        Of a commit that says that it reverts the revert, a part is enough: nobody knows which part does the harm.
        """
        for claimant in self._claimants(revert):
            if patches.overlaps(self._patch(claimant), patch) and not self.is_reverted(claimant):
                return False
        return all(self.is_reverted(again) for again in self._landings(revert, sha, patch))

    def _claimants(self, sha: str) -> list[str]:
        """Later commits with git's own trailer, which for a merge goes on after a comma; newest first."""
        trailer = f"--grep=^This reverts commit {sha}[.,]"
        return self._git.lines("rev-list", "--basic-regexp", trailer, *self._after(sha))

    def _patch(self, sha: str) -> Patch:
        """Against the first parent: what the commit brought to the branch that it is on."""
        before = self._git.first_parent(sha)
        return self._git.patches([(sha, before) if before else (sha,)])[0][1]

    def _after(self, sha: str) -> tuple[str, str]:
        return "--ancestry-path", f"{sha}..{self._git.tip}"

    def _landings(self, revert: str, sha: str, patch: Patch) -> Iterator[str]:
        """The commits after `revert` that make the same change again: by its hunks, or as `git cherry-pick` does.

        A merge is compared with those parents that have the revert: what it takes from the other side lands anew.
        """
        lines = self._git.lines("rev-list", "--parents", *self._after(revert))
        listed = [line.split() for line in lines]
        known = {revert, *(commit for commit, *_ in listed)}
        edges = [(commit, parent) for commit, *parents in listed for parent in parents if parent in known]
        paths, touched = {change.path for change in patch}, self._git.paths(edges)
        same = [edge for edge, found in zip(edges, touched, strict=True) if paths <= found]
        yield from (commit for commit, later in self._git.patches(same) if patches.repeats(later, patch))
        before = self._git.first_parent(sha)
        for (commit, parent), found in zip(edges, touched, strict=True):
            if before and 0 < len(found) <= len(paths) and self._git.is_merge_of(commit, parent, sha, base=before):
                yield commit
