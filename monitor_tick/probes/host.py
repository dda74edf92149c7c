"""The machine and the node's memory, read straight from /proc: importing psutil would cost a quarter of a tick."""

from __future__ import annotations

import os
from pathlib import Path

from monitor_loop import procfs
from monitor_loop.session import Process
from monitor_tick.facts import DiskUsage, HostMemory, Missing, ProcessMemory

_READ_LIMIT = 2**20
_KB_A_MB = 1024


def observe_process_memory(process: Process, proc: Path) -> ProcessMemory | Missing:
    """Memory of exactly this run. smaps_rollup needs the node's user or root; without it, it is empty."""
    directory = proc / str(process.pid)
    try:
        status = _kilobytes(directory / "status")
    except OSError as error:
        return Missing(f"/proc: {error.strerror}")
    try:
        smaps = _kilobytes(directory / "smaps_rollup")
    except OSError:
        smaps = {}
    if not procfs.still_runs(process, proc):
        return Missing("process gone")
    if "VmRSS" not in status:
        return Missing("no VmRSS")  # a process about to end has no memory left to report
    return ProcessMemory(
        rss_mb=status["VmRSS"] // _KB_A_MB,
        vsz_mb=status.get("VmSize", 0) // _KB_A_MB,
        peak_mb=status.get("VmPeak", 0) // _KB_A_MB,
        swap_mb=status.get("VmSwap", 0) // _KB_A_MB,
        threads=status.get("Threads", 0),
        smaps_rollup=tuple(smaps.items()),
    )


def observe_host_memory(proc: Path) -> HostMemory | Missing:
    try:
        meminfo = _kilobytes(proc / "meminfo")
    except OSError as error:
        return Missing(f"/proc: {error.strerror}")
    if "MemTotal" not in meminfo or "MemAvailable" not in meminfo:
        return Missing("no MemAvailable")
    return HostMemory(total_mb=meminfo["MemTotal"] // _KB_A_MB, available_mb=meminfo["MemAvailable"] // _KB_A_MB)


def observe_disk(path: Path) -> DiskUsage | Missing:
    """The file system of `path`. What is reserved for root counts neither as used nor as available, as in df."""
    try:
        disk = os.statvfs(path)
    except OSError as error:
        return Missing(f"{path.name}: {error.strerror}")
    used = disk.f_blocks - disk.f_bfree
    reachable = used + disk.f_bavail
    if reachable <= 0:
        return Missing("a file system without size")
    return DiskUsage(
        total_bytes=disk.f_blocks * disk.f_frsize,
        used_bytes=used * disk.f_frsize,
        used_pct=100 * used / reachable,
    )


def _kilobytes(path: Path) -> dict[str, int]:
    """`Name:  123 kB` lines; a plain count such as Threads likewise. Other lines are left out."""
    with path.open("rb") as file:
        text = file.read(_READ_LIMIT).decode("ascii", errors="replace")
    numbers: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdecimal() and words[1:] in ([], ["kB"]):
            numbers[name] = int(words[0])
    return numbers
