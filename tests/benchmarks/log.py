"""Row 6: what reading the log costs, whatever the size of the file."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from monitor_loop.session import Process, Session
from monitor_tick.catalog import load_rules
from monitor_tick.facts import LogCursor, Missing
from monitor_tick.memory import LogState
from monitor_tick.probes.log.reading import observe_log
from tests.benchmarks.commands import needed, run, witnessed
from tests.benchmarks.figures import FEW, Effort, Figure, medians
from tests.benchmarks.world import MB, append_log, world
from tests.recorded_node import recorded_node

SLACK_BYTES = 64 * 1024
ABSENT_BYTES = 32 * MB
PACE_GOAL = 1 / 8
NEW_MB = 48
ALWAYS = (
    "ERROR",
    "WARN",
    "panicked at",
    "[Ee]rror: ",
    "Assertion `",
    "memory allocation of",
    "has overflowed its stack",
)
PERIODIC = ("heartbeat", "Ledger closed", "Memory report ", "Performing database maintenance")


def log(effort: Effort) -> Iterator[Figure]:
    large_mb = 1024 if effort.repeats > FEW else 128
    small, large = _read_bytes(10 * MB), _read_bytes(large_mb * MB)
    detail = f"{large / MB:.2f} MB at {large_mb} MB, {small / MB:.2f} MB at 10 MB, all files of a tick"
    yield Figure("log: bytes read beyond those at 10 MB, in 64 KB", (large - small) / SLACK_BYTES, 1, detail)
    yield _absent(large_mb)
    yield from _pace(effort)


def _read_bytes(log_bytes: int) -> int:
    with world(log_bytes) as quiet:
        witnessed("monitor_tick.cli:main", *quiet.arguments)  # compiles what it imports
        quiet.rewind()
        return witnessed("monitor_tick.cli:main", *quiet.arguments).read_bytes


def _absent(large_mb: int) -> Figure:
    """A first tick on a log with not one line that it looks for, and then on one with not one line break."""
    worst = 0
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory, recorded_node(Path(directory)) as node:
        for line in (b"2026-05-09T03:41:55.000000Z  INFO henyey: nothing\n", b"x"):
            with node.session.log.open("wb") as file:
                for _ in range(large_mb):
                    file.write(line * (MB // len(line)))
            worst = max(worst, _bytes_of(node.session))
    detail = f"{worst / MB:.1f} MB of {large_mb} MB"
    return Figure("log: bytes read for what is absent, in 32 MB", worst / ABSENT_BYTES, 1, detail)


def _bytes_of(session: Session) -> int:
    before = _rchar()
    _observe(session, LogState())
    return _rchar() - before


def _rchar() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar:"))


def _pace(effort: Effort) -> Iterator[Figure]:
    """Reading 48 new MB as a tick does, beside one grep -E for what a tick looks for."""
    needed("grep")
    named = (row.contains[0] for row in load_rules().log_patterns if row.level == "INFO" and row.contains)
    pattern = "|".join((*ALWAYS, *PERIODIC, *named))
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory, recorded_node(Path(directory)) as node:
        path = node.session.log
        path.write_bytes(b"")
        append_log(path, NEW_MB * MB, datetime.now(timezone.utc))
        status = path.stat()
        state = LogState(cursor=LogCursor(status.st_dev, status.st_ino, 0))

        def observed() -> float:
            started = time.perf_counter()
            _observe(node.session, state)
            return time.perf_counter() - started

        def grepped() -> float:
            started = time.perf_counter()
            run(("grep", "-cE", pattern, str(path)))
            return time.perf_counter() - started

        ours, theirs = medians(effort.repeats, (observed, grepped))
    detail = f"{NEW_MB / ours:.0f} MB/s of {NEW_MB / theirs:.0f} MB/s"
    yield Figure("log: pace of new bytes / grep -E", theirs / ours, PACE_GOAL, detail, at_least=True)


def _observe(session: Session, state: LogState) -> None:
    rules = load_rules()
    process: Process | Missing = Missing("no process")
    read = observe_log(session, state, process, rules.log_patterns, rules.limits)
    if isinstance(read, Missing):
        raise RuntimeError(read.reason)
