"""What a line of the log is: the first row of shared/log-patterns.toml that matches it, and the rules without a row.

Pure. The probe asks which lines matter, the check and docs/log-lines.md what each of them means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from monitor_tick.alert import Tier
from monitor_tick.facts import LogEntry
from monitor_tick.rules import LogPattern, Reading

PANIC, EXIT, ERROR = "PANIC", "EXIT", "ERROR"
"""Levels of an entry: PANIC and EXIT are lines that the node's logger did not write."""

_TITLE_LENGTH = 100
_PHASE = re.compile(r"(?<!\w)phase=(\w+)")
_PANIC_SITE = re.compile(r"panicked at (.*)")


class Classified(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry is, and what an issue about it would be called. `rank` is the row's place: graver ones first."""

    name: str
    reading: Reading
    reason: str
    tier: Tier = Tier.WARN
    title: str = ""
    key: str = ""
    scope: str = ""
    urgent: bool = False
    owner: str = ""
    rank: int = 1 << 16


def row_of(patterns: Sequence[LogPattern], level: str, target: str, text: str) -> LogPattern | None:
    """The first row that matches."""
    for row in patterns:
        if (row.level and row.level != level) or (row.target and row.target != target):
            continue
        for part in row.contains:
            if part not in text:
                break
        else:
            return row
    return None


def classify(entry: LogEntry, patterns: Sequence[LogPattern]) -> Classified:
    row = row_of(patterns, entry.level, entry.target, entry.example)
    if row is None:
        return _without_row(entry)
    rank = patterns.index(row)
    if row.reading is not Reading.FINDING:
        return Classified(name=row.name, reading=row.reading, reason=row.reason, tier=row.tier, rank=rank)
    scope = _scope(row, entry)
    title = (row.title or "log: {target}: {message}").replace("{scope}", scope)
    return Classified(
        name=_name(row),
        reading=row.reading,
        reason=row.reason,
        tier=row.tier,
        title=title.replace("{target}", entry.target).replace("{message}", _short(entry)),
        key=row.key or _own_key(entry),
        scope=scope,
        urgent=row.urgent,
        owner=row.owner,
        rank=rank,
    )


def _without_row(entry: LogEntry) -> Classified:
    if entry.level not in (ERROR, PANIC, EXIT):
        reason = f"{entry.level or 'a line without level'}: only a named line of it can be a finding"
        return Classified(name="unnamed", reading=Reading.ORDINARY, reason=reason)
    return Classified(
        name=f"unknown {entry.level}" if entry.level != ERROR else ERROR,
        reading=Reading.FINDING,
        reason=f"an {entry.level} line that no row names; in doubt it is filed",
        title=f"log: {entry.target}: {_short(entry)}",
        key=_own_key(entry),
        scope=entry.target,
    )


def _name(row: LogPattern) -> str:
    """Rows that share a key are one kind for the reader: `hash mismatch`."""
    return row.key.removeprefix("log:").replace("-", " ") if row.key.startswith("log:") else row.name


def _own_key(entry: LogEntry) -> str:
    return f"log:{entry.target}:{entry.normalised}"


def _short(entry: LogEntry) -> str:
    text = entry.normalised
    return text if len(text) <= _TITLE_LENGTH else text[: _TITLE_LENGTH - 1] + "…"


def _scope(row: LogPattern, entry: LogEntry) -> str:
    """The exit kind of a death, the phase of a wedge, else the target."""
    if row.key == "process:death":
        site = _PANIC_SITE.match(entry.normalised)
        return f"panic at {site[1]}" if site else row.name
    if row.key == "process:wedge":
        phase = _PHASE.search(entry.example)
        return f"phase {phase[1]}" if phase else "unknown phase"
    return entry.target
