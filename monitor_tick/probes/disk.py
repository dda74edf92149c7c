"""What the session and the node's data take on disk, and which unfinished files lie in the data."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from monitor_loop import files
from monitor_loop.session import NodeConfig, Session
from monitor_tick.facts import Missing, Trees, TreeSize
from monitor_tick.probes.tree import Tree, TreeCache, Walk, decode_cache, encode_cache
from monitor_tick.rules import Limits

_LARGEST = 10
_DATABASE_SUFFIXES = ("", "-wal", "-shm")


def observe_trees(
    session: Session, config: NodeConfig | Missing, cache: TreeCache, now: datetime, limits: Limits
) -> tuple[Trees | Missing, TreeCache]:
    """All sizes within `tree_walk_seconds` together, and the cache for the next tick."""
    if isinstance(config, Missing):
        return config, cache
    walk = Walk(cache, now, limits.tree_walk_seconds)
    own = walk.measure(session.directory, (session.logs, session.cargo_target), (session.cargo_target,))
    node = walk.measure(config.mainnet, (config.buckets,), (config.buckets,))
    apart = node.size_of(config.buckets) is None
    buckets = walk.measure(config.buckets, (), (config.buckets,)) if apart else node
    trees = Trees(
        session=_size(session.directory, own),
        mainnet=_size(config.mainnet, node),
        buckets=_size(config.buckets, buckets),
        database=_database(config.database),
        logs=_size(session.logs, own),
        cargo_target=_size(session.cargo_target, own),
        largest=_largest(own, node),
        leftovers=node.leftovers,
    )
    return trees, walk.cache


def load_cache(session: Session) -> TreeCache:
    """An empty cache where the file is missing, damaged or unreadable."""
    return decode_cache(_kept(session))


def save_cache(session: Session, cache: TreeCache) -> None:
    """Neither durable nor demanded: a cache that is missing or fails its checksum costs one full walk."""
    content = encode_cache(cache)
    if content == _kept(session):
        return
    temporary = session.tree_cache.with_suffix(".tmp")
    with suppress(OSError):
        temporary.write_bytes(content)
        temporary.replace(session.tree_cache)


def _kept(session: Session) -> bytes | None:
    try:
        return files.read(session.tree_cache)
    except OSError:
        return None


def _size(path: Path, tree: Tree) -> TreeSize:
    return TreeSize(path, tree.size_of(path) or 0, tree.partial)


def _database(database: Path) -> TreeSize:
    """The database with its write-ahead log: three files, not a directory."""
    total = 0
    for suffix in _DATABASE_SUFFIXES:
        try:
            total += database.with_name(database.name + suffix).stat().st_blocks * 512
        except OSError:
            continue
    return TreeSize(database, total)


def _largest(*trees: Tree) -> tuple[TreeSize, ...]:
    sizes = (TreeSize(path, size, tree.partial) for tree in trees for path, size in tree.top_directories())
    return tuple(sorted(sizes, key=lambda each: each.bytes, reverse=True)[:_LARGEST])
