"""The two commands as an operator or cron runs them: real processes, and what they said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def monitor_loop(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _run("monitor_loop", data, arguments)


def monitor_tick(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _run("monitor_tick", data, arguments)


def begin_tick(data: Path, *arguments: str) -> subprocess.Popen[str]:
    """A tick that goes on while the test does something else."""
    return subprocess.Popen(
        _argv("monitor_tick", data, arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def tick_json(data: Path, *arguments: str) -> dict[str, Any]:
    """The report of a tick that must end well."""
    ran = monitor_tick(data, "--json", *arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def line(report: dict[str, Any], label: str) -> str:
    return " / ".join(report["lines"][label])


def tree_of(root: Path, but: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Every file under `root` with its bytes, without those whose path holds one of `but`: they are not even read."""
    paths = {str(path.relative_to(root)): path for path in sorted(root.rglob("*"))}
    ours = {name: path for name, path in paths.items() if not any(part in name for part in but)}
    return {name: path.read_bytes() for name, path in ours.items() if path.is_file()}


def _argv(module: str, data: Path, arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", module, "--data-root", str(data), *arguments]


def _run(module: str, data: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_argv(module, data, arguments), capture_output=True, text=True, timeout=120, check=False)
