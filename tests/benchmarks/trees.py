"""Row 8: the size of a tree, beside du -s."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from monitor_loop.nodeconfig import read_node_config
from monitor_loop.session import NodeConfig
from monitor_tick.catalog import load_rules
from monitor_tick.facts import Missing
from monitor_tick.probes.disk import observe_trees
from monitor_tick.probes.tree import TreeCache, decode_cache, encode_cache
from tests.benchmarks.commands import needed, run
from tests.benchmarks.figures import Effort, Figure, medians
from tests.recorded_node import RecordedNode, recorded_node

FULL_GOAL = 2.2
UNCHANGED_GOAL = 0.12
DIRECTORY_FILES = 200
SETTLED = timedelta(minutes=1)


def trees(effort: Effort) -> Iterator[Figure]:
    needed("du")
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory, recorded_node(Path(directory)) as node:
        made = make_files(node, effort.tree_files)
        roots = (str(node.session.directory), str(node.session.data.path / "mainnet"))
        _, cache = _observe(node, TreeCache())
        kept = encode_cache(cache)
        full, unchanged, du = medians(
            max(3, effort.repeats // 2),
            (
                lambda: _observe(node, TreeCache())[0],
                lambda: _observe(node, kept)[0],
                lambda: _du(roots),
            ),
        )
    what = f"{made // 1000} k files"
    yield Figure(f"trees: {what}, all / du -s", full / du, FULL_GOAL, f"{full:.2f} s of {du:.2f} s")
    detail = f"{unchanged * 1000:.0f} ms of {du * 1000:.0f} ms, {len(kept) // 1024} kB of cache read too"
    yield Figure(f"trees: {what}, unchanged / du -s", unchanged / du, UNCHANGED_GOAL, detail)


def make_files(node: RecordedNode, count: int) -> int:
    """One third buckets, two thirds cargo output, 200 files a directory; returns how many."""
    buckets = node.session.data.path / "mainnet/buckets"
    places = (buckets, node.session.cargo_target, node.session.cargo_target)
    directories = count // DIRECTORY_FILES
    for number in range(directories):
        place = places[number % len(places)] / f"d{number % 64}/{number}"
        place.mkdir(parents=True)
        for name in range(DIRECTORY_FILES):
            os.close(os.open(f"{place}/{name}", os.O_CREAT | os.O_WRONLY))
    return directories * DIRECTORY_FILES


def _observe(node: RecordedNode, cache: TreeCache | bytes) -> tuple[float, TreeCache]:
    started = time.perf_counter()
    known = decode_cache(cache) if isinstance(cache, bytes) else cache
    later = datetime.now(timezone.utc) + SETTLED
    sizes, after = observe_trees(node.session, _config(node), known, later, load_rules().limits)
    if isinstance(sizes, Missing) or sizes.session.partial or sizes.mainnet.partial:
        raise RuntimeError("the trees were not measured whole")
    return time.perf_counter() - started, after


def _config(node: RecordedNode) -> NodeConfig:
    return read_node_config(node.session.config_file, node.session.repo)


def _du(roots: tuple[str, ...]) -> float:
    started = time.perf_counter()
    run(("du", "-s", *roots))
    return time.perf_counter() - started
