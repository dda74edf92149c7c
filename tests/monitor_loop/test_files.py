from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_loop import files
from monitor_loop.errors import LockHeld, MonitorError
from tests.monitor_loop.deep import make_deep

NOW = datetime(2026, 5, 9, 3, 40, tzinfo=timezone.utc)

HOLD = """
import sys
import time
from datetime import datetime, timezone
from monitor_loop.files import Lock
with Lock.acquire(sys.argv[1], "monitor-tick", datetime(2026, 5, 9, 3, 39, tzinfo=timezone.utc)):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "monitor-loop.lock"


class Holder:
    """Another process that holds the lock until told otherwise."""

    def __init__(self, lock: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def leftovers(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.endswith(".tmp"))


# --- read --------------------------------------------------------------------------------------------------------


def test_read_returns_every_byte_or_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0\xff\n")
    assert files.read(tmp_path / "a") == b"\0\xff\n"
    assert files.read(tmp_path / "missing") is None


def test_read_refuses_rather_than_truncates(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert files.read(tmp_path / "a", limit=5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes") as caught:
        files.read(tmp_path / "a", limit=4)
    assert caught.value.errno == errno.EFBIG


def test_read_does_not_wait_for_a_fifo_or_read_a_directory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            files.read(path)


# --- replace -----------------------------------------------------------------------------------------------------


def test_replace_writes_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    files.replace(tmp_path / "a", b"one")
    files.replace(str(tmp_path / "a"), b"two\n")
    assert (tmp_path / "a").read_bytes() == b"two\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_replace_keeps_the_permissions_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"secret")
    (tmp_path / "a").chmod(0o600)
    files.replace(tmp_path / "a", b"other")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_replace_that_fails_leaves_the_old_content_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.replace(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_replace_syncs_the_content_before_the_name_and_the_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.replace

    def traced_fsync(fd: int) -> None:
        steps.append("directory" if Path(f"/proc/self/fd/{fd}").is_dir() else "file")
        fsync(fd)

    def traced_rename(old: str, new: str) -> None:
        steps.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_rename)
    files.replace(tmp_path / "a", b"x")
    assert steps == ["file", "rename", "directory"]


# --- append ------------------------------------------------------------------------------------------------------


def test_append_line_adds_one_newline_only(tmp_path: Path) -> None:
    files.append_line(tmp_path / "h", b"one")
    files.append_line(tmp_path / "h", b"two\n")
    assert (tmp_path / "h").read_bytes() == b"one\ntwo\n"


def test_append_after_a_torn_line_starts_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "h").write_bytes(b'one\n{"at": 12')
    files.append_line(tmp_path / "h", b"two")
    assert (tmp_path / "h").read_bytes() == b'one\n{"at": 12\ntwo\n'


def test_append_refuses_two_lines(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        files.append_line(tmp_path / "h", b"one\ntwo\n")
    assert not (tmp_path / "h").exists()


def test_append_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    write = os.write

    def traced(fd: int, body: bytes) -> int:
        written.append(body)
        return write(fd, body)

    (tmp_path / "h").write_bytes(b"torn")
    monkeypatch.setattr(os, "write", traced)
    files.append_line(tmp_path / "h", b"two")
    assert written == [b"\ntwo\n"]


# --- the lock ----------------------------------------------------------------------------------------------------


def test_L12_the_lock_has_one_holder_who_is_named(lock: Path) -> None:
    with Holder(lock) as holder:
        with pytest.raises(LockHeld) as caught:
            files.Lock.acquire(lock, "monitor-loop start", NOW)
        message = str(caught.value)
        assert message.startswith(f"ABORT: another monitor-loop holds {lock}: pid {holder.process.pid}, monitor-tick, ")
        assert "for 60 s" in message
        assert f"kill {holder.process.pid}" in message
        assert "\n" not in message


def test_the_lock_says_who_holds_it_and_is_empty_afterwards(lock: Path) -> None:
    with files.Lock.acquire(lock, "monitor-loop start\n--fresh", NOW) as held:
        text = f"pid={os.getpid()}\ncommand=monitor-loop start --fresh\nsince=2026-05-09T03:40:00+00:00\n"
        assert lock.read_text() == text
    assert lock.read_bytes() == b""
    held.release()  # twice is harmless
    files.Lock.acquire(lock, "again", NOW).release()


def test_a_killed_holder_leaves_nothing_that_blocks(lock: Path) -> None:
    with Holder(lock) as holder:
        holder.process.kill()
        holder.process.wait()
        assert lock.read_bytes().startswith(b"pid=")
        files.Lock.acquire(lock, "next", NOW).release()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"pi",
        b"pid=",
        b"pid=12\n",
        b"pid=x\ncommand=\x1b[31m\nsince=now\n",
        b"\xff\xfe\n",
        b"pid=9\nsince=2026-05-09\n",
    ],
)
def test_torn_content_still_gives_a_readable_message(lock: Path, content: bytes) -> None:
    with files.Lock.acquire(lock, "one", NOW):
        lock.write_bytes(content)
        with pytest.raises(LockHeld) as caught:
            files.Lock.acquire(lock, "two", NOW)
    assert str(caught.value).startswith(f"ABORT: another monitor-loop holds {lock}: ")
    assert str(caught.value).isprintable()


def test_a_clock_that_went_back_gives_no_negative_age(lock: Path) -> None:
    with files.Lock.acquire(lock, "one", NOW), pytest.raises(LockHeld, match="for 0 s"):
        files.Lock.acquire(lock, "two", NOW - timedelta(hours=1))


def test_acquire_waits_for_the_holder(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = files.Lock.acquire(lock, "one", NOW)
    monkeypatch.setattr(time, "sleep", lambda _: first.release())
    with files.Lock.acquire(lock, "two", NOW, wait_seconds=60):
        assert "command=two" in lock.read_text()


def test_acquire_gives_up_after_its_wait(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    with files.Lock.acquire(lock, "one", NOW), pytest.raises(LockHeld):
        files.Lock.acquire(lock, "two", NOW, wait_seconds=5)
    assert len(naps) == 4


def test_a_lock_file_removed_meanwhile_is_not_trusted(lock: Path) -> None:
    with files.Lock.acquire(lock, "one", NOW):
        lock.unlink()
        with files.Lock.acquire(lock, "two", NOW):
            assert "command=two" in lock.read_text()


def test_a_started_program_does_not_inherit_the_lock(lock: Path) -> None:
    held = files.Lock.acquire(lock, "one", NOW)
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        held.release()
        files.Lock.acquire(lock, "two", NOW).release()
    finally:
        child.kill()
        child.wait()


def test_a_lock_that_cannot_be_made_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(MonitorError, match=r"cannot open .*no/lock: No such file"):
        files.Lock.acquire(tmp_path / "no" / "lock", "one", NOW)


# --- deletion ----------------------------------------------------------------------------------------------------


def test_remove_tree_gives_back_what_it_took(tmp_path: Path) -> None:
    tree = tmp_path / "s" / "cache"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "big").write_bytes(b"x" * 100_000)
    freed = files.remove_tree(tree, tmp_path / "s")
    assert freed >= 100_000
    assert not tree.exists()
    assert (tmp_path / "s").is_dir()
    assert files.remove_tree(tree, tmp_path / "s") == 0
    assert files.remove_tree(tmp_path / "s" / "no" / "parent", tmp_path / "s") == 0


def test_remove_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "mainnet").mkdir()
    (tmp_path / "mainnet" / "mainnet.db").write_bytes(b"data")
    session = tmp_path / "s"
    (session / "cache").mkdir(parents=True)
    (session / "cache" / "link").symlink_to(tmp_path / "mainnet")
    (session / "logs").symlink_to(tmp_path / "mainnet")
    files.remove_tree(session / "cache", session)
    files.remove_tree(session / "logs", session)
    assert sorted(path.name for path in session.iterdir()) == []
    assert (tmp_path / "mainnet" / "mainnet.db").read_bytes() == b"data"


def test_remove_tree_refuses_what_is_not_inside(tmp_path: Path) -> None:
    session = tmp_path / "s"
    session.mkdir()
    (tmp_path / "s-other").mkdir()
    (tmp_path / "mainnet" / "buckets").mkdir(parents=True)
    (session / "way-out").symlink_to(tmp_path / "mainnet")
    outside = (
        session,
        tmp_path,
        tmp_path / "s-other",
        session / "..",
        session / ".." / "mainnet",
        session / "way-out" / "buckets",
        Path("/"),
    )
    for path in outside:
        with pytest.raises(MonitorError, match="refusing to delete"):
            files.remove_tree(path, session)
    assert (tmp_path / "mainnet" / "buckets").is_dir()
    assert (tmp_path / "s-other").is_dir()


def test_remove_tree_counts_a_shared_file_only_with_its_last_name(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "kept").write_bytes(b"x" * 1_000_000)
    os.link(tmp_path / "kept", tmp_path / "cache" / "same")
    assert files.remove_tree(tmp_path / "cache", tmp_path) < 1_000_000


def test_remove_tree_goes_on_after_an_item_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "cache"
    tree.mkdir()
    for name in ("a", "b", "c"):
        (tree / name).write_bytes(b"")
    unlink = os.unlink

    def stubborn(name: str, *, dir_fd: int | None = None) -> None:
        if name == "b":
            raise PermissionError(errno.EPERM, "Operation not permitted", name)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", stubborn)
    with pytest.raises(PermissionError):
        files.remove_tree(tree, tmp_path)
    assert [path.name for path in tree.iterdir()] == ["b"]


@pytest.mark.parametrize("name", ["d", "a-name-that-makes-the-path-longer-than-any-call-takes"])
def test_remove_tree_of_any_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    tree = make_deep(tmp_path / "s/cache", name=name)
    (tree / "beside").write_bytes(b"x" * 100_000)
    opened: set[int] = set()
    real = os.open

    def counted(*arguments: Any, **options: Any) -> int:
        opened.add(fd := real(*arguments, **options))
        return fd

    with monkeypatch.context() as watched:
        watched.setattr(os, "open", counted)
        assert files.remove_tree(tree, tmp_path / "s") >= 100_000
    assert not tree.exists()
    assert len(opened) < 8, "one level at a time"


def test_remove_tree_stops_where_a_directory_was_moved_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s/cache/a/b").mkdir(parents=True)
    (tmp_path / "s/cache/a/b/file").touch()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/data").touch()
    unlink = os.unlink

    def moving(name: str, *, dir_fd: int | None = None) -> None:
        (tmp_path / "s/cache/a/b").rename(tmp_path / "kept/b")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", moving)
    with pytest.raises(OSError, match="was moved"):
        files.remove_tree(tmp_path / "s/cache", tmp_path / "s")
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"b", "data"}


def test_the_module_stays_light() -> None:
    heavy = "pathlib json msgspec subprocess datetime"
    program = f"import sys, monitor_loop.files; print(*sorted(set('{heavy}'.split()) & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == []
