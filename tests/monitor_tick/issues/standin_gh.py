"""A program in the place of gh that writes down how it was called and answers what a test laid out for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from monitor_tick.github.gh import Gh

# No quoting of sh stands between what the program got and what the test reads.
_PROGRAM = """#!{python} -IS
import json, os, pathlib, sys, time
here = pathlib.Path({directory!r})
number = len(list(here.glob("call-*")))
call = {{"argv": sys.argv[1:], "stdin": sys.stdin.buffer.read().decode(), "env": dict(os.environ), "cwd": os.getcwd()}}
(here / f"call-{{number}}").write_text(json.dumps(call))
answer = json.loads((here / f"answer-{{number}}").read_text())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.stdout.flush()
time.sleep(answer["sleep"])
sys.exit(answer["status"])
"""


class Call(msgspec.Struct, frozen=True):
    argv: list[str]
    stdin: str
    env: dict[str, str]
    cwd: str

    def value_of(self, flag: str) -> str:
        return self.argv[self.argv.index(flag) + 1]

    def values_of(self, flag: str) -> list[str]:
        return [value for name, value in zip(self.argv, self.argv[1:], strict=False) if name == flag]


class StandIn:
    """A call without an answer laid out for it exits 1 with a traceback, which no test takes for an answer of gh."""

    def __init__(self, directory: Path, name: str = "gh") -> None:
        self.directory = directory / f"{name}-calls"
        self.directory.mkdir()
        self.program = directory / name
        self.program.write_text(_PROGRAM.format(python=sys.executable, directory=str(self.directory)))
        self.program.chmod(0o700)
        self._answers = 0

    @property
    def gh(self) -> Gh:
        return Gh(str(self.program), "stellar/henyey")

    @property
    def calls(self) -> list[Call]:
        paths = sorted(self.directory.glob("call-*"), key=lambda path: int(path.name[5:]))
        return [msgspec.json.decode(path.read_bytes(), type=Call) for path in paths]

    def answers(self, out: object = "", *, err: str = "", status: int = 0, sleep: float = 0.0) -> None:
        """What the next call that has no answer yet prints; a value that is not text is printed as JSON."""
        text = out if isinstance(out, str) else json.dumps(out)
        answer = {"out": text, "err": err, "status": status, "sleep": sleep}
        (self.directory / f"answer-{self._answers}").write_text(json.dumps(answer))
        self._answers += 1

    def fails(self, err: str, status: int = 1) -> None:
        self.answers(err=err, status=status)
