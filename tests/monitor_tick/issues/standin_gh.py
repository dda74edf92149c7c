"""A program in the place of gh that writes down how it was called and answers what a test laid out for it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import msgspec

from monitor_tick.github.gh import Gh

# The arguments and the environment are what the kernel got: no quoting of sh stands between them and the test. In sh,
# since the start of an interpreter costs more than most of the tests that call it.
_PROGRAM = """#!/bin/sh
PATH=/usr/bin:/bin
cd {directory} || exit 1
number=0
while [ -e "call-$number.argv" ]; do number=$((number + 1)); done
cat > "call-$number.stdin"
cat /proc/$$/environ > "call-$number.env"
printf %s "$OLDPWD" > "call-$number.cwd"
cat /proc/$$/cmdline > "call-$number.argv"
read -r status seconds < "answer-$number" || exit 1
cat "answer-$number.out"
cat "answer-$number.err" >&2
[ "$seconds" = 0 ] || sleep "$seconds"
exit "$status"
"""
_INTERPRETER_ARGUMENTS = 2
"""What a call of the program begins with for the kernel: sh, and the path of the program."""


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
    """A call without an answer laid out for it exits 1 and sh says why, which no test takes for an answer of gh."""

    def __init__(self, directory: Path, name: str = "gh") -> None:
        self.directory = directory / f"{name}-calls"
        self.directory.mkdir()
        self.program = directory / name
        self.program.write_text(_PROGRAM.format(directory=shlex.quote(str(self.directory))))
        self.program.chmod(0o700)
        self._answers = 0

    @property
    def gh(self) -> Gh:
        return Gh(str(self.program), "stellar/henyey")

    @property
    def calls(self) -> list[Call]:
        return [self._call(number) for number in range(len(list(self.directory.glob("call-*.argv"))))]

    def _call(self, number: int) -> Call:
        argv, stdin, env, cwd = (
            (self.directory / f"call-{number}.{what}").read_bytes().decode() for what in ("argv", "stdin", "env", "cwd")
        )
        return Call(
            argv=argv.split("\0")[_INTERPRETER_ARGUMENTS:-1],
            stdin=stdin,
            env={name: value for name, _, value in (entry.partition("=") for entry in env.split("\0") if entry)},
            cwd=cwd,
        )

    def answers(self, out: object = "", *, err: str = "", status: int = 0, sleep: float = 0.0) -> None:
        """What the next call that has no answer yet prints; a value that is not text is printed as JSON."""
        text = out if isinstance(out, str) else json.dumps(out)
        answer = self.directory / f"answer-{self._answers}"
        answer.with_suffix(".out").write_text(text, encoding="utf-8")
        answer.with_suffix(".err").write_text(err, encoding="utf-8")
        answer.write_text(f"{status} {sleep:g}\n")
        self._answers += 1

    def fails(self, err: str, status: int = 1) -> None:
        self.answers(err=err, status=status)
