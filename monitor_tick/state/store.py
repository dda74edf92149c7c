"""The session directory as Memory, and the commits that change it.

A commit is one transaction of `monitor_loop.journal`: every state file moves, or none does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from monitor_loop import files, journal, noderecord
from monitor_loop.errors import MonitorError
from monitor_loop.session import NodeRecord, Session
from monitor_tick.issues.ledger import NOTHING_FILED, Ledger
from monitor_tick.memory import (
    Cooldowns,
    CounterStreak,
    Memory,
    ScrapeState,
    Section,
    State,
    next_memory,
)
from monitor_tick.metrics import Scrape
from monitor_tick.state import history, snapshots, statefile
from monitor_tick.state.shelf import FILE_LIMIT, Shelf, reason_of

# --- load --------------------------------------------------------------------------------------------------------


def load(session: Session, now: datetime, *, finish: bool) -> Memory:
    """What earlier ticks left, with an unfinished commit finished.

    With `finish` (under the lock) that happens on disk, and a damaged file is renamed to `<name>.damaged-<UTC>`;
    without it no byte changes, the journal is read over the files, and a damaged file stays where it is. node.json,
    which may hold the mark of a node that is to stay down, has that name besides its own until the commit.
    """
    shelf = Shelf(session.data, now, finish)
    interrupted = shelf.settle_journal()
    state = shelf.read(session.state, statefile.parse_state) or State()
    skipped, last_status = shelf.read_history(session)
    shelf.read(session.data.deploy_job, _parse_job)  # a probe reads it too; here a damaged one is set aside and named
    return Memory(
        state=state,
        last_ledger=shelf.read(session.last_ledger, statefile.parse_last_ledger),
        previous=_baseline(shelf, session, state.scrape),
        ratios=shelf.read(session.ratio_snapshot, snapshots.parse_ratios),
        recovery=shelf.read(session.counter_streak_snapshot, snapshots.parse_streak) or CounterStreak(),
        cooldowns=shelf.read(session.anomaly_cooldown, snapshots.parse_cooldowns) or Cooldowns(),
        issues=shelf.read(session.data.issue_ledger, _parse_ledger) or NOTHING_FILED,
        node=shelf.read(session.data.node_record, noderecord.parse, stays=True) or NodeRecord(),
        damaged=tuple(shelf.damaged),
        skipped_ticks=skipped,
        last_status=last_status,
        finished_journal=interrupted,
    )


def _parse_ledger(content: bytes) -> Ledger:
    from monitor_tick.issues import ledgerfile  # where nothing was ever filed it is not needed

    return ledgerfile.parse(content)


def _parse_job(content: bytes) -> object:
    from monitor_loop.building import deployjob  # only where something was built once

    return deployjob.parse(content)


def _baseline(shelf: Shelf, session: Session, scrape: ScrapeState | None) -> Scrape | None:
    """The scrape of the last commit; what else stands in current.prom is no baseline."""
    if scrape is None:
        return None

    def parse(content: bytes) -> Scrape:
        from monitor_tick import exposition  # a load without a baseline does not need it

        if journal.fingerprint(content) != scrape.checksum:
            raise ValueError("not the scrape that was committed")
        try:
            types, samples = exposition.parse(content.decode())
        except exposition.ExpositionError as error:
            raise ValueError(str(error)) from error
        return Scrape(scrape.identity, scrape.at, types, samples)

    return shelf.read(session.current_prom, parse)


# --- commit ------------------------------------------------------------------------------------------------------


def commit_judgement(  # noqa: PLR0913  (one transaction is given whole)
    session: Session,
    memory: Memory,
    sections: Sequence[Section],
    *,
    scrape_body: bytes | None,
    node: NodeRecord,
    now: datetime,
) -> Memory:
    """Everything known before acting, in one transaction; the memory to act and to commit the outcomes with.

    `memory` comes with the ledger as it is to be, so that no finding is lost between its judgement and its issue.
    current.prom becomes prev.prom and `scrape_body` current.prom, when `sections` hold the ScrapeState of that body.
    MonitorError where the disk refuses: nothing has changed then, or the next load completes it.
    """
    after = _after(memory, sections, node)
    journal.finish(session.data)
    writes = _state_writes(session, after)
    if scrape_body is not None and _moves(sections, scrape_body):
        repeated = _content(session.state) == statefile.render_state(after.state)
        writes += _scrape_writes(session, scrape_body, repeated)
    journal.commit(session.data, writes)
    _touch(session.alive, now)
    return after


def commit_outcomes(session: Session, memory: Memory, sections: Sequence[Section], *, node: NodeRecord) -> Memory:
    """What is known only after acting; `memory` is what `commit_judgement` returned."""
    after = _after(memory, sections, node)
    journal.finish(session.data)
    journal.commit(session.data, _state_writes(session, after))
    return after


def save_ledger(session: Session, ledger: Ledger) -> None:
    """The ledger alone, durably: between two calls to the tracker. MonitorError where the disk refuses."""
    journal.commit(session.data, _ledger_writes(session, ledger))


def save_cooldowns(session: Session, cooldowns: Cooldowns) -> None:
    """When each key was last filed, where the session still has its directory. MonitorError where the disk refuses."""
    _restore_metrics(session)
    journal.commit(session.data, _changed(session, session.anomaly_cooldown, snapshots.render_cooldowns(cooldowns)))


def append_history(session: Session, line: history.HistoryLine, *, days: int) -> None:
    """Add the tick's line, and keep the file to `days`. Does nothing where the session has no directory."""
    if not session.directory.is_dir():
        return
    try:
        history.append(session, line)
        history.bound(session, line.ts, days)
    except OSError as error:
        raise MonitorError(f"ERROR: cannot write {session.history}: {reason_of(error)} - check free space") from error


def _after(memory: Memory, sections: Sequence[Section], node: NodeRecord) -> Memory:
    return msgspec.structs.replace(next_memory(memory, sections), node=node)


def _moves(sections: Sequence[Section], body: bytes) -> bool:
    checksum = journal.fingerprint(body)
    return any(isinstance(section, ScrapeState) and section.checksum == checksum for section in sections)


def _state_writes(session: Session, after: Memory) -> list[journal.Write]:
    """The files whose content changes."""
    writes = _changed(session, session.state, statefile.render_state(after.state))
    last = None if after.last_ledger is None else statefile.render_last_ledger(after.last_ledger)
    writes += _changed(session, session.last_ledger, last)
    if after.ratios is not None:
        writes += _changed(session, session.ratio_snapshot, snapshots.render_ratios(after.ratios))
    writes += _changed(session, session.counter_streak_snapshot, snapshots.render_streak(after.recovery))
    writes += _ledger_writes(session, after.issues)
    path = session.data.node_record
    before, content = _content(path), noderecord.render(after.node)
    if content != before and (before is not None or after.node != NodeRecord()):
        writes.append(journal.Write(_name(session, path), content, journal.fingerprint(before)))
    return writes


def _ledger_writes(session: Session, ledger: Ledger) -> list[journal.Write]:
    path = session.data.issue_ledger
    if ledger == NOTHING_FILED and _content(path) is None:
        return []
    from monitor_tick.issues import ledgerfile

    return _changed(session, path, ledgerfile.render(ledger))


def _scrape_writes(session: Session, body: bytes, repeated: bool) -> list[journal.Write]:
    """`repeated`: this very tick is committed already, and its scrape must not become its own baseline."""
    current = _content(session.current_prom)
    if repeated and current == body:
        return []
    _restore_metrics(session)
    writes = _changed(session, session.current_prom, body)
    if current is not None:
        writes += _changed(session, session.prev_prom, current)
    return writes


def _restore_metrics(session: Session) -> None:
    """What cannot be made is left out of the commit, as with a session that is gone."""
    if session.directory.is_dir():
        with contextlib.suppress(OSError):
            session.metrics.mkdir(exist_ok=True)


def _changed(session: Session, path: Path, content: bytes | None) -> list[journal.Write]:
    return [] if _content(path) == content else [journal.Write(_name(session, path), content)]


def _name(session: Session, path: Path) -> str:
    return str(path.relative_to(session.data.path))


def _content(path: Path) -> bytes | None:
    """What a file holds; one that cannot be read is as good as none, since it is about to be replaced."""
    with contextlib.suppress(OSError):
        return files.read(path, FILE_LIMIT)
    return None


def _touch(path: Path, now: datetime) -> None:
    """.alive says when a tick last committed; its age is what counts, so a crash may lose it."""
    try:
        with contextlib.suppress(FileNotFoundError):
            path.touch()
            os.utime(path, (now.timestamp(), now.timestamp()))
    except OSError as error:
        raise MonitorError(
            f"ERROR: cannot touch {path}: {reason_of(error)} - check its owner and permissions"
        ) from error
