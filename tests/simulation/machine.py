"""The machine that the node and its monitor run on: its /proc, its clock, its disk, and the strangers on it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tests.proctree import make_proc, make_process, start_ticks_at

_real_statvfs = os.statvfs

BLOCK = 4096
BLOCKS = 250_000_000  # about a terabyte
FULL_PCT = 100.0


class Machine:
    """`booted_at` is true time; what the machine says of a time is `offset` away from it.

    `available_mb` and `used_pct` are what it says of its memory and its disk.
    """

    def __init__(self, proc: Path, booted_at: datetime) -> None:
        self.proc = proc
        self.booted_at = booted_at
        self.offset = timedelta()
        self.used_pct = 40.0
        self._boots = 0
        self._last_pid = 4000
        self.boot(booted_at)

    @property
    def is_full(self) -> bool:
        return self.used_pct >= FULL_PCT

    def boot(self, at: datetime) -> None:
        """Every process is gone, and pids begin anew."""
        if self.proc.exists():
            shutil.rmtree(self.proc)
        self.booted_at = at
        self._boots += 1
        self._last_pid = 700
        self.proc.mkdir(parents=True)
        self.remember(20_000)
        self._write_clock()
        self.add(self.new_pid(), "/usr/sbin/cron", ["/usr/sbin/cron", "-f"], at, comm="cron")
        # A program of the same name, and one that has the node's command line in its own.
        self.add(self.new_pid(), "/opt/other/henyey", ["henyey", "--mainnet", "run"], at)
        self.add(self.new_pid(), "/usr/bin/bash", ["bash", "-c", "tail henyey --mainnet run"], at, comm="bash")

    def wall(self, at: datetime) -> datetime:
        return at + self.offset

    def jump(self, by: timedelta) -> None:
        """The clock is set; what counts from the boot stays, so that the time of the boot seems to move."""
        self.offset += by
        self._write_clock()

    def remember(self, available_mb: int) -> None:
        (self.proc / "meminfo").write_text(f"MemTotal: 32768000 kB\nMemAvailable: {available_mb * 1024} kB\n")

    def new_pid(self) -> int:
        self._last_pid += 7
        return self._last_pid

    def start_ticks(self, at: datetime) -> int:
        return start_ticks_at(at, self.booted_at)

    def add(
        self,
        pid: int,
        exe: Path | str,
        argv: Sequence[str],
        at: datetime,
        *,
        comm: str = "henyey",
        rss_mb: int = 100,
        stdout: Path | str = "/dev/null",
        cwd: Path | str = "/",
        opened: Sequence[Path] = (),
    ) -> None:
        ticks = self.start_ticks(at)
        directory = make_process(
            self.proc, pid, exe, argv, ticks, comm=comm, rss_kb=rss_mb * 1024, stdout=stdout, cwd=cwd
        )
        (directory / "maps").write_bytes(b"")
        for number, path in enumerate(opened, 5):
            (directory / "fd" / str(number)).symlink_to(path)

    def set_rss(self, pid: int, rss_mb: int) -> None:
        status = self.proc / str(pid) / "status"
        text = status.read_text()
        changed = re.sub(r"VmRSS:\t\d+ kB", f"VmRSS:\t{rss_mb * 1024} kB", text)
        if changed != text:
            status.write_text(changed)

    def remove(self, pid: int) -> None:
        shutil.rmtree(self.proc / str(pid))

    def lose(self, pid: int, name: str, now_at: str = "") -> None:
        """A file that it has open (`exe`, `fd/1`) has another name now, or none."""
        link = self.proc / str(pid) / name
        target = now_at or f"{link.readlink()} (deleted)"
        link.unlink()
        link.symlink_to(target)

    def strange(self, pid: int, at: datetime) -> None:
        """Another program gets this pid."""
        self.add(pid, "/usr/bin/rsync", ["rsync", "-a", "/var", "/backup"], at, comm="rsync")

    def statvfs(self, path: object) -> os.statvfs_result:
        """As the system call, with the use that the disk has here."""
        real = _real_statvfs(path)  # type: ignore[arg-type]
        free = int(BLOCKS * (1 - min(self.used_pct, FULL_PCT) / 100))
        return os.statvfs_result((BLOCK, BLOCK, BLOCKS, free, free, real.f_files, real.f_ffree, real.f_favail, 0, 255))

    def _write_clock(self) -> None:
        make_proc(self.proc, self.wall(self.booted_at), f"00000000-0000-4000-8000-{self._boots:012d}")
