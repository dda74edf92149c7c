from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from monitor_loop import procfs
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Identity, Mode, Process, Session
from tests.monitor_loop.checkouts import only_node
from tests.proctree import BOOT_ID, BOOTED_AT, make_proc, make_process, start_ticks_at

RUN = ("henyey", "--mainnet", "run", "--validator", "-c", "configs/validator-mainnet-rpc.toml")


@pytest.fixture
def data(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "data")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return make_proc(tmp_path / "proc")


def binary(data: DataRoot, session_id: str = "8f7e6d5c") -> Path:
    return data.path / session_id / "cargo-target/release/henyey"


def session_of(data: DataRoot, session_id: str = "8f7e6d5c") -> Session:
    return Session(
        data=data,
        id=session_id,
        mode=Mode.VALIDATOR,
        config="configs/validator-mainnet-rpc.toml",
        admin_port=11627,
        rpc_port=8000,
        run_flags="--validator",
        binary=binary(data, session_id),
        repo=data.path,
    )


@contextmanager
def real_node(data: DataRoot, session_id: str = "8f7e6d5c") -> Iterator[Process]:
    """A real process whose exe is the session's binary and whose argv holds `run` (sh ignores what follows -c)."""
    path = binary(data, session_id)
    path.parent.mkdir(parents=True)
    shutil.copy("/bin/sh", path)
    child = subprocess.Popen([path, "-c", "while :; do read line; done", "run"], stdin=subprocess.PIPE)
    try:
        yield only_node(data)
    finally:
        child.kill()
        child.communicate()


# --- which processes count ---------------------------------------------------------------------------------------


def test_a_node_is_read_whole(data: DataRoot, proc: Path) -> None:
    started = datetime(2026, 5, 9, 3, 0, tzinfo=timezone.utc)
    log = data.path / "8f7e6d5c/logs/monitor.log"
    make_process(proc, 4242, binary(data), RUN, start_ticks_at(started), cwd="/srv/henyey", stdout=log)
    assert procfs.find_nodes(data, proc) == (
        Process(
            identity=Identity(4242, start_ticks_at(started), BOOT_ID),
            session_id="8f7e6d5c",
            exe=binary(data),
            deleted=False,
            argv=RUN,
            cwd=Path("/srv/henyey"),
            started_at=started,
            stdout=str(log),
        ),
    )


def test_L01_arguments_that_merely_say_henyey_run_are_no_node(data: DataRoot, proc: Path) -> None:
    make_process(proc, 10, "/usr/bin/vim", ("vim", "henyey run", str(binary(data)), "run"), comm="henyey")
    make_process(proc, 11, "/usr/bin/bash", ("bash", "-c", f"{binary(data)} --mainnet run --validator"))
    assert procfs.find_nodes(data, proc) == ()


@pytest.mark.parametrize(
    "exe",
    [
        "8f7e6d5c/cargo-target/debug/henyey",
        "8f7e6d5c/cargo-target/release/henyey-cli",
        "8f7e6d5c/cargo-target/release/deps/henyey",
        "8f7e6d5c/extra/cargo-target/release/henyey",
        "cargo-target/release/henyey",
        "/cargo-target/release/henyey",
        "8f7e6d5c/cargo-target/release/henyey (deleted) (deleted)",
        "8f7e6d5c/x-cargo-target/release/henyey",
    ],
)
def test_L02_the_exe_must_be_exactly_a_sessions_release_binary(data: DataRoot, proc: Path, exe: str) -> None:
    make_process(proc, 10, f"{data.path}/{exe}", RUN)
    assert procfs.find_nodes(data, proc) == ()
    assert procfs.node_pids(data, proc) == ()


def test_L02_another_sessions_or_data_roots_binary_is_not_ours(data: DataRoot, proc: Path) -> None:
    make_process(proc, 10, binary(data, "other"), RUN)
    make_process(proc, 11, binary(DataRoot(Path(f"{data.path}-two"))), RUN)
    assert procfs.node_pids(data, proc) == ((10, "other"),)
    assert procfs.node_of(session_of(data), proc) is None


def test_L03_two_nodes_of_one_session_are_refused_by_name(data: DataRoot, proc: Path) -> None:
    make_process(proc, 10, binary(data), RUN)
    make_process(proc, 9, binary(data), RUN)
    with pytest.raises(MonitorError, match="PID=9 session=8f7e6d5c, PID=10 session=8f7e6d5c"):
        procfs.node_of(session_of(data), proc)


def test_L03_a_node_of_another_session_is_listed_but_not_taken_for_ours(data: DataRoot, proc: Path) -> None:
    make_process(proc, 10, binary(data), RUN)
    make_process(proc, 9, binary(data, "second"), RUN)
    assert [process.pid for process in procfs.find_nodes(data, proc)] == [9, 10]
    mine = procfs.node_of(session_of(data), proc)
    assert mine is not None
    assert mine.pid == 10


def test_L04_a_node_whose_binary_was_rebuilt_is_still_found(data: DataRoot, proc: Path) -> None:
    make_process(proc, 10, binary(data), RUN, deleted=True)
    (process,) = procfs.find_nodes(data, proc)
    assert process.deleted
    assert process.exe == binary(data)
    assert procfs.still_runs(process, proc)


def test_L04_a_real_node_outlives_its_binary(data: DataRoot) -> None:
    with real_node(data) as process:
        binary(data).unlink()
        shutil.copy("/bin/sh", binary(data))
        assert procfs.node_of(session_of(data)) == msgspec.structs.replace(process, deleted=True)
        assert procfs.still_runs(process)


def test_a_nodes_own_child_between_fork_and_exec_is_no_second_node(data: DataRoot, proc: Path) -> None:
    make_process(proc, 10, binary(data), RUN)
    make_process(proc, 11, binary(data), RUN, parent=10)
    assert [process.pid for process in procfs.find_nodes(data, proc)] == [10]
    shutil.rmtree(proc / "10")
    assert [process.pid for process in procfs.find_nodes(data, proc)] == [11]


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_zombie_is_no_node(data: DataRoot, proc: Path, state: str) -> None:
    make_process(proc, 10, binary(data), RUN, state=state)
    assert procfs.find_nodes(data, proc) == ()
    assert procfs.node_pids(data, proc) == ()


def test_only_the_subcommand_run_counts(data: DataRoot, proc: Path) -> None:
    make_process(proc, 10, binary(data), ("henyey", "catchup", "--running", "run-now"))
    make_process(proc, 11, binary(data), ())
    assert procfs.find_nodes(data, proc) == ()


def test_a_data_root_with_glob_characters_is_taken_literally(tmp_path: Path, proc: Path) -> None:
    data = DataRoot(tmp_path / "da[t]a * ?")
    make_process(proc, 10, binary(data), RUN)
    make_process(proc, 11, binary(DataRoot(tmp_path / "data * ?")), RUN)
    assert procfs.node_pids(data, proc) == ((10, "8f7e6d5c"),)


@pytest.mark.parametrize("missing", ["exe", "cmdline", "stat"])
def test_what_cannot_be_read_is_skipped(data: DataRoot, proc: Path, missing: str) -> None:
    (make_process(proc, 10, binary(data), RUN) / missing).unlink()
    make_process(proc, 11, binary(data), RUN)
    (proc / "self").symlink_to("11")
    (proc / "12").mkdir()
    (proc / "13").write_text("")
    assert [process.pid for process in procfs.find_nodes(data, proc)] == [11]


def test_pid_and_session_need_only_exe_and_cmdline(data: DataRoot, proc: Path) -> None:
    directory = make_process(proc, 10, binary(data), ())
    (directory / "cmdline").write_bytes(b"henyey\0run")  # no NUL at the end
    (directory / "stat").unlink()
    assert procfs.node_pids(data, proc) == ((10, "8f7e6d5c"),)


@pytest.mark.parametrize("comm", ["a b", "x) Z 1 2", "(((", ") R 0 0 0"])
def test_start_ticks_are_counted_from_the_last_bracket(data: DataRoot, proc: Path, comm: str) -> None:
    make_process(proc, 10, binary(data), RUN, start_ticks=123456, comm=comm)
    assert [process.identity.start_ticks for process in procfs.find_nodes(data, proc)] == [123456]


@pytest.mark.parametrize("content", ["", "10", "10 (henyey", "10 (henyey) S 1 2", "10 (henyey) S " + "x " * 30])
def test_a_damaged_stat_is_no_process(data: DataRoot, proc: Path, content: str) -> None:
    make_process(proc, 10, binary(data), RUN)
    (proc / "10/stat").write_text(content)
    assert procfs.find_nodes(data, proc) == ()


def test_only_the_exe_of_a_foreign_process_is_read(data: DataRoot, proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_process(proc, 10, "/usr/bin/python3", ("python3", "run"))

    def refused(path: Path) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr(procfs, "_bytes", refused)
    assert procfs.find_nodes(data, proc) == ()


# --- the machine -------------------------------------------------------------------------------------------------


def test_boot_id_and_time(proc: Path) -> None:
    assert procfs.boot_id(proc) == BOOT_ID
    assert procfs.boot_time(proc) == BOOTED_AT


def test_a_kernel_that_hides_them(proc: Path) -> None:
    (proc / "sys/kernel/random/boot_id").unlink()
    (proc / "stat").write_text("cpu 1\nbtime soon\n")
    assert procfs.boot_id(proc) == "unknown"
    with pytest.raises(MonitorError, match="has no btime"):
        procfs.boot_time(proc)


def test_a_real_start_is_seen_at_its_time(data: DataRoot) -> None:
    with real_node(data) as process:
        assert abs(datetime.now(timezone.utc) - process.started_at) < timedelta(minutes=5)
        assert process.cwd == Path.cwd()
        assert procfs.birth_of(process.pid) == (process.identity, process.started_at)


def test_the_birth_of_nothing(proc: Path) -> None:
    assert procfs.birth_of(10, proc) is None


# --- the same one ------------------------------------------------------------------------------------------------


def test_still_runs_tells_runs_apart(data: DataRoot, proc: Path) -> None:
    make_process(proc, 10, binary(data), RUN, start_ticks=500)
    (process,) = procfs.find_nodes(data, proc)
    assert procfs.still_runs(process, proc)
    make_process(proc, 10, binary(data), RUN, start_ticks=501)
    assert not procfs.still_runs(process, proc)
    make_process(proc, 10, binary(data, "other"), RUN, start_ticks=500)
    assert not procfs.still_runs(process, proc)
    make_process(proc, 10, binary(data), RUN, start_ticks=500, state="Z")
    assert not procfs.still_runs(process, proc)
    shutil.rmtree(proc / "10")
    assert not procfs.still_runs(process, proc)


# --- signals -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Signal numbers that really went out."""
    numbers: list[int] = []
    send = signal.pidfd_send_signal

    def traced(fd: int, signum: int) -> None:
        send(fd, signum)
        numbers.append(signum)

    monkeypatch.setattr(signal, "pidfd_send_signal", traced)
    return numbers


def test_a_real_node_gets_its_signal(data: DataRoot, sent: list[int]) -> None:
    with real_node(data) as process:
        assert procfs.send_signal(process, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1]) == -signal.SIGTERM
        assert not procfs.send_signal(process, signal.SIGKILL)
    assert sent == [signal.SIGTERM]


def test_L01_a_reused_pid_is_never_signalled(data: DataRoot, sent: list[int]) -> None:
    with real_node(data) as process:
        ticks = process.identity.start_ticks - 1
        earlier = msgspec.structs.replace(process, identity=Identity(process.pid, ticks, process.identity.boot_id))
        assert not procfs.send_signal(earlier, signal.SIGKILL)
        other = msgspec.structs.replace(process, exe=binary(data, "another"))
        assert not procfs.send_signal(other, signal.SIGKILL)
        assert procfs.still_runs(process)
    assert sent == []


def test_a_zombie_is_not_signalled(data: DataRoot, sent: list[int]) -> None:
    with real_node(data) as process:
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not procfs.still_runs(process)
        assert not procfs.send_signal(process, signal.SIGTERM)
    assert sent == []


def test_a_made_up_proc_signals_no_real_process(data: DataRoot, proc: Path, sent: list[int]) -> None:
    with real_node(data, "elsewhere") as real:
        make_process(proc, real.pid, binary(data), RUN)
        made_up = procfs.node_of(session_of(data), proc)
        assert made_up is not None
        assert not procfs.send_signal(made_up, signal.SIGKILL, proc)
        assert procfs.still_runs(real)
    assert sent == []


def test_a_signal_that_is_not_allowed_is_a_refusal(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(fd: int, signum: int) -> None:
        raise PermissionError

    with real_node(data) as process:
        monkeypatch.setattr(signal, "pidfd_send_signal", denied)
        with pytest.raises(MonitorError, match=f"not allowed to signal pid {process.pid}"):
            procfs.send_signal(process, signal.SIGTERM)
