"""The wipe moves four names or nothing, and what it moved can come back."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor_loop import files, procfs
from monitor_loop.errors import MonitorError
from monitor_loop.session import NodeConfig
from monitor_loop.wipe import holders, wiping
from tests.monitor_tick.crashes import Died, Steps, die_in_process, no_fsync
from tests.proctree import make_proc, make_process

NOW = datetime(2026, 5, 9, 3, 40, tzinfo=timezone.utc)
NAME = ".wiped-20260509T034000Z"
MOVED = ("buckets", "mainnet.db-shm", "mainnet.db-wal", "mainnet.db")
CALLS: tuple[tuple[Any, str], ...] = (
    (Path, "mkdir"),
    (os, "open"),
    (os, "fsync"),
    (os, "replace"),
    (os, "rename"),
    (Path, "unlink"),
    (Path, "rmdir"),
)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Without processes."""
    return make_proc(tmp_path / "proc")


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    return make_node(tmp_path / "mainnet")


def make_node(mainnet: Path, **changed: object) -> NodeConfig:
    """A node's data, with what else an operator may keep there."""
    (mainnet / "buckets/aa/bb").mkdir(parents=True)
    (mainnet / "buckets/aa/bb/bucket.xdr").write_text("a bucket")
    for name in ("mainnet.db", "mainnet.db-shm", "mainnet.db-wal", "mainnet.lock", "mainnet.db-journal", "notes"):
        (mainnet / name).write_text(name)
    config = NodeConfig(
        database=mainnet / "mainnet.db",
        buckets=mainnet / "buckets",
        http_port=None,
        rpc_port=None,
        retention_window=360,
        maintenance_period_seconds=0,
        is_validator=True,
    )
    return msgspec.structs.replace(config, **changed)


def tree(directory: Path) -> dict[str, str]:
    """Every name below, and what it holds; nothing is followed."""
    found = {}
    for path in sorted(directory.rglob("*")):
        kind = (
            str(path.readlink())
            if path.is_symlink()
            else path.read_bytes().decode("latin-1")
            if path.is_file()
            else "/"
        )
        found[str(path.relative_to(directory))] = kind
    return found


def refused(config: NodeConfig, proc: Path, precondition: str) -> str:
    """The message of a wipe that is refused for this one precondition, and has moved nothing."""
    mainnet = config.mainnet.resolve()
    before = tree(mainnet) if mainnet.exists() else {}
    with pytest.raises(MonitorError) as caught:
        wiping.wipe(config, NOW, proc)
    assert (tree(mainnet) if mainnet.exists() else {}) == before
    message = str(caught.value)
    assert message.startswith(f"ERROR: no wipe: {precondition}: wanted ")
    assert message.endswith(" - nothing was moved")
    assert message.count("wanted") == 1
    seen = [each for each in wiping.preconditions(config, proc) if not each.holds]
    assert [each.name for each in seen] == [precondition] or precondition == "target"
    return message


# --- a wipe --------------------------------------------------------------------------------------------------------


def test_four_names_are_moved_and_nothing_else(config: NodeConfig, proc: Path) -> None:
    before = tree(config.mainnet)
    assert all(each.holds for each in wiping.preconditions(config, proc))
    assert tree(config.mainnet) == before, "a look changes nothing"
    wiped = wiping.wipe(config, NOW, proc)
    assert wiped == wiping.Wiped(config.mainnet / NAME, MOVED)
    assert sorted(path.name for path in config.mainnet.iterdir()) == [
        NAME,
        "mainnet.db-journal",
        "mainnet.lock",
        "notes",
    ]
    assert wiping.finish_wipe(config, proc) == ()


def test_what_was_moved_can_be_moved_back(config: NodeConfig, proc: Path) -> None:
    before = tree(config.mainnet)
    wiped = wiping.wipe(config, NOW, proc)
    for name in wiped.moved:
        (wiped.directory / name).rename(config.mainnet / name)
    (wiped.directory / wiping.MANIFEST).unlink()
    wiped.directory.rmdir()
    assert tree(config.mainnet) == before


def test_names_and_place_are_the_configs(tmp_path: Path, proc: Path) -> None:
    real = tmp_path / "volume"
    config = make_node(real)
    (real / "node.sqlite").write_text("db")
    (real / "node.sqlite-wal").write_text("wal")
    (real / "b").mkdir()
    (tmp_path / "link").symlink_to(real)
    config = msgspec.structs.replace(
        config, database=tmp_path / "link/node.sqlite", buckets=tmp_path / "link/../volume/b"
    )
    assert wiping.wipe(config, NOW, proc) == wiping.Wiped(real / NAME, ("b", "node.sqlite-wal", "node.sqlite"))
    assert (real / "mainnet.db").exists()
    assert (real / "node.lock").exists(), "taken, and left"


def test_a_wipe_of_nothing_moves_nothing(tmp_path: Path, proc: Path) -> None:
    config = make_node(tmp_path / "mainnet")
    wiping.wipe(config, NOW, proc)
    later = NOW + timedelta(seconds=1)
    assert wiping.wipe(config, later, proc).moved == ()


def test_X7_the_lock_is_held_by_us_during_the_moves(
    config: NodeConfig, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[bool] = []
    rename = os.rename

    def watched(*args: Any, **options: Any) -> None:
        with config.lock_file.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tries.append(False)
        rename(*args, **options)

    monkeypatch.setattr(os, "rename", watched)
    wiping.wipe(config, NOW, procfs.PROC)
    assert tries == [False] * 4
    assert config.lock_file.read_text() == "mainnet.lock"
    with config.lock_file.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- one precondition falsified --------------------------------------------------------------------------------------


def test_database_and_buckets_in_two_directories(config: NodeConfig, proc: Path, tmp_path: Path) -> None:
    (tmp_path / "other/buckets").mkdir(parents=True)
    apart = msgspec.structs.replace(config, buckets=tmp_path / "other/buckets")
    assert f"seen in {tmp_path / 'other'}" in refused(apart, proc, "one directory")
    inside = msgspec.structs.replace(config, buckets=config.mainnet / "sub/buckets")
    refused(inside, proc, "one directory")


@pytest.mark.parametrize("name", ["mainnet.db", "mainnet.db-wal", "mainnet.lock", "..", ".wipe.json", NAME])
def test_names_that_are_one_or_odd(config: NodeConfig, proc: Path, name: str) -> None:
    odd = msgspec.structs.replace(config, buckets=config.mainnet / name)
    with pytest.raises(MonitorError, match=r"names: wanted five, each its own, none hidden, seen .*nothing was moved"):
        wiping.wipe(odd, NOW, proc)
    assert "names" in [each.name for each in wiping.preconditions(odd, proc) if not each.holds]
    assert (config.mainnet / "mainnet.db").exists()


@pytest.mark.parametrize("name", MOVED)
def test_a_link_among_the_targets(config: NodeConfig, proc: Path, tmp_path: Path, name: str) -> None:
    (config.mainnet / name).rename(tmp_path / "elsewhere")
    (config.mainnet / name).symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").stat()
    assert f"seen {name} is a link" in refused(config, proc, "kinds")
    assert (tmp_path / "elsewhere").stat() == before


def test_targets_of_another_kind(config: NodeConfig, proc: Path) -> None:
    (config.mainnet / "mainnet.db-wal").unlink()
    os.mkfifo(config.mainnet / "mainnet.db-wal")
    (config.mainnet / "mainnet.db").rename(config.mainnet / "keep")
    (config.mainnet / "mainnet.db").mkdir()
    with pytest.raises(
        MonitorError, match=r"kinds: .* seen mainnet.db-wal is no file, mainnet.db is no file - nothing"
    ):
        wiping.wipe(config, NOW, proc)


def test_a_target_on_another_file_system(config: NodeConfig, proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat

    def elsewhere(path: Any, **options: Any) -> os.stat_result:
        status = real(path, **options)
        if path != "buckets":
            return status
        return os.stat_result([value + (index == 2) for index, value in enumerate(status[:10])])

    monkeypatch.setattr(os, "stat", elsewhere)
    assert "seen another holds buckets" in refused(config, proc, "file system")


def test_a_mount_that_stat_does_not_tell(config: NodeConfig, proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bind mount has the same st_dev; the kernel refuses the rename, and nothing is left behind."""
    before = tree(config.mainnet)
    rename = os.rename

    def busy(old: str, new: str, **options: Any) -> None:
        if old == "mainnet.db-wal" and not refusals:
            refusals.append(old)
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        rename(old, new, **options)

    refusals: list[str] = []
    monkeypatch.setattr(os, "rename", busy)
    with pytest.raises(MonitorError, match="Device or resource busy - everything is back in its place"):
        wiping.wipe(config, NOW, proc)
    assert tree(config.mainnet) == before


HOLD = """
import fcntl, sys
file = open(sys.argv[1])
if sys.argv[2] == "lock":
    fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def holder(path: Path, how: str) -> Iterator[int]:
    """Another process that has the file open, and locked where told."""
    command = [sys.executable, "-c", HOLD, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.kill()


def test_X7_a_lock_that_is_held(config: NodeConfig) -> None:
    with holder(config.lock_file, "lock") as pid:
        with pytest.raises(MonitorError) as caught:
            wiping.wipe(config, NOW, procfs.PROC)
        assert f"lock: wanted {config.lock_file} can be taken, seen held by PID={pid} (" in str(caught.value)
        assert f"open files: wanted no process has a file open under {config.mainnet}, seen PID={pid} " in str(
            caught.value
        )
    assert wiping.wipe(config, NOW, procfs.PROC).moved == MOVED


def test_a_lock_that_is_held_by_whom_nobody_sees(config: NodeConfig, proc: Path) -> None:
    with holder(config.lock_file, "lock"):
        assert "seen held by a process that /proc does not tell" in refused(config, proc, "lock")


@pytest.mark.parametrize("path", ["mainnet.db", "buckets/aa/bb/bucket.xdr", "notes"])
def test_X7_an_open_file_without_a_lock(config: NodeConfig, path: str) -> None:
    with holder(config.mainnet / path, "open") as pid:
        assert f"seen PID={pid} {config.mainnet / path}" in refused(config, procfs.PROC, "open files")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("notes")])
def test_a_lock_file_that_is_none(config: NodeConfig, proc: Path, make: Callable[[Path], None]) -> None:
    config.lock_file.unlink()
    make(config.lock_file)
    with pytest.raises(MonitorError, match=r"no wipe: lock: wanted .*, seen (cannot be opened|not a file)"):
        wiping.wipe(config, NOW, proc)
    assert (config.mainnet / "mainnet.db").exists()


def test_a_missing_lock_file_is_made_only_for_a_wipe(config: NodeConfig, proc: Path) -> None:
    config.lock_file.unlink()
    assert all(each.holds for each in wiping.preconditions(config, proc))
    apart = msgspec.structs.replace(config, buckets=config.mainnet / "sub/buckets")
    refused(apart, proc, "one directory")
    assert not config.lock_file.exists()
    wiping.wipe(config, NOW, proc)
    assert config.lock_file.exists()


def test_a_directory_of_that_name(config: NodeConfig, proc: Path) -> None:
    (config.mainnet / NAME).mkdir()
    (config.mainnet / NAME / "kept").touch()
    assert f"no {NAME} in {config.mainnet}, seen there is one" in refused(config, proc, "target")
    (config.mainnet / NAME / "kept").unlink()
    (config.mainnet / NAME).rmdir()
    (config.mainnet / NAME).symlink_to("nowhere")
    refused(config, proc, "target")


def test_no_data_directory(config: NodeConfig, proc: Path, tmp_path: Path) -> None:
    away = msgspec.structs.replace(config, database=tmp_path / "no/mainnet.db", buckets=tmp_path / "no/buckets")
    assert "seen No such file or directory" in refused(away, proc, "directory")
    assert wiping.finish_wipe(away, proc) == ()
    assert wiping.expired(away, NOW) == ()
    assert wiping.remove_expired(away, NOW) == ()


def test_a_proc_that_cannot_be_read_proves_nothing(config: NodeConfig, tmp_path: Path) -> None:
    assert "no-proc cannot be listed" in refused(config, tmp_path / "no-proc", "open files")


def test_a_full_disk(config: NodeConfig, proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = tree(config.mainnet)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MonitorError, match="No space left on device - everything is back in its place"):
        wiping.wipe(config, NOW, proc)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(MonitorError, match="No space left on device - nothing was moved"):
        wiping.wipe(config, NOW, proc)
    assert tree(config.mainnet) == before


# --- who has a file open ---------------------------------------------------------------------------------------------


def a_process(proc: Path, pid: int, *paths: Path | str, maps: bytes = b"") -> None:
    directory = make_process(proc, pid, "/usr/bin/x", ["x"])
    for number, path in enumerate(paths, 3):
        (directory / "fd" / str(number)).symlink_to(path)
    (directory / "maps").write_bytes(maps)


def test_open_files_by_path_by_map_and_by_another_path(tmp_path: Path) -> None:
    proc, mainnet = make_proc(tmp_path / "proc"), tmp_path / "main\nnet"
    mainnet.mkdir()
    (mainnet / "mainnet.db").touch()
    (tmp_path / "container").mkdir()
    (tmp_path / "container/mainnet.db").hardlink_to(mainnet / "mainnet.db")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mainnet.db").touch()
    mapped = b"7f00-7f01 r--s 00000000 fe:01 7 " + os.fsencode(mainnet).replace(b"\n", b"\\012")
    a_process(proc, 1, mainnet, f"{mainnet}-other/x", tmp_path / "other/mainnet.db", "socket:[1]", tmp_path / "gone")
    a_process(proc, 2, f"{mainnet}/buckets/x (deleted)")
    a_process(proc, 3, maps=b"7f00-7f01 r-xp 0 fe:01 7 /usr/bin/x\n" + mapped + b"/mainnet.db-shm\n")
    a_process(proc, 4, maps=mapped + b"-other/x\n" + b"7f00-7f01 rw-p 0 00:00 0\n")
    a_process(proc, 5, tmp_path / "container/mainnet.db")
    make_process(proc, 6, "/usr/bin/x", ["x"])  # ended while we looked: no maps
    (proc / "7").mkdir()
    found = holders.holders_of(str(mainnet), [f"{mainnet}/mainnet.db"], proc)
    assert [line.partition(" ")[0] for line in found.found] == ["PID=2", "PID=3", "PID=5"]
    assert found.hidden == 0


def test_a_process_that_may_not_be_looked_into_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = make_proc(tmp_path / "proc")
    a_process(proc, 7, "/x")
    listdir = os.listdir

    def hidden(path: Any) -> list[str]:
        if str(path).endswith("/7/fd"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", hidden)
    assert holders.holders_of("/x", [], proc) == holders.Holders((), 1)


def test_a_mapped_file_of_our_own_counts(config: NodeConfig) -> None:
    with (config.mainnet / "notes").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        file.close()
        assert f"seen PID={os.getpid()} {config.mainnet / 'notes'}" in refused(config, procfs.PROC, "open files")


# --- a wipe that was interrupted -------------------------------------------------------------------------------------


def dying(at: int, work: Callable[[], object]) -> int:
    """How many steps were reached; death comes before step `at`."""
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(patch, die_in_process, at, CALLS)
        with contextlib.suppress(Died):
            work()
        return len(steps.names)


def everything(mainnet: Path) -> dict[str, str]:
    """The node's data, wherever it is now."""
    kept = {name.removeprefix(f"{NAME}/"): kind for name, kind in tree(mainnet).items() if name != NAME}
    return {name: kind for name, kind in kept.items() if wiping.MANIFEST not in name}


def test_a_wipe_that_dies_at_any_step_is_finished_or_was_not_begun(
    tmp_path: Path, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", no_fsync)
    at, moved = 0, []
    while True:
        config = make_node(tmp_path / f"{at:03}")
        before = tree(config.mainnet)
        steps = dying(at, lambda config=config: wiping.wipe(config, NOW, proc))
        assert everything(config.mainnet) == before
        was_done = wiping.expired(config, NOW, hours=0) != ()
        finished = wiping.finish_wipe(config, proc)
        assert everything(config.mainnet) == before
        assert not (finished and was_done)
        is_wiped = bool(finished) or was_done
        if is_wiped:
            assert wiping.expired(config, NOW, hours=0) == (config.mainnet / NAME,)
            assert not any((config.mainnet / name).exists() for name in MOVED)
            assert [each.moved for each in finished] in ([], [MOVED])
        else:
            assert tree(config.mainnet) == before, "no trace of it"
        assert wiping.finish_wipe(config, proc) == ()
        moved.append(is_wiped)
        if steps <= at:
            break
        at += 1
    assert len(moved) > 15
    assert moved == sorted(moved)
    assert set(moved) == {False, True}


def test_a_wipe_that_was_killed_while_it_wrote_its_manifest_leaves_no_trace(config: NodeConfig, proc: Path) -> None:
    before = tree(config.mainnet)
    (config.mainnet / NAME).mkdir()
    (config.mainnet / NAME / f".{wiping.MANIFEST}.4711.tmp").write_text('{"schema":1,"data')
    assert wiping.finish_wipe(config, proc) == ()
    assert tree(config.mainnet) == before


def interrupted(config: NodeConfig, proc: Path, after: str) -> None:
    """A wipe that died right after `after` was moved."""
    rename = os.rename

    def dies(name: str, *args: Any, **options: Any) -> None:
        rename(name, *args, **options)
        if name == after:
            raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", dies)
        with pytest.raises(Died):
            wiping.wipe(config, NOW, proc)


def test_a_finish_that_dies_at_any_step_is_finished_by_the_next(
    tmp_path: Path, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", no_fsync)
    at = 0
    while True:
        config = make_node(tmp_path / f"{at:03}")
        before = tree(config.mainnet)
        interrupted(config, proc, "buckets")
        steps = dying(at, lambda config=config: wiping.finish_wipe(config, proc))
        wiping.finish_wipe(config, proc)
        assert everything(config.mainnet) == before
        assert wiping.expired(config, NOW, hours=0) == (config.mainnet / NAME,)
        if steps <= at:
            break
        at += 1
    assert at > 8


def test_a_finish_needs_what_a_wipe_needs(config: NodeConfig, proc: Path) -> None:
    interrupted(config, proc, "mainnet.db-shm")
    before = tree(config.mainnet)
    with holder(config.lock_file, "lock"), pytest.raises(MonitorError, match="no finish of a wipe: lock: wanted"):
        wiping.finish_wipe(config, proc)
    assert tree(config.mainnet) == before
    assert wiping.finish_wipe(config, proc) == (wiping.Wiped(config.mainnet / NAME, MOVED),)


def test_a_database_that_was_made_since_is_somebodys_beginning(config: NodeConfig, proc: Path) -> None:
    interrupted(config, proc, "buckets")
    (config.mainnet / "mainnet.db").rename(config.mainnet / "old.db")
    for name in ("mainnet.db", "mainnet.db-wal"):
        (config.mainnet / "new").write_text("new")
        (config.mainnet / "new").replace(config.mainnet / name)
    (config.mainnet / "buckets").mkdir()
    (wiped,) = wiping.finish_wipe(config, proc)
    assert wiped.moved == ("buckets", "mainnet.db-shm")
    assert wiped.left == ("buckets", "mainnet.db-wal", "mainnet.db")
    assert (config.mainnet / "mainnet.db").read_text() == "new"


def test_what_sqlite_made_beside_the_old_database_goes_with_it(config: NodeConfig, proc: Path) -> None:
    (config.mainnet / "mainnet.db-shm").unlink()
    interrupted(config, proc, "buckets")
    (config.mainnet / "mainnet.db-shm").write_text("made since")
    assert wiping.finish_wipe(config, proc) == (wiping.Wiped(config.mainnet / NAME, MOVED),)


def test_what_is_there_twice_is_for_the_operator(config: NodeConfig, proc: Path) -> None:
    interrupted(config, proc, "mainnet.db-wal")
    (config.mainnet / "mainnet.db-wal").write_text("made since")
    before = tree(config.mainnet)
    with pytest.raises(
        MonitorError, match=f"mainnet.db-wal in {config.mainnet} and in {NAME}: .*move one of them away"
    ):
        wiping.finish_wipe(config, proc)
    assert tree(config.mainnet) == before


def test_a_finish_that_the_disk_refuses_stays_unfinished(
    config: NodeConfig, proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(config, proc, "buckets")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MonitorError, match="No space left on device - the wipe is not finished"):
            wiping.finish_wipe(config, proc)
    assert wiping.finish_wipe(config, proc) == (wiping.Wiped(config.mainnet / NAME, MOVED),)


def test_a_wipe_of_another_database_is_not_finished_by_this_one(config: NodeConfig, proc: Path) -> None:
    interrupted(config, proc, "buckets")
    other = msgspec.structs.replace(config, database=config.mainnet / "other.db")
    assert wiping.finish_wipe(other, proc) == ()


# --- what is kept, and for how long ----------------------------------------------------------------------------------


def test_a_finished_wipe_is_kept_for_a_day(config: NodeConfig, proc: Path, tmp_path: Path) -> None:
    wiping.wipe(config, NOW, proc)
    (config.mainnet / NAME / "buckets/way-out").symlink_to(tmp_path)
    day = NOW + timedelta(hours=24)
    assert wiping.expired(config, day - timedelta(seconds=1)) == ()
    assert wiping.remove_expired(config, day - timedelta(seconds=1)) == ()
    assert wiping.expired(config, NOW, hours=0) == (config.mainnet / NAME,)
    assert wiping.expired(config, NOW - timedelta(days=9), hours=0) == (), "a clock that went back"
    (removed,) = wiping.remove_expired(config, day)
    assert (removed.path, removed.reason) == (config.mainnet / NAME, "")
    assert removed.bytes > 0
    assert sorted(path.name for path in config.mainnet.iterdir()) == ["mainnet.db-journal", "mainnet.lock", "notes"]
    assert (tmp_path / "proc").exists()


def test_an_unfinished_wipe_never_expires(config: NodeConfig, proc: Path) -> None:
    interrupted(config, proc, "buckets")
    assert wiping.remove_expired(config, NOW + timedelta(days=99), hours=0) == ()


def test_one_that_cannot_be_removed_is_told(config: NodeConfig, proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wiping.wipe(config, NOW, proc)
    wiping.wipe(config, NOW + timedelta(hours=1), proc)
    remove = files.remove_tree

    def stubborn(path: Path, under: Path) -> int:
        if path.name == NAME:
            raise PermissionError(errno.EPERM, "Operation not permitted", "b")
        return remove(path, under)

    monkeypatch.setattr(files, "remove_tree", stubborn)
    first, second = wiping.remove_expired(config, NOW + timedelta(days=2))
    assert (first.bytes, "Operation not permitted" in first.reason, second.reason) == (0, True, "")


def test_a_directory_full_of_hostile_names(config: NodeConfig, proc: Path, tmp_path: Path) -> None:
    mainnet = config.mainnet
    precious = make_node(tmp_path / "precious").mainnet
    done = msgspec.json.encode(
        {"schema": 1, "database": "mainnet.db", "buckets": "buckets", "inodes": [], "done": True}
    )
    names = [".wiped-20260101T000000Z\n", ".wiped-20261399T000000Z", ".wiped-2026", ".wiped-²0260101T000000Z"]
    names += [".wiped-20260101T000000Z-x", "-rf", "$(id)", "\udcff", "*", ".wiped-", "..wiped-20260101T000000Z"]
    for name in names:
        (mainnet / name).mkdir()
        (mainnet / name / wiping.MANIFEST).write_bytes(done)
    (mainnet / ".wiped-20260101T000001Z").symlink_to(precious)
    (mainnet / ".wiped-20260101T000002Z").write_bytes(done)
    for number, manifest in enumerate(
        [b"", b"{", b"[" * 10**5, b"\xff", done[:-1], done.replace(b":1", b":2"), b"x" * 10**5]
    ):
        (mainnet / f".wiped-2026010{number + 2}T000000Z").mkdir()
        (mainnet / f".wiped-2026010{number + 2}T000000Z" / wiping.MANIFEST).write_bytes(manifest)
    (mainnet / ".wiped-20260110T000000Z").mkdir()
    (mainnet / ".wiped-20260110T000000Z" / wiping.MANIFEST).symlink_to(precious / "notes")
    (mainnet / ".wiped-20260111T000000Z").mkdir()
    (mainnet / ".wiped-20260111T000000Z" / "an operator's").touch()
    aside = {name: kind for name, kind in tree(mainnet).items() if name.partition("/")[0] not in MOVED}
    data = tree(precious)
    assert wiping.finish_wipe(config, proc) == ()
    assert wiping.remove_expired(config, NOW, hours=0) == ()
    wiping.wipe(config, NOW, proc)
    after = {name: kind for name, kind in tree(mainnet).items() if name.partition("/")[0] != NAME}
    assert after == aside
    assert tree(precious) == data
