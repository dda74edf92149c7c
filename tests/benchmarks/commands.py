"""Run a command to its end and say what it cost."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.benchmarks.figures import NotMeasured

CHECKOUT = Path(__file__).parents[2]
RUNTIME_PACKAGES = ("click", "requests", "prometheus_client", "psutil", "tomli")
EMPTY = (sys.executable, "-c", "pass")
PACKAGES = (sys.executable, "-c", f"import {', '.join(RUNTIME_PACKAGES)}")
DEADLINE_SECONDS = 300

_TICK = "import sys; from monitor_tick.cli import main; sys.exit(main())"
_INSTRUCTIONS = re.compile(r"I\s+refs:\s+([\d,]+)")


def tick_command(*arguments: str) -> tuple[str, ...]:
    """What the console script does, under this interpreter."""
    return (sys.executable, "-c", _TICK, *arguments)


class Notes(msgspec.Struct, frozen=True):
    """What one process took; `status` is its exit code."""

    status: int
    output: str
    peak_rss_kb: int
    read_bytes: int
    fsyncs: int
    modules: frozenset[str]


def needed(*programs: str) -> None:
    """Raises NotMeasured where one is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise NotMeasured(f"needs {', '.join(missing)}")


def run(argv: Sequence[str], status: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Raises RuntimeError where it ends otherwise than with `status`; None: any will do."""
    environment = os.environ | {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed tick has its bytecode
    ran = subprocess.run(
        argv, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    if status is not None and ran.returncode != status:
        raise RuntimeError(f"{' '.join(argv)} ended with {ran.returncode}: {ran.stderr.strip()[-500:]}")
    return ran


def instructions(argv: Sequence[str], status: int = 0) -> int:
    """Ir of valgrind's cachegrind. The caller has run the command once, so that its bytecode is there."""
    needed("valgrind")
    tool = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    found = _INSTRUCTIONS.search(run((*tool, *argv), status).stderr)
    if found is None:
        raise RuntimeError("valgrind printed no instruction count")
    return int(found[1].replace(",", ""))


def cpu_seconds(argv: Sequence[str], status: int | None = 0) -> float:
    """User and system time of the command and all its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(argv, status)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def witnessed(*command: str, status: int = 0) -> Notes:
    """A run under witness.py; `command` begins with MODULE:FUNCTION or `import`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "notes"
        ran = run((sys.executable, "-m", "tests.benchmarks.witness", str(path), *command), status)
        notes = dict(line.split("=", 1) for line in path.read_text("utf-8").splitlines())
    return Notes(
        status=ran.returncode,
        output=ran.stdout + ran.stderr,
        peak_rss_kb=int(notes["peak_rss_kb"]),
        read_bytes=int(notes["read_bytes"]),
        fsyncs=int(notes["fsyncs"]),
        modules=frozenset(notes["modules"].split()),
    )
