"""What one full tick leaves for `replay`, `tune` and `explain`: all that its metrics were judged from, and the outcome.

Values only; `archive` keeps them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from monitor_loop import __version__
from monitor_loop.errors import MonitorError
from monitor_loop.session import Identity, Mode, Process
from monitor_tick.facts import LogReading, Missing
from monitor_tick.judging.cooldown import key_of
from monitor_tick.memory import Memory
from monitor_tick.metrics import Scrape, Series
from monitor_tick.phase import Phase, Standing
from monitor_tick.plan import Filing
from monitor_tick.rules import Rules
from monitor_tick.verdict import Decision, Verdict
from monitor_tick.view import View


class Meaning(msgspec.Struct, frozen=True):
    """Which meaning of a catalog row judged: its version, and the day since which it has it."""

    version: int
    since: date


class Run(msgspec.Struct, frozen=True):
    """The live process of the tick."""

    identity: Identity
    started_at: datetime


class Reading(msgspec.Struct, frozen=True):
    """The scrape without its layout; `values` are in the layout's order."""

    identity: Identity
    at: datetime
    checksum: str
    values: tuple[float, ...]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided, without what it was decided from. `no_scrape` is why there was none, else empty.

    `suppressed` maps an alarm that fired to the seconds for which its cooldown still keeps it from being filed.
    """

    at: datetime
    mode: Mode
    cadence_seconds: int
    product: str
    catalog: str
    meanings: dict[str, Meaning]
    no_scrape: str
    decisions: tuple[Decision, ...]
    suppressed: dict[str, float] = {}


class Record(Trace, frozen=True, kw_only=True):
    """Everything a judgement of the metrics was made from.

    `memory` is what the tick had loaded, without the baseline scrape, which an earlier entry holds (`had_baseline`),
    and without the sections that the metrics do not read. `gauge_samples` is None where nothing was to be confirmed.
    """

    run: Run | None
    build: str
    standing: Standing
    phase: Phase
    memory: Memory
    had_baseline: bool
    reading: Reading | None
    gauge_samples: tuple[tuple[str, tuple[float, ...]], ...] | None
    log: LogReading | None


class Entry(msgspec.Struct, frozen=True):
    record: Record
    scrape: Scrape | None


class Unreadable(msgspec.Struct, frozen=True):
    """An entry that is torn, damaged or of another schema; every reader counts it."""

    name: str
    reason: str


class NoAnswer(MonitorError):
    """What was asked has no answer in the record; the text is for the operator, one line."""


def record_of(view: View, verdicts: Sequence[Verdict], filings: Sequence[Filing] = ()) -> Record:
    facts, memory = view.facts, view.memory
    scrape, process, log = facts.scrape, facts.process, facts.log
    return Record(
        at=facts.at,
        mode=view.session.mode,
        cadence_seconds=view.session.cadence_seconds,
        product=__version__,
        catalog=catalog_of(view.rules),
        meanings=meanings_of(view.rules),
        no_scrape=scrape.reason if isinstance(scrape, Missing) else "",
        decisions=tuple(decision for verdict in verdicts for decision in verdict.decisions),
        suppressed={key_of(each.alert): each.left.total_seconds() for each in filings if each.left is not None},
        run=Run(process.identity, process.started_at) if isinstance(process, Process) else None,
        build=facts.build,
        standing=view.standing,
        phase=view.phase,
        memory=_judging(memory),
        had_baseline=memory.previous is not None,
        reading=None if isinstance(scrape, Missing) else _reading(scrape, facts.scrape_checksum),
        gauge_samples=facts.second.gauge_samples if facts.second else None,
        log=None if isinstance(log, Missing) else LogReading(cursor=None, entries=log.entries),
    )


def _judging(memory: Memory) -> Memory:
    unread = dict.fromkeys(("log", "sync", "rss", "trees", "pruning", "firing", "ci"))
    state = msgspec.structs.replace(memory.state, **unread)
    return msgspec.structs.replace(memory, state=state, previous=None, damaged=())


def _reading(scrape: Scrape, checksum: str) -> Reading:
    return Reading(scrape.identity, scrape.at, checksum, tuple(scrape.samples[series] for series in series_of(scrape)))


def series_of(scrape: Scrape) -> tuple[Series, ...]:
    """The layout's order. The node prints its series in another order each time; sorted, one layout serves a month."""
    return tuple(sorted(scrape.samples))


def catalog_of(rules: Rules) -> str:
    """A name for everything in the rules that judges metrics; comments, log patterns and CI are no part of it."""
    judging = msgspec.structs.replace(rules, log_patterns=(), ci_failures=())
    return hashlib.sha256(msgspec.msgpack.encode(judging)).hexdigest()[:16]


def meanings_of(rules: Rules) -> dict[str, Meaning]:
    """By the alarm's name in a decision; 12b has no version and never changed its meaning."""
    rows = {row.name: Meaning(row.version, row.since) for row in rules.alarms}
    return rows | {f"ratio:{row.name}": Meaning(row.version, row.since) for row in rules.ratios}
