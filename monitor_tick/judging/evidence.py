"""What an issue is to show beside the bare breach: pairs and blocks of text, computed from one View."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from monitor_tick.alert import Alert
from monitor_tick.facts import HostMemory, LogReading, MemoryReport, NodeInfo, ProcessMemory, Trees, TreeSize
from monitor_tick.judging import amounts
from monitor_tick.phase import Phase, kind_of_start
from monitor_tick.view import View

Pairs = tuple[tuple[str, str], ...]


def start_kind(phase: Phase) -> str:
    """The scope of a sync failure that begins now."""
    return kind_of_start(fresh_start=phase.fresh_start, crash_recovery=phase.crash_recovery)


def lag_evidence(view: View, stuck: timedelta | None = None) -> Pairs:
    """Where the node stands. A gap and a silent quorum speak for a lag; their absence does not speak against it."""
    standing, phase = view.standing, view.phase
    heard = {True: "true", False: "false", None: "?"}[standing.heard_from_quorum]
    pairs = [
        ("ledger", f"L{amounts.known(standing.ledger)}"),
        ("age", f"{amounts.known(standing.age_seconds)}s"),
        ("gap", amounts.known(standing.gap)),
        ("heard_from_quorum", heard),
        ("uptime", amounts.minutes(phase.uptime)),
        ("deadline", f"{amounts.deadline(phase.deadline)} ({start_kind(phase)})"),
        ("ledgers since the last full tick", amounts.known(phase.advanced)),
        ("state", view.facts.info.state if isinstance(view.facts.info, NodeInfo) else f"? ({view.facts.info.reason})"),
    ]
    if isinstance(view.facts.log, LogReading) and view.facts.log.heartbeat is not None:
        heartbeat = view.facts.log.heartbeat
        pairs.append(("latest_ext", f"L{heartbeat.latest_ext}"))
        pairs.append(("peers", str(heartbeat.peers)))
        pairs.append(("scp_silent_secs", str(heartbeat.scp_silent_seconds)))
    second = view.facts.second.info if view.facts.second else None
    if isinstance(second, NodeInfo):
        pairs.append(("age on the second look", f"{amounts.known(second.age_seconds)}s"))
    if stuck is not None:
        pairs.append(("at this ledger for", amounts.minutes(stuck)))
    return tuple(pairs)


def reports_of(view: View) -> tuple[MemoryReport, ...]:
    """The memory reports of this run, oldest first."""
    if not isinstance(view.facts.log, LogReading):
        return ()
    return tuple(sorted(view.facts.log.memory_reports, key=lambda report: report.at))


def memory_alert(view: View, kind: str, title: str, cause: str) -> Alert:
    """A WARN alert about memory with everything that may explain it."""
    memory, host, before = view.facts.process_memory, view.facts.host_memory, view.memory.state.rss
    return Alert(
        key=f"memory:{kind}",
        scope=kind,
        title=title,
        cause=cause,
        evidence=(
            ("ledger", f"L{amounts.known(view.standing.ledger)}"),
            ("uptime", amounts.minutes(view.phase.uptime)),
            ("rss", f"{memory.rss_mb}MB" if isinstance(memory, ProcessMemory) else f"? ({memory.reason})"),
            ("rss at the last full tick", f"{before.rss_mb}MB" if before else "unknown"),
            (
                "available",
                f"{host.available_mb}MB of {host.total_mb}MB" if isinstance(host, HostMemory) else f"? ({host.reason})",
            ),
        ),
        diagnosis=memory_diagnosis(view),
    )


def memory_diagnosis(view: View) -> str:
    """What the process, its last reports and each component's change say about the memory."""
    reports = reports_of(view)
    ledger = f"ledger: L{amounts.known(view.standing.ledger)}, uptime: {amounts.minutes(view.phase.uptime)}"
    blocks = [ledger, _process_lines(view.facts.process_memory), *(_report_line(report) for report in reports)]
    if len(reports) > 1:
        blocks += _component_lines(reports[-2], reports[-1])
        blocks.append(heap_growth(reports, view.rules.limits.heap_growth_mb))
    return "\n".join(block for block in blocks if block)


def _process_lines(memory: object) -> str:
    if not isinstance(memory, ProcessMemory):
        return ""
    status = (
        f"RSS: {memory.rss_mb}MB, VSZ: {memory.vsz_mb}MB, VmPeak: {memory.peak_mb}MB, "
        f"VmSwap: {memory.swap_mb}MB, Threads: {memory.threads}"
    )
    rollup = ", ".join(f"{name}: {kilobytes}kB" for name, kilobytes in memory.smaps_rollup)
    return f"{status}\nsmaps_rollup: {rollup}" if rollup else status


def _report_line(report: MemoryReport) -> str:
    return (
        f"{report.at:%H:%M:%S} L{report.ledger} rss={report.rss_mb:.0f}MB alloc={report.allocated_mb:.0f}MB "
        f"resident={report.resident_mb:.0f}MB frag={report.fragmentation_pct:.1f}% heap={report.heap_mb:.0f}MB "
        f"mmap={report.mmap_mb:.0f}MB unaccounted={report.unaccounted_mb:+.0f}MB"
    )


def _component_lines(before: MemoryReport, now: MemoryReport) -> list[str]:
    earlier = {component.name: component.mb for component in before.components}
    return [
        f"{component.name} ({component.kind}): {component.mb:.1f}MB"
        + (f" ({component.mb - earlier[component.name]:+.1f}MB)" if component.name in earlier else " (new)")
        for component in now.components
    ]


def heap_growth(reports: Sequence[MemoryReport], limit_mb: int) -> str:
    """Whether the node's own components explain the growth; the reports are oldest first, at least two."""
    grown = reports[-1].heap_mb - reports[-2].heap_mb
    verb = "grew" if grown > limit_mb else "did not grow"
    return f"heap components {verb} between the last two reports ({grown:+.0f}MB, limit {limit_mb}MB)"


def tree_breakdown(trees: Trees, previous_bytes: int | None) -> str:
    """Where the space goes, and how it changed since the last full tick."""
    parts = (trees.buckets, trees.database, trees.logs, trees.cargo_target)
    names = ("buckets", "db", "logs", "cargo-target")
    lines = [f"{name}: {_tree(tree)}" for name, tree in zip(names, parts, strict=True)]
    if previous_bytes is not None:
        change = trees.session.bytes + trees.mainnet.bytes - previous_bytes
        lines.append(f"change since the last tick: {'-' if change < 0 else '+'}{amounts.size(abs(change))}")
    lines += [f"{tree.path}: {_tree(tree)}" for tree in trees.largest]
    lines += [f"left over: {path}" for path in trees.leftovers]
    return "\n".join(lines)


def _tree(tree: TreeSize) -> str:
    return f"at least {amounts.size(tree.bytes)} (partial)" if tree.partial else amounts.size(tree.bytes)
