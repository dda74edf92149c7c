"""An archive as live ticks would leave it, without a node: each tick is judged, remembered and archived in turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from monitor_loop.session import DataRoot, Session
from monitor_tick.checks import CHECKS
from monitor_tick.facts import Missing
from monitor_tick.memory import Memory
from monitor_tick.metrics import Scrape
from monitor_tick.recorded import archive
from monitor_tick.recorded.record import Entry, Trace, Unreadable
from monitor_tick.recorded.replay import REPLAYED, after
from monitor_tick.rules import AlarmRow, Rules
from monitor_tick.verdict import Decision
from tests.monitor_tick.alarm_views import AFTER, BEFORE, RULES, with_values
from tests.monitor_tick.views import CADENCE, NOW, a_session, a_view

SCRAPES = (BEFORE, AFTER)


def a_running_session(data: Path) -> Session:
    session = a_session(data=DataRoot(data))
    session.directory.mkdir(parents=True)
    return session


def live(
    session: Session,
    ticks: Iterable[Mapping[str, float] | str],
    rules: Rules = RULES,
    *,
    start: int = 0,
    every: timedelta = CADENCE,
) -> list[tuple[Decision, ...]]:
    """One tick each: these values in a recorded scrape, or the reason why there is none. What each tick decided."""
    decided = []
    memory = Memory()
    for number, tick in enumerate(ticks, start):
        at = NOW + number * every
        scrape: Scrape | Missing = Missing(tick) if isinstance(tick, str) else with_values(SCRAPES[number % 2], tick)
        if isinstance(scrape, Scrape):
            scrape = msgspec.structs.replace(scrape, at=at)
        view = a_view(
            session=session,
            rules=rules,
            scrape=scrape,
            memory=memory,
            at=at,
            scrape_checksum=f"{number:064d}",
            warming_up=False,
        )
        judged = [check.judge(view) for check in CHECKS if check.LABEL in REPLAYED]
        verdicts = [verdict for verdict in judged if verdict is not None]
        assert archive.write(view, verdicts) == ""
        memory = after(memory, verdicts, scrape if isinstance(scrape, Scrape) else None)
        decided.append(tuple(decision for verdict in verdicts for decision in verdict.decisions))
    return decided


def names_in(session: Session) -> list[str]:
    directory = archive.directory_of(session)
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def files_in(session: Session) -> list[Path]:
    return [archive.directory_of(session) / name for name in names_in(session)]


def entries_of(session: Session) -> list[Entry]:
    found = list(archive.entries(archive.directory_of(session)))
    assert all(isinstance(each, Entry) for each in found)
    return [each for each in found if isinstance(each, Entry)]


def unreadable_in(found: Sequence[Entry | Trace | Unreadable]) -> list[Unreadable]:
    return [each for each in found if isinstance(each, Unreadable)]


def with_limits(rules: Rules = RULES, **changes: object) -> Rules:
    return msgspec.structs.replace(rules, limits=msgspec.structs.replace(rules.limits, **changes))


def with_row(alarm: str, **changes: object) -> Rules:
    """The shipped rules, one row changed; `threshold` is the condition's."""

    def changed(row: AlarmRow) -> AlarmRow:
        if row.name != alarm:
            return row
        own = dict(changes)
        if "threshold" in own:
            own["condition"] = msgspec.structs.replace(row.condition, threshold=own.pop("threshold"))
        return msgspec.structs.replace(row, **own)

    return msgspec.structs.replace(RULES, alarms=tuple(changed(row) for row in RULES.alarms))
