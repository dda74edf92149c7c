"""What directory trees take on disk, counted as du does, and a cache that makes an unchanged tree nearly free.

As du -x: allocated blocks, a file with several names once, no link followed, no other file system entered. Paths are
bytes inside, because a file's name need not be text.
"""

from __future__ import annotations

import os
import stat
import time
import zlib
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

_BLOCK_BYTES = 512
_HEAD_DEPTH = 2
_MANY_FILES = 512
_CLOCK_CHECK_FILES = 4096
_MOST_DIRECTORIES = 200_000
_SETTLED_NS = 10**9  # a file system may keep whole seconds: what changes later within one looks unchanged
_LEFTOVERS = (b".tmp", b".partial", b".part")
_MOST_LEFTOVERS = 20


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one directory held when its status last changed at `ctime_ns`; its own blocks not counted.

    `file_bytes` are of files with one name; `links` are (inode, bytes) of files with several, counted once a tree.
    """

    ctime_ns: int
    files: int
    file_bytes: int
    links: tuple[tuple[int, int], ...]
    subdirectories: tuple[bytes, ...]
    leftovers: tuple[bytes, ...]


class TreeCache(msgspec.Struct, frozen=True):
    """What is known of directories by absolute path. Losing it costs one full walk and nothing else."""

    directories: dict[bytes, Seen] = {}


def encode_cache(cache: TreeCache) -> bytes:
    packed = msgspec.msgpack.encode(cache)
    return zlib.crc32(packed).to_bytes(4, "big") + packed


def decode_cache(content: bytes | None) -> TreeCache:
    """An empty cache for a missing or damaged one."""
    if content is None or zlib.crc32(content[4:]).to_bytes(4, "big") != content[:4]:
        return TreeCache()
    try:
        return msgspec.msgpack.decode(content[4:], type=TreeCache)
    except msgspec.DecodeError:
        return TreeCache()


class _Head:
    """A directory whose size is asked for; what lies below it and below no deeper head is added to it directly."""

    __slots__ = ("bytes", "depth", "links", "parent", "path")

    def __init__(self, path: bytes, depth: int, parent: _Head | None) -> None:
        self.path = path
        self.depth = depth
        self.parent = parent
        self.bytes = 0
        self.links: dict[int, int] = {}

    @property
    def size(self) -> int:
        return self.bytes + sum(self.links.values())


class Tree:
    """A measured tree. `partial`: the time ran out or a directory could not be read, so sizes are at least."""

    def __init__(self, heads: list[_Head], leftovers: list[bytes], *, partial: bool) -> None:
        self.partial = partial
        self.leftovers = tuple(_path_of(path) for path in leftovers)
        self._heads = heads
        for head in reversed(heads):
            if head.parent is not None:
                head.parent.bytes += head.bytes
                head.parent.links.update(head.links)

    def size_of(self, path: Path) -> int | None:
        """The bytes of the root or of a part that was named; None for a directory that the walk did not meet."""
        real = _real(path)
        return next((head.size for head in self._heads if head.path == real), None)

    def top_directories(self) -> Iterator[tuple[Path, int]]:
        """The directories of the first two levels."""
        return ((_path_of(head.path), head.size) for head in self._heads if 0 < head.depth <= _HEAD_DEPTH)


class Walk:
    """One tick's look at its trees, with `seconds` for all of them together and the cache of the tick before.

    A cached directory is not listed again while its ctime stands (unlike its mtime it cannot be set back), if its
    files are write-once: everything below a `write_once` directory, and any directory with so many files that only
    a store of such files can be meant. Elsewhere files grow in place (logs, the database) and are looked at anew.
    """

    def __init__(self, cache: TreeCache, now: datetime, seconds: float) -> None:
        self._known = cache.directories
        self._visited: dict[bytes, Seen] = {}
        self._settled_ns = int(now.timestamp() * 1e9) - _SETTLED_NS
        self._ends = time.monotonic() + seconds
        self._late = False
        self._unreadable = False

    @property
    def cache(self) -> TreeCache:
        """For the next tick. A walk that ran out of time keeps what it did not reach, so that the next gets further."""
        if self._late and len(self._known) < _MOST_DIRECTORIES:
            return TreeCache({**self._known, **self._visited})
        return TreeCache(self._visited)

    def measure(self, root: Path, parts: Collection[Path] = (), write_once: Collection[Path] = ()) -> Tree:
        """`root` itself may be a link (data on another disk); `parts` are directories whose size will be asked for."""
        part_paths = {_real(part) for part in parts}
        heads: list[_Head] = []
        ancestors: list[_Head] = []
        leftovers: list[bytes] = []
        self._unreadable = False
        for path, depth, blocks, seen in self._directories(_real(root), {_real(path) for path in write_once}):
            while ancestors and ancestors[-1].depth >= depth:
                ancestors.pop()
            if not ancestors or depth <= _HEAD_DEPTH or path in part_paths:
                ancestors.append(_Head(path, depth, ancestors[-1] if ancestors else None))
                heads.append(ancestors[-1])
            head = ancestors[-1]
            head.bytes += blocks * _BLOCK_BYTES + seen.file_bytes
            if seen.links:
                head.links.update(seen.links)
            if seen.leftovers and len(leftovers) < _MOST_LEFTOVERS:
                leftovers += [path + b"/" + name for name in seen.leftovers]
        return Tree(heads, leftovers[:_MOST_LEFTOVERS], partial=self._unreadable or self._late)

    def _directories(self, root: bytes, write_once: set[bytes]) -> Iterator[tuple[bytes, int, int, Seen]]:
        """Every directory with its depth and own blocks, each before what lies in it."""
        device: int | None = None
        pending = [(root, 0, False)]
        while pending and not self._is_late():
            path, depth, trusted = pending.pop()
            try:
                status = os.lstat(path)
                if not stat.S_ISDIR(status.st_mode) or device not in (None, status.st_dev):
                    continue
                device = status.st_dev
                trusted = trusted or path in write_once
                seen = self._seen(path, status.st_ctime_ns, trusted)
            except FileNotFoundError:
                continue
            except OSError:
                self._unreadable = True
                continue
            yield path, depth, status.st_blocks, seen
            prefix = path + b"/"
            pending += [(prefix + name, depth + 1, trusted) for name in seen.subdirectories]

    def _is_late(self) -> bool:
        self._late = self._late or time.monotonic() >= self._ends
        return self._late

    def _seen(self, path: bytes, ctime_ns: int, trusted: bool) -> Seen:
        known = self._known.get(path)
        if known is not None and known.ctime_ns == ctime_ns and (trusted or known.files >= _MANY_FILES):
            self._visited[path] = known
            return known
        seen = self._list(path, ctime_ns)
        if not self._late and ctime_ns < self._settled_ns and (trusted or seen.files >= _MANY_FILES):
            self._visited[path] = seen
        return seen

    def _list(self, path: bytes, ctime_ns: int) -> Seen:
        files = single_bytes = 0
        links: list[tuple[int, int]] = []
        subdirectories: list[bytes] = []
        leftovers: list[bytes] = []
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    subdirectories.append(entry.name)
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                files += 1
                if status.st_nlink == 1:
                    single_bytes += status.st_blocks * _BLOCK_BYTES
                else:
                    links.append((status.st_ino, status.st_blocks * _BLOCK_BYTES))
                if entry.name.endswith(_LEFTOVERS):
                    leftovers.append(entry.name)
                if files % _CLOCK_CHECK_FILES == 0 and self._is_late():
                    break
        return Seen(ctime_ns, files, single_bytes, tuple(links), tuple(subdirectories), tuple(leftovers))


def _real(path: Path) -> bytes:
    return os.path.realpath(os.fsencode(path))


def _path_of(path: bytes) -> Path:
    """For a report: what is no text in a name is shown as a question mark."""
    return Path(path.decode("utf-8", "replace"))
