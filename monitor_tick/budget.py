"""The time that one tick has for all it does: each part has its own deadline, and all together this one."""

from __future__ import annotations

import time

import msgspec


class Budget(msgspec.Struct, frozen=True):
    """`ends` is a reading of time.monotonic()."""

    ends: float

    def left(self) -> float:
        """Seconds; negative once it is used up."""
        return self.ends - time.monotonic()
