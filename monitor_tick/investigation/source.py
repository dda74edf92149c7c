"""The henyey checkout at one commit, read through git: the work tree, the index and the network are left alone."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from monitor_loop import shell
from monitor_loop.errors import MonitorError
from monitor_tick.investigation.rust_text import Code, code_of

CALL_SECONDS = 8.0
LARGEST_FILE_BYTES = 2 * 2**20
LARGEST_TOTAL_BYTES = 12 * 2**20
MOST_FILES = 160
"""Of one search: a word that more files hold is too common to tell anything."""

_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.quotePath": "false",
    "core.commitGraph": "true",
    "protocol.allow": "never",  # a partial clone fetches what it lacks
    "color.ui": "false",
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
    "grep.patternType": "default",
    "log.follow": "false",
    "log.showSignature": "false",
    "submodule.recurse": "false",
}
_OPTIONS = tuple(part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}"))
_KEPT_VARIABLES = ("GIT_CONFIG", "GIT_EXEC_PATH")
_OWN_VARIABLES = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}
_SHA = re.compile(r"[0-9a-f]{7,64}")
_NOTHING_FOUND = 1


class Unread(Exception):
    """What git could not tell, in a clause."""


class Blob(msgspec.Struct, frozen=True):
    oid: str
    bytes: int


class Source:
    """One commit. Every call is bounded by `ends`, a reading of time.monotonic()."""

    def __init__(self, repo: Path, git: str, ends: float) -> None:
        self._repo, self._git = repo, git
        self._blobs: dict[str, Blob] = {}
        self._codes: dict[str, Code] = {}
        self._read_bytes = 0
        self.ends = ends
        self.sha = ""
        self.left_out: dict[str, str] = {}

    def left(self) -> float:
        return self.ends - time.monotonic()

    def git(self, *arguments: str, accept: Sequence[int] = (0,)) -> str:
        """What git prints. Raises Unread where it fails or the time is up."""
        seconds = min(CALL_SECONDS, self.left())
        if seconds <= 0:
            raise Unread("no time was left for git")
        argv = [self._git, "--no-pager", "-C", str(self._repo), *_OPTIONS, *arguments]
        try:
            ran = shell.run(argv, deadline_seconds=seconds, env=_environment())
        except (MonitorError, OSError, ValueError) as error:
            raise Unread(f"git {arguments[0]} could not be run ({type(error).__name__})") from None
        if ran.status is None:
            raise Unread(f"git {arguments[0]} took longer than {seconds:.0f} s")
        if ran.status not in accept:
            raise Unread(f"git {arguments[0]} failed with status {ran.status}")
        return ran.out

    def resolve(self, name: str) -> str:
        """The full sha of a commit that is in the checkout; empty where it is not."""
        if name != "HEAD" and not _SHA.fullmatch(name):
            return ""
        found = self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", accept=(0, 1, 128)).strip()
        return found if _SHA.fullmatch(found) else ""

    def open(self, sha: str) -> None:
        """From here on, this commit is read."""
        self.sha = sha
        listing = self.git("ls-tree", "-r", "-z", "-l", "--full-tree", sha)
        for row in listing.split("\0"):
            head, _, path = row.partition("\t")
            _, kind, oid, size = (*head.split(), "", "", "", "")[:4]
            if path.endswith(".rs") and kind == "blob" and size.isdigit():
                self._blobs[path] = Blob(oid, int(size))

    @property
    def paths(self) -> tuple[str, ...]:
        """Of all Rust files."""
        return tuple(self._blobs)

    def paths_with(self, texts: Sequence[str], *, words: bool = False, pattern: bool = False) -> tuple[str, ...]:
        """Rust files that hold one of the texts; `words`: as whole words, `pattern`: extended regular expressions."""
        if not texts:
            return ()
        kind = ("-E",) if pattern else ("-F",)
        patterns = [part for text in texts for part in ("-e", text)]
        whole = ("-w",) if words else ()
        out = self.git(
            "grep", "-l", "-z", "-I", "--no-color", "--no-textconv", "--full-name", *kind, *whole, *patterns, self.sha,
            "--", ":(top)*.rs", accept=(0, _NOTHING_FOUND),
        )  # fmt: skip
        prefix = f"{self.sha}:"
        return tuple(path.removeprefix(prefix) for path in out.split("\0") if path)

    def read(self, paths: Sequence[str]) -> None:
        """Take these files into `codes`; one that is too large, or beyond the bounds, goes to `left_out`."""
        for path in paths:
            blob = self._blobs.get(path)
            if path in self._codes or path in self.left_out or blob is None:
                continue
            if blob.bytes > LARGEST_FILE_BYTES:
                self.left_out[path] = f"it has {blob.bytes // 2**20} MB"
            elif self._read_bytes + blob.bytes > LARGEST_TOTAL_BYTES:
                self.left_out[path] = f"{LARGEST_TOTAL_BYTES // 2**20} MB were read before"
            else:
                self._codes[path] = code_of(path, self.git("cat-file", "blob", blob.oid))
                self._read_bytes += blob.bytes

    @property
    def codes(self) -> dict[str, Code]:
        return self._codes


def _environment() -> dict[str, str]:
    """Ours without what points git to another repository or has it run other programs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT_VARIABLES)
    }
    return kept | _OWN_VARIABLES
