"""Why an alarm did, or did not, fire: what the record of each tick says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from monitor_tick.judging.amounts import counted
from monitor_tick.judging.judged import number
from monitor_tick.recorded.names import near_names
from monitor_tick.recorded.periods import in_words
from monitor_tick.recorded.record import NoAnswer, Trace, Unreadable
from monitor_tick.recorded.replay_report import stamp
from monitor_tick.verdict import Decision

GAP_FACTOR = 1.5
"""Cadences without an entry after which the lines say that nothing was recorded."""


def explained(found: Iterable[Trace | Unreadable], alarm: str) -> str:
    """A line a tick, oldest first, and what they sum up to. Raises NoAnswer for a name that no tick knows."""
    names: dict[str, None] = {}
    states: Counter[str] = Counter()
    lines: list[str] = []
    unreadable = 0
    before: datetime | None = None
    last: Decision | None = None
    for each in found:
        if isinstance(each, Unreadable):
            unreadable += 1
            continue
        names.update(dict.fromkeys(decision.alarm for decision in each.decisions))
        decision = next((decision for decision in each.decisions if decision.alarm == alarm), None)
        lines += _gap(before, each)
        before = each.at
        lines.append(
            f"  {stamp(each.at)}  {_words(decision) + _cooldown(each, alarm) if decision else _unjudged(each)}"
        )
        states[decision.state if decision else "not judged"] += 1
        last = decision or last
    if last is None:
        raise _unknown(alarm, names, unreadable)
    return (
        "\n".join([f"{alarm}: {counted(sum(states.values()), 'tick')}", *lines, *_summary(states, last, unreadable)])
        + "\n"
    )


def _words(decision: Decision) -> str:
    state = f"{decision.state:17}"
    if decision.value is None or decision.threshold is None:
        return f"{state} {decision.reason}".rstrip()
    return f"{state} {number(decision.value)} against {number(decision.threshold)}: {decision.reason}"


def _cooldown(trace: Trace, alarm: str) -> str:
    left = trace.suppressed.get(alarm)
    return "" if left is None else f"; not filed: cooldown for another {in_words(timedelta(seconds=left))}"


def _unjudged(trace: Trace) -> str:
    return f"{'not judged':17} {trace.no_scrape or 'the catalog of that tick has no such alarm'}"


def _gap(before: datetime | None, trace: Trace) -> Iterator[str]:
    if before is not None and trace.at - before > GAP_FACTOR * timedelta(seconds=trace.cadence_seconds):
        yield f"  -- no full tick was recorded for {in_words(trace.at - before)}; tick-history.jsonl may say why --"


def _summary(states: Counter[str], last: Decision, unreadable: int) -> list[str]:
    lines = [", ".join(f"{state} {count}" for state, count in states.most_common())]
    lines += [f"last inputs: {', '.join(f'{name}={value}' for name, value in last.inputs)}"] if last.inputs else []
    lines += [f"unreadable in the archive: {unreadable}"] if unreadable else []
    return [*lines, "early ticks leave no record"]


def _unknown(alarm: str, names: Iterable[str], unreadable: int) -> NoAnswer:
    names = list(names)
    if not names:
        return nothing_archived(unreadable)
    return NoAnswer(f"ERROR: no tick judged {alarm} - {near_names(alarm, names)}")


def nothing_archived(unreadable: int = 0) -> NoAnswer:
    damaged = f" ({unreadable} entries are unreadable)" if unreadable else ""
    return NoAnswer(
        f"ERROR: no tick of that time is in the archive{damaged} - give a longer --since, or run a tick first"
    )
