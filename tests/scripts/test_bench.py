"""`scripts/bench --help` is an answer, not a job."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import main

BENCH = Path(__file__).parents[2] / "scripts/bench"


@pytest.mark.parametrize("arguments", [["--help"], ["--quick", "1", "--help"]])
def test_help_makes_no_environment(tmp_path: Path, arguments: list[str]) -> None:
    bench = tmp_path / "scripts/bench"
    bench.parent.mkdir()
    shutil.copy(BENCH, bench)
    (tmp_path / "scripts/setup").write_text("#!/bin/sh\necho setup ran; exit 9\n")
    (tmp_path / "scripts/setup").chmod(0o755)
    asked = subprocess.run([bench, *arguments], capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "setup ran" not in asked.stdout
    for option in (name for parameter in main.params for name in parameter.opts if name.startswith("-")):
        assert f"  {option} " in asked.stdout
    assert subprocess.run([bench, "1"], capture_output=True, check=False).returncode == 9, "what is measured needs one"
