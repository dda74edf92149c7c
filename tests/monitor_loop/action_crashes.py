"""An append that is killed at its k-th step; run as a program, with the directory to work in, it really is.

One directory for each step: the outcome of the one act in it was killed there. The last one was not killed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_loop import actionlog
from monitor_loop.acts import Precondition
from monitor_loop.session import DataRoot
from tests.monitor_tick.crashes import Steps, die_for_real, no_fsync

NOW = datetime(2026, 5, 9, 3, 40, tzinfo=timezone.utc)
CALLS: tuple[tuple[Any, str], ...] = ((os, "open"), (os, "write"), (os, "fsync"), (os, "replace"))


def intent(number: int, act: str = "relaunch") -> actionlog.Intent:
    return actionlog.Intent(
        id=f"{number:012x}",
        at=NOW,
        act=act,
        why="no process of session 5e5510ff",
        preconditions=(Precondition("lock", "free", "free", holds=True),),
        evidence_digest="e" * 64,
        pid=4242,
        start_ticks=1000,
        boot_id="b",
    )


def outcome(number: int, words: str = "launched pid 4343") -> actionlog.Outcome:
    return actionlog.Outcome(id=f"{number:012x}", at=NOW, done=True, words=words, pid=4343, start_ticks=2000)


def an_act(data: DataRoot, number: int) -> None:
    actionlog.intend(data, intent(number))
    actionlog.conclude(data, outcome(number))


def killed_at(at: int, work: Callable[[], None]) -> bool:
    """Whether `work` got as far as step `at`, and was killed before it; in a process of its own."""
    child = os.fork()
    if child == 0:
        Steps(pytest.MonkeyPatch(), die_for_real, at, CALLS)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status and os.WTERMSIG(status) != signal.SIGKILL:
        raise SystemExit(f"step {at} ended with status {status}")
    return status != 0


def main(root: Path) -> None:
    pytest.MonkeyPatch().setattr(os, "fsync", no_fsync)
    for at in range(1000):
        data = DataRoot(root / f"{at:03}")
        data.path.mkdir()
        actionlog.intend(data, intent(1))
        if not killed_at(at, lambda data=data: actionlog.conclude(data, outcome(1))):  # type: ignore[misc]
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
