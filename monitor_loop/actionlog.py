"""<data>/actions.jsonl: every act on the node, written down before it is done, and what came of it.

An intent without an ending is an act that was interrupted. The file is kept whole, and `hashchain` says what happened
to it. Whoever writes holds the data root's lock.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import msgspec

from monitor_loop import hashchain
from monitor_loop.acts import Precondition
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot

TEXT_LENGTH = 1000
"""Characters of one text that are kept: evidence lies elsewhere, here is what it comes to."""

_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_ID = re.compile(r"[0-9a-f]{12}")


class Intent(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="intent"):
    """`id` is 12 hex digits, new for each; `act` is a word such as "relaunch". The process, where there is one, is the
    one that is acted on. `evidence_digest` is the SHA-256 of what was judged; `installs` and `quarantines` are commits.
    """

    id: str
    at: _Time
    act: str
    why: str
    preconditions: tuple[Precondition, ...] = ()
    evidence_digest: str = ""
    installs: str = ""
    quarantines: str = ""
    pid: int | None = None
    start_ticks: int | None = None
    boot_id: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="outcome"):
    """What became of intent `id`. `pid` and `start_ticks` are those of a new process."""

    id: str
    at: _Time
    done: bool
    words: str
    pid: int | None = None
    start_ticks: int | None = None


class Abandoned(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="abandoned"):
    """Intent `id` was found without an ending, and will get no other."""

    id: str
    at: _Time
    why: str


Record = Intent | Outcome | Abandoned
_RECORD: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Actions(msgspec.Struct, frozen=True):
    """`faults` say what is wrong with the file, by line; `notes` what a crash left in it, or another version wrote."""

    records: tuple[Record, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Act(msgspec.Struct, frozen=True):
    """`ending` is None while it is under way, or since it was interrupted."""

    intent: Intent
    ending: Outcome | Abandoned | None = None


def intend(data: DataRoot, intent: Intent) -> None:
    """Durable when this returns; only then may the act begin. MonitorError where the disk refuses.

    ValueError for an intent that nobody should have had: one whose preconditions do not all hold.
    """
    if not _ID.fullmatch(intent.id):
        raise ValueError(f"not an id of 12 hex digits: {intent.id!r}")
    missing = [f"{p.name}: wanted {p.wanted}, seen {p.seen}" for p in intent.preconditions if not p.holds]
    if missing:
        raise ValueError(f"an intent to {intent.act} whose preconditions do not hold: {'; '.join(missing)}")
    _append(data, intent, "nothing was done")


def conclude(data: DataRoot, outcome: Outcome) -> None:
    """MonitorError where the disk refuses; the intent then stays open, and the next load finds it."""
    _append(data, outcome, "the act was done, its outcome is not recorded")


def abandon(data: DataRoot, abandoned: Abandoned) -> None:
    _append(data, abandoned, "the intent stays open")


def read(data: DataRoot) -> Actions:
    """The whole file, checked. One that cannot be read holds nothing but a fault."""
    try:
        chain = hashchain.read(data.actions)
    except OSError as error:
        return _unreadable(data, error)
    records, notes = [], list(chain.notes)
    for body in chain.bodies:
        record = _parse(body.content)
        if record is None:
            notes.append(f"line {body.number}: a record that this version does not know")
        else:
            records.append(record)
    return Actions(tuple(records), chain.faults, tuple(notes))


def recent(data: DataRoot) -> Actions:
    """The newest records, some thousand, without a check of the links: enough for what is still open."""
    try:
        records = map(_parse, hashchain.newest(data.actions))
        return Actions(tuple(record for record in records if record is not None))
    except OSError as error:
        return _unreadable(data, error)


def verify(data: DataRoot) -> tuple[str, ...]:
    """What is wrong with the file, by line; empty where it is whole. What a crash left is no fault: `read` notes it."""
    return read(data).faults


def acts(actions: Actions) -> tuple[Act, ...]:
    """Each intent with the first ending that came after it, in the file's order."""
    found: dict[str, Act] = {}
    for record in actions.records:
        if isinstance(record, Intent):
            found.setdefault(record.id, Act(record))
        elif record.id in found and found[record.id].ending is None:
            found[record.id] = Act(found[record.id].intent, record)
    return tuple(found.values())


def open_intents(actions: Actions) -> tuple[Intent, ...]:
    return tuple(act.intent for act in acts(actions) if act.ending is None)


def last(actions: Actions, act: str) -> Act | None:
    """The newest act of this name, ended or not."""
    return next((found for found in reversed(acts(actions)) if found.intent.act == act), None)


def _append(data: DataRoot, record: Record, consequence: str) -> None:
    if record.at.tzinfo is None:
        raise ValueError("a time without a zone")
    try:
        hashchain.append(data.actions, msgspec.json.encode(_clipped(msgspec.to_builtins(record))))
    except OSError as error:
        raise MonitorError(
            f"ERROR: cannot write {data.actions}: {error.strerror or error}; {consequence}"
            " - check free space and permissions"
        ) from error


def _parse(content: bytes) -> Record | None:
    try:
        return _RECORD.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _unreadable(data: DataRoot, error: OSError) -> Actions:
    return Actions(faults=(f"{data.actions} cannot be read: {error.strerror or error}",))


def _clipped(value: object) -> object:
    """Every text at most TEXT_LENGTH characters, each of which UTF-8 knows: names of files come into them."""
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode()
        return text if len(text) <= TEXT_LENGTH else f"{text[: TEXT_LENGTH - 3]}..."
    if isinstance(value, dict):
        return {key: _clipped(inner) for key, inner in value.items()}
    return [_clipped(inner) for inner in value] if isinstance(value, tuple) else value
