"""The functions of scripts/lib in a real bash; one process runs many calls, for each call starts a Python."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "scripts/lib"
FILES = ("monitor-decisions.sh", "deploy-quarantine.sh")
WORDS = "@"  # between two answers


def bash(script: str, *, library: Path = LIBRARY, cwd: Path | None = None, path: str | None = None) -> tuple[str, str]:
    """stdout and stderr of `script` under `set -u`, with both files sourced; it must end with status 0."""
    sourced = "".join(
        f". {shlex.quote(str(library / name))}\n" for name in ("monitor-decisions.sh", "deploy-quarantine.sh")
    )
    environment = {
        **os.environ,
        "PATH": path or f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    ran = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", f"set -u\n{sourced}{script}"],
        cwd=cwd, env=environment, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.decode(), ran.stderr.decode()


class Batch:
    """Calls to run in one bash, and for each what its status, variables and stdout are to be."""

    def __init__(self) -> None:
        self._calls: list[str] = []
        self._wanted: list[str] = []
        self._errors: list[str] = []

    def call(
        self, function: str, *arguments: object, gives: int = 0, out: str = "", err: str = "", **variables: str
    ) -> None:
        words = " ".join(shlex.quote(str(argument)) for argument in arguments)
        shown = "".join(f' "{name}=${name}"' for name in variables)
        self._calls.append(
            f'{function} {words} >"$out"; printf "%s{WORDS}" "{function}" "status=$?"{shown} "$(cat "$out")"; echo'
        )
        given = [function, f"status={gives}", *(f"{name}={value}" for name, value in variables.items()), out]
        self._wanted.append("".join(f"{word}{WORDS}" for word in given))
        if err:
            self._errors.append(err)

    def check(self, tmp_path: Path, **options: object) -> None:
        script = f"out={shlex.quote(str(tmp_path / 'out.txt'))}\n" + "\n".join(self._calls)
        out, err = bash(script, **options)  # type: ignore[arg-type]  # the options of bash, passed on
        assert out == "".join(f"{line}\n" for line in self._wanted)
        assert err.splitlines() == self._errors
