"""What earlier ticks left behind: the sections of state, each owned by one check, and the text form of its file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from monitor_loop.session import Identity, NodeRecord
from monitor_tick.facts import Heartbeat, LogCursor, MemoryReport
from monitor_tick.issues.ledger import NOTHING_FILED, Ledger
from monitor_tick.metrics import Scrape


class TickState(msgspec.Struct, frozen=True, kw_only=True):
    """When the last ticks were. `full_at` is the last tick that was not early; intervals count from it."""

    at: datetime
    full_at: datetime
    identity: Identity | None = None


class PhaseState(msgspec.Struct, frozen=True, kw_only=True):
    """Where the node is on its way to sync. `warmup_left` counts full ticks; `recovering` is crash recovery."""

    synced_once: bool = False
    warmup_left: int = 0
    recovering: bool = False
    previous_ledger: int | None = None


class LogState(msgspec.Struct, frozen=True, kw_only=True):
    """The cursor, and the newest of each periodic line of the run `identity`."""

    cursor: LogCursor | None = None
    identity: Identity | None = None
    heartbeat: Heartbeat | None = None
    closed_ledger: int | None = None
    close_time: datetime | None = None
    memory_reports: tuple[MemoryReport, ...] = ()


class SyncState(msgspec.Struct, frozen=True, kw_only=True):
    """`stuck_ticks` counts full ticks in a row at one ledger; `late` says the last full tick saw age 30-60 s. `kind` is
    the kind of start that an outage began with, which is its scope until the node is in sync or starts anew."""

    stuck_ticks: int = 0
    late: bool = False
    kind: str = ""


class RssState(msgspec.Struct, frozen=True):
    """RSS at the last full tick, of the run it was measured on."""

    identity: Identity
    rss_mb: int


class TreeState(msgspec.Struct, frozen=True, kw_only=True):
    """Tree sizes at the last full tick and the first of the day before; and the walk's cache of directory sizes."""

    at: datetime
    total_bytes: int
    buckets_bytes: int
    database_bytes: int
    day_at: datetime
    day_buckets_bytes: int
    day_database_bytes: int


class PruningState(msgspec.Struct, frozen=True):
    """How far the maintenance calls have gone: 0 none, 1 count=100000 tried, 2 count=500000 tried."""

    step: int = 0
    window: int | None = None


class ScrapeState(msgspec.Struct, frozen=True, kw_only=True):
    """Which run and time current.prom is of. `checksum` is the SHA-256 of the file: a scrape on disk counts only
    with it. `overlay_timeouts` is the previous tick's delta, which the churn alarm multiplies. `interrupted`: a full
    tick since had no scrape, so that what counts ticks in a row starts over."""

    identity: Identity
    at: datetime
    checksum: str
    overlay_timeouts: float | None = None
    interrupted: bool = False


class SeenJob(msgspec.Struct, frozen=True):
    """A job that did not succeed, and what its log was found to say. `category` is empty where no log was asked for."""

    name: str
    conclusion: str
    category: str = ""
    signature: str = ""


class SeenRun(msgspec.Struct, frozen=True, kw_only=True):
    """A completed attempt of a CI run: how many of its jobs passed, and the others but those that were skipped."""

    id: int
    attempt: int
    passed: int
    jobs: tuple[SeenJob, ...] = ()


class CiState(msgspec.Struct, frozen=True, kw_only=True):
    """The completed runs that are still in the list, so that no tick asks for their jobs again; and the ids of runs
    that were rerun, each once ever, newest last."""

    seen: tuple[SeenRun, ...] = ()
    rerun: tuple[int, ...] = ()


class LastLedger(msgspec.Struct, frozen=True):
    """The user's file last_ledger, `<ledger>|<unix time>`: when the node was first seen at this ledger."""

    ledger: int
    since: datetime


class ExitState(msgspec.Struct, frozen=True, kw_only=True):
    """How the last run ended, while no process runs: what its log said was read once, and is said until it is back.

    `kind` is empty once a process runs again. `event` is that of its alert, and `run` the last run
    that was known by its identity: another one since has an end of its own.
    """

    kind: str = ""
    title: str = ""
    run: str = ""
    event: str = ""


class FiringState(msgspec.Struct, frozen=True):
    """Since when each alert has fired on every full tick, by key; what stops firing leaves."""

    since: tuple[tuple[str, datetime], ...] = ()


class UrgentState(msgspec.Struct, frozen=True):
    """Keys that have used up their escalation: urgent before, so that cooldown holds for them as for any other."""

    keys: tuple[str, ...] = ()


class ApplyState(msgspec.Struct, frozen=True, kw_only=True):
    """The apply failure share by build, which tells a jump right after a deploy.

    `share` is the last one judged under `build`, `before` the last one under the build before it; `settled` says that
    this build has had a tick that did not breach.
    """

    build: str
    share: float
    before: float | None = None
    settled: bool = False


class RatioCounters(msgspec.Struct, frozen=True, kw_only=True):
    """What the ratio checks read. `pv_total_sum` is the sum of all 14 reasons. The pending pair is None, both or
    neither, where the node does not show it."""

    apply_success: float
    apply_failure: float
    pv_accepted: float
    pv_processed_directly: float
    pv_total_sum: float
    pending_too_old: float | None
    pending_received: float | None


class RatioStreaks(msgspec.Struct, frozen=True, kw_only=True):
    """Breaching full ticks in a row."""

    scp: int = 0
    apply: int = 0
    pending: int = 0


class RatioSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of the last judged tick, of the run it was; `at` has whole seconds."""

    at: datetime
    pid: int
    start_ticks: int
    counters: RatioCounters
    streaks: RatioStreaks = RatioStreaks()


class RatioBaseline(msgspec.Struct, frozen=True):
    """The user's file metrics/ratio_snapshot. None is an emptied file: the next judged tick is a baseline."""

    snapshot: RatioSnapshot | None = None


class CounterStreakSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The counter of 12b as it was last read, of the run it was; `at` has whole seconds."""

    at: datetime
    pid: int
    start_ticks: int
    value: float
    streak: int


class CounterStreak(msgspec.Struct, frozen=True):
    """The user's file metrics/counter_streak_snapshot. None: there is no such file."""

    snapshot: CounterStreakSnapshot | None = None


class Cooldowns(msgspec.Struct, frozen=True):
    """The user's file metrics/anomaly_cooldown.json: when each key was last filed, in unix seconds."""

    filed: tuple[tuple[str, int], ...] = ()


Section = (
    TickState
    | PhaseState
    | LogState
    | SyncState
    | RssState
    | TreeState
    | PruningState
    | ScrapeState
    | FiringState
    | UrgentState
    | ApplyState
    | ExitState
    | CiState
    | LastLedger
    | RatioBaseline
    | CounterStreak
)


OwnFile = TypeVar("OwnFile", LastLedger, RatioBaseline, CounterStreak)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """<session>/state.json: every section that has no file of the user's. A missing section is a first tick."""

    tick: TickState | None = None
    phase: PhaseState | None = None
    log: LogState | None = None
    sync: SyncState | None = None
    rss: RssState | None = None
    trees: TreeState | None = None
    pruning: PruningState | None = None
    scrape: ScrapeState | None = None
    firing: FiringState | None = None
    urgent: UrgentState | None = None
    apply: ApplyState | None = None
    exit: ExitState | None = None
    ci: CiState | None = None


_FIELD_OF: dict[type, str] = {
    TickState: "tick",
    PhaseState: "phase",
    LogState: "log",
    SyncState: "sync",
    RssState: "rss",
    TreeState: "trees",
    PruningState: "pruning",
    ScrapeState: "scrape",
    FiringState: "firing",
    UrgentState: "urgent",
    ApplyState: "apply",
    ExitState: "exit",
    CiState: "ci",
}


class Damage(msgspec.Struct, frozen=True):
    """A state file that could not be read: what was wrong, and the name it was set aside under."""

    file: str
    reason: str
    kept_as: str


class Interrupted(msgspec.Struct, frozen=True, kw_only=True):
    """An act on the node whose tick died: what it was, since when, and what of it was finished by this load.

    `wiped_at` is the time of a wipe that had put the data aside, None otherwise. `unquarantined` is the commit whose
    entry still could not be written.
    """

    act: str
    at: datetime
    words: str
    wiped_at: datetime | None = None
    unquarantined: str = ""
    intent: str = ""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a tick reloads. `previous` is the baseline scrape, None where there is none or it does not count.
    `ratios` is None where that file is not there, which judges like an emptied one. `issues` outlives the session.

    `skipped_ticks` counts ticks since the last full one that found the lock held; `finished_journal` says that
    the tick before died inside its commit, which the load completed.
    """

    state: State = State()
    last_ledger: LastLedger | None = None
    previous: Scrape | None = None
    ratios: RatioBaseline | None = None
    recovery: CounterStreak = CounterStreak()
    cooldowns: Cooldowns = Cooldowns()
    issues: Ledger = NOTHING_FILED
    node: NodeRecord = NodeRecord()
    damaged: tuple[Damage, ...] = ()
    skipped_ticks: int = 0
    last_status: str = ""
    finished_journal: bool = False
    interrupted: tuple[Interrupted, ...] = ()


def next_state(state: State, sections: Sequence[Section]) -> State:
    """`state` with each section in its place; a section that no check returned stays as it was."""
    fields = {_FIELD_OF[type(section)]: section for section in sections if type(section) in _FIELD_OF}
    return msgspec.structs.replace(state, **fields)


def next_memory(memory: Memory, sections: Sequence[Section]) -> Memory:
    """`memory` with each section in its place, those with a file of their own too; the scrape is not a section."""
    return msgspec.structs.replace(
        memory,
        state=next_state(memory.state, sections),
        last_ledger=_newest(LastLedger, sections) or memory.last_ledger,
        ratios=_newest(RatioBaseline, sections) or memory.ratios,
        recovery=_newest(CounterStreak, sections) or memory.recovery,
    )


def _newest(of: type[OwnFile], sections: Sequence[Section]) -> OwnFile | None:
    return next((section for section in reversed(sections) if isinstance(section, of)), None)
