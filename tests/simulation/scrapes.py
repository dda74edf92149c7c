"""The exposition of a node that has done so much work: the recorded one, with its counters where they would be then.

Of the recorded scrape only those metrics are served that a rule or a check of the tick names: the others cost time
and are read by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
_NAME = re.compile(r"(?:henyey|stellar)_\w+")
_COUNTED = ("counter", "histogram")


class Sample(NamedTuple):
    """A line without its value. `rate` is how much a counter grows in one unit of work, None for a gauge."""

    series: str
    value: float
    rate: float | None


def scrape(work: float, gauges: Mapping[str, float], added: Mapping[str, float]) -> bytes:
    """`work` is 1 for each twenty minutes in sync since the start. `gauges` and `added` are by series: a value that is
    shown, and what a counter has on top."""
    lines: list[str] = []
    for line in _template():
        if isinstance(line, str):
            lines.append(line)
        elif line.rate is None:
            lines.append(f"{line.series} {gauges.get(line.series, line.value):.12g}")
        else:
            lines.append(f"{line.series} {_counted(line, work) + added.get(line.series, 0):.12g}")
    return "\n".join(lines).encode() + b"\n"


def _counted(sample: Sample, work: float) -> float:
    """Whole, as counts are; a sum of seconds is not."""
    grown = (sample.rate or 0.0) * work
    return grown if sample.series.endswith("_sum") else float(int(grown))


@cache
def _template() -> tuple[str | Sample, ...]:
    wanted = _named()
    later = dict(_values((DATA / "healthy_next.prom").read_text("utf-8")))
    lines: list[str | Sample] = []
    kind, is_wanted = "", False
    for line in (DATA / "healthy.prom").read_text("utf-8").splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            is_wanted = name in wanted
            lines += [line] if is_wanted else []
        elif line and not line.startswith("#") and is_wanted:
            series, _, value = line.rpartition(" ")
            rate = later[series] - float(value) if kind in _COUNTED else None
            lines.append(Sample(series, float(value), rate))
    return tuple(lines)


def _values(text: str) -> list[tuple[str, float]]:
    rows = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return [(series, float(value)) for series, _, value in rows]


def _named() -> set[str]:
    """Every metric that the rules or the code of the tick name."""
    files = [*sorted((ROOT / "shared").glob("*.toml")), *sorted((ROOT / "monitor_tick").rglob("*.py"))]
    return {name for file in files for name in _NAME.findall(file.read_text("utf-8"))}
