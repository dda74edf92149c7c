"""What came of one catalog row, as a value."""

from __future__ import annotations

import enum
import math
from datetime import timedelta
from functools import lru_cache

import msgspec

from monitor_tick.metrics import HistogramDelta
from monitor_tick.rules import AlarmRow


class AlarmState(str, enum.Enum):
    """What came of one row this tick. Only FIRED is an alert; QUIET and BREACH are the other judged states."""

    FIRED = "fired"
    QUIET = "quiet"
    BREACH = "breach"
    NEEDS_CONFIRMATION = "needs confirmation"
    NOT_CONFIRMED = "not confirmed"
    WARM_UP = "warm-up"
    GATED = "not settled"
    NEW_BASELINE = "new baseline"
    LOW_VOLUME = "low volume"
    NO_PREVIOUS_DELTA = "no previous delta"
    NO_SUCH_SERIES = "no such series"
    ABSENT_BY_DESIGN = "absent by design"
    OFF = "no denominator"
    NOT_A_NUMBER = "not a number"
    SKIPPED = "skipped"


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One row, judged. `reason` is the clause that decided.

    `value` is what was compared with `threshold`: the gauge, the delta (normalised where the reason says so), or of a
    histogram's p99 and mean the one that breaches. `current` and `previous` are the metric itself in the two scrapes
    (a histogram's count), `delta` and `interval` what lies between; `histogram` is the whole delta of a histogram.
    """

    row: AlarmRow
    state: AlarmState
    reason: str = ""
    value: float | None = None
    threshold: float | None = None
    current: float | None = None
    previous: float | None = None
    delta: float | None = None
    interval: timedelta | None = None
    histogram: HistogramDelta | None = None


@lru_cache(maxsize=4096)
def number(value: float) -> str:
    """A value as a report shows it: whole numbers bare, others with ten digits so that no boundary is rounded away.

    Cached: a tick prints the edges and thresholds of its rows hundreds of times. 0 and -0 are one key, so one text.
    """
    value += 0.0
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.0f}" if value % 1 == 0 else f"{value:.10g}"
