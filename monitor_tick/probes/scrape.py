"""GET /metrics: the one scrape of a tick, which must come from the run it is judged as, and bursts of samples."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from monitor_loop import procfs
from monitor_loop.session import Process
from monitor_tick.exposition import ExpositionError, parse
from monitor_tick.facts import Missing
from monitor_tick.metrics import Scrape, Series
from monitor_tick.probes.http import Body, fetch
from monitor_tick.probes.node import admin_url
from monitor_tick.rules import Limits

_NO_RECORDER = b"# metrics recorder not installed"


class ScrapeRead(msgspec.Struct, frozen=True):
    """A scrape, and the bytes it was read from: what becomes current.prom."""

    scrape: Scrape
    body: bytes


class _Parsed(msgspec.Struct, frozen=True):
    types: dict[str, str]
    samples: dict[Series, float]


def observe_scrape(port: int, process: Process, at: datetime, proc: Path, limits: Limits) -> ScrapeRead | Missing:
    """The scrape of exactly this run: `process` is looked at again before and after."""
    if not procfs.still_runs(process, proc):
        return Missing("process gone before the scrape")
    body = _fetch_metrics(port, limits.http_deadline_seconds, limits)
    if not procfs.still_runs(process, proc):
        return Missing("process changed during the scrape")
    if isinstance(body, Missing):
        return body
    parsed = _parse(body.content)
    if isinstance(parsed, Missing):
        return parsed
    scrape = Scrape(identity=process.identity, at=at, types=parsed.types, samples=parsed.samples)
    return ScrapeRead(scrape=scrape, body=body.content)


def sample_gauges(
    port: int, names: Sequence[str], count: int, interval: float, limits: Limits
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Up to `count` samples of each name, `interval` seconds apart, oldest first; a name's series are summed.

    Ends early at the first failure and at the end of the confirm window. A name that no scrape had has no samples.
    """
    ends = time.monotonic() + limits.confirm_window_seconds
    samples: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(count):
        if turn > 0:
            time.sleep(max(0.0, min(interval, ends - time.monotonic())))
        left = ends - time.monotonic()
        if left <= 0:
            break
        body = _fetch_metrics(port, min(left, limits.http_deadline_seconds), limits)
        parsed = body if isinstance(body, Missing) else _parse(body.content)
        if isinstance(parsed, Missing):
            break
        for name, value in _sums_of(parsed.samples, samples).items():
            samples[name].append(value)
    return tuple((name, tuple(samples[name])) for name in names)


def _fetch_metrics(port: int, deadline_seconds: float, limits: Limits) -> Body | Missing:
    url = admin_url(port, "/metrics")
    return fetch("GET", url, deadline_seconds=deadline_seconds, max_bytes=limits.http_body_mb * 2**20)


def _parse(content: bytes) -> _Parsed | Missing:
    if not content.strip():
        return Missing("empty")
    if content.strip() == _NO_RECORDER:
        return Missing("recorder not installed")
    if not content.endswith(b"\n"):
        return Missing("not parseable: cut off")  # a last line without its end may hold half a number
    try:
        return _Parsed(*parse(content.decode()))
    except UnicodeDecodeError:
        return Missing("not parseable: not UTF-8")
    except ExpositionError as error:
        return Missing(f"not parseable: line {error.line}")


def _sums_of(samples: Mapping[Series, float], names: Collection[str]) -> dict[str, float]:
    """The sum of all series of each name that has one."""
    sums: dict[str, float] = {}
    for (name, _), value in samples.items():
        if name in names:
            sums[name] = sums.get(name, 0.0) + value
    return sums
