"""A tick killed at any step of its commit leaves all of the old state or all of the new, and never damage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor_loop.session import DataRoot, Session
from monitor_tick.memory import Memory
from tests.monitor_tick.crashes import commit_dying, die_in_process, load_dying, no_fsync
from tests.monitor_tick.stores import after_ticks, commit_tick, contents_of, load_after, tree_of, values_of
from tests.monitor_tick.views import a_session

WHOLE_COMMIT = 17
"""Fewer steps than this, and these tests would not see the commit."""


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", no_fsync)


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Memory, dict[str, bytes | None]]]:
    """What a load and the files may say after tick 2 was killed: all of tick 1, or all of tick 2."""
    root = tmp_path_factory.mktemp("wholes")
    return {
        name: (load_after(session, 2), contents_of(session))
        for name, session in (("old", after_ticks(root / "old", 1)), ("new", after_ticks(root / "new", 2)))
    }


def whole_of(session: Session, wholes: dict[str, tuple[Memory, dict[str, bytes | None]]]) -> str:
    """Which whole a killed tick left; the dry run and the next tick agree, and the next tick leaves no trace of it."""
    before = tree_of(session.data.path)
    looked = load_after(session, 2, finish=False)
    assert tree_of(session.data.path) == before
    loaded = load_after(session, 2)
    assert loaded == looked
    assert loaded.damaged == ()
    names = [name for name, whole in wholes.items() if (values_of(loaded), contents_of(session)) == whole]
    assert len(names) == 1, "a mix of two ticks"
    assert not session.data.commit_journal.exists()
    assert not loaded.finished_journal or names == ["new"]
    return names[0]


def settles(session: Session) -> None:
    """The next tick commits as if nothing had happened, and nothing of the killed one lies about."""
    commit_tick(session, load_after(session, 2), 3)
    assert [
        path for path in session.data.path.rglob("*") if ".damaged-" in path.name or path.name.endswith(".new")
    ] == []


@pytest.mark.usefixtures("dying")
def test_a_tick_that_dies_at_any_step_leaves_one_whole(
    tmp_path: Path, wholes: dict[str, tuple[Memory, dict[str, bytes | None]]]
) -> None:
    left: list[str] = []
    while True:
        session = after_ticks(tmp_path / str(len(left)), 1)
        steps = commit_dying(session, 2, die_in_process, len(left))
        left.append(whole_of(session, wholes))
        settles(session)
        if len(steps) < len(left):
            break
    assert len(left) > WHOLE_COMMIT
    assert left == sorted(left, reverse=True), "once new, it stays new"
    assert set(left) == {"old", "new"}


@pytest.mark.usefixtures("dying")
def test_a_load_that_dies_at_any_step_of_finishing_a_commit_leaves_the_new_state(
    tmp_path: Path, wholes: dict[str, tuple[Memory, dict[str, bytes | None]]]
) -> None:
    at = 0
    while True:
        session = after_ticks(tmp_path / str(at), 1)
        journal_is_durable = 4
        commit_dying(session, 2, die_in_process, journal_is_durable)
        assert session.data.commit_journal.exists()
        steps = load_dying(session, 2, die_in_process, at)
        assert whole_of(session, wholes) == "new"
        settles(session)
        if len(steps) <= at:
            break
        at += 1
    assert at > WHOLE_COMMIT - 5


@pytest.mark.usefixtures("dying")
def test_a_first_tick_that_dies_at_any_step_leaves_nothing_or_everything(tmp_path: Path) -> None:
    first = load_after(after_ticks(tmp_path / "whole", 1), 1)
    at, left = 0, []
    while True:
        session = after_ticks(tmp_path / str(at), 0)
        steps = commit_dying(session, 1, die_in_process, at)
        loaded = load_after(session, 1)
        assert loaded.damaged == ()
        assert values_of(loaded) in (Memory(), first)
        left.append(values_of(loaded) == first)
        if len(steps) <= at:
            break
        at += 1
    assert left == sorted(left)
    assert set(left) == {False, True}


@pytest.mark.usefixtures("dying")
def test_a_tick_killed_with_sigkill_at_any_step_leaves_one_whole(
    tmp_path: Path, wholes: dict[str, tuple[Memory, dict[str, bytes | None]]]
) -> None:
    checkout = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-m", "tests.monitor_tick.crashes", str(tmp_path)], cwd=checkout, check=True)
    left: list[str] = []
    for root in sorted(tmp_path.iterdir()):
        session = a_session(data=DataRoot(root))
        left.append(whole_of(session, wholes))
    assert len(left) > WHOLE_COMMIT
    assert left == sorted(left, reverse=True)
    assert set(left) == {"old", "new"}


def test_what_a_power_cut_may_lose_is_never_what_the_next_step_relies_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename comes after the fsync of its file, a state file after the journal is durable, the journal's end last."""
    session = after_ticks(tmp_path, 1)
    memory = load_after(session, 1)
    trace: list[tuple[str, str]] = []
    fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

    def name_of(path: Path) -> str:
        return str(path.relative_to(tmp_path)).replace(session.id, "session")

    def traced_fsync(fd: int) -> None:
        trace.append(("sync", name_of(Path(f"/proc/self/fd/{fd}").readlink())))
        fsync(fd)

    def traced_replace(self: Path, target: Path) -> Path:
        trace.append(("rename to", name_of(target)))
        return replace(self, target)

    def traced_unlink(self: Path, missing_ok: bool = False) -> None:
        trace.append(("unlink", name_of(self)))
        unlink(self, missing_ok)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(Path, "replace", traced_replace)
    monkeypatch.setattr(Path, "unlink", traced_unlink)
    commit_tick(session, memory, 2)
    assert trace == [
        ("sync", "..commit-journal.new"),
        ("rename to", ".commit-journal"),
        ("sync", "."),
        ("sync", "session/.state.json.new"),
        ("sync", "session/.last_ledger.new"),
        ("sync", "session/metrics/.ratio_snapshot.new"),
        ("sync", "session/metrics/.counter_streak_snapshot.new"),
        ("sync", ".issue-ledger.json.new"),
        ("sync", ".node.json.new"),
        ("sync", "session/metrics/.current.prom.new"),
        ("sync", "session/metrics/.prev.prom.new"),
        ("rename to", "session/state.json"),
        ("rename to", "session/last_ledger"),
        ("rename to", "session/metrics/ratio_snapshot"),
        ("rename to", "session/metrics/counter_streak_snapshot"),
        ("rename to", "issue-ledger.json"),
        ("rename to", "node.json"),
        ("rename to", "session/metrics/current.prom"),
        ("rename to", "session/metrics/prev.prom"),
        ("sync", "session"),
        ("sync", "session/metrics"),
        ("sync", "."),
        ("unlink", ".commit-journal"),
        ("sync", "."),
    ]
