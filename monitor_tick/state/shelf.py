"""The state files as a load sees them: with an unfinished commit finished, and what is damaged set aside and named."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from monitor_loop import files, journal
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Session
from monitor_tick.memory import Damage
from monitor_tick.state import history

FILE_LIMIT = 16 * 2**20
"""Bytes; a state file is a few kB, and an exposition at most what the tick reads from the node."""

_DAMAGED = ".damaged-"

T = TypeVar("T")


class Shelf:
    """The files as a load sees them, and what was wrong with them."""

    def __init__(self, data: DataRoot, now: datetime, finish: bool) -> None:
        self.damaged: list[Damage] = []
        self._data = data
        self._now = now
        self._finish = finish
        self._unwritten: Mapping[str, bytes | None] = {}

    def settle_journal(self) -> bool:
        """Finish an interrupted commit, or see its contents in place of the files; True where there was one."""
        try:
            if self._finish:
                return journal.finish(self._data)
        except journal.JournalDamaged as error:
            self._report(self._data.commit_journal, error)
            return False
        except MonitorError as error:  # a full disk must not blind the tick: go on as a dry run does
            self.damaged.append(Damage(journal.NAME, reason_of(error), journal.NAME))
        return self._see_journal()

    def _see_journal(self) -> bool:
        try:
            writes = journal.pending(self._data)
        except journal.JournalDamaged as error:
            self._report(self._data.commit_journal, error)
            return False
        self._unwritten = {write.path: write.content for write in writes or ()}
        return writes is not None

    def read(self, path: Path, parse: Callable[[bytes], T], *, stays: bool = False) -> T | None:
        """The value in a file; None where there is no file or it is damaged.

        A damaged one that `stays` is there until a commit replaces it: a tick that dies before that hides nothing.
        """
        try:
            content = self._content(path)
            return None if content is None else parse(content)
        except (MonitorError, OSError, ValueError) as error:
            self._report(path, error, stays=stays)
            return None

    def read_history(self, session: Session) -> tuple[int, str]:
        """How many ticks were skipped, and the status of the last that was not."""
        try:
            return history.since_last_tick(session)
        except OSError as error:
            name = self._name(session.history)
            self.damaged.append(Damage(name, reason_of(error), name))
            return 0, ""

    def _content(self, path: Path) -> bytes | None:
        name = self._name(path)
        return self._unwritten[name] if name in self._unwritten else files.read(path, FILE_LIMIT)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._data.path))

    def _report(self, path: Path, error: Exception, *, stays: bool = False) -> None:
        kept_as = path
        if self._finish:
            with contextlib.suppress(OSError):
                kept_as = self._linked(path) if stays and path.is_file() else self._renamed(path)
        self.damaged.append(Damage(self._name(path), reason_of(error), self._name(kept_as)))

    def _renamed(self, path: Path) -> Path:
        return path.rename(_free_name(path, self._now))

    def _linked(self, path: Path) -> Path:
        """Once, however many ticks find it so."""
        for kept in path.parent.glob(f"{path.name}{_DAMAGED}*"):
            if kept.samefile(path):
                return kept
        free = _free_name(path, self._now)
        try:
            free.hardlink_to(path)
        except OSError:  # a file system without links: to keep what it held goes before
            return self._renamed(path)
        return free


def _free_name(path: Path, now: datetime) -> Path:
    stem = f"{path.name}{_DAMAGED}{now:%Y%m%dT%H%M%SZ}"
    candidate, count = path.with_name(stem), 1
    while os.path.lexists(candidate):
        count += 1
        candidate = path.with_name(f"{stem}-{count}")
    return candidate


def reason_of(error: Exception) -> str:
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return " ".join(text.split())
