"""The archive judged again, by the code that judges a live tick, one entry at a time.

State goes from one replayed tick to the next. Where the archive has a gap, the tick after it goes on from what it had
loaded then; if its baseline scrape is in no entry, it is a baseline itself and judges nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

import msgspec

from monitor_loop.session import Process, Session
from monitor_tick.checks import CHECKS
from monitor_tick.facts import NO_PROCESS, Directories, Facts, Missing, SecondLook
from monitor_tick.memory import Memory, ScrapeState, next_memory
from monitor_tick.metrics import Scrape
from monitor_tick.recorded.record import Entry, Record, Unreadable, catalog_of, meanings_of
from monitor_tick.recorded.replay_report import JUDGED, SHOWN, Difference, NotCompared, Replay, count_of
from monitor_tick.rules import Rules
from monitor_tick.verdict import Decision, Verdict
from monitor_tick.view import View

REPLAYED = frozenset({"metrics", "metrics_ratio", "recovery_stalled"})
"""The checks that judge the scrape; the archive holds what they look at, and no more."""

_ABSENT = Missing("not in the archive")
_NOTHING = Facts(  # each entry puts its own in
    at=datetime(1970, 1, 1, tzinfo=timezone.utc),
    boot_id="",
    process=NO_PROCESS,
    directories=Directories(session=True, mainnet=True, database=True, env_age_seconds=0.0, alive_age_seconds=0.0),
    config=_ABSENT,
    log=_ABSENT,
    rotations=(),
    info=_ABSENT,
    rpc=_ABSENT,
    scrape=_ABSENT,
    scp=_ABSENT,
    peers=_ABSENT,
    radar=_ABSENT,
    process_memory=_ABSENT,
    host_memory=_ABSENT,
    disk=_ABSENT,
    trees=_ABSENT,
)


class Replayed(msgspec.Struct, frozen=True):
    """One tick, judged again. `whole`: its baseline was at hand, so it can be compared with what was recorded."""

    decisions: tuple[Decision, ...]
    after: Memory
    whole: bool


def replay_entry(entry: Entry, before: Replayed | None, session: Session, rules: Rules) -> Replayed:
    """`before` is the replayed tick before, None at the start."""
    record = entry.record
    memory = _memory(record, before)
    view = _view(entry, memory, session, rules)
    verdicts = _judge(view)
    whole = memory.previous is not None or not record.had_baseline
    return Replayed(
        decisions=tuple(decision for verdict in verdicts for decision in verdict.decisions),
        after=after(memory, verdicts, entry.scrape),
        whole=whole,
    )


def _judge(view: View) -> tuple[Verdict, ...]:
    verdicts = (check.judge(view) for check in CHECKS if check.LABEL in REPLAYED)
    return tuple(verdict for verdict in verdicts if verdict is not None)


def _memory(record: Record, before: Replayed | None) -> Memory:
    """What the tick had loaded, with the replay's own in place of each part that replayed ticks leave."""
    recorded = record.memory
    if before is None:
        return recorded
    left = before.after
    same_baseline = _checksum(left) == _checksum(recorded)
    previous = left.previous if same_baseline and record.had_baseline else None
    if not before.whole or _mark(left.state.scrape) != _mark(recorded.state.scrape):
        return msgspec.structs.replace(recorded, previous=previous)
    state = msgspec.structs.replace(recorded.state, scrape=left.state.scrape, apply=left.state.apply)
    return msgspec.structs.replace(recorded, previous=previous, state=state, ratios=left.ratios, recovery=left.recovery)


def _checksum(memory: Memory) -> str | None:
    return memory.state.scrape.checksum if memory.state.scrape else None


def _mark(kept: ScrapeState | None) -> tuple[object, ...] | None:
    """What is equal for every catalog while no tick is missing between."""
    return (kept.identity, kept.at, kept.checksum, kept.interrupted) if kept else None


def _view(entry: Entry, memory: Memory, session: Session, rules: Rules) -> View:
    record = entry.record
    facts = msgspec.structs.replace(
        _NOTHING,
        at=record.at,
        process=_process(record, session),
        log=record.log if record.log is not None else _ABSENT,
        scrape=entry.scrape if entry.scrape is not None else Missing(record.no_scrape),
        scrape_checksum=record.reading.checksum if record.reading else "",
        second=SecondLook(gauge_samples=record.gauge_samples) if record.gauge_samples is not None else None,
        build_sha=record.build,
    )
    session = msgspec.structs.replace(session, mode=record.mode, cadence_seconds=record.cadence_seconds)
    return View(session, facts, memory, record.standing, record.phase, rules)


def _process(record: Record, session: Session) -> Process | Missing:
    if record.run is None:
        return NO_PROCESS
    return Process(
        identity=record.run.identity,
        session_id=session.id,
        exe=session.binary,
        deleted=False,
        argv=(),
        cwd=session.repo,
        started_at=record.run.started_at,
    )


def after(memory: Memory, verdicts: Sequence[Verdict], scrape: Scrape | None) -> Memory:
    """What a tick with these verdicts leaves, as the store would write it and load it again."""
    sections = [section for verdict in verdicts for section in verdict.remember]
    moved = scrape is not None and any(isinstance(section, ScrapeState) for section in sections)
    return msgspec.structs.replace(next_memory(memory, sections), previous=scrape if moved else memory.previous)


# --- the whole archive -------------------------------------------------------------------------------------------


def replay(found: Iterable[Entry | Unreadable], session: Session, rules: Rules) -> Replay:
    course = _Course(session, rules)
    for each in found:
        course.take(each)
    return course.report()


class _Course:
    """The counts of a replay on its way; of the ticks themselves only the state after the last is kept."""

    def __init__(self, session: Session, rules: Rules) -> None:
        self._session, self._rules = session, rules
        self._catalog, self._meanings = catalog_of(rules), meanings_of(rules)
        self._before: Replayed | None = None
        self._first: Record | None = None
        self._last: Record | None = None
        self._ticks = self._evaluated = self._baselines = self._unreadable = 0
        self._states: dict[str, Counter[str]] = {}
        self._recorded_by: dict[str, None] = {}
        self._compared = self._different = 0
        self._differences: list[Difference] = []
        self._not_compared: Counter[tuple[str, str]] = Counter()

    def take(self, each: Entry | Unreadable) -> None:
        if isinstance(each, Unreadable):
            self._unreadable += 1
            return
        record = each.record
        self._ticks += 1
        self._first, self._last = self._first or record, record
        self._recorded_by[record.catalog] = None
        replayed = replay_entry(each, self._before, self._session, self._rules)
        self._before = replayed
        if not replayed.whole:
            self._baselines += 1
            return
        self._evaluated += any(decision.state in JUDGED for decision in replayed.decisions)
        for decision in replayed.decisions:
            self._states.setdefault(decision.alarm, Counter())[decision.state] += 1
        self._compare(record, replayed.decisions)

    def _compare(self, record: Record, decisions: Sequence[Decision]) -> None:
        recorded = {decision.alarm: decision for decision in record.decisions}
        for now in decisions:
            then = recorded.pop(now.alarm, None)
            why = self._incomparable(record, then, now) if then else "the record has no such alarm"
            if then is None or why:
                self._not_compared[now.alarm, why] += 1
                continue
            self._compared += 1
            if not _same(then, now, exact=record.catalog == self._catalog):
                self._different += 1
                if len(self._differences) < SHOWN:
                    self._differences.append(Difference(record.at, now.alarm, _words(then), _words(now)))
        for gone in recorded:
            self._not_compared[gone, "this catalog has no such alarm"] += 1

    def _incomparable(self, record: Record, then: Decision, now: Decision) -> str:
        """A row that changed its meaning is another alarm of the same name."""
        before, meaning = record.meanings.get(now.alarm), self._meanings.get(now.alarm)
        if before and meaning and before != meaning:
            return (
                f"version {before.version} of {before.since} was recorded, "
                f"this is version {meaning.version} of {meaning.since}"
            )
        if then.version != now.version:
            return f"version {then.version} was recorded, this is version {now.version}"
        return ""

    def report(self) -> Replay:
        expected = {row.name for row in self._rules.alarms if row.silence_expected}
        return Replay(
            ticks=self._ticks,
            evaluated=self._evaluated,
            baselines=self._baselines,
            unreadable=self._unreadable,
            first=self._first.at if self._first else None,
            last=self._last.at if self._last else None,
            catalog=self._catalog,
            recorded_by=tuple(self._recorded_by),
            alarms=tuple(
                count_of(alarm, states, silence_expected=alarm in expected) for alarm, states in self._states.items()
            ),
            compared=self._compared,
            different=self._different,
            differences=tuple(self._differences),
            not_compared=tuple(
                NotCompared(alarm, why, ticks) for (alarm, why), ticks in sorted(self._not_compared.items())
            ),
        )


def _same(then: Decision, now: Decision, *, exact: bool) -> bool:
    """Under another catalog a threshold that moved is no difference by itself; what came of it is."""
    same = then.state == now.state and _equal(then.value, now.value)
    return same and (not exact or _equal(then.threshold, now.threshold))


def _equal(one: float | None, other: float | None) -> bool:
    """Up to rounding: the archive adds labelled series up in another order than the scrape had."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9) or (math.isnan(one) and math.isnan(other))


def _words(decision: Decision) -> str:
    return f"{decision.state}: {decision.reason}" if decision.reason else decision.state
