"""actions.jsonl: what is written before an act and after it, and what shows when the file was touched."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop import actionlog, hashchain
from monitor_loop.acts import Precondition
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot
from tests.monitor_loop.action_crashes import NOW, an_act, intent, outcome
from tests.monitor_tick.crashes import no_fsync

Lines = list[bytes]


@pytest.fixture(autouse=True, scope="module")
def unsynced() -> Iterator[None]:
    """For the whole file, since hypothesis takes no fixture of a single test; nothing here is about a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", no_fsync)
        yield


@pytest.fixture
def data(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path)


@pytest.fixture
def five(data: DataRoot) -> DataRoot:
    """Two acts and an intent that is open: five lines."""
    an_act(data, 1)
    an_act(data, 2)
    actionlog.intend(data, intent(3, "wipe"))
    return data


def edit(data: DataRoot, change: Callable[[Lines], Lines]) -> tuple[str, ...]:
    """Verify after somebody changed the lines."""
    lines = data.actions.read_bytes().splitlines(keepends=True)
    data.actions.write_bytes(b"".join(change(lines)))
    return actionlog.verify(data)


# --- what is kept ------------------------------------------------------------------------------------------------


def test_what_was_meant_and_what_came_of_it(five: DataRoot) -> None:
    actions = actionlog.read(five)
    assert actions == actionlog.Actions((intent(1), outcome(1), intent(2), outcome(2), intent(3, "wipe")))
    assert actionlog.recent(five) == actions
    assert actionlog.open_intents(actions) == (intent(3, "wipe"),)
    assert actionlog.last(actions, "relaunch") == actionlog.Act(intent(2), outcome(2))
    assert actionlog.last(actions, "wipe") == actionlog.Act(intent(3, "wipe"))
    assert actionlog.last(actions, "deploy") is None
    assert actionlog.verify(five) == ()


def test_an_abandoned_intent_is_not_open(five: DataRoot) -> None:
    ending = actionlog.Abandoned(id=intent(3).id, at=NOW, why="found by the next tick")
    actionlog.abandon(five, ending)
    actionlog.conclude(five, outcome(3, "told too late"))
    actions = actionlog.read(five)
    assert actionlog.open_intents(actions) == ()
    assert actionlog.last(actions, "wipe") == actionlog.Act(intent(3, "wipe"), ending), "the first ending counts"


def test_nothing_was_ever_done(data: DataRoot) -> None:
    assert actionlog.read(data) == actionlog.recent(data) == actionlog.Actions()
    assert list(data.path.iterdir()) == []


def test_an_intent_whose_preconditions_do_not_hold_is_a_defect(data: DataRoot) -> None:
    held = Precondition("lock", "free", "held by PID=7", holds=False)
    refused = msgspec.structs.replace(intent(1), preconditions=(*intent(1).preconditions, held))
    with pytest.raises(ValueError, match="relaunch whose preconditions do not hold: lock: wanted free, seen held by"):
        actionlog.intend(data, refused)
    for other in ({"id": "7"}, {"id": "0" * 11 + "G"}, {"at": datetime(2026, 5, 9)}):  # noqa: DTZ001 - the point
        with pytest.raises(ValueError, match=r"12 hex digits|without a zone"):
            actionlog.intend(data, msgspec.structs.replace(intent(1), **other))
    assert list(data.path.iterdir()) == []


def test_each_line_has_the_sha256_of_the_one_before(five: DataRoot) -> None:
    lines = five.actions.read_bytes().splitlines()
    told = [msgspec.json.decode(line)["previous"] for line in lines]
    assert told == ["0" * 64, *(hashlib.sha256(line).hexdigest() for line in lines[:-1])]


def test_texts_from_outside_fit_into_a_line(data: DataRoot) -> None:
    seen = Precondition("holders", "none", "/data/\udcff\n" + "x" * 5000, holds=True)
    actionlog.intend(data, msgspec.structs.replace(intent(1), why="\x1b[31m\n\0ä", preconditions=(seen,)))
    (kept,) = actionlog.read(data).records
    assert isinstance(kept, actionlog.Intent)
    assert kept.why == "\x1b[31m\n\0ä"
    assert kept.preconditions[0].seen.startswith("/data/?\nxxx")
    assert len(kept.preconditions[0].seen) == actionlog.TEXT_LENGTH
    assert data.actions.read_bytes().count(b"\n") == 1


def test_a_full_disk_is_one_line_for_the_operator(five: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(MonitorError, match=r"actions\.jsonl: No space left on device; nothing was done - check"):
        actionlog.intend(five, intent(4))
    with pytest.raises(MonitorError, match="its outcome is not recorded"):
        actionlog.conclude(five, outcome(3))
    with pytest.raises(MonitorError, match="the intent stays open"):
        actionlog.abandon(five, actionlog.Abandoned(id=intent(3).id, at=NOW, why="x"))
    monkeypatch.undo()
    assert actionlog.open_intents(actionlog.read(five)) == (intent(3, "wipe"),)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_a_fault_and_nothing_is_done(data: DataRoot, make: Callable[[Path], None]) -> None:
    make(data.actions)
    for read in (actionlog.read, actionlog.recent):
        (fault,) = read(data).faults
        assert "actions.jsonl cannot be read" in fault
    with pytest.raises(MonitorError, match="nothing was done"):
        actionlog.intend(data, intent(1))


def test_a_record_of_another_version_is_a_note(five: DataRoot) -> None:
    hashchain.append(five.actions, b'{"record":"vote","id":"x"}')
    hashchain.append(five.actions, msgspec.json.encode({**msgspec.to_builtins(outcome(3)), "by": "a later version"}))
    actions = actionlog.read(five)
    assert actions.faults == ()
    assert actions.notes == ("line 6: a record that this version does not know",)
    assert actions.records[-1] == outcome(3)


def test_the_newest_lines_are_found_in_a_long_file(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashchain, "TAIL_BYTES", 2000)
    for number in range(10):
        an_act(data, number)
    assert actionlog.recent(data).records[-2:] == (intent(9), outcome(9))
    assert 2 < len(actionlog.recent(data).records) < 10
    assert (len(actionlog.read(data).records), actionlog.verify(data)) == (20, ())


# --- what a crash leaves -----------------------------------------------------------------------------------------


def settles(data: DataRoot) -> None:
    """The next act is written as if nothing had happened, and the file is whole."""
    before = actionlog.read(data).records
    an_act(data, 9)
    actions = actionlog.read(data)
    assert actions.records == (*before, intent(9), outcome(9))
    assert actions.faults == ()


def test_an_append_killed_with_sigkill_at_any_step_is_there_or_not(tmp_path: Path) -> None:
    checkout = Path(__file__).parents[2]
    program = "tests.monitor_loop.action_crashes"
    subprocess.run([sys.executable, "-m", program, str(tmp_path)], cwd=checkout, check=True)
    ended: list[bool] = []
    for root in sorted(tmp_path.iterdir()):
        actions = actionlog.read(DataRoot(root))
        assert actions.faults == ()
        assert actions.records in ((intent(1),), (intent(1), outcome(1)))
        ended.append(actionlog.open_intents(actions) == ())
        settles(DataRoot(root))
    assert len(ended) > 8
    assert ended == sorted(ended)
    assert set(ended) == {False, True}


def test_a_file_that_a_crash_left_short_at_any_byte_goes_on(data: DataRoot) -> None:
    """The last append got no further than a part of its line, so the mark still names the line before."""
    an_act(data, 1)
    mark, start = hashchain._mark_of(data.actions).read_bytes(), data.actions.stat().st_size
    actionlog.intend(data, intent(2))
    whole = data.actions.read_bytes()
    for length in range(start, len(whole) + 1):
        data.actions.write_bytes(whole[:length])
        hashchain._mark_of(data.actions).write_bytes(mark)
        actions = actionlog.read(data)
        is_whole = length >= len(whole) - 1
        assert len(actions.records) == 2 + is_whole
        assert actions.faults == ()
        assert len(actions.notes) == (start < length < len(whole))
        if length % 7 and start < length < len(whole) - 1:
            continue
        settles(data)
        torn = 0 if is_whole or length == start else 1
        assert actionlog.read(data).notes == ("line 3: a crash cut it off while it was written",) * torn


def test_two_crashes_in_a_row_are_two_notes(five: DataRoot) -> None:
    line = five.actions.read_bytes().splitlines()[-1]
    follows = hashlib.sha256(line).hexdigest().encode()
    with five.actions.open("ab") as file:
        file.write(b'{"previous":"' + follows[:9] + b"\n" + b'{"previous":"' + follows + b'","sk')
    assert len(actionlog.read(five).notes) == 2
    settles(five)
    assert [note.partition(":")[0] for note in actionlog.read(five).notes] == ["line 6", "line 7"]
    data = five.actions.read_bytes()
    five.actions.write_bytes(data.replace(b',"sk\n', b',"sx\n'))
    assert actionlog.verify(five) != (), "what the next line vouches for must stay as it was"


def test_a_first_line_that_was_cut_off(data: DataRoot) -> None:
    data.actions.write_bytes(b'{"previous":"0000')
    assert actionlog.read(data).notes == ("line 1: a crash cut it off while it was written",)
    settles(data)


def test_a_crash_before_the_mark_is_no_fault(five: DataRoot) -> None:
    mark = hashchain._mark_of(five.actions)
    before = mark.read_bytes()
    actionlog.conclude(five, outcome(3))
    mark.write_bytes(before)
    assert actionlog.verify(five) == ()
    settles(five)


# --- what somebody did to it -------------------------------------------------------------------------------------


def test_one_bit_turned_anywhere_shows(five: DataRoot) -> None:
    whole = five.actions.read_bytes()
    for position in range(len(whole)):
        turned = whole[position] ^ 1 << position % 8
        five.actions.write_bytes(whole[:position] + bytes([turned]) + whole[position + 1 :])
        number = whole.count(b"\n", 0, position) + 1
        assert any(f"line {number}" in fault for fault in actionlog.verify(five))


def test_a_file_cut_anywhere_shows(five: DataRoot) -> None:
    whole = five.actions.read_bytes()
    for length in range(len(whole) - 1):
        five.actions.write_bytes(whole[:length])
        assert actionlog.verify(five) != ()
    five.actions.write_bytes(whole[:-1])
    assert actionlog.read(five).notes == ("line 5: its newline is missing; the next line starts on its own",)
    assert actionlog.verify(five) == ()
    settles(five)


GONE = "the line that it follows is not here: it was altered, moved or removed"


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (lambda ls: [*ls[:2], *ls[3:]], [f"line 3: {GONE}"]),
        (lambda ls: ls[1:], [f"line 1: {GONE}"]),
        (
            lambda ls: [ls[0], ls[2], ls[1], *ls[3:]],
            [
                f"line 2: {GONE}",
                "line 3: follows line 1, not the one before it: a line was inserted or moved",
                "line 4: follows line 2, not the one before it: a line was inserted or moved",
            ],
        ),
        (
            lambda ls: [*ls[:3], ls[1], *ls[3:]],
            [
                "line 4: follows line 1, not the one before it: a line was inserted or moved",
                "line 5: follows line 3, not the one before it: a line was inserted or moved",
            ],
        ),
        (
            lambda ls: [*ls[:3], ls[0], *ls[3:]],
            [
                "line 4: follows no line, not the one before it: a line was inserted or moved",
                "line 5: follows line 3, not the one before it: a line was inserted or moved",
            ],
        ),
        (lambda ls: [*ls[:2], b"{}\n", *ls[2:]], ["line 3: altered, or not written by monitor-loop"]),
        (lambda ls: [*ls[:2], b"\n", *ls[2:]], ["line 3: altered, or not written by monitor-loop"]),
        (lambda ls: [*ls, b"an operator's remark\n"], ["line 6: altered, or not written by monitor-loop"]),
        (
            lambda ls: [*ls[:4], ls[4].replace(b"no process", b"a process")],
            [
                "line 5: altered, or not written by monitor-loop",
                "line 5 or after: the line that was written last is not here: it was altered, cut off or removed",
            ],
        ),
        (
            lambda ls: ls[:4],
            ["line 4 or after: the line that was written last is not here: it was altered, cut off or removed"],
        ),
    ],
)
def test_what_was_done_to_it_is_named_and_stays_so(
    five: DataRoot, change: Callable[[Lines], Lines], faults: list[str]
) -> None:
    assert list(edit(five, change)) == faults
    an_act(five, 4)
    assert actionlog.verify(five) != (), "the next act does not cover it"
    assert actionlog.read(five).records[-2:] == (intent(4), outcome(4))


def test_a_line_with_a_new_checksum_does_not_fit(five: DataRoot) -> None:
    def forge(lines: Lines) -> Lines:
        line = msgspec.json.decode(lines[1], type=hashchain._Line)
        lines[1] = hashchain._render(line.previous, "", bytes(line.body).replace(b"4343", b"4344")) + b"\n"
        return lines

    assert edit(five, forge) == (f"line 3: {GONE}",)


def test_a_torn_line_that_was_taken_out_shows(five: DataRoot) -> None:
    with five.actions.open("ab") as file:
        file.write(b'{"prev')
    settles(five)
    assert edit(five, lambda lines: [*lines[:5], *lines[6:]]) == ("line 6: the torn line before it was removed",)


def test_a_file_that_was_moved_away_shows(five: DataRoot) -> None:
    five.actions.unlink()
    assert actionlog.verify(five) == ("actions.jsonl is gone",)
    an_act(five, 4)
    assert actionlog.verify(five) == (f"line 1: {GONE}",)


@pytest.mark.parametrize(("mark", "fault"), [(None, "missing"), (b"", "damaged"), (b"0" * 64 + b" x\n", "damaged")])
def test_a_mark_that_says_nothing_shows_until_the_next_act(five: DataRoot, mark: bytes | None, fault: str) -> None:
    path = hashchain._mark_of(five.actions)
    path.unlink() if mark is None else path.write_bytes(mark)
    (seen,) = actionlog.verify(five)
    assert fault in seen
    settles(five)


@given(content=st.binary(max_size=300), prefix=st.integers(0, 5))
def test_any_bytes_are_read_and_followed(tmp_path_factory: pytest.TempPathFactory, content: bytes, prefix: int) -> None:
    data = DataRoot(tmp_path_factory.mktemp("any"))
    an_act(data, 1)
    first = data.actions.read_bytes()
    data.actions.write_bytes(first[: -prefix or None] + content)
    actionlog.read(data)
    an_act(data, 2)
    assert actionlog.recent(data).records[-2:] == (intent(2), outcome(2))


@given(
    steps=st.lists(st.sampled_from(["act", "crash", "crash before the mark"]), max_size=8),
    cuts=st.lists(st.integers(0, 400), min_size=8, max_size=8),
    touch=st.integers(0, 10**6),
    bit=st.integers(0, 7),
)
def test_crashes_are_never_taken_for_damage_nor_damage_for_a_crash(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], cuts: list[int], touch: int, bit: int
) -> None:
    data = DataRoot(tmp_path_factory.mktemp("life"))
    mark = hashchain._mark_of(data.actions)
    kept = []
    for number, (step, cut) in enumerate(zip(steps, cuts, strict=False)):
        before = data.actions.read_bytes() if data.actions.exists() else b""
        marked = mark.read_bytes() if mark.exists() else None
        actionlog.intend(data, intent(number))
        added = data.actions.read_bytes()[len(before) :]
        if step != "act":
            mark.unlink() if marked is None else mark.write_bytes(marked)
        if step == "crash":
            data.actions.write_bytes(before + added[: min(cut, len(added) - 2)])
        else:
            kept.append(intent(number))
        assert actionlog.verify(data) == () or (marked is None and step != "act")
    actionlog.intend(data, intent(99))
    assert list(actionlog.read(data).records) == [*kept, intent(99)]
    assert actionlog.verify(data) == ()
    whole = data.actions.read_bytes()
    at = touch % len(whole)
    data.actions.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
    assert actionlog.verify(data) != ()
