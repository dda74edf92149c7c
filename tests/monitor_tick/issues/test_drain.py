"""Draining the outbox: what is asked, saved and written, in which order, and what each failure leaves behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor_loop.errors import MonitorError
from monitor_tick.alert import Tier
from monitor_tick.budget import Budget
from monitor_tick.investigation.values import Investigation
from monitor_tick.issues.bounds import FILED_KEPT
from monitor_tick.issues.drain import cooldowns_of
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.following import COMMENT_TRIES
from monitor_tick.issues.ledger import MANY, BoardFailure, Entry, Filed, Intent, Ledger, State
from monitor_tick.issues.progress import Written, recorded
from monitor_tick.issues.told import Drained, Word
from monitor_tick.issues.tracker import Issue
from monitor_tick.memory import Cooldowns
from tests.monitor_tick.issues.filing_world import World, a_finding
from tests.monitor_tick.issues.model_github import LOGIN, WRITES, Fault
from tests.monitor_tick.views import LIMITS, NOW

DEATH = a_finding("process:death", "OOM", "Node crashed: OOM", event="run 1")
RPC = a_finding("rpc:down", title="RPC down")
PEERS = a_finding("metric:henyey_peers", "row", "metrics: henyey_peers — low", metrics=("henyey_peers",))


@pytest.fixture
def world() -> World:
    return World()


def words(drained: Drained) -> list[tuple[str, str, int]]:
    return [(told.key, told.word.value, told.number) for told in drained.told]


def failing(*names: str, fault: Fault, times: int = 1) -> Callable[[str], Fault | None]:
    """A hook by which the first calls of these names fail."""
    left = itertools.count(times, -1)
    return lambda name: fault if name in names and next(left) > 0 else None


def filed_before(world: World, finding: Finding) -> int:
    """The issue of an earlier tick, of which the ledger knows."""
    world.tick(finding)
    world.wait()
    world.github.calls.clear()
    return world.issues_of(finding.alert.key, finding.alert.scope)[-1]


# --- calls and saves ---------------------------------------------------------------------------------------------


def test_nothing_that_waits_costs_no_call_and_no_save(world: World) -> None:
    assert world.drain() == Drained(ledger=Ledger())
    assert (world.github.calls, world.saves) == ([], 0)


def test_one_save_before_each_write_and_one_at_the_end(world: World) -> None:
    events: list[str] = []
    world.queue([DEATH, RPC, PEERS])
    world.hook = events.append
    world.drain()
    writes = [name for name in events if name in WRITES]
    assert writes == ["create"] * 3 + ["add_to_board"] * 3
    assert events.count("save") == len(writes) + 1
    before = [events[index - 1] for index, name in enumerate(events) if name in WRITES]
    assert before == ["save done"] * len(writes)
    assert events[-2:] == ["save", "save done"]


def test_what_is_about_to_be_written_stands_on_disk_as_sent_with_all_that_came_before(world: World) -> None:
    seen: list[tuple[list[str], list[int]]] = []

    def look(name: str) -> None:
        if name == "create":
            sent = [entry.key for entry in world.ledger.outbox if entry.state is State.SENT]
            seen.append((sent, [filed.number for filed in world.ledger.filed]))

    world.queue([DEATH, RPC])
    world.hook = look
    world.drain()
    assert seen == [(["process:death"], []), (["rpc:down"], [1])]
    assert all(filed.at == NOW for filed in world.ledger.filed)


def test_what_cannot_be_saved_is_not_written(world: World) -> None:
    def full(_ledger: Ledger) -> None:
        raise MonitorError("No space left on device")

    world.queue([DEATH])
    with pytest.raises(MonitorError, match="No space"):
        world.drain(save=full)
    assert world.github.issues == {}


def test_the_account_is_asked_once_and_remembered(world: World) -> None:
    world.tick(DEATH, RPC)
    assert world.github.calls.count("login") == 1
    assert world.ledger.login == LOGIN


def test_two_of_one_tick_know_of_each_other(world: World) -> None:
    """L52: the list was read before the first of them was made."""
    wedges = [a_finding("process:wedge", "phase close", "Node wedged", event=f"run {number}") for number in (1, 2)]
    world.tick(*wedges)
    assert len(world.github.issues) == 2
    assert "Related to #1" in world.github.issues[2].body


# --- the share of a tick -----------------------------------------------------------------------------------------


def test_so_many_new_issues_and_the_rest_wait_while_comments_go_on(world: World) -> None:
    number = filed_before(world, a_finding("disk:low", tier=Tier.NONC))
    world.limits = msgspec.structs.replace(LIMITS, issues_per_tick=2)
    rest = [a_finding(f"memory:{name}") for name in "abc"]
    drained = world.tick(DEATH, *rest, a_finding("disk:low", tier=Tier.NONC))
    assert words(drained) == [
        ("process:death", "filed", 2),
        ("memory:a", "filed", 3),
        ("disk:low", "commented", number),
        ("memory:b", "queued", 0),
        ("memory:c", "queued", 0),
    ]
    assert {told.why for told in drained.told[3:]} == {"2 new issues in this tick"}
    assert (drained.queued, drained.why) == (2, "2 new issues in this tick")
    assert world.github.calls.count("search") == 2 * 2, "none for those that wait"
    world.wait()
    assert world.tick().queued == 0


def test_so_many_writes_and_the_worst_are_among_them(world: World) -> None:
    world.limits = msgspec.structs.replace(LIMITS, writes_per_tick=2)
    drained = world.tick(RPC, PEERS, DEATH)
    assert [told.word.value for told in drained.told] == ["filed", "filed", "queued"]
    assert (drained.told[0].key, drained.why, drained.queued) == ("process:death", "2 writes in this tick", 3)


class Calls(Budget, frozen=True):
    """A budget that is used up after so many looks at it, like a time that runs out between two calls."""

    looks: Iterator[int]

    def left(self) -> float:
        return next(self.looks)


def test_no_call_is_begun_without_time_for_it() -> None:
    looks = 0
    while True:
        world = World()
        world.queue([DEATH])
        drained = world.drain(Calls(0.0, itertools.chain([60] * looks, itertools.repeat(0))))
        assert len(world.github.calls) <= looks
        assert len(world.github.issues) <= 1
        if drained.queued == 0:
            break
        assert drained.why == "no time is left in this tick"
        looks += 1
    assert looks >= 6, "each call was the last one once"


def test_the_investigation_has_its_share_of_the_time_and_no_more(world: World) -> None:
    given: list[float] = []

    def investigate(_finding: Finding, seconds: float) -> Investigation:
        given.append(seconds)
        return Investigation()

    world.queue([DEATH, RPC])
    world.drain(Calls(0.0, itertools.repeat(12)), investigate=investigate)
    world.queue([PEERS])
    world.drain(investigate=investigate)
    assert given[:2] == [6.0, 6.0]
    assert given[2] == LIMITS.investigation_seconds


# --- what a failure leaves behind --------------------------------------------------------------------------------

ENDING = (Fault.LIMITED, Fault.EXPIRED, Fault.NO_NETWORK, Fault.NO_GH)


@pytest.mark.parametrize("call", ["login", "open_issues", "search", "create"])
@pytest.mark.parametrize("fault", ENDING)
def test_a_tracker_that_is_not_there_ends_filing_and_keeps_the_queue(world: World, call: str, fault: Fault) -> None:
    world.hook = failing(call, fault=fault, times=99)
    drained = world.tick(DEATH, RPC)
    assert world.github.calls.count(call) == 1
    assert [(told.word, told.why) for told in drained.told] == [(Word.QUEUED, str(fault.error))] * 2
    assert (drained.queued, drained.why) == (2, str(fault.error))
    assert [entry.state for entry in world.ledger.outbox] == [State.PENDING] * 2
    world.hook = lambda _name: None
    world.wait()
    assert len(world.tick().told) == 2


@pytest.mark.parametrize("fault", [Fault.DONE, Fault.LOST, Fault.LATE])
def test_without_a_certain_answer_it_stays_sent_and_nothing_more_is_tried(world: World, fault: Fault) -> None:
    world.hook = failing("create", fault=fault)
    drained = world.tick(DEATH, RPC)
    assert [entry.state for entry in world.ledger.outbox] == [State.SENT, State.PENDING]
    assert (world.github.calls[-1], drained.queued, drained.why) == ("create", 2, str(fault.error))


def test_what_may_still_be_under_way_is_left_alone_until_its_deadline(world: World) -> None:
    world.hook = failing("create", fault=Fault.LATE)
    world.tick(DEATH)
    deadline = timedelta(seconds=LIMITS.request_deadline_seconds)
    for span in (timedelta(seconds=20), timedelta(seconds=20)):
        world.wait(span)
        drained = world.tick()
        assert words(drained) == [("process:death", "queued", 0)]
        assert (drained.why, world.ledger.outbox[0].state) == ("sent, and not confirmed yet", State.SENT)
    world.wait(deadline)
    assert words(world.tick()) == [("process:death", "filed", 1)]
    assert len(world.github.issues) == 1


def test_what_never_arrived_is_written_again_after_its_deadline(world: World) -> None:
    world.hook = failing("create", fault=Fault.LOST)
    world.tick(DEATH)
    world.wait(timedelta(seconds=LIMITS.request_deadline_seconds))
    assert words(world.tick()) == [("process:death", "queued", 0)]
    world.wait(timedelta(seconds=1))
    assert words(world.tick()) == [("process:death", "filed", 1)]


@pytest.mark.parametrize("hours", [-30 * 24, -1, 1])
def test_a_clock_that_was_wrong_keeps_nothing_waiting_and_makes_nothing_twice(world: World, hours: int) -> None:
    world.hook = failing("create", "comment", fault=Fault.DONE)
    world.tick(DEATH)
    world.wait(timedelta(hours=hours))
    assert words(world.tick()) == [("process:death", "filed", 1)]
    assert world.ledger.outbox == ()


@pytest.mark.parametrize("minutes", [-30, 30, -13 * 60, 13 * 60])
@pytest.mark.parametrize("call", ["create", "comment"])
def test_a_clock_beside_that_of_the_tracker_makes_nothing_twice(world: World, call: str, minutes: int) -> None:
    """A person has closed the issue by then, so that the list of open ones does not tell of it."""
    if call == "comment":
        filed_before(world, RPC)
    world.hook = failing(call, fault=Fault.DONE)
    world.queue([RPC])
    for _ in range(2):
        drained = world.drain(now=world.now + timedelta(minutes=minutes))
        world.github.issues[1].is_open = False
        world.wait()
    assert words(drained) == [("rpc:down", "filed" if call == "create" else "commented", 1)]
    assert len(world.hidden()) == (1 if call == "create" else 2)


def test_an_issue_that_came_after_all_is_adopted_not_commented_on(world: World) -> None:
    """Its request took longer than any should: the entry waits again, and finds its issue in the list."""
    world.hook = failing("create", "created_since", fault=Fault.DONE)
    world.tick(DEATH)
    (entry,) = world.ledger.outbox
    pending = msgspec.structs.replace(entry, state=State.PENDING)
    world.save(msgspec.structs.replace(world.ledger, outbox=(pending,)))
    world.hook = lambda _name: None
    world.wait()
    assert words(world.tick()) == [("process:death", "filed", 1)]
    assert (len(world.github.issues), world.github.issues[1].comments) == (1, [])


def test_one_that_is_refused_waits_and_the_next_goes_on(world: World) -> None:
    world.hook = failing("create", fault=Fault.REFUSED)
    drained = world.tick(DEATH, RPC)
    assert words(drained) == [("rpc:down", "filed", 1), ("process:death", "queued", 0)]
    assert drained.told[1].why == str(Fault.REFUSED.error)
    (entry,) = world.ledger.outbox
    assert (entry.attempts, entry.why, entry.state) == (1, str(Fault.REFUSED.error), State.PENDING)


@pytest.mark.parametrize("call", ["search", "issue"])
def test_what_could_not_be_looked_up_is_not_filed(world: World, call: str) -> None:
    number = filed_before(world, RPC)
    world.hook = failing(call, fault=Fault.REFUSED)
    drained = world.tick(DEATH if call == "search" else RPC)
    assert words(drained)[-1][1:] == ("queued", 0)
    assert world.github.writes() == 0
    world.wait()
    assert words(world.tick()) == [
        ("process:death", "filed", 2) if call == "search" else ("rpc:down", "commented", number)
    ]


def test_l19_a_list_that_cannot_be_had_whole_files_nothing(world: World) -> None:
    world.hook = failing("open_issues", fault=Fault.REFUSED)
    assert world.tick(DEATH).why == str(Fault.REFUSED.error)
    assert world.github.writes() == 0


def test_an_issue_that_is_gone_when_it_is_commented_on_is_filed_anew(world: World) -> None:
    number = filed_before(world, RPC)

    def delete(name: str) -> None:
        if name == "comment":
            world.github.issues.pop(number, None)

    world.hook = delete
    assert words(world.tick(RPC)) == [("rpc:down", "filed", 2)]


def test_an_issue_that_is_gone_takes_the_comment_of_before_with_it(world: World) -> None:
    number = filed_before(world, RPC)
    world.hook = failing("comment", fault=Fault.DONE)
    world.tick(RPC)
    world.github.issues.pop(number)
    world.wait()
    assert words(world.tick()) == [("rpc:down", "filed", 2)]


def test_one_answer_that_an_issue_is_gone_is_not_believed(world: World) -> None:
    number = filed_before(world, RPC)
    world.hook = failing("comment", fault=Fault.NOT_FOUND)
    assert words(world.tick(RPC)) == [("rpc:down", "queued", 0)]
    world.wait()
    assert words(world.tick()) == [("rpc:down", "commented", number)]


def test_a_text_that_cannot_be_made_keeps_its_own_finding_waiting_alone(world: World) -> None:
    def investigate(finding: Finding, _seconds: float) -> Investigation:
        sites: Any = ("no site",) if finding.alert.key == "process:death" else ()
        return Investigation(sites=sites)

    world.queue([DEATH, RPC])
    drained = world.drain(investigate=investigate)
    assert words(drained) == [("rpc:down", "filed", 1), ("process:death", "queued", 0)]
    assert "its text cannot be made" in drained.told[1].why


def test_an_event_beside_what_was_sent_waits_until_it_is_known_where(world: World) -> None:
    world.hook = failing("create", fault=Fault.DONE)
    world.tick(DEATH)
    world.wait(timedelta(seconds=20))
    later = a_finding("process:death", "OOM", "Node crashed: OOM", event="run 2")
    assert words(world.tick(later)) == [("process:death", "filed", 1), ("process:death", "commented", 1)]
    assert world.ledger.filed_for("process:death", "OOM").events == ("run 1", "run 2")  # type: ignore[union-attr]


def test_an_event_waits_while_nobody_knows_where_the_one_before_it_is(world: World) -> None:
    world.hook = failing("create", fault=Fault.LATE)
    world.tick(DEATH)
    world.wait(timedelta(seconds=20))
    later = a_finding("process:death", "OOM", "Node crashed: OOM", event="run 2")
    drained = world.tick(later, RPC)
    assert words(drained) == [("rpc:down", "filed", 1), *[("process:death", "queued", 0)] * 2]
    assert {told.why for told in drained.told[1:]} == {"sent, and not confirmed yet"}
    world.wait()
    assert words(world.tick()) == [("process:death", "filed", 2), ("process:death", "commented", 2)]


@pytest.mark.parametrize(("write", "look"), [("create", "created_since"), ("comment", "comments_since")])
def test_what_cannot_be_looked_up_stays_sent(world: World, write: str, look: str) -> None:
    if write == "comment":
        filed_before(world, RPC)
    world.hook = failing(write, fault=Fault.DONE)
    world.tick(RPC)
    world.wait()
    world.hook = failing(look, fault=Fault.REFUSED)
    drained = world.tick()
    assert [told.why for told in drained.told] == [f"sent, and not confirmed yet: {Fault.REFUSED.error}"]
    assert world.ledger.outbox[0].state is State.SENT
    world.wait()
    assert world.tick().queued == 0
    assert len(world.hidden()) == (1 if write == "create" else 2)


def test_an_issue_of_which_nobody_knows_whether_it_is_gone_is_not_filed_anew(world: World) -> None:
    filed_before(world, RPC)
    calls: list[str] = []

    def fail(name: str) -> Fault | None:
        calls.append(name)
        if name == "comment":
            return Fault.NOT_FOUND
        return Fault.REFUSED if calls.count("issue") == 2 and name == "issue" else None

    world.hook = fail
    assert words(world.tick(RPC)) == [("rpc:down", "queued", 0)]


def test_an_issue_that_takes_no_comment_any_more_has_a_successor(world: World) -> None:
    """Locked, or with as many comments as GitHub allows: nobody may have to look into the queue."""
    number = filed_before(world, RPC)
    world.github.issues[number].locked = True
    for _ in range(COMMENT_TRIES - 1):
        assert words(world.tick(RPC)) == [("rpc:down", "queued", 0)], "it may be for a moment"
        world.wait()
    assert words(world.tick(RPC)) == [("rpc:down", "filed", 2)]
    assert "Related to #1: the same, and it takes no comment" in world.github.issues[2].body
    world.wait()
    assert words(world.tick(RPC)) == [("rpc:down", "commented", 2)], "from now on, that one"


def test_the_successor_is_found_again_without_the_ledger(world: World) -> None:
    for number in (filed_before(world, RPC), world.github.put(RPC.alert.title, author=LOGIN)):
        world.github.issues[number].body = world.github.issues[1].body
    world.github.issues[1].locked = True
    world.save(Ledger())
    for _ in range(COMMENT_TRIES - 1):
        world.tick(RPC)
        world.wait()
    assert words(world.tick(RPC)) == [("rpc:down", "commented", 2)]


def test_an_issue_filed_by_hand_that_takes_no_comment_is_named_by_a_new_one(world: World) -> None:
    world.github.put("henyey_peers is low again")
    world.github.issues[1].locked = True
    for _ in range(COMMENT_TRIES):
        drained = world.tick(PEERS)
        world.wait()
    assert words(drained) == [("metric:henyey_peers", "filed", 2)]
    assert "Related to #1" in world.github.issues[2].body


def test_a_link_back_that_is_refused_is_given_up_and_said(world: World) -> None:
    number = filed_before(world, DEATH)
    world.github.issues[number].locked = True
    panic = a_finding("process:death", "panic", "Node crashed: panic", event="run 2")
    said = [world.tick(panic).lines]
    for _ in range(COMMENT_TRIES):
        world.wait()
        said.append(world.tick().lines)
    assert [line.partition(" (")[0] for lines in said for line in lines] == [
        *["comment retry #1"] * (COMMENT_TRIES - 1),
        "comment given up #1",
    ]
    assert world.ledger.outbox == ()


# --- closed issues -----------------------------------------------------------------------------------------------


def test_l50_a_closed_issue_gets_no_comment_and_the_new_one_names_it(world: World) -> None:
    number = filed_before(world, RPC)
    world.github.close(number, "9d41c07a" + 32 * "0")
    world.queue([RPC])
    drained = world.drain(contains=lambda build, commit: build == RPC.build and commit.startswith("9d41c07a"))
    assert words(drained) == [("rpc:down", "filed", 2)]
    assert world.github.issues[number].comments == []
    assert "Related to #1 (closed): closed by 9d41c07a, which the running build" in world.github.issues[2].body
    assert "that fix does not cover this" in world.github.issues[2].body


def test_l50_nothing_that_follows_is_written_on_an_issue_that_was_closed(world: World) -> None:
    """A link back, a label, the board: they waited, and a person was quicker."""
    number = filed_before(world, DEATH)
    world.hook = failing("comment", "add_to_board", fault=Fault.REFUSED, times=99)
    panic = a_finding("process:death", "panic", "Node crashed: panic", event="run 2")
    assert words(world.tick(panic)) == [("process:death", "filed", 2)]
    assert {(entry.intent, entry.number) for entry in world.ledger.outbox} == {(Intent.COMMENT, 1), (Intent.BOARD, 2)}
    for each in (number, 2):
        world.github.close(each)
    world.hook = lambda _name: None
    world.wait()
    assert world.tick().ledger.outbox == ()
    assert world.github.issues[number].comments == []
    assert world.github.issues[2].column == ""
    assert world.ledger.board == ()


# --- labels ------------------------------------------------------------------------------------------------------


def test_a_label_that_is_missing_keeps_nothing_from_being_filed(world: World) -> None:
    world.github.known_labels = {"not-ready"}
    drained = world.tick(DEATH)
    assert words(drained) == [("process:death", "filed", 1)]
    assert world.github.issues[1].labels == []
    said = "label urgent retry #1 (the repository has no such label: 'urgent')"
    assert drained.lines == (said,)
    world.wait()
    assert world.tick().lines == (said,), "it is said and tried in every tick"
    world.github.known_labels.add("urgent")
    world.wait()
    assert world.tick().lines == ()
    assert (world.github.issues[1].labels, world.ledger.outbox) == (["urgent"], ())
    assert len(world.github.issues) == 1


def test_a_label_that_is_missing_takes_no_more_writes_than_one(world: World) -> None:
    """Many urgent issues wait for it, and behind them a place on the board."""
    world.limits = msgspec.structs.replace(LIMITS, writes_per_tick=5)
    world.github.known_labels = set()
    for number in range(7):
        world.tick(a_finding(f"offline:{number}"))
        world.wait()
    world.tick()
    assert [issue.number for issue in world.github.issues.values() if not issue.column] == []
    assert {entry.label for entry in world.ledger.outbox} == {"urgent"}
    world.github.known_labels.add("urgent")
    for _ in range(2):
        world.wait()
        world.tick()
    assert world.ledger.outbox == ()


def test_an_escalation_adds_the_label_and_nothing_ever_takes_it_away(world: World) -> None:
    finding = a_finding("sync:failure", "deadline", "SYNC FAILURE")
    number = filed_before(world, finding)
    urgent = msgspec.structs.replace(finding, alert=msgspec.structs.replace(finding.alert, urgent=True))
    for each in (urgent, urgent, finding):
        world.tick(each)
        world.wait()
    assert world.github.issues[number].labels == ["urgent"]
    assert world.github.calls.count("add_label") == 1


def test_a_new_issue_that_an_operator_has_to_decide_on_is_labelled_so(world: World) -> None:
    world.tick(a_finding("self:stuck-firing", title="monitor-tick: [needs-decision] x never stops", not_ready=True))
    assert (world.github.issues[1].labels, world.github.issues[1].column) == (["not-ready"], "Blocked")


# --- the board ---------------------------------------------------------------------------------------------------


def test_l55_a_comment_moves_no_issue(world: World) -> None:
    number = filed_before(world, RPC)
    world.github.issues[number].column = "In progress"
    world.tick(RPC)
    assert world.github.issues[number].column == "In progress"
    assert "add_to_board" not in world.github.calls


def test_l56_an_issue_that_is_on_no_board_is_put_on_it_with_every_comment(world: World) -> None:
    number = filed_before(world, RPC)
    world.github.issues[number].column = ""
    world.tick(RPC)
    assert world.github.issues[number].column == "Backlog"


def test_where_there_is_no_board_nothing_is_put_on_it() -> None:
    world = World(board=False)
    world.tick(RPC)
    world.wait()
    world.tick(RPC)
    assert "add_to_board" not in world.github.calls


@pytest.mark.parametrize("operator", ["", "octocat", "@octocat"])
def test_a_board_that_failed_three_times_in_a_row_is_told_once(world: World, operator: str) -> None:
    world.hook = failing("add_to_board", fault=Fault.REFUSED, times=5)
    world.queue([RPC])
    lines = []
    for _ in range(6):
        lines.append(world.drain(operator=operator).lines)
        world.wait()
    told = [tuple(line.partition(": ")[0] for line in each) for each in lines]
    assert told == [*((f"board retry #1 ({tries}/3)",) for tries in (1, 2, 3, 3, 3)), ()]
    (note,) = world.github.issues[1].comments
    mention = " @octocat" if operator else ""
    assert note.body.splitlines()[0] == f"Board routing failed — manual triage needed{mention}"
    assert world.github.issues[1].column == "Backlog"
    assert (world.ledger.board, world.ledger.outbox) == ((), ())


def test_a_board_that_comes_back_begins_to_count_anew(world: World) -> None:
    world.hook = failing("add_to_board", fault=Fault.REFUSED, times=2)
    for finding in ((RPC,), (), ()):
        world.tick(*finding)
        world.wait()
    assert world.ledger.board == ()


@pytest.mark.parametrize(("fault", "counted"), [(Fault.LOST, 1), (Fault.NO_NETWORK, 0), (Fault.LIMITED, 0)])
def test_no_answer_from_the_board_counts_and_no_network_does_not(world: World, fault: Fault, counted: int) -> None:
    world.hook = failing("add_to_board", fault=fault)
    drained = world.tick(RPC)
    assert world.ledger.board == ((BoardFailure(1, 1),) if counted else ())
    assert len(drained.lines) == counted
    assert drained.why == str(fault.error)


def test_what_changes_nothing_when_done_twice_is_done_again_at_once(world: World) -> None:
    world.hook = failing("add_to_board", fault=Fault.LOST)
    world.tick(RPC)
    world.wait(timedelta(seconds=20))
    assert world.tick().queued == 0
    assert world.github.issues[1].column == "Backlog"
    assert "comments_since" not in world.github.calls


def test_an_issue_waits_for_its_place_once_however_often_it_is_commented_on(world: World) -> None:
    world.hook = failing("add_to_board", fault=Fault.REFUSED, times=9)
    for _ in range(2):
        drained = world.tick(RPC)
        assert len(drained.lines) == drained.queued == 1
        world.wait()


# --- very many at once -------------------------------------------------------------------------------------------


def test_l51_what_an_umbrella_lists_is_recorded_and_later_commented_there(world: World) -> None:
    disks = [a_finding(f"disk:{number}", title=f"Disk {number}", cooldown_key=f"d{number}") for number in range(11)]
    drained = world.tick(*disks)
    assert words(drained) == [(MANY, "filed", 1)]
    assert {filed.number for filed in world.ledger.filed} == {1}
    assert world.ledger.filed_for("disk:3", "kind").cooldown_key == "d3"  # type: ignore[union-attr]
    world.wait()
    assert words(world.tick(disks[3])) == [("disk:3", "commented", 1)]
    world.wait()
    assert words(world.tick(*disks, a_finding("disk:11")))[0][1:] == ("commented", 1), "one more is no new incident"


# --- the ledger and cooldown -------------------------------------------------------------------------------------


def test_the_record_keeps_the_newest_occurrences_and_the_newest_issues() -> None:
    ledger = Ledger(
        filed=tuple(
            Filed(key=f"disk:{number}", scope="", number=number, title="", at=NOW) for number in range(FILED_KEPT)
        )
    )
    finding = a_finding("process:death", event="new")
    entry = Entry(
        incident="0123456789ab",
        intent=Intent.FILE,
        key="process:death",
        scope="kind",
        title="t",
        finding=finding,
        first_at=NOW,
        events=tuple(f"run {number}" for number in range(30)),
    )
    issue = Issue(number=9000, title="t", is_open=True, author=LOGIN, created_at=NOW)
    after = recorded(ledger, entry, Written(issue=issue, at=NOW))
    assert (len(after.filed), after.filed[0].number, after.filed[-1].number) == (FILED_KEPT, 1, 9000)
    assert after.filed[-1].events == (*(f"run {number}" for number in range(11, 30)), "new")


def test_cooldown_counts_from_the_newest_of_the_file_and_the_ledger() -> None:
    def filed(key: str, cooldown_key: str = "", minutes: int = 0) -> Filed:
        at = NOW + timedelta(minutes=minutes)
        return Filed(key=key, scope="", number=1, title="", at=at, cooldown_key=cooldown_key)

    now = int(NOW.timestamp())
    ledger = Ledger(filed=(filed("metric:a", "a"), filed("rpc:down"), filed("rpc:down", minutes=5), filed("b")))
    before = Cooldowns((("a", now + 60), ("b", now - 60), ("c", now - 60)))
    assert dict(cooldowns_of(ledger, before).filed) == {
        "a": now + 60,
        "rpc:down": now + 300,
        "b": now,
        "c": now - 60,
    }
