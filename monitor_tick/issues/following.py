"""What remains to be done about an issue once it is written: labels, the board, links back. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from monitor_tick.issues.ledger import BoardFailure, Entry, Intent, Ledger
from monitor_tick.issues.policy import URGENT, labels_of, status_of
from monitor_tick.issues.redaction import inline, redact
from monitor_tick.issues.tracker import Issue

BOARD_TRIES = 3
COMMENT_TRIES = 3
"""So often a comment is refused before its issue is taken for one that has no more of them: locked, or full."""

BOARD_FAILED = "Board routing failed — manual triage needed"


def labels_for(entry: Entry) -> tuple[str, ...]:
    """Of a new issue: urgent where any finding that was merged into the entry is."""
    own = labels_of(entry.finding.alert) if entry.finding else ()
    return tuple(dict.fromkeys((*([URGENT] if entry.urgent else []), *own)))


def after_create(entry: Entry, issue: Issue, *, has_board: bool, secrets: Sequence[str] = ()) -> tuple[Entry, ...]:
    """`issue` is the new one, with the labels that it has."""
    return (
        *_labels(entry, issue, labels_for(entry)),
        *(_back_link(entry, issue, number, secrets) for number in entry.back_links),
        *([_to_board(entry, issue)] if has_board and not issue.on_board else []),
    )


def after_comment(entry: Entry, issue: Issue, *, has_board: bool) -> tuple[Entry, ...]:
    """An issue that is on the board is never moved, and no label is taken away."""
    return (
        *_labels(entry, issue, [URGENT] if entry.urgent else []),
        *([_to_board(entry, issue)] if has_board and issue.on_board is False else []),
    )


def _labels(entry: Entry, issue: Issue, wanted: Sequence[str]) -> list[Entry]:
    there = {label.casefold() for label in issue.labels}
    missing = [label for label in wanted if label.casefold() not in there]
    return [
        msgspec.structs.replace(_following(entry, Intent.LABEL, issue.number, label), label=label) for label in missing
    ]


def _to_board(entry: Entry, issue: Issue) -> Entry:
    status = status_of(entry.finding.alert) if entry.finding else ""
    board = _following(entry, Intent.BOARD, issue.number, status)
    return msgspec.structs.replace(board, key=f"board:{issue.number}", scope="issue", status=status)


def _back_link(entry: Entry, issue: Issue, number: int, secrets: Sequence[str]) -> Entry:
    scope = inline(redact(entry.scope, secrets), 200) or "-"
    link = _following(entry, Intent.COMMENT, number, f"from {issue.number}")
    return msgspec.structs.replace(link, text=f"Related: #{issue.number} is the same alarm for {scope}.")


def _following(entry: Entry, intent: Intent, number: int, what: str) -> Entry:
    """Its incident is the same whenever it is derived, so that a tick that died half-way repeats nothing."""
    name = f"{entry.incident} {intent.value} {number} {what}"
    return Entry(
        incident=hashlib.sha256(name.encode()).hexdigest()[:12],
        intent=intent,
        key=entry.key,
        scope=entry.scope,
        title=entry.title,
        urgent=entry.urgent,
        first_at=entry.first_at,
        number=number,
    )


# --- the board ---------------------------------------------------------------------------------------------------


def board_failed(ledger: Ledger, entry: Entry, operator: str) -> tuple[Ledger, int]:
    """And how often in a row it has failed for this issue. After three times the issue says so, once."""
    before = next((each for each in ledger.board if each.number == entry.number), BoardFailure(entry.number, 0))
    tries = before.tries + 1
    if tries >= BOARD_TRIES and not before.told:
        text = f"{BOARD_FAILED} @{operator.lstrip('@')}" if operator.strip("@ ") else BOARD_FAILED
        note = _following(entry, Intent.COMMENT, entry.number, "board failed")
        ledger = ledger.with_entry(msgspec.structs.replace(note, text=text))
    waiting = {each.number for each in ledger.outbox if each.intent is Intent.BOARD} - {entry.number}
    others = (each for each in ledger.board if each.number in waiting)
    failure = BoardFailure(entry.number, tries, before.told or tries >= BOARD_TRIES)
    return msgspec.structs.replace(ledger, board=(*others, failure)), tries


def settled(ledger: Ledger, entry: Entry) -> Ledger:
    """A label, a comment or a place on the board that is there now, or that nobody needs any more."""
    ledger = ledger.without_entry(entry.incident)
    if entry.intent is not Intent.BOARD:
        return ledger
    return msgspec.structs.replace(ledger, board=tuple(each for each in ledger.board if each.number != entry.number))
