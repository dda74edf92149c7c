"""Putting an issue on the board: by the operator's command, the checkout's script, or gh project."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from monitor_loop import shell
from monitor_loop.errors import MonitorError
from monitor_tick.github.gh import Gh, quiet_environment, said_of
from monitor_tick.github.project import Project
from monitor_tick.issues.tracker import Cause, TrackerError

COMMAND_DEADLINE_SECONDS = 30.0

SCRIPTS = (
    ".github/skills/plan-do-review/scripts/move-issue-status.sh",
    ".github/skills/shared/scripts/move-issue-status.sh",
)
"""Of the node's checkout; the first that is there counts."""

_PROJECT = re.compile(r"([\w-]+)/([1-9][0-9]{0,8})")
_PASSING = (Cause.NOT_LOGGED_IN, Cause.LIMITED, Cause.NO_NETWORK, Cause.UNCERTAIN)
"""Failures that say nothing about the board: the call is worth trying again."""


class Board:
    """`project` is owner/number, `command` what the operator set, `checkout` the node's; each may be empty.

    A command moves the issue; the project still tells which issues are on it, so that none of them is moved.
    """

    def __init__(self, gh: Gh, project: str, command: str, checkout: Path) -> None:
        self._gh = gh
        self._named = project
        self._command = command.strip()
        self._checkout = checkout
        found = _PROJECT.fullmatch(project)
        self._project = Project(gh, found[1], found[2]) if found else None

    @property
    def is_there(self) -> bool:
        return bool(self._named or self._command or self._script())

    def holds(self, number: int) -> bool | None:
        """None where nothing tells: no project is named, or the token may not read it."""
        if self._project is None:
            return None
        try:
            return self._project.holds(number)
        except TrackerError as error:
            if error.cause in _PASSING:
                raise
            return None

    def add(self, number: int, status: str) -> None:
        words = self._words()
        if words and not self.holds(number):
            self._run([*words, str(number), status])
        elif not words and self._project is not None:
            self._project.add(number, status)
        elif not words and self._named:
            raise TrackerError(Cause.REFUSED, f"MONITOR_PROJECT is {self._named!r} - set it to owner/number")

    def _script(self) -> Path | None:
        return next((path for name in SCRIPTS if os.access(path := self._checkout / name, os.R_OK)), None)

    def _words(self) -> list[str]:
        if self._command:
            try:
                return shlex.split(self._command)
            except ValueError as error:
                raise TrackerError(Cause.REFUSED, f"MONITOR_BOARD_COMMAND: {error}") from None
        script = self._script()
        return ["bash", str(script)] if script else []

    def _run(self, argv: list[str]) -> None:
        try:
            ran = shell.run(
                argv, deadline_seconds=COMMAND_DEADLINE_SECONDS, cwd=self._checkout, env=self._environment()
            )
        except MonitorError as error:
            raise TrackerError(Cause.REFUSED, said_of(str(error))) from None
        if ran.status is None:
            raise TrackerError(Cause.UNCERTAIN, f"{argv[0]}: no answer in {COMMAND_DEADLINE_SECONDS:.0f} s")
        if ran.status != 0:
            raise TrackerError(Cause.REFUSED, said_of(f"exit status {ran.status}: {ran.err.strip() or ran.out}"))

    def _environment(self) -> dict[str, str]:
        """The script calls gh by its name, which cron's PATH seldom finds."""
        path = os.environ.get("PATH", os.defpath)
        found = f"{Path(self._gh.binary).parent}{os.pathsep}{path}" if self._gh.binary else path
        return quiet_environment() | {"PATH": found, "GH_REPO": self._gh.repo}
