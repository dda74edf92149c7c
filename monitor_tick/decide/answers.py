"""How a decision is told to the shell function that asked."""

from __future__ import annotations

import sys
from typing import NoReturn


def answer(status: int, **variables: str) -> NoReturn:
    """`NAME=value` items, each ended by NUL, for a value may hold newlines; the last item is `status`."""
    items = [*variables.items(), ("status", str(status))]
    sys.stdout.buffer.write("".join(f"{name}={value}\0" for name, value in items).encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
    sys.exit(status)


def say(line: str) -> None:
    sys.stdout.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def warn(line: str) -> None:
    sys.stderr.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    sys.stderr.buffer.flush()


def word(yes: bool) -> str:
    return "yes" if yes else "no"
