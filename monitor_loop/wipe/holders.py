"""Which processes have a file open, or mapped, under a directory: what must be nobody before its files are moved."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

import msgspec

_PATH_FIELD = 5  # of a line in /proc/PID/maps


class Holders(msgspec.Struct, frozen=True):
    """`found` are `PID=<pid> <path>`, one a process; `hidden` counts the processes that may not be looked into."""

    found: tuple[str, ...] = ()
    hidden: int = 0


def holders_of(directory: str, files: Iterable[str], proc: Path, own: Set[int] = frozenset()) -> Holders:
    """Who has a file under `directory`, which is resolved; or one of `files`, paths, under the same name elsewhere: a
    container calls the directory otherwise.

    `own` are descriptors of this process that do not count. OSError where `proc` cannot be listed. This does not prove
    that nobody has one, since other users' processes may not be looked into: the node's lock has to be taken as well.
    """
    search = _Search(directory, files, own)
    found, hidden = [], 0
    for name in sorted(filter(_is_pid, os.listdir(proc)), key=int):  # noqa: PTH208 - a thousand names
        try:
            path = search.first(f"{proc}/{name}", int(name) == os.getpid())
        except PermissionError:
            hidden += 1
            continue
        except OSError:
            continue  # it ended
        if path is not None:
            found.append(f"PID={name} {path}")
    return Holders(tuple(found), hidden)


class _Search:
    def __init__(self, directory: str, files: Iterable[str], own: Set[int]) -> None:
        self._inside = directory.rstrip("/") + "/"
        # The kernel writes a newline in a path as \012 there, and nothing else.
        self._inside_of_maps = os.fsencode(self._inside).replace(b"\n", b"\\012")
        self._files = {_name_of(path): Path(path) for path in files}
        self._own = own

    def first(self, process: str, is_own: bool) -> str | None:
        """The first file that this process has open or mapped. OSError where it cannot be looked into."""
        return next(self._open(process, is_own), None) or next(self._mapped(process), None)

    def _open(self, process: str, is_own: bool) -> Iterator[str]:
        for fd in os.listdir(f"{process}/fd"):  # noqa: PTH208  every fd of every process: no Path each
            if is_own and int(fd) in self._own:
                continue
            try:
                path = os.readlink(f"{process}/fd/{fd}")  # noqa: PTH115  likewise
                if path.startswith(self._inside) or self._is_one(f"{process}/fd/{fd}", path):
                    yield path
            except FileNotFoundError:
                continue  # closed meanwhile

    def _is_one(self, link: str, path: str) -> bool:
        """Only where the name agrees: a stat of any odd file may wait for a dead file server."""
        file = self._files.get(_name_of(path))
        return file is not None and os.path.samestat(Path(link).stat(), file.stat())

    def _mapped(self, process: str) -> Iterator[str]:
        with open(f"{process}/maps", "rb") as lines:  # noqa: PTH123  likewise
            for line in lines:
                if self._inside_of_maps in line:
                    path = line.rstrip(b"\n").split(None, _PATH_FIELD)[-1]
                    if path.startswith(self._inside_of_maps):
                        yield os.fsdecode(path)


def _is_pid(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]
