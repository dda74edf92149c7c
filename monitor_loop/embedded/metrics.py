"""The node's metrics: counters that only grow, gauges, cumulative histograms, and their exposition."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from monitor_loop.embedded.catalogue import Metric

# Each appears with the metadata stream's first frame and not before, unlike every other counter (contract 4.1).
_NOT_PREREGISTERED = frozenset({"stellar_meta_stream_bytes_total", "stellar_meta_stream_writes_total"})
_DURATIONS = ("henyey_ledger_close_", "henyey_ledger_persist_", "stellar_ledger_close_duration")
_KINDS = ("counter", "gauge", "histogram")


class Histogram:
    """`counts` are per bucket; the exposition makes them cumulative."""

    def __init__(self, edges: tuple[str, ...]) -> None:
        self.edges = edges
        self.bounds = tuple(math.inf if edge == "+Inf" else float(edge) for edge in edges)
        self.counts = [0] * len(edges)
        self.total = 0.0

    def observe(self, value: float, samples: int = 1) -> None:
        self.counts[next(index for index, bound in enumerate(self.bounds) if value <= bound)] += samples
        self.total += value * samples

    def spread(self, mean: float, sigma: float, samples: int) -> None:
        """Many samples of a lognormal at once, by its distribution: a ledger holds hundreds of transactions."""
        for index, count in enumerate(_spread(self.bounds, mean, sigma, samples)):
            self.counts[index] += count
        self.total += mean * samples


@functools.lru_cache(maxsize=256)
def _spread(bounds: tuple[float, ...], mean: float, sigma: float, samples: int) -> tuple[int, ...]:
    """How many of the samples are in each bucket: the same for one ledger after the other."""
    centre = math.log(mean) - sigma * sigma / 2
    below, counts = 0, []
    for bound in bounds:
        share = 1.0 if bound == math.inf else _normal_share((math.log(bound) - centre) / sigma)
        upto = round(share * samples)
        counts.append(upto - below)
        below = upto
    return tuple(counts)


class Registry:
    """Every series of the node. Counters and gauges stand there from the first scrape; a histogram from its first
    sample. Names are checked against the catalogue by the KeyError of a wrong one.
    """

    def __init__(self, catalogue: tuple[Metric, ...], rng: random.Random) -> None:
        self._rng = rng
        self._rows = {metric.name: metric for metric in catalogue}
        self._of = {kind: tuple(metric for metric in catalogue if metric.kind == kind) for kind in _KINDS}
        self._growth = tuple(
            (metric.name, labels, level, metric.spread)
            for metric in self._of["counter"]
            for labels, level in zip(metric.series, metric.levels, strict=True)
            if level
        )
        self._counters: dict[str, dict[str, float]] = {}
        self._gauges: dict[str, float] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in catalogue:
            if metric.kind == "counter" and metric.name not in _NOT_PREREGISTERED:
                self._counters[metric.name] = dict.fromkeys(metric.series, 0.0)
            elif metric.kind == "gauge":
                self._gauges[metric.name] = 0.0

    def has(self, name: str) -> bool:
        return name in self._rows

    def counter(self, name: str, labels: str = "") -> int:
        return int(self._counters[name][labels])

    def add(self, name: str, amount: float = 1, labels: str = "") -> None:
        series = self._counters.setdefault(self._rows[name].name, {})
        series[labels] = series.get(labels, 0.0) + amount

    def gauge(self, name: str, value: float) -> None:
        self._gauges[self._rows[name].name] = value

    def observe(self, name: str, value: float) -> None:
        self._histogram(self._rows[name]).observe(value)

    def observe_usual(self, name: str) -> None:
        """One sample of the metric's own level; none where the mode has none."""
        metric = self._rows[name]
        if metric.levels:
            self.observe(name, self._lognormal(metric))

    def settle(self) -> None:
        """Gauges at their level, as after the restore; those that follow the state are set by the scrape."""
        for metric in self._of["gauge"]:
            self.gauge(metric.name, self._around(metric.levels[0], metric.spread))

    def ledger_closed(self, slowness: float) -> None:
        """One ledger's growth of every counter and its samples of every duration, these times `slowness`."""
        for name, labels, level, spread in self._growth:
            self.add(name, level * self._rng.uniform(1 - spread, 1 + spread), labels)
        for metric in self._of["histogram"]:
            if metric.samples and metric.levels:
                self._record(metric, slowness if metric.name.startswith(_DURATIONS) else 1.0)
        self.settle()

    def render(self, rng: random.Random, missing: Collection[str], forced: Mapping[str, float]) -> str:
        """As metrics-exporter-prometheus prints it: counters, gauges, histograms, at random inside each block."""
        gauges = {**self._gauges, **{name: value for name, value in forced.items() if name in self._gauges}}
        blocks: tuple[dict[str, list[str]], ...] = (
            {name: _counter_lines(name, series, rng) for name, series in self._counters.items()},
            {name: [f"{name} {number(value)}"] for name, value in gauges.items()},
            {name: _histogram_lines(name, histogram) for name, histogram in self._histograms.items()},
        )
        return "".join(
            self._family(name, kind, block[name])
            for kind, block in zip(_KINDS, blocks, strict=True)
            for name in rng.sample(sorted(block), len(block))
            if name not in missing
        )

    def _family(self, name: str, kind: str, lines: Iterable[str]) -> str:
        return "\n".join([f"# HELP {name} {self._rows[name].text}", f"# TYPE {name} {kind}", *lines, "", ""])

    def _record(self, metric: Metric, slowness: float) -> None:
        histogram = self._histogram(metric)
        if metric.samples > 1:
            histogram.spread(metric.levels[0] * slowness, metric.spread, metric.samples)
        else:
            histogram.observe(self._lognormal(metric) * slowness)

    def _lognormal(self, metric: Metric) -> float:
        return self._rng.lognormvariate(math.log(metric.levels[0]) - metric.spread**2 / 2, metric.spread)

    def _around(self, level: float, spread: float) -> float:
        value = level * self._rng.uniform(1 - spread, 1 + spread)
        return float(round(value)) if level == round(level) else value

    def _histogram(self, metric: Metric) -> Histogram:
        if metric.name not in self._histograms:
            self._histograms[metric.name] = Histogram(metric.edges)
        return self._histograms[metric.name]


def _normal_share(deviations: float) -> float:
    """The share of a normal distribution that lies below so many standard deviations."""
    return (1 + math.erf(deviations / math.sqrt(2))) / 2


def number(value: float) -> str:
    """Integers bare, floats in full without exponent."""
    if value == int(value):
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def _counter_lines(name: str, series: Mapping[str, float], rng: random.Random) -> list[str]:
    return [f"{name}{labels} {int(series[labels])}" for labels in rng.sample(sorted(series), len(series))]


def _histogram_lines(name: str, histogram: Histogram) -> list[str]:
    lines: list[str] = []
    running = 0
    for edge, count in zip(histogram.edges, histogram.counts, strict=True):
        running += count
        lines.append(f'{name}_bucket{{le="{edge}"}} {running}')
    return [*lines, f"{name}_sum {number(histogram.total)}", f"{name}_count {running}"]
