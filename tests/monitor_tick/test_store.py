"""Memory from a session's directory, and the commits that change it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_loop import journal, noderecord
from monitor_loop.errors import MonitorError
from monitor_loop.session import Identity, NodeRecord, Session
from monitor_tick.issues.ledger import NOTHING_FILED
from monitor_tick.memory import (
    Cooldowns,
    Damage,
    LastLedger,
    Memory,
    PruningState,
    Section,
    State,
    SyncState,
    TickState,
    next_state,
)
from monitor_tick.metrics import comparable
from monitor_tick.state import store
from monitor_tick.state.history import HistoryLine
from monitor_tick.state.skipped import append_skipped
from tests.monitor_tick.stores import (
    a_stored_session,
    after_ticks,
    body_of,
    commit_tick,
    contents_of,
    ledger_of,
    load_after,
    node_of,
    scrape_section,
    sections_of,
    state_files,
    time_of,
    tree_of,
)
from tests.monitor_tick.views import IDENTITY, NOW


def line_of(tick: int, status: str = "OK") -> HistoryLine:
    return HistoryLine(ts=time_of(tick), status=status)


# --- load and commit ---------------------------------------------------------------------------------------------


def test_a_session_without_state_is_a_first_tick(tmp_path: Path) -> None:
    session = a_stored_session(tmp_path)
    before = tree_of(tmp_path)
    assert store.load(session, NOW, finish=True) == Memory()
    assert tree_of(tmp_path) == before


def test_a_session_whose_directory_is_gone_loads_and_creates_nothing(tmp_path: Path) -> None:
    session = msgspec.structs.replace(a_stored_session(tmp_path), id="5e6f7a8b")
    assert store.load(session, NOW, finish=True) == Memory()
    assert not session.directory.exists()


@pytest.mark.parametrize("finish", [True, False])
def test_what_a_tick_committed_is_what_the_next_one_loads(tmp_path: Path, finish: bool) -> None:
    session = after_ticks(tmp_path, 2)
    memory = load_after(session, 2, finish=finish)
    assert memory.state == next_state(State(), sections_of(2))
    assert [memory.last_ledger, memory.ratios, memory.recovery] == sections_of(2)[-3:]
    assert memory.node == node_of(2)
    assert memory.issues == ledger_of(2)
    assert memory.previous is not None
    assert memory.previous.samples == {("stellar_ledger_sequence", ()): 62_484_491.0}
    assert memory.previous.types == {"stellar_ledger_sequence": "gauge"}
    assert memory.previous.at == time_of(2)
    assert not memory.damaged
    assert not memory.finished_journal


def test_a_section_that_no_check_returned_stays_as_it_was(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    memory = load_after(session, 1)
    store.commit_judgement(session, memory, [SyncState(stuck_ticks=9)], scrape_body=None, node=memory.node, now=NOW)
    again = load_after(session, 1)
    assert again.state.sync == SyncState(stuck_ticks=9)
    assert again.state.trees == memory.state.trees
    assert again.last_ledger == memory.last_ledger
    assert again.previous == memory.previous


def test_the_commit_returns_the_memory_that_the_outcomes_are_committed_with(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    after = commit_tick(session, load_after(session, 1), 2)
    store.commit_outcomes(session, after, [PruningState(step=2, window=400)], node=after.node)
    again = load_after(session, 2)
    assert again.state == next_state(State(), [*sections_of(2), PruningState(step=2, window=400)])
    assert again.last_ledger == after.last_ledger


def test_node_json_is_not_made_where_there_is_nothing_to_say(tmp_path: Path) -> None:
    session = a_stored_session(tmp_path)
    store.commit_judgement(session, Memory(), sections_of(1), scrape_body=None, node=NodeRecord(), now=NOW)
    assert not session.data.node_record.exists()


def test_files_that_do_not_change_are_not_written(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    before = {path: path.stat().st_ino for path in state_files(session) if path.exists()}
    memory = load_after(session, 1)
    at = time_of(2)
    moved = [TickState(at=at, full_at=at, identity=IDENTITY)]
    store.commit_judgement(session, memory, moved, scrape_body=None, node=memory.node, now=at)
    assert [path.name for path, inode in before.items() if path.stat().st_ino != inode] == ["state.json"]


def test_committing_the_same_tick_twice_changes_no_byte(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    stale = load_after(session, 1)
    commit_tick(session, stale, 2)
    once = tree_of(tmp_path)
    commit_tick(session, stale, 2)
    assert tree_of(tmp_path) == once
    commit_tick(session, load_after(session, 2), 2)
    assert tree_of(tmp_path) == once


def test_a_session_directory_that_went_meanwhile_is_not_made_anew(tmp_path: Path) -> None:
    session = msgspec.structs.replace(a_stored_session(tmp_path), id="5e6f7a8b")
    commit_tick(session, Memory(), 1)
    assert not session.directory.exists()
    assert load_after(session, 1).node == node_of(1)


def test_a_metrics_directory_that_went_meanwhile_is_made_anew(tmp_path: Path) -> None:
    session = a_stored_session(tmp_path)
    session.metrics.rmdir()
    commit_tick(session, Memory(), 1)
    assert load_after(session, 1).previous is not None


def count_syncs(patch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each fsync from here on."""
    calls: list[int] = []
    fsync = os.fsync

    def counted(fd: int) -> None:
        calls.append(fd)
        fsync(fd)

    patch.setattr(os, "fsync", counted)
    return calls


def test_a_quiet_tick_syncs_at_most_six_times_more_than_it_has_state_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = after_ticks(tmp_path, 2)
    memory = load_after(session, 2)
    before = contents_of(session)
    calls = count_syncs(monkeypatch)
    after = store.commit_judgement(
        session, memory, sections_of(3), scrape_body=body_of(3), node=memory.node, now=time_of(3)
    )
    store.commit_outcomes(session, after, [], node=after.node)
    store.append_history(session, line_of(3), days=90)
    changed = [name for name, content in contents_of(session).items() if content != before[name]]
    assert sorted(changed) == [
        "counter_streak_snapshot",
        "current.prom",
        "last_ledger",
        "prev.prom",
        "ratio_snapshot",
        "state.json",
    ]
    assert 0 < len(calls) <= len(changed) + 6


def test_an_act_that_only_node_json_knows_costs_two_more_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = after_ticks(tmp_path, 2)
    memory = load_after(session, 2)
    calls = count_syncs(monkeypatch)
    store.commit_outcomes(session, memory, [], node=node_of(7))
    assert len(calls) == 2


def test_L48_alive_is_touched_by_a_commit_that_succeeded_and_by_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = a_stored_session(tmp_path)

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MonitorError, match="No space left on device"):
            commit_tick(session, Memory(), 1)
    assert not session.alive.exists()
    assert load_after(session, 0) == Memory()
    commit_tick(session, Memory(), 1)
    assert session.alive.exists()


def test_L79_every_time_on_disk_is_the_one_that_the_tick_was_given(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    store.append_history(session, line_of(1), days=90)
    assert session.alive.stat().st_mtime == time_of(1).timestamp()
    assert session.last_ledger.read_text() == f"62484251|{int(time_of(1).timestamp())}\n"
    assert b'"ts":"2026-05-09T04:00:07Z"' in session.history.read_bytes()


def test_L60_nothing_is_written_outside_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    monkeypatch.chdir(checkout)
    session = msgspec.structs.replace(a_stored_session(tmp_path / "data"), repo=checkout)
    commit_tick(session, Memory(), 1)
    session.state.write_bytes(b"garbage")
    load_after(session, 1)
    store.append_history(session, line_of(1), days=90)
    assert list(checkout.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"checkout", "data"}


# --- the baseline ------------------------------------------------------------------------------------------------


def test_prev_is_the_scrape_that_current_was_judged_against(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 3)
    assert session.current_prom.read_bytes() == body_of(3)
    assert session.prev_prom.read_bytes() == body_of(2)


def test_two_equal_scrapes_are_both_kept(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    sections: list[Section] = [TickState(at=NOW, full_at=NOW), scrape_section(3, body_of(2))]
    memory = load_after(session, 2)
    store.commit_judgement(session, memory, sections, scrape_body=body_of(2), node=memory.node, now=NOW)
    assert session.current_prom.read_bytes() == session.prev_prom.read_bytes() == body_of(2)


@pytest.mark.parametrize("body", [None, body_of(3)])
def test_a_failed_scrape_or_an_early_tick_moves_neither_file(tmp_path: Path, body: bytes | None) -> None:
    """An early tick has a body, and no section that says it counts."""
    session = after_ticks(tmp_path, 2)
    memory = load_after(session, 2)
    store.commit_judgement(session, memory, [SyncState(stuck_ticks=1)], scrape_body=body, node=memory.node, now=NOW)
    assert session.current_prom.read_bytes() == body_of(2)
    assert session.prev_prom.read_bytes() == body_of(1)
    assert load_after(session, 2).previous == memory.previous


def test_a_section_that_says_the_scrape_was_interrupted_keeps_the_baseline(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    memory = load_after(session, 2)
    assert memory.state.scrape is not None
    interrupted = msgspec.structs.replace(memory.state.scrape, interrupted=True)
    store.commit_judgement(session, memory, [interrupted], scrape_body=None, node=memory.node, now=NOW)
    again = load_after(session, 2)
    assert again.state.scrape == interrupted
    assert again.previous == memory.previous


@pytest.mark.parametrize(
    "other",
    [
        Identity(IDENTITY.pid + 1, IDENTITY.start_ticks, IDENTITY.boot_id),
        Identity(IDENTITY.pid, IDENTITY.start_ticks + 1, IDENTITY.boot_id),
        Identity(IDENTITY.pid, IDENTITY.start_ticks, "another boot"),
    ],
)
def test_L05_the_baseline_carries_the_run_it_came_from(tmp_path: Path, other: Identity) -> None:
    session = after_ticks(tmp_path, 1)
    memory = load_after(session, 1)
    assert memory.previous is not None
    assert memory.previous.identity == IDENTITY
    assert comparable(memory.previous, memory.previous)
    assert not comparable(memory.previous, msgspec.structs.replace(memory.previous, identity=other))


@pytest.mark.parametrize("content", [b"", body_of(1), body_of(2)[:-1], b"\xff\xfe", b"curl: (7) refused\n"])
def test_another_file_in_the_place_of_the_scrape_is_no_baseline(tmp_path: Path, content: bytes) -> None:
    session = after_ticks(tmp_path, 2)
    session.current_prom.write_bytes(content)
    memory = load_after(session, 2)
    assert memory.previous is None
    kept = f"{session.id}/metrics/current.prom.damaged-20260509T044007Z"
    name = f"{session.id}/metrics/current.prom"
    assert memory.damaged == (Damage(name, "not the scrape that was committed", kept),)
    assert (tmp_path / kept).read_bytes() == content
    commit_tick(session, memory, 3)
    assert load_after(session, 3).previous is not None


def test_a_scrape_that_is_gone_or_was_never_committed_is_no_baseline_and_no_damage(tmp_path: Path) -> None:
    session = after_ticks(tmp_path / "gone", 2)
    session.current_prom.unlink()
    fresh = a_stored_session(tmp_path / "fresh")
    fresh.current_prom.write_bytes(body_of(1))
    for one in (session, fresh):
        memory = load_after(one, 2)
        assert memory.previous is None
        assert memory.damaged == ()
    assert fresh.current_prom.read_bytes() == body_of(1)


def test_a_committed_text_that_is_no_exposition_is_no_baseline(tmp_path: Path) -> None:
    session = a_stored_session(tmp_path)
    body = b"stellar_ledger_sequence twelve\n"
    store.commit_judgement(
        session, Memory(), [scrape_section(1, body)], scrape_body=body, node=NodeRecord(), now=time_of(1)
    )
    memory = load_after(session, 1)
    assert memory.previous is None
    assert [damage.file for damage in memory.damaged] == [f"{session.id}/metrics/current.prom"]


# --- the issue ledger --------------------------------------------------------------------------------------------


def test_where_nothing_was_filed_there_is_no_ledger(tmp_path: Path) -> None:
    session = a_stored_session(tmp_path)
    store.commit_judgement(session, Memory(), sections_of(1), scrape_body=None, node=NodeRecord(), now=NOW)
    store.save_ledger(session, NOTHING_FILED)
    assert not session.data.issue_ledger.exists()


def test_an_outbox_that_was_emptied_is_empty_on_disk(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    store.save_ledger(session, NOTHING_FILED)
    assert load_after(session, 1).issues == NOTHING_FILED


def test_a_finding_is_in_the_outbox_as_soon_as_its_judgement_is_committed(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    memory = msgspec.structs.replace(load_after(session, 1), issues=ledger_of(2))
    after = store.commit_judgement(
        session, memory, [SyncState(stuck_ticks=1)], scrape_body=None, node=memory.node, now=NOW
    )
    assert load_after(session, 1).issues == ledger_of(2)
    more = msgspec.structs.replace(after, issues=ledger_of(3))
    store.commit_outcomes(session, more, [], node=more.node)
    assert load_after(session, 1).issues == ledger_of(3)


def test_a_step_of_filing_is_durable_by_itself_and_moves_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = after_ticks(tmp_path, 2)
    before = contents_of(session)
    calls = count_syncs(monkeypatch)
    store.save_ledger(session, ledger_of(3))
    assert len(calls) == 2
    assert load_after(session, 2).issues == ledger_of(3)
    store.save_ledger(session, ledger_of(3))
    assert len(calls) == 2
    after = contents_of(session)
    assert [name for name, content in after.items() if content != before[name]] == ["issue-ledger.json"]


def test_the_ledger_outlives_the_session(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    other = msgspec.structs.replace(session, id="5e6f7a8b")
    assert store.load(other, NOW, finish=True).issues == ledger_of(2)


def test_a_step_of_filing_comes_after_a_commit_that_was_not_finished(tmp_path: Path) -> None:
    """Finished later, it would take the step back, and a write that was made would be made again."""
    session = after_ticks(tmp_path, 2)
    interrupt_tick(session, 3)
    store.save_ledger(session, ledger_of(4))
    memory = load_after(session, 3)
    assert memory.state == next_state(State(), sections_of(3))
    assert memory.issues == ledger_of(4)


def test_a_disk_that_refuses_the_ledger_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = after_ticks(tmp_path, 2)

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MonitorError, match="No space left on device"):
            store.save_ledger(session, ledger_of(3))
    assert load_after(session, 2).issues == ledger_of(2)


# --- cooldowns ---------------------------------------------------------------------------------------------------

FILED = Cooldowns((("stellar_peer_count", 1_778_298_007), ("ratio:scp", 1_778_298_008)))


def test_cooldowns_that_were_saved_are_what_the_next_tick_loads(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    store.save_cooldowns(session, FILED)
    assert session.anomaly_cooldown.read_bytes() == b'{"stellar_peer_count":1778298007,"ratio:scp":1778298008}\n'
    assert load_after(session, 1).cooldowns == FILED


def test_cooldowns_bring_back_the_metrics_directory_but_no_session(tmp_path: Path) -> None:
    session = a_stored_session(tmp_path)
    session.metrics.rmdir()
    store.save_cooldowns(session, FILED)
    assert load_after(session, 1).cooldowns == FILED
    gone = msgspec.structs.replace(session, id="5e6f7a8b")
    store.save_cooldowns(gone, FILED)
    assert not gone.directory.exists()


# --- damage ------------------------------------------------------------------------------------------------------

SMALL = {"state.json", "last_ledger", "node.json", "issue-ledger.json"}


def of_name(session: Session, name: str) -> Path:
    return next(path for path in state_files(session) if path.name == name)


def check_damaged(session: Session, name: str, content: bytes) -> None:
    """The load says so, keeps the bytes, and still has everything that the other files say."""
    path, before = of_name(session, name), contents_of(session)
    path.write_bytes(content)
    memory = load_after(session, 2)
    assert [damage.file for damage in memory.damaged] == [str(path.relative_to(session.data.path))]
    kept = session.data.path / memory.damaged[0].kept_as
    assert kept.name == f"{name}.damaged-20260509T044007Z"
    assert kept.read_bytes() == content
    assert path.exists() == (name == "node.json")
    assert "\n" not in memory.damaged[0].reason
    assert (memory.state == State()) == (name == "state.json")
    assert (memory.last_ledger is None) == (name == "last_ledger")
    assert (memory.node == NodeRecord()) == (name == "node.json")
    assert (memory.issues == NOTHING_FILED) == (name == "issue-ledger.json")
    kept.unlink()
    path.write_bytes(before[name] or b"")


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_file_cut_anywhere_is_set_aside_and_the_rest_loads(tmp_path: Path, name: str) -> None:
    session = after_ticks(tmp_path, 2)
    whole = of_name(session, name).read_bytes()
    for length in {*range(0, len(whole), 23), len(whole) - 1}:
        check_damaged(session, name, whole[:length])


@pytest.mark.parametrize("name", ["state.json", "issue-ledger.json"])
def test_a_file_with_one_bit_turned_is_set_aside_and_the_rest_loads(tmp_path: Path, name: str) -> None:
    session = after_ticks(tmp_path, 2)
    whole = of_name(session, name).read_bytes()
    for position in range(0, len(whole), 41):
        check_damaged(session, name, whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])


def test_a_damaged_node_record_is_seen_so_until_a_commit_replaces_it(tmp_path: Path) -> None:
    """It may have held the mark of a stopped node: a tick that dies before it told of that must not lose it."""
    session = after_ticks(tmp_path, 1)
    path = session.data.node_record
    path.write_bytes(b"{}")
    kept = load_after(session, 2).damaged[0].kept_as
    memory = load_after(session, 3)
    assert [(each.file, each.kept_as) for each in memory.damaged] == [("node.json", kept)]
    store.commit_judgement(session, memory, [], scrape_body=None, node=NodeRecord(offline="damaged"), now=NOW)
    after = load_after(session, 4)
    assert (after.damaged, after.node.offline) == ((), "damaged")
    assert (session.data.path / kept).read_bytes() == b"{}"


def test_a_damaged_node_record_is_kept_also_where_no_file_has_two_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = after_ticks(tmp_path, 1)
    session.data.node_record.write_bytes(b"{}")

    def no_links(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    (damage,) = load_after(session, 2).damaged
    assert (session.data.path / damage.kept_as).read_bytes() == b"{}"
    assert not session.data.node_record.exists()


def test_several_damaged_files_are_all_named(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    for path in state_files(session):
        path.write_bytes(b"{")
    memory = load_after(session, 2)
    assert {damage.file.rpartition("/")[2] for damage in memory.damaged} == {
        *SMALL,
        "ratio_snapshot",
        "counter_streak_snapshot",
    }
    assert memory.state == State()
    commit_tick(session, memory, 3)
    assert load_after(session, 3).state == next_state(State(), sections_of(3))


def test_a_file_is_never_set_aside_onto_another(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    kept = []
    for content in (b"first", b"second", b"third"):
        session.state.write_bytes(content)
        kept.append(tmp_path / load_after(session, 1).damaged[0].kept_as)
    assert [path.read_bytes() for path in kept] == [b"first", b"second", b"third"]


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    os.truncate(path, 2**40)


def make_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("spoil", [make_directory, make_fifo, make_huge, make_loop])
def test_what_is_no_ordinary_file_is_set_aside(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    session = after_ticks(tmp_path, 1)
    spoil(session.state)
    memory = load_after(session, 1)
    assert memory.state == State()
    assert memory.damaged[0].file == f"{session.id}/state.json"
    assert not os.path.lexists(session.state)
    commit_tick(session, memory, 2)
    assert load_after(session, 2).state == next_state(State(), sections_of(2))


def test_a_damaged_file_that_cannot_be_renamed_is_named_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = after_ticks(tmp_path, 1)
    session.state.write_bytes(b"x")

    def read_only(self: Path, target: Path) -> Path:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "rename", read_only)
    damage = load_after(session, 1).damaged[0]
    assert damage.kept_as == damage.file == f"{session.id}/state.json"


def test_a_damaged_journal_is_set_aside_and_the_files_count(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    expected = load_after(session, 2)
    session.data.commit_journal.write_bytes(b"torn")
    unchanged = contents_of(session)
    looked = load_after(session, 2, finish=False)
    assert looked.damaged == (Damage(".commit-journal", looked.damaged[0].reason, ".commit-journal"),)
    loaded = load_after(session, 2)
    assert loaded.damaged[0].kept_as == ".commit-journal.damaged-20260509T044007Z"
    assert not loaded.finished_journal
    for memory in (looked, loaded):
        assert msgspec.structs.replace(memory, damaged=()) == expected
    assert contents_of(session) == unchanged
    commit_tick(session, loaded, 3)
    assert load_after(session, 3).damaged == ()


# --- an interrupted commit ---------------------------------------------------------------------------------------


def interrupt_tick(session: Session, tick: int) -> None:
    """Commit a tick that dies as soon as its journal is durable."""
    memory = load_after(session, tick - 1)
    with pytest.MonkeyPatch.context() as patch:

        def dies(data: object, writes: object) -> None:
            raise KeyboardInterrupt

        replace_all = journal._replace_all
        patch.setattr(
            journal,
            "_replace_all",
            lambda data, writes: (replace_all if writes[0].path == journal.NAME else dies)(data, writes),
        )
        with pytest.raises(KeyboardInterrupt):
            commit_tick(session, memory, tick)


def test_an_interrupted_commit_is_finished_on_disk_by_the_next_tick(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    interrupt_tick(session, 3)
    memory = load_after(session, 3)
    assert memory.finished_journal
    assert memory.state == next_state(State(), sections_of(3))
    assert not session.data.commit_journal.exists()
    assert msgspec.structs.replace(memory, finished_journal=False) == load_after(session, 3)


def test_a_dry_run_sees_an_interrupted_commit_and_changes_no_byte(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    interrupt_tick(session, 3)
    before = tree_of(tmp_path)
    memory = load_after(session, 3, finish=False)
    assert tree_of(tmp_path) == before
    assert memory == load_after(session, 3)


def test_a_dry_run_changes_no_byte_whatever_it_finds(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    append_skipped(str(session.directory), NOW, "pid 1")
    session.history.write_bytes(session.history.read_bytes() + b'{"torn')
    for path in (*state_files(session), session.data.commit_journal):
        path.write_bytes(b"garbage")
    before = tree_of(tmp_path)
    memory = load_after(session, 2, finish=False)
    assert tree_of(tmp_path) == before
    assert len(memory.damaged) == 7
    assert all(damage.kept_as == damage.file for damage in memory.damaged)
    assert memory.skipped_ticks == 1


def test_a_full_disk_does_not_blind_the_tick_to_an_interrupted_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = after_ticks(tmp_path, 2)
    interrupt_tick(session, 3)

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        memory = load_after(session, 3)
        assert memory.state == next_state(State(), sections_of(3))
        assert [damage.file for damage in memory.damaged] == [".commit-journal"]
        assert "No space left on device" in memory.damaged[0].reason
        with pytest.raises(MonitorError, match="No space left on device"):
            commit_tick(session, memory, 4)
    commit_tick(session, memory, 4)
    assert session.prev_prom.read_bytes() == body_of(3)
    assert load_after(session, 4).state == next_state(State(), sections_of(4))


def test_L07_a_journal_of_before_a_stop_does_not_take_its_mark_back(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 2)
    interrupt_tick(session, 3)
    stopped = msgspec.structs.replace(node_of(2), crontab_installed=True)
    session.data.node_record.write_bytes(noderecord.render(stopped))
    assert load_after(session, 3, finish=False).node == stopped
    assert load_after(session, 3).node == stopped


# --- history -----------------------------------------------------------------------------------------------------


def test_X10_ticks_that_found_the_lock_held_are_counted_by_the_next_one(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    append_skipped(str(session.directory), time_of(1), "pid 7")
    store.append_history(session, line_of(2, "ACTION"), days=90)
    for tick in (3, 4):
        assert append_skipped(str(session.directory), time_of(tick), "monitor-tick, pid 4711, 31 s")
    memory = load_after(session, 4)
    assert (memory.skipped_ticks, memory.last_status) == (2, "ACTION")
    store.append_history(session, line_of(5), days=90)
    memory = load_after(session, 5)
    assert (memory.skipped_ticks, memory.last_status) == (0, "OK")


def test_history_is_not_written_where_the_session_is_gone(tmp_path: Path) -> None:
    session = msgspec.structs.replace(a_stored_session(tmp_path), id="5e6f7a8b")
    store.append_history(session, line_of(1), days=90)
    assert not session.directory.exists()


def test_history_that_cannot_be_written_or_read_is_one_line(tmp_path: Path) -> None:
    session = a_stored_session(tmp_path)
    session.history.mkdir()
    with pytest.raises(MonitorError, match=r"cannot write .*tick-history\.jsonl: Is a directory"):
        store.append_history(session, line_of(1), days=90)
    name = f"{session.id}/tick-history.jsonl"
    assert store.load(session, NOW, finish=True).damaged == (Damage(name, "Is a directory", name),)


def test_an_alive_mark_that_cannot_be_touched_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = a_stored_session(tmp_path)

    def refuse(path: Path, times: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "utime", refuse)
    with pytest.raises(MonitorError, match=r"cannot touch .*\.alive: Operation not permitted"):
        commit_tick(session, Memory(), 1)


def test_the_last_ledger_keeps_the_moment_it_was_first_seen(tmp_path: Path) -> None:
    session = a_stored_session(tmp_path)
    since = LastLedger(62_484_011, NOW.replace(microsecond=0) - timedelta(minutes=40))
    store.commit_judgement(session, Memory(), [since], scrape_body=None, node=NodeRecord(), now=NOW)
    assert store.load(session, NOW, finish=True).last_ledger == since
