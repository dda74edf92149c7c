"""The shipped catalog, the recorded scrapes, and a View in which one row has one value."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import tomli

from monitor_loop.session import Identity
from monitor_tick.catalog import default_directory, load_rules
from monitor_tick.exposition import parse
from monitor_tick.facts import Missing
from monitor_tick.memory import ScrapeState, State
from monitor_tick.metrics import Labels, Scrape
from monitor_tick.rules import AlarmRow, Rules
from monitor_tick.view import View
from tests.monitor_tick.views import CADENCE, IDENTITY, NOW, a_view

SCRAPES = Path(__file__).parents[1] / "data"
RULES = load_rules()
TABLES: dict[str, dict[str, Any]] = {
    table["name"]: table
    for table in tomli.loads((default_directory() / "metric-alarms.toml").read_text(encoding="utf-8"))["alarm"]
}
"""The rows as the file has them, for a model that shares no code with the product."""

OTHER_RUN = Identity(pid=4711, start_ticks=990_001, boot_id=IDENTITY.boot_id)


def a_scrape(file: str = "healthy_next.prom", *, at: datetime = NOW, identity: Identity = IDENTITY) -> Scrape:
    types, samples = parse((SCRAPES / file).read_text(encoding="utf-8"))
    return Scrape(identity=identity, at=at, types=types, samples=samples)


BEFORE = a_scrape("healthy.prom", at=NOW - CADENCE)
AFTER = a_scrape("healthy_next.prom")


def with_values(scrape: Scrape, values: Mapping[str, float]) -> Scrape:
    """`scrape` with these unlabelled series."""
    return with_series(scrape, {(name, ()): value for name, value in values.items()})


def with_series(scrape: Scrape, values: Mapping[tuple[str, Labels], float]) -> Scrape:
    return msgspec.structs.replace(scrape, samples={**scrape.samples, **values})


def without(scrape: Scrape, name: str) -> Scrape:
    """`scrape` as if the node had never heard of the metric."""
    gone = {name, *(f"{name}_{part}" for part in ("bucket", "sum", "count"))}
    samples = {series: value for series, value in scrape.samples.items() if series[0] not in gone}
    return msgspec.structs.replace(scrape, samples=samples)


EDGES = ("0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "30", "+Inf")
BASE = (0.25,) * 1000
"""What a histogram observed before the first of two scrapes; its sum is exact in binary."""


def with_histogram(
    scrape: Scrape, name: str, observed: Sequence[float], *, edges: Sequence[str] = EDGES, labels: Labels = ()
) -> Scrape:
    """`scrape` with a histogram of exactly these observations."""
    samples = scrape.samples if labels else without(scrape, name).samples
    ordered = sorted(observed)
    total = math.fsum(observed)
    count = math.nan if math.isnan(total) else float(len(observed))
    parts: dict[tuple[str, Labels], float] = {(f"{name}_sum", labels): total, (f"{name}_count", labels): count}
    for edge in edges:
        within = math.nan if math.isnan(total) else float(bisect_right(ordered, float(edge)))
        parts[f"{name}_bucket", tuple(sorted((*labels, ("le", edge))))] = within
    types = {**scrape.types, name: "histogram"}
    return msgspec.structs.replace(scrape, types=types, samples={**samples, **parts})


def observing(name: str, observed: Sequence[float]) -> tuple[Scrape, Scrape]:
    """Two scrapes between which the histogram observed this."""
    return with_histogram(BEFORE, name, BASE), with_histogram(AFTER, name, (*BASE, *observed))


def of_run(scrape: Scrape, identity: Identity) -> Scrape:
    return msgspec.structs.replace(scrape, identity=identity)


def scrape_state(overlay_timeouts: float | None = 0.0, *, interrupted: bool = False) -> ScrapeState:
    return ScrapeState(
        identity=IDENTITY,
        at=NOW - CADENCE,
        checksum="0" * 64,
        overlay_timeouts=overlay_timeouts,
        interrupted=interrupted,
    )


def a_pair_view(
    previous: Scrape | None = BEFORE,
    current: Scrape | Missing = AFTER,
    *,
    kept: ScrapeState | None = None,
    rules: Rules = RULES,
    **changes: object,
) -> View:
    """Two scrapes and what the tick before kept (by default an overlay delta of 0)."""
    state = State(scrape=kept or scrape_state())
    return a_view(rules=rules, previous=previous, scrape=current, state=state, **changes)


def row_of(name: str) -> AlarmRow:
    return RULES.by_name[name]


def metrics_of(name: str) -> tuple[str, ...]:
    return tuple(TABLES[name].get("metrics", [name]))


def gauge_values(name: str, value: float) -> dict[str, float]:
    """Series in which the gauge row has this value."""
    table = TABLES[name]
    divisor = table.get("divisor")
    scaled = value * 1000 if divisor else value
    first, *rest = metrics_of(name)
    return {first: scaled, **dict.fromkeys(rest, 0.0), **({divisor: 1000.0} if divisor else {})}
