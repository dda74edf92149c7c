"""A henyey checkout for a real git, and the programs around it as shell scripts: cargo and crontab."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from monitor_loop import procfs
from monitor_loop.embedded.setup import free_ports
from monitor_loop.session import DataRoot, Process

PATIENCE_SECONDS = 120.0
CONFIG = "configs/validator-mainnet-rpc.toml"

FAKE_CARGO = """#!/bin/sh
[ "$1" = --version ] && { echo "cargo 1.95.0 (made up)"; exit 0; }
if [ -n "$CARGO_HANGS" ]; then sleep 60 & echo $$ $! > "$CARGO_HANGS"; echo compiling; wait; fi
echo "argv: $*"
echo "   Compiling henyey v26.0.0" >&2
[ -n "$CARGO_FAILS" ] && { echo "error: could not compile" >&2; exit 101; }
mkdir -p "$CARGO_TARGET_DIR/release"
printf '#!/bin/sh\\nexit 0\\n' > "$CARGO_TARGET_DIR/release/henyey"
chmod 755 "$CARGO_TARGET_DIR/release/henyey"
[ -n "$CARGO_DETACHES" ] && { sleep 60 & echo $! > "$CARGO_DETACHES"; }
exit 0
"""

FAKE_CRONTAB = """#!/bin/sh
if [ "$1" = -l ]; then
  [ -f "$CRONTAB_FILE" ] || { echo "no crontab for op" >&2; exit 1; }
  exec cat "$CRONTAB_FILE"
fi
[ "$1" = - ] && exec cat > "$CRONTAB_FILE"
exit 2
"""


def git(repo: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        **{f"GIT_{who}_{what}": "op@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    ran = subprocess.run(["git", *arguments], cwd=repo, env=environment, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def make_checkout(repo: Path, data: Path, http_port: int = 11627, rpc_port: int = 8000) -> Path:
    """A checkout with a package henyey, the validator's config, one commit and a GitHub remote."""
    make_empty_checkout(repo, data, http_port, rpc_port)
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "first")
    return repo


def make_empty_checkout(repo: Path, data: Path, http_port: int = 11627, rpc_port: int = 8000) -> Path:
    """The same before its first commit; made without a process, since many tests need one."""
    (repo / "crates/henyey").mkdir(parents=True)
    (repo / "configs").mkdir()
    (repo / "crates/henyey/Cargo.toml").write_text('[package]\nname = "henyey"\nversion = "26.0.0"\n')
    (repo / "Cargo.toml").write_text('[workspace]\nmembers = ["crates/henyey"]\n')
    (repo / CONFIG).write_text(
        f'[node]\nis_validator = true\n[database]\npath = "{data}/mainnet/mainnet.db"\n'
        f'[buckets]\ndirectory = "{data}/mainnet/buckets"\n'
        f"[http]\nport = {http_port}\n[rpc]\nenabled = true\nport = {rpc_port}\n"
    )
    for directory in ("objects", "refs/heads"):
        (repo / ".git" / directory).mkdir(parents=True)
    (repo / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (repo / ".git/config").write_text(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
        '[remote "origin"]\n\turl = https://user:ghp_secret@github.com/stellar-experimental/henyey.git\n'
    )
    return repo


def make_cargo(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "cargo"
    program.write_text(FAKE_CARGO)
    program.chmod(0o755)
    return program


def make_crontab(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crontab program, first on PATH, that keeps its table in the file that is returned."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "crontab"
    program.write_text(FAKE_CRONTAB)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("CRONTAB_FILE", str(directory / "table"))
    return directory / "table"


def free_port() -> int:
    """None that the kernel gives to whoever binds or connects meanwhile."""
    return free_ports(1)[0]


def only_node(data: DataRoot) -> Process:
    """The one node, once it is to be found: right after its exec /proc shows the new exe and no arguments yet."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := procfs.find_nodes(data)) and time.monotonic() < end:
        time.sleep(0.005)
    (process,) = found
    return process


def wait_for_end(pid: str) -> None:
    """A signal is delivered when the kernel gets to it; an orphan that init has not collected yet has ended."""
    end = time.monotonic() + PATIENCE_SECONDS
    while _runs(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def _runs(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
