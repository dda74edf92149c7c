"""What the files under the data root say after all that: issues filed twice, alerts lost, acts that should not be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from monitor_loop import actionlog
from monitor_loop.session import DataRoot
from monitor_tick.issues import ledgerfile
from monitor_tick.issues.hiddenline import Hidden, parse_hidden
from monitor_tick.issues.ledger import Ledger
from monitor_tick.issues.page import Page, parse
from monitor_tick.issues.policy import URGENT, always_new
from tests.simulation.model import Ended
from tests.simulation.run import Kind

NOT_THE_BUILDS = (Kind.POWER, Kind.STOPPED, Kind.LOCKED)
"""Ends that say nothing of the build that ran."""

_EVENT = re.compile(r"^- event: `([^`]*)`$", re.MULTILINE)
_ABOUT_DOWN = ("process:", "offline:", "wipe:", "deploy:regression", "incident:many")
"""Keys of issues that tell that a node is, or was, down."""

_ABOUT_BUILDS = ("deploy:regression", "offline:recurrence", "incident:many")
_OWNERS_OF_AN_END = ("process:wedge", "offline:", "wipe:", "deploy:regression", "incident:many")
_SEEN = re.compile(r"seen \d+ times since (\S+Z)")


class Look(NamedTuple):
    """When a tick was, in true time and by the machine's clock; `is_whole`: it did not die, and was heard."""

    at: datetime
    wall: datetime
    is_whole: bool


class Text(NamedTuple):
    """One write to the tracker: an issue's body, or a comment. `event` is empty where it tells of a condition."""

    number: int
    title: str
    at: datetime
    hidden: Hidden
    event: str
    text: str
    is_issue: bool
    is_urgent: bool


def texts_of(data: DataRoot) -> tuple[Text, ...]:
    """Every one in every issue, by number and then in the order they were written."""
    paths = sorted(data.issues.glob("*.md"), key=lambda path: int(path.stem))
    return tuple(text for path in paths for text in _texts(int(path.stem), parse(path.read_bytes())))


def _texts(number: int, page: Page) -> list[Text]:
    found = [(page.body, page.created_at, True), *((remark.text, remark.at, False) for remark in page.remarks)]
    texts = []
    for text, at, is_issue in found:
        hidden = parse_hidden(text)
        assert hidden is not None, f"#{number} has a text without a hidden line"
        event = _EVENT.search(text)
        is_urgent = URGENT in page.labels
        texts.append(Text(number, page.title, at, hidden, event[1] if event else "", text, is_issue, is_urgent))
    return texts


def duplicates(texts: Sequence[Text], closings: Sequence[int]) -> list[str]:
    """`closings` are the highest numbers at each time that somebody closed all that was open."""
    found = [f"incident {name} was written {n} times" for name, n in Counter(_incidents(texts)).items() if n > 1]
    events = Counter((text.hidden.key, text.hidden.scope, text.event) for text in texts if text.event)
    found += [f"{key} ({scope}) told {n} times of {event!r}" for (key, scope, event), n in events.items() if n > 1]
    last: dict[tuple[str, str], int] = {}
    titled: dict[tuple[str, str, str], int] = {}
    for text in texts:
        key, scope = text.hidden.key, text.hidden.scope
        if not text.is_issue or always_new(key):
            continue
        for open_before in {last.get((key, scope), 0), titled.get((text.title, key, scope), 0)} - {0}:
            if not any(open_before <= closed < text.number for closed in closings):
                found.append(f"#{text.number} repeats the open #{open_before}: {key} ({scope}) {text.title}")
        last[key, scope] = titled[text.title, key, scope] = text.number
    return found


def _incidents(texts: Sequence[Text]) -> list[str]:
    return [text.hidden.incident for text in texts]


def untold_ends(texts: Sequence[Text], ended: Sequence[Ended], looks: Sequence[Look]) -> list[str]:
    """Ends of runs that nothing in the tracker tells of. What the monitor ended is told by what it did it for."""
    whole = "\n".join(text.text for text in texts)
    found = []
    for end in ended:
        run = f"of pid {end.identity.pid}, start_ticks {end.identity.start_ticks}"
        names = [f"end {run}", *([f"freeze {run}"] if end.kind is Kind.FROZEN else [])]
        if end.launched_by is not None:
            names.append(f"of {end.launched_by:%Y-%m-%dT%H:%M:%SZ} launched")
        if end.launched_by is not None and end.kind is Kind.DISK_FULL:  # it left no word; that its tick died is told
            names.append(f"of {end.launched_by:%Y-%m-%d %H:%M:%SZ} has no outcome")
        if end.kind is Kind.STOPPED or any(name in whole for name in names):
            continue
        times, noticed = _next_looks(end, looks)
        if not any(text.at in times and _may_own_end(text, noticed) for text in texts):
            found.append(f"{end.at:%d %H:%M:%S} {names[0]}: {end.kind.value}")
    return found


def _next_looks(end: Ended, looks: Sequence[Look]) -> tuple[list[datetime], datetime]:
    """The times of the ticks after this end, to the second one that was seen through: then it has to be told. And that
    of the first one that was: by then it is noticed."""
    after = [look for look in looks if look.at >= end.at]
    whole = [number for number, look in enumerate(after) if look.is_whole] or [len(after) - 1]
    last = whole[1] if len(whole) > 1 else len(after)
    times = [look.wall.replace(microsecond=0) for look in after[: last + 1]]
    return times, times[whole[0]]


def _may_own_end(text: Text, noticed: datetime) -> bool:
    """Whether it tells of such an end without its name: as evidence for a graver thing, or as one of several."""
    key = text.hidden.key
    counted = _SEEN.search(text.text) if key.startswith("process:death") else None
    if counted is None:
        return key.startswith(_OWNERS_OF_AN_END)
    return datetime.fromisoformat(counted[1].replace("Z", "+00:00")) <= noticed


def condemned(quarantined: Sequence[str], at_fault: Sequence[str], ended: Sequence[Ended]) -> list[str]:
    """Good builds that are in quarantine although no run of theirs stood still, or ended as a bad one's would."""
    suspect = {end.build for end in ended if end.kind not in NOT_THE_BUILDS or end.was_halted}
    return [sha for sha in quarantined if sha not in at_fault and sha not in suspect]


def untold_quarantines(texts: Sequence[Text], quarantined: Sequence[str]) -> list[str]:
    """Builds in quarantine of which no issue tells that it is for them."""
    about = [text for text in texts if text.hidden.key.startswith(_ABOUT_BUILDS)]
    return [sha for sha in quarantined if not any(sha in text.text for text in about)]


def tells_of(texts: Sequence[Text], key: str, since: datetime) -> bool:
    return any(text.hidden.key == key and text.at >= since for text in texts)


def told_down_since(data: DataRoot, since: datetime) -> bool:
    """Whether an open urgent issue that tells of a node that is down was written to since."""
    paths = sorted(data.issues.glob("*.md"), key=lambda path: int(path.stem), reverse=True)
    for path in paths:
        page = parse(path.read_bytes())
        if not page.is_open or URGENT not in page.labels:
            continue
        if any(text.at >= since and text.hidden.key.startswith(_ABOUT_DOWN) for text in _texts(int(path.stem), page)):
            return True
    return False


def waiting(data: DataRoot) -> list[str]:
    """What no tick has brought to the tracker."""
    return [f"{entry.intent.value} {entry.key}: {entry.title}" for entry in _ledger(data).outbox]


def is_filed(data: DataRoot, texts: Sequence[Text], key: str, scope: str) -> bool:
    """In the ledger, which may have been damaged since, or in the tracker itself."""
    told = any((text.hidden.key, text.hidden.scope) == (key, scope) for text in texts)
    return told or _ledger(data).filed_for(key, scope) is not None


def _ledger(data: DataRoot) -> Ledger:
    return ledgerfile.parse(data.issue_ledger.read_bytes())


def acts_of(data: DataRoot) -> tuple[actionlog.Act, ...]:
    return actionlog.acts(actionlog.read(data)) if data.actions.exists() else ()
