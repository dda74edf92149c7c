"""The only door to other programs that are waited for: own process group, a deadline, bounded output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from monitor_loop.errors import MonitorError

OUTPUT_LIMIT = 16 * 2**20
SEE_DOCTOR = " - see monitor-loop doctor"
_CHUNK = 65536
_LAST_READS = 16  # chunks; a pipe holds at most 1 MiB
_REAP_SECONDS = 1.0

_running: set[subprocess.Popen[bytes]] = set()


class Ran(msgspec.Struct, frozen=True):
    """How a program ended. `status` is its exit status, -N after signal N, None where the deadline passed and it was
    killed. `truncated`: it printed more than OUTPUT_LIMIT to one of the two, and the rest was thrown away."""

    status: int | None
    out: str
    err: str
    seconds: float
    truncated: bool = False


def run(
    argv: Sequence[str],
    *,
    deadline_seconds: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: bytes = b"",
) -> Ran:
    """Runs `argv` to its end, and kills what it left running in its group.

    A status other than 0 is a result; a program or a `cwd` that is not there is a MonitorError.
    """
    started = time.monotonic()
    child = _start(argv, cwd, env, bool(input))
    talk = _Talk(child, input)
    _running.add(child)
    try:
        ended = talk.until(started + deadline_seconds)
    finally:
        _kill_group(child)  # before the child is reaped: until then nobody else can have its group's number
        _running.discard(child)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a process stuck in the kernel
            child.wait(_REAP_SECONDS)
        talk.close()
    return Ran(
        status=child.returncode if ended else None,
        out=talk.out.decode("utf-8", "replace"),
        err=talk.err.decode("utf-8", "replace"),
        seconds=time.monotonic() - started,
        truncated=talk.truncated,
    )


def kill_children() -> None:
    """Kills every process group that `run` waits for: the last resort of a tick that is out of time."""
    for child in tuple(_running):
        _kill_group(child)


def _start(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, has_input: bool
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - never through a shell; the callers' argv are lists of their own
            list(argv),
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    except OSError as error:
        where = f" in {cwd}" if cwd else ""
        raise MonitorError(f"ERROR: cannot run {argv[0]}{where}: {error.strerror}{SEE_DOCTOR}") from None


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


class _Talk:
    """Feeds a child and collects what it prints; never waits for a grandchild that keeps the pipes open."""

    def __init__(self, child: subprocess.Popen[bytes], input: bytes) -> None:
        self.out, self.err = bytearray(), bytearray()
        self.truncated = False
        self._child = child
        self._input = memoryview(input)
        self._exit = os.pidfd_open(child.pid)
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._exit, selectors.EVENT_READ)
        for pipe, collected in ((child.stdout, self.out), (child.stderr, self.err)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._ready.register(pipe.fileno(), selectors.EVENT_READ, collected)
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
            self._ready.register(child.stdin.fileno(), selectors.EVENT_WRITE)

    def until(self, end: float) -> bool:
        """True once the child has ended; False when `end`, on the monotonic clock, came first."""
        while (left := end - time.monotonic()) > 0:
            for key, _ in self._ready.select(left):
                if key.fd == self._exit:
                    self._read_what_is_left()
                    return True
                if key.data is None:
                    self._feed(key.fd)
                else:
                    self._collect(key.fd, key.data)
        return False

    def close(self) -> None:
        self._ready.close()
        os.close(self._exit)
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _feed(self, fd: int) -> None:
        try:
            self._input = self._input[os.write(fd, self._input[:_CHUNK]) :]
        except BrokenPipeError:
            self._input = self._input[:0]
        if not self._input and self._child.stdin is not None:
            self._ready.unregister(fd)
            self._child.stdin.close()

    def _collect(self, fd: int, collected: bytearray) -> bool:
        """False when there is nothing more to read now."""
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._ready.unregister(fd)
            return False
        room = OUTPUT_LIMIT - len(collected)
        collected += chunk[:room]
        self.truncated |= len(chunk) > room
        return True

    def _read_what_is_left(self) -> None:
        for key in list(self._ready.get_map().values()):
            if key.data is not None:
                for _ in range(_LAST_READS):
                    if not self._collect(key.fd, key.data):
                        break
