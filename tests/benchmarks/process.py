"""Row 7: finding the node among 300 processes, the interpreter's own start included."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor_loop.procfs import find_nodes
from monitor_loop.session import DataRoot
from tests.benchmarks.commands import EMPTY, cpu_seconds, needed, run
from tests.benchmarks.figures import Effort, Figure, medians

GOAL = 0.8
PROCESSES = 300
_FIND = "import os, sys; from monitor_loop.procfs import find_nodes; from monitor_loop.envfile import data_root; "
_FIND += "find_nodes(data_root(sys.argv[1], os.environ))"


def process(effort: Effort) -> Iterator[Figure]:
    needed("pgrep", "sleep")
    with tempfile.TemporaryDirectory() as data, sleepers(PROCESSES):
        find = (sys.executable, "-c", _FIND, data)
        run(find)
        ours, inside, empty, theirs = medians(
            2 * effort.repeats,
            (
                lambda: cpu_seconds(find),
                lambda: _search_seconds(Path(data)),
                lambda: cpu_seconds(EMPTY),
                lambda: cpu_seconds(("pgrep", "-f", "henyey.*run"), status=None),
            ),
        )
    detail = f"{ours * 1000:.0f} ms of {theirs * 1000:.0f} ms CPU; python -c pass alone {empty * 1000:.0f} ms"
    yield Figure("finding the node among 300 processes, by itself / pgrep -f", ours / theirs, GOAL, detail)
    detail = f"{inside * 1000:.0f} ms of {theirs * 1000:.0f} ms CPU"
    yield Figure("finding the node among 300 processes, within a tick / pgrep -f", inside / theirs, GOAL, detail)


def _search_seconds(data: Path) -> float:
    started = time.process_time()
    find_nodes(DataRoot(data))
    return time.process_time() - started


@contextmanager
def sleepers(count: int) -> Iterator[None]:
    processes = []
    try:
        for _ in range(count):
            processes.append(subprocess.Popen(("sleep", "600"), stdin=subprocess.DEVNULL))
        yield
    finally:
        for each in processes:
            each.kill()
        for each in processes:
            each.wait()
