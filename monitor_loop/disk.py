"""How full a file system is, and what a tree takes of it."""

from __future__ import annotations

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
    """Bytes on disk of a file or tree, following no link; what vanishes or cannot be read counts nothing."""
    try:
        status = path.lstat()
        total = status.st_blocks * 512
        if stat.S_ISDIR(status.st_mode):
            total += sum(size_of(Path(entry.path)) for entry in os.scandir(path))
    except OSError:
        return 0
    return total


def human(count: float) -> str:
    """With a unit of 2^10 steps."""
    for unit in ("B", "kB", "MB"):
        if count < _UNIT:
            return f"{count:.0f} {unit}"
        count /= _UNIT
    return f"{count:.1f} GB"
