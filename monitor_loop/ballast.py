"""Disk that is held back under the data root: a volume that has run full must not silence the tick that tells of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from monitor_loop.session import DataRoot

SIZE = 16 * 2**20
"""Bytes. The largest state file, issue-ledger.json, may take 5 MB twice over while it is replaced."""

ROOM = 2**30
"""Bytes that have to be available before a ballast is laid, so that it never fills a volume itself."""


def keep(data: DataRoot) -> None:
    """Lay it where there is none and the volume has room. That it cannot be laid harms nothing today."""
    if data.ballast.exists():
        return
    with contextlib.suppress(OSError):
        if _available(data.path) >= ROOM:
            _lay(data.ballast)


def release(data: DataRoot) -> bool:
    """Give it back to a full volume; False where there was none left to give."""
    try:
        data.ballast.unlink()
    except OSError:
        return False
    return True


def _available(path: Path) -> int:
    volume = os.statvfs(path)
    return volume.f_bavail * volume.f_frsize


def _lay(path: Path) -> None:
    """Its blocks are taken, which a sparse file's would not be; one that came out short is none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, SIZE)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)
