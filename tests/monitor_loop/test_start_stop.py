"""A node's life through start, status and stop: the embedded node, launched by the real launch code."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from monitor_loop import envfile, files, fresh, noderecord, procfs, stop
from monitor_loop import start as verb
from monitor_loop import status as status_verb
from monitor_loop.begun import Console, Request
from monitor_loop.errors import LockHeld, MonitorError
from monitor_loop.session import DataRoot, Mode, Stopped
from tests.monitor_loop.checkouts import CONFIG, free_port, make_cargo, make_checkout, make_crontab, only_node
from tests.monitor_loop.world import ID, NOW, World

SILENT = Console(lambda _: None, lambda _: None)


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataRoot]:
    data = DataRoot((tmp_path / "my data").resolve())
    yield data
    for process in procfs.find_nodes(data):
        procfs.send_signal(process, signal.SIGKILL)


def start_embedded(data: DataRoot, *, mode: Mode = Mode.VALIDATOR, fresh_only: bool = False) -> verb.Started:
    request = Request(data=data, cwd=data.path.parent, embedded=True, speed=20, mode=mode, fresh=fresh_only)
    return verb.start(request, now(), SILENT, procfs.PROC)


def end(data: DataRoot, *, by: str = "op", session_id: str | None = None, proc: Path = procfs.PROC) -> stop.Ended:
    return stop.stop(stop.Request(data=data, by=by, session_id=session_id), now(), proc)


def test_a_whole_life(data: DataRoot) -> None:
    first = start_embedded(data)
    assert not first.attached
    session = first.session
    assert only_node(data).pid == first.pid
    assert (session.tracker, session.is_embedded, session.rpc_port) == ("directory", True, session.rpc_port)
    assert session.rpc_port is not None
    assert all(directory.is_dir() for directory in session.subdirectories)
    assert session.alive.exists()
    record = noderecord.read(data)
    process = only_node(data)
    assert record.launched == process.identity
    assert record.fresh_start_since == record.first_launched_at == process.started_at

    second = start_embedded(data)
    assert (second.attached, second.pid, second.session) == (True, first.pid, session)
    assert second.warnings == ()
    with files.Lock.acquire(data.lock_file, "a tick", now()):
        pass  # the node did not inherit it

    seen = status_verb.status(data, now(), procfs.PROC)
    assert [node.pid for node in seen.nodes] == [first.pid]
    assert seen.stopped is None

    while (ended_ledger := stop.history.ledger_reached(session)) is None:
        time.sleep(0.05)
    ended = end(data)
    assert (ended.session_id, ended.pid, ended.how) == (session.id, first.pid, "terminated")
    assert ended.ledger is not None
    assert ended.ledger >= ended_ledger
    assert procfs.find_nodes(data) == ()
    assert noderecord.read(data).stopped == ended.stopped
    text = stop.render(ended)
    assert f"PID={first.pid} ended on SIGTERM" in text
    assert "crontab -e" in text
    assert text.endswith("Logs and cache stay. monitor-loop start --embedded resumes.")
    assert session.log.exists()
    seen = status_verb.status(data, now(), procfs.PROC)
    assert status_verb.render(seen, now()).endswith("; monitor-loop start --embedded resumes")
    with pytest.raises(
        MonitorError, match=r"no git checkout.*for the embedded node again: monitor-loop start --embedded$"
    ):
        start_henyey(data, data.path)

    third = start_embedded(data)
    assert not third.attached
    assert third.session.id != session.id
    record = noderecord.read(data)
    assert record.stopped is None
    assert record.fresh_start_since == process.started_at, "the database was there: no second fresh start"
    assert end(data).how == "terminated"


def test_a_watcher_has_no_rpc(data: DataRoot) -> None:
    session = start_embedded(data, mode=Mode.WATCHER).session
    assert (session.rpc_port, session.run_flags, session.mode) == (None, "", Mode.WATCHER)
    assert end(data).how == "terminated"


@pytest.mark.parametrize("crash_at", ["verify", "record", "env file"])
def test_a_start_that_dies_after_the_launch_loses_no_node(
    data: DataRoot, monkeypatch: pytest.MonkeyPatch, crash_at: str
) -> None:
    with monkeypatch.context() as crash:
        if crash_at == "verify":
            crash.setattr(fresh.node, "verify", raising)
        elif crash_at == "env file":
            crash.setattr(envfile, "write", raising)
        else:
            crash.setattr(noderecord, "write", on_second_call(noderecord.write))
        with pytest.raises(KeyboardInterrupt):
            start_embedded(data)
    process = only_node(data)
    assert not data.env_file.exists()
    assert noderecord.read(data).fresh_start_since is not None, "the database is there by now: it must be remembered"
    second = start_embedded(data)
    assert (second.attached, second.pid) == (True, process.pid)
    assert second.session.radar_url.startswith("http://127.0.0.1:")
    assert second.session.launch_prefix
    assert end(data).how == "terminated"


def raising(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def on_second_call(write: Callable[..., None]) -> Callable[..., None]:
    calls: list[object] = []

    def written(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) > 1:
            raise KeyboardInterrupt
        write(*arguments)

    return written


def test_the_mark_stands_before_the_signal(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash in between must not let cron revive the node."""
    start_embedded(data)
    with monkeypatch.context() as crash:
        crash.setattr(stop.node, "stop", raising)
        with pytest.raises(KeyboardInterrupt):
            end(data, by="first")
    mark = noderecord.read(data).stopped
    assert mark is not None
    assert mark.by == "first"
    assert only_node(data)
    assert end(data, by="second").how == "terminated"


def test_stop_where_nothing_runs(data: DataRoot) -> None:
    assert "nothing to stop" in stop.render(end(data))
    assert not data.path.exists()
    data.path.mkdir()
    assert end(data).session_id == ""
    assert not data.node_record.exists()


def test_stop_of_a_dead_node_still_keeps_ticks_from_reviving_it(world: World) -> None:
    world.run()
    world.start()
    world.kill()
    data = world.data
    ended = end(data, proc=world.proc)
    assert (ended.session_id, ended.pid, ended.how) == (ID, None, "")
    mark = noderecord.read(data).stopped
    assert mark is not None
    again = end(data, by="other", proc=world.proc)
    assert again.stopped == mark, "since when and by whom stay true"


def test_stop_finds_a_node_without_an_env_file(world: World) -> None:
    world.run()
    ended = end(world.data, proc=world.proc)
    assert (ended.pid, ended.session_id) == (4242, ID)
    assert noderecord.read(world.data).stopped is not None


def test_stop_of_a_stray_leaves_the_watched_node_unmarked(world: World) -> None:
    world.run()
    world.start()
    world.run(session_id="ffff0000", pid=4343)
    assert end(world.data, session_id="ffff0000", proc=world.proc).stopped is None
    assert noderecord.read(world.data).stopped is None
    assert end(world.data, proc=world.proc).pid == 4242, "the env file's session"


def test_a_node_that_the_env_file_does_not_name_is_stopped_only_by_its_session(world: World) -> None:
    world.run()
    world.start()
    world.kill()
    world.run(session_id="ffff0000", pid=os.getpid())
    record = world.data.node_record.read_bytes()
    with pytest.raises(MonitorError, match=rf"session {ID}, .*PID={os.getpid()} .*--session ffff0000 stops it"):
        end(world.data, proc=world.proc)
    assert world.data.node_record.read_bytes() == record
    ended = end(world.data, session_id="ffff0000", proc=world.proc)
    assert (ended.session_id, ended.how) == ("ffff0000", "gone"), "it would have been signalled"


def test_several_nodes_are_named_and_none_is_stopped(world: World) -> None:
    world.run()
    world.run(session_id="ffff0000", pid=4343)
    with pytest.raises(MonitorError, match=r"PID=4242 session=0123abcd\n.*PID=4343 session=ffff0000"):
        end(world.data, proc=world.proc)
    assert noderecord.read(world.data).stopped is None


def test_a_reused_pid_is_never_signalled(world: World) -> None:
    """A made-up /proc says that this very process is the node; the real one disagrees."""
    world.run(pid=os.getpid())
    assert end(world.data, proc=world.proc).how == "gone"


def test_a_tick_is_waited_for_and_named(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "TICK_SECONDS", 0.0)
    data.path.mkdir()
    with files.Lock.acquire(data.lock_file, "monitor-tick", now()), pytest.raises(LockHeld, match="monitor-tick"):
        end(data)


# --- refusals of a fresh start -----------------------------------------------------------------------------------


@pytest.fixture
def repo(tmp_path: Path, data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_cargo(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return make_checkout(tmp_path / "henyey", data.path, http_port=free_port(), rpc_port=free_port())


def start_henyey(data: DataRoot, repo: Path, console: Console = SILENT) -> verb.Started:
    return verb.start(Request(data=data, cwd=repo), now(), console, procfs.PROC)


def sessions(data: DataRoot) -> list[Path]:
    return [path for path in data.path.iterdir() if path.is_dir() and path.name != "mainnet"]


def test_a_missing_config_is_refused_before_the_build(data: DataRoot, repo: Path) -> None:
    (repo / CONFIG).unlink()
    with pytest.raises(MonitorError, match=rf"{CONFIG} does not exist"):
        start_henyey(data, repo)
    assert sessions(data) == []


def test_a_config_that_forbids_the_mode_is_refused_before_the_build(data: DataRoot, repo: Path) -> None:
    (repo / CONFIG).write_text((repo / CONFIG).read_text().replace("is_validator = true", "is_validator = false"))
    with pytest.raises(MonitorError, match="is_validator"):
        start_henyey(data, repo)
    assert sessions(data) == []


def test_a_port_in_use_is_refused_and_its_holder_named(data: DataRoot, repo: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = (repo / CONFIG).read_text()
        (repo / CONFIG).write_text(
            text.replace("[rpc]\nenabled = true\nport = ", f"[rpc]\nenabled = true\nport = {port} # ")
        )
        with pytest.raises(MonitorError, match=rf"port {port} is in use by PID={os.getpid()} "):
            start_henyey(data, repo)
    assert sessions(data) == []


def test_a_held_database_is_refused_and_its_holder_named(data: DataRoot, repo: Path) -> None:
    lock = data.path / "mainnet" / "mainnet.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(MonitorError, match=rf"{lock} is held by PID={os.getpid()} \("):
            start_henyey(data, repo)
    assert sessions(data) == []


def test_no_cargo_is_refused_with_the_way_out(data: DataRoot, repo: Path, tmp_path: Path) -> None:
    (tmp_path / "bin/cargo").unlink()
    with pytest.raises(MonitorError, match=r"rustup\.rs"):
        start_henyey(data, repo)


def test_a_node_that_ends_at_once_shows_its_last_lines_and_leaves_no_env_file(
    data: DataRoot, repo: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin/cargo").write_text(
        "#!/bin/sh\nmkdir -p $CARGO_TARGET_DIR/release; cp /bin/ls $CARGO_TARGET_DIR/release/henyey\n".replace(
            "$CARGO_TARGET_DIR", '"$CARGO_TARGET_DIR"'
        )
    )
    said: list[str] = []
    with pytest.raises(MonitorError, match=r"ended at once.*monitor\.log"):
        start_henyey(data, repo, Console(said.append, lambda _: None))
    assert [line for line in said if "mainnet" in line], "ls names the option that it does not know"
    assert not data.env_file.exists()
    (session,) = sessions(data)
    assert (session / "build_sha").exists()


def test_a_failed_build_leaves_no_env_file(data: DataRoot, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_FAILS", "1")
    shown: list[bytes] = []
    with pytest.raises(MonitorError, match="cargo build failed"):
        start_henyey(data, repo, Console(lambda _: None, shown.append))
    assert b"could not compile" in b"".join(shown)
    assert not data.env_file.exists()


@pytest.mark.parametrize(
    ("database", "bucket"), [(b"SQLite format 3\0", False), (b"SQLite format 3\0", True), (b"", True), (None, True)]
)
def test_the_embedded_node_is_not_let_loose_on_a_real_nodes_data(
    data: DataRoot, database: bytes | None, bucket: bool
) -> None:
    mainnet = data.path / "mainnet"
    (mainnet / "buckets").mkdir(parents=True)
    if database is not None:
        (mainnet / "mainnet.db").write_bytes(database)
    if bucket:
        (mainnet / "buckets/bucket-1.bucket.xdr").touch()
    with pytest.raises(MonitorError, match="real node's data"):
        start_embedded(data)
    assert procfs.find_nodes(data) == ()


def test_henyey_is_not_started_on_what_the_embedded_node_left(data: DataRoot, repo: Path) -> None:
    (data.path / "mainnet").mkdir(parents=True)
    (data.path / "mainnet/mainnet.db").write_text('{"ledger": 7, "close_time": 1}')
    with pytest.raises(MonitorError, match="the embedded node's"):
        start_henyey(data, repo)
    assert sessions(data) == []


# --- cron --------------------------------------------------------------------------------------------------------


def test_cron_goes_in_with_start_and_out_with_stop(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_crontab(tmp_path / "bin", monkeypatch)
    table.write_text("MAILTO=op\n")
    world.run()
    assert not world.start().crontab_installed
    assert table.read_text() == "MAILTO=op\n", "only printed"
    started = world.start(install_cron=True)
    assert started.crontab_installed
    assert "is in your crontab" in verb.render(started)
    assert started.crontab_line in table.read_text().splitlines()
    assert world.start().crontab_installed, "an attach does not forget it"
    ended = end(world.data, proc=world.proc)
    assert ended.crontab_removed
    assert "taken out" in stop.render(ended)
    assert table.read_text() == "MAILTO=op\n"
    assert not noderecord.read(world.data).crontab_installed


def test_no_cron_is_said_and_no_reason_to_fail(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = make_crontab(tmp_path / "bin", monkeypatch)
    (tmp_path / "bin/crontab").write_text("#!/bin/sh\necho 'you may not' >&2; exit 1\n")
    world.run()
    started = world.start(install_cron=True)
    assert not started.crontab_installed
    assert [warning for warning in started.warnings if "you may not" in warning]
    assert not table.exists()


def test_what_the_node_has_from_its_environment_is_named_and_no_value(world: World) -> None:
    """What a tick relaunches has cron's environment."""
    world.run()
    environ = world.proc / "4242/environ"
    environ.write_bytes(b"HOME=/root\0RUST_LOG=info\0")
    assert world.start().warnings == ()
    environ.write_bytes(b"RS_STELLAR_CORE_NODE_SEED=SECRET\0RS_STELLAR_CORE_LOG_LEVEL=info\0")
    (warning,) = world.start().warnings
    assert warning.startswith(
        "the node has RS_STELLAR_CORE_LOG_LEVEL, RS_STELLAR_CORE_NODE_SEED in its environment; set them in the crontab"
    )


# --- status ------------------------------------------------------------------------------------------------------


def test_status_before_anything(data: DataRoot) -> None:
    seen = status_verb.status(data, now(), procfs.PROC)
    assert "monitor-loop start" in status_verb.render(seen, now())
    assert not data.path.exists()


def test_status_tells_the_last_tick_and_the_next(world: World) -> None:
    world.run()
    session = world.start().session
    at = datetime(2026, 5, 9, 3, 43, tzinfo=timezone.utc)
    session.history.write_text('{"ts":"2026-05-09T03:43:00Z","status":"WARNING","ledger":62484000}\n')
    before = {path: path.stat().st_mtime_ns for path in world.data.path.rglob("*")}
    soon, late = at + timedelta(minutes=4), at + timedelta(minutes=21)
    seen = status_verb.status(world.data, soon, world.proc)
    text = status_verb.render(seen, soon)
    assert f"node:     running PID=4242 session={ID} since 2026-05-01 00:00:10Z (8 days, 3:46:50)" in text.splitlines()
    assert "tick:     WARNING L62484000, 0:04:00 ago; next expected 2026-05-09 04:03:00Z" in text.splitlines()
    assert "overdue" in status_verb.render(status_verb.status(world.data, late, world.proc), late)
    assert '"next_tick_at":"2026-05-09T04:03:00Z"' in status_verb.to_json(seen)
    assert {path: path.stat().st_mtime_ns for path in world.data.path.rglob("*")} == before


def test_status_tells_the_ticks_that_did_not_look(world: World) -> None:
    world.run()
    session = world.start().session
    mark = '{"ts":"2026-05-09T%s:00Z","status":"%s","self_reflect":"pid 7"}\n'
    session.history.write_text(mark % ("03:23", "SKIPPED"))
    assert "none yet; monitor-tick runs one; 1 skipped since" in tick_line(world)
    with session.history.open("a") as file:
        file.write('{"ts":"2026-05-09T03:43:00Z","status":"OK","ledger":62484000}\n')
    assert "since" not in tick_line(world)
    with session.history.open("a") as file:
        file.write(mark % ("04:03", "SKIPPED") + mark % ("04:23", "SKIPPED") + mark % ("04:43", "OVERLONG"))
    assert "OK L62484000, 8:17:00 ago; 2 skipped since; 1 over its deadline since; next" in tick_line(world)


def tick_line(world: World) -> str:
    text = status_verb.render(status_verb.status(world.data, NOW, world.proc), NOW)
    return next(line for line in text.splitlines() if line.startswith("tick:"))


def test_status_of_a_stopped_session(world: World) -> None:
    world.run()
    world.start()
    noderecord.write(world.data, replace(noderecord.read(world.data), stopped=Stopped(NOW, "op")))
    text = status_verb.render(status_verb.status(world.data, NOW, world.proc), NOW)
    assert "stopped:  by op at 2026-05-09 12:00:00Z; but a node runs" in text
    world.kill()
    text = status_verb.render(status_verb.status(world.data, NOW, world.proc), NOW)
    assert "node:     not running" in text
    assert "stopped:  by op at 2026-05-09 12:00:00Z; monitor-loop start resumes" in text
    assert "next expected" not in text


def test_status_survives_damage_and_says_it(data: DataRoot) -> None:
    data.path.mkdir()
    data.env_file.write_text("nonsense")
    data.node_record.write_text("{")
    seen = status_verb.status(data, now(), procfs.PROC)
    assert len(seen.problems) == 2
