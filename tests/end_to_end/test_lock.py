"""How a tick that may not, or can not, do its work ends: exit status, words, and what the next tick makes of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor_loop import envfile
from monitor_loop.files import Lock
from monitor_loop.session import Session
from tests.end_to_end.commands import begin_tick, line, monitor_tick, tick_json, tree_of
from tests.hostile_http import HostileServer, hang
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node

PATIENCE_SECONDS = 120.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


@contextmanager
def hanging(session: Session) -> Iterator[HostileServer]:
    """The session's node accepts every request and never answers, until the block ends."""
    with HostileServer(otherwise=hang) as server:
        _change(session, admin_port=server.port, rpc_port=server.port)
        yield server
    envfile.write(session)


def _change(session: Session, **fields: Any) -> None:
    envfile.write(msgspec.structs.replace(session, **fields))


def _wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def history_of(session: Session) -> list[str]:
    return [json.loads(row)["status"] for row in session.history.read_text().splitlines()]


def test_X10_of_two_ticks_one_works_and_the_other_says_who_holds_the_lock(node: RecordedNode) -> None:
    data, proc = node.session.data.path, str(node.proc)
    with hanging(node.session) as server:
        first = begin_tick(data, "--proc", proc)
        _wait_for(lambda: server.exchanges)
        os.kill(first.pid, signal.SIGSTOP)  # however long the second takes to start, the first is not done before
        second = monitor_tick(data, "--proc", proc)
        os.kill(first.pid, signal.SIGCONT)
    assert second.returncode == 75
    assert second.stdout == ""
    assert f"pid {first.pid}" in second.stderr.replace("=", " ")
    assert "monitor-tick" in second.stderr
    assert second.stderr.count("\n") == 1
    out, err = first.communicate(timeout=PATIENCE_SECONDS)
    assert (first.returncode, err) == (0, "")
    assert out.startswith("MONITOR ")

    assert "1 tick(s) skipped: the lock was held" in line(tick_json(data, "--proc", proc), "self_reflect")
    assert "skipped" not in line(tick_json(data, "--proc", proc), "self_reflect"), "counted once"
    assert history_of(node.session).count("SKIPPED") == 1


def test_a_dry_run_and_help_take_no_lock(node: RecordedNode) -> None:
    data, proc = node.session.data.path, str(node.proc)
    with hanging(node.session) as server:
        first = begin_tick(data, "--proc", proc)
        _wait_for(lambda: server.exchanges)
        help_text = monitor_tick(data, "--help")
        dry = begin_tick(data, "--proc", proc, "--dry-run")
        _wait_for(lambda: dry.poll() is not None or len(server.exchanges) > 3)
    assert help_text.returncode == 0
    for tick in (first, dry):
        assert tick.communicate(timeout=PATIENCE_SECONDS)[1] == ""
        assert tick.returncode == 0


def test_a_held_lock_beside_an_unreadable_env_file_is_still_a_held_lock(node: RecordedNode) -> None:
    data = node.session.data
    data.env_file.unlink()
    data.env_file.mkdir()
    with Lock.acquire(data.lock_file, "monitor-loop start", SAMPLED_AT):
        ran = monitor_tick(data.path)
    assert (ran.returncode, ran.stdout) == (75, "")
    assert "monitor-loop start" in ran.stderr


def test_without_an_env_file_the_tick_refuses_and_writes_nothing(tmp_path: Path) -> None:
    data = tmp_path.resolve()
    ran = monitor_tick(data)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"ERROR: {data}/monitor-loop.env not found - run monitor-loop start first\n"
    assert tree_of(data) == {}
    assert list(data.iterdir()) == []


def test_an_env_file_without_a_key_is_refused_by_the_key(node: RecordedNode) -> None:
    env = node.session.data.env_file
    env.write_text("".join(row for row in env.read_text().splitlines(True) if not row.startswith("MONITOR_MODE=")))
    before = tree_of(node.session.directory)
    ran = monitor_tick(node.session.data.path, "--proc", str(node.proc))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"ERROR: {env}: MONITOR_MODE is missing - run monitor-loop start to write it again\n"
    assert tree_of(node.session.directory) == before


def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    ran = monitor_tick(tmp_path, "--frobnicate")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--frobnicate" in ran.stderr


def test_a_crash_ends_with_its_traceback_and_status_3(node: RecordedNode, tmp_path: Path) -> None:
    """Without a /proc nothing can be told of any process: no refusal that an operator could mend."""
    data = node.session.data.path
    ran = monitor_tick(data, "--proc", str(tmp_path / "nowhere"))
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.startswith("Traceback (most recent call last):\n")
    assert tick_json(data, "--proc", str(node.proc))["schema"] == 2


def test_a_tick_over_its_deadline_ends_itself_and_the_next_one_says_so(node: RecordedNode) -> None:
    data, proc = node.session.data.path, str(node.proc)
    with hanging(node.session) as server:
        _change(node.session, admin_port=server.port, rpc_port=server.port, cadence_seconds=1)
        ran = monitor_tick(data, "--proc", proc)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == "ERROR: the tick ended itself, over the deadline of 1s\n"
    assert history_of(node.session) == ["OVERLONG"]
    assert not node.session.state.exists()
    report = tick_json(data, "--proc", proc)
    assert "the last tick ran over its deadline and ended itself" in line(report, "self_reflect")
    assert line(tick_json(data, "--proc", proc), "self_reflect") == "clean"
