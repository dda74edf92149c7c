"""The ledger is one file, and one of more than 16 MB is not read: whatever fires, and however long nobody answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor_tick.alert import LONGEST_NAME, Alert, short_name
from monitor_tick.issues import bounds, ledgerfile
from monitor_tick.issues.bounds import UNCONFIRMED_KEPT, last_within
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.following import after_create, board_failed
from monitor_tick.issues.ledger import NOTHING_FILED, Entry, Intent, Ledger, State
from monitor_tick.issues.outbox import queue
from monitor_tick.issues.progress import Written, failed, recorded, sent
from monitor_tick.issues.tracker import Issue
from monitor_tick.plan import plan_of
from monitor_tick.state.shelf import FILE_LIMIT
from monitor_tick.verdict import Verdict
from tests.monitor_tick.issues.filing_world import World, a_finding
from tests.monitor_tick.issues.model_github import LOGIN, Fault
from tests.monitor_tick.views import CADENCE, NOW


class Wave(msgspec.Struct, frozen=True):
    """Some ticks in a row: so many findings in each, made of a character, and what the tracker makes of them."""

    ticks: int
    findings: int
    length: int
    char: str
    is_event: bool
    outcome: str


WAVES = st.lists(
    st.builds(
        Wave,
        st.integers(1, 8),
        st.sampled_from([1, 10, 40]),
        st.sampled_from([3, 400, 5000]),
        st.sampled_from(["x", "é", "\x01"]),
        st.booleans(),
        st.sampled_from(["nothing", "sent", "recorded", "recorded, and the board fails"]),
    ),
    min_size=1,
    max_size=4,
)


def huge(name: str, wave: Wave) -> Finding:
    text = wave.char * wave.length
    owned = a_finding(f"log:{name}:{text}", text, text, diagnosis=text, cause=text).alert
    return Finding(
        alert=msgspec.structs.replace(
            owned,
            key=f"k:{name}:{text}",
            event=f"{name}{text}" if wave.is_event else "",
            cooldown_key=f"c{name}{text}",
            evidence=((text, text),) * 60,
            metrics=(text,) * 60,
            message=text,
        ),
        at=NOW,
        session_id="1a2b3c4d",
        mode="validator",
        owned=(owned,) * 60,
        beside=(text,) * 60,
        log=(text,) * 60,
        watch=(text,) * 60,
        acted=text,
        data_root=text,
    )


class Tracker:
    """What becomes of the worst that wait, without its texts."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)

    def outcome(self, ledger: Ledger, wave: Wave) -> Ledger:
        waiting = [entry for entry in ledger.outbox if entry.intent is Intent.FILE and entry.state is State.PENDING]
        for entry in waiting[:5]:
            if wave.outcome.startswith("recorded"):
                ledger = self.recorded(ledger, entry)
            elif wave.outcome == "sent" and _sent(ledger) < UNCONFIRMED_KEPT:
                ledger = ledger.with_entry(sent(entry, NOW))
            else:
                ledger = ledger.with_entry(failed(entry, wave.char * wave.length))
        if wave.outcome.endswith("fails"):
            for entry in [entry for entry in ledger.outbox if entry.intent is Intent.BOARD][-9:]:
                ledger, _ = board_failed(ledger, entry, "operator")
        return ledger

    def recorded(self, ledger: Ledger, entry: Entry) -> Ledger:
        issue = Issue(
            number=next(self.numbers), title=entry.title, is_open=True, author=LOGIN, created_at=NOW, on_board=False
        )
        following = after_create(msgspec.structs.replace(entry, back_links=(1, 2, 3)), issue, has_board=True)
        return recorded(ledger, entry, Written(issue=issue, at=NOW, following=following))


def _sent(ledger: Ledger) -> int:
    return sum(entry.state is State.SENT for entry in ledger.outbox)


@pytest.mark.thorough
@settings(max_examples=20)
@given(WAVES)
def test_no_ledger_is_too_large_to_be_read(waves: list[Wave]) -> None:
    tracker, ledger = Tracker(), NOTHING_FILED
    incidents = (f"{number:012x}" for number in itertools.count(1))
    names = itertools.count()
    for wave in waves:
        for _ in range(wave.ticks):
            findings = [huge(str(next(names)), wave) for _ in range(wave.findings)]
            ledger = queue(ledger, findings, NOW, lambda: next(incidents))
            assert len(ledgerfile.render(ledger)) < FILE_LIMIT
            ledger = tracker.outcome(ledger, wave)
            assert len(ledgerfile.render(ledger)) < FILE_LIMIT


def test_the_limits_have_room_in_one_file() -> None:
    """Beside each other, with an umbrella that grows while the rest is still there."""
    limits = ("WAITING_LIMIT", "LISTED_LIMIT", "FILED_LIMIT", "MENTIONS_LIMIT", "FOLLOWING_LIMIT")
    assert sum(getattr(bounds, name) for name in limits) <= FILE_LIMIT - 2 * 2**20


def test_what_has_no_room_is_the_oldest() -> None:
    assert last_within(["a", "bb", "ccc"], 12) == ("bb", "ccc")
    assert last_within(["a", "bb", "ccc"], 15) == ("a", "bb", "ccc")
    assert last_within([], 0) == ()


def test_names_that_are_too_long_stay_different() -> None:
    assert short_name("k" * LONGEST_NAME) == "k" * LONGEST_NAME
    one, other = (short_name("k" * 600 + end) for end in "ab")
    assert one != other
    assert len(one) == LONGEST_NAME
    assert short_name(one) == one


@pytest.mark.parametrize("field", ["key", "scope", "event"])
def test_a_finding_with_a_name_that_is_too_long_is_filed_once(field: str) -> None:
    """The ledger knows it by the same name as the plan."""
    world = World()
    alert = msgspec.structs.replace(Alert(key="log:x", scope="y", title="t"), **{field: "log:" + "z" * 900})
    verdict = Verdict(label="log", lines=("x",), alerts=(alert,))

    def plan() -> list[Alert]:
        filings = plan_of([verdict], early=False, ledger=world.ledger).filings
        return [filing.alert for filing in filings if filing.disposition.value == "file"]

    world.tick(*(Finding(alert=each, at=NOW, session_id="1a2b3c4d", mode="validator") for each in plan()))
    (filed,) = world.ledger.filed
    assert [(each.key, each.scope) for each in plan()] == ([] if field == "event" else [(filed.key, filed.scope)])


def failing(name: str) -> Callable[[str], Fault | None]:
    """Every such call gets an answer that says nothing, and what was sent cannot be looked up."""
    return lambda called: Fault.REFUSED if called == "created_since" else Fault.LOST if called == name else None


def test_no_more_is_sent_while_much_is_not_confirmed() -> None:
    """One more in each tick, if nothing stopped it."""
    world = World(failing("create"))
    for number in range(UNCONFIRMED_KEPT + 3):
        drained = world.tick(a_finding(f"log:{number}"))
        world.wait(CADENCE + timedelta(seconds=number))
    assert _sent(world.ledger) == UNCONFIRMED_KEPT
    assert drained.why == f"{UNCONFIRMED_KEPT} writes are not confirmed"
    assert len(world.ledger.outbox) == UNCONFIRMED_KEPT + 3
    world.hook = lambda _name: None
    for _ in range(4):
        world.wait()
        world.tick()
    assert len(world.github.issues) == UNCONFIRMED_KEPT + 3
