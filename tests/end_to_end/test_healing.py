"""Real processes of the embedded node, broken one after the other: what a tick does to them, and what it leaves."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from http.client import HTTPException
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor_loop import actionlog, envfile, hashchain, node, nodeconfig, noderecord, procfs
from monitor_loop.building import build
from monitor_loop.embedded.faults import clear_faults, set_fault
from monitor_loop.errors import MonitorError
from monitor_loop.session import NodeConfig, Process, Session, Stopped, WipeDone
from monitor_loop.wipe import wiping
from monitor_tick.catalog import load_rules
from monitor_tick.effects import steps
from monitor_tick.effects.settle import settle
from monitor_tick.report import Report, render_text
from monitor_tick.tick import tick
from tests.descriptors import descriptors_of
from tests.embedded_fixture import prepared_session
from tests.large_process import large_process

PROC = Path("/proc")
PATIENCE_SECONDS = 120.0
RULES = load_rules()
QUICK = msgspec.structs.replace(
    RULES,
    # However short of memory, disk and time the machine is that the tests run on: no node is restarted for that, and
    # nothing is put off.
    limits=msgspec.structs.replace(
        RULES.limits,
        confirm_window_seconds=1,
        available_critical_gb=0,
        disk_low_pct=100,
        disk_critical_pct=100,
        tick_budget_seconds=600,
        checkout_seconds=600,
        ci_call_seconds=120,
        ci_seconds=600,
    ),
)


class Watched:
    """A session whose node the ticks look after; simulated cadences pass between them."""

    rules = QUICK

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ticks = 0.0
        self._seen: int | None = None

    def tick(self, cadences: float = 1, *, dry_run: bool = False) -> Report:
        """A node that runs has closed a ledger since the one before, as it would in the minutes that are skipped."""
        self.ticks += cadences
        wait_for(lambda: (closed := self._closed()) is None or closed != self._seen)
        at = now() + timedelta(minutes=20) * self.ticks
        report = tick(self.session, self.rules, at, proc=PROC, dry_run=dry_run)
        self._seen = self._closed()
        return report

    def info(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.asked("/info"))
        return told

    def asked(self, path: str) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.session.admin_port}{path}", timeout=10) as response:
            text: str = response.read().decode()
            return text

    def _closed(self) -> int | None:
        """The ledger that the node closed last; None where nothing answers."""
        with contextlib.suppress(OSError, HTTPException):
            return int(self.info()["ledger"]["num"])
        return None

    def process(self) -> Process | None:
        return procfs.node_of(self.session)

    def pid(self) -> int:
        process = self.process()
        assert process is not None
        return process.pid

    def breaks(self, fault: str, **arguments: str | int | float | bool) -> None:
        set_fault(self.session.directory, fault, **arguments)

    def dies_of(self, fault: str) -> None:
        """Also the second run of a session takes a fault that is to happen once."""
        clear_faults(self.session.directory)
        self.breaks(fault)
        wait_for(lambda: self.process() is None)
        clear_faults(self.session.directory)

    def fails_softly(self, *wipes: WipeDone) -> None:
        """It lives, closes nothing, and by the clock of the next tick has said for ten minutes what blocks it.

        `wipes` did not cure it; as the minutes are skipped here, any run that closes a ledger is up for long enough.
        """
        self.breaks("stall")
        self.breaks("raw_line", text="it stands")
        wait_for(lambda: "\nit stands\n" in self.session.log.read_text())
        self._seen = None
        self.tick()
        record = noderecord.read(self.session.data)
        noderecord.write(self.session.data, msgspec.structs.replace(record, wipes=wipes))
        at = now() + timedelta(minutes=20) * (self.ticks + 1)
        blocked = "WARN henyey_app::app::consensus: Recovery escalation blocked: previous fatal state failure"
        said = [
            (620, "ERROR henyey_app::app::lifecycle: FATAL: State wipe required. fatal_wipe_required=true"),
            *((seconds, blocked) for seconds in (600, 300, 10)),
        ]
        lines = (f"{at - timedelta(seconds=ago):%Y-%m-%dT%H:%M:%S.%fZ} {text}" for ago, text in said)
        self.breaks("raw_line", text="\n".join([*lines, "it is blocked"]))
        wait_for(lambda: "\nit is blocked\n" in self.session.log.read_text())
        self._seen = None

    def acts(self) -> list[str]:
        return [act.intent.act for act in actionlog.acts(actionlog.read(self.session.data))]

    def rotated(self) -> list[str]:
        return sorted(path.name.split("-")[0] for path in self.session.logs.glob("monitor.log.*"))

    def issues(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.session.data.issues.glob("*.md")))


def now() -> datetime:
    return datetime.now(timezone.utc)


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.05)
    pytest.fail("it did not come to that in time")


def line(report: Report, label: str) -> str:
    return "\n".join(text for each in report.lines if each.label == label for text in each.texts)


@contextlib.contextmanager
def watching(data: Path, abort_seconds: int = 120) -> Iterator[Watched]:
    """`abort_seconds` of the node's time after a freeze it ends itself."""
    session = msgspec.structs.replace(prepared_session(data), tracker="directory")
    config = session.config_file.read_text()
    session.config_file.write_text(
        config.replace("watchdog_abort_seconds = 120.0", f"watchdog_abort_seconds = {abort_seconds}.0")
    )
    for directory in session.subdirectories:
        directory.mkdir(parents=True, exist_ok=True)
    session.alive.touch()
    envfile.write(session)
    process = node.launch(session, None, now())
    assert node.verify(session, process, PATIENCE_SECONDS)[0]
    one = Watched(session)
    one.tick(0)
    try:
        yield one
    finally:
        for left in procfs.find_nodes(session.data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left.pid, signal.SIGKILL)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with watching(tmp_path / "data") as one:
        yield one


def test_a_crash_is_one_issue_and_one_relaunch_with_the_log_kept(watched: Watched) -> None:
    first = watched.pid()
    watched.dies_of("panic")
    report = watched.tick()
    assert report.level.name == "ACTION"
    assert "relaunch: log kept as monitor.log.crashed-" in line(report, "node")
    assert watched.pid() != first
    assert watched.acts() == ["relaunch"]
    assert actionlog.verify(watched.session.data) == ()
    assert watched.issues().count("title: Node crashed: panic at") == 1
    assert "What this tick did to the node: `relaunch: log kept as monitor.log.crashed-" in watched.issues()
    (kept,) = watched.session.logs.glob("monitor.log.crashed-*")
    assert "panicked at" in kept.read_text()


def test_the_relaunched_node_outlives_the_tick_and_inherits_nothing_of_it(watched: Watched) -> None:
    watched.dies_of("panic")
    watched.tick()
    pid = watched.pid()
    assert os.getsid(pid) == pid
    assert not [name for name in descriptors_of(pid).values() if "monitor-loop.lock" in name]


def test_as_cron_would_the_relaunched_node_has_nothing_of_the_tick(watched: Watched, tmp_path: Path) -> None:
    """Cron's bare environment, its output file and whatever it leaves open; then its whole process group is gone."""
    watched.dies_of("crash")
    ours, leaked = socket.socketpair()
    bare = {"HOME": str(tmp_path), "LOGNAME": "op", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
    with ours, leaked, (tmp_path / "monitor-tick.log").open("wb") as log:
        inode = os.fstat(leaked.fileno()).st_ino
        ran = subprocess.Popen(
            [sys.executable, "-m", "monitor_tick", "--data-root", str(watched.session.data.path)],
            env=bare,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(leaked.fileno(),),
            start_new_session=True,
        )
        assert ran.wait(120) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(ran.pid, signal.SIGKILL)
    pid = watched.pid()
    assert (os.getsid(pid), os.getpgid(pid)) == (pid, pid)
    held = descriptors_of(pid)
    assert (held["0"], held["1"], held["2"]) == ("/dev/null", str(watched.session.log), str(watched.session.log))
    assert not {f"socket:[{inode}]", str(watched.session.data.lock_file), str(tmp_path / "monitor-tick.log")} & {
        *held.values()
    }
    environment = set(procfs.environment_of(pid))
    assert {"RUST_LOG=info", "PATH=/usr/bin:/bin", f"HOME={tmp_path}"} <= environment
    assert Path(f"/proc/{pid}/cwd").readlink() == watched.session.repo


def test_L62_L63_three_fatal_crashes_wipe_once_and_a_recurrence_stays_down(watched: Watched) -> None:
    for _ in range(2):
        watched.dies_of("fatal")
        watched.tick()
    assert watched.acts() == ["relaunch", "relaunch"]
    watched.dies_of("fatal")
    report = watched.tick()
    assert watched.acts()[-1] == "wipe"
    assert "data put aside in .wiped-" in line(report, "node")
    (kept,) = (watched.session.data.path / "mainnet").glob(".wiped-*")
    assert (kept / "mainnet.db").exists()
    assert "title: State wipe after 3 fatal crashes" in watched.issues()
    assert len(noderecord.read(watched.session.data).wipes) == 1
    watched.dies_of("fatal")
    report = watched.tick()
    assert report.level.name == "OFFLINE"
    assert watched.process() is None
    assert "post-wipe recurrence on" in watched.issues()
    assert watched.session.data.quarantine.exists()
    again = watched.tick()
    assert watched.process() is None
    assert watched.acts().count("wipe") == 1
    assert watched.acts().count("fall back") == 1
    assert again.level.name == "OFFLINE"


def test_L64_a_node_that_is_alive_after_a_fatal_failure_is_wiped_once_and_then_left_and_told(watched: Watched) -> None:
    """No other build is kept that could run in the place of this one."""
    first = watched.pid()
    watched.fails_softly()
    report = watched.tick()
    assert "data put aside in .wiped-" in line(report, "node")
    assert (watched.acts(), watched.pid() != first) == (["wipe"], True)
    assert "title: Soft-fail state wipe: fatal_state_failure stuck for 9m" in watched.issues()
    wipes = noderecord.read(watched.session.data).wipes
    clear_faults(watched.session.directory)
    watched.tick()
    second = watched.pid()
    watched.fails_softly(*wipes)
    assert "post-wipe recurrence on" in line(watched.tick(), "node")
    assert (watched.acts(), watched.pid()) == (["wipe", "fall back"], second)
    assert watched.issues().count("title: OFFLINE: post-wipe recurrence on") == 1


def test_a_wipe_that_was_refused_is_no_issue_and_the_one_that_follows_is(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        watched.dies_of("fatal")
        watched.tick()
    watched.dies_of("fatal")

    def refuses(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(hashchain, "append", refuses)
        report = watched.tick()
    assert "wipe refused: cannot write" in line(report, "node")
    assert report.level.name == "OFFLINE"
    assert "title: OFFLINE: wipe refused: what it needs cannot be read or written" in watched.issues()
    assert "title: State wipe" not in watched.issues()
    assert "data put aside in .wiped-" in line(watched.tick(), "node")
    assert watched.issues().count("title: State wipe after 3 fatal crashes") == 1


def half_wiped(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> NodeConfig:
    """A wipe that the disk refused after its first move, and refused to take back."""
    config = nodeconfig.read_node_config(watched.session.config_file, watched.session.repo)
    rename = os.rename

    def first_only(name: str, *given: Any, **where: Any) -> None:
        if name != config.buckets.name or (config.mainnet / name).exists() is False:
            raise OSError(errno.EIO, "Input/output error")
        rename(name, *given, **where)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", first_only)
        with pytest.raises(MonitorError, match="no wipe"):
            wiping.wipe(config, now(), PROC)
    assert wiping.is_unfinished(config)
    return config


def test_no_node_is_launched_on_what_half_a_wipe_left(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.dies_of("crash")
    config = half_wiped(watched, monkeypatch)
    with config.database.open("rb"):
        reports = [watched.tick() for _ in range(2)]
    for report in reports:
        assert "relaunch refused: open files: " in line(report, "node")
        assert report.level.name == "OFFLINE"
    assert watched.issues().count("title: OFFLINE: relaunch refused: open files\n") == 1
    assert "relaunch refused: open files: PID=" in watched.issues()
    assert "# Comment by" not in watched.issues(), "it was told once"
    assert (watched.acts(), watched.process()) == ([], None)
    assert config.database.exists()
    assert "an unfinished wipe was finished, .wiped-" in line(watched.tick(), "node")
    assert watched.acts() == ["relaunch"]
    (kept,) = config.mainnet.glob(".wiped-*")
    assert {config.database.name, config.buckets.name} <= {path.name for path in kept.iterdir()}
    record = noderecord.read(watched.session.data)
    assert (len(record.wipes), record.fresh_start_since is not None) == (1, True)


@pytest.mark.parametrize("moved", [False, True])
def test_a_wipe_that_a_dead_tick_did_not_do_is_not_taken_for_done(watched: Watched, moved: bool) -> None:
    """Beside the data of an earlier one, from a time when the clock was ahead: its name is that of a later wipe."""
    watched.dies_of("crash")
    config = nodeconfig.read_node_config(watched.session.config_file, watched.session.repo)
    earlier = wiping.wipe(config, now() + timedelta(minutes=10), PROC).directory
    config.buckets.mkdir()
    config.database.write_text("anew")
    intent = actionlog.Intent(id="0123456789ab", at=now(), act="wipe", why="x")
    actionlog.intend(watched.session.data, intent)
    if moved:
        wiping.wipe(config, intent.at, PROC)
    (settled,) = settle(watched.session, PROC)
    assert settled.wiped_at == (intent.at if moved else None)
    assert earlier.exists()


def test_a_disk_that_refuses_build_sha_does_not_silence_the_tick(watched: Watched) -> None:
    """A deploy that a full disk has ended between the install and the outcome, and it is full still."""
    session, sha = watched.session, "a" * 40
    build.keep_as(session, sha, session.launch_path, session.config_file)
    actionlog.intend(session.data, actionlog.Intent(id="0123456789ab", at=now(), act="deploy", why="x", installs=sha))
    session.build_sha.unlink(missing_ok=True)
    session.build_sha.mkdir()
    assert f"build_sha does not name {sha[:8]}: Is a directory" in line(watched.tick(), "self_reflect")
    assert watched.process() is not None


@pytest.mark.thorough
def test_a_livelock_is_relaunched_and_never_wiped(watched: Watched) -> None:
    for _ in range(4):
        watched.dies_of("livelock")
        watched.tick()
        if watched.process() is None:
            break
    assert set(watched.acts()) == {"relaunch"}
    assert not list((watched.session.data.path / "mainnet").glob(".wiped-*"))


def test_a_node_whose_lock_a_stranger_holds_is_left_alone(watched: Watched) -> None:
    watched.dies_of("crash")
    lock = watched.session.data.path / "mainnet" / "mainnet.lock"
    fd = os.open(lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        report = watched.tick()
    finally:
        os.close(fd)
    assert report.level.name == "OFFLINE"
    assert watched.acts() == []
    assert watched.rotated() == []
    assert "title: OFFLINE: unidentified process holds" in watched.issues()
    watched.tick()
    assert watched.acts() == ["relaunch"]


def test_a_node_whose_lock_cannot_be_tried_is_left_alone(watched: Watched) -> None:
    """Another user's, say: who cannot open it does not know that nobody holds it."""
    watched.dies_of("crash")
    lock = watched.session.data.path / "mainnet" / "mainnet.lock"
    lock.unlink()
    lock.symlink_to(lock)
    report = watched.tick()
    assert report.level.name == "OFFLINE"
    assert (watched.acts(), watched.rotated()) == ([], [])
    assert "title: OFFLINE: the node's lock cannot be checked" in watched.issues()
    lock.unlink()
    watched.tick()
    assert watched.acts() == ["relaunch"]


def test_a_node_that_is_just_ending_holds_its_own_lock_and_is_no_stranger(watched: Watched) -> None:
    watched.dies_of("crash")
    with large_process(watched.session.data.path / "mainnet" / "mainnet.lock") as ending:
        record = noderecord.read(watched.session.data)
        noderecord.write(watched.session.data, msgspec.structs.replace(record, launched=ending.identity))
        os.kill(ending.pid, signal.SIGTERM)
        while procfs.still_runs(ending):
            time.sleep(0.005)
        watched.tick()
    assert watched.acts() == ["relaunch"]
    assert "OFFLINE" not in watched.issues()


def test_L10_a_frozen_node_is_stopped_and_started_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its watchdog lines carry the real time, so this tick is the first full one of a session that lost its state.

    However long the tick takes, the node does not abort itself before.
    """
    monkeypatch.setattr(steps, "STOP_SECONDS", 0.5)  # it answers no SIGTERM
    hasty = msgspec.structs.replace(QUICK.limits, http_deadline_seconds=1)  # nor any request
    with watching(tmp_path / "data", abort_seconds=86_400) as watched:
        first = watched.pid()
        watched.breaks("freeze")
        wait_for(lambda: "appears frozen" in watched.session.log.read_text())
        watched.session.state.unlink()
        report = tick(watched.session, msgspec.structs.replace(QUICK, limits=hasty), now(), proc=PROC)
        clear_faults(watched.session.directory)
        assert watched.acts() == ["restart"]
        assert watched.pid() != first
        assert "restart: pid" in line(report, "node")
        assert watched.rotated() == ["monitor.log.frozen"]
        assert watched.issues().count("title: Node wedged: event loop frozen in") == 1
        assert watched.issues().count("title:") == 1


def test_a_stopped_mark_is_honoured_even_when_the_tick_is_called(watched: Watched) -> None:
    record = noderecord.read(watched.session.data)
    noderecord.write(watched.session.data, msgspec.structs.replace(record, stopped=Stopped(now(), "op")))
    watched.dies_of("crash")
    watched.tick()
    assert watched.process() is None
    assert watched.acts() == []


def test_a_damaged_node_record_revives_nothing(watched: Watched) -> None:
    watched.dies_of("crash")
    watched.session.data.node_record.write_bytes(b'{"schema":1,')
    for _ in range(2):  # what was damaged is set aside by the first, and the second has a whole file again
        report = watched.tick()
        assert watched.process() is None
        assert watched.acts() == []
        assert "OFFLINE — node.json was damaged" in render_text(report)
    assert watched.issues().count("title: OFFLINE: node.json was damaged") == 1
