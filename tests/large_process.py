"""A process that takes its time to end, as a node of many GB does: its exe is gone long before its files are closed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from monitor_loop import procfs
from monitor_loop.session import Process

_PROGRAM = """
import ctypes, fcntl, os, platform, signal, sys, threading, time
EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
ending = threading.Event()

def end():
    ending.wait()
    time.sleep(0.5)
    os._exit(0)

def leave(*_):
    ending.set()
    ctypes.CDLL(None).syscall(EXIT, 0)  # the first thread alone

signal.signal(signal.SIGTERM, leave)
threading.Thread(target=end).start()
print("ready", flush=True)
while True:
    time.sleep(1)
"""


@contextlib.contextmanager
def large_process(lock: Path) -> Iterator[Process]:
    """It holds `lock`; SIGTERM begins its end, half a second later it is over."""
    child = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(lock)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        birth = procfs.birth_of(child.pid)
        assert birth is not None
        identity, started_at = birth
        exe = Path(f"/proc/{child.pid}/exe").readlink()
        yield Process(identity, "8f7e6d5c", exe, deleted=False, argv=(), cwd=Path.cwd(), started_at=started_at)
    finally:
        child.kill()
        child.communicate()
