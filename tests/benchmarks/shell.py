"""Row 2: the CPU time of a tick beside that of the same steps as a shell script."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.commands import cpu_seconds, needed, run
from tests.benchmarks.figures import FEW, Effort, Figure, medians
from tests.benchmarks.world import MB, World, world

SCRIPT = Path(__file__).with_name("shell-tick.sh")
SIZES = ((10, 1 / 5), (1024, 1 / 10))


def against_shell(effort: Effort) -> Iterator[Figure]:
    needed("curl", "jq", "sh", "awk", "du")
    for size_mb, goal in SIZES:
        if size_mb > 10 and effort.repeats <= FEW:
            continue
        with world(size_mb * MB) as quiet:
            run(quiet.command)
            tick = functools.partial(_tick_seconds, quiet)
            script = functools.partial(cpu_seconds, _script(quiet))
            ours, theirs = medians(effort.repeats, (tick, script))
        detail = f"{ours * 1000:.0f} ms of {theirs * 1000:.0f} ms"
        yield Figure(f"whole tick: CPU / the same as shell, {size_mb} MB log", ours / theirs, goal, detail)


def _tick_seconds(quiet: World) -> float:
    quiet.rewind()
    return cpu_seconds(quiet.command)


def _script(quiet: World) -> tuple[str, ...]:
    session = quiet.session
    return (
        "sh",
        str(SCRIPT),
        str(quiet.node.proc),
        str(quiet.data),
        session.id,
        str(session.admin_port),
        str(Path(__file__).parents[2] / "shared/metric-alarms.toml"),
    )
