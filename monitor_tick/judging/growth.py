"""Check 6: do session and node take too much of the disk, and has a tree doubled since yesterday. Pure."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor_tick.alert import Alert
from monitor_tick.facts import Missing, Trees
from monitor_tick.judging import amounts
from monitor_tick.judging.evidence import tree_breakdown
from monitor_tick.judging.finding import Finding
from monitor_tick.memory import TreeState
from monitor_tick.view import View

_GIB = 2**30
_DAY = timedelta(days=1)


def size_finding(view: View) -> Finding | None:
    trees, limit_gb = view.facts.trees, view.rules.limits.session_disk_gb
    if isinstance(trees, Missing) or _total(trees) <= limit_gb * _GIB:
        return None
    taken = f"session+data disk at {amounts.gb_of_bytes(_total(trees))} GB"
    line = f"SESSION DISK HIGH — {taken} > {limit_gb} GB ({_parts(trees)})"
    return Finding(line, _alert(view, trees, "session", f"Disk: {taken}", line))


def doubled(view: View) -> Finding | None:
    """Buckets or database at twice yesterday's size. While a fresh start fills them, that is what they are for."""
    trees, before = view.facts.trees, view.memory.state.trees
    if isinstance(trees, Missing) or before is None or view.phase.fresh_start:
        return None
    sizes = (
        ("buckets", before.day_buckets_bytes, trees.buckets.bytes),
        ("db", before.day_database_bytes, trees.database.bytes),
    )
    floor = view.rules.limits.growth_floor_gb * _GIB
    grown = [(name, old, now) for name, old, now in sizes if now > floor and old and now >= 2 * old]
    if not grown:
        return None
    taken = f"session+data disk at {amounts.gb_of_bytes(_total(trees))} GB ({_parts(trees)})"
    names = " and ".join(name for name, _, _ in grown)
    alert = _alert(view, trees, "growth", f"Disk: {names} doubled within a day", f"{names} doubled")
    changes = tuple(
        (f"{name} since yesterday", f"{amounts.size(old)} to {amounts.size(now)}") for name, old, now in grown
    )
    return Finding(
        f"RESOURCE WARNING — {taken} — investigating",
        msgspec.structs.replace(alert, evidence=(*alert.evidence, *changes)),
    )


def next_trees(view: View) -> TreeState | None:
    """The sizes to compare with next time; a partial walk is no baseline, and a fresh start begins its day anew."""
    trees, before, now = view.facts.trees, view.memory.state.trees, view.facts.at
    if view.phase.early or isinstance(trees, Missing) or _is_partial(trees):
        return None
    same_day = before is not None and timedelta() <= now - before.day_at < _DAY and not view.phase.fresh_start
    current = TreeState(
        at=now,
        total_bytes=_total(trees),
        buckets_bytes=trees.buckets.bytes,
        database_bytes=trees.database.bytes,
        day_at=now,
        day_buckets_bytes=trees.buckets.bytes,
        day_database_bytes=trees.database.bytes,
    )
    if before is None or not same_day:
        return current
    return msgspec.structs.replace(
        current,
        day_at=before.day_at,
        day_buckets_bytes=before.day_buckets_bytes,
        day_database_bytes=before.day_database_bytes,
    )


def _total(trees: Trees) -> int:
    return trees.session.bytes + trees.mainnet.bytes


def _is_partial(trees: Trees) -> bool:
    return any(tree.partial for tree in (trees.session, trees.mainnet, trees.buckets, trees.database))


def _parts(trees: Trees) -> str:
    return f"buckets: {amounts.gb_of_bytes(trees.buckets.bytes)} GB, db: {amounts.gb_of_bytes(trees.database.bytes)} GB"


def _alert(view: View, trees: Trees, kind: str, title: str, cause: str) -> Alert:
    before = view.memory.state.trees
    return Alert(
        key=f"disk:{kind}",
        scope=kind,
        title=title,
        cause=cause,
        evidence=(("session", amounts.size(trees.session.bytes)), ("node data", amounts.size(trees.mainnet.bytes))),
        diagnosis=tree_breakdown(trees, before.total_bytes if before else None),
    )
