"""Remove a tree of any depth, and go on past what cannot be removed.

A walk by explicit levels that holds one descriptor, however deep: neither Python's stack nor the limit of open files
ends it. Every step is relative to a directory that is open, so that no link that is put in the way is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Level(NamedTuple):
    """A directory that was entered: `identity` is (st_dev, st_ino), `children` are the names still to be removed."""

    name: str
    identity: tuple[int, int]
    bytes: int
    children: list[str]


def remove_entry(parent: int, name: str) -> tuple[int, list[OSError]]:
    """Removes `name` from the directory open as `parent`: the bytes given back, and every error on the way."""
    removal = _Removal(parent)
    try:
        removal.run(name)
    finally:
        os.close(removal.fd)
    return removal.freed, removal.errors


class _Removal:
    """`fd` is the directory of the deepest level, or of the top where no level is left."""

    def __init__(self, parent: int) -> None:
        self.fd = os.dup(parent)
        self.freed = 0
        self.errors: list[OSError] = []
        self._levels: list[_Level] = []
        self._top = _identity(os.fstat(parent))

    def run(self, name: str) -> None:
        self._remove(name)
        while self._levels:
            if self._levels[-1].children:
                self._remove(self._levels[-1].children.pop())
            else:
                self._leave()

    def _remove(self, name: str) -> None:
        try:
            status = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                self._enter(name, status)
                return
            os.unlink(name, dir_fd=self.fd)
            self.freed += status.st_blocks * 512 if status.st_nlink == 1 else 0
        except FileNotFoundError:
            return
        except OSError as error:
            self.errors.append(error)

    def _enter(self, name: str, status: os.stat_result) -> None:
        if status.st_dev != self._top[0]:
            raise OSError(errno.EXDEV, "another file system is mounted here", name)
        fd = os.open(name, _DIRECTORY, dir_fd=self.fd)
        try:
            children = os.listdir(fd)  # noqa: PTH208 - pathlib lists no descriptor
            level = _Level(name, _identity(os.fstat(fd)), status.st_blocks * 512, children)
            if level.children:
                os.stat("..", dir_fd=fd)  # where there is no way back, do not go in: the rest is still to be removed
        except OSError:
            os.close(fd)
            raise
        if not level.children:
            os.close(fd)
            self._remove_empty(level)
            return
        os.close(self.fd)
        self.fd = fd
        self._levels.append(level)

    def _leave(self) -> None:
        """Up, to where we came from: not to where somebody moved the directory meanwhile."""
        level = self._levels.pop()
        try:
            above = os.open("..", _DIRECTORY, dir_fd=self.fd)
            os.close(self.fd)
            self.fd = above
            if _identity(os.fstat(above)) != (self._levels[-1].identity if self._levels else self._top):
                raise OSError(errno.ESTALE, "was moved while it was removed", level.name)
        except OSError as error:
            self.errors.append(error)
            self._levels.clear()
            return
        self._remove_empty(level)

    def _remove_empty(self, level: _Level) -> None:
        try:
            os.rmdir(level.name, dir_fd=self.fd)
            self.freed += level.bytes
        except FileNotFoundError:
            return
        except OSError as error:
            self.errors.append(error)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
