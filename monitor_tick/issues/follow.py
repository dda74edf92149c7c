"""What remains to be done about issues that are there: labels, links back, the board. What fails is tried again."""

from __future__ import annotations

from monitor_tick.issues.door import Stopped
from monitor_tick.issues.following import BOARD_TRIES, COMMENT_TRIES, board_failed, settled
from monitor_tick.issues.ledger import Entry, Intent
from monitor_tick.issues.order import follow_ups
from monitor_tick.issues.send import Sender
from monitor_tick.issues.tracker import Cause, TrackerError


def follow(sender: Sender, operator: str, lines: list[str]) -> None:
    """Each once; what fails is said in `lines`. Raises Stopped."""
    tried: set[str] = set()
    missing: dict[str, TrackerError] = {}
    while entry := next((each for each in follow_ups(sender.door.ledger) if each.incident not in tried), None):
        tried.add(entry.incident)
        if entry.number not in sender.open:  # nothing is said on a closed issue, and nobody looks at it
            sender.door.ledger = settled(sender.door.ledger, entry)
        elif entry.intent is Intent.BOARD:
            _put_on_board(sender, entry, operator, lines)
        else:
            _write(sender, entry, lines, missing)


def _write(sender: Sender, entry: Entry, lines: list[str], missing: dict[str, TrackerError]) -> None:
    """A label that the repository lacks is `missing` for all: it may not use up the tick's writes."""
    tracker, what = sender.door.tracker, f"label {entry.label}" if entry.intent is Intent.LABEL else "comment"
    try:
        if entry.label in missing:
            raise missing[entry.label]
        if entry.intent is Intent.LABEL:
            sender.door.write(entry, lambda: tracker.add_label(entry.number, entry.label))
        else:
            body = sender.composer.note(entry)
            sender.door.write(entry, lambda: tracker.comment(entry.number, body))
    except TrackerError as error:
        if error.cause is Cause.NO_SUCH_LABEL:
            missing[entry.label] = error
        if entry.intent is Intent.COMMENT and error.cause is Cause.REFUSED and entry.attempts + 1 >= COMMENT_TRIES:
            sender.door.ledger = settled(sender.door.ledger, entry)
            lines.append(f"{what} given up #{entry.number} ({error})")
        else:
            sender.door.fail(entry, str(error))
            lines.append(f"{what} retry #{entry.number} ({error})")
        return
    sender.door.ledger = settled(sender.door.ledger, entry)


def _put_on_board(sender: Sender, entry: Entry, operator: str, lines: list[str]) -> None:
    """No answer is the board's failure too; a tracker that is not there is not."""
    tracker = sender.door.tracker
    try:
        sender.door.write(entry, lambda: tracker.add_to_board(entry.number, entry.status))
    except TrackerError as error:
        sender.door.fail(entry, str(error))
        _count(sender, entry, operator, lines, str(error))
    except Stopped as stopped:
        if stopped.cause is Cause.UNCERTAIN:
            _count(sender, entry, operator, lines, stopped.cause.value)
        raise
    else:
        sender.door.ledger = settled(sender.door.ledger, entry)


def _count(sender: Sender, entry: Entry, operator: str, lines: list[str], why: str) -> None:
    sender.door.ledger, tries = board_failed(sender.door.ledger, entry, operator)
    lines.append(f"board retry #{entry.number} ({min(tries, BOARD_TRIES)}/{BOARD_TRIES}): {why}")
