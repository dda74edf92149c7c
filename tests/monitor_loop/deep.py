"""A directory that is deeper than Python's stack, and than a process may have files open."""

from __future__ import annotations

import os
from pathlib import Path

LEVELS = 1500


def make_deep(top: Path, levels: int = LEVELS, name: str = "d") -> Path:
    """`top` with `levels` directories in each other, and a file in the last."""
    top.mkdir(parents=True)
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)
    return top
