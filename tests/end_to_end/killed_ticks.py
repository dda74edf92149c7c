"""Run as a program, with a data root, a /proc and a number: a tick is killed at one in so many steps, and the next one
follows.

The data root holds what one good tick left, and is put back to that before each try. A line of JSON goes to stdout for
each, then one for the try that was not killed. Every tick is a fork, so that no thread of one lives on in the next.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests  # noqa: F401  (once here, and not in every fork)

from monitor_loop import envfile
from monitor_loop.session import DataRoot
from monitor_tick.catalog import load_rules
from monitor_tick.report import Report
from monitor_tick.state import store
from monitor_tick.tick import tick
from tests.monitor_tick.crashes import CALLS, Steps, die_for_real, no_fsync
from tests.monitor_tick.stores import contents_of
from tests.recorded_node import SAMPLED_AT

KILLED_AT = SAMPLED_AT + timedelta(minutes=20)
NEXT_AT = KILLED_AT + timedelta(seconds=10)
RULES = load_rules()
EVERY_CALL = (*CALLS, (Path, "write_bytes"), (Path, "touch"), (Path, "mkdir"))

Contents = dict[str, bytes | None]


class Tries:
    """The data root of one session, and what its state files hold before and after the tick that is killed."""

    def __init__(self, data: Path, proc: Path) -> None:
        self.session = envfile.read(DataRoot(data))
        self._proc = proc
        self._base = {path: path.read_bytes() for path in self._files()}
        self.old = contents_of(self.session)
        assert in_fork(lambda: self.look(KILLED_AT)) == 0
        self.new = contents_of(self.session)

    def try_at(self, step: int) -> dict[str, Any]:
        self._put_back()
        killed = in_fork(lambda: self._dying(step)) == -signal.SIGKILL
        memory = store.load(self.session, NEXT_AT, finish=True)
        found = contents_of(self.session)
        said = self.session.data.path / "said.json"
        crashed = in_fork(lambda: said.write_text(json.dumps(_said(self.look(NEXT_AT)))))
        report = {"crashed": crashed} if crashed else json.loads(said.read_text())
        return report | {
            "killed": killed,
            "damaged": [damage.file for damage in memory.damaged],
            "left": "new" if found == self.new else "old" if found == self.old else "mix",
            "next": "new" if _scrapes(contents_of(self.session)) == _scrapes(self.new) else "other",
            "journal": self.session.data.commit_journal.exists(),
        }

    def look(self, now: Any) -> Report:
        return tick(self.session, RULES, now, proc=self._proc)

    def _dying(self, step: int) -> None:
        patch = pytest.MonkeyPatch()
        patch.setattr(os, "fsync", no_fsync)
        Steps(patch, die_for_real, step, EVERY_CALL)
        self.look(KILLED_AT)

    def _files(self) -> list[Path]:
        return [path for path in self.session.data.path.rglob("*") if path.is_file() and path != self.session.log]

    def _put_back(self) -> None:
        for path in self._files():
            if path not in self._base:
                path.unlink()
        for path, content in self._base.items():
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)


def in_fork(work: Callable[[], object]) -> int:
    """The exit status of `work`, negative for a signal."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _said(report: Report) -> dict[str, str]:
    lines = {line.label: " / ".join(line.texts) for line in report.lines}
    return {label: lines[label] for label in ("log", "sync", "metrics", "self_reflect")}


def _scrapes(contents: Contents) -> tuple[bytes | None, ...]:
    return contents["current.prom"], contents["prev.prom"]


def main(data: Path, proc: Path, every: int) -> None:
    tries = Tries(data, proc)
    for step in range(0, 1000, every):
        tried = tries.try_at(step)
        print(msgspec.json.encode(tried).decode(), flush=True)
        if not tried["killed"]:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
