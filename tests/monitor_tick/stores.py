"""A session directory on disk, and the ticks that were committed into it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from monitor_loop import journal
from monitor_loop.session import DataRoot, Identity, NodeRecord, Session
from monitor_tick.alert import Alert
from monitor_tick.facts import Heartbeat, LogCursor, MemoryComponent, MemoryReport
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.ledger import BoardFailure, Entry, Filed, Intent, Ledger, State
from monitor_tick.memory import (
    ApplyState,
    CiState,
    CounterStreak,
    CounterStreakSnapshot,
    FiringState,
    LastLedger,
    LogState,
    Memory,
    PhaseState,
    PruningState,
    RatioBaseline,
    RatioCounters,
    RatioSnapshot,
    RatioStreaks,
    RssState,
    ScrapeState,
    Section,
    SeenJob,
    SeenRun,
    SyncState,
    TickState,
    TreeState,
    UrgentState,
)
from monitor_tick.state import store
from tests.monitor_tick.views import CADENCE, IDENTITY, LEDGER, NOW, a_session


def time_of(tick: int) -> datetime:
    return NOW + tick * CADENCE


def body_of(tick: int) -> bytes:
    return f"# TYPE stellar_ledger_sequence gauge\nstellar_ledger_sequence {LEDGER + 240 * tick}\n".encode()


def node_of(tick: int) -> NodeRecord:
    return NodeRecord(first_launched_at=NOW - timedelta(days=30), deployed_sha=f"{tick:040x}")


def scrape_section(tick: int, body: bytes | None = None, identity: Identity = IDENTITY) -> ScrapeState:
    checksum = journal.fingerprint(body_of(tick) if body is None else body)
    return ScrapeState(identity=identity, at=time_of(tick), checksum=checksum, overlay_timeouts=float(tick))


def a_ratio_baseline(tick: int) -> RatioBaseline:
    counters = RatioCounters(
        apply_success=4_354_953.0 + tick,
        apply_failure=1_381_552.0,
        pv_accepted=1_134_495.0,
        pv_processed_directly=0.0,
        pv_total_sum=7_117_944.0,
        pending_too_old=0.0,
        pending_received=0.0,
    )
    streaks = RatioStreaks(scp=tick)
    at, run = time_of(tick), IDENTITY
    return RatioBaseline(
        RatioSnapshot(at=at, pid=run.pid, start_ticks=run.start_ticks, counters=counters, streaks=streaks)
    )


def sections_of(tick: int) -> list[Section]:
    """Every section there is, each with a value that no other tick has."""
    at, ledger = time_of(tick), LEDGER + 240 * tick
    report = MemoryReport(
        at=at,
        ledger=ledger,
        rss_mb=8000.5 + tick,
        allocated_mb=6000.25,
        resident_mb=7900.0,
        fragmentation_pct=18.1,
        heap_mb=5000.0,
        mmap_mb=2500.0,
        unaccounted_mb=-12.5,
        components=(MemoryComponent("bucket_index", 1234.5, "heap"),),
    )
    return [
        TickState(at=at, full_at=at, identity=IDENTITY),
        PhaseState(synced_once=True, warmup_left=tick, previous_ledger=ledger),
        LogState(
            cursor=LogCursor(device=2049, inode=77, offset=1000 * tick),
            identity=IDENTITY,
            heartbeat=Heartbeat(at=at, ledger=ledger, latest_ext=ledger + 1, heard_from_quorum=True),
            closed_ledger=ledger,
            close_time=at,
            memory_reports=(report,),
        ),
        SyncState(stuck_ticks=tick),
        RssState(IDENTITY, 8000 + tick),
        TreeState(
            at=at,
            total_bytes=10**12 + tick,
            buckets_bytes=10**11,
            database_bytes=10**10,
            day_at=NOW,
            day_buckets_bytes=1,
            day_database_bytes=2,
        ),
        PruningState(step=1, window=tick),
        scrape_section(tick),
        FiringState(since=(('metric:överlay "x"\n', at),)),
        UrgentState(keys=(f"urgent:{tick}",)),
        ApplyState(build=f"{tick:040x}", share=0.25, before=0.5, settled=True),
        CiState(seen=(SeenRun(id=9 + tick, attempt=1, passed=3, jobs=(SeenJob("lint", "failure"),)),), rerun=(tick,)),
        LastLedger(ledger, at.replace(microsecond=0)),
        a_ratio_baseline(tick),
        CounterStreak(
            CounterStreakSnapshot(at=at, pid=IDENTITY.pid, start_ticks=IDENTITY.start_ticks, value=tick, streak=tick)
        ),
    ]


def ledger_of(tick: int) -> Ledger:
    """What was filed up to this tick, and one write that waits."""
    at = time_of(tick)
    alert = Alert(key="rpc:down", scope="down", title="RPC down", evidence=(("reason", "timeout\n"),), event=f"{tick}")
    return Ledger(
        filed=tuple(
            Filed(key=f"metric:överlay_{number}", scope="row", number=number, title='"x" → 7', at=time_of(number))
            for number in range(1, tick + 1)
        ),
        outbox=(
            Entry(
                incident=f"{tick:012x}",
                intent=Intent.FILE,
                key=alert.key,
                scope=alert.scope,
                title=alert.title,
                state=State.SENT,
                finding=Finding(alert=alert, at=at, session_id="1a2b3c4d", mode="validator", owned=(alert,)),
                first_at=NOW,
                sent_at=at,
                times=tick,
            ),
        ),
        board=(BoardFailure(tick, 2),),
        login="monitor",
    )


def a_stored_session(root: Path) -> Session:
    """As `start` leaves it: directories, and no state yet. `root` need not exist."""
    session = a_session(data=DataRoot(root))
    for directory in session.subdirectories:
        directory.mkdir(parents=True)
    return session


def commit_tick(session: Session, memory: Memory, tick: int) -> Memory:
    memory = msgspec.structs.replace(memory, issues=ledger_of(tick))
    return store.commit_judgement(
        session, memory, sections_of(tick), scrape_body=body_of(tick), node=node_of(tick), now=time_of(tick)
    )


def load_after(session: Session, tick: int, *, finish: bool = True) -> Memory:
    """What the tick after `tick` loads."""
    return store.load(session, time_of(tick + 1), finish=finish)


def after_ticks(root: Path, ticks: int) -> Session:
    """A session whose ticks 1 to `ticks` are committed."""
    session = a_stored_session(root)
    for tick in range(1, ticks + 1):
        commit_tick(session, load_after(session, tick - 1), tick)
    return session


def values_of(memory: Memory) -> Memory:
    """Without how the load went: only what it found."""
    return msgspec.structs.replace(memory, damaged=(), finished_journal=False)


def state_files(session: Session) -> tuple[Path, ...]:
    return (
        session.state,
        session.last_ledger,
        session.current_prom,
        session.prev_prom,
        session.ratio_snapshot,
        session.counter_streak_snapshot,
        session.data.issue_ledger,
        session.data.node_record,
    )


def contents_of(session: Session) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.exists() else None for path in state_files(session)}


def tree_of(root: Path) -> dict[str, tuple[int, int, int, bytes | None]]:
    """Every entry below `root` with mode, size, time of change and content."""
    tree = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        tree[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
    return tree
