"""Which findings are urgent, wait for an operator, or are always an issue of their own. Pure.

scripts/lib/monitor-label-policy.md is the same table for people; a test keeps the two in step.
"""

from __future__ import annotations

import enum

import msgspec

from monitor_tick.alert import Alert

URGENT, NOT_READY = "urgent", "not-ready"
BACKLOG, BLOCKED = "Backlog", "Blocked"


class When(str, enum.Enum):
    """JUDGED: the check says it for each alert, because only it knows the evidence."""

    ALWAYS = "always"
    JUDGED = "judged"
    NEVER = "never"


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that begin with `keys`: when they get which label. `always_new`: no occurrence is a comment on another."""

    keys: str
    urgent: When = When.NEVER
    not_ready: When = When.NEVER
    always_new: bool = False
    words: str


CRITERIA: tuple[Criterion, ...] = (
    Criterion(keys="log:hash-mismatch", urgent=When.ALWAYS, words="hash mismatch"),
    Criterion(keys="log:scp-verify-worker", urgent=When.ALWAYS, words="the SCP verifier is dead or stuck"),
    Criterion(keys="log:", urgent=When.JUDGED, words="a log line that shared/log-patterns.toml calls urgent"),
    Criterion(keys="process:wedge", urgent=When.ALWAYS, always_new=True, words="wedge: the event loop is frozen"),
    Criterion(keys="process:", urgent=When.ALWAYS, words="panic, crash or fatal exit"),
    Criterion(keys="sync:failure", urgent=When.JUDGED, words="SYNC FAILURE, or STUCK on two ticks in a row"),
    Criterion(keys="wipe:state", urgent=When.ALWAYS, always_new=True, words="state wipe by the monitor"),
    Criterion(keys="wipe:", urgent=When.ALWAYS, words="session or node data gone, and not by the monitor"),
    Criterion(keys="offline:", urgent=When.ALWAYS, words="the node is down and stays down, or is not monitored"),
    Criterion(keys="memory:critical", urgent=When.ALWAYS, words="out of memory, or close to it"),
    Criterion(keys="disk:critical", urgent=When.ALWAYS, words="the data volume is full, or nearly"),
    Criterion(
        keys="radar:not-validating", urgent=When.JUDGED, words="not validating, where the node's own signs agree"
    ),
    Criterion(keys="ci:", urgent=When.ALWAYS, words="failing CI on main"),
    Criterion(keys="deploy:", urgent=When.ALWAYS, words="deploy regression, or a build that fails on main"),
    Criterion(keys="incident:many", urgent=When.JUDGED, words="many findings at once, one of which is urgent"),
    Criterion(keys="self:", not_ready=When.JUDGED, words="the monitor itself; a changed meaning is for an operator"),
    Criterion(keys="", words="everything else"),
)
"""The first that fits decides; the last fits every key."""


def criterion_of(key: str) -> Criterion:
    return next(row for row in CRITERIA if key.startswith(row.keys))


def labels_of(alert: Alert) -> tuple[str, ...]:
    row = criterion_of(alert.key)
    wanted = ((URGENT, row.urgent, alert.urgent), (NOT_READY, row.not_ready, alert.not_ready))
    return tuple(label for label, when, judged in wanted if _holds(when, judged=judged))


def status_of(alert: Alert) -> str:
    """The column of the board that a new issue goes to."""
    return BLOCKED if NOT_READY in labels_of(alert) else BACKLOG


def always_new(key: str) -> bool:
    return criterion_of(key).always_new


def _holds(when: When, *, judged: bool) -> bool:
    return when is When.ALWAYS or (when is When.JUDGED and judged)
