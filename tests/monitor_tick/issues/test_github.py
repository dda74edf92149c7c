"""GitHub as a tracker: what gh is asked, and what its answers become."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_loop.session import DataRoot, Mode, Session
from monitor_tick.issues import github
from monitor_tick.issues.board import Board
from monitor_tick.issues.github import GitHub
from monitor_tick.issues.tracker import Cause, Comment, Issue, TrackerError
from tests.monitor_tick.issues.standin_gh import StandIn

AT = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
URL = "https://github.com/stellar/henyey/issues/17"


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def tracker_of(stand_in: StandIn, *, project: str = "", command: str = "") -> GitHub:
    return GitHub(stand_in.gh, Board(stand_in.gh, project, command, stand_in.directory))


def listed(number: int = 17, **given: Any) -> dict[str, Any]:
    fields = {"title": "Disk: 91%", "state": "OPEN", "author": "bot", "created_at": "2026-05-04T12:00:00Z"}
    fields |= {"closed_at": None, "labels": ["urgent"], "tail": "the end"} | given
    return {"number": number, **fields}


def test_the_session_says_which_gh_repository_and_board(stand_in: StandIn, tmp_path: Path) -> None:
    session = Session(
        data=DataRoot(tmp_path),
        id="5f1c9d2e",
        mode=Mode.VALIDATOR,
        config="configs/validator-mainnet-rpc.toml",
        admin_port=11627,
        rpc_port=8000,
        run_flags="--validator",
        binary=tmp_path / "henyey",
        repo=tmp_path,
        gh=str(stand_in.program),
        github_repo="stellar/henyey",
        project="stellar/7",
        board_command=str(stand_in.program),
    )
    tracker = github.of(session)
    assert tracker.has_board()
    stand_in.answers({"url": URL, "items": []})
    stand_in.answers("")
    tracker.add_to_board(17, "Backlog")
    assert stand_in.calls[0].values_of("-f")[1:] == ["owner=stellar", "name=henyey"]
    assert (stand_in.calls[1].argv, Path(stand_in.calls[1].cwd)) == (["17", "Backlog"], tmp_path)


def test_the_account_is_the_one_of_the_token(stand_in: StandIn) -> None:
    stand_in.answers("bot\n")
    assert tracker_of(stand_in).login() == "bot"


def test_an_account_without_a_name_is_refused(stand_in: StandIn) -> None:
    stand_in.answers("\n")
    with pytest.raises(TrackerError, match="who is logged in"):
        tracker_of(stand_in).login()


def test_every_open_issue_comes_from_a_plain_list(stand_in: StandIn) -> None:
    stand_in.answers([listed(), listed(18, labels=[])])
    assert tracker_of(stand_in).open_issues() == (
        Issue(
            number=17,
            title="Disk: 91%",
            is_open=True,
            author="bot",
            created_at=AT,
            labels=("urgent",),
            tail="the end",
        ),
        Issue(number=18, title="Disk: 91%", is_open=True, author="bot", created_at=AT, tail="the end"),
    )
    call = stand_in.calls[0]
    assert (call.value_of("--state"), call.value_of("--limit")) == ("open", "1000")
    assert "--search" not in call.argv


def test_a_list_that_may_have_been_cut_is_asked_again(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "OPEN_LIMITS", (2, 4))
    stand_in.answers([listed(3), listed(2)])
    stand_in.answers([listed(3), listed(2), listed(1)])
    assert [issue.number for issue in tracker_of(stand_in).open_issues()] == [3, 2, 1]
    assert [call.value_of("--limit") for call in stand_in.calls] == ["2", "4"]


def test_a_list_that_cannot_be_had_whole_is_refused(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """An issue that is not in it would be filed a second time."""
    monkeypatch.setattr(github, "OPEN_LIMITS", (1, 2))
    stand_in.answers([listed(2)])
    stand_in.answers([listed(2), listed(1)])
    with pytest.raises(TrackerError, match="more than 2") as failed:
        tracker_of(stand_in).open_issues()
    assert failed.value.cause == Cause.REFUSED


def test_recent_issues_are_of_any_state_and_dated_by_github(stand_in: StandIn) -> None:
    """Its clock may be two minutes behind ours."""
    stand_in.answers(
        [
            listed(20, state="CLOSED", closed_at="2026-05-04T12:30:00Z", created_at="2026-05-04T12:20:00Z"),
            listed(19, created_at="2026-05-04T11:58:00Z"),
            listed(18, created_at="2026-05-04T11:57:59Z"),
        ]
    )
    found = tracker_of(stand_in).created_since(AT)
    assert [(issue.number, issue.is_open) for issue in found] == [(20, False), (19, True)]
    assert found[0].closed_at == AT + timedelta(minutes=30)
    assert (stand_in.calls[0].value_of("--state"), stand_in.calls[0].value_of("--limit")) == ("all", "200")


def test_a_full_list_that_goes_back_far_enough_is_whole(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "RECENT_LIMITS", (2, 4))
    stand_in.answers([listed(19), listed(18, created_at="2026-05-03T12:00:00Z")])
    assert [issue.number for issue in tracker_of(stand_in).created_since(AT)] == [19]


def test_an_app_is_named_as_its_token_names_it(stand_in: StandIn) -> None:
    stand_in.answers([listed(3, author="app/ticker"), listed(2, author="ticker"), listed(1, author="app/")])
    authors = [issue.author for issue in tracker_of(stand_in).open_issues()]
    assert authors == ["ticker[bot]", "ticker", ""]


def test_an_open_issue_is_looked_for_on_the_board(stand_in: StandIn) -> None:
    stand_in.answers(listed())
    stand_in.answers({"url": URL, "items": []})
    assert tracker_of(stand_in, project="stellar/7").issue(17) == Issue(
        number=17,
        title="Disk: 91%",
        is_open=True,
        author="bot",
        created_at=AT,
        labels=("urgent",),
        tail="the end",
        on_board=False,
    )
    assert stand_in.calls[0].argv[:3] == ["issue", "view", "--repo"]
    assert "17" in stand_in.calls[0].argv


def test_without_a_project_nothing_tells_what_is_on_the_board(stand_in: StandIn) -> None:
    stand_in.answers(listed())
    assert tracker_of(stand_in, command="move").issue(17).on_board is None
    assert len(stand_in.calls) == 1


def test_a_token_that_may_not_read_the_board_is_no_error(stand_in: StandIn) -> None:
    stand_in.answers(listed())
    stand_in.fails("gh: Your token has not been granted the required scopes to execute this query.")
    assert tracker_of(stand_in, project="stellar/7").issue(17).on_board is None


def test_a_rate_limit_at_the_board_is_one(stand_in: StandIn) -> None:
    stand_in.answers(listed())
    stand_in.fails("gh: API rate limit exceeded (HTTP 403)")
    with pytest.raises(TrackerError) as failed:
        tracker_of(stand_in, project="stellar/7").issue(17)
    assert failed.value.cause == Cause.LIMITED


@pytest.mark.parametrize(("oids", "closed_by"), [(["ab" * 20], "ab" * 20), ([], "")])
def test_l50_a_closed_issue_tells_what_closed_it(stand_in: StandIn, oids: list[str], closed_by: str) -> None:
    stand_in.answers(listed(state="CLOSED", closed_at="2026-05-04T13:00:00Z"))
    stand_in.answers(oids)
    issue = tracker_of(stand_in, project="stellar/7").issue(17)
    assert (issue.is_open, issue.closed_by, issue.on_board) == (False, closed_by, None)
    assert "CLOSED_EVENT" in stand_in.calls[1].value_of("-f")


def test_search_looks_for_each_word_in_titles(stand_in: StandIn) -> None:
    stand_in.answers([listed()])
    found = tracker_of(stand_in).search(["henyey_peers", "peer count"], is_open=True)
    assert [issue.number for issue in found] == [17]
    call = stand_in.calls[0]
    assert call.value_of("--search") == '"henyey_peers" "peer count" in:title'
    assert (call.value_of("--state"), call.value_of("--limit")) == ("open", "30")


def test_search_knows_closed_issues(stand_in: StandIn) -> None:
    stand_in.answers([])
    assert tracker_of(stand_in).search(["disk"], is_open=False) == ()
    assert stand_in.calls[0].value_of("--state") == "closed"


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ('x" repo:other/place "', '"x repo:other/place" in:title'),
        ('m{reason="late"}', '"m{reason= late }" in:title'),
        ("back\\slash", '"back slash" in:title'),
        ("two\nlines\x00", '"two lines" in:title'),
        ("-state:open", '"-state:open" in:title'),
    ],
)
def test_no_word_is_a_qualifier(stand_in: StandIn, word: str, text: str) -> None:
    stand_in.answers([])
    tracker_of(stand_in).search([word], is_open=True)
    assert stand_in.calls[0].value_of("--search") == text


def test_a_search_stays_short_enough_for_github(stand_in: StandIn) -> None:
    stand_in.answers([])
    tracker_of(stand_in).search(["a" * 150, "b" * 150, "short"], is_open=True)
    assert stand_in.calls[0].value_of("--search") == f'"{"a" * 150}" "short" in:title'


def test_nothing_to_search_for_is_no_call(stand_in: StandIn) -> None:
    assert tracker_of(stand_in).search(['"', " "], is_open=True) == ()
    assert stand_in.calls == []


def test_comments_of_every_page_are_read(stand_in: StandIn) -> None:
    stand_in.answers('{"author":"bot","tail":"one"}\n{"author":"ticker[bot]","tail":"two\u2028"}\n')
    madrid = timezone(timedelta(hours=2))
    comments = tracker_of(stand_in).comments_since(17, AT.astimezone(madrid))
    assert comments == (Comment("bot", "one"), Comment("ticker[bot]", "two\u2028"))
    call = stand_in.calls[0]
    assert call.argv[1] == "repos/stellar/henyey/issues/17/comments"
    assert call.value_of("--method") == "GET"
    assert call.values_of("-f") == ["since=2026-05-04T11:58:00Z", "per_page=100"]
    assert "--paginate" in call.argv


def test_no_comments(stand_in: StandIn) -> None:
    stand_in.answers("")
    assert tracker_of(stand_in).comments_since(17, AT) == ()


def test_l49_a_body_is_passed_as_it_is(stand_in: StandIn) -> None:
    body = '`code` \\`escaped\\` $(date) "quoted"\n\n```\nfence\n```\n<!-- hidden -->'
    stand_in.answers(f"{URL}\n")
    assert tracker_of(stand_in).create("-- a title, `with` this", body, ["urgent", "not-ready"]) == 17
    call = stand_in.calls[0]
    assert call.stdin == body
    assert call.value_of("--title") == "-- a title, `with` this"
    assert call.value_of("--body-file") == "-"
    assert call.values_of("--label") == ["urgent", "not-ready"]


def test_an_issue_without_labels_names_none(stand_in: StandIn) -> None:
    stand_in.answers(URL)
    tracker_of(stand_in).create("t", "b", [])
    assert "--label" not in stand_in.calls[0].argv


@pytest.mark.parametrize(
    "out", ["", "created\n", "https://github.com/stellar/henyey/issues/", f"{URL}x", f"{URL}\nbye\n"]
)
def test_a_create_that_names_no_issue_is_uncertain(stand_in: StandIn, out: str) -> None:
    stand_in.answers(out)
    with pytest.raises(TrackerError) as failed:
        tracker_of(stand_in).create("t", "b", [])
    assert failed.value.cause == Cause.UNCERTAIN


def test_a_repository_that_moved_still_tells_the_number(stand_in: StandIn) -> None:
    stand_in.answers("https://github.com/elsewhere/henyey2/issues/5\n")
    assert tracker_of(stand_in).create("t", "b", []) == 5


def test_a_label_that_is_missing_is_told(stand_in: StandIn) -> None:
    stand_in.fails("could not add label: 'urgent' not found")
    with pytest.raises(TrackerError) as failed:
        tracker_of(stand_in).create("t", "b", ["urgent"])
    assert failed.value.cause == Cause.NO_SUCH_LABEL


def test_a_comment_is_passed_as_it_is(stand_in: StandIn) -> None:
    stand_in.answers(f"{URL}#issuecomment-99\n")
    tracker_of(stand_in).comment(17, "more `evidence`\n")
    assert stand_in.calls[0].stdin == "more `evidence`\n"
    assert stand_in.calls[0].argv[:2] == ["issue", "comment"]
    assert "17" in stand_in.calls[0].argv


def test_a_comment_that_has_no_address_is_uncertain(stand_in: StandIn) -> None:
    stand_in.answers("")
    with pytest.raises(TrackerError) as failed:
        tracker_of(stand_in).comment(17, "b")
    assert failed.value.cause == Cause.UNCERTAIN


def test_a_label_is_added_to_an_issue(stand_in: StandIn) -> None:
    stand_in.answers(URL)
    tracker_of(stand_in).add_label(17, "urgent")
    assert stand_in.calls[0].argv == ["issue", "edit", "--repo", "stellar/henyey", "17", "--add-label", "urgent"]


@pytest.mark.parametrize(
    "out",
    ["", "null", "{}", "[1]", "[", '[{"number": "17"}]', "<html>", f"[{{{'x' * 5}}}]"],
)
def test_a_list_of_another_shape_is_no_answer(stand_in: StandIn, out: str) -> None:
    """An empty list would say that nothing is filed."""
    stand_in.answers(out)
    with pytest.raises(TrackerError) as failed:
        tracker_of(stand_in).open_issues()
    assert failed.value.cause == Cause.REFUSED


def test_a_time_without_its_zone_is_no_answer(stand_in: StandIn) -> None:
    stand_in.answers([listed(created_at="2026-05-04T12:00:00")])
    with pytest.raises(TrackerError):
        tracker_of(stand_in).open_issues()
