"""Deltas of counters and p99 buckets of histograms against Prometheus itself, on 10 000 random cases.

Two samples stand exactly at the two ends of the range, so that increase() has nothing to extrapolate (before
Prometheus 3 a range includes its start). Prometheus differs from the rows in three documented ways:

- histogram_quantile interpolates within a bucket, where a row takes the bucket's edge: compared is which bucket it is;
- above the highest finite edge it answers that edge, where a row says +Inf;
- it makes buckets rise by force. Their increases fall only where some buckets of a histogram were reset and others
  were not, which no restart of a node does; such a case is compared bucket by bucket alone.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from monitor_loop.session import Identity
from monitor_tick.alert import Tier
from monitor_tick.judging.series import histogram_delta
from monitor_tick.metrics import Delta, HistogramDelta, Scrape, delta_of
from monitor_tick.rules import AlarmRow, Comparison, Condition, Kind

PROMTOOL = shutil.which("promtool") or ""

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed: nothing is compared with Prometheus"),
]

CASES = 10_000
BATCH = 50
"""Cases in one test file; promtool reads 10 000 samples a query at most, and its time grows faster than the number."""

Values = dict[str, tuple[float, float]]
"""Series in the notation of PromQL, with their values in the two scrapes."""

RESETS = 0.1
AT = datetime(2026, 5, 9, 3, 40, 7, tzinfo=timezone.utc)
RUN = Identity(pid=1, start_ticks=1, boot_id="boot")
NAME = "henyey_work_seconds"
LAYOUTS = (
    ("0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "30", "+Inf"),
    ("0.05", "0.1", "0.25", "0.5", "1", "2", "5", "10", "30", "+Inf"),
    ("1", "2", "3", "5", "7", "10", "15", "20", "30", "60", "+Inf"),
    ("1", "5", "10", "30", "60", "120", "300", "600", "+Inf"),
)
ROW = AlarmRow(
    name=NAME,
    metrics=(NAME,),
    kind=Kind.HISTOGRAM,
    condition=Condition(Comparison.ABOVE, 1.0),
    tier=Tier.WARN,
    title="work is slow",
    version=1,
    since=AT.date(),
)


class Case(msgspec.Struct, frozen=True):
    """A counter and a histogram in two scrapes: cumulative counts by edge, the last of them the count."""

    number: int
    edges: tuple[str, ...]
    counter: tuple[int, int]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def scrape(self, *, later: bool) -> Scrape:
        counts = self.after if later else self.before
        buckets = {(f"{NAME}_bucket", (("le", edge),)): float(n) for edge, n in zip(self.edges, counts, strict=True)}
        whole = {(f"{NAME}_count", ()): float(counts[-1]), (f"{NAME}_sum", ()): float(counts[-1])}
        samples = {**buckets, **whole, ("henyey_work_total", ()): float(self.counter[later])}
        at = AT + timedelta(minutes=20) if later else AT
        return Scrape(identity=RUN, at=at, types={NAME: "histogram"}, samples=samples)

    @property
    def delta(self) -> Delta:
        found = delta_of(self.scrape(later=False), self.scrape(later=True), "henyey_work_total")
        assert found is not None
        return found

    @property
    def histogram(self) -> HistogramDelta:
        found = histogram_delta(ROW, self.scrape(later=False), self.scrape(later=True))
        assert isinstance(found, HistogramDelta)
        return found


def random_counts(chance: random.Random, edges: int) -> tuple[int, ...]:
    """Cumulative: a bulk around one bucket and a tail that is often near one percent."""
    total = chance.choice((chance.randint(0, 40), chance.randint(0, 400), 100 * chance.randint(1, 9)))
    bulk = chance.randrange(edges)
    counts = [0] * edges
    tail = min(total, chance.choice((0, total // 100, total // 100 + 1, chance.randint(0, total))))
    counts[bulk] += total - tail
    for _ in range(tail):
        counts[chance.randrange(edges)] += 1
    return tuple(itertools.accumulate(counts))


def random_case(chance: random.Random, number: int) -> Case:
    edges = chance.choice(LAYOUTS)
    before, observed = random_counts(chance, len(edges)), random_counts(chance, len(edges))
    reset = chance.random() < RESETS
    after = observed if reset else tuple(old + new for old, new in zip(before, observed, strict=True))
    first = chance.randint(0, 5000)
    second = chance.randint(0, 5000) if reset else first + chance.choice((0, 1, chance.randint(0, 500_000)))
    return Case(number, edges, (first, second), before, after)


def series_of(case: Case) -> Iterator[tuple[str, tuple[float, float]]]:
    """What Prometheus reads, and what the rows make of it, as series of the same case."""
    labels = f'case="{case.number}"'
    yield f"c{{{labels}}}", case.counter
    yield f"c_expected{{{labels}}}", (0, case.delta.amount)
    histogram = case.histogram
    for edge, before, after in zip(case.edges, case.before, case.after, strict=True):
        yield f'b{{{labels},le="{edge}"}}', (before, after)
    for edge, (_, increase) in zip(case.edges, histogram.buckets, strict=True):
        yield f'b_expected{{{labels},le="{edge}"}}', (0, increase)
    increases = [increase for _, increase in histogram.buckets]
    if not histogram.count or increases != sorted(increases):
        return
    finite = float(case.edges[-2])
    if histogram.p99 == math.inf:
        yield f"above{{{labels}}}", (0, finite)
        return
    edges = [0.0, *(float(edge) for edge in case.edges)]
    yield f"upper{{{labels}}}", (0, histogram.p99)
    yield f"lower{{{labels}}}", (0, edges[edges.index(histogram.p99, 1) - 1])


QUICK = {**os.environ, "GOGC": "800"}
"""Half of promtool's time would be collecting garbage in 60 MB."""

P99 = "histogram_quantile(0.99, increase(b[20m]))"


def batches_of(chance: random.Random, cases: int) -> list[Values]:
    return [
        dict(pair for number in range(start, start + BATCH) for pair in series_of(random_case(chance, number)))
        for start in range(0, cases, BATCH)
    ]


def named(name: str, series: Values) -> int:
    return sum(each.startswith(f"{name}{{") for each in series)


def batch_file(series: Values, path: Path, wrong_by: int = 0) -> Path:
    """What promtool calls a test: that every case agrees, by the number of those that do."""
    agreeing = {
        "count(increase(c[20m]) == on(case) c_expected)": named("c", series),
        "count(increase(b[20m]) == on(case, le) b_expected)": named("b", series),
        f"count({P99} <= on(case) upper > on(case) lower)": named("upper", series),
        f"count({P99} == on(case) above)": named("above", series),
    }
    tests = [
        {"expr": expr, "eval_time": "20m", "exp_samples": [{"labels": "{}", "value": count + wrong_by}]}
        for expr, count in agreeing.items()
        if count
    ]
    inputs = [{"series": name, "values": f"{first:g} {last!r}"} for name, (first, last) in series.items()]
    path.write_text(
        json.dumps({"tests": [{"interval": "20m", "input_series": inputs, "promql_expr_test": tests}]}),
        encoding="utf-8",
    )
    return path


def promtool(*files: Path) -> tuple[int, str]:
    done = subprocess.run(
        [PROMTOOL, "test", "rules", *map(str, files)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=QUICK,
    )
    return done.returncode, done.stdout + done.stderr


def test_X1_deltas_and_p99_buckets_are_those_of_prometheus(tmp_path: Path) -> None:
    batches = batches_of(random.Random(20261123), CASES)
    assert sum(named("c", series) for series in batches) == CASES
    assert sum(named("upper", series) + named("above", series) for series in batches) > 0.9 * CASES
    assert sum(named("above", series) for series in batches) > 0
    files = [batch_file(series, tmp_path / f"batch-{number}.yml") for number, series in enumerate(batches)]
    code, output = promtool(*files)
    assert (code, output.count("SUCCESS")) == (0, CASES // BATCH), output[:5000]


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    (series,) = batches_of(random.Random(1), BATCH)
    assert promtool(batch_file(series, tmp_path / "right.yml"))[0] == 0
    code, output = promtool(batch_file(series, tmp_path / "wrong.yml", wrong_by=1))
    assert code != 0
    assert "FAILED" in output
    wider = {
        name: (values[0], 5 * values[1]) if name.startswith("upper{") else values for name, values in series.items()
    }
    lower = {name: (0.0, series[name.replace("lower{", "upper{")][1]) for name in series if name.startswith("lower{")}
    assert promtool(batch_file({**wider, **lower}, tmp_path / "shifted.yml"))[0] != 0
