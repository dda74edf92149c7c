"""The henyey checkout as git tells it: every question has a deadline, runs no hook and asks nobody for a password."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from monitor_loop import shell
from monitor_loop.errors import MonitorError

MAIN = "main"
ORIGIN_MAIN = "refs/remotes/origin/main"
FETCH_SECONDS = 30.0
GIT_SECONDS = 10.0

_SHA = re.compile(r"[0-9a-f]{40}")
_IS_NOT = 1  # what git answers for "no"; everything above it is an error


class Repository(msgspec.Struct, frozen=True):
    """A checkout and the git that reads it. Answers are None, or empty, where git cannot tell."""

    path: Path
    git: str

    def run(self, *arguments: str, seconds: float = GIT_SECONDS) -> shell.Ran:
        argv = [self.git, "--no-optional-locks", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "LC_ALL": "C"}
        batch = {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"} if "GIT_SSH_COMMAND" not in os.environ else {}
        return shell.run(
            [*argv, *arguments], deadline_seconds=seconds, cwd=self.path, env={**os.environ, **quiet, **batch}
        )

    def fetch(self) -> str:
        """Bring origin/main up to date; empty, or why that failed in one line."""
        ran = self.run("fetch", "--quiet", "--no-tags", "origin", f"+{MAIN}:{ORIGIN_MAIN}", seconds=FETCH_SECONDS)
        if ran.status == 0:
            return ""
        return "no answer within 30 s" if ran.status is None else _last_line(ran)

    def sha_of(self, name: str) -> str:
        """The commit that `name` means; empty where it means none."""
        sha = self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").out.strip()
        return sha if _SHA.fullmatch(sha) else ""

    def branch(self) -> str:
        """The branch that is checked out; empty for a detached HEAD."""
        return self.run("symbolic-ref", "--short", "--quiet", "HEAD").out.strip()

    def dirty_paths(self) -> tuple[str, ...]:
        """Tracked files that differ from HEAD. MonitorError where git cannot tell: nothing is clean then."""
        ran = self.run("status", "--porcelain", "-z", "--untracked-files=no")
        if ran.status != 0 or ran.truncated:
            raise MonitorError(f"{self.path}: git status failed ({_last_line(ran)})")
        return tuple(entry[3:] for entry in ran.out.split("\0") if len(entry) > 3)  # noqa: PLR2004  ("XY path")

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        status = self.run("merge-base", "--is-ancestor", older, newer).status
        return status == 0 if status in (0, _IS_NOT) else None

    def count(self, older: str, newer: str) -> int | None:
        text = self.run("rev-list", "--count", f"{older}..{newer}").out.strip()
        return int(text) if text.isascii() and text.isdigit() else None

    def changed_paths(self, older: str, newer: str) -> tuple[str, ...] | None:
        """Both names of what was renamed; None where the diff failed."""
        ran = self.run("diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", older, newer, "--")
        if ran.status != 0 or ran.truncated:
            return None
        return tuple(path for path in ran.out.split("\0") if path)

    def fast_forward(self, sha: str) -> None:
        """Check out main, moved to `sha`. MonitorError where that is no fast-forward or the work tree is in the way."""
        if self.branch() != MAIN:
            self._must("checkout", "--quiet", MAIN)
        self._must("merge", "--quiet", "--ff-only", sha)

    def _must(self, *arguments: str) -> None:
        ran = self.run(*arguments, seconds=FETCH_SECONDS)
        if ran.status != 0:
            raise MonitorError(f"{self.path}: git {arguments[0]} failed ({_last_line(ran)}); see git status there")


def _last_line(ran: shell.Ran) -> str:
    lines: Sequence[str] = ran.err.strip().splitlines()
    return lines[-1][:200] if lines else f"exit status {ran.status}"
