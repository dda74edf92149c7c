"""Real processes: a small program is copied to where the node's binary must be."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from monitor_loop import envfile, node, procfs
from monitor_loop.errors import MonitorError
from monitor_loop.files import Lock
from monitor_loop.session import DataRoot, Identity, Mode, NodeConfig, Process, Session
from tests.descriptors import descriptors_of
from tests.large_process import large_process
from tests.monitor_loop.checkouts import only_node
from tests.proctree import make_process

NOW = datetime(2026, 5, 9, 3, 40, 7, tzinfo=timezone.utc)
SEED = "S" + "A" * 55
RUNS_ON = "Opening database; while :; do sleep 1; done"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session whose binary is /bin/sh; every node that a test leaves running is killed after it."""
    made = Session(
        data=DataRoot(tmp_path.resolve() / "data"),
        id="8f7e6d5c",
        mode=Mode.VALIDATOR,
        config="configs/node.toml",
        admin_port=11627,
        rpc_port=8000,
        run_flags="--validator",
        binary=tmp_path / "data/8f7e6d5c/cargo-target/release/henyey",
        repo=tmp_path / "repo",
    )
    for directory in (made.logs, made.launch_path.parent, made.repo):
        directory.mkdir(parents=True)
    shutil.copy("/bin/sh", made.launch_path)
    yield made
    for kept in node._launched.values():  # right after its exec a node is not to be found yet
        if kept.child.poll() is None:
            os.killpg(kept.child.pid, signal.SIGKILL)
            kept.child.wait()
    for process in procfs.find_nodes(made.data):
        with contextlib.suppress(ProcessLookupError):  # a fork of a killed sh, which leads no group and is dying too
            os.killpg(process.pid, signal.SIGKILL)  # what sh started, too
        node.stop(process)


def running(session: Session, program: str) -> Session:
    """The launch prefix makes the copied sh run `program`; the node's own arguments become its $0, $1 and so on."""
    script = session.repo / "program"
    script.write_text(program)
    return msgspec.structs.replace(session, launch_prefix=f"'{script}'")


def launched(session: Session, program: str) -> tuple[Session, Process]:
    session = running(session, program)
    return session, node.launch(session, None, NOW)


def until_gone(session: Session) -> None:
    """The child that a killed sh was just forking is one more copy of it, for a moment."""
    for _ in range(10_000):
        if not procfs.find_nodes(session.data):
            return
        time.sleep(0.01)
    raise AssertionError("the node is still there")


def until_written(session: Session, text: str) -> None:
    for _ in range(10_000):
        if session.log.exists() and text in session.log.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(f"{text!r} was never written")


# --- launch ------------------------------------------------------------------------------------------------------


def test_a_launched_node_is_the_one_that_is_found(session: Session) -> None:
    session, process = launched(session, "while :; do sleep 1; done")
    assert only_node(session.data) == process
    assert process.argv[2:] == ("--mainnet", "run", "--validator", "-c", "configs/node.toml")
    assert process.cwd == session.repo
    assert abs(process.started_at - datetime.now(timezone.utc)) < timedelta(minutes=5)


def test_its_environment_stdin_and_output(session: Session) -> None:
    session.log.write_text("an earlier run\n")
    session, _ = launched(
        session, 'echo "RUST_LOG=$RUST_LOG"; echo "err" >&2; read x || echo "no input"; echo end; read x'
    )
    until_written(session, "end\n")
    assert session.log.read_text() == "an earlier run\nRUST_LOG=info\nerr\nno input\nend\n"


def test_L11_the_log_is_appended_to_also_after_somebody_truncates_it(session: Session) -> None:
    session.log.write_text("evidence\n")
    session, _ = launched(session, "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; sleep 60")
    until_written(session, "evidence\none\n")
    os.truncate(session.log, 0)
    (session.repo / "go").touch()
    until_written(session, "two\n")
    assert session.log.read_text() == "two\n"


def test_it_has_no_descriptor_of_ours(session: Session, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, process = launched(session, "sleep 60; :")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    targets = {Path(f"/proc/{process.pid}/fd/{fd}").readlink() for fd in (0, 1, 2)}
    assert targets == {Path("/dev/null"), session.log}
    assert str(tmp_path / "lock") not in descriptors_of(process.pid).values()


LAUNCHER = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from monitor_loop import envfile, node
from monitor_loop.files import Lock
from monitor_loop.session import DataRoot
data = DataRoot(Path(sys.argv[1]))
now = datetime(2026, 5, 9, tzinfo=timezone.utc)
lock = Lock.acquire(data.lock_file, "monitor-tick", now)
node.launch(envfile.read(data), None, now)
print("launched", flush=True)
sys.stdin.read()
"""


def test_it_outlives_the_launcher_and_its_process_group_without_the_lock(session: Session) -> None:
    session = running(session, "sleep 60; :")
    envfile.write(session)
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(session.data.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "launched\n"
    process = only_node(session.data)
    for signum in (signal.SIGHUP, signal.SIGKILL):
        os.killpg(launcher.pid, signum)
    launcher.communicate()
    assert procfs.still_runs(process)
    assert os.getsid(process.pid) == process.pid
    Lock.acquire(session.data.lock_file, "next", NOW).release()


def test_L04_a_second_launch_is_refused(session: Session) -> None:
    session, process = launched(session, "sleep 60; :")
    assert only_node(session.data) == process
    session.launch_path.unlink()
    shutil.copy("/bin/sh", session.launch_path)
    with pytest.raises(MonitorError, match=f"runs already: PID={process.pid}"):
        node.launch(session, None, NOW)


def config_of(tmp_path: Path) -> NodeConfig:
    return NodeConfig(
        database=tmp_path / "mainnet.db",
        buckets=tmp_path / "buckets",
        http_port=11627,
        rpc_port=8000,
        retention_window=360,
        maintenance_period_seconds=900,
        is_validator=True,
    )


def test_L11_a_leftover_lock_file_stops_nobody_and_a_held_one_is_refused(session: Session, tmp_path: Path) -> None:
    session = running(session, "sleep 60; :")
    with (tmp_path / "mainnet.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(MonitorError, match=r"mainnet\.lock is held by"):
            node.launch(session, config_of(tmp_path), NOW)
    assert procfs.node_of(session) is None
    process = node.launch(session, config_of(tmp_path), NOW)
    assert procfs.still_runs(process)
    assert (tmp_path / "mainnet.lock").exists()


def test_a_lock_that_the_kernel_is_about_to_let_go_of_is_waited_for(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = running(session, "sleep 60; :")
    held = (tmp_path / "mainnet.lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    monkeypatch.setattr(time, "sleep", lambda _: held.close())
    assert procfs.still_runs(node.launch(session, config_of(tmp_path), NOW))
    assert held.closed


def test_what_cannot_be_launched_is_refused_in_one_line(session: Session) -> None:
    session.launch_path.chmod(0o644)
    with pytest.raises(MonitorError, match=r"cannot run .*/henyey in .*: Permission denied - build it again"):
        node.launch(session, None, NOW)
    session.launch_path.unlink()
    with pytest.raises(MonitorError, match=r"cannot run .*/henyey in .*: No such file"):
        node.launch(session, None, NOW)
    session.launch_path.symlink_to("/bin/sh")
    with pytest.raises(MonitorError, match="is a link"):
        node.launch(session, None, NOW)
    shutil.rmtree(session.logs)
    with pytest.raises(MonitorError, match=r"cannot write .*monitor\.log"):
        node.launch(session, None, NOW)


def test_a_made_up_proc_does_not_hide_our_own_child(session: Session, tmp_path: Path) -> None:
    make_process(tmp_path / "proc", 999_999_999, "/usr/bin/other", ("other",))
    session = running(session, f"echo {RUNS_ON}")
    process = node.launch(session, None, NOW, tmp_path / "proc")
    assert only_node(session.data) == process
    assert node.verify(session, process, 60, tmp_path / "proc")[0]


# --- verify ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "2026-05-09T03:40:04.224988Z  INFO henyey::run_cmd: Starting henyey node mode=validator",
        "2026-05-09T03:40:04.224988Z  INFO henyey_app::app: Opening database path=/d/mainnet.db",
        "2026-05-09T03:40:04.224988Z  INFO henyey_history::catchup: Catching up to checkpoint 62484031",
        "2026-05-09T03:40:04.224988Z  INFO henyey_ledger::manager: Ledger closed ledger_seq=62483967",
        "2026-05-09T03:40:04.224988Z  INFO henyey_app::app::lifecycle: Heartbeat heartbeat=true ledger=62483966",
    ],
)
def test_a_sign_of_life_is_enough_at_once(session: Session, line: str) -> None:
    session, process = launched(session, f"echo '{line}'; while :; do sleep 1; done")
    assert node.verify(session, process, seconds=600) == (True, (line,))


def test_a_node_that_dies_ends_it_at_once_with_its_last_lines(session: Session) -> None:
    session, process = launched(session, "for i in $(seq 100); do echo line $i; done; echo 'Error: no' >&2; exit 1")
    alive, lines = node.verify(session, process, seconds=600)
    assert not alive
    assert lines == (*(f"line {number}" for number in range(72, 101)), "Error: no")
    assert not Path(f"/proc/{process.pid}").exists()  # reaped


def test_a_node_that_starts_and_then_dies_is_not_alive(session: Session) -> None:
    session, process = launched(session, "echo Starting henyey node; echo 'Error: database is locked'; exit 1")
    assert node.verify(session, process, seconds=600) == (
        False,
        ("Starting henyey node", "Error: database is locked"),
    )


def test_signs_of_an_earlier_run_do_not_count(session: Session) -> None:
    session.log.write_text("Starting\nheartbeat=true\n")
    session, process = launched(session, "while :; do sleep 1; done")
    assert node.verify(session, process, seconds=0) == (False, ())


def test_other_output_counts_at_the_end_and_errors_never(session: Session) -> None:
    session, process = launched(session, "echo hello; while :; do sleep 1; done")
    until_written(session, "hello\n")
    assert node.verify(session, process, seconds=0) == (True, ("hello",))
    node.stop(process, 0)
    until_gone(session)
    error = "2026-05-09T03:40:04.224988Z ERROR henyey: Starting HTTP failed"
    session, process = launched(session, f"echo '{error}'; while :; do sleep 1; done")
    until_written(session, "failed\n")
    assert node.verify(session, process, seconds=0) == (False, (error,))


def test_a_seed_that_the_node_quotes_is_not_shown(session: Session) -> None:
    session, process = launched(session, f"""echo 'Error: 5 | node_seed = "{SEED}"'; exit 1""")
    alive, lines = node.verify(session, process, seconds=600)
    assert not alive
    assert lines == ('Error: 5 | node_seed = "S... (a seed, hidden)"',)


def test_a_node_that_somebody_else_launched(session: Session) -> None:
    session, process = launched(session, "while :; do sleep 1; done")
    foreign = msgspec.structs.replace(process, identity=Identity(process.pid, 1, "other"))
    assert node.verify(session, foreign, seconds=600) == (False, ())


# --- stop --------------------------------------------------------------------------------------------------------


def test_a_node_that_obeys_is_terminated_and_reaped(session: Session) -> None:
    session, process = launched(session, "while :; do sleep 1; done")
    assert node.stop(process, 600) == "terminated"
    assert not Path(f"/proc/{process.pid}").exists()
    assert node.stop(process, 600) == "gone"


def test_a_node_that_does_not_obey_is_killed(session: Session) -> None:
    session, process = launched(session, "trap '' TERM; echo ready; while :; do sleep 1; done")
    until_written(session, "ready")
    assert node.stop(process, 0.1) == "killed"
    until_gone(session)


def test_a_child_that_died_is_gone_and_no_zombie(session: Session) -> None:
    _, process = launched(session, "exit 1")
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert node.stop(process, 600) == "gone"
    assert not Path(f"/proc/{process.pid}").exists()


def test_L01_a_reused_pid_is_not_stopped(session: Session) -> None:
    session, process = launched(session, "while :; do sleep 1; done")
    earlier = Identity(process.pid, process.identity.start_ticks - 1, process.identity.boot_id)
    assert node.stop(msgspec.structs.replace(process, identity=earlier), 0) == "gone"
    assert procfs.still_runs(process)


@pytest.mark.parametrize("ending", [False, True])
def test_a_node_is_gone_only_when_its_lock_is_free(tmp_path: Path, ending: bool) -> None:
    """As with a node of many GB: it has no exe any more, looks like a zombie, and still has its files open."""
    lock = tmp_path / "mainnet.lock"
    with large_process(lock) as process:
        if ending:
            os.kill(process.pid, signal.SIGTERM)
            while procfs.still_runs(process):
                time.sleep(0.005)
        how = node.stop(process, 0.01 if ending else 600)
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert how == ("gone" if ending else "terminated")


def test_it_waits_for_the_process_and_not_for_its_pid(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pid is another's as soon as the node has ended: that one is neither waited for nor killed."""
    sent: list[int] = []

    def send(process: Process, signum: int, proc: Path) -> bool:
        sent.append(signum)
        return True

    monkeypatch.setattr(procfs, "send_signal", send)
    monkeypatch.setattr(procfs, "still_runs", lambda process, proc: False)
    own = Process(
        identity=Identity(os.getpid(), 1, "x"),
        session_id=session.id,
        exe=session.launch_path,
        deleted=False,
        argv=(),
        cwd=session.repo,
        started_at=NOW,
    )
    assert node.stop(own, 600) == "terminated"
    assert sent == [signal.SIGTERM]


# --- rotate ------------------------------------------------------------------------------------------------------


def test_L11_the_log_is_put_aside_with_its_cause(session: Session) -> None:
    session.log.write_text("evidence\n")
    aside = node.rotate(session, "crashed", NOW.astimezone(timezone(timedelta(hours=5))))
    assert aside == session.logs / "monitor.log.crashed-20260509T034007Z"
    assert aside.read_text() == "evidence\n"
    assert not session.log.exists()
    assert node.rotate(session, "crashed", NOW) is None


def test_L11_no_evidence_is_overwritten(session: Session) -> None:
    for number in range(3):
        session.log.write_text(f"{number}")
        node.rotate(session, "crashed", NOW)
    assert {path.name: path.read_text() for path in session.logs.iterdir()} == {
        "monitor.log.crashed-20260509T034007Z": "0",
        "monitor.log.crashed-20260509T034008Z": "1",
        "monitor.log.crashed-20260509T034009Z": "2",
    }


def test_the_empty_log_of_a_launch_that_came_to_nothing_is_no_crash(session: Session) -> None:
    """Three of them would push the evidence out of what is kept, and count as crashes of the node."""
    session.log.touch()
    assert node.rotate(session, "crashed", NOW) is None
    assert list(session.logs.iterdir()) == [session.log]


@pytest.mark.parametrize("cause", ["", "../x", "a b", "A", "-x", "a\nb"])
def test_a_cause_is_a_word(session: Session, cause: str) -> None:
    session.log.write_text("x")
    with pytest.raises(ValueError, match="not a cause"):
        node.rotate(session, cause, NOW)
    assert session.log.exists()
