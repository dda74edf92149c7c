"""A start with the real cargo, on a workspace whose crate is called henyey and needs nothing but the compiler."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from monitor_loop import envfile, noderecord, procfs
from monitor_loop.building import build, builder, deployjob
from monitor_loop.building.deployjob import Job, Phase
from monitor_loop.session import DataRoot, Session
from monitor_tick.catalog import load_rules
from monitor_tick.report import render_text
from monitor_tick.tick import tick
from tests.monitor_loop.checkouts import CONFIG, git, make_checkout

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed: no real build is tested"),
]

MAIN = """
use std::{env, fs, io::Write, net::TcpListener, thread, time::Duration};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let at = arguments.iter().position(|word| word == "-c").expect("-c");
    let config = fs::read_to_string(&arguments[at + 1]).expect("config");
    let value = |table: &str, key: &str| -> String {
        let rest = config.split(&format!("[{table}]")).nth(1).expect("table");
        let line = rest.lines().find(|line| line.starts_with(key)).expect("key");
        line.split('=').nth(1).unwrap().trim().trim_matches('"').to_string()
    };
    let database = value("database", "path");
    fs::create_dir_all(std::path::Path::new(&database).parent().unwrap()).unwrap();
    fs::write(&database, "").unwrap();
    let port: u16 = value("http", "port").parse().unwrap();
    let _server = TcpListener::bind(("127.0.0.1", port)).expect("bind");
    for ledger in 62483967u32.. {
        print!("2026-05-09T03:36:25.024042Z  INFO henyey_ledger::manager: ");
        println!("Ledger closed ledger_seq={ledger} tx_count=0 close_time=1778297784");
        std::io::stdout().flush().unwrap();
        thread::sleep(Duration::from_millis(200));
    }
}
"""


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataRoot]:
    data = DataRoot((tmp_path / "data").resolve())
    yield data
    for process in procfs.find_nodes(data):
        procfs.send_signal(process, signal.SIGKILL)


@pytest.fixture
def repo(tmp_path: Path, data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARGO_NET_OFFLINE", "true")
    with socket.create_server(("127.0.0.1", 0)) as http, socket.create_server(("127.0.0.1", 0)) as rpc:
        ports = http.getsockname()[1], rpc.getsockname()[1]
    repo = make_checkout(tmp_path / "henyey", data.path, *ports)
    (repo / "crates/henyey/src").mkdir()
    (repo / "crates/henyey/src/main.rs").write_text(MAIN)
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "a node")
    return repo


def monitor_loop(data: DataRoot, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor_loop", "--data-root", str(data.path), *arguments]
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran


def test_build_launch_attach_rebuild_stop(data: DataRoot, repo: Path, tmp_path: Path) -> None:
    started = monitor_loop(data, "start", cwd=repo)
    assert "Attached: no" in started.stdout
    (node,) = procfs.find_nodes(data)
    assert f"PID:      {node.pid}" in started.stdout
    session = envfile.read(data)
    assert session.binary == node.exe == session.launch_path
    assert node.argv == (str(node.exe), "--mainnet", "run", "--validator", "-c", CONFIG)
    assert node.cwd == repo
    # The build was shown live, kept, and named by its commit.
    assert "Compiling henyey" in started.stderr
    assert "Compiling henyey" in session.build_log.read_text()
    sha = git(repo, "rev-parse", "HEAD")
    assert session.build_sha.read_text() == f"{sha}\n"
    kept = session.binaries / sha
    assert subprocess.run(["sha256sum", "-c", "henyey.sha256"], cwd=kept, check=False).returncode == 0
    assert (kept / "validator-mainnet-rpc.toml").read_bytes() == (repo / CONFIG).read_bytes()
    record = noderecord.read(data)
    assert record.launched == node.identity
    assert record.fresh_start_since == node.started_at
    assert record.deployed_sha == sha

    # From elsewhere, as a cron job or another terminal would: the same process, untouched.
    again = monitor_loop(data, "start", cwd=tmp_path)
    assert "Attached: yes" in again.stdout
    assert procfs.find_nodes(data) == (node,)
    assert envfile.read(data) == session

    # The binary is rebuilt under the running node.
    (repo / "crates/henyey/src/main.rs").write_text(MAIN.replace("from_millis(200)", "from_millis(100)"))
    build.build(session, lambda _: None)
    assert str(Path(f"/proc/{node.pid}/exe").readlink()).endswith(" (deleted)")
    (rebuilt,) = procfs.find_nodes(data)
    assert rebuilt.deleted
    assert rebuilt.identity == node.identity
    assert "binary rebuilt since" in monitor_loop(data, "status", cwd=tmp_path).stdout
    assert f"PID:      {node.pid}" in monitor_loop(data, "start", cwd=tmp_path).stdout

    stopped = monitor_loop(data, "stop", cwd=tmp_path)
    assert f"PID={node.pid} ended on SIGTERM" in stopped.stdout
    assert procfs.find_nodes(data) == ()
    assert not procfs.still_runs(node)
    assert session.log.read_text().count("Ledger closed") > 0


def test_a_build_beside_the_node_and_a_wiped_session(data: DataRoot, repo: Path) -> None:
    """The builder, and a session that comes back, with what cargo really does to the files."""
    (repo / ".gitignore").write_text("Cargo.lock\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "as henyey has it")
    monitor_loop(data, "start", cwd=repo)
    session, (node,) = envfile.read(data), procfs.find_nodes(data)
    before = noderecord.read(data).deployed_sha
    (repo / "crates/henyey/src/main.rs").write_text(MAIN.replace("from_millis(200)", "from_millis(100)"))
    git(repo, "commit", "-q", "-a", "-m", "faster")
    target = git(repo, "rev-parse", "HEAD")
    builder.start(session, target, datetime.now(timezone.utc), 300.0)
    assert ended(data).phase is Phase.BUILT, ended(data).why
    assert build.is_kept(session, target)
    assert build.is_installed(session, before)
    assert (session.binaries / target / "henyey").read_bytes() != (session.binaries / before / "henyey").read_bytes()
    assert procfs.find_nodes(data)[0].identity == node.identity
    assert git(repo, "status", "--porcelain") == ""

    procfs.send_signal(node, signal.SIGKILL)
    while procfs.still_runs(node):
        time.sleep(0.05)
    shutil.rmtree(session.directory)
    first = ticked(session, minutes=20)
    assert "SESSION DIR WIPED — rebuilding" in first
    assert ended(data).phase is Phase.BUILT, ended(data).why
    second = ticked(session, minutes=40)
    (again,) = procfs.find_nodes(data)
    assert f"SESSION DIR WIPED — rebuilt + relaunched (new PID {again.pid})" in second
    assert session.build_sha.read_text() == f"{before}\n"


def ended(data: DataRoot) -> Job:
    while True:
        job = deployjob.poll(data, datetime.now(timezone.utc))
        assert job is not None
        if not job.is_building:
            return job
        time.sleep(0.05)


def ticked(session: Session, minutes: int) -> str:
    session = replace(session, tracker="directory", gh="")
    at = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    return render_text(tick(session, load_rules(), at, proc=procfs.PROC), colour=False)


def test_L01_a_process_that_talks_of_henyey_run_is_left_alone(data: DataRoot, repo: Path, tmp_path: Path) -> None:
    """Beside a real node: one that is called henyey, and one that has all the words in its arguments."""
    namesake = tmp_path / "henyey-elsewhere" / "henyey"
    namesake.parent.mkdir()
    shutil.copy("/bin/sleep", namesake)
    words = [f"{data.path}/0123abcd/cargo-target/release/henyey", "--mainnet", "run", "henyey run"]
    others = [subprocess.Popen([namesake, "600"]), subprocess.Popen(["sh", "-c", "read line", *words], stdin=-1)]
    try:
        monitor_loop(data, "start", cwd=repo)
        (node,) = procfs.find_nodes(data)
        assert node.pid not in [process.pid for process in others]
        monitor_loop(data, "stop", cwd=repo)
        assert procfs.find_nodes(data) == ()
        assert [process.poll() for process in others] == [None, None]
    finally:
        for process in others:
            process.kill()
            process.communicate()
