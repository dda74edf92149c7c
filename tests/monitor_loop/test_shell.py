from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from monitor_loop import shell
from monitor_loop.errors import MonitorError
from tests.descriptors import descriptors_of

AMPLE = 60.0  # never reached


def sh(program: str, **options: object) -> shell.Ran:
    return shell.run(["/bin/sh", "-c", program], deadline_seconds=AMPLE, **options)  # type: ignore[arg-type] # per test


def ends(pid: int) -> bool:
    """Whether `pid` is dead soon; a zombie that nobody reaped yet is dead enough."""
    for _ in range(10_000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_output_and_status_come_back_apart() -> None:
    ran = sh("echo out; echo err >&2; exit 3")
    assert (ran.status, ran.out, ran.err, ran.truncated) == (3, "out\n", "err\n", False)
    assert ran.seconds >= 0


def test_a_signal_is_a_negative_status() -> None:
    assert sh("kill -TERM $$").status == -signal.SIGTERM


def test_cwd_env_and_input(tmp_path: Path) -> None:
    ran = sh('pwd; echo "$ONLY"; cat', cwd=tmp_path, env={"ONLY": "this", "PATH": os.environ["PATH"]}, input=b"typed")
    assert ran.out == f"{tmp_path}\nthis\ntyped"


def test_without_input_stdin_is_empty() -> None:
    assert sh("cat; echo done").out == "done\n"


def test_input_larger_than_a_pipe_meets_output_larger_than_a_pipe() -> None:
    body = b"0123456789abcdef" * 2**16
    ran = sh("cat; cat /dev/null", input=body)
    assert ran.out.encode() == body


def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert sh("exit 0", input=b"x" * 2**20).status == 0


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert sh(r"printf 'a\377b'").out == "a\ufffdb"


@pytest.mark.parametrize("argv", [["/no/such/program"], ["no-such-program", "x"]])
def test_a_missing_program_is_a_refusal(argv: list[str]) -> None:
    with pytest.raises(
        MonitorError,
        match=rf"^ERROR: cannot run {argv[0]}: (No such file .*|Permission denied) - see monitor-loop doctor$",
    ):
        shell.run(argv, deadline_seconds=AMPLE)


def test_a_missing_directory_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(MonitorError, match=r"in /.*/gone"):
        sh("true", cwd=tmp_path / "gone")


def test_the_deadline_kills_the_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    program = f"sleep 600 & echo $! > {pid}.new; mv {pid}.new {pid}; trap '' TERM; echo begun; wait; sleep 600"
    monkeypatch.setattr(time, "monotonic", lambda: 1e9 if pid.exists() else 0.0)
    ran = sh(program)
    assert ran.status is None
    assert ends(int(pid.read_text()))


def test_a_grandchild_that_keeps_the_pipes_is_not_waited_for() -> None:
    ran = sh("sleep 600 & echo $!; echo done; exit 4")
    pid, done = ran.out.split()
    assert (ran.status, done) == (4, "done")
    assert ends(int(pid))


def test_all_output_of_a_quick_end_is_read() -> None:
    ran = sh("head -c 60000 /dev/zero | tr '\\0' x; sleep 600 &")
    assert len(ran.out) == 60000


def test_output_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "OUTPUT_LIMIT", 100_000)
    ran = sh("head -c 3000000 /dev/zero | tr '\\0' x; echo e >&2")
    assert (ran.status, len(ran.out), ran.err, ran.truncated) == (0, 100_000, "e\n", True)


def test_endless_output_ends_with_the_deadline() -> None:
    ran = shell.run(["/bin/sh", "-c", "yes"], deadline_seconds=0.1)
    assert ran.status is None
    assert len(ran.out) <= shell.OUTPUT_LIMIT


def test_kill_children_ends_what_runs() -> None:
    def kill() -> None:
        for _ in range(10_000):
            if shell._running:
                break
            time.sleep(0.01)
        shell.kill_children()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        ran = sh("sleep 600; echo never")
    finally:
        killer.join()
    assert ran.status == -signal.SIGKILL
    assert ran.out == ""
    shell.kill_children()  # nobody left: nothing to do


def test_no_descriptor_is_left_open() -> None:
    sh("true")
    before = descriptors_of(os.getpid())
    for _ in range(3):
        sh("cat", input=b"x")
        with pytest.raises(MonitorError):
            shell.run(["no-such-program"], deadline_seconds=AMPLE)
    assert descriptors_of(os.getpid()).items() <= before.items(), "a server of an earlier test may close its own"
