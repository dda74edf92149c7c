"""The world that a tick sees: one machine with a session, a model of the node on it, an operator, and time that passes.

Only what lies below the product is made up: the start of a process and the sending of a signal, /proc, the size of the
disk, the clock, and a server on loopback that gives the node's answers.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec
import pytest

from monitor_loop import envfile, node, nodeconfig, noderecord, procfs, start
from monitor_loop.begun import Begun
from monitor_loop.building import build
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Mode, NodeRecord, Session
from monitor_tick.catalog import load_rules
from monitor_tick.issues.page import parse, render, with_field
from monitor_tick.report import Report
from monitor_tick.rules import Rules
from monitor_tick.tick import tick
from tests.recorded_node import CONFIG
from tests.simulation.dying import outside
from tests.simulation.machine import FULL_PCT, Machine
from tests.simulation.model import Clock, ModelNode
from tests.simulation.tracker import Way
from tests.simulation.web import Web
from tests.simulation.workshop import Workshop, words_of

BEGAN = datetime(2026, 5, 9, 4, 0, tzinfo=timezone.utc)
BOOTED = datetime(2026, 5, 1, tzinfo=timezone.utc)
SESSION_ID = "1a2b3c4d"

_utime, _write = os.utime, os.write
T = TypeVar("T")


def quick_rules() -> Rules:
    """The shipped ones, but that the second look comes at once: the model has changed by then or it has not."""
    rules = load_rules()
    limits = msgspec.structs.replace(
        rules.limits, confirm_window_seconds=0, confirm_interval_seconds=0, archive_ticks=48
    )
    return msgspec.structs.replace(rules, limits=limits)


class World:
    """`ticks_from`: there are none before. `two_lines_until`: cron has two lines for them. `trouble_until`: more may
    befall the node before."""

    def __init__(self, root: Path, rules: Rules, *, cadence: timedelta = timedelta(minutes=20)) -> None:
        self.rules = rules
        self.cadence = cadence
        self.clock = Clock(BEGAN)
        self.machine = Machine(root / "proc", BOOTED)
        self.web = Web()
        self.session = self._make_session(root)
        self.node = ModelNode(self.session, self.session.data.path / "mainnet", self.machine, self.clock)
        self.workshop = Workshop(self.session, self.machine, self.clock)
        self.way = Way(BEGAN)
        self.builds: list[str] = []
        self._held_back = False
        self.ticks_from = self.two_lines_until = self.trouble_until = BEGAN

    @property
    def now(self) -> datetime:
        return self.clock.now

    @property
    def wall(self) -> datetime:
        return self.machine.wall(self.clock.now)

    def close(self) -> None:
        self.web.close()
        if self.node.run is not None:
            node._launched.pop(self.node.run.identity, None)
            self.node.machine.used_pct = 0.0
            os.close(self.node.run.lock or -1)
            self.node.run.tape.close()

    @contextmanager
    def patched(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", self._sync)
            patch.setattr(os, "write", self._write)
            patch.setattr(os, "statvfs", self.machine.statvfs)
            patch.setattr(node, "_start", _outside(self.node.launch))
            patch.setattr(node, "time", SimpleNamespace(monotonic=self._seconds, sleep=self._sleep))
            patch.setattr(procfs, "send_signal", _outside(self.node.signal))
            self.workshop.open(patch)
            self.way.lay(patch, lambda: self.clock.now)
            yield

    def tick(self) -> Report:
        """At this moment. Raises what the tick raises."""
        self.web.bodies = self.node.show()
        self.node.tick_at = self.wall
        try:
            return tick(self.session, self.rules, self.wall, proc=self.machine.proc)
        finally:
            self.node.tick_at = None

    def fill_disk(self) -> None:
        self.machine.used_pct = FULL_PCT
        self._held_back = self.session.data.ballast.exists()

    # --- the operator ---------------------------------------------------------------------------------------------

    def new_build(self) -> str:
        """Another commit at the launch path, kept, with its name in build_sha; what runs goes on."""
        sha = f"{len(self.builds) + 1:02x}" * 20
        self.builds.append(sha)
        path = self.session.launch_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(words_of(sha))
        path.chmod(0o755)
        build.keep(self.session, sha)
        build.prune_kept(self.session, {sha, self.record().last_good_sha})
        return sha

    def record(self) -> NodeRecord:
        """Nothing is known where node.json is damaged, and no tick has put it aside yet."""
        try:
            return noderecord.read(self.session.data)
        except MonitorError:
            return NodeRecord()

    def _put_damage_aside(self) -> None:
        """As its error asks."""
        path = self.session.data.node_record
        if path.exists() and self.record() == NodeRecord():
            path.rename(path.with_name("node.json.moved"))

    def build_there(self) -> str:
        """At the launch path; empty where there is none."""
        return self.node.build_of(self.session) if self.session.launch_path.exists() else ""

    def start_node(self) -> None:
        """As `monitor-loop start` does once there is a binary."""
        session, config = self.session, nodeconfig.read_node_config(self.session.config_file, self.session.repo)
        for path in session.subdirectories:
            path.mkdir(parents=True, exist_ok=True)
        fresh = not config.database.exists()
        self._put_damage_aside()
        if self.node.run is None:
            node.launch(session, config, self.wall, self.machine.proc)
            self._sleep(1)
        process = procfs.node_of(session, self.machine.proc)
        assert process is not None, "the operator's own launch has to work"
        start._write_down(session, Begun(session=session, process=process, attached=False, fresh_start=fresh), False)
        self._date(session.data.env_file)
        session.alive.touch()
        self._date(session.alive)

    def close_issues(self) -> int:
        """All that are open, as done; how many."""
        closed = 0
        for path in sorted(self.session.data.issues.glob("*.md")):
            page = parse(path.read_bytes())
            if page.is_open:
                path.write_bytes(render(with_field(page, "state", "closed")))
                closed += 1
        return closed

    # --- the world itself -----------------------------------------------------------------------------------------

    def _make_session(self, root: Path) -> Session:
        data = DataRoot((root / "data").resolve())
        directory, port = data.session_directory(SESSION_ID), self.web.port
        session = Session(
            tracker="directory",
            data=data,
            id=SESSION_ID,
            mode=Mode.VALIDATOR,
            config="configs/node.toml",
            admin_port=port,
            rpc_port=port,
            run_flags="--validator",
            binary=directory / "cargo-target/release/henyey",
            repo=root / "repo",
            radar_url=f"http://127.0.0.1:{port}",
            cadence_seconds=int(self.cadence.total_seconds()),
        )
        mainnet = data.path / "mainnet"
        for path in (*session.subdirectories, session.config_file.parent, mainnet):
            path.mkdir(parents=True, exist_ok=True)
        config = CONFIG.format(mainnet=mainnet, port=port, validator="true")
        session.config_file.write_text(config, encoding="utf-8")
        envfile.write(session)
        self._date(data.env_file)
        return session

    def _date(self, path: Path) -> None:
        seconds = self.wall.timestamp()
        _utime(path, (seconds, seconds))

    def _seconds(self) -> float:
        return (self.clock.now - BEGAN).total_seconds()

    def _sleep(self, seconds: float) -> None:
        with outside():
            self.clock.advance(self.clock.now + timedelta(seconds=seconds))

    def _sync(self, _fd: int) -> None:
        """There is nothing to wait for."""
        self._refuse_where_full()

    def _write(self, fd: int, content: bytes) -> int:
        """Also a write of the simulation's own, but for the node's log, which has its own way."""
        self._refuse_where_full()
        return _write(fd, content)

    def _refuse_where_full(self) -> None:
        """What the monitor had held back of the disk, and gave up, is room enough."""
        given_up = self._held_back and not self.session.data.ballast.exists()
        if self.machine.is_full and not given_up:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _outside(call: Callable[..., T]) -> Callable[..., T]:
    """What the world does when the tick asks for it."""

    def called(*args: Any, **kwargs: Any) -> T:
        with outside():
            return call(*args, **kwargs)

    return called
