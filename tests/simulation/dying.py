"""A tick that dies: at the k-th of the calls that change the disk or launch a node, as if it had been killed there.

What its code does on the way out changes nothing any more; a write that it dies in has done half of its bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor_loop import node

CALLS: tuple[tuple[Any, str], ...] = (
    (os, "write"),
    (os, "fsync"),
    (os, "replace"),
    (os, "rename"),
    (os, "unlink"),
    (os, "utime"),
    (Path, "replace"),
    (Path, "rename"),
    (Path, "unlink"),
    (Path, "mkdir"),
    (Path, "write_bytes"),
    (node, "_start"),
)
AFTER = ("_start",)
"""Calls after which it may die as well: what they did goes on without it."""


class Died(BaseException):
    """The end of the tick's process."""


class _Outside:
    """How deep we are in what is none of the tick's doing: the life of others goes on while it dies."""

    depth = 0


@contextmanager
def outside() -> Iterator[None]:
    _Outside.depth += 1
    try:
        yield
    finally:
        _Outside.depth -= 1


class Steps:
    def __init__(self, at: int) -> None:
        self.count = 0
        self.is_dead = False
        self._at = at

    def step(self) -> bool:
        """Whether this is the one that it dies at; Died where it is dead already."""
        if _Outside.depth:
            return False
        if self.is_dead:
            raise Died
        self.count += 1
        self.is_dead = self.count > self._at
        return self.is_dead


@contextmanager
def dying_at(step: int) -> Iterator[Steps]:
    """The calls inside are steps; the one after `step` of them is its death."""
    steps = Steps(step)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in CALLS:
            patch.setattr(owner, name, _mortal(getattr(owner, name), name, steps))
        yield steps


def _mortal(real: Callable[..., Any], name: str, steps: Steps) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if steps.step():
            if name == "write":
                real(args[0], bytes(args[1])[: len(args[1]) // 2])
            raise Died
        result = real(*args, **kwargs)
        if name in AFTER and steps.step():
            raise Died
        return result

    return call
