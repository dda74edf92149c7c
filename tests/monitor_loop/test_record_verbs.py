"""`monitor-loop actions` and `monitor-loop quarantine`, as an operator meets them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from monitor_loop import actionlog
from monitor_loop.cli import cli
from monitor_loop.session import DataRoot
from tests.monitor_loop.action_crashes import NOW, an_act, intent, outcome

A, B = "a" * 40, "b" * 40


@pytest.fixture
def data(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path)


def run(data: DataRoot, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--data-root", str(data.path), *arguments])


# --- actions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(data: DataRoot) -> DataRoot:
    """An act that was done, one that failed without a process, and one that was interrupted."""
    an_act(data, 1)
    why = "fatal state:\x1b[2J\n three crashed logs within half an hour, the newest says so"
    actionlog.intend(data, msgspec.structs.replace(intent(2, "wipe"), why=why, pid=None))
    actionlog.conclude(data, msgspec.structs.replace(outcome(2, "lock held\nby PID=7"), done=False, pid=None))
    actionlog.intend(data, intent(3))
    return data


def test_a_table_of_what_was_done(three: DataRoot) -> None:
    rows = [tuple(re.split(r"  +", line)) for line in run(three, "actions").output.splitlines()]
    why, at = "no process of session 5e5510ff", "2026-05-09 03:40:00Z"
    cut = "fatal state: [2J three crashed logs within half an hour, ..."
    assert rows == [
        ("when", "act", "why", "pid", "outcome"),
        (at, "relaunch", why, "4242 -> 4343", "done: launched pid 4343"),
        (at, "wipe", cut, "-", "FAILED: lock held by PID=7"),
        (at, "relaunch", why, "4242", "OPEN: interrupted, or under way"),
    ]
    actionlog.abandon(three, actionlog.Abandoned(id=intent(3).id, at=NOW, why="found open by the next tick"))
    last = run(three, "actions", "--last", "1")
    assert last.output.count("\n") == 2
    assert "abandoned: found open by the next tick" in last.output
    assert run(three, "actions", "--last", "0").exit_code == 2


def test_nothing_was_done(data: DataRoot) -> None:
    seen = run(data, "actions")
    assert (seen.exit_code, seen.output) == (0, f"no act in {data.actions}\n")
    whole = run(data, "actions", "--verify")
    assert (whole.exit_code, whole.output) == (0, f"{data.actions} is whole: 0 records\n")
    assert list(data.path.iterdir()) == []


def test_of_a_file_that_cannot_be_read_nothing_is_claimed(data: DataRoot) -> None:
    data.actions.mkdir()
    shown = run(data, "actions").output
    assert shown.startswith(f"WARNING: {data.actions} cannot be read")
    assert "no act" not in shown


def test_a_file_that_was_changed_is_told_by_line(three: DataRoot) -> None:
    assert run(three, "actions", "--verify").exit_code == 0
    lines = three.actions.read_bytes().splitlines(keepends=True)
    three.actions.write_bytes(b"".join([*lines[:1], *lines[2:]]))
    broken = run(three, "actions", "--verify")
    assert broken.exit_code == 1
    assert broken.output.startswith("BROKEN line 2: the line that it follows is not here")
    assert broken.output.endswith(f"{three.actions} was changed or is damaged\n")
    table = run(three, "actions")
    assert table.exit_code == 0
    assert table.output.startswith("WARNING: line 2: ")
    assert run(three, "actions", "--verify", "--json").exit_code == 1


def test_what_a_crash_left_is_a_note(three: DataRoot) -> None:
    with three.actions.open("ab") as file:
        file.write(b'{"previous":"')
    seen = run(three, "actions", "--verify")
    assert seen.exit_code == 0
    assert seen.output == (
        f"note: line 6: a crash cut it off while it was written\n{three.actions} is whole: 5 records\n"
    )


def test_one_object_for_programs(three: DataRoot) -> None:
    seen = json.loads(run(three, "actions", "--json", "--last", "2").output)
    assert (seen["schema"], seen["records"], seen["faults"]) == (1, 5, [])
    assert [act["intent"]["id"] for act in seen["acts"]] == [intent(2).id, intent(3).id]
    assert [act["ending"] and act["ending"]["done"] for act in seen["acts"]] == [False, None]


# --- quarantine ------------------------------------------------------------------------------------------------------


def test_in_and_out_of_quarantine(data: DataRoot) -> None:
    file = data.quarantine
    assert run(data, "quarantine", "list").output == f"no commit in {file}\n"
    added = run(data, "quarantine", "add", A, "crashed", "after\ndeploy", "#7")
    assert added.output == f"added {A} to {file}: no deploy while it is in effect on origin/main\n"
    assert run(data, "quarantine", "add", A, "again").output == f"{A} is in {file} already\n"
    run(data, "quarantine", "add", B)
    assert file.read_text() == f"{A} crashed after deploy #7\n{B}\n"
    assert run(data, "quarantine", "list").output == f"{A}  crashed after deploy #7\n{B}  (no reason)\n"
    assert run(data, "quarantine", "remove", A).output == f"removed {A} from {file}\n"
    again = run(data, "quarantine", "remove", A)
    assert (again.exit_code, again.output) == (0, f"{A} is not in {file}\n")
    assert file.read_text() == f"{B}\n"


def test_a_list_tells_of_lines_that_are_no_entry(data: DataRoot) -> None:
    data.quarantine.write_bytes(f"# kept\r\n{A[:12]}9 short\r\n\r\n{B}\t\x1b[2Jwhy\r\n".encode())
    assert run(data, "quarantine", "list").output == f"WARNING: malformed: {A[:12]}...\n{B}  [2Jwhy\n"


@pytest.mark.parametrize("sha", ["abc123", A[:39], A.upper(), "HEAD", f"{A}\n", ""])
@pytest.mark.parametrize("verb", ["add", "remove"])
def test_only_a_full_commit_id_will_do(data: DataRoot, verb: str, sha: str) -> None:
    refused = run(data, "quarantine", verb, sha)
    assert refused.exit_code == 1
    assert "is no full commit id (40 lower-case hex digits); git rev-parse prints it" in refused.output
    assert refused.output.count("\n") == 1
    assert list(data.path.iterdir()) == []


def test_a_file_that_cannot_be_used(data: DataRoot) -> None:
    data.quarantine.mkdir()
    for arguments in (("list",), ("add", A), ("remove", A)):
        refused = run(data, "quarantine", *arguments)
        assert refused.exit_code == 1
        assert refused.output.startswith(f"ERROR: {data.quarantine}")
        assert refused.output.endswith("mend it, or move it away\n") or "nothing was changed" in refused.output
    listed = run(data, "quarantine", "list").output
    assert "cannot be read (Is a directory), which blocks every deploy" in listed


def test_no_data_root(tmp_path: Path) -> None:
    refused = run(DataRoot(tmp_path / "no"), "quarantine", "add", A)
    assert (refused.exit_code, refused.output) == (1, f"ERROR: {tmp_path / 'no'} does not exist; check --data-root\n")
    assert run(DataRoot(tmp_path / "no"), "quarantine", "list").exit_code == 0
