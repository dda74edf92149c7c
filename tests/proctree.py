"""A made-up /proc in a directory: what procfs and the probes read of a process, and of the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

BOOT_ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
BOOTED_AT = datetime(2026, 5, 1, tzinfo=timezone.utc)


def make_proc(proc_root: Path, booted_at: datetime = BOOTED_AT, boot_id: str = BOOT_ID) -> Path:
    """A /proc without processes; returns `proc_root`."""
    (proc_root / "sys/kernel/random").mkdir(parents=True, exist_ok=True)
    (proc_root / "sys/kernel/random/boot_id").write_text(f"{boot_id}\n")
    (proc_root / "stat").write_text(f"cpu  1 2 3 4\nbtime {int(booted_at.timestamp())}\nprocesses 4711\n")
    return proc_root


def start_ticks_at(started_at: datetime, booted_at: datetime = BOOTED_AT) -> int:
    """Field 22 of a process that started at `started_at`, on this machine's clock tick."""
    return round((started_at - booted_at).total_seconds() * os.sysconf("SC_CLK_TCK"))


def make_process(
    proc_root: Path,
    pid: int,
    exe: Path | str,
    argv: Sequence[str],
    start_ticks: int = 1000,
    *,
    state: str = "S",
    parent: int = 1,
    deleted: bool = False,
    cwd: Path | str = "/",
    stdout: Path | str = "/dev/null",
    comm: str = "henyey",
    rss_kb: int = 8 * 2**20,
    peak_kb: int = 9 * 2**20,
    vsz_kb: int = 20 * 2**20,
    threads: int = 12,
) -> Path:
    """Adds process `pid`, replacing an earlier one with that pid; makes the rest of `proc_root` if it is missing."""
    if not (proc_root / "stat").exists():
        make_proc(proc_root)
    directory = proc_root / str(pid)
    (directory / "fd").mkdir(parents=True, exist_ok=True)
    # Fields 3 (state), 4 (parent) and 22 (start_ticks); the others need no meaning.
    fields = [state, str(parent), *("0" for _ in range(17)), str(start_ticks), *("0" for _ in range(30))]
    (directory / "stat").write_text(f"{pid} ({comm}) {' '.join(fields)}\n")
    (directory / "cmdline").write_bytes(b"".join(os.fsencode(element) + b"\0" for element in argv))
    (directory / "status").write_text(
        f"Name:\t{comm}\nState:\t{state}\nPid:\t{pid}\nVmPeak:\t{vsz_kb} kB\nVmSize:\t{vsz_kb} kB\n"
        f"VmHWM:\t{peak_kb} kB\nVmRSS:\t{rss_kb} kB\nVmSwap:\t0 kB\nThreads:\t{threads}\n"
    )
    _link(directory / "exe", f"{exe} (deleted)" if deleted else str(exe))
    _link(directory / "cwd", str(cwd))
    _link(directory / "fd" / "1", str(stdout))
    return directory


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)
