"""GitHub as a tracker through the real gh: every query on GitHub's own schema, every write as GitHub keeps it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor_tick.issues.board import Board
from monitor_tick.issues.github import GitHub
from monitor_tick.issues.tracker import TAIL_LENGTH, Cause, Comment, TrackerError
from tests.fake_github.faults import FOREVER, Answer
from tests.fake_github.fixture import gh
from tests.fake_github.model import LOGIN, OWNER
from tests.fake_github.server import FakeGitHub

SHA = "1234567890" * 4


@pytest.fixture
def tracker(github: FakeGitHub, tmp_path: Path) -> GitHub:
    return tracker_of(tmp_path)


def tracker_of(checkout: Path, project: str = f"{OWNER}/1", command: str = "") -> GitHub:
    return GitHub(gh(), Board(gh(), project, command, checkout))


def test_the_account_is_the_tokens(tracker: GitHub) -> None:
    assert tracker.login() == LOGIN


def test_l49_a_body_is_kept_byte_for_byte(github: FakeGitHub, tracker: GitHub) -> None:
    body = (
        "## Symptom\r\n\n  `$HOME` $(id) `id` \\n \"quoted\" 'single' %s {0} <b>&amp;\n"
        "\ttab \N{FIRE}é\N{ZERO WIDTH SPACE}\n---\n@file @nobody #1 -F body=@x\n"
        "<!-- monitor-tick key=metric:x scope=row incident=0123456789ab -->\n\n"
    )
    number = tracker.create('-t "a" $(id) `b` — \N{SNOWMAN}', body, ["urgent"])
    tracker.comment(number, body)
    issue = github.hub.repository.issues[number]
    assert issue.title == '-t "a" $(id) `b` — \N{SNOWMAN}'
    assert issue.body == body
    assert [comment.body for comment in issue.comments] == [body]
    assert tracker.issue(number).tail == body[-TAIL_LENGTH:]
    assert tracker.comments_since(number, github.hub.now) == (Comment(LOGIN, body[-TAIL_LENGTH:]),)


def test_l49_the_longest_body_arrives_whole(github: FakeGitHub, tracker: GitHub) -> None:
    body = "\N{SNOWMAN}" * 60_000
    number = tracker.create("long", body, [])
    assert github.hub.repository.issues[number].body == body


def test_a_body_that_github_refuses_is_refused(github: FakeGitHub, tracker: GitHub) -> None:
    with pytest.raises(TrackerError, match="too long") as raised:
        tracker.create("long", "x" * 65_537, [])
    assert raised.value.cause is Cause.REFUSED
    assert github.hub.repository.issues == {}


def test_l53_the_list_of_open_issues_is_whole_and_does_not_lag(github: FakeGitHub, tracker: GitHub) -> None:
    hub = github.hub
    hub.search_lag_seconds = 600
    issues = [hub.open_issue(f"title {number}", f"body {number}\nend", labels=["bug"]) for number in range(103)]
    hub.close(issues[5])
    listed = tracker.open_issues()
    assert len(listed) == 102
    newest = listed[0]
    assert (newest.number, newest.title, newest.author, newest.labels) == (103, "title 102", "somebody", ("bug",))
    assert (newest.is_open, newest.created_at, newest.tail) == (True, hub.now, "body 102\nend")


def test_created_since_knows_the_closed_and_what_is_not_indexed(github: FakeGitHub, tracker: GitHub) -> None:
    hub = github.hub
    hub.search_lag_seconds = 600
    hub.open_issue("old")
    hub.now += timedelta(hours=1)
    since = hub.now
    hub.close(hub.open_issue("closed at once"))
    hub.now += timedelta(seconds=30)
    hub.open_issue("open")
    assert [issue.title for issue in tracker.created_since(since)] == ["open", "closed at once"]


def test_an_issue_tells_which_commit_closed_it(github: FakeGitHub, tracker: GitHub) -> None:
    hub = github.hub
    by_hand, by_commit, by_pull = (hub.open_issue(title) for title in ("hand", "commit", "pull"))
    hub.close(by_hand)
    hub.close(by_commit, sha=SHA)
    hub.close(by_pull, sha=SHA, pull=77)
    issues = [tracker.issue(each.number) for each in (by_hand, by_commit, by_pull)]
    assert [issue.is_open for issue in issues] == [False] * 3
    assert [issue.closed_by for issue in issues] == ["", SHA, SHA]
    assert issues[0].closed_at == hub.now
    with pytest.raises(TrackerError) as raised:
        tracker.issue(99)
    assert raised.value.cause is Cause.NOT_FOUND


def test_a_search_finds_words_of_the_title_once_they_are_indexed(github: FakeGitHub, tracker: GitHub) -> None:
    hub = github.hub
    hub.search_lag_seconds = 120
    issue = hub.open_issue('metrics: henyey_stalled_total{reason="behind"} — high')
    hub.open_issue("other", "henyey_stalled_total in the body only")
    assert tracker.search(["henyey_stalled_total"], is_open=True) == ()
    hub.now += timedelta(seconds=120)
    assert [each.number for each in tracker.search(["henyey_stalled_total"], is_open=True)] == [issue.number]
    assert tracker.search(['henyey_stalled_total{reason="behind"}', "-is:open repo:other/one"], is_open=True) == ()
    assert tracker.search(["henyey_stalled_total"], is_open=False) == ()
    hub.close(issue)
    hub.now += timedelta(seconds=120)
    assert [each.number for each in tracker.search(["henyey_stalled_total"], is_open=False)] == [issue.number]


def test_comments_of_long_ago_are_not_asked_for(github: FakeGitHub, tracker: GitHub) -> None:
    hub = github.hub
    issue = hub.open_issue("one")
    for number in range(101):
        hub.comment_on(issue, f"old {number}")
    hub.now += timedelta(hours=1)
    for number in range(101):
        hub.comment_on(issue, f"new {number}", author="person")
    found = tracker.comments_since(1, hub.now)
    assert [comment.tail for comment in found] == [f"new {number}" for number in range(101)]
    assert {comment.author for comment in found} == {"person"}


def test_a_label_is_added_beside_the_others(github: FakeGitHub, tracker: GitHub) -> None:
    issue = github.hub.open_issue("one", labels=["not-ready"])
    tracker.add_label(1, "urgent")
    assert issue.labels == ["not-ready", "urgent"]
    github.hub.remove_label("urgent")
    with pytest.raises(TrackerError) as raised:
        tracker.add_label(1, "urgent")
    assert raised.value.cause is Cause.NO_SUCH_LABEL


@pytest.mark.parametrize("status", ["Backlog", "Blocked"])
def test_an_issue_is_put_into_its_column(github: FakeGitHub, tracker: GitHub, status: str) -> None:
    github.hub.add_project()
    github.hub.open_issue("one")
    assert tracker.issue(1).on_board is False
    tracker.add_to_board(1, status)
    item = github.hub.item_of(1)
    assert item is not None
    assert item.status == status
    assert tracker.issue(1).on_board is True


def test_l55_an_issue_that_is_on_the_board_is_never_moved(github: FakeGitHub, tracker: GitHub) -> None:
    project = github.hub.add_project()
    item = github.hub.add_to_project(project, github.hub.open_issue("one"), "In progress")
    tracker.add_to_board(1, "Backlog")
    assert item.status == "In progress"
    assert github.writes() == []


def test_an_item_that_was_added_but_not_moved_is_moved_by_the_next_try(github: FakeGitHub, tracker: GitHub) -> None:
    project = github.hub.add_project()
    github.hub.open_issue("one")
    github.fail("updateProjectV2ItemFieldValue", Answer.BAD_GATEWAY)
    with pytest.raises(TrackerError):
        tracker.add_to_board(1, "Backlog")
    assert [item.status for item in project.items] == [""]
    tracker.add_to_board(1, "Backlog")
    assert [item.status for item in project.items] == ["Backlog"]


def test_another_project_says_nothing_about_ours(github: FakeGitHub, tracker: GitHub) -> None:
    other = github.hub.add_project(2, "other")
    github.hub.add_project(1)
    github.hub.add_to_project(other, github.hub.open_issue("one"), "Done")
    assert tracker.issue(1).on_board is False


def test_a_token_without_the_project_scope_does_not_say_that_the_board_is_empty(
    github: FakeGitHub, tracker: GitHub
) -> None:
    github.hub.add_project()
    github.hub.open_issue("one")
    github.hub.scopes = ["repo"]
    assert tracker.issue(1).on_board is None
    with pytest.raises(TrackerError) as raised:
        tracker.add_to_board(1, "Backlog")
    assert raised.value.cause is Cause.REFUSED
    assert "scope" in str(raised.value)


def test_a_project_or_a_column_that_is_not_there_is_refused(github: FakeGitHub, tracker: GitHub) -> None:
    github.hub.open_issue("one")
    with pytest.raises(TrackerError):
        tracker.add_to_board(1, "Backlog")
    github.hub.add_project()
    with pytest.raises(TrackerError, match="no Status 'Nowhere'") as raised:
        tracker.add_to_board(1, "Nowhere")
    assert raised.value.cause is Cause.REFUSED
    assert github.writes() == []


def test_the_checkouts_script_calls_the_real_gh(github: FakeGitHub, tmp_path: Path) -> None:
    script = tmp_path / ".github/skills/shared/scripts/move-issue-status.sh"
    script.parent.mkdir(parents=True)
    script.write_text('gh issue comment "$1" --body "moved to $2"\n', encoding="utf-8")
    issue = github.hub.open_issue("one")
    tracker_of(tmp_path, project="").add_to_board(1, "Backlog")
    assert [comment.body for comment in issue.comments] == ["moved to Backlog"]


@pytest.mark.parametrize("answer", [Answer.BAD_GATEWAY, Answer.DROPPED, Answer.WENT_WRONG, Answer.NOT_JSON])
def test_after_a_create_without_an_answer_nobody_knows(github: FakeGitHub, tracker: GitHub, answer: Answer) -> None:
    github.fail("createIssue", answer, after=True)
    with pytest.raises(TrackerError) as raised:
        tracker.create("t", "b\n<!-- x -->", [])
    assert raised.value.cause is Cause.UNCERTAIN
    (issue,) = tracker.created_since(github.hub.now)
    assert issue.tail == "b\n<!-- x -->"


def test_a_list_that_was_cut_short_is_no_list(github: FakeGitHub, tracker: GitHub) -> None:
    for number in range(150):
        github.hub.open_issue(f"title {number}")
    github.fail("IssueList", Answer.BAD_GATEWAY, skip=1)
    with pytest.raises(TrackerError):
        tracker.open_issues()


def test_a_token_that_expired_is_not_logged_in_whatever_is_asked(github: FakeGitHub, tracker: GitHub) -> None:
    github.hub.add_project()
    github.hub.open_issue("one")
    github.fail("", Answer.UNAUTHORIZED, times=FOREVER)
    asks = (
        tracker.login,
        tracker.open_issues,
        lambda: tracker.issue(1),
        lambda: tracker.search(["one"], is_open=True),
        lambda: tracker.comments_since(1, github.hub.now),
        lambda: tracker.create("t", "b", ["urgent"]),
        lambda: tracker.comment(1, "b"),
        lambda: tracker.add_label(1, "urgent"),
        lambda: tracker.add_to_board(1, "Backlog"),
    )
    causes = []
    for ask in asks:
        with pytest.raises(TrackerError) as raised:
            ask()
        causes.append(raised.value.cause)
    assert set(causes) == {Cause.NOT_LOGGED_IN}, causes
