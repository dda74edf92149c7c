"""The door to gh: what it is called with, and what becomes of an answer that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_tick.github.gh import Gh
from monitor_tick.issues.tracker import Cause, TrackerError
from tests.monitor_tick.issues.standin_gh import StandIn


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def test_the_repository_is_always_named(stand_in: StandIn) -> None:
    stand_in.answers("[]")
    assert stand_in.gh.run(["run", "list", "--limit", "10"]) == "[]"
    assert stand_in.calls[0].argv == ["run", "list", "--repo", "stellar/henyey", "--limit", "10"]


@pytest.mark.parametrize("args", [["api", "rate_limit"], ["project", "view", "7"]])
def test_commands_that_know_no_repo_are_left_as_they_are(stand_in: StandIn, args: list[str]) -> None:
    stand_in.answers("{}")
    stand_in.gh.run(args)
    assert stand_in.calls[0].argv == args


def test_a_query_names_repository_and_issue_as_variables(stand_in: StandIn) -> None:
    stand_in.answers("{}")
    stand_in.gh.query("query{x}", number=7, jq=".data")
    call = stand_in.calls[0]
    assert call.argv[:2] == ["api", "graphql"]
    assert call.values_of("-f") == ["query=query{x}", "owner=stellar", "name=henyey"]
    assert (call.value_of("-F"), call.value_of("--jq")) == ("number=7", ".data")


def test_gh_neither_asks_nor_paints_nor_pages(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("GH_FORCE_TTY", "80"), ("GH_DEBUG", "api"), ("PAGER", "less"), ("GH_HOST", "ghe.example")):
        monkeypatch.setenv(name, value)
    stand_in.answers("")
    stand_in.gh.run(["issue", "list"])
    env = stand_in.calls[0].env
    quiet = ("GH_PROMPT_DISABLED", "NO_COLOR", "GH_PAGER", "PAGER", "GH_NO_UPDATE_NOTIFIER", "GH_TELEMETRY", "CLICOLOR")
    assert [env[name] for name in quiet] == ["1", "1", "cat", "cat", "1", "0", "0"]
    assert not {"GH_FORCE_TTY", "GH_DEBUG"} & env.keys()
    assert env["GH_HOST"] == "ghe.example"


def test_input_is_passed_byte_for_byte(stand_in: StandIn) -> None:
    stand_in.answers("")
    stand_in.gh.run(["issue", "comment", "5", "--body-file", "-"], input="`a` \\ $(b)\r\n\té".encode())
    assert stand_in.calls[0].stdin == "`a` \\ $(b)\r\n\té"


def test_an_argument_with_nul_is_no_crash(stand_in: StandIn) -> None:
    stand_in.answers("")
    stand_in.gh.run(["issue", "create", "--title", "a\0b"])
    assert stand_in.calls[0].value_of("--title") == "a\N{REPLACEMENT CHARACTER}b"


def test_a_failure_carries_its_cause_and_one_line(stand_in: StandIn) -> None:
    stand_in.fails("HTTP 401: Bad credentials\nTry authenticating with:  gh auth login\n")
    with pytest.raises(TrackerError) as failed:
        stand_in.gh.run(["issue", "list"])
    assert failed.value.cause == Cause.NOT_LOGGED_IN
    assert str(failed.value) == "not logged in: HTTP 401: Bad credentials Try authenticating with: gh auth login"


def test_what_is_said_is_short_and_free_of_secrets(stand_in: StandIn) -> None:
    seed = "S" + "A" * 55
    stand_in.fails(f"GraphQL: refused {seed} " + "x" * 500)
    with pytest.raises(TrackerError) as failed:
        stand_in.gh.run(["issue", "list"])
    said = str(failed.value).removeprefix("refused: ")
    assert seed not in said
    assert len(said) == 200


def test_a_failure_without_a_word_names_the_command(stand_in: StandIn) -> None:
    stand_in.fails("", status=2)
    with pytest.raises(TrackerError, match="gh issue: exit status 2"):
        stand_in.gh.run(["issue", "list"])


def test_what_hangs_may_have_written(stand_in: StandIn) -> None:
    stand_in.answers("", sleep=60)
    with pytest.raises(TrackerError, match="no answer in 1 s") as failed:
        stand_in.gh.run(["issue", "create"], deadline_seconds=1)
    assert failed.value.cause == Cause.UNCERTAIN


def test_what_was_cut_is_no_answer(stand_in: StandIn) -> None:
    stand_in.answers("x" * (16 * 2**20 + 1))
    with pytest.raises(TrackerError) as failed:
        stand_in.gh.run(["issue", "list"])
    assert failed.value.cause == Cause.UNCERTAIN


@pytest.mark.parametrize("binary", ["", "/nonexistent/gh"])
def test_no_gh_is_a_cause_of_its_own(binary: str) -> None:
    with pytest.raises(TrackerError) as failed:
        Gh(binary, "stellar/henyey").run(["issue", "list"])
    assert failed.value.cause == Cause.NO_GH


@pytest.mark.parametrize("repo", ["", "henyey", "https://github.com/stellar/henyey", "-x/y z"])
def test_a_repository_that_is_none_is_refused_before_gh_is_called(stand_in: StandIn, repo: str) -> None:
    with pytest.raises(TrackerError, match="MONITOR_GITHUB_REPO") as failed:
        Gh(stand_in.gh.binary, repo).run(["issue", "list"])
    assert failed.value.cause == Cause.REFUSED
    assert stand_in.calls == []
