"""Checks 5 and 6: the data volume, what session and node take of it, and rotated logs that have had their time."""

from __future__ import annotations

from monitor_tick.actions import CleanUp, Effect, Outcome, PruneKept, PruneLogs, RemoveWiped
from monitor_tick.alert import Alert
from monitor_tick.facts import Missing, Rotation, Trees
from monitor_tick.judging import amounts
from monitor_tick.judging.finding import Finding
from monitor_tick.judging.growth import doubled, next_trees, size_finding
from monitor_tick.rules import Limits
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "disk"


def judge(view: View) -> Verdict:
    found = [finding for finding in (_volume(view), size_finding(view), doubled(view)) if finding]
    remember = next_trees(view)
    return Verdict(
        label=LABEL,
        lines=(f"{_used(view)} | session+data={_taken(view.facts.trees)}", *(finding.line for finding in found)),
        level=max((finding.level for finding in found), default=Level.OK),
        alerts=tuple(finding.alert for finding in found),
        effects=_effects(view),
        remember=(remember,) if remember else (),
        watch=()
        if isinstance(view.facts.disk, Missing)
        else (f"disk_pct={amounts.percent(view.facts.disk.used_pct)}",),
    )


def after_clean_up(outcome: Outcome, limits: Limits) -> str | None:
    """The words for a volume that the clean-up did not save; None where there is room again, or it was not measured."""
    if outcome.used_pct is None or outcome.used_pct <= limits.disk_critical_pct:
        return None
    used = amounts.percent(outcome.used_pct)
    return f"RESOURCE CRITICAL — disk at {used}% after cleanup, manual intervention needed"


def superfluous(rotations: tuple[Rotation, ...], kept: int) -> tuple[str, ...]:
    """Paths of logs beyond the newest `kept` of each cause."""
    seen: dict[str, int] = {}
    paths = []
    for rotation in sorted(rotations, key=lambda each: each.at, reverse=True):
        seen[rotation.cause] = seen.get(rotation.cause, 0) + 1
        if seen[rotation.cause] > kept:
            paths.append(str(rotation.path))
    return tuple(paths)


def _used(view: View) -> str:
    disk = view.facts.disk
    if isinstance(disk, Missing):
        return f"N/A ({disk.reason})"
    return f"{amounts.size(disk.used_bytes)}/{amounts.size(disk.total_bytes)} ({amounts.percent(disk.used_pct)}%)"


def _taken(trees: Trees | Missing) -> str:
    if isinstance(trees, Missing):
        return f"N/A ({trees.reason})"
    total = amounts.size(trees.session.bytes + trees.mainnet.bytes)
    return f"at least {total} (partial)" if trees.session.partial or trees.mainnet.partial else total


def _is_low(view: View) -> bool:
    disk = view.facts.disk
    return not isinstance(disk, Missing) and disk.used_pct > view.rules.limits.disk_low_pct


def _volume(view: View) -> Finding | None:
    disk, limits = view.facts.disk, view.rules.limits
    if isinstance(disk, Missing) or not _is_low(view):
        return None
    used, critical = amounts.percent(disk.used_pct), disk.used_pct > limits.disk_critical_pct
    kind, limit = ("critical", limits.disk_critical_pct) if critical else ("low", limits.disk_low_pct)
    line = f"LOW DISK — {used}% > {limit}%"
    alert = Alert(
        key=f"disk:{kind}",
        scope=kind,
        title=f"Disk: {used}% on the data volume",
        urgent=critical,
        cause=line,
        evidence=(("used", _used(view)), ("session + data", _taken(view.facts.trees))),
    )
    return Finding(line, alert)


def _effects(view: View) -> tuple[Effect, ...]:
    old = _old_logs(view)
    return (
        *((CleanUp(),) if _is_low(view) else ()),
        *((PruneLogs(old),) if old else ()),
        *_put_aside(view),
        *_old_binaries(view),
    )


def _old_logs(view: View) -> tuple[str, ...]:
    """Never that of the build under way, or of the last one, however old a clock that went back makes it."""
    logs = (*view.facts.rotations, *view.facts.build_logs)
    last = view.facts.job.log if view.facts.job else ""
    return tuple(path for path in superfluous(logs, view.rules.limits.rotated_logs_kept) if path != last)


def _old_binaries(view: View) -> tuple[PruneKept, ...]:
    """Kept are the deployed build, the last good one and what is on its way; all, while the first is unknown."""
    node, job = view.memory.node, view.facts.job
    wanted = {node.deployed_sha, node.last_good_sha, view.facts.build}
    wanted |= {node.trial.sha, node.trial.previous} if node.trial else set()
    wanted |= {job.sha} if job else set()
    if not node.deployed_sha or not set(view.facts.kept) - wanted:
        return ()
    return (PruneKept(tuple(sorted(wanted - {""}))),)


def _put_aside(view: View) -> tuple[RemoveWiped, ...]:
    """Wiped data stays for its time, or until a full disk needs the room."""
    disk, limits = view.facts.disk, view.rules.limits
    if not isinstance(disk, Missing) and disk.used_pct > limits.disk_critical_pct and view.facts.wiped_data:
        return (RemoveWiped(0),)
    return (RemoveWiped(limits.wiped_kept_hours),) if view.facts.wiped_expired else ()
