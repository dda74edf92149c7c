"""The node's data directory: lock, a database file that remembers the last ledger, buckets that come and go."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from monitor_loop.embedded.keys import hex_hash

_BUCKET_BYTES = 4096
_BUCKETS_KEPT = 8
_HEADER_BYTES = 80
"""Always as long, whatever its numbers."""


class DatabaseLocked(Exception):
    """Another process holds the lock file; the text is the node's own."""


class Storage:
    def __init__(self, database: Path, buckets: Path) -> None:
        self.database = database
        self.buckets = buckets
        self.lock_file = database.with_suffix(".lock")
        self._lock_descriptor = -1

    def lock(self) -> None:
        """As the node does it: flock, truncated, no pid inside, left behind on exit."""
        self.database.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise DatabaseLocked(f"database is locked (lockfile: {self.lock_file})") from error
        os.ftruncate(descriptor, 0)
        self._lock_descriptor = descriptor

    def open(self) -> tuple[int, int] | None:
        """The last ledger and its close time; None for a database that was absent or empty. Creates the files."""
        self.buckets.mkdir(parents=True, exist_ok=True)
        stored = self.database.read_bytes() if self.database.exists() else b""
        for suffix in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + suffix).touch()
        try:
            header = json.loads(stored)
            return int(header["ledger"]), int(header["close_time"])
        except (ValueError, KeyError, TypeError):
            return None

    def save(self, ledger: int, close_time: int) -> None:
        """In place and in one write, which a death cannot tear: to rename over a file may wait for the disk."""
        header = json.dumps({"ledger": ledger, "close_time": close_time}).ljust(_HEADER_BYTES).encode()
        descriptor = os.open(self.database, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, header, 0)
        finally:
            os.close(descriptor)

    def add_bucket(self, seed: int, ledger: int) -> None:
        name = f"{hex_hash(seed, 'bucket', ledger)}.bucket.xdr"
        (self.buckets / name).write_bytes(bytes(_BUCKET_BYTES))

    def drop_stale_buckets(self) -> int:
        """How many were deleted; the newest eight stay."""
        files = sorted(self.buckets.glob("*.bucket.xdr"), key=lambda path: path.stat().st_mtime_ns)
        stale = files[:-_BUCKETS_KEPT]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)
