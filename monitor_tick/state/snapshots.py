"""The user's files metrics/ratio_snapshot, counter_streak_snapshot and anomaly_cooldown.json as text. Pure.

The snapshots are parsed and never sourced: a file counts when it is, byte for byte, what its value is written as, so
that an unknown, missing or repeated key, another order, another version and a cut line are all refused with ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timezone

import msgspec

from monitor_tick.memory import (
    Cooldowns,
    CounterStreak,
    CounterStreakSnapshot,
    RatioBaseline,
    RatioCounters,
    RatioSnapshot,
    RatioStreaks,
)

VERSION = "1"

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_LAST_TIME = 10**11
"""Eleven digits of seconds end in a year that datetime still has."""

_CUT = "cut off: the last line has no end"


def render_ratios(baseline: RatioBaseline) -> bytes:
    """Nothing at all where there is no baseline."""
    snapshot = baseline.snapshot
    if snapshot is None:
        return b""
    counters, streaks = snapshot.counters, snapshot.streaks
    return _rendered(
        (
            ("version", VERSION),
            ("pid", str(snapshot.pid)),
            ("start_ticks", str(snapshot.start_ticks)),
            ("timestamp", snapshot.at.strftime(_TIME)),
            ("apply_success", _number(counters.apply_success)),
            ("apply_failure", _number(counters.apply_failure)),
            ("pv_accepted", _number(counters.pv_accepted)),
            ("pv_processed_directly", _number(counters.pv_processed_directly)),
            ("pv_total_sum", _number(counters.pv_total_sum)),
            ("apply_breach_streak", str(streaks.apply)),
            ("scp_breach_streak", str(streaks.scp)),
            ("pending_too_old", _number(counters.pending_too_old)),
            ("pending_received", _number(counters.pending_received)),
            ("pending_breach_streak", str(streaks.pending)),
        )
    )


def parse_ratios(content: bytes) -> RatioBaseline:
    if not content:
        return RatioBaseline()
    found = _parsed(content)
    counters = RatioCounters(
        apply_success=_value(found, "apply_success"),
        apply_failure=_value(found, "apply_failure"),
        pv_accepted=_value(found, "pv_accepted"),
        pv_processed_directly=_value(found, "pv_processed_directly"),
        pv_total_sum=_value(found, "pv_total_sum"),
        pending_too_old=_value_or_none(found, "pending_too_old"),
        pending_received=_value_or_none(found, "pending_received"),
    )
    if (counters.pending_too_old is None) != (counters.pending_received is None):
        raise ValueError("pending_too_old and pending_received: one without the other")
    snapshot = RatioSnapshot(
        at=_time(found),
        pid=_whole(found, "pid"),
        start_ticks=_whole(found, "start_ticks"),
        counters=counters,
        streaks=RatioStreaks(
            scp=_whole(found, "scp_breach_streak"),
            apply=_whole(found, "apply_breach_streak"),
            pending=_whole(found, "pending_breach_streak"),
        ),
    )
    baseline = RatioBaseline(snapshot)
    _refuse_unless_same(content, render_ratios(baseline), found)
    return baseline


def render_streak(streak: CounterStreak) -> bytes | None:
    """None: no file is to be there."""
    snapshot = streak.snapshot
    if snapshot is None:
        return None
    return _rendered(
        (
            ("version", VERSION),
            ("pid", str(snapshot.pid)),
            ("start_ticks", str(snapshot.start_ticks)),
            ("timestamp", snapshot.at.strftime(_TIME)),
            ("recovery_stalled_behind", _number(snapshot.value)),
            ("recovery_stalled_breach_streak", str(snapshot.streak)),
        )
    )


def parse_streak(content: bytes) -> CounterStreak:
    found = _parsed(content)
    streak = CounterStreak(
        CounterStreakSnapshot(
            at=_time(found),
            pid=_whole(found, "pid"),
            start_ticks=_whole(found, "start_ticks"),
            value=_value(found, "recovery_stalled_behind"),
            streak=_whole(found, "recovery_stalled_breach_streak"),
        )
    )
    _refuse_unless_same(content, render_streak(streak) or b"", found)
    return streak


def render_cooldowns(cooldowns: Cooldowns) -> bytes:
    return msgspec.json.encode(dict(cooldowns.filed)) + b"\n"


def parse_cooldowns(content: bytes) -> Cooldowns:
    """One object of keys and whole unix seconds."""
    try:
        times = msgspec.json.decode(content, type=dict[str, int])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    for key, time in times.items():
        if not 0 <= time < _LAST_TIME:
            raise ValueError(f"{key[:80]!r}: not unix seconds")
    return Cooldowns(tuple(times.items()))


def _rendered(pairs: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in pairs).encode()


def _number(value: float | None) -> str:
    """A counter as the node prints it: whole numbers bare, nothing where it is not known."""
    if value is None:
        return ""
    return f"{value:.0f}" if value == math.floor(value) else repr(value)


def _parsed(content: bytes) -> dict[str, str]:
    if not content.endswith(b"\n"):
        raise ValueError(_CUT)
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError("not ASCII") from error
    pairs = [line.partition("=") for line in lines]
    found = {key: value for key, _, value in pairs}
    if len(found) != len(pairs) or not all(mark for _, mark, _ in pairs):
        raise ValueError("not one key=value a line, each key once")
    if found.get("version") != VERSION:
        raise ValueError(f"version is {found.get('version')!r}, not {VERSION}")
    return found


def _text(found: dict[str, str], key: str) -> str:
    if key not in found:
        raise ValueError(f"{key} is missing")
    return found[key]


def _whole(found: dict[str, str], key: str) -> int:
    text = _text(found, key)
    if not text.isdecimal():
        raise ValueError(f"{key} is no number")
    return int(text[:20])


def _value(found: dict[str, str], key: str) -> float:
    try:
        value = float(_text(found, key))
    except ValueError:
        raise ValueError(f"{key} is missing or no number") from None
    if not 0 <= value < math.inf:
        raise ValueError(f"{key} is no counter's value")
    return value


def _value_or_none(found: dict[str, str], key: str) -> float | None:
    return None if found.get(key) == "" else _value(found, key)


def _time(found: dict[str, str]) -> datetime:
    try:
        return datetime.strptime(_text(found, "timestamp"), _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        raise ValueError("timestamp is missing or not like 2026-05-09T03:40:07Z") from None


def _refuse_unless_same(content: bytes, written: bytes, found: dict[str, str]) -> None:
    if content != written:
        raise ValueError(f"not as it is written: unknown keys, their order, or a number's form ({len(found)} keys)")
