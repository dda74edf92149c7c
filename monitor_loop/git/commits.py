"""What git tells of the commits up to origin/main, as it was fetched, or to another one; the rest is Undecided."""

from __future__ import annotations

import functools
import os
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from monitor_loop import shell
from monitor_loop.errors import MonitorError
from monitor_loop.git import patches
from monitor_loop.git.patches import Patch
from monitor_loop.git.repository import ELSEWHERE, ORIGIN_MAIN

_CALL_SECONDS = 30.0
_PROGRAM_MISSING, _DEADLINE_HIT = 127, 124  # what a shell and timeout(1) would say
_DIFF = ("diff-tree", "--stdin", "--always", "--root", "-r", "--no-renames")
_NAMES = (*_DIFF, "--raw")
_PATCH: tuple[str, ...] = (*_DIFF, "-p", "-U0", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv")
_PATCH += ("--diff-algorithm=myers", "--src-prefix=a/", "--dst-prefix=b/")
_NOBODY = {f"GIT_{role}_{what}": "monitor" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_OWN = MappingProxyType[str, str]({})
_CONFLICT, _UNKNOWN_OPTION = 1, 129

Edge = tuple[str, ...]
"""A commit and the one that it is compared with; alone, the very first commit."""


class Undecided(Exception):
    """Git did not tell; the text says why."""


class Commits:
    """Calls of one program in one repository until `end`, on the monotonic clock. Each is about the history of `of`."""

    def __init__(self, repo: Path, program: str, end: float, of: str = ORIGIN_MAIN) -> None:
        self._repo, self._program, self._end, self._of = repo, program, end, of
        self._environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
        self._environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_GRAFT_FILE": os.devnull}

    @functools.cached_property
    def tip(self) -> str:
        """The newest commit that is looked at. A shallow clone cannot tell what is reachable."""
        if self._line("rev-parse", "--is-shallow-repository") != "false":
            raise Undecided("a shallow clone: git fetch --unshallow")
        return self._line("rev-parse", "--verify", "--quiet", f"{self._of}^{{commit}}")

    def has(self, sha: str) -> bool:
        return self._run("merge-base", "--is-ancestor", sha, self.tip, fine=(0, 1)).status == 0

    def lines(self, *arguments: str) -> list[str]:
        return self._run(*arguments).out.splitlines()

    def first_parent(self, sha: str) -> str:
        """Empty for the very first commit."""
        return "".join(self._line("rev-list", "--parents", "--max-count=1", sha).split()[1:2])

    def paths(self, edges: Sequence[Edge]) -> list[set[str]]:
        """What differs between the two commits of each edge, as git quotes it."""
        found: list[set[str]] = []
        for line in self._run(*_NAMES, edges=edges).out.splitlines():
            if line.startswith(":"):
                found[-1].add(line.partition("\t")[2].removeprefix('"').removesuffix('"'))
            else:
                found.append(set())
        return found

    def patches(self, edges: Sequence[Edge]) -> list[tuple[str, Patch]]:
        """The first commit of each edge, and how it differs from the second."""
        try:
            return patches.parse(self._run(*_PATCH, edges=edges).out)
        except ValueError as error:
            raise Undecided(str(error)) from None

    def is_merge_of(self, result: str, ours: str, theirs: str, base: str) -> bool:
        """Whether `result` is to the byte what git makes of the other two without a conflict, renamed files included.

        All are commits. The merge is of three new ones in an object directory of its own; the repository gets none of
        it. A git before 2.38 cannot do that: the answer is no.
        """
        *trees, wanted = (self._line("rev-parse", f"{name}^{{tree}}") for name in (base, ours, theirs, result))
        with tempfile.TemporaryDirectory(prefix="monitor-merge-") as objects:
            aside = {**_NOBODY, "GIT_OBJECT_DIRECTORY": objects, "GIT_ALTERNATE_OBJECT_DIRECTORIES": self._objects}
            new: list[str] = []
            for tree in trees:
                after = ("-p", new[0]) if new else ()
                new.append(self._line("commit-tree", "-m", "-", *after, tree, variables=aside))
            fine = (0, _CONFLICT, _UNKNOWN_OPTION)
            ran = self._run("merge-tree", "--write-tree", "--no-messages", *new[1:], variables=aside, fine=fine)
        return ran.status == 0 and ran.out.split() == [wanted]

    @functools.cached_property
    def _objects(self) -> str:
        """As an entry of a list: in quotes, since a path may hold a colon."""
        path = str((self._repo / self._line("rev-parse", "--git-path", "objects")).absolute())
        return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def _line(self, *arguments: str, variables: Mapping[str, str] = _OWN) -> str:
        lines = self._run(*arguments, variables=variables).out.splitlines()
        if len(lines) != 1:
            raise Undecided(f"{len(lines)} lines from git {arguments[0]}")
        return lines[0]

    def _run(
        self,
        *arguments: str,
        fine: Collection[int] = (0,),
        edges: Sequence[Edge] = (),
        variables: Mapping[str, str] = _OWN,
    ) -> shell.Ran:
        argv = [self._program, "--no-replace-objects", "-c", "core.quotePath=true", *arguments]
        deadline = min(_CALL_SECONDS, self._end - time.monotonic())
        standard_input = "".join(f"{' '.join(edge)}\n" for edge in edges).encode()
        try:
            ran = shell.run(
                argv,
                deadline_seconds=deadline,
                cwd=self._repo,
                env={**self._environment, **variables},
                input=standard_input,
            )
        except MonitorError:
            raise Undecided(f"rc={_PROGRAM_MISSING}") from None
        if ran.status not in fine:
            raise Undecided(f"rc={_DEADLINE_HIT if ran.status is None else ran.status}")
        if ran.truncated:
            raise Undecided("more than git may print here")
        return ran
