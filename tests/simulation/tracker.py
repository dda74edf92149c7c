"""The way to the tracker, which the issues of a session take: it may be cut, or lose the answer to a write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from monitor_tick.issues.directory import Directory
from monitor_tick.issues.tracker import Cause, TrackerError

READS = ("login", "open_issues", "created_since", "issue", "search", "comments_since")
WRITES = ("create", "comment", "add_label", "add_to_board")


class Way:
    """`away_until`: no call gets through before. `vague_until`: of three writes one is told of, one is not, and
    one does not get there; the last two look the same."""

    def __init__(self, began: datetime) -> None:
        self.away_until = self.vague_until = began
        self._writes = 0

    def is_open(self, now: datetime) -> bool:
        return now >= max(self.away_until, self.vague_until)

    def lay(self, patch: pytest.MonkeyPatch, now: Callable[[], datetime]) -> None:
        """In front of the tracker that is a directory."""
        for name in (*READS, *WRITES):
            patch.setattr(Directory, name, self._through(getattr(Directory, name), name in WRITES, now))

    def _through(self, real: Callable[..., Any], writes: bool, now: Callable[[], datetime]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if now() < self.away_until:
                raise TrackerError(Cause.NO_NETWORK, "dial tcp: lookup api.github.com: no such host")
            if not writes or now() >= self.vague_until:
                return real(*args, **kwargs)
            self._writes += 1
            fate = self._writes % 3
            result = real(*args, **kwargs) if fate else None
            if fate == 1:
                return result
            raise TrackerError(Cause.UNCERTAIN, "HTTP 502: Bad Gateway")

        return call
