"""The three ratio checks: when they are skipped, what they compare, and what becomes of their streaks. Pure.

A tick ends in one of three ways: skipped (the snapshot is emptied), collecting a baseline, or judged; and each check
of a judged tick in one row of STREAK_AFTER. An early tick is judged against the stored snapshot and moves nothing.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from monitor_tick.facts import Missing
from monitor_tick.judging.judged import AlarmState
from monitor_tick.judging.ratio_counters import MISSING_COUNTERS, Unread, age_of, counters_of
from monitor_tick.memory import RatioBaseline, RatioCounters, RatioSnapshot, RatioStreaks
from monitor_tick.metrics import Scrape
from monitor_tick.rules import RatioKey, RatioRow
from monitor_tick.view import View

NOT_IN_SYNC = "not in sync"
WARMUP = "warmup"
FETCH_FAILED = "fetch failed"
NO_RECORDER = "recorder not installed"
LOW_VOLUME = "low volume"


class Seen(enum.Enum):
    """What one check saw in one tick."""

    UNKNOWN = "unknown"
    TOO_LITTLE = "too little"
    HEALTHY = "healthy"
    BREACH = "breach"


STREAK_AFTER: Mapping[Seen, Callable[[int], int]] = {
    Seen.UNKNOWN: lambda _: 0,
    Seen.TOO_LITTLE: lambda _: 0,
    Seen.HEALTHY: lambda _: 0,
    Seen.BREACH: lambda streak: streak + 1,
}
"""The streak after a full tick; a tick that cannot be judged breaks it."""


class RatioJudged(msgspec.Struct, frozen=True, kw_only=True):
    """One check. `numerator` and `denominator` are increases since the snapshot, None where not known.

    `streak` counts this tick unless it is an early one.
    """

    row: RatioRow
    state: AlarmState
    reason: str
    streak: int = 0
    numerator: float | None = None
    denominator: float | None = None

    @property
    def share(self) -> float | None:
        """What was compared; None where nothing was."""
        if self.numerator is None or not self.denominator or self.state is AlarmState.LOW_VOLUME:
            return None
        return self.numerator / self.denominator

    @property
    def percent(self) -> int:
        """Whole percents; a breach is never rounded onto its threshold."""
        exact = 100 * (self.numerator or 0.0) / (self.denominator or 1.0)
        threshold, comparison = 100 * self.row.condition.threshold, self.row.condition.comparison
        if self.state in (AlarmState.BREACH, AlarmState.FIRED) and not comparison.holds(round(exact), threshold):
            return math.floor(exact) if exact < threshold else math.ceil(exact)
        return round(exact)


class RatioOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """`skipped` is the reason of a global skip; `baseline` what the snapshot is to hold, None to leave it."""

    skipped: Unread | None
    checks: tuple[RatioJudged, ...]
    baseline: RatioBaseline | None
    interval: timedelta | None = None

    @property
    def collecting(self) -> bool:
        return all(check.state is AlarmState.NEW_BASELINE for check in self.checks)


def judge_ratios(view: View) -> RatioOutcome:
    counters = _counters(view)
    stored = view.memory.ratios.snapshot if view.memory.ratios else None
    if isinstance(counters, Unread):
        checks = tuple(_not_judged(row, AlarmState.SKIPPED, counters.reason) for row in view.rules.ratios)
        return _outcome(view, counters, checks)
    if stored is None or not _goes_on(stored, counters, view):
        why = "no snapshot" if stored is None else "another run, or a counter fell"
        checks = tuple(_not_judged(row, AlarmState.NEW_BASELINE, why) for row in view.rules.ratios)
        return _outcome(view, counters, checks)
    checks = tuple(_judge(row, stored, counters, early=view.phase.early) for row in view.rules.ratios)
    return _outcome(view, counters, checks, view.facts.at - stored.at)


def _outcome(
    view: View,
    counters: RatioCounters | Unread,
    checks: tuple[RatioJudged, ...],
    interval: timedelta | None = None,
) -> RatioOutcome:
    """The only way out: what is remembered follows from what was judged."""
    return RatioOutcome(
        skipped=counters if isinstance(counters, Unread) else None,
        checks=checks,
        baseline=None if view.phase.early else RatioBaseline(_snapshot(view, counters, checks)),
        interval=interval,
    )


def _snapshot(view: View, counters: RatioCounters | Unread, checks: tuple[RatioJudged, ...]) -> RatioSnapshot | None:
    scrape = view.facts.scrape
    if isinstance(counters, Unread) or isinstance(scrape, Missing):
        return None
    return RatioSnapshot(
        at=view.facts.at.replace(microsecond=0),
        pid=scrape.identity.pid,
        start_ticks=scrape.identity.start_ticks,
        counters=counters,
        streaks=RatioStreaks(**{check.row.name: check.streak for check in checks}),
    )


def _counters(view: View) -> RatioCounters | Unread:
    """This tick's counters, or the reason to skip all three; the first that holds."""
    phase, limits, scrape = view.phase, view.rules.limits, view.facts.scrape
    behind = view.standing.gap is not None and view.standing.gap > limits.evidence_gap
    age = age_of(scrape) if isinstance(scrape, Scrape) else None
    late = age is not None and age > limits.real_time_age_seconds
    if phase.fresh_start or behind or late:
        return Unread(NOT_IN_SYNC)
    if phase.uptime is not None and phase.uptime < timedelta(minutes=limits.ratio_uptime_minutes):
        return Unread(WARMUP)
    if isinstance(scrape, Missing):
        return Unread(no_scrape(scrape))
    if age is None:
        return Unread(MISSING_COUNTERS, ("stellar_ledger_age_current_seconds",))
    return counters_of(scrape)


def no_scrape(missing: Missing) -> str:
    return NO_RECORDER if missing.reason == NO_RECORDER else FETCH_FAILED


def _goes_on(stored: RatioSnapshot, counters: RatioCounters, view: View) -> bool:
    """Whether increases since the snapshot mean anything: the same run, and no counter fell."""
    scrape = view.facts.scrape
    if isinstance(scrape, Missing):
        return False
    same = (stored.pid, stored.start_ticks) == (scrape.identity.pid, scrape.identity.start_ticks)
    keys = RatioCounters.__struct_fields__
    pairs = [(getattr(stored.counters, key), getattr(counters, key)) for key in keys]
    return same and not any(before is not None and now is not None and now < before for before, now in pairs)


def _judge(row: RatioRow, stored: RatioSnapshot, counters: RatioCounters, *, early: bool) -> RatioJudged:
    numerator = _increase(row.numerator, stored.counters, counters)
    denominator = _increase(row.denominator, stored.counters, counters)
    seen = _seen(row, numerator, denominator)
    before: int = getattr(stored.streaks, row.name)
    streak = before if early and seen is Seen.BREACH else STREAK_AFTER[seen](before)
    state, reason = _state(row, seen, streak)
    return RatioJudged(row=row, state=state, reason=reason, streak=streak, numerator=numerator, denominator=denominator)


def _increase(keys: tuple[RatioKey, ...], before: RatioCounters, now: RatioCounters) -> float | None:
    pairs = [(getattr(before, key), getattr(now, key)) for key in keys]
    if any(then is None or value is None for then, value in pairs):
        return None
    return float(sum(value - then for then, value in pairs))


def _seen(row: RatioRow, numerator: float | None, denominator: float | None) -> Seen:
    if numerator is None or denominator is None:
        return Seen.UNKNOWN
    if denominator < row.least:
        return Seen.TOO_LITTLE
    breach = row.condition.comparison.holds(numerator / denominator, row.condition.threshold)
    return Seen.BREACH if breach else Seen.HEALTHY


def _state(row: RatioRow, seen: Seen, streak: int) -> tuple[AlarmState, str]:
    if seen is Seen.UNKNOWN:
        return AlarmState.SKIPPED, MISSING_COUNTERS
    if seen is Seen.TOO_LITTLE:
        return AlarmState.LOW_VOLUME, LOW_VOLUME
    sign = f"{row.condition.comparison.value} {row.condition.threshold:g}"
    if seen is Seen.HEALTHY:
        return AlarmState.QUIET, f"{row.shown} is not {sign}"
    fired = streak >= row.ticks
    count = f"{streak} ticks" if fired else f"streak {streak}/{row.ticks}"
    return AlarmState.FIRED if fired else AlarmState.BREACH, f"{row.shown} {sign}, {count}"


def _not_judged(row: RatioRow, state: AlarmState, reason: str) -> RatioJudged:
    return RatioJudged(row=row, state=state, reason=reason)
