"""How full a file system is, and what a tree takes of it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_UNIT = 1024


def used_pct(path: Path) -> float:
    """As df counts: used / (used + available to an ordinary user)."""
    usage = os.statvfs(path)
    used = usage.f_blocks - usage.f_bfree
    return 100.0 * used / max(1, used + usage.f_bavail)


def size_of(path: Path) -> int:
    """Bytes on disk of a file or tree, following no link; what vanishes or cannot be read counts nothing.

    Nor does what lies deeper than the 4096 bytes that a path may have.
    """
    total, left = 0, [os.fspath(path)]
    while left:
        with contextlib.suppress(OSError):
            total += _size_of_one(left.pop(), left)
    return total


def _size_of_one(path: str, found: list[str]) -> int:
    """Without its children, which are added to `found`."""
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        with os.scandir(path) as children:
            found.extend(child.path for child in children)
    return status.st_blocks * 512


def human(count: float) -> str:
    """With a unit of 2^10 steps."""
    for unit in ("B", "kB", "MB"):
        if count < _UNIT:
            return f"{count:.0f} {unit}"
        count /= _UNIT
    return f"{count:.1f} GB"
