"""What may be deleted, by whose word, and what never."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from monitor_loop import cleanup, disk, files
from monitor_loop.errors import LockHeld, MonitorError
from monitor_loop.session import DataRoot, Mode, Session
from tests.monitor_loop.deep import make_deep
from tests.proctree import make_proc, make_process

NOW = datetime(2026, 5, 9, 12, tzinfo=timezone.utc)
OLD, ACTIVE = "0000aaaa", "1111bbbb"
GB = 2**30


@pytest.fixture
def data(tmp_path: Path) -> DataRoot:
    (tmp_path / "data").mkdir()
    return DataRoot(tmp_path / "data")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return make_proc(tmp_path / "proc")


def make_session(data: DataRoot, session_id: str, alive_age: float | None = 86400) -> Path:
    """A session as `start` leaves it, with something in every part; `alive_age` is in seconds, None: no mark."""
    directory = data.session_directory(session_id)
    for part in ("cargo-target/release/incremental/x", "cache/soroban", "logs", "metrics", "binaries/abc"):
        (directory / part).mkdir(parents=True)
        (directory / part / "file").write_bytes(b"x" * 5000)
    if alive_age is not None:
        mark = directory / ".alive"
        mark.touch()
        os.utime(mark, (NOW.timestamp() - alive_age,) * 2)
    return directory


def session_of(data: DataRoot, session_id: str = ACTIVE) -> Session:
    return Session(
        data=data,
        id=session_id,
        mode=Mode.VALIDATOR,
        config="node.toml",
        admin_port=11627,
        rpc_port=8000,
        run_flags="--validator",
        binary=data.session_directory(session_id) / "cargo-target/release/henyey",
        repo=data.path,
    )


def left_in(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


# --- the guard ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (0, "SKIP .alive touched 0s ago (< 3600s)"),
        (3599.5, "SKIP .alive touched 3599s ago (< 3600s)"),
        (3600, "PASS"),
        (-50, "SKIP .alive touched 0s ago (< 3600s)"),
        (None, "PASS"),
    ],
)
def test_guard_alive_on_both_sides_of_its_threshold(data: DataRoot, proc: Path, age: float | None, words: str) -> None:
    make_session(data, OLD, age)
    assert cleanup.cleanup_guard(data, proc, OLD, ACTIVE, 3600, NOW) == words


def test_L71_guard_order_first_match_wins(data: DataRoot, proc: Path) -> None:
    directory = make_session(data, OLD, 10)
    make_process(proc, 7, directory / "cargo-target/debug/build/x/build-script", ["x"])
    assert cleanup.cleanup_guard(data, proc, OLD, OLD, 3600, NOW) == "SKIP active per monitor-loop.env"
    assert cleanup.cleanup_guard(data, proc, OLD, "", 3600, NOW) == "SKIP .alive touched 10s ago (< 3600s)"
    assert cleanup.cleanup_guard(data, proc, OLD, "", 10, NOW) == "SKIP running process uses this session"


def test_guard_sees_a_process_whose_binary_was_deleted_and_no_neighbours(data: DataRoot, proc: Path) -> None:
    make_session(data, OLD)
    make_process(proc, 7, f"{data.path}/{OLD}2/cargo-target/release/henyey", ["henyey", "run"])
    assert cleanup.cleanup_guard(data, proc, OLD, "", 3600, NOW) == "PASS"
    make_process(proc, 8, f"{data.path}/{OLD}/cargo-target/release/henyey", ["henyey", "run"], deleted=True)
    assert cleanup.cleanup_guard(data, proc, OLD, "", 3600, NOW) == "SKIP running process uses this session"


# --- the clean-up ------------------------------------------------------------------------------------------------


def test_an_old_session_loses_build_cache_and_logs_and_keeps_the_rest(data: DataRoot, proc: Path) -> None:
    old, active = make_session(data, OLD), make_session(data, ACTIVE, 5)
    cleaned = cleanup.clean_up(session_of(data), data, NOW, proc)
    assert left_in(old) == {"metrics", "binaries", ".alive"}
    assert left_in(active) == {"cargo-target", "cache", "logs", "metrics", "binaries", ".alive"}
    assert {item.path.name for item in cleaned.removed} == {"cargo-target", "cache", "logs"}
    assert cleaned.bytes >= 15000
    assert [(item.path, item.reason) for item in cleaned.skipped] == [(active, "SKIP active per monitor-loop.env")]
    assert 0 < cleaned.used_pct_before <= 100
    text = cleanup.render(cleaned)
    assert f"removed {old / 'logs'}" in text
    assert "disk " in text
    assert "before" in text


def test_incremental_needs_only_the_first_guard(data: DataRoot, proc: Path) -> None:
    fresh, active = make_session(data, OLD, 5), make_session(data, ACTIVE, 5)
    (fresh / "cargo-target/x86_64-unknown-linux-gnu/debug/incremental").mkdir(parents=True)
    cleaned = cleanup.clean_up(session_of(data), data, NOW, proc)
    assert {str(item.path.relative_to(fresh)) for item in cleaned.removed} == {
        "cargo-target/release/incremental",
        "cargo-target/x86_64-unknown-linux-gnu/debug/incremental",
    }
    assert (fresh / "logs/file").exists()
    assert (active / "cargo-target/release/incremental").exists()


def test_dry_run_changes_nothing_and_says_the_same(data: DataRoot, proc: Path) -> None:
    old = make_session(data, OLD)
    would = cleanup.clean_up(None, data, NOW, proc, dry_run=True)
    assert "cargo-target" in left_in(old)
    assert "would remove" in cleanup.render(would)
    did = cleanup.clean_up(None, data, NOW, proc)
    assert would.removed == did.removed


def test_only_directories_that_are_provably_sessions(data: DataRoot, proc: Path, tmp_path: Path) -> None:
    for name in ("projects", "12345678x", "mainnet", "0000cccc"):
        (data.path / name / "logs").mkdir(parents=True)
    (data.path / "mainnet" / ".alive").touch()
    outside = tmp_path / "outside"
    (outside / "logs").mkdir(parents=True)
    (outside / ".alive").touch()
    os.utime(outside / ".alive", (0, 0))
    (data.path / "0000dddd").symlink_to(outside)
    linked = data.path / "0000eeee"
    linked.mkdir()
    (linked / ".alive").touch()
    os.utime(linked / ".alive", (0, 0))
    (linked / "logs").symlink_to(outside / "logs")
    cleaned = cleanup.clean_up(None, data, NOW, proc)
    assert [item.path for item in cleaned.removed] == [data.path / "0000cccc/logs"]
    assert (outside / "logs").is_dir()


def test_the_nodes_data_is_never_a_candidate(data: DataRoot, proc: Path) -> None:
    """Even where a config puts it into what would otherwise be removed."""
    old = make_session(data, OLD)
    make_session(data, ACTIVE, 5)
    (data.path / "node.toml").write_text(
        f'[database]\npath = "{old}/cache/db/mainnet.db"\n[buckets]\ndirectory = "{old}/cache/db/buckets"\n'
    )
    cleaned = cleanup.clean_up(session_of(data), data, NOW, proc)
    assert (old / "cache").is_dir()
    assert [item.path for item in cleaned.skipped if "node's data" in item.reason] == [old / "cache"]


def test_L81_one_item_that_fails_does_not_keep_the_rest(
    data: DataRoot, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_session(data, OLD), make_session(data, "2222cccc")
    remove = files.remove_tree

    def refuse_one(path: Path, under: Path) -> int:
        if path == first / "cargo-target":
            raise PermissionError(13, "Permission denied", str(path))
        return remove(path, under)

    monkeypatch.setattr(files, "remove_tree", refuse_one)
    cleaned = cleanup.clean_up(None, data, NOW, proc)
    assert [item.path for item in cleaned.failed] == [first / "cargo-target"]
    assert "Permission denied" in cleanup.render(cleaned)
    assert left_in(first) == {"metrics", "binaries", ".alive", "cargo-target"}
    assert left_in(second) == {"metrics", "binaries", ".alive"}


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_very_deep_directory_is_cleaned_like_any_other(data: DataRoot, proc: Path, dry_run: bool) -> None:
    deep = make_deep(make_session(data, OLD) / "cache/deep")
    cleaned = cleanup.clean_up(None, data, NOW, proc, dry_run)
    assert cleaned.failed == ()
    assert {item.path.name for item in cleaned.removed} == set(cleanup.OLD_SESSION_PARTS)
    assert deep.exists() is dry_run
    files.remove_tree(deep.parent, data.path)


def test_a_very_deep_cache_of_the_active_session_is_measured(data: DataRoot, proc: Path) -> None:
    cache = make_session(data, ACTIVE, 5) / "cache"
    shallow = disk.size_of(cache)
    make_deep(cache / "deep")
    assert cleanup.clean_up(session_of(data), data, NOW, proc).failed == ()
    assert disk.size_of(cache) >= shallow
    files.remove_tree(cache, data.path)


def test_L81_nothing_to_clean_is_no_error(data: DataRoot, proc: Path) -> None:
    assert cleanup.clean_up(None, data, NOW, proc).items == ()


@pytest.mark.parametrize(("size", "removed"), [(10 * GB, []), (10 * GB + 1, ["old", "old-file"])])
def test_the_active_cache_loses_old_entries_above_its_limit(
    data: DataRoot, proc: Path, monkeypatch: pytest.MonkeyPatch, size: int, removed: list[str]
) -> None:
    cache = make_session(data, ACTIVE, 5) / "cache"
    for name, days in (("old", 8), ("young", 6)):
        (cache / name).mkdir()
        os.utime(cache / name, ((NOW - timedelta(days=days)).timestamp(),) * 2)
    (cache / "old-file").touch()
    os.utime(cache / "old-file", ((NOW - timedelta(days=9)).timestamp(),) * 2)
    os.utime(cache / "soroban", (NOW.timestamp(),) * 2)
    monkeypatch.setattr(cleanup.disk, "size_of", lambda path: size if path == cache else 0)
    cleaned = cleanup.clean_up(session_of(data), data, NOW, proc)
    assert [item.path.name for item in cleaned.removed] == removed


# --- the verb ----------------------------------------------------------------------------------------------------


def test_a_start_that_builds_keeps_the_clean_up_away(data: DataRoot, proc: Path) -> None:
    make_session(data, OLD)
    with files.Lock.acquire(data.lock_file, "monitor-loop start", NOW):
        with pytest.raises(LockHeld):
            cleanup.cleanup(data, NOW, proc, dry_run=False)
        assert cleanup.cleanup(data, NOW, proc, dry_run=True).removed


def test_a_damaged_env_file_refuses(data: DataRoot, proc: Path) -> None:
    old = make_session(data, OLD)
    data.env_file.write_text("MONITOR_SESSION_ID=../x\n")
    with pytest.raises(MonitorError, match="MONITOR_SESSION_ID"):
        cleanup.cleanup(data, NOW, proc, dry_run=False)
    assert "logs" in left_in(old)


def test_no_data_root_refuses_and_makes_none(data: DataRoot, proc: Path) -> None:
    absent = replace(data, path=data.path / "absent")
    with pytest.raises(MonitorError, match="does not exist"):
        cleanup.cleanup(absent, NOW, proc, dry_run=False)
    assert not absent.path.exists()
