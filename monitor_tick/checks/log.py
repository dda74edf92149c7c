"""Check 1: the log. Every unread line was read once by the probe; here is what it amounts to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from monitor_loop.session import Process
from monitor_tick.alert import Alert
from monitor_tick.checks.node import ended_run
from monitor_tick.facts import LogEntry, LogReading, Missing
from monitor_tick.judging import amounts
from monitor_tick.judging.log_message import constant_part
from monitor_tick.judging.log_patterns import Classified, classify
from monitor_tick.memory import LogState
from monitor_tick.rules import Reading
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "log"

EXAMPLES = 5
"""Examples of different lines shown in one issue."""


_RUNS = {False: "this", True: "previous"}


class Read(msgspec.Struct, frozen=True):
    entry: LogEntry
    classified: Classified


def judge(view: View) -> Verdict:
    log, blind = view.facts.log, _blind(view)
    if isinstance(log, Missing):
        return Verdict(label=LABEL, lines=(f"N/A ({log.reason})",), level=_level(blind), reflections=blind)
    read = tuple(Read(entry, classify(entry, view.rules.log_patterns)) for entry in log.entries)
    findings = tuple(each for each in read if each.classified.reading is Reading.FINDING)
    benign = {each.classified.name for each in read if each.classified.reading is Reading.BENIGN}
    return Verdict(
        label=LABEL,
        lines=(_line(findings, len(benign), log.skipped_bytes),),
        level=_level((*findings, *blind)),
        alerts=tuple(_alert(view, group) for group in _groups(findings)),
        remember=(_remembered(view, log),),
        reflections=blind,
    )


def _level(told: Sequence[object]) -> Level:
    return Level.WARNING if told else Level.OK


def _blind(view: View) -> tuple[str, ...]:
    """A live node whose lines nobody reads: a freeze or a fatal failure would pass unseen (3b, 3c).

    A log that was renamed or deleted under it goes on being written there. Another path to the same name may be a link.
    """
    process, expected = view.facts.process, view.session.log
    if not isinstance(process, Process) or not view.facts.directories.session:
        return ()
    written = process.stdout
    elsewhere = written.startswith("/") and written.rpartition("/")[2] != expected.name
    if not isinstance(view.facts.log, Missing) and not elsewhere:
        return ()
    target = written or "nobody knows where"
    remedy = "move it back, or monitor-loop stop and start"
    return (f"blind log: pid {process.pid} writes to {target} and not to {expected}; {remedy}",)


def _line(findings: Sequence[Read], benign_kinds: int, skipped_bytes: int) -> str:
    parts = [_findings(findings) if findings else "clean"]
    if benign_kinds:
        parts.append(f"{benign_kinds} benign {'kind' if benign_kinds == 1 else 'kinds'} ignored")
    if skipped_bytes:
        parts.append(f"{amounts.size(skipped_bytes)} skipped unread")
    return ", ".join(parts)


def _findings(findings: Sequence[Read]) -> str:
    """Lines by kind; the gravest kind first, the previous run's apart."""
    counts: dict[str, int] = {}
    for each in sorted(findings, key=lambda each: (each.entry.previous_run, each.classified.rank)):
        name = each.classified.name + (" of the previous run" if each.entry.previous_run else "")
        counts[name] = counts.get(name, 0) + each.entry.count
    listed = ", ".join(f"{name} x{count}" for name, count in counts.items())
    return f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'} ({listed})"


def _groups(findings: Sequence[Read]) -> Iterator[tuple[Read, ...]]:
    """Lines that make one issue, the gravest first. Many lines tell of the same end of a run: they are one event."""
    groups: dict[tuple[str, str], list[Read]] = {}
    for each in sorted(findings, key=lambda each: each.classified.rank):
        classified = each.classified
        scope = "" if classified.key == classified.owner else classified.scope
        groups.setdefault((classified.key, scope), []).append(each)
    return (tuple(group) for group in groups.values())


def _alert(view: View, group: Sequence[Read]) -> Alert:
    """Titled by the gravest line; the evidence is of all. Each end of a run is told, however soon after another."""
    gravest = group[0].classified
    entries = [each.entry for each in group]
    firsts = [entry.first for entry in entries if entry.first is not None]
    lasts = [entry.last for entry in entries if entry.last is not None]
    runs = {entry.previous_run for entry in entries}
    return Alert(
        key=gravest.key,
        scope=gravest.scope,
        title=gravest.title,
        tier=gravest.tier,
        urgent=any(each.classified.urgent for each in group),
        cause=gravest.reason,
        owner=gravest.owner,
        event=ended_run(view) if view.facts.is_dead and gravest.key.startswith("process:") else "",
        message=constant_part(entries[0].normalised),
        evidence=(
            ("lines", str(sum(entry.count for entry in entries))),
            ("first", f"{min(firsts):%Y-%m-%dT%H:%M:%S.%fZ}" if firsts else "no time on the line"),
            ("last", f"{max(lasts):%Y-%m-%dT%H:%M:%S.%fZ}" if lasts else "no time on the line"),
            ("run", " and ".join(_RUNS[previous] for previous in sorted(runs))),
        ),
        diagnosis="\n".join(_example(entry) for entry in entries[:EXAMPLES]),
    )


def _example(entry: LogEntry) -> str:
    return entry.example if entry.count == 1 else f"{entry.example}\n(x{entry.count})"


def _remembered(view: View, log: LogReading) -> LogState:
    """What a dead process last said stays its own: the identity of the run that wrote it is kept."""
    before, process = view.memory.state.log, view.facts.process
    identity = process.identity if isinstance(process, Process) else before.identity if before else None
    return LogState(
        cursor=log.cursor,
        identity=identity,
        heartbeat=log.heartbeat,
        closed_ledger=log.closed_ledger,
        close_time=log.close_time,
        memory_reports=log.memory_reports,
    )
