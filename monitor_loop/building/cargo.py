"""cargo build --release -p henyey into a session: shown to whoever starts one, or unseen by the builder."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from monitor_loop.errors import MonitorError
from monitor_loop.session import Session

PACKAGE = "henyey"

_POLL_SECONDS = 0.5
_CHUNK_BYTES = 1 << 16
_ELSEWHERE = ("CARGO_BUILD_TARGET", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""What would make cargo put the binary elsewhere, or its build script ask another repository for the commit."""


def run(session: Session, sinks: list[Callable[[bytes], object]]) -> int:
    """cargo's exit status; its output goes to the sinks. Its whole process group dies with an interrupt."""
    output, writing_end = os.pipe()
    process = subprocess.Popen(  # noqa: S603 - the operator's own cargo, by absolute path
        _argv(session),
        cwd=session.repo,
        env=_environment(session),
        stdin=subprocess.DEVNULL,
        stdout=writing_end,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.close(writing_end)
    try:
        _tee(output, process, sinks)
        return process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        os.close(output)


def run_in(session: Session, checkout: Path, go_on: Callable[[], None]) -> int:
    """cargo's exit status, for the builder: in its process group, printing where it prints, and from `checkout`.

    `go_on` is called twice a second, and ends cargo by raising.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own cargo, by absolute path
            _argv(session), cwd=checkout, env=_environment(session), stdin=subprocess.DEVNULL
        )
    except OSError as error:
        program = session.cargo or "cargo"
        raise MonitorError(f"cannot run {program}: {error.strerror}; see monitor-loop doctor") from None
    with process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(_POLL_SECONDS)
                go_on()
        except BaseException:
            process.kill()
            raise


def _argv(session: Session) -> list[str]:
    return [session.cargo, "build", "--release", "-p", PACKAGE]


def _environment(session: Session) -> dict[str, str]:
    """Ours, with the directories of cargo and git at the end of the PATH, which cron keeps short."""
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    own = (str(Path(program).parent) for program in (session.cargo, session.git) if program)
    path = dict.fromkeys((*environment.get("PATH", os.defpath).split(os.pathsep), *own))
    return {**environment, "CARGO_TARGET_DIR": str(session.cargo_target), "PATH": os.pathsep.join(path)}


def _tee(output: int, process: subprocess.Popen[bytes], sinks: list[Callable[[bytes], object]]) -> None:
    """Pass on the output until it ends, or the process does: a daemon that the build started (sccache) may hold the
    pipe open for ever."""
    while True:
        ready, _, _ = select.select([output], [], [], _POLL_SECONDS)
        if not ready:
            if process.poll() is not None:
                return
            continue
        chunk = os.read(output, _CHUNK_BYTES)
        if not chunk:
            return
        for sink in sinks:
            sink(chunk)
