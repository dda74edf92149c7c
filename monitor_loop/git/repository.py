"""The henyey checkout as git tells it: every question has a deadline, runs no hook and asks nobody for a password."""

from __future__ import annotations

import math
import os
import re
import time
from pathlib import Path

import msgspec

from monitor_loop import shell
from monitor_loop.errors import MonitorError

MAIN = "main"
LOCAL_MAIN = f"refs/heads/{MAIN}"
ORIGIN_MAIN = f"refs/remotes/origin/{MAIN}"
FETCH_SECONDS = 30.0
GIT_SECONDS = 10.0

# What would send git to another repository or another history (git rev-parse --local-env-vars).
ELSEWHERE = {"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT"}
ELSEWHERE |= {"GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE"}
ELSEWHERE |= {"GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE"}
ELSEWHERE |= {"GIT_SHALLOW_FILE", "GIT_WORK_TREE"}

_SHA = re.compile(r"[0-9a-f]{40}")
_PASSWORD = re.compile(r"//[^/@\s]+@")
_IS_NOT = 1  # what git answers for "no"; everything above it is an error
_SAID_LENGTH = 200


class Repository(msgspec.Struct, frozen=True):
    """A checkout and the git that reads it. Answers are None, or empty, where git cannot tell.

    `ends` (time.monotonic) bounds all questions together: what is asked after it is a MonitorError.
    """

    path: Path
    git: str
    ends: float = math.inf

    def left(self) -> float:
        """Seconds; not above 0 once they are used up."""
        return self.ends - time.monotonic()

    def run(self, *arguments: str, seconds: float = GIT_SECONDS) -> shell.Ran:
        if (seconds := min(seconds, self.left())) <= 0:
            raise MonitorError(f"{self.path}: git takes too long")
        argv = [self.git, "--no-optional-locks", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
        own = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "LC_ALL": "C"}
        batch = {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"} if "GIT_SSH_COMMAND" not in own else {}
        return shell.run([*argv, *arguments], deadline_seconds=seconds, cwd=self.path, env={**own, **quiet, **batch})

    def is_there(self) -> bool:
        """Whether the path lies in a work tree at all. MonitorError where git does not say."""
        if not self.path.is_dir():
            return False
        ran = self.run("rev-parse", "--is-inside-work-tree")
        if ran.status is None:
            raise MonitorError(f"{self.path}: git gives no answer ({_said(ran)})")
        return ran.out.strip() == "true"

    def fetch(self) -> str:
        """Bring origin/main up to date; empty, or why that failed in one line.

        Nothing else is asked for: tags and submodules come from elsewhere, and nothing that is built is in them.
        """
        alone = ("--quiet", "--no-tags", "--no-recurse-submodules")
        ran = self.run("fetch", *alone, "origin", f"+{LOCAL_MAIN}:{ORIGIN_MAIN}", seconds=FETCH_SECONDS)
        if ran.status == 0:
            return ""
        return f"no answer within {FETCH_SECONDS:.0f} s" if ran.status is None else _said(ran)

    def sha_of(self, name: str) -> str:
        """The commit that `name` means; empty where it means none."""
        sha = self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").out.strip()
        return sha if _SHA.fullmatch(sha) else ""

    def knows(self, sha: str) -> bool:
        """Whether this is the full name of a commit that is here; the text may come from anywhere."""
        return _SHA.fullmatch(sha) is not None and self.sha_of(sha) == sha

    def branch(self) -> str:
        """The branch that is checked out; empty for a detached HEAD."""
        return self.run("symbolic-ref", "--short", "--quiet", "HEAD").out.strip()

    def dirty_paths(self) -> tuple[str, ...]:
        """Tracked files that differ from HEAD. MonitorError where git cannot tell: nothing is clean then.

        A submodule is none: its work tree stays where it is when a fast-forward moves its pointer.
        """
        files = ("--untracked-files=no", "--no-renames", "--ignore-submodules=all")
        ran = self.run("status", "--porcelain", "-z", *files)
        if ran.status != 0 or ran.truncated:
            raise MonitorError(f"{self.path}: git status failed ({_said(ran)})")
        return tuple(entry[3:] for entry in ran.out.split("\0") if len(entry) > 3)  # noqa: PLR2004  ("XY path")

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        status = self.run("merge-base", "--is-ancestor", older, newer).status
        return status == 0 if status in (0, _IS_NOT) else None

    def count(self, older: str, newer: str) -> int | None:
        text = self.run("rev-list", "--count", f"{older}..{newer}").out.strip()
        return int(text) if text.isascii() and text.isdigit() else None

    def changed_paths(self, older: str, newer: str) -> tuple[str, ...] | None:
        """Both names of what was renamed; None where the diff failed. No setting of the checkout hides a path."""
        all_of_them = ("-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none")
        ran = self.run("diff-tree", *all_of_them, older, newer, "--")
        if ran.status != 0 or ran.truncated:
            return None
        return tuple(path for path in ran.out.split("\0") if path)

    def fast_forward(self, sha: str) -> None:
        """Move main to `sha` and have it checked out.

        MonitorError where that is no fast-forward, where another branch is checked out, which is somebody's work, or
        where a file of the work tree is in the way; HEAD and the files are then as they were, or on main.
        """
        branch = self.branch()
        if branch not in {"", MAIN}:
            raise MonitorError(f"{self.path}: branch {branch} is checked out, not {MAIN}; git switch {MAIN} there")
        if not self.sha_of(LOCAL_MAIN):
            self._must("switch", "--quiet", "--no-track", "--create", MAIN, sha)
        elif not branch:
            self._must("switch", "--quiet", MAIN)
        self._must("merge", "--quiet", "--ff-only", sha)

    def _must(self, *arguments: str) -> None:
        ran = self.run(*arguments, seconds=FETCH_SECONDS)
        if ran.status != 0:
            raise MonitorError(f"{self.path}: git {arguments[0]} failed ({_said(ran)})")


def _said(ran: shell.Ran) -> str:
    """All that git said, in one printable line and without a password that stood in a URL."""
    text = "".join(char if char.isprintable() else " " for char in ran.err)
    line = " ".join(_PASSWORD.sub("//", text).split())[:_SAID_LENGTH]
    return line or ("no answer in time" if ran.status is None else f"exit status {ran.status}")
