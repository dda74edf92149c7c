"""Trees are counted as du counts them, and one that has not changed is not walked again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.session import DataRoot, NodeConfig, Session
from monitor_tick.facts import Missing, Trees
from monitor_tick.probes.disk import load_cache, observe_trees, save_cache
from monitor_tick.probes.tree import Seen, TreeCache, Walk, decode_cache, encode_cache
from tests.monitor_tick.views import LIMITS, a_session

LATER = datetime.now(timezone.utc) + timedelta(hours=1)  # every directory made by a test has settled by then
SECONDS = 60.0


def fill(directory: Path, files: int, size: int = 5000) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (directory / f"file-{number}").write_bytes(b"x" * size)
    return directory


def size_of(root: Path) -> int | None:
    return Walk(TreeCache(), LATER, SECONDS).measure(root).size_of(root)


def du(path: Path) -> int:
    ran = subprocess.run(["du", "-s", "-x", "-B1", str(path)], capture_output=True, text=True, check=True)
    return int(ran.stdout.split()[0])


# --- what counts ---


@pytest.mark.skipif(shutil.which("du") is None, reason="no du to compare with")
def test_a_tree_is_counted_as_du_counts_it(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", 3, 100_000)
    root = fill(tmp_path / "root", 4)
    fill(root / "a" / "b" / "c" / "d", 7, 20_000)
    fill(root / "empty", 0)
    (root / "link-to-directory").symlink_to(outside)
    (root / "link-to-file").symlink_to(outside / "file-0")
    (root / "dangling").symlink_to("nowhere")
    os.link(root / "file-0", root / "a" / "again")
    os.link(root / "file-0", root / "a" / "b" / "and-again")
    os.link(outside / "file-1", root / "other-name-is-outside")
    os.mkfifo(root / "pipe")
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(50 * 2**20)
    (root / os.fsdecode(b"\xff\xfe")).write_bytes(b"x" * 9000)
    assert size_of(root) == du(root)


def test_a_file_of_two_names_counts_once_in_the_tree_and_once_in_each_part(tmp_path: Path) -> None:
    first, second = fill(tmp_path / "a", 1, 100_000), fill(tmp_path / "b" / "c", 0)
    before = size_of(tmp_path)
    os.link(first / "file-0", second / "same")
    tree = Walk(TreeCache(), LATER, SECONDS).measure(tmp_path, (first, second))
    assert tree.size_of(tmp_path) == before
    for part in (first, second):
        size = tree.size_of(part)
        assert size is not None
        assert size >= 100_000


def test_a_root_may_be_a_link_to_another_disk(tmp_path: Path) -> None:
    real = fill(tmp_path / "disk" / "mainnet", 3)
    (tmp_path / "mainnet").symlink_to(real)
    assert size_of(tmp_path / "mainnet") == size_of(real)


def test_another_file_system_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = fill(tmp_path / "root" / "mounted", 5)
    before = size_of(tmp_path / "root")
    lstat = os.lstat

    def on_another_device(path: bytes) -> Any:
        status = lstat(path)
        if os.fsdecode(path).startswith(str(mounted)):
            return SimpleNamespace(st_mode=status.st_mode, st_dev=status.st_dev + 1)
        return status

    monkeypatch.setattr(os, "lstat", on_another_device)
    after = size_of(tmp_path / "root")
    assert before is not None
    assert after is not None
    assert before - after >= 5 * 5000


def test_a_missing_tree_takes_nothing(tmp_path: Path) -> None:
    tree = Walk(TreeCache(), LATER, SECONDS).measure(tmp_path / "absent")
    assert (tree.size_of(tmp_path / "absent"), tree.partial, list(tree.top_directories())) == (None, False, [])


@pytest.mark.parametrize(("error", "partial"), [(PermissionError, True), (FileNotFoundError, False)])
def test_a_directory_that_cannot_be_read_makes_the_size_a_lower_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError], partial: bool
) -> None:
    fill(tmp_path / "open", 2)
    fill(tmp_path / "closed", 2)
    scandir = os.scandir

    def refusing(path: bytes) -> Any:
        if path.endswith(b"closed"):
            raise error
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    tree = Walk(TreeCache(), LATER, SECONDS).measure(tmp_path)
    assert (tree.partial, tree.size_of(tmp_path / "open") is not None) == (partial, True)


# --- the cache ---


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the directories that are listed from here on."""
    names: list[str] = []
    scandir = os.scandir

    def noting(path: bytes) -> Any:
        names.append(os.fsdecode(path).rpartition("/")[2])
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noting)
    return names


def walked(root: Path, cache: TreeCache, now: datetime = LATER) -> tuple[int | None, TreeCache]:
    walk = Walk(cache, now, SECONDS)
    size = walk.measure(root, write_once=(root / "buckets",)).size_of(root)
    return size, walk.cache


def until_a_change_shows(directory: Path) -> None:
    """What changes from now on gets another ctime: the clock of a file system may stand for ten milliseconds."""
    seen = directory.stat().st_ctime_ns
    with tempfile.TemporaryFile() as probe:
        while os.fstat(probe.fileno()).st_ctime_ns <= seen:
            os.fchmod(probe.fileno(), 0o600)


def test_an_unchanged_write_once_tree_is_not_listed_again(tmp_path: Path, listed: list[str]) -> None:
    for name in ("one", "two", "two/three"):
        fill(tmp_path / "buckets" / name, 3)
    os.link(tmp_path / "buckets/one/file-0", tmp_path / "buckets/two/same")
    size, cache = walked(tmp_path, TreeCache())
    assert sorted(listed) == sorted([tmp_path.name, "buckets", "one", "two", "three"])
    listed.clear()
    assert walked(tmp_path, decode_cache(encode_cache(cache))) == (size, cache)
    assert listed == [tmp_path.name]


@pytest.mark.parametrize("change", ["add", "remove", "rename over"])
def test_only_the_directory_that_changed_is_listed_again(tmp_path: Path, listed: list[str], change: str) -> None:
    fill(tmp_path / "buckets" / "one", 3)
    fill(tmp_path / "buckets" / "two", 3)
    _, cache = walked(tmp_path, TreeCache())
    listed.clear()
    directory = tmp_path / "buckets" / "two"
    until_a_change_shows(directory)
    if change == "remove":
        (directory / "file-0").unlink()
    else:
        if change == "add":
            fill(directory / "new", 0)
        (directory / "grown").write_bytes(b"x" * 90_000)
        (directory / "grown").rename(directory / ("more" if change == "add" else "file-1"))
    size, _ = walked(tmp_path, cache)
    expected = {tmp_path.name, "two"} | ({"new"} if change == "add" else set())
    assert set(listed) == expected
    assert size == walked(tmp_path, TreeCache())[0]


def test_a_file_that_grows_in_place_is_seen_where_files_do(tmp_path: Path) -> None:
    fill(tmp_path / "logs", 2)
    before, cache = walked(tmp_path, TreeCache())
    with (tmp_path / "logs" / "file-0").open("ab") as log:
        log.write(b"x" * 200_000)
    after, _ = walked(tmp_path, cache)
    assert before is not None
    assert after is not None
    assert after - before >= 200_000 - 4096


def test_a_directory_of_very_many_files_is_a_store_wherever_it_is(tmp_path: Path, listed: list[str]) -> None:
    fill(tmp_path / "archive", 512, 1)
    fill(tmp_path / "few", 511, 1)
    _, cache = walked(tmp_path, TreeCache())
    listed.clear()
    walked(tmp_path, cache)
    assert sorted(listed) == sorted([tmp_path.name, "few"])


def test_a_directory_that_changed_within_this_second_is_not_trusted_yet(tmp_path: Path, listed: list[str]) -> None:
    fill(tmp_path / "buckets", 3)
    changed = datetime.fromtimestamp((tmp_path / "buckets").stat().st_ctime, timezone.utc)
    _, cache = walked(tmp_path, TreeCache(), changed + timedelta(seconds=0.9))
    assert cache == TreeCache()
    _, cache = walked(tmp_path, TreeCache(), changed + timedelta(seconds=1.1))
    listed.clear()
    walked(tmp_path, cache)
    assert listed == [tmp_path.name]


def test_setting_the_time_back_does_not_hide_a_change(tmp_path: Path) -> None:
    buckets = fill(tmp_path / "buckets", 1)
    _, cache = walked(tmp_path, TreeCache())
    before = buckets.stat()
    until_a_change_shows(buckets)
    (buckets / "new").write_bytes(b"x" * 50_000)
    os.utime(buckets, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert walked(tmp_path, cache)[0] == walked(tmp_path, TreeCache())[0]


def test_what_is_gone_leaves_the_cache(tmp_path: Path) -> None:
    fill(tmp_path / "buckets" / "gone", 1)
    _, cache = walked(tmp_path, TreeCache())
    until_a_change_shows(tmp_path / "buckets")
    shutil.rmtree(tmp_path / "buckets" / "gone")
    assert [path.rpartition(b"/")[2] for path in walked(tmp_path, cache)[1].directories] == [b"buckets"]


# --- the time bound ---


def stop_after(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is up after the clock was looked at this often."""
    left = [looks + 1]

    def monotonic() -> float:
        left[0] -= 1
        return 0.0 if left[0] >= 0 else 1e9

    monkeypatch.setattr(time, "monotonic", monotonic)


def test_without_time_everything_is_partial(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    tree = Walk(TreeCache(), LATER, 0.0).measure(tmp_path)
    assert (tree.partial, tree.size_of(tmp_path)) == (True, None)


def test_a_walk_that_runs_out_of_time_says_at_least(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        fill(tmp_path / "buckets" / f"{number}", 2)
    whole = size_of(tmp_path)
    stop_after(5, monkeypatch)
    tree = Walk(TreeCache(), LATER, SECONDS).measure(tmp_path)
    size = tree.size_of(tmp_path)
    assert tree.partial
    assert whole is not None
    assert size is not None
    assert 3 * 2 * 5000 < size < whole


def test_a_walk_that_runs_out_of_time_keeps_what_it_knew_and_adds_what_it_saw(tmp_path: Path) -> None:
    fill(tmp_path / "buckets" / "old", 2)
    _, known = walked(tmp_path, TreeCache())
    cut = Walk(known, LATER, 0.0)
    cut.measure(tmp_path)
    assert cut.cache == known
    fill(tmp_path / "other" / "buckets" / "new", 2)
    walk = Walk(known, LATER, SECONDS)
    walk.measure(tmp_path / "other", write_once=(tmp_path / "other" / "buckets",))
    walk._ends = 0.0
    walk.measure(tmp_path, write_once=(tmp_path / "buckets",))
    names = [path.rpartition(b"/")[2] for path in walk.cache.directories]
    assert names == [b"buckets", b"old", b"buckets", b"new"]


def test_one_directory_of_very_many_files_is_cut_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(
        name=b"file",
        is_dir=lambda follow_symlinks: False,
        stat=lambda follow_symlinks: SimpleNamespace(st_nlink=1, st_blocks=8, st_ino=1),
    )

    class Endless:
        def __enter__(self) -> Iterator[SimpleNamespace]:
            return iter(lambda: entry, None)

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", lambda path: Endless())
    stop_after(3, monkeypatch)
    walk = Walk(TreeCache(), LATER, SECONDS)
    tree = walk.measure(tmp_path, write_once=(tmp_path,))
    assert tree.partial
    assert walk.cache == TreeCache()


# --- the cache file ---

SEEN = Seen(7, 3, 4096, ((11, 512),), (b"sub", b"\xff"), (b"x.tmp",))


def test_a_cache_survives_its_file() -> None:
    cache = TreeCache({b"/data/\xfe": SEEN, b"/data": SEEN})
    assert decode_cache(encode_cache(cache)) == cache


@given(st.integers(min_value=0), st.integers(0, 7), st.booleans())
def test_a_damaged_cache_is_no_cache(position: int, bit: int, cut: bool) -> None:
    content = bytearray(encode_cache(TreeCache({b"/data": SEEN})))
    position %= len(content)
    if cut:
        del content[position:]
    else:
        content[position] ^= 1 << bit
    assert decode_cache(bytes(content)) == TreeCache()


@pytest.mark.parametrize("content", [None, b"", b"\0\0\0\0", b"not a cache"])
def test_no_cache_is_an_empty_one(content: bytes | None) -> None:
    assert decode_cache(content) == TreeCache()


# --- the session and the node's data ---


class Machine:
    def __init__(self, root: Path) -> None:
        self.session: Session = msgspec.structs.replace(a_session(), data=DataRoot(root))
        self.mainnet = fill(root / "mainnet", 0)
        self.config = NodeConfig(
            database=self.mainnet / "mainnet.db",
            buckets=self.mainnet / "buckets",
            http_port=None,
            rpc_port=None,
            retention_window=360,
            maintenance_period_seconds=900,
            is_validator=True,
        )
        fill(self.config.buckets, 3, 100_000)
        for suffix in ("", "-wal", "-shm"):
            (self.mainnet / f"mainnet.db{suffix}").write_bytes(b"x" * 50_000)
        fill(self.session.cargo_target / "release", 2, 70_000)
        fill(self.session.logs, 1, 30_000)

    def observe(self, cache: TreeCache | None = None, config: NodeConfig | None = None) -> tuple[Trees, TreeCache]:
        trees, kept = observe_trees(self.session, config or self.config, cache or TreeCache(), LATER, LIMITS)
        assert isinstance(trees, Trees)
        return trees, kept


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_every_part_by_its_own_path(machine: Machine) -> None:
    trees, _ = machine.observe()
    session = machine.session
    expected = {
        "session": session.directory,
        "mainnet": machine.mainnet,
        "buckets": machine.config.buckets,
        "logs": session.logs,
        "cargo_target": session.cargo_target,
    }
    for part, path in expected.items():
        tree = getattr(trees, part)
        assert (tree.path, tree.bytes, tree.partial) == (path, size_of(path), False)
    assert trees.database.path == machine.config.database
    assert 150_000 <= trees.database.bytes < 200_000


def test_the_ten_largest_directories_largest_first(machine: Machine) -> None:
    for number in range(12):
        fill(machine.session.cache / f"{number}", 1, 10_000 * (number + 1))
    trees, _ = machine.observe()
    sizes = [tree.bytes for tree in trees.largest]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 10
    assert trees.largest[0].path == machine.session.cache
    assert machine.session.cache / "11" in [tree.path for tree in trees.largest]
    assert machine.session.cargo_target / "release" in [tree.path for tree in trees.largest]


def test_unfinished_files_in_the_nodes_data_are_named(machine: Machine) -> None:
    fill(machine.config.buckets / "a", 0)
    for name in ("a/x.tmp", "y.partial", "z.part", "bucket-tmp.xdr"):
        (machine.config.buckets / name).write_bytes(b"")
    (machine.session.logs / "ours.tmp").write_bytes(b"")
    names = {str(path.relative_to(machine.config.buckets)) for path in machine.observe()[0].leftovers}
    assert names == {"a/x.tmp", "y.partial", "z.part"}


def test_no_more_than_twenty_are_named_and_no_name_breaks_the_report(machine: Machine) -> None:
    for number in range(30):
        (machine.config.buckets / os.fsdecode(b"\xff%d.tmp" % number)).write_bytes(b"")
    leftovers = machine.observe()[0].leftovers
    assert len(leftovers) == 20
    assert all(str(path).encode() for path in leftovers)


def test_leftovers_are_remembered_with_their_directory(machine: Machine) -> None:
    (machine.config.buckets / "x.tmp").write_bytes(b"")
    first, cache = machine.observe()
    assert machine.observe(cache)[0] == first


def test_buckets_may_lie_elsewhere(machine: Machine, tmp_path: Path) -> None:
    elsewhere = fill(tmp_path / "elsewhere", 2, 80_000)
    trees, _ = machine.observe(config=msgspec.structs.replace(machine.config, buckets=elsewhere))
    assert (trees.buckets.path, trees.buckets.bytes) == (elsewhere, size_of(elsewhere))


def test_wiped_directories_take_nothing(machine: Machine) -> None:
    shutil.rmtree(machine.session.directory)
    shutil.rmtree(machine.mainnet)
    trees, _ = machine.observe()
    sizes = (trees.session, trees.mainnet, trees.buckets, trees.database, trees.logs, trees.cargo_target)
    assert [tree.bytes for tree in sizes] == [0] * 6
    assert (trees.largest, trees.leftovers) == ((), ())


def test_without_the_nodes_config_nothing_is_guessed(machine: Machine) -> None:
    cache = TreeCache({b"/x": SEEN})
    assert observe_trees(machine.session, Missing("no config"), cache, LATER, LIMITS) == (Missing("no config"), cache)


def test_the_cache_is_kept_and_written_only_when_it_changed(machine: Machine) -> None:
    assert load_cache(machine.session) == TreeCache()
    _, cache = machine.observe()
    save_cache(machine.session, cache)
    assert load_cache(machine.session) == cache
    before = machine.session.tree_cache.stat()
    save_cache(machine.session, cache)
    assert machine.session.tree_cache.stat() == before
    machine.session.tree_cache.write_bytes(b"damaged")
    assert load_cache(machine.session) == TreeCache()


def test_a_cache_that_cannot_be_kept_is_no_misfortune(machine: Machine) -> None:
    _, cache = machine.observe()
    shutil.rmtree(machine.session.directory)
    save_cache(machine.session, cache)
    assert load_cache(machine.session) == TreeCache()
