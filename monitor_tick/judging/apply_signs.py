"""Whether a high share of failed transactions points at the node's apply engine, or only at who sent them. Pure.

Result codes of single transactions are not logged at INFO and are no metric, so they are known only where an ERROR
line of the node quotes one.
"""

from __future__ import annotations

from collections.abc import Iterator

from monitor_tick.facts import LogEntry, LogReading, Missing
from monitor_tick.judging.judged import AlarmState, number
from monitor_tick.judging.ratios import RatioJudged
from monitor_tick.memory import ApplyState
from monitor_tick.metrics import comparable, delta_of
from monitor_tick.rules import RatioRow
from monitor_tick.view import View

COUNTERS = ("stellar_ledger_transaction_internal_error_total", "stellar_ledger_invariant_failure_total")
"""Both are 0 on a healthy node: no sender can make them move."""

WORDS = ("internal error", "internal_error", "invariant", "not_supported")
"""In an ERROR line: a failure, or a result code, that is not the sender's fault."""

GRAVE = ("ERROR", "PANIC")


def signs_of(view: View, apply: RatioJudged) -> tuple[str, ...]:
    """What points at the apply engine this tick; nothing where nothing does."""
    return (*_counted(view), *_logged(view), *_jumped(view, apply))


def remembered(view: View, apply: RatioJudged) -> ApplyState | None:
    """The share under the running build; None where this tick says nothing about it."""
    kept, build, share = view.memory.state.apply, view.facts.build, apply.share
    if view.phase.early or share is None or not build:
        return None
    quiet = apply.state is AlarmState.QUIET
    if kept is None or kept.build != build:
        return ApplyState(build=build, share=share, before=kept.share if kept else None, settled=quiet)
    return ApplyState(build=build, share=share, before=kept.before, settled=kept.settled or quiet)


def _counted(view: View) -> Iterator[str]:
    scrape, previous = view.facts.scrape, view.memory.previous
    if isinstance(scrape, Missing) or previous is None or not comparable(previous, scrape):
        return
    for name in COUNTERS:
        delta = delta_of(previous, scrape, name)
        if delta is not None and delta.amount > 0:
            yield f"{name} grew by {number(delta.amount)}"


def _logged(view: View) -> Iterator[str]:
    log = view.facts.log
    for entry in log.entries if isinstance(log, LogReading) else ():
        if not entry.previous_run and entry.level in GRAVE and _is_of_apply(entry):
            yield f"log: {entry.target}: {entry.normalised[:80]}"


def _is_of_apply(entry: LogEntry) -> bool:
    text = entry.example.lower()
    return entry.target.startswith(("henyey_ledger", "henyey_tx")) or any(word in text for word in WORDS)


def _jumped(view: View, apply: RatioJudged) -> Iterator[str]:
    """Healthy until the deploy, and never since."""
    kept = remembered(view, apply)
    if kept is not None and kept.before is not None and not kept.settled and not _breaches(apply.row, kept.before):
        yield f"a jump right after the deploy of {kept.build[:8]}: {kept.before:.0%} before"


def _breaches(row: RatioRow, share: float) -> bool:
    return row.condition.comparison.holds(share, row.condition.threshold)
