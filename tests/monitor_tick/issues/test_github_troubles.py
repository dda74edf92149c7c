"""Filing while GitHub fails in its ways: each finding ends in one issue. The whole engine and the real gh."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_tick.issues import github as github_module
from monitor_tick.issues.ledger import Ledger, State
from monitor_tick.issues.told import Word
from tests.clocks import stand_still
from tests.fake_github.faults import FOREVER, Answer
from tests.fake_github.server import FakeGitHub
from tests.monitor_tick.issues.filing_ticks import CREATE, KEY, Ticks, words

pytestmark = pytest.mark.thorough
"""test_github_cases has each case of the policy; here is what may go wrong in each of them."""


class Killed(BaseException):
    """The end of the process."""


@pytest.fixture
def ticks(github: FakeGitHub, tmp_path: Path) -> Ticks:
    """Without a board, and with a search that never learns anything."""
    github.hub.search_lag_seconds = 86_400
    return Ticks(github, tmp_path)


@pytest.fixture
def hasty(github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create that hangs is given up soon, and never before GitHub got it."""
    monkeypatch.setattr(github_module, "CREATE_DEADLINE_SECONDS", 0.7)
    stand_still(monkeypatch, until=lambda: github.hangs)


# --- exactly once ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("answer", [Answer.BAD_GATEWAY, Answer.DROPPED, Answer.HANG])
def test_an_issue_that_was_created_without_an_answer_is_adopted(
    github: FakeGitHub, ticks: Ticks, answer: Answer
) -> None:
    github.fail("createIssue", answer, after=True)
    assert words(ticks.tick(ticks.found())) == [(Word.QUEUED, 0)]
    assert [entry.state for entry in ticks.ledger.outbox] == [State.SENT]
    assert words(ticks.tick(ticks.found())) == [(Word.FILED, 1)]
    assert (len(ticks.issues), ticks.issues[0].comments, ticks.ledger.outbox) == (1, [], ())
    filed = ticks.ledger.filed_for(KEY, "row")
    assert filed is not None
    assert filed.number == 1


@pytest.mark.parametrize("answer", [Answer.BAD_GATEWAY, Answer.GATEWAY_TIMEOUT, Answer.DROPPED])
def test_an_issue_that_was_not_created_is_created_by_the_next_tick(
    github: FakeGitHub, ticks: Ticks, answer: Answer
) -> None:
    github.fail("createIssue", answer)
    ticks.tick(ticks.found())
    assert ticks.issues == []
    assert words(ticks.tick()) == [(Word.FILED, 1)]
    assert (len(ticks.issues), ticks.ledger.outbox) == (1, ())


def test_a_comment_that_was_written_without_an_answer_is_not_written_twice(github: FakeGitHub, ticks: Ticks) -> None:
    issue = ticks.filed()
    github.fail("addComment", Answer.BAD_GATEWAY, after=True)
    ticks.tick(ticks.found())
    assert words(ticks.tick()) == [(Word.COMMENTED, 1)]
    assert (len(issue.comments), ticks.ledger.outbox) == (1, ())


def test_a_tick_that_dies_after_the_create_has_filed_it(ticks: Ticks) -> None:
    saved: list[Ledger] = []

    def save(ledger: Ledger) -> None:
        if saved:
            raise Killed
        saved.append(ledger)

    ticks.save = save
    with pytest.raises(Killed):
        ticks.tick(ticks.found())
    assert len(ticks.issues) == 1
    ticks.ledger, ticks.save = saved[0], saved.append
    assert words(ticks.tick(ticks.found())) == [(Word.FILED, 1)]
    assert (len(ticks.issues), ticks.ledger.outbox) == (1, ())


# --- when GitHub cannot be had -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer.SECONDARY_LIMIT, "rate limited"),
        (Answer.TOO_MANY, "rate limited"),
        (Answer.QUERY_LIMIT, "rate limited"),
        (Answer.UNAUTHORIZED, "not logged in"),
        (Answer.GATEWAY_TIMEOUT, "no certain answer"),
    ],
)
def test_a_github_that_serves_nobody_is_asked_once_and_the_queue_is_kept(
    github: FakeGitHub, ticks: Ticks, answer: Answer, why: str
) -> None:
    github.fail("", answer, times=FOREVER)
    drained = ticks.tick(ticks.found(), ticks.found("process:death", "OOM"))
    assert len(ticks.asked) == 1
    assert words(drained) == [(Word.QUEUED, 0)] * 2
    assert (drained.queued, drained.why.startswith(why)) == (2, True)
    github.mend()
    assert sorted(words(ticks.tick())) == [(Word.FILED, 1), (Word.FILED, 2)]


@pytest.mark.parametrize(("how", "why"), [("no token", "not logged in"), ("no network", "no network")])
def test_without_a_token_or_a_network_the_queue_is_kept(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, why: str
) -> None:
    with monkeypatch.context() as broken:
        if how == "no token":
            broken.delenv("GH_TOKEN")
        else:
            (tmp_path / "config.yml").write_text(f"http_unix_socket: {tmp_path / 's'}\n", encoding="utf-8")
            broken.setenv("GH_CONFIG_DIR", str(tmp_path))
        drained = ticks.tick(ticks.found(), ticks.found("process:death", "OOM"))
    assert (ticks.asked, drained.queued) == ([], 2)
    assert drained.why.startswith(why)
    assert len(ticks.tick().told) == 2
    assert len(ticks.issues) == 2


def test_a_limit_in_the_middle_ends_the_tick(github: FakeGitHub, ticks: Ticks) -> None:
    github.fail("createIssue", Answer.SECONDARY_LIMIT, skip=1)
    drained = ticks.tick(*(ticks.found(f"metric:m{number}") for number in range(3)))
    assert ticks.wrote == [CREATE] * 2, "the second one was refused"
    assert words(drained) == [(Word.FILED, 1), (Word.QUEUED, 0), (Word.QUEUED, 0)]
    assert drained.why.startswith("rate limited")
    ticks.tick()
    assert len(ticks.issues) == 3


@pytest.mark.usefixtures("hasty")
def test_a_hang_ends_the_tick(github: FakeGitHub, ticks: Ticks) -> None:
    github.fail("createIssue", Answer.HANG)
    drained = ticks.tick(*(ticks.found(f"metric:m{number}") for number in range(3)))
    assert ticks.wrote == [CREATE]
    assert words(drained) == [(Word.QUEUED, 0)] * 3
    assert drained.why.startswith("no certain answer")
    ticks.tick()
    assert len(ticks.issues) == 3
