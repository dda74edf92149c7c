"""The policy of filing, case by case: the whole engine and the real gh on a fake GitHub.

The thorough ones are cases of the policy that test_drain.py has on a model, and calls of gh that another test makes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from monitor_tick.issues.hiddenline import hidden_line
from monitor_tick.issues.told import Word
from tests.fake_github.faults import FOREVER, Answer
from tests.fake_github.model import LOGIN, Item
from tests.fake_github.server import FakeGitHub
from tests.monitor_tick.issues.filing_ticks import (
    ADD_ITEM,
    COMMENT,
    CREATE,
    KEY,
    LABEL,
    MOVE_ITEM,
    OPERATOR,
    SHA,
    Ticks,
    words,
)


@pytest.fixture
def ticks(github: FakeGitHub, tmp_path: Path) -> Ticks:
    """Without a board, and with a search that knows nothing of the last ten minutes."""
    github.hub.search_lag_seconds = 600
    return Ticks(github, tmp_path)


@pytest.fixture
def boarded(github: FakeGitHub, ticks: Ticks) -> Ticks:
    github.hub.add_project()
    return ticks


# --- what is filed where -----------------------------------------------------------------------------------------


def test_what_nobody_filed_is_a_new_issue(github: FakeGitHub, boarded: Ticks) -> None:
    drained = boarded.tick(boarded.found())
    (issue,) = boarded.issues
    assert words(drained) == [(Word.FILED, 1)]
    assert (issue.title, issue.author, issue.labels) == ("henyey_peers is bad", LOGIN, [])
    assert boarded.wrote == [CREATE, ADD_ITEM, MOVE_ITEM]
    assert (drained.queued, drained.lines, drained.ledger.outbox) == (0, (), ())
    filed = drained.ledger.filed_for(KEY, "row")
    assert filed is not None
    assert (filed.number, filed.at) == (1, github.hub.now)


def test_l53_the_same_again_is_a_comment_before_the_index_knows_the_issue(github: FakeGitHub, ticks: Ticks) -> None:
    github.hub.search_lag_seconds = 86_400
    ticks.filed()
    drained = ticks.tick(ticks.found())
    assert words(drained) == [(Word.COMMENTED, 1)]
    assert ticks.wrote == [COMMENT]
    ticks.tick(ticks.found())
    assert len(ticks.issues) == 1
    assert len(ticks.issues[0].comments) == 2


@pytest.mark.thorough
def test_a_hidden_line_of_somebody_else_counts_for_nothing(github: FakeGitHub, ticks: Ticks) -> None:
    github.hub.open_issue("something else", hidden_line(KEY, "row", "0123456789ab"), author="stranger")
    assert words(ticks.tick(ticks.found())) == [(Word.FILED, 2)]


@pytest.mark.thorough
def test_what_became_urgent_gets_the_label_and_keeps_it(ticks: Ticks) -> None:
    issue = ticks.filed("sync:failure", "deadline")
    ticks.tick(ticks.found("sync:failure", "deadline", urgent=True))
    assert issue.labels == ["urgent"]
    assert ticks.wrote == [COMMENT, LABEL]
    ticks.tick(ticks.found("sync:failure", "deadline"))
    assert ticks.wrote == [COMMENT]
    assert issue.labels == ["urgent"]


@pytest.mark.thorough
def test_another_scope_is_an_issue_of_its_own_and_the_two_name_each_other(ticks: Ticks) -> None:
    first = ticks.filed("process:death", "panic at a.rs:1")
    drained = ticks.tick(ticks.found("process:death", "OOM"))
    assert words(drained) == [(Word.FILED, 2)]
    assert "Related to #1" in ticks.issues[1].body
    (link,) = first.comments
    assert "#2" in link.body


@pytest.mark.parametrize(
    ("contains", "why"),
    [
        (True, "that fix does not cover this"),
        pytest.param(False, "that fix does not run here yet", marks=pytest.mark.thorough),
        pytest.param(None, "cannot be told", marks=pytest.mark.thorough),
    ],
)
def test_l50_a_closed_issue_is_never_commented_on(
    github: FakeGitHub, ticks: Ticks, contains: bool | None, why: str
) -> None:
    first = ticks.filed(title="henyey_peers is bad")
    github.hub.close(first, sha=SHA)
    ticks.contains = contains
    drained = ticks.tick(ticks.found())
    assert words(drained) == [(Word.FILED, 2)]
    assert first.comments == []
    body = ticks.issues[1].body
    assert [text in body for text in ("Related to #1 (closed)", SHA[:8], why)] == [True] * 3


@pytest.mark.thorough
def test_l50_an_issue_that_was_closed_while_the_comment_waited_is_not_commented_on(
    github: FakeGitHub, ticks: Ticks
) -> None:
    ticks.tick(ticks.found())
    (first,) = ticks.issues
    github.fail("addComment", Answer.SECONDARY_LIMIT)
    ticks.tick(ticks.found())
    github.hub.close(first)
    ticks.tick()
    assert first.comments == []
    assert len(ticks.issues) == 2


@pytest.mark.thorough
def test_two_wipes_are_two_issues_and_the_second_names_the_first(ticks: Ticks) -> None:
    for event in ("run-1", "run-2"):
        ticks.tick(ticks.found("wipe:state", "crashes", title="State wipe after 3 fatal crashes", event=event))
    first, second = ticks.issues
    assert "Related to #1" in second.body
    assert first.comments == []
    assert first.labels == second.labels == ["urgent"]
    ticks.tick(ticks.found("wipe:state", "crashes", title="State wipe after 3 fatal crashes", event="run-2"))
    assert len(ticks.issues) == 2, "the same wipe, seen again"


def test_what_a_person_filed_is_commented_on(github: FakeGitHub, ticks: Ticks) -> None:
    github.hub.open_issue("Is henyey_peers too low?", author="person")
    assert words(ticks.tick(ticks.found())) == [(Word.COMMENTED, 1)]


@pytest.mark.thorough
def test_what_a_person_filed_is_named_by_an_urgent_issue_of_its_own(github: FakeGitHub, ticks: Ticks) -> None:
    theirs = github.hub.open_issue("SYNC FAILURE again: not in real-time sync", author="person")
    title = "SYNC FAILURE again: not in real-time sync"
    assert words(ticks.tick(ticks.found("sync:failure", "deadline", title=title, urgent=True))) == [(Word.FILED, 2)]
    assert theirs.comments == []
    assert "possibly" in ticks.issues[1].body
    assert "#1" in ticks.issues[1].body


@pytest.mark.parametrize("call", [pytest.param("query IssueList", marks=pytest.mark.thorough), "query IssueSearch"])
def test_what_could_not_be_looked_for_is_not_filed(github: FakeGitHub, ticks: Ticks, call: str) -> None:
    github.fail(call, Answer.FORBIDDEN)
    drained = ticks.tick(ticks.found())
    assert words(drained) == [(Word.QUEUED, 0)]
    assert "Resource not accessible" in drained.told[0].why
    assert ticks.wrote == []
    assert words(ticks.tick()) == [(Word.FILED, 1)]


# --- labels and the board ----------------------------------------------------------------------------------------


def item_of(github: FakeGitHub) -> Item:
    item = github.hub.item_of(1)
    assert item is not None
    return item


@pytest.mark.parametrize(
    ("key", "labels", "column"),
    [
        ("process:death", ["urgent"], "Backlog"),
        pytest.param("self:meaning", ["not-ready"], "Blocked", marks=pytest.mark.thorough),
    ],
)
def test_l56_every_new_issue_gets_its_labels_and_its_column(
    github: FakeGitHub, boarded: Ticks, key: str, labels: list[str], column: str
) -> None:
    boarded.tick(boarded.found(key, "kind", not_ready="not-ready" in labels))
    assert boarded.issues[0].labels == labels
    assert item_of(github).status == column


def test_l55_a_comment_adds_to_the_board_what_is_not_on_it(github: FakeGitHub, boarded: Ticks) -> None:
    boarded.filed()
    boarded.tick(boarded.found())
    assert boarded.wrote == [COMMENT, ADD_ITEM, MOVE_ITEM]
    assert item_of(github).status == "Backlog"


def test_l55_a_comment_leaves_an_issue_where_people_have_moved_it(github: FakeGitHub, boarded: Ticks) -> None:
    github.hub.add_to_project(github.hub.projects[0], boarded.filed(), "In progress")
    boarded.tick(boarded.found())
    assert boarded.wrote == [COMMENT]
    assert item_of(github).status == "In progress"


@pytest.mark.thorough
def test_a_board_that_fails_three_times_is_told_in_the_issue_once(github: FakeGitHub, boarded: Ticks) -> None:
    github.fail("addProjectV2ItemById", Answer.FORBIDDEN, times=4)
    said = [boarded.tick(boarded.found()), *(boarded.tick() for _ in range(4))]
    assert [tuple(line.partition(": ")[0] for line in drained.lines) for drained in said] == [
        *((f"board retry #1 ({tries}/3)",) for tries in (1, 2, 3, 3)),
        (),
    ]
    (comment,) = boarded.issues[0].comments
    assert "Board routing failed — manual triage needed" in comment.body
    assert f"@{OPERATOR}" in comment.body
    assert item_of(github).status == "Backlog"
    assert boarded.ledger.outbox == ()


def test_a_token_that_may_not_use_projects_files_all_the_same(github: FakeGitHub, boarded: Ticks) -> None:
    github.hub.scopes = ["repo"]
    drained = boarded.tick(boarded.found())
    assert words(drained) == [(Word.FILED, 1)]
    (line,) = drained.lines
    assert line.startswith("board retry #1 (1/3): ")
    assert "scope" in line
    assert "scope" in boarded.ledger.outbox[0].why


def test_a_label_that_is_not_there_is_added_once_it_is(github: FakeGitHub, ticks: Ticks) -> None:
    github.hub.remove_label("urgent")
    drained = ticks.tick(ticks.found("process:death", "OOM"))
    (issue,) = ticks.issues
    assert words(drained) == [(Word.FILED, 1)]
    assert any("label urgent" in line and "#1" in line for line in drained.lines)
    github.hub.add_label("urgent")
    drained = ticks.tick()
    assert issue.labels == ["urgent"]
    assert (drained.queued, drained.lines, len(ticks.issues)) == (0, (), 1)


# --- what is written ---------------------------------------------------------------------------------------------


def test_l49_what_is_quoted_arrives_as_it_was_and_the_hidden_line_is_last(ticks: Ticks) -> None:
    log = "thread 'main' panicked at `a.rs:1`: \"$HOME\" $(id) \\n %s é\N{FIRE} <b>"
    for event in ("1", "2"):
        ticks.tick(ticks.found("process:death", "panic", diagnosis=log, event=event))
    (issue,) = ticks.issues
    for body, incident in ((issue.body, "000000000001"), (issue.comments[0].body, "000000000002")):
        assert log in body
        assert body.rstrip("\n").endswith("\n" + hidden_line("process:death", "panic", incident))


# --- a tick's share ----------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_tick_opens_so_many_issues_and_the_urgent_ones_first(ticks: Ticks) -> None:
    assert ticks.limits.issues_per_tick == 5
    ticks.limits = msgspec.structs.replace(ticks.limits, issues_per_tick=2)
    drained = ticks.tick(*(ticks.found(key) for key in ("metric:m1", "metric:m2", "process:death")))
    assert ticks.wrote == [CREATE] * 2
    assert ticks.issues[0].labels == ["urgent"]
    assert sorted(words(drained)) == [(Word.FILED, 1), (Word.FILED, 2), (Word.QUEUED, 0)]
    assert ticks.tick().queued == 0
    assert len(ticks.issues) == 3


@pytest.mark.thorough
def test_a_tick_writes_so_many_times(ticks: Ticks) -> None:
    assert ticks.limits.writes_per_tick == 20
    ticks.limits = msgspec.structs.replace(ticks.limits, writes_per_tick=2)
    keys = ("metric:m1", "metric:m2", "metric:m3")
    for key in keys:
        ticks.filed(key)
    drained = ticks.tick(*(ticks.found(key) for key in keys))
    assert ticks.wrote == [COMMENT] * 2
    assert drained.queued == 1
    assert "2 writes" in drained.why


@pytest.mark.thorough
def test_what_has_one_cause_is_one_issue(ticks: Ticks) -> None:
    found = [ticks.found(f"metric:henyey_m{number}") for number in range(11)]
    ticks.tick(*found)
    (issue,) = ticks.issues
    assert [each.alert.title in issue.body for each in found] == [True] * 11
    numbers = {filed.number for each in found if (filed := ticks.ledger.filed_for(each.alert.key, "row"))}
    assert numbers == {1}


@pytest.mark.thorough
def test_a_tick_without_time_sends_nothing(ticks: Ticks) -> None:
    drained = ticks.tick(ticks.found(), seconds=0.0)
    assert (ticks.asked, words(drained)) == ([], [(Word.QUEUED, 0)])
    assert words(ticks.tick()) == [(Word.FILED, 1)]


def test_nothing_to_file_asks_for_nothing(github: FakeGitHub, ticks: Ticks) -> None:
    github.fail("", Answer.FORBIDDEN, times=FOREVER)
    drained = ticks.tick()
    assert (ticks.asked, drained.told, drained.why) == ([], (), "")
