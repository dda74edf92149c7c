"""The one executor: whatever a node action asks for, nothing is done where anything does not hold, or holds no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from monitor_loop import hashchain, procfs
from monitor_loop.building import build
from monitor_loop.session import DataRoot, NodeConfig, Process, Session
from monitor_tick.actions import Act, NodeAction
from monitor_tick.checks import judge_all
from monitor_tick.effects.node import act
from monitor_tick.facts import BuildPhase, SecondLook
from monitor_tick.healing import trial
from monitor_tick.healing.recovery import action_of
from monitor_tick.plan import plan_of
from monitor_tick.verdict import Verdict
from monitor_tick.view import View
from tests.monitor_loop.wipe.test_wiping import tree
from tests.monitor_tick.healing.deploys import down, waiting
from tests.monitor_tick.healing.nodes import GOOD, SHA, crashing, dead, frozen, on_trial, stuck, wiped
from tests.monitor_tick.healing.test_recovery import BEGUN, later
from tests.monitor_tick.healing.test_trial import in_trial, raised
from tests.monitor_tick.views import a_process_memory, a_session, a_view
from tests.proctree import BOOT_ID, make_proc, make_process


def planned(view: View) -> NodeAction:
    action = plan_of(judge_all(view), early=False).node
    assert action is not None
    return action


def rolled_back(view: View) -> NodeAction:
    regression = trial.regression_of(view, [raised("process:wedge")])
    assert regression is not None
    assert view.memory.node.trial is not None
    return trial.rollback_of(view, view.memory.node.trial, regression)[0]


def rebuilt(view: View) -> NodeAction:
    action = action_of(view, BEGUN)
    assert action is not None
    return action


LARGE = a_process_memory(rss_mb=17 * 1024)
ACTIONS: dict[str, tuple[View, Callable[[View], NodeAction]]] = {
    "relaunch": (dead(), planned),
    "3a wipe": (crashing(), planned),
    "3c wipe": (stuck(), planned),
    "3d fall back": (crashing(node=wiped()), planned),
    "rollback of a live one": (in_trial(), rolled_back),
    "rollback of a dead one": (dead(node=on_trial()), rolled_back),
    "restart of a frozen one": (frozen(), planned),
    "restart for memory": (a_view(process_memory=LARGE, second=SecondLook(process_memory=LARGE)), planned),
    "deploy": (waiting(), planned),
    "deploy of a dead one": (down(), planned),
    "rebuild": (later(phase=BuildPhase.BUILT), rebuilt),
}


class Ground:
    """A session on a disk, whole enough for every act; `proc` is its machine."""

    def __init__(self, root: Path) -> None:
        self.root, self.proc = root, make_proc(root / "proc")
        data = DataRoot(root / "data")
        made = a_session(data=data, repo=root / "repo")
        self.session: Session = msgspec.structs.replace(made, binary=made.launch_path, config="node.toml")
        for directory in (*self.session.subdirectories, self.session.repo, self.session.launch_path.parent):
            directory.mkdir(parents=True)
        shutil.copy("/bin/true", self.session.launch_path)
        self.session.log.write_text("evidence\n")
        self.session.config_file.write_text("")
        for sha in (SHA, GOOD, "c" * 40):
            build.keep_as(self.session, sha, self.session.launch_path, self.session.config_file)
        self.config = NodeConfig(
            database=data.path / "mainnet/mainnet.db",
            buckets=data.path / "mainnet/buckets",
            http_port=11627,
            rpc_port=8000,
            retention_window=360,
            maintenance_period_seconds=900,
            is_validator=True,
        )
        self.config.buckets.mkdir(parents=True)
        self.config.database.write_text("ledgers")

    def runs(self, start_ticks: int, pid: int = 4711) -> None:
        argv = ["henyey", "--mainnet", "run"]
        make_process(self.proc, pid, self.session.launch_path, argv, start_ticks, cwd=self.session.repo)

    def of(self, view: View) -> View:
        """`view` on this ground: its live process runs here."""
        facts = msgspec.structs.replace(view.facts, config=self.config)
        if isinstance(view.facts.process, Process):
            self.runs(1000)
            process = procfs.node_of(self.session, self.proc)
            assert process is not None
            facts = msgspec.structs.replace(facts, process=process, boot_id=BOOT_ID)
        return msgspec.structs.replace(view, session=self.session, facts=facts)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    one = Ground(tmp_path)
    before = tree(tmp_path / "data")
    yield one
    assert tree(tmp_path / "data") == before, "not even an intent was written"


@pytest.fixture(autouse=True)
def no_signal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    sent: list[int] = []
    monkeypatch.setattr(procfs, "send_signal", lambda process, *_: sent.append(process.pid))
    yield
    assert sent == []


@pytest.mark.parametrize("name", ACTIONS)
def test_each_precondition_that_does_not_hold_keeps_each_act_from_being_planned_and_done(
    ground: Ground, name: str
) -> None:
    view, made = ACTIONS[name]
    action, here = made(view), ground.of(view)
    assert action.is_allowed
    assert action.preconditions
    for number, each in enumerate(action.preconditions):
        seen = msgspec.structs.replace(each, seen="otherwise", holds=False)
        near = (*action.preconditions[:number], seen, *action.preconditions[number + 1 :])
        missed = msgspec.structs.replace(action, preconditions=near)
        assert plan_of([Verdict(label="x", lines=("x",), wants=missed)], early=False).node is None
        acted = act(missed, here, ground.proc)
        assert (acted.began, acted.done) == (False, False)
        assert acted.line == f"{action.act.value} refused: {each.name} is otherwise"
        assert acted.keeps_down == (each.name if name in DEAD else "")


ALIVE = [name for name, (view, _) in ACTIONS.items() if isinstance(view.facts.process, Process)]
DEAD = [name for name in ACTIONS if name not in ALIVE]


@pytest.mark.parametrize("name", ALIVE)
def test_a_process_that_is_not_the_one_that_was_judged_is_not_touched(ground: Ground, name: str) -> None:
    """It ended meanwhile; its operator has started another; its pid is another program's."""
    view, made = ACTIONS[name]
    action, here = made(view), ground.of(view)
    (ground.proc / "4711" / "exe").unlink()
    assert "pid 4711 is not the node any more" in act(action, here, ground.proc).line
    ground.runs(2000)
    assert "pid 4711 is not the node any more" in act(action, here, ground.proc).line
    shutil.rmtree(ground.proc / "4711")
    ground.runs(2000, pid=4800)
    assert "pid 4711 is not the node any more" in act(action, here, ground.proc).line
    ground.runs(3000, pid=4900)
    assert "refused: several nodes of session" in act(action, here, ground.proc).line


@pytest.mark.parametrize("name", DEAD)
def test_a_node_that_somebody_started_meanwhile_is_not_touched(ground: Ground, name: str) -> None:
    view, made = ACTIONS[name]
    here = ground.of(view)
    ground.runs(2000)
    acted = act(made(view), here, ground.proc)
    assert acted.line.endswith("refused: a node runs again, pid 4711")
    assert acted.keeps_down == "", "it is not down any more"
    ground.runs(2000, pid=4900)
    acted = act(made(view), here, ground.proc)
    assert "refused: several nodes of session" in acted.line
    assert acted.keeps_down == ""


def test_a_wipe_is_refused_where_somebody_opened_a_file_since_it_was_judged(ground: Ground) -> None:
    view, made = ACTIONS["3a wipe"]
    directory = make_process(ground.proc, 99, "/usr/bin/sqlite3", ["sqlite3"], comm="sqlite3")
    (directory / "maps").write_bytes(b"")
    (directory / "fd" / "3").symlink_to(ground.config.database)
    acted = act(made(view), ground.of(view), ground.proc)
    assert acted.line.startswith(f"wipe refused: open files: PID=99 {ground.config.database}")
    assert acted.keeps_down == "open files"


def test_an_act_that_cannot_be_written_down_is_not_begun(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hashchain, "append", full)
    for name in (*DEAD, "restart of a frozen one"):
        view, made = ACTIONS[name]
        acted = act(made(view), ground.of(view), ground.proc)
        assert not acted.began
        assert "nothing was done" in acted.line
        assert acted.keeps_down == ("what it needs cannot be read or written" if name in DEAD else "")


def test_every_act_is_tried_here() -> None:
    assert {made(view).act for view, made in ACTIONS.values()} == set(Act)
    assert (len(ALIVE), len(DEAD)) == (5, 6)
