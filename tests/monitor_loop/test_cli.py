"""The command line as a user meets it: real processes, exit statuses, one line for what he can mend."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor_loop.cli import cli
from tests.monitor_loop.checkouts import free_port, make_cargo, make_checkout, wait_for_end


def monitor_loop(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitor_loop", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_embedded_node_from_first_command_to_last(tmp_path: Path) -> None:
    root = ("--data-root", str(tmp_path / "data"))
    started = monitor_loop(*root, "start", "--embedded", "--speed", "20")
    try:
        assert started.returncode == 0, started.stderr
        assert "═══ MONITOR LOOP STARTED ═══" in started.stdout
        assert "Attached: no" in started.stdout
        seen = json.loads(monitor_loop(*root, "status", "--json").stdout)
        assert (len(seen["nodes"]), seen["stopped"], seen["schema"]) == (1, None, 1)
        broken = monitor_loop(*root, "embedded", "fault", "lag", "ledgers=40")
        assert broken.stdout.startswith("fault lag ledgers=40"), broken.stderr
        refused = monitor_loop(*root, "start", "--fresh")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith("ERROR: PID=")
        assert refused.stderr.count("\n") == 1
    finally:
        stopped = monitor_loop(*root, "stop", PYTHONIOENCODING="latin-1")
    assert stopped.returncode == 0, stopped.stderr
    assert "??? MONITOR LOOP STOPPED ???" in stopped.stdout, "a locale without the box is no reason to fail"
    assert json.loads(monitor_loop(*root, "status", "--json").stdout)["nodes"] == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_start_that_is_ended_leaves_no_build_behind(tmp_path: Path, signum: int) -> None:
    make_cargo(tmp_path / "bin")
    repo = make_checkout(tmp_path / "henyey", tmp_path / "data", http_port=free_port(), rpc_port=free_port())
    variables = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "CARGO_HANGS": str(tmp_path / "pids")}
    command = [
        sys.executable,
        "-m",
        "monitor_loop",
        "--data-root",
        str(tmp_path / "data"),
        "--repo",
        str(repo),
        "start",
    ]
    with subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True) as starting:
        assert starting.stderr is not None
        while "compiling" not in starting.stderr.readline():
            assert starting.poll() is None
        starting.send_signal(signum)
        starting.stderr.read()
    assert starting.returncode != 0
    for pid in (tmp_path / "pids").read_text().split():
        wait_for_end(pid)
    assert not (tmp_path / "data/monitor-loop.env").exists()


def test_variables_stand_for_options(tmp_path: Path) -> None:
    variables = {"MONITOR_DATA_ROOT": str(tmp_path / "data"), "MONITOR_REPO": str(tmp_path)}
    refused = monitor_loop("start", **variables)
    assert refused.returncode == 1
    assert refused.stderr == f"ERROR: {tmp_path} is no git checkout; name henyey's with --repo, or cd into it\n"
    nothing = monitor_loop("stop", **variables)
    assert (nothing.returncode, nothing.stdout.count("\n")) == (0, 1)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["start", "--help"]])
def test_light_paths_import_little(arguments: list[str]) -> None:
    """performance.md 3: what is not needed is not paid for."""
    script = (
        "import sys, contextlib\n"
        "from monitor_loop.cli import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "with contextlib.suppress(SystemExit): main()\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = set(ran.stderr.split())
    assert "click" in imported
    assert {"msgspec", "requests", "psutil", "prometheus_client", "monitor_loop.session"}.isdisjoint(imported)


@pytest.mark.parametrize("arguments", [["start", "--speed", "0"], ["stop", "--grace", "-1"], ["nonsense"]])
def test_misuse_is_status_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_the_embedded_verbs_answer_like_any_other(tmp_path: Path) -> None:
    root = ["--data-root", str(tmp_path)]
    shown = CliRunner().invoke(cli, [*root, "embedded", "fault", "--list"])
    assert shown.exit_code == 0
    assert "lag " in shown.output
    assert CliRunner().invoke(cli, [*root, "embedded", "--help"]).exit_code == 0
    assert CliRunner().invoke(cli, [*root, "embedded", "fault", "--nonsense"]).exit_code == 2
    refused = CliRunner().invoke(cli, [*root, "embedded", "fault", "lag"])
    assert refused.exit_code == 1
    assert "monitor-loop start" in refused.output


def test_doctor_and_cleanup_speak(tmp_path: Path) -> None:
    root = ["--data-root", str(tmp_path)]
    healthy = CliRunner().invoke(cli, [*root, "doctor", "--embedded"])
    assert healthy.exit_code == 0
    assert "data root" in healthy.output
    blocked = CliRunner().invoke(cli, [*root, "--repo", str(tmp_path), "doctor"])
    assert blocked.exit_code == 1
    assert "FAIL  checkout" in blocked.output
    assert "removed 0 items" in CliRunner().invoke(cli, [*root, "cleanup"]).output
    assert "would remove 0 items" in CliRunner().invoke(cli, [*root, "cleanup", "--dry-run"]).output


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EACCES, "check its owner and permissions"), (errno.ENOSPC, "free space on its disk")],
)
def test_what_only_the_operator_can_mend_is_one_line(
    number: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_data: object, _last: object) -> None:
        raise OSError(number, os.strerror(number), "/data/actions.jsonl")

    monkeypatch.setattr("monitor_loop.actions.look", refuse)
    refused = CliRunner().invoke(cli, ["--data-root", str(tmp_path), "actions"])
    assert refused.output == f"ERROR: /data/actions.jsonl: {os.strerror(number)} - {remedy}\n"
    assert refused.exit_code == 1


def test_an_error_that_is_nobodys_to_mend_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_data: object, _last: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor", "/data/actions.jsonl")

    monkeypatch.setattr("monitor_loop.actions.look", crash)
    crashed = CliRunner().invoke(cli, ["--data-root", str(tmp_path), "actions"])
    assert isinstance(crashed.exception, OSError)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_start_that_is_ended_after_the_launch_names_the_node_that_it_leaves(
    end: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launched(*_: object) -> None:
        raise end(1)

    monkeypatch.setattr("monitor_loop.start.start", launched)
    monkeypatch.setattr("monitor_loop.procfs.node_pids", lambda *_: [(4242, "0123abcd")])
    ended = CliRunner().invoke(cli, ["--data-root", str(tmp_path), "start", "--embedded"])
    assert "PID=4242 session=0123abcd runs: start attaches to it, monitor-loop stop ends it\n" in ended.output
    assert ended.exit_code == 1
