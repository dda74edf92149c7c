"""What another process has open, read while it opens and closes files."""

from __future__ import annotations

import contextlib
from pathlib import Path


def descriptors_of(pid: int) -> dict[str, str]:
    """What each of its descriptors leads to; one that is closed before it can be read is none."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[link.name] = str(link.readlink())
    return found
