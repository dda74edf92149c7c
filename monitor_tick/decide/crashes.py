"""What rotated and live logs say about a crash: how often, and whether the node's own data is to blame. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from monitor_tick.probes.log.lines import Line

RECENT_SECONDS = 1800
"""The classic window, half an hour: three crashes within it repeat."""

SOFT_FAIL_LINES = 2000
"""The node writes one such line in 30 s at most; 2000 lines are far more than the five minutes that count."""

SOFT_FAIL_SPAN_SECONDS = 300
SOFT_FAIL_FRESH_SECONDS = 90
"""Three of the node's 30 s."""

SOFT_FAIL = b"Recovery escalation blocked: previous fatal state failure"
REPEATED = "(repeated)"

# The structured field first, the words of older nodes last (L38).
_FATAL = re.compile(
    rb'(?<!\w)fatal_wipe_required(?:=true|: true)(?!\w)|"fatal_wipe_required": ?true(?!\w)'
    rb"|State wipe required before restart"
)
FATAL_LENGTH = 64
"""No evidence is longer, so that what two reads share never needs more."""


class CrashLog(msgspec.Struct, frozen=True):
    """A file monitor.log.crashed-*; `modified` in unix seconds."""

    path: str
    modified: float


class SoftFail(msgspec.Struct, frozen=True):
    blocked: bool = False
    duration_seconds: int = 0


def recent_count(logs: Iterable[CrashLog], now_seconds: float) -> int:
    return sum(log.modified > now_seconds - RECENT_SECONDS for log in logs)


def newest_first(logs: Iterable[CrashLog]) -> tuple[CrashLog, ...]:
    """Of two with the same time the greater path is the newer: their names end in a time."""
    return tuple(sorted(logs, key=lambda log: (log.modified, log.path), reverse=True))


def is_fatal(text: bytes) -> bool:
    """Whether a node wrote that it cannot go on with the state it has."""
    return _FATAL.search(text) is not None


def soft_fail(lines: Iterable[Line], started_seconds: float, now_seconds: float) -> SoftFail:
    """A node that lives on after its fatal failure; `lines` are those that hold SOFT_FAIL."""
    stamps = [
        line.at.timestamp()
        for line in lines
        if line.at is not None and line.level == "WARN" and REPEATED not in line.text
    ]
    own = [stamp for stamp in stamps if stamp >= started_seconds]
    if not own:
        return SoftFail()
    span = max(own) - min(own)
    blocked = span >= SOFT_FAIL_SPAN_SECONDS and max(own) >= now_seconds - SOFT_FAIL_FRESH_SECONDS
    return SoftFail(blocked, int(span))
