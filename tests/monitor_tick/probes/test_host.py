"""Memory and disk, from a made-up /proc and from this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from monitor_loop import procfs
from monitor_loop.session import DataRoot
from monitor_tick.facts import DiskUsage, HostMemory, Missing, ProcessMemory
from monitor_tick.probes.host import observe_disk, observe_host_memory, observe_process_memory
from tests.proctree import make_process

PID = 48211
STATUS = """Name:\thenyey
State:\tS (sleeping)
VmPeak:\t20971520 kB
VmSize:\t18874368 kB
VmRSS:\t 8388608 kB
VmSwap:\t    2048 kB
Threads:\t41
Cpus_allowed_list:\t0-1
"""
SMAPS = """55d0a0000000-7ffd00000000 ---p 00000000 00:00 0                          [rollup]
Rss:             8388608 kB
Pss:             8300000 kB
Anonymous:       6000000 kB
"""
MEMINFO = (
    "MemTotal:       32768000 kB\nMemFree:          100000 kB\nMemAvailable:   20480000 kB\nHugePages_Total:       0\n"
)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    exe = tmp_path / "data" / "1a2b3c4d" / "cargo-target" / "release" / "henyey"
    proc = tmp_path / "proc"
    process = make_process(proc, PID, exe, [str(exe), "run"])
    (process / "status").write_text(STATUS, encoding="ascii")
    (process / "smaps_rollup").write_text(SMAPS, encoding="ascii")
    (proc / "meminfo").write_text(MEMINFO, encoding="ascii")
    return proc


def observed(proc: Path) -> ProcessMemory | Missing:
    (process,) = procfs.find_nodes(DataRoot(proc.parent / "data"), proc)
    return observe_process_memory(process, proc)


def test_memory_of_the_node(proc: Path) -> None:
    assert observed(proc) == ProcessMemory(
        rss_mb=8192,
        vsz_mb=18432,
        peak_mb=20480,
        swap_mb=2,
        threads=41,
        smaps_rollup=(("Rss", 8388608), ("Pss", 8300000), ("Anonymous", 6000000)),
    )


def test_without_leave_to_read_smaps_the_rest_still_counts(proc: Path) -> None:
    (proc / str(PID) / "smaps_rollup").unlink()
    memory = observed(proc)
    assert isinstance(memory, ProcessMemory)
    assert (memory.rss_mb, memory.smaps_rollup) == (8192, ())


def test_a_process_about_to_end_has_no_memory_to_report(proc: Path) -> None:
    (proc / str(PID) / "status").write_text("Name:\thenyey\nThreads:\t1\n", encoding="ascii")
    assert observed(proc) == Missing("no VmRSS")


@pytest.mark.parametrize("what", ["status gone", "another process"])
def test_the_memory_of_another_run_is_not_the_nodes(proc: Path, what: str) -> None:
    (process,) = procfs.find_nodes(DataRoot(proc.parent / "data"), proc)
    if what == "status gone":
        (proc / str(PID) / "status").unlink()
        assert observe_process_memory(process, proc) == Missing("/proc: No such file or directory")
    else:
        make_process(proc, PID, process.exe, ["henyey", "run"], start_ticks=2000)
        assert observe_process_memory(process, proc) == Missing("process gone")


def test_memory_of_the_machine(proc: Path) -> None:
    assert observe_host_memory(proc) == HostMemory(total_mb=32000, available_mb=20000)


def test_a_kernel_that_does_not_say_what_is_available(proc: Path) -> None:
    (proc / "meminfo").write_text("MemTotal: 1 kB\n", encoding="ascii")
    assert observe_host_memory(proc) == Missing("no MemAvailable")
    (proc / "meminfo").unlink()
    assert observe_host_memory(proc) == Missing("/proc: No such file or directory")


def test_the_real_proc_is_read_too() -> None:
    memory = observe_host_memory(procfs.PROC)
    assert isinstance(memory, HostMemory)
    assert 0 < memory.available_mb <= memory.total_mb


def test_disk_as_df_counts(tmp_path: Path) -> None:
    disk = observe_disk(tmp_path)
    assert isinstance(disk, DiskUsage)
    assert disk.total_bytes == shutil.disk_usage(tmp_path).total
    assert 0 <= disk.used_pct <= 100


def test_what_root_reserves_is_neither_used_nor_available(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # 1000 blocks, 300 free, 200 of them for us: df says 700 / (700 + 200)
    blocks = os.statvfs_result((4096, 4096, 1000, 300, 200, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: blocks)
    assert observe_disk(tmp_path) == DiskUsage(
        total_bytes=4096000, used_bytes=2867200, used_pct=pytest.approx(77.7777778)
    )


def test_a_disk_that_cannot_be_asked(tmp_path: Path) -> None:
    assert observe_disk(tmp_path / "absent") == Missing("absent: No such file or directory")
