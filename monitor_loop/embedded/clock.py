"""The embedded node's wall clock: the one place of this package that reads it.

The node is a process of its own, so the rule that only the two cli modules read the clock ends at its door.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone


def unix_now() -> float:
    return time.time()


def log_stamp(now: float) -> str:
    """As tracing-subscriber prints it: UTC, six fraction digits, Z."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def second_stamp(now: float) -> str:
    """As `started_on` of /info: UTC, whole seconds, Z."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
