"""shared/ratio-checks.toml and check-12b-constants.toml as values: the rules of the checks that keep a streak. Pure.

`catalog` reads the files; ValueError says what is wrong with a table, by its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import msgspec

from monitor_loop.session import Mode
from monitor_tick.rules import Comparison, RatioName, RatioRow, RecoveryRule

RATIOS, RECOVERY = "ratio-checks.toml", "check-12b-constants.toml"

SNAPSHOT_FILE = "metrics/counter_streak_snapshot"
"""Where the store keeps it, below the session's directory."""

_LABEL = re.compile(r'[a-z_]+="[a-z_]+"')
_METRIC = re.compile(r"(henyey|stellar)_[a-z0-9_]+")


class _Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    label: str


class _Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    delta: int
    streak: int
    burst: int


class _Applicability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Mode


class _Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: str


class _Constants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metric: _Metric
    thresholds: _Thresholds
    applicability: _Applicability
    snapshot: _Snapshot


def recovery_of(table: dict[str, Any]) -> RecoveryRule:
    constants = msgspec.convert(table, _Constants)
    metric, limits = constants.metric, constants.thresholds
    if not _METRIC.fullmatch(metric.name):
        raise ValueError(f"metric.name is {metric.name!r}; allowed: henyey_... or stellar_...")
    if not _LABEL.fullmatch(metric.label):
        raise ValueError(f'metric.label is {metric.label!r}; allowed: one pair, like reason="behind"')
    for key in ("delta", "streak", "burst"):
        if getattr(limits, key) < 1:
            raise ValueError(f"thresholds.{key} is {getattr(limits, key)}; it must be at least 1")
    if constants.snapshot.file != SNAPSHOT_FILE:
        raise ValueError(f"snapshot.file is {constants.snapshot.file!r}; allowed: {SNAPSHOT_FILE}")
    return RecoveryRule(
        name=metric.name,
        label=metric.label,
        delta=limits.delta,
        streak=limits.streak,
        burst=limits.burst,
        mode=constants.applicability.mode,
    )


def check_ratios(rows: Sequence[RatioRow]) -> None:
    """The snapshot keeps one streak for each of the three, and the line has an order."""
    names = tuple(row.name for row in rows)
    if names != get_args(RatioName):
        raise ValueError(f"rows are {', '.join(names)}; allowed: {', '.join(get_args(RatioName))}, in this order")


def wrong_with_ratio(row: RatioRow) -> Iterator[str]:
    """Each contradiction of the row, as key and what is allowed; types and words are right already."""
    yield from (
        f"{key} must not be empty" for key in ("numerator", "denominator", "shown", "symptom") if not getattr(row, key)
    )
    yield from (
        f"{key} is {getattr(row, key)}; it must be at least 1"
        for key in ("least", "ticks", "version")
        if getattr(row, key) < 1
    )
    if not _METRIC.fullmatch(row.metric):
        yield f"metric is {row.metric!r}; allowed: henyey_... or stellar_..."
    if row.condition.comparison not in (Comparison.ABOVE, Comparison.BELOW) or row.condition.factor is not None:
        yield "condition must be > or < and a number"
    if not 0 < row.condition.threshold < 1:
        yield f"condition compares a share with {row.condition.threshold:g}; it lies between 0 and 1"
