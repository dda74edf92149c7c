"""What was filed, what waits and what cools down, as one value and in its two forms. Pure.

Nobody is asked: an issue counts as open until filing for its key finds that a person has closed it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from monitor_tick.alert import Alert
from monitor_tick.issues.ledger import BoardFailure, Entry, Filed, Intent, Ledger, State
from monitor_tick.judging.amounts import hours_and_minutes
from monitor_tick.judging.cooldown import Cooling, cooling_of
from monitor_tick.memory import Cooldowns, Memory
from monitor_tick.rules import Limits

SCHEMA = 1
"""Version of the JSON form; it moves when a key changes its meaning or goes."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One issue, or one write that waits. `state` is "open", "queued", "sent", or "cooling" for a key whose issue is
    not in the ledger. `number` is 0 where there is none yet.

    `write` says what waits ("issue", "comment", "label urgent"), `attempts` how often it failed and `why` the last
    time. `last_filed` is when the tracker last confirmed a write, or when the write that waits was first wanted.
    """

    state: str
    number: int = 0
    title: str = ""
    key: str
    scope: str = ""
    urgent: bool = False
    write: str = ""
    attempts: int = 0
    why: str = ""
    last_filed: datetime | None = None
    cooling_seconds: int | None = None


class Totals(msgspec.Struct, frozen=True):
    """`open` counts issues, of which one may stand for several keys."""

    open: int
    queued: int
    sent: int
    cooling: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = SCHEMA
    issues: tuple[Row, ...]
    board: tuple[BoardFailure, ...]
    totals: Totals


def overview_of(ledger: Ledger, cooldowns: Cooldowns, limits: Limits, now: datetime) -> Overview:
    cooling = cooling_of(Memory(cooldowns=cooldowns, issues=ledger), limits, now)
    newest_first = sorted(ledger.filed, key=lambda filed: filed.number, reverse=True)
    rows = (
        *(_waiting(entry) for entry in ledger.outbox),
        *(_filed(filed, cooling) for filed in newest_first),
        *_cooling_alone(ledger, cooldowns, cooling),
    )
    states = [row.state for row in rows]
    return Overview(
        issues=rows,
        board=ledger.board,
        totals=Totals(
            open=len({filed.number for filed in ledger.filed}),
            queued=states.count("queued"),
            sent=states.count("sent"),
            cooling=sum(row.cooling_seconds is not None for row in rows),
        ),
    )


def _waiting(entry: Entry) -> Row:
    return Row(
        state="sent" if entry.state is State.SENT else "queued",
        number=entry.number,
        title=entry.title,
        key=entry.key,
        scope=entry.scope,
        urgent=entry.urgent,
        write=_write_of(entry),
        attempts=entry.attempts,
        why=entry.why,
        last_filed=entry.first_at,
    )


def _write_of(entry: Entry) -> str:
    if entry.intent is Intent.LABEL:
        return f"label {entry.label}"
    if entry.intent is Intent.BOARD:
        return f"column {entry.status}"
    return "comment" if entry.number else "issue"


def _filed(filed: Filed, cooling: Cooling) -> Row:
    return Row(
        state="open",
        number=filed.number,
        title=filed.title,
        key=filed.key,
        scope=filed.scope,
        urgent=filed.urgent,
        last_filed=filed.at,
        cooling_seconds=None if filed.events else _seconds_left(cooling, filed.cooldown_key or filed.key),
    )


def _cooling_alone(ledger: Ledger, cooldowns: Cooldowns, cooling: Cooling) -> Iterator[Row]:
    known = {filed.cooldown_key or filed.key for filed in ledger.filed}
    for key, _ in cooldowns.filed:
        left = _seconds_left(cooling, key)
        if key not in known and left is not None:
            yield Row(state="cooling", key=key, cooling_seconds=left)


def _seconds_left(cooling: Cooling, key: str) -> int | None:
    """For an alert that is not urgent, or was so before; cooldown does not hold back what is an event of its own."""
    left = cooling.left(Alert(key=key, scope="", title=""))
    return None if left is None else int(left.total_seconds())


# --- the two forms -----------------------------------------------------------------------------------------------


def render_json(overview: Overview) -> str:
    return msgspec.json.encode(overview).decode() + "\n"


def render_text(overview: Overview) -> str:
    """A line for each issue with its title, and below it one for each row: what is known of it."""
    width = max((len(_number(row)) for row in overview.issues), default=0)
    lines: list[str] = []
    for (state, number), rows in itertools.groupby(overview.issues, key=lambda row: (row.state, row.number)):
        listed = list(rows)
        same = [listed] if state == "open" and number else [[row] for row in listed]
        lines += [line for group in same for line in _lines(group, width)]
    lines += [f"#{failure.number} is not on the board: {_tries(failure.tries)}" for failure in overview.board]
    totals = overview.totals
    lines.append(
        f"{totals.open} open as far as known, {totals.queued} queued, {totals.sent} sent and not confirmed, "
        f"{totals.cooling} cooling down"
    )
    return "\n".join(lines) + "\n"


def _lines(rows: Sequence[Row], width: int) -> Iterator[str]:
    """Of one issue, which may stand for several keys."""
    urgent = " [urgent]" if any(row.urgent for row in rows) else ""
    title = rows[0].title or "(its issue is not in the ledger)"
    yield f"{_number(rows[0]):<{width}}  {title}{urgent}"
    for row in rows:
        scope = f" ({row.scope})" if row.scope else ""
        yield f"{'':<{width}}  {_state(row)}; {row.key}{scope}"


def _number(row: Row) -> str:
    return f"#{row.number}" if row.number else "-"


def _state(row: Row) -> str:
    left = ""
    if row.cooling_seconds is not None:
        left = f"cooling down {hours_and_minutes(timedelta(seconds=row.cooling_seconds))} left"
    if row.state == "cooling":
        return left
    at = f"{row.last_filed:%Y-%m-%dT%H:%M:%SZ}"
    if row.state == "open":
        return ", ".join(filter(None, ("open", left, f"last filed {at}")))
    if row.state == "sent":
        return f"{row.write} sent, not confirmed, wanted since {at}"
    reason = ", ".join(filter(None, (row.why, _tries(row.attempts))))
    return f"{row.write} queued{f' ({reason})' if reason else ''} since {at}"


def _tries(count: int) -> str:
    return f"{count} {'try' if count == 1 else 'tries'} failed" if count else ""
