"""A commit that dies at its k-th step; run as a program, with the directory to work in, it really is killed.

A step is one call that changes the disk: write, fsync, rename, unlink, touch. Death comes before the step, so after the
one before it; a write has then done half of its bytes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from monitor_loop.session import Session
from tests.monitor_tick.stores import after_ticks, commit_tick, load_after


class Died(BaseException):
    """The end of the process, for a test that goes on in the same one."""


CALLS: tuple[tuple[Any, str], ...] = (
    (os, "write"),
    (os, "fsync"),
    (os, "utime"),
    (Path, "replace"),
    (Path, "unlink"),
)


class Steps:
    """Counts the steps, and dies at one of them; `names` are those that were reached, in order."""

    def __init__(
        self, patch: pytest.MonkeyPatch, die: Callable[[], None], at: int, calls: Sequence[tuple[Any, str]] = CALLS
    ) -> None:
        self.names: list[str] = []
        self._die, self._at = die, at
        for owner, name in calls:
            self._wrap(patch, owner, name)

    def _wrap(self, patch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            self.names.append(name)
            if len(self.names) == self._at + 1:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                self._die()
            return real(*args, **kwargs)

        patch.setattr(owner, name, step)


def no_fsync(fd: int) -> None:
    """The death of a process loses nothing that it wrote, synced or not; waiting for a disk would only cost time."""


def die_in_process() -> None:
    raise Died


def die_for_real() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def commit_dying(session: Session, tick: int, die: Callable[[], None], at: int) -> list[str]:
    """Commit `tick`, and return the steps that were reached."""
    memory = load_after(session, tick - 1)
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(patch, die, at)
        with contextlib.suppress(Died):
            commit_tick(session, memory, tick)
        return steps.names


def load_dying(session: Session, tick: int, die: Callable[[], None], at: int) -> list[str]:
    """Load as the tick after `tick`, finishing what it finds, and return the steps that were reached."""
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(patch, die, at)
        with contextlib.suppress(Died):
            load_after(session, tick)
        return steps.names


def main(root: Path) -> None:
    """One directory for each step: tick 2 of the session in it was killed there. The last one was not killed."""
    pytest.MonkeyPatch().setattr(os, "fsync", no_fsync)
    at = 0
    while True:
        session = after_ticks(root / f"{at:03}", 1)
        child = os.fork()
        if child == 0:
            commit_dying(session, 2, die_for_real, at)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return
        if os.WTERMSIG(status) != signal.SIGKILL:
            raise SystemExit(f"step {at} ended with status {status}")
        at += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
