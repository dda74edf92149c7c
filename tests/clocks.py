"""A clock for tests of deadlines: no machine is so slow that one of them passes too early."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def stand_still(monkeypatch: pytest.MonkeyPatch, until: Callable[[], bool]) -> None:
    """time.monotonic shows the moment of this call until `until` holds, and the true time from then on."""
    clock, now = time.monotonic, time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: clock() if until() else now)
