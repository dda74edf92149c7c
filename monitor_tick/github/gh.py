"""The gh program: argv lists only, a deadline on every call, and its failures told apart by what it prints."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import msgspec

from monitor_loop import shell
from monitor_loop.errors import MonitorError
from monitor_tick.github.causes import cause_of
from monitor_tick.issues.tracker import Cause, TrackerError

DEADLINE_SECONDS = 15.0
CREATE_DEADLINE_SECONDS = 30.0
LIST_DEADLINE_SECONDS = 30.0

_QUIET = {
    "GH_PROMPT_DISABLED": "1",
    "NO_COLOR": "1",
    "CLICOLOR": "0",
    "GH_PAGER": "cat",
    "PAGER": "cat",
    "GH_NO_UPDATE_NOTIFIER": "1",
    "GH_TELEMETRY": "0",
}
_LOUD = ("GH_FORCE_TTY", "CLICOLOR_FORCE", "GH_DEBUG", "DEBUG")
"""Of an operator's shell; each would mix something else into what is parsed here."""

_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_WITHOUT_REPO = ("api", "project")
"""Commands that know no --repo: a path, a query or an owner says it."""

_SAID_LENGTH = 200


class Gh(msgspec.Struct, frozen=True):
    """`binary` is the absolute path of gh, empty where there is none; `repo` is owner/name."""

    binary: str
    repo: str

    def run(self, args: Sequence[str], *, input: bytes = b"", deadline_seconds: float = DEADLINE_SECONDS) -> str:
        """What gh prints for `args`, such as ("run", "list", "--limit", "10"), where --repo is added.

        TrackerError says why there is no answer. Output that was cut is no answer either.
        """
        argv = self._argv(args)
        try:
            ran = shell.run(argv, deadline_seconds=deadline_seconds, env=quiet_environment(), input=input)
        except MonitorError as error:
            raise TrackerError(Cause.NO_GH, said_of(str(error))) from None
        if ran.status == 0 and not ran.truncated:
            return ran.out
        if ran.truncated:
            raise TrackerError(Cause.UNCERTAIN, "gh printed more than can be read")
        if ran.status is None:
            raise TrackerError(Cause.UNCERTAIN, f"gh {args[0]}: no answer in {deadline_seconds:.0f} s")
        raise TrackerError(cause_of(ran.status, ran.err), said_of(ran.err) or f"gh {args[0]}: exit status {ran.status}")

    def query(self, text: str, *, number: int, jq: str) -> str:
        """GraphQL over $owner, $name and $number, an issue of the repository."""
        owner, _, name = self.repo.partition("/")
        named = ["-f", f"owner={owner}", "-f", f"name={name}", "-F", f"number={number}"]
        return self.run(["api", "graphql", "-f", f"query={text}", *named, "--jq", jq])

    def _argv(self, args: Sequence[str]) -> list[str]:
        if not self.binary:
            raise TrackerError(Cause.NO_GH, "MONITOR_GH is empty - see monitor-loop doctor")
        if not _REPO.fullmatch(self.repo):
            raise TrackerError(Cause.REFUSED, f"MONITOR_GITHUB_REPO is {self.repo!r} - set it to owner/name")
        repo = () if args[0] in _WITHOUT_REPO else ("--repo", self.repo)
        # NUL ends an argument for the kernel; nothing of ours holds one, what is quoted from a log may.
        return [
            self.binary,
            *(word.replace("\0", "\N{REPLACEMENT CHARACTER}") for word in (*args[:2], *repo, *args[2:])),
        ]


def quiet_environment() -> dict[str, str]:
    """Ours, with nothing that asks, paints, pages or looks for updates."""
    return {name: value for name, value in os.environ.items() if name not in _LOUD} | _QUIET


def said_of(text: str) -> str:
    """One line, at most 200 characters, free of secrets."""
    from monitor_tick.issues.redaction import redact
    from monitor_tick.issues.secrets import environment_secrets

    line = " ".join(redact(text, environment_secrets()).split())
    return line if len(line) <= _SAID_LENGTH else line[: _SAID_LENGTH - 1] + "…"
