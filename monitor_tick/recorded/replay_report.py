"""What a replay found, as one value, and its two forms. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec

SCHEMA = 1
"""Version of the JSON form; it moves when a key changes its meaning or goes."""

SHOWN = 100
"""Differences that are listed; all of them are counted."""

FIRED = frozenset({"fired"})
BREACHED = frozenset({"breach", "needs confirmation", "not confirmed"})
QUIET = frozenset({"quiet"})
JUDGED = FIRED | BREACHED | QUIET
"""States in which a value was compared; every other state is a reason to skip."""


class AlarmCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often each thing came of one alarm. `skipped` counts ticks by the state that kept it from being judged."""

    alarm: str
    fired: int
    breached: int
    quiet: int
    skipped: dict[str, int]
    silence_expected: bool = False


class Difference(msgspec.Struct, frozen=True):
    """One alarm on one tick, judged otherwise now than it was then; both as "state: reason"."""

    at: datetime
    alarm: str
    recorded: str
    replayed: str


class NotCompared(msgspec.Struct, frozen=True):
    alarm: str
    why: str
    ticks: int


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """`ticks` were read; `evaluated` of them judged at least one alarm, `baselines` only gave the next one its baseline
    because their own is no longer in the archive, and `unreadable` entries come on top. `recorded_by` are the catalogs
    of the ticks; `differences` holds the first of `different`."""

    schema: int = SCHEMA
    ticks: int
    evaluated: int
    baselines: int
    unreadable: int
    first: datetime | None
    last: datetime | None
    catalog: str
    recorded_by: tuple[str, ...]
    alarms: tuple[AlarmCount, ...]
    compared: int
    different: int
    differences: tuple[Difference, ...]
    not_compared: tuple[NotCompared, ...]


def count_of(alarm: str, states: Counter[str], *, silence_expected: bool) -> AlarmCount:
    return AlarmCount(
        alarm=alarm,
        fired=_sum(states, FIRED),
        breached=_sum(states, BREACHED),
        quiet=_sum(states, QUIET),
        skipped={state: count for state, count in sorted(states.items()) if state not in JUDGED},
        silence_expected=silence_expected,
    )


def _sum(states: Counter[str], of: Iterable[str]) -> int:
    return sum(states[state] for state in of)


def render_json(replay: Replay) -> str:
    return msgspec.json.encode(replay).decode() + "\n"


def render_text(replay: Replay) -> str:
    return "\n".join([*_head(replay), "", *_table(replay), "", *_comparison(replay)]) + "\n"


def _head(replay: Replay) -> list[str]:
    span = f", {stamp(replay.first)} to {stamp(replay.last)}" if replay.first and replay.last else ""
    others = [name for name in replay.recorded_by if name != replay.catalog]
    return [
        f"{replay.evaluated} of {replay.ticks} ticks evaluated{span}",
        f"{replay.baselines} served as a baseline only; {replay.unreadable} entries unreadable",
        f"catalog {replay.catalog}, recorded by {', '.join(others) if others else 'the same'}",
    ]


def _table(replay: Replay) -> list[str]:
    width = max((len(each.alarm) for each in replay.alarms), default=5)
    head = f"{'alarm':{width}}  fired  breached  quiet  skipped"
    return [head, *(_row(each, width) for each in replay.alarms)]


def _row(each: AlarmCount, width: int) -> str:
    skipped = ", ".join(f"{state} {count}" for state, count in each.skipped.items())
    words = f"{sum(each.skipped.values())}{f' ({skipped})' if skipped else ''}"
    expected = "  silence expected" if each.silence_expected else ""
    return f"{each.alarm:{width}}  {each.fired:5}  {each.breached:8}  {each.quiet:5}  {words}{expected}"


def _comparison(replay: Replay) -> list[str]:
    lines = [f"{replay.different} of {replay.compared} judgements differ from the recorded ones"]
    lines += [
        f"  {stamp(each.at)}  {each.alarm}: recorded {each.recorded}; now {each.replayed}"
        for each in replay.differences
    ]
    if replay.different > len(replay.differences):
        lines.append(f"  and {replay.different - len(replay.differences)} more")
    return lines + [f"not compared: {each.alarm}, {each.ticks} ticks: {each.why}" for each in replay.not_compared]


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
