"""What the real gh makes of each way in which GitHub fails, and what the monitor takes it for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor_loop import shell
from monitor_tick.issues.tracker import Cause, TrackerError
from tests.clocks import stand_still
from tests.fake_github.faults import FOREVER, Answer
from tests.fake_github.fixture import GH, gh
from tests.fake_github.server import FakeGitHub

SHAPES = {
    Answer.SECONDARY_LIMIT: Cause.LIMITED,
    Answer.PRIMARY_LIMIT: Cause.LIMITED,
    Answer.QUERY_LIMIT: Cause.LIMITED,
    Answer.TOO_MANY: Cause.LIMITED,
    Answer.UNAUTHORIZED: Cause.NOT_LOGGED_IN,
    Answer.FORBIDDEN: Cause.REFUSED,
    Answer.NOT_FOUND: Cause.NOT_FOUND,
    Answer.BAD_GATEWAY: Cause.UNCERTAIN,
    Answer.GATEWAY_TIMEOUT: Cause.UNCERTAIN,
    Answer.WENT_WRONG: Cause.UNCERTAIN,
    Answer.NOT_JSON: Cause.UNCERTAIN,
    Answer.CUT_JSON: Cause.UNCERTAIN,
    Answer.DROPPED: Cause.UNCERTAIN,
}


def test_every_answer_is_in_the_table() -> None:
    assert set(SHAPES) | {Answer.HANG} == set(Answer)


@pytest.mark.thorough
@pytest.mark.parametrize("answer", SHAPES)
@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("IssueList", ["issue", "list", "--json", "number"]),
        ("createIssue", ["issue", "create", "--title", "t", "--body", "b"]),
    ],
)
def test_a_failure_is_told_apart(github: FakeGitHub, answer: Answer, call: str, args: list[str]) -> None:
    github.fail(call, answer)
    with pytest.raises(TrackerError) as raised:
        gh().run(args)
    assert raised.value.cause is SHAPES[answer], str(raised.value)
    assert github.hub.repository.issues == {}


HTTP_ANSWERS: set[Answer] = set(SHAPES) - {Answer.QUERY_LIMIT, Answer.WENT_WRONG, Answer.NOT_JSON, Answer.CUT_JSON}


@pytest.mark.thorough
@pytest.mark.parametrize("answer", sorted(HTTP_ANSWERS, key=str))
def test_a_failure_of_a_rest_call_is_told_apart(github: FakeGitHub, answer: Answer) -> None:
    github.fail("/comments", answer)
    with pytest.raises(TrackerError) as raised:
        gh().run(["api", f"repos/{gh().repo}/issues/1/comments"])
    assert raised.value.cause is SHAPES[answer], str(raised.value)


@pytest.mark.thorough
@pytest.mark.parametrize("after", [False, True])
def test_a_hang_ends_with_the_deadline(github: FakeGitHub, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    github.fail("createIssue", Answer.HANG, after=after)
    stand_still(monkeypatch, until=lambda: github.hangs)
    with pytest.raises(TrackerError, match=r"no answer in \d+ s") as raised:
        gh().run(["issue", "create", "--title", "t", "--body", "b"], deadline_seconds=1)
    assert raised.value.cause is Cause.UNCERTAIN
    assert len(github.hub.repository.issues) == (1 if after else 0)


def test_a_label_that_is_not_there_leaves_no_issue(github: FakeGitHub) -> None:
    github.hub.open_issue("one")
    github.hub.remove_label("urgent")
    for args in (
        ["create", "--title", "t", "--body", "b", "--label", "urgent"],
        ["edit", "1", "--add-label", "urgent"],
    ):
        with pytest.raises(TrackerError) as raised:
            gh().run(["issue", *args])
        assert raised.value.cause is Cause.NO_SUCH_LABEL
    assert len(github.hub.repository.issues) == 1


def test_no_token_ends_with_4(github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GH_TOKEN")
    assert shell.run([str(GH), "issue", "list", "--repo", gh().repo], deadline_seconds=10).status == 4
    with pytest.raises(TrackerError) as raised:
        gh().run(["issue", "list"])
    assert raised.value.cause is Cause.NOT_LOGGED_IN
    assert github.calls == []


def test_an_expired_token_is_told_as_not_logged_in(github: FakeGitHub) -> None:
    github.fail("", Answer.UNAUTHORIZED, times=FOREVER)
    with pytest.raises(TrackerError) as raised:
        gh().run(["issue", "create", "--title", "t", "--body", "b"])
    assert raised.value.cause is Cause.NOT_LOGGED_IN


def test_l54_without_the_fake_gh_reaches_nobody(gh_environment: Path) -> None:
    """gh goes to the socket or nowhere: no test reaches GitHub."""
    assert not gh_environment.exists()
    for args in (["issue", "list"], ["api", "user"], ["run", "list"]):
        with pytest.raises(TrackerError, match="dial unix") as raised:
            gh().run(args)
        assert raised.value.cause is Cause.NO_NETWORK


def test_gh_has_a_home_of_its_own(gh_environment: Path, tmp_path: Path) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "GH_CONFIG_DIR"):
        assert Path(os.environ[variable]).is_relative_to(tmp_path)
