"""Several files at once: all of them, or none, and never one outside the data root."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop import ballast, journal
from monitor_loop.errors import MonitorError
from monitor_loop.journal import JournalDamaged, Write
from monitor_loop.session import DataRoot


@pytest.fixture
def data(tmp_path: Path) -> DataRoot:
    (tmp_path / "session").mkdir()
    return DataRoot(tmp_path)


def names_in(data: DataRoot) -> set[str]:
    return {str(path.relative_to(data.path)) for path in data.path.rglob("*") if path.is_file()}


def interrupted(data: DataRoot, *writes: Write) -> bytes:
    """The journal of these writes, as a crash right after it was made durable leaves it."""
    with pytest.MonkeyPatch.context() as patch:
        replace = Path.replace
        replaced: list[Path] = []

        def only_the_journal(self: Path, target: Path) -> Path:
            if replaced:
                raise KeyboardInterrupt
            replaced.append(target)
            return replace(self, target)

        patch.setattr(Path, "replace", only_the_journal)
        with pytest.raises(KeyboardInterrupt):
            journal.commit(data, writes)
    for left in data.path.rglob(".*.new"):
        left.unlink()
    return data.commit_journal.read_bytes()


TWO = (Write("session/a", b"new a"), Write("node.json", b"new node"))


def test_all_files_hold_their_new_content_and_nothing_is_left_over(data: DataRoot) -> None:
    (data.path / "session" / "a").write_bytes(b"a much longer old content")
    journal.commit(data, TWO)
    assert (data.path / "session" / "a").read_bytes() == b"new a"
    assert (data.path / "node.json").read_bytes() == b"new node"
    assert names_in(data) == {"session/a", "node.json"}


def test_one_file_needs_no_journal(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noted)
    journal.commit(data, [Write("session/a", b"x")])
    assert synced == [f"{data.path}/session/.a.new", f"{data.path}/session"]


def test_nothing_to_write_touches_nothing(data: DataRoot) -> None:
    journal.commit(data, [])
    assert names_in(data) == set()


def test_permissions_of_a_file_outlive_a_commit(data: DataRoot) -> None:
    (data.path / "node.json").write_bytes(b"old")
    (data.path / "node.json").chmod(0o600)
    journal.commit(data, TWO)
    assert stat.S_IMODE((data.path / "node.json").stat().st_mode) == 0o600


def test_an_interrupted_commit_is_seen_and_then_finished(data: DataRoot) -> None:
    interrupted(data, *TWO)
    assert names_in(data) == {".commit-journal"}
    assert journal.pending(data) == TWO
    assert names_in(data) == {".commit-journal"}
    assert journal.finish(data)
    assert names_in(data) == {"session/a", "node.json"}
    assert journal.pending(data) is None
    assert not journal.finish(data)


def test_a_commit_first_finishes_the_one_before(data: DataRoot) -> None:
    interrupted(data, *TWO)
    journal.commit(data, [Write("session/b", b"b")])
    assert names_in(data) == {"session/a", "session/b", "node.json"}


def test_a_file_written_since_by_another_command_stands(data: DataRoot) -> None:
    """A journal of before `stop` must not take back the mark that the node is stopped on purpose."""
    record = data.node_record
    record.write_bytes(b"launched")
    guarded = Write("node.json", b"launched, synced", journal.fingerprint(b"launched"))
    interrupted(data, guarded, Write("session/a", b"a"))
    record.write_bytes(b"stopped on purpose")
    journal.finish(data)
    assert record.read_bytes() == b"stopped on purpose"
    assert (data.path / "session" / "a").read_bytes() == b"a"


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_guarded_write_happens_where_nobody_wrote_since(data: DataRoot, before: bytes | None) -> None:
    if before is not None:
        data.node_record.write_bytes(before)
    interrupted(data, Write("node.json", b"new", journal.fingerprint(before)), Write("session/a", b"a"))
    journal.finish(data)
    assert data.node_record.read_bytes() == b"new"


def test_files_of_a_session_that_is_gone_are_left_out(data: DataRoot) -> None:
    interrupted(data, *TWO)
    (data.path / "session").rmdir()
    journal.finish(data)
    assert names_in(data) == {"node.json"}
    assert not (data.path / "session").exists()


OUTSIDE = ["/etc/passwd", "../x", "session/../../x", "session//a", "./a", "", ".", "a/", "a\0b", ".commit-journal"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_outside_the_data_root_is_never_written(data: DataRoot, path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        journal.commit(data, [Write("node.json", b"x"), Write(path, b"x")])
    assert names_in(data) == set()


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_journal_that_names_a_path_outside_is_refused_whole(data: DataRoot, path: str) -> None:
    body = msgspec.msgpack.encode({"schema": 1, "writes": [{"path": p, "content": b"x"} for p in ("node.json", path)]})
    data.commit_journal.write_bytes(hashlib.sha256(body).digest() + body)
    with pytest.raises(JournalDamaged, match="not a path inside"):
        journal.finish(data)
    assert names_in(data) == {".commit-journal"}


def test_a_journal_of_another_schema_is_refused(data: DataRoot) -> None:
    body = msgspec.msgpack.encode({"schema": 2, "writes": []})
    data.commit_journal.write_bytes(hashlib.sha256(body).digest() + body)
    with pytest.raises(JournalDamaged, match="schema 2, not 1"):
        journal.finish(data)


def test_a_journal_cut_anywhere_or_with_one_bit_turned_is_refused_and_touches_no_file(data: DataRoot) -> None:
    whole = interrupted(data, *TWO)
    damaged = [whole[:length] for length in range(len(whole))]
    for position in range(len(whole)):
        for bit in range(8):
            damaged.append(whole[:position] + bytes([whole[position] ^ 1 << bit]) + whole[position + 1 :])
    for content in damaged:
        data.commit_journal.write_bytes(content)
        with pytest.raises(JournalDamaged, match=r"\.commit-journal is damaged: .* move it away"):
            journal.finish(data)
        assert data.commit_journal.read_bytes() == content
    assert names_in(data) == {".commit-journal"}


@given(content=st.binary(max_size=200))
def test_any_other_bytes_are_no_journal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    data = DataRoot(tmp_path_factory.getbasetemp() / "any-journal")
    data.path.mkdir(exist_ok=True)
    data.commit_journal.write_bytes(content)
    with pytest.raises(JournalDamaged):
        journal.pending(data)


def test_a_journal_that_is_no_file_is_refused(data: DataRoot) -> None:
    data.commit_journal.mkdir()
    with pytest.raises(JournalDamaged, match="cannot read"):
        journal.commit(data, TWO)


def test_a_full_disk_is_one_line_for_the_operator_and_changes_nothing(
    data: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data.path / "node.json").write_bytes(b"old")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        MonitorError, match=r"cannot write the state under .*: No space left on device - check"
    ) as refused:
        journal.commit(data, TWO)
    assert "\n" not in str(refused.value)
    assert (data.path / "node.json").read_bytes() == b"old"
    assert journal.pending(data) is None


def test_a_full_disk_takes_the_ballast_and_the_commit_is_whole(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    ballast.keep(data)
    sync = os.fsync

    def full(fd: int) -> None:
        if data.ballast.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(fd)

    monkeypatch.setattr(os, "fsync", full)
    journal.commit(data, TWO)
    assert (data.path / "session" / "a").read_bytes() == b"new a"
    assert names_in(data) == {"session/a", "node.json"}


def test_no_other_fault_of_the_disk_takes_the_ballast(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    ballast.keep(data)

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(MonitorError, match="Input/output error"):
        journal.commit(data, TWO)
    assert data.ballast.exists()


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(data: DataRoot) -> None:
    victim = data.path / "victim"
    victim.write_bytes(b"precious")
    (data.path / "session" / ".a.new").symlink_to(victim)
    with pytest.raises(MonitorError):
        journal.commit(data, [Write("session/a", b"x")])
    assert victim.read_bytes() == b"precious"
