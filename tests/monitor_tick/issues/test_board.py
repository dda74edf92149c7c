"""Putting an issue on the board, with an operator's command, the checkout's script, or gh project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor_tick.issues import board
from monitor_tick.issues.board import SCRIPTS, Board
from monitor_tick.issues.tracker import Cause, TrackerError
from tests.monitor_tick.issues.standin_gh import StandIn

URL = "https://github.com/stellar/henyey/issues/17"
FIELDS = {
    "fields": [
        {"id": "F0", "name": "Title", "type": "ProjectV2Field"},
        {
            "id": "F1",
            "name": "Status",
            "type": "ProjectV2SingleSelectField",
            "options": [{"id": "o1", "name": "Backlog"}, {"id": "o2", "name": "Blocked"}],
        },
    ]
}


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def board_of(stand_in: StandIn, *, project: str = "", command: str = "", checkout: Path | None = None) -> Board:
    return Board(stand_in.gh, project, command, checkout or stand_in.directory)


def item(status: str, owner: str = "Stellar", number: int = 7) -> dict[str, Any]:
    return {"id": "I1", "number": number, "owner": owner, "status": status}


def looked_up(*items: dict[str, Any]) -> dict[str, Any]:
    return {"url": URL, "items": list(items)}


def test_with_nothing_configured_there_is_no_board(stand_in: StandIn) -> None:
    empty = board_of(stand_in)
    assert not empty.is_there
    empty.add(17, "Backlog")
    assert stand_in.calls == []


@pytest.mark.parametrize("given", [{"project": "stellar/7"}, {"command": "move"}, {"project": "not one"}])
def test_a_project_or_a_command_is_a_board(stand_in: StandIn, given: dict[str, str]) -> None:
    assert board_of(stand_in, **given).is_there


def test_an_issue_is_added_and_moved_to_its_column(stand_in: StandIn) -> None:
    stand_in.answers(looked_up(item("Done", owner="other"), item("Done", number=8)))
    stand_in.answers({"id": "P1", "title": "board"})
    stand_in.answers(FIELDS)
    stand_in.answers({"id": "I9", "title": "t"})
    stand_in.answers("")
    board_of(stand_in, project="stellar/7").add(17, "Blocked")
    view, fields, added, edited = stand_in.calls[1:]
    assert view.argv == ["project", "view", "7", "--owner", "stellar", "--format", "json"]
    assert fields.argv[:3] == ["project", "field-list", "7"]
    assert added.argv == ["project", "item-add", "7", "--owner", "stellar", "--url", URL, "--format", "json"]
    named = ["--id", "I9", "--project-id", "P1", "--field-id", "F1", "--single-select-option-id", "o2"]
    assert edited.argv == ["project", "item-edit", *named]


def test_ids_are_asked_for_once(stand_in: StandIn) -> None:
    own = board_of(stand_in, project="stellar/7")
    for answer in (looked_up(), {"id": "P1"}, FIELDS, {"id": "I9"}, "", looked_up(), {"id": "I10"}, ""):
        stand_in.answers(answer)
    own.add(17, "Backlog")
    own.add(18, "backlog")
    assert [call.argv[1] for call in stand_in.calls[5:]] == ["graphql", "item-add", "item-edit"]


def test_l55_an_issue_on_the_board_is_never_moved(stand_in: StandIn) -> None:
    stand_in.answers(looked_up(item("In progress")))
    board_of(stand_in, project="stellar/7").add(17, "Backlog")
    assert len(stand_in.calls) == 1


def test_l55_a_command_moves_no_issue_that_the_project_shows(stand_in: StandIn, tmp_path: Path) -> None:
    command = StandIn(tmp_path, "move")
    stand_in.answers(looked_up(item("In progress")))
    board_of(stand_in, project="stellar/7", command=str(command.program)).add(17, "Backlog")
    assert command.calls == []


def test_an_item_whose_move_failed_is_moved_by_the_next_try(stand_in: StandIn) -> None:
    for answer in (looked_up(item("")), {"id": "P1"}, FIELDS, ""):
        stand_in.answers(answer)
    board_of(stand_in, project="stellar/7").add(17, "Backlog")
    assert [call.argv[1] for call in stand_in.calls] == ["graphql", "view", "field-list", "item-edit"]
    assert stand_in.calls[3].value_of("--id") == "I1"


def test_a_column_that_is_missing_is_told_before_anything_is_added(stand_in: StandIn) -> None:
    for answer in (looked_up(), {"id": "P1"}, FIELDS):
        stand_in.answers(answer)
    with pytest.raises(TrackerError, match="project stellar/7 has no Status 'Parked'") as failed:
        board_of(stand_in, project="stellar/7").add(17, "Parked")
    assert failed.value.cause == Cause.REFUSED


def test_a_project_without_columns_is_told(stand_in: StandIn) -> None:
    for answer in (looked_up(), {"id": "P1"}, {"fields": []}):
        stand_in.answers(answer)
    with pytest.raises(TrackerError, match="has no field Status"):
        board_of(stand_in, project="stellar/7").add(17, "Backlog")


def test_an_item_that_gh_does_not_name_may_have_been_added(stand_in: StandIn) -> None:
    for answer in (looked_up(), {"id": "P1"}, FIELDS, "added"):
        stand_in.answers(answer)
    with pytest.raises(TrackerError) as failed:
        board_of(stand_in, project="stellar/7").add(17, "Backlog")
    assert failed.value.cause == Cause.UNCERTAIN


@pytest.mark.parametrize(("status", "held"), [("Done", True), ("", True)])
def test_an_issue_is_on_the_board_in_whatever_column(stand_in: StandIn, status: str, held: bool) -> None:
    stand_in.answers(looked_up(item(status)))
    assert board_of(stand_in, project="stellar/7").holds(17) is held


def test_a_project_that_is_not_named_as_one_is_told(stand_in: StandIn) -> None:
    wrong = board_of(stand_in, project="the board")
    assert wrong.holds(17) is None
    with pytest.raises(TrackerError, match="MONITOR_PROJECT is 'the board' - set it to owner/number"):
        wrong.add(17, "Backlog")


def test_the_operators_command_gets_number_and_column(stand_in: StandIn, tmp_path: Path) -> None:
    command = StandIn(tmp_path, "move it")
    command.answers("moved")
    board_of(stand_in, command=f"'{command.program}' --quiet").add(17, "Backlog")
    call = command.calls[0]
    assert call.argv == ["--quiet", "17", "Backlog"]
    assert Path(call.cwd) == stand_in.directory
    assert call.env["PATH"].split(":")[0] == str(tmp_path)  # gh, which such a script calls by its name
    assert call.env["GH_REPO"] == "stellar/henyey"


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_of_the_checkout_is_the_default(stand_in: StandIn, tmp_path: Path, name: str) -> None:
    checkout = tmp_path / "checkout"
    script = checkout / name
    script.parent.mkdir(parents=True)
    script.write_text('echo "$@" > moved\n')  # not executable: git keeps that bit, an archive may not
    own = board_of(stand_in, checkout=checkout)
    assert own.is_there
    own.add(17, "Blocked")
    assert (checkout / "moved").read_text() == "17 Blocked\n"


def test_the_operators_command_comes_before_the_script(stand_in: StandIn, tmp_path: Path) -> None:
    script = tmp_path / SCRIPTS[0]
    script.parent.mkdir(parents=True)
    script.write_text("echo no > moved\n")
    command = StandIn(tmp_path, "move")
    command.answers("")
    board_of(stand_in, command=str(command.program), checkout=tmp_path).add(17, "Backlog")
    assert len(command.calls) == 1
    assert not (tmp_path / "moved").exists()


def test_a_command_that_fails_is_told_in_one_line(stand_in: StandIn, tmp_path: Path) -> None:
    command = StandIn(tmp_path, "move")
    command.fails("no such\ncolumn\n", status=3)
    with pytest.raises(TrackerError, match="exit status 3: no such column") as failed:
        board_of(stand_in, command=str(command.program)).add(17, "Backlog")
    assert failed.value.cause == Cause.REFUSED


def test_a_command_that_hangs_may_have_moved_it(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "COMMAND_DEADLINE_SECONDS", 1.0)
    command = StandIn(tmp_path, "move")
    command.answers("", sleep=60)
    with pytest.raises(TrackerError, match="no answer in 1 s") as failed:
        board_of(stand_in, command=str(command.program)).add(17, "Backlog")
    assert failed.value.cause == Cause.UNCERTAIN


@pytest.mark.parametrize(
    ("command", "said"), [("'unclosed", "MONITOR_BOARD_COMMAND"), ("/nonexistent/move", "cannot run")]
)
def test_a_command_that_is_none_is_told(stand_in: StandIn, command: str, said: str) -> None:
    with pytest.raises(TrackerError, match=said) as failed:
        board_of(stand_in, command=command).add(17, "Backlog")
    assert failed.value.cause == Cause.REFUSED
