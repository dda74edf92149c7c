"""What a row of shared/*.toml must not say, though its types are right. Pure.

`wrong_with` is what the loader refuses by the row alone; catalog_lint.py asks whether a row that loads can fire at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from monitor_tick.rules import AlarmRow, CiCategory, CiFailure, Comparison, Kind, LogPattern, Reading

METRIC = re.compile(r"(henyey|stellar)_[a-z0-9_]+")
TEST_WORDS = frozenset({"test", "tests", "fixture", "fake", "mock", "dummy", "example"})
"""A name left over from a test once became real issues; no metric of the node has such a word in it."""

MOST_TICKS = 2
"""A tick knows its own scrape and the one before."""

SMALLEST_SCALED = 10
"""Below it a normalised increase is noise: one event in two intervals would count as a half."""

HIGH_WATER = "_max"
"""What ends in it never falls again, so that an alarm on it would never end."""


RERUN = (CiCategory.INFRASTRUCTURE, CiCategory.FLAKY)
"""Categories that only a row can give; the others are read from the log."""

LEAST_OF_PATTERN = 8
"""Characters without `*`: a shorter text is in a log that says something else."""


def wrong_with(row: AlarmRow | LogPattern | CiFailure) -> Iterator[str]:
    """Each contradiction of the row, as key and what is allowed; types and words are right already."""
    if isinstance(row, CiFailure):
        return _wrong_ci_failure(row)
    return _wrong_alarm(row) if isinstance(row, AlarmRow) else _wrong_pattern(row)


def _wrong_alarm(row: AlarmRow) -> Iterator[str]:
    yield from _wrong_names(row)
    yield from (f"{key} must not be empty" for key in ("title", "modes") if not getattr(row, key))
    yield from (f"{key} repeats itself" for key in ("gates", "modes", "metrics") if _repeats(getattr(row, key)))
    if row.version < 1:
        yield f"version is {row.version}; it counts from 1"
    if not 1 <= row.ticks <= MOST_TICKS:
        yield f"ticks is {row.ticks}; allowed: 1, {MOST_TICKS} (only the previous scrape is kept)"
    wrong = {Kind.COUNTER: _wrong_counter, Kind.GAUGE: _wrong_gauge, Kind.HISTOGRAM: _wrong_histogram}
    yield from wrong[row.kind](row)


def _wrong_names(row: AlarmRow) -> Iterator[str]:
    if not row.metrics:
        yield "metrics must not be empty"
    keyed = [("name", row.name), *(("metrics", metric) for metric in row.metrics)]
    for key, name in keyed + ([("divisor", row.divisor)] if row.divisor is not None else []):
        if not METRIC.fullmatch(name) or TEST_WORDS & set(name.split("_")):
            yield f"{key}: {name!r} is no metric of the node; allowed: henyey_... or stellar_... in a-z, 0-9 and _"


def _wrong_counter(row: AlarmRow) -> Iterator[str]:
    for key in ("divisor", "confirm"):
        if getattr(row, key):
            yield f"{key} is for gauges"
    if row.ticks != 1:
        yield "ticks is for gauges: a delta needs the previous scrape as its baseline"
    if row.scale and row.condition.threshold < SMALLEST_SCALED:
        yield f"scale needs a number of at least {SMALLEST_SCALED} in condition"
    if row.scale and row.condition.factor is not None:
        yield "scale and factor exclude each other"


def _wrong_gauge(row: AlarmRow) -> Iterator[str]:
    if row.scale:
        yield "scale is for counters"
    if row.condition.factor is not None:
        yield "factor is for counters"
    if row.confirm and (row.divisor or len(row.metrics) != 1):
        yield "confirm samples one gauge: no divisor and no sum"
    yield from (
        f"metrics: {metric!r} is a high-water mark and never falls"
        for metric in row.metrics
        if metric.endswith(HIGH_WATER)
    )


def _wrong_histogram(row: AlarmRow) -> Iterator[str]:
    yield from (f"{key} is for gauges" for key in ("divisor", "confirm") if getattr(row, key))
    if row.ticks != 1:
        yield "ticks is for gauges: a delta needs the previous scrape as its baseline"
    if row.scale:
        yield "scale is for counters"
    if row.condition.factor is not None:
        yield "factor is for counters"
    if len(row.metrics) > 1:
        yield "metrics: a histogram row judges one histogram"
    if row.condition.comparison is not Comparison.ABOVE or row.condition.threshold <= 0:
        yield "condition of a histogram is > and a bucket edge: its p99 is the edge that 99 % do not exceed"


def _repeats(values: Sequence[object]) -> bool:
    return len(set(values)) != len(values)


def _wrong_pattern(row: LogPattern) -> Iterator[str]:
    if not row.name or not row.reason:
        yield "name and reason must not be empty"
    if not any(row.contains) and not row.level and not row.target:
        yield "contains: the row would match every line; allowed: at least one text, level or target"
    if "" in row.contains:
        yield "contains: an empty text matches every line"
    if row.reading is Reading.FINDING and not row.title and not row.owner:
        yield "title: a finding needs the title of its issue"


def _wrong_ci_failure(row: CiFailure) -> Iterator[str]:
    yield from (f"{key} must not be empty" for key in ("name", "patterns", "reason") if not getattr(row, key))
    if row.category not in RERUN:
        yield f"category is {row.category.value!r}; allowed: {', '.join(category.value for category in RERUN)}"
    if row.category is CiCategory.FLAKY and row.unless:
        yield "unless is for infrastructure: a flaky row is about names of tests"
    for key, texts in (("patterns", row.patterns), ("unless", row.unless)):
        if _repeats(texts):
            yield f"{key} repeats itself"
        for text in texts:
            if len(text.replace("*", "")) < LEAST_OF_PATTERN:
                yield f"{key}: {text!r} is too short; allowed: at least {LEAST_OF_PATTERN} characters without *"
