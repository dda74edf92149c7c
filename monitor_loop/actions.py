"""`monitor-loop actions`: what was done to the node, and whether the record of it is whole."""

from __future__ import annotations

import msgspec

from monitor_loop import actionlog
from monitor_loop.actionlog import Abandoned, Act, Actions, Outcome
from monitor_loop.session import DataRoot

SCHEMA = 1
_WHY_LENGTH = 60


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """`faults` say what is wrong with the file, by line; `notes` what a crash left in it."""

    schema: int = SCHEMA
    file: str
    records: int
    acts: tuple[Act, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def look(data: DataRoot, last: int | None = None) -> Seen:
    """The newest `last` acts, or all; faults and notes are of the whole file."""
    read: Actions = actionlog.read(data)
    acts = actionlog.acts(read)
    return Seen(
        file=str(data.actions),
        records=len(read.records),
        acts=acts if last is None else acts[max(0, len(acts) - last) :],
        faults=read.faults,
        notes=read.notes,
    )


def render(seen: Seen) -> str:
    lines = [f"WARNING: {fault}" for fault in seen.faults]
    if not seen.acts:
        return "\n".join(lines or [f"no act in {seen.file}"])
    rows = [("when", "act", "why", "pid", "outcome"), *map(_row, seen.acts)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4])) for row in rows
    ]
    return "\n".join([*lines, *table])


def render_check(seen: Seen) -> str:
    """What --verify prints."""
    notes = [f"note: {note}" for note in seen.notes]
    if not seen.faults:
        return "\n".join([*notes, f"{seen.file} is whole: {seen.records} records"])
    return "\n".join([*(f"BROKEN {fault}" for fault in seen.faults), *notes, f"{seen.file} was changed or is damaged"])


def to_json(seen: Seen) -> str:
    return msgspec.json.encode(seen).decode()


def _row(act: Act) -> tuple[str, str, str, str, str]:
    intent = act.intent
    why = _one_line(intent.why)
    return (
        f"{intent.at:%Y-%m-%d %H:%M:%S}Z",
        _one_line(intent.act),
        why if len(why) <= _WHY_LENGTH else f"{why[: _WHY_LENGTH - 3]}...",
        _pids(act),
        _outcome(act.ending),
    )


def _pids(act: Act) -> str:
    """Which process was acted on, and which came of it."""
    before, after = act.intent.pid, act.ending.pid if isinstance(act.ending, Outcome) else None
    shown = [str(pid) if pid is not None else "-" for pid in (before, after)]
    return shown[0] if after is None else " -> ".join(shown)


def _outcome(ending: Outcome | Abandoned | None) -> str:
    if ending is None:
        return "OPEN: interrupted, or under way"
    if isinstance(ending, Abandoned):
        return f"abandoned: {_one_line(ending.why)}"
    return f"{'done' if ending.done else 'FAILED'}: {_one_line(ending.words)}"


def _one_line(text: str) -> str:
    """Nothing in it can move a terminal's cursor."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
