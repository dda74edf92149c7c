"""Row 10: the most memory that a tick holds at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from tests.benchmarks.commands import RUNTIME_PACKAGES, witnessed
from tests.benchmarks.figures import FEW, Effort, Figure
from tests.benchmarks.trees import make_files
from tests.benchmarks.world import MB, append_log, world

SIZE_GOAL = 1.05


def memory(effort: Effort) -> Iterator[Figure]:
    reference = witnessed("import", *RUNTIME_PACKAGES).peak_rss_kb
    small = _peak_kb(10 * MB)
    yield Figure("memory: peak RSS of a tick / importing the packages", small / reference, 1, _of(small, reference))
    large_mb = 1024 if effort.repeats > FEW else 128
    large = _peak_kb(large_mb * MB, tree_files=effort.tree_files)
    what = f"memory: peak RSS at {large_mb} MB of log, {effort.tree_files // 1000} k files / at 10 MB, none"
    yield Figure(what, large / small, SIZE_GOAL, _of(large, small))
    most = _peak_kb(large_mb * MB, new_mb=62)
    what = "memory: peak RSS with 64 MB of new log / importing the packages"
    yield Figure(what, most / reference, 1, _of(most, reference))


def _of(measured_kb: int, reference_kb: int) -> str:
    return f"{measured_kb / 1024:.1f} MB of {reference_kb / 1024:.1f} MB"


def _peak_kb(log_bytes: int, new_mb: int = 0, tree_files: int = 0) -> int:
    with world(log_bytes) as quiet:
        if tree_files:
            make_files(quiet.node, tree_files)
        if new_mb:
            append_log(quiet.session.log, new_mb * MB, datetime.now(timezone.utc))
        if tree_files:
            quiet.keep()
            witnessed("monitor_tick.cli:main", *quiet.arguments)  # leaves the cache of the trees
            kept = quiet.session.tree_cache.read_bytes()
            quiet.rewind()
            quiet.session.tree_cache.write_bytes(kept)
        return witnessed("monitor_tick.cli:main", *quiet.arguments).peak_rss_kb
