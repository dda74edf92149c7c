"""What past ticks say about a finding: its value, when it began and on which build, and what fired with it. Pure."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from monitor_loop.session import Identity
from monitor_tick.issues.finding import Finding
from monitor_tick.judging.log_message import constant_part
from monitor_tick.metrics import Scrape
from monitor_tick.recorded.record import Entry

MOST_TICKS = 48
FIRED_WITH_SHOWN = 5

PEERS = "stellar_peer_count"
DRIFTS = ("henyey_herder_drift_max_seconds", "henyey_herder_drift_min_seconds")
TRAFFIC = (
    "stellar_overlay_message_read_total",
    "stellar_overlay_flood_unique_recv_total",
    "stellar_scp_envelope_receive_total",
    "stellar_ledger_apply_success_total",
    "stellar_ledger_apply_failure_total",
)
"""Counters that grow with what the network sends."""

LEAST_RATES = 3
"""Intervals that make a usual rate."""

_JUDGED = frozenset({"fired", "quiet", "breach"})
_WATCHED = (
    ("memory:fragmentation", "frag_pct", "jemalloc fragmentation, percent"),
    ("memory:", "rss_mb", "RSS, MB"),
    ("disk:", "disk_pct", "data volume used, percent"),
    ("rpc:pruning", "pruning_gap", "ledgers kept for RPC"),
)
"""Keys whose value is a word of tick history, the word, and what it is."""

_AGED = ("sync:", "rpc:unhealthy", "process:wedge", "radar:lag")
_COUNTED = ("log:", "process:death")


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What one archived tick has to say. `fired` is None where the tick did not judge the finding's alarm, and `quiet`
    says that it did, and saw no breach."""

    at: datetime
    build: str
    fired: bool | None
    value: float | None
    quiet: bool = False
    firing: frozenset[str] = frozenset()
    identity: Identity | None = None
    age_seconds: float | None = None
    peers: float | None = None
    drift_seconds: float | None = None
    traffic: tuple[float | None, ...] = ()


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """One line of tick history: the keys of its alerts, and its watch words."""

    at: datetime
    build: str
    keys: frozenset[str]
    watch: tuple[str, ...] = ()


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """`since` is the newest other build that ran without the finding. `clean_ticks` is how many ticks the build that
    runs had before the finding's first one on it, None while the build is unknown. `quiet_in_this_run`: so had the run,
    at least one. `traffic` are this interval's rates over the usual ones, by counter."""

    history: tuple[tuple[datetime, float | None], ...] = ()
    history_of: str = ""
    since: str = ""
    fired_ticks: int = 0
    fired_on_other_builds: bool = False
    clean_ticks: int | None = None
    quiet_in_this_run: bool = False
    fired_with: tuple[tuple[str, int], ...] = ()
    firing: frozenset[str] = frozenset()
    age_seconds: float | None = None
    peers: float | None = None
    usual_peers: float | None = None
    drift_seconds: float | None = None
    disk_pct: float | None = None
    traffic: tuple[tuple[str, float], ...] = ()
    missing: tuple[str, ...] = ()


def history_of(finding: Finding) -> str:
    """What the table of past values is of; empty where no tick keeps one for such a finding."""
    alert = finding.alert
    if alert.key.startswith(("metric:", "ratio:")):
        return alert.cooldown_key
    for prefix, _, words in _WATCHED:
        if alert.key.startswith(prefix):
            return words
    if alert.key.startswith(_AGED):
        return "age of the last closed ledger, seconds"
    return "lines with this message in the tick" if alert.key.startswith(_COUNTED) and alert.message else ""


def moment_of(entry: Entry, finding: Finding) -> Moment:
    record, alert = entry.record, finding.alert
    decision = next((each for each in record.decisions if each.alarm == alert.cooldown_key), None)
    value = decision.value if decision else None
    if alert.key.startswith(_AGED):
        value = record.standing.age_seconds
    elif alert.key.startswith(_COUNTED) and alert.message:
        value = _lines(entry, alert.message)
    return Moment(
        at=record.at,
        build=record.build,
        fired=decision.state == "fired" if decision and decision.state in _JUDGED else None,
        value=value,
        quiet=decision is not None and decision.state == "quiet",
        firing=frozenset(each.alarm for each in record.decisions if each.state == "fired"),
        identity=record.run.identity if record.run else None,
        age_seconds=record.standing.age_seconds,
        peers=_value(entry.scrape, PEERS),
        drift_seconds=max(
            (abs(drift) for name in DRIFTS if (drift := _value(entry.scrape, name)) is not None), default=None
        ),
        traffic=tuple(_value(entry.scrape, name) for name in TRAFFIC),
    )


def _lines(entry: Entry, message: str) -> float | None:
    if entry.record.log is None:
        return None
    return float(sum(each.count for each in entry.record.log.entries if constant_part(each.normalised) == message))


def _value(scrape: Scrape | None, name: str) -> float | None:
    value = scrape.value(name) if scrape else None
    return value if value is not None and math.isfinite(value) else None


def past_of(finding: Finding, moments: Sequence[Moment], ticks: Sequence[Tick], missing: Sequence[str] = ()) -> Past:
    """`moments` are the newest archived ticks and `ticks` the newest lines, both oldest first and not after it."""
    key, build, at = finding.alert.key, finding.build, finding.at
    seen = _with_this_tick(finding, ticks)
    fired = {tick.at for tick in ticks if key in tick.keys} | {each.at for each in moments if each.fired}
    unjudged = {each.at for each in moments if each.fired is None} if _is_judged(finding) else set()
    known = (*((tick.at, tick.build) for tick in ticks), *((each.at, each.build) for each in moments))
    builds = {when: each for when, each in known if each and when < at}
    judged = [when for when in sorted(builds) if when in fired or when not in unjudged]
    with_it = Counter(each for tick in ticks if tick.at in fired for each in tick.keys if each != key)
    now = moments[-1] if moments and moments[-1].at == at else None
    history, words = _history(finding, moments, seen), history_of(finding)
    peers = [each.peers for each in moments if each.peers is not None and each.at < at]
    return Past(
        history=history if words else (),
        history_of=words if words and history else "",
        since=_since(judged, builds, fired, build),
        fired_ticks=len(fired - {at}),
        fired_on_other_builds=any(builds[when] != build for when in fired & builds.keys()) if build else False,
        clean_ticks=_clean_ticks(judged, builds, fired, build),
        quiet_in_this_run=now is not None and any(each.quiet and _same_run(each, now) for each in moments),
        fired_with=tuple(with_it.most_common(FIRED_WITH_SHOWN)),
        firing=now.firing if now else frozenset(),
        age_seconds=now.age_seconds if now else None,
        peers=now.peers if now else None,
        usual_peers=_median(peers) if peers else None,
        drift_seconds=now.drift_seconds if now else None,
        disk_pct=next((value for tick in reversed(seen) if (value := _watched(tick, "disk_pct")) is not None), None),
        traffic=_traffic(moments, at),
        missing=(*missing, *(() if words else ("no tick keeps a value for a finding of this kind",))),
    )


def _same_run(one: Moment, other: Moment) -> bool:
    return one.identity is not None and one.identity == other.identity


def _is_judged(finding: Finding) -> bool:
    """Whether the archive holds a decision for each tick that judged it."""
    return finding.alert.key.startswith(("metric:", "ratio:"))


def _with_this_tick(finding: Finding, ticks: Sequence[Tick]) -> Sequence[Tick]:
    """A tick files before it writes its line."""
    if not finding.watch or any(tick.at == finding.at for tick in ticks):
        return ticks
    return (*ticks, Tick(at=finding.at, build=finding.build, keys=frozenset(), watch=finding.watch))


def _history(
    finding: Finding, moments: Sequence[Moment], ticks: Sequence[Tick]
) -> tuple[tuple[datetime, float | None], ...]:
    word = next((word for prefix, word, _ in _WATCHED if finding.alert.key.startswith(prefix)), "")
    found = [(tick.at, _watched(tick, word)) for tick in ticks] if word else [(each.at, each.value) for each in moments]
    return tuple(found[-MOST_TICKS:]) if any(value is not None for _, value in found) else ()


def _watched(tick: Tick, word: str) -> float | None:
    for each in tick.watch:
        name, _, value = each.partition("=")
        if name == word:
            try:
                return float(value)
            except ValueError:
                return None
    return None


def _since(judged: Sequence[datetime], builds: dict[datetime, str], fired: set[datetime], build: str) -> str:
    """The newest other build of which no tick had the finding."""
    guilty = {builds[when] for when in fired & builds.keys()} | {build}
    return next((builds[when] for when in reversed(judged) if builds[when] not in guilty), "") if build else ""


def _clean_ticks(
    judged: Sequence[datetime], builds: dict[datetime, str], fired: set[datetime], build: str
) -> int | None:
    if not build:
        return None
    count = 0
    for when in judged:
        if builds[when] == build:
            if when in fired:
                break
            count += 1
    return count


def _traffic(moments: Sequence[Moment], at: datetime) -> tuple[tuple[str, float], ...]:
    """Each counter's rate over the interval that ends at `at`, over the median of those before."""
    found = []
    for place, name in enumerate(TRAFFIC):
        rates = [
            (after.at, rate)
            for before, after in itertools.pairwise(moments)
            if (rate := _rate(before, after, place)) is not None
        ]
        usual = [rate for when, rate in rates if when < at]
        if rates and rates[-1][0] == at and len(usual) >= LEAST_RATES and (median := _median(usual)) > 0:
            found.append((name, rates[-1][1] / median))
    return tuple(found)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _rate(before: Moment, after: Moment, place: int) -> float | None:
    """Per second; None across a restart."""
    first, last, seconds = before.traffic[place], after.traffic[place], (after.at - before.at).total_seconds()
    if not _same_run(before, after) or first is None or last is None or last < first or seconds <= 0:
        return None
    return (last - first) / seconds
