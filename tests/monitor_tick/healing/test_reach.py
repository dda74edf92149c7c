"""A limit that the configured cadence can never reach is refused, with its key and the remedy."""

from __future__ import annotations

import msgspec
import pytest

from monitor_tick.healing.reach import crash_window, unreachable
from tests.monitor_tick.views import LIMITS


@pytest.mark.parametrize("minutes", [5, 10, 20, 30, 60])
def test_X2_the_shipped_limits_are_reached_at_every_cadence(minutes: int) -> None:
    assert unreachable(LIMITS, minutes * 60) == ()
    assert crash_window(LIMITS, minutes * 60).total_seconds() > 2 * minutes * 60


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"crash_window_cadences": 2.0}, "crash_window_cadences"),
        ({"restarts_before_backoff": 1}, "restarts_before_backoff"),
        ({"trial_ticks": 100}, "trial_ticks"),
        ({"backoff_ticks": (4, 0)}, "backoff_ticks"),
    ],
)
def test_X2_what_can_never_be_reached_is_named(changes: dict[str, object], key: str) -> None:
    (fault,) = unreachable(msgspec.structs.replace(LIMITS, **changes), 1200)
    assert fault.startswith(key)


def test_X2_the_classic_window_of_half_an_hour_alone_is_refused_at_twenty_minutes() -> None:
    classic = msgspec.structs.replace(LIMITS, crash_window_cadences=1.0)
    assert unreachable(classic, 1200) != ()
    assert unreachable(classic, 600) == ()
