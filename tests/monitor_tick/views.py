"""A healthy validator as a View, and the few words to make it sick in one way.

`a_view(age_seconds=45.0, early=True)` names fields of Session, Facts, Standing, Phase or Memory; what follows from them
(in_real_time, deadline, synced_only, the process's start) follows here as well, unless it is named too. Whole parts can
be given as session=, facts=, standing=, phase=, memory= or rules=. `config` is the node's, of Facts.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import tomli

from monitor_loop.session import DataRoot, Identity, Mode, NodeConfig, NodeRecord, Process, Session
from monitor_tick.catalog import load_rules
from monitor_tick.facts import (
    Directories,
    DiskUsage,
    Facts,
    Heartbeat,
    HostMemory,
    LogCursor,
    LogReading,
    MemoryComponent,
    MemoryReport,
    Missing,
    NodeInfo,
    PeerCounts,
    ProcessMemory,
    Radar,
    RpcHealth,
    ScpSlot,
    Trees,
    TreeSize,
)
from monitor_tick.memory import LastLedger, Memory, PhaseState, State, TickState
from monitor_tick.metrics import Scrape
from monitor_tick.phase import Phase, Standing
from monitor_tick.rules import Limits, Rules
from monitor_tick.view import View

NOW = datetime(2026, 5, 9, 3, 40, 7, tzinfo=timezone.utc)
CADENCE = timedelta(minutes=20)
LEDGER = 62_484_011
UPTIME = timedelta(hours=26)
DATA = Path("/data")
MAINNET = DATA / "mainnet"
IDENTITY = Identity(pid=4711, start_ticks=990_000, boot_id="5b2b4f0a-boot")
DEAD = Missing("no process")
PUBLIC_KEY = "GDVALIDATOR" + "A" * 45
GIB = 2**30

LIMITS_FILE = Path(__file__).parents[2] / "shared" / "limits.toml"


def the_limits() -> Limits:
    return msgspec.convert(tomli.loads(LIMITS_FILE.read_text(encoding="utf-8")), Limits)


LIMITS = the_limits()
SHIPPED = load_rules()


def a_session(**changes: object) -> Session:
    session = Session(
        data=DataRoot(DATA),
        id="1a2b3c4d",
        mode=Mode.VALIDATOR,
        config="configs/validator-mainnet-rpc.toml",
        admin_port=11627,
        rpc_port=8000,
        run_flags="--validator",
        binary=DATA / "1a2b3c4d" / "cargo-target" / "release" / "henyey",
        repo=Path("/repo"),
    )
    return msgspec.structs.replace(session, **changes)


def a_process(uptime: timedelta = UPTIME, *, at: datetime = NOW, **changes: object) -> Process:
    process = Process(
        identity=IDENTITY,
        session_id="1a2b3c4d",
        exe=a_session().launch_path,
        deleted=False,
        argv=("henyey", "--mainnet", "run", "--validator", "-c", "configs/validator-mainnet-rpc.toml"),
        cwd=Path("/repo"),
        started_at=at - uptime,
        stdout=str(a_session().log),
    )
    return msgspec.structs.replace(process, **changes)


def a_config(**changes: object) -> NodeConfig:
    config = NodeConfig(
        database=MAINNET / "mainnet.db",
        buckets=MAINNET / "buckets",
        http_port=11627,
        rpc_port=8000,
        retention_window=360,
        maintenance_period_seconds=900,
        is_validator=True,
    )
    return msgspec.structs.replace(config, **changes)


def a_heartbeat(**changes: object) -> Heartbeat:
    heartbeat = Heartbeat(
        at=NOW - timedelta(seconds=3),
        ledger=LEDGER,
        latest_ext=LEDGER,
        tracking_slot=LEDGER + 1,
        peers=25,
        heard_from_quorum=True,
        scp_sent_ext=18_680,
    )
    return msgspec.structs.replace(heartbeat, **changes)


def a_memory_report(**changes: object) -> MemoryReport:
    report = MemoryReport(
        at=NOW - timedelta(seconds=60),
        ledger=LEDGER - 11,
        rss_mb=7588.0,
        allocated_mb=6101.0,
        resident_mb=7211.0,
        fragmentation_pct=18.2,
        heap_mb=5243.0,
        mmap_mb=11043.0,
        unaccounted_mb=858.0,
        components=(
            MemoryComponent("soroban_data", 541.3, "heap"),
            MemoryComponent("offers", 904.6, "heap"),
            MemoryComponent("bucket_list_mmap", 10731.5, "mmap"),
            MemoryComponent("module_cache", 1893.4, "heap"),
        ),
    )
    return msgspec.structs.replace(report, **changes)


def a_log(**changes: object) -> LogReading:
    log = LogReading(
        cursor=LogCursor(device=1, inode=7, offset=79_056),
        read_bytes=79_056,
        heartbeat=a_heartbeat(),
        earlier_heartbeat=a_heartbeat(at=NOW - timedelta(seconds=13), ledger=LEDGER - 2, scp_sent_ext=18_678),
        closed_ledger=LEDGER,
        close_time=NOW - timedelta(seconds=3),
        memory_reports=(
            a_memory_report(at=NOW - timedelta(seconds=380), ledger=LEDGER - 75),
            a_memory_report(),
        ),
    )
    return msgspec.structs.replace(log, **changes)


def an_info(**changes: object) -> NodeInfo:
    info = NodeInfo(
        state="Validating",
        ledger=LEDGER,
        age_seconds=3,
        close_time=NOW - timedelta(seconds=3),
        commit_hash="b8f18c6db1f980ba80da626c87f1fdeac91be61f",
        public_key=PUBLIC_KEY,
        is_validator=True,
        peers=25,
    )
    return msgspec.structs.replace(info, **changes)


def a_process_memory(**changes: object) -> ProcessMemory:
    memory = ProcessMemory(
        rss_mb=7588,
        vsz_mb=31_000,
        peak_mb=31_500,
        swap_mb=0,
        threads=42,
        smaps_rollup=(("Rss", 7_770_112), ("Pss", 7_600_000)),
    )
    return msgspec.structs.replace(memory, **changes)


def some_trees(**sizes: int) -> Trees:
    """Sizes in bytes by tree (`buckets=...`); the rest as on a settled node."""
    settled = {
        "session": 6 * GIB,
        "mainnet": 48 * GIB,
        "buckets": 20 * GIB,
        "database": 27 * GIB,
        "logs": GIB // 2,
        "cargo_target": 5 * GIB,
    }
    paths = {
        "session": DATA / "1a2b3c4d",
        "mainnet": MAINNET,
        "buckets": MAINNET / "buckets",
        "database": MAINNET / "mainnet.db",
        "logs": DATA / "1a2b3c4d" / "logs",
        "cargo_target": DATA / "1a2b3c4d" / "cargo-target",
    }
    return Trees(**{name: TreeSize(paths[name], sizes.get(name, settled[name])) for name in settled})


def healthy_facts() -> Facts:
    return Facts(
        at=NOW,
        boot_id=IDENTITY.boot_id,
        process=a_process(),
        directories=Directories(
            session=True, mainnet=True, database=True, env_age_seconds=93_600.0, alive_age_seconds=1200.0
        ),
        config=a_config(),
        log=a_log(),
        rotations=(),
        info=an_info(),
        rpc=RpcHealth(status="healthy", latest=LEDGER, oldest=LEDGER - 450, retention_window=360),
        scrape=Scrape(identity=IDENTITY, at=NOW, types={}, samples={}),
        scp=ScpSlot(slot=LEDGER, is_externalized=True, fully_validated=True, ballot_phase="Externalize"),
        peers=PeerCounts(inbound=9, outbound=16),
        radar=Radar(
            is_validating=True,
            validating_24h_pct=99.8,
            lag=1,
            latest_ledger=LEDGER,
            updated_at="2026-05-09T03:38:00.000Z",
        ),
        process_memory=a_process_memory(),
        host_memory=HostMemory(total_mb=32_000, available_mb=20_000),
        disk=DiskUsage(total_bytes=1000 * GIB, used_bytes=410 * GIB, used_pct=41.0),
        trees=some_trees(),
        build_sha="b8f18c6db1f980ba80da626c87f1fdeac91be61f",
    )


def healthy_standing() -> Standing:
    return Standing(ledger=LEDGER, gap=0, age_seconds=3.0, heard_from_quorum=True, in_real_time=True)


def healthy_phase() -> Phase:
    return Phase(
        uptime=UPTIME,
        early=False,
        interval=CADENCE,
        restarted=False,
        warming_up=False,
        fresh_start=False,
        crash_recovery=False,
        synced_only=True,
        deadline=LIMITS.deadline,
        unsynced_for=UPTIME,
        advanced=240,
        remember=PhaseState(synced_once=True, previous_ledger=LEDGER - 240),
    )


def healthy_memory() -> Memory:
    return Memory(
        state=State(tick=TickState(at=NOW - CADENCE, full_at=NOW - CADENCE, identity=IDENTITY)),
        last_ledger=LastLedger(LEDGER - 240, NOW - CADENCE),
        node=NodeRecord(first_launched_at=NOW - timedelta(days=30)),
    )


def some_rules(**limits: object) -> Rules:
    """No alarm rows, no log patterns, the rows that keep a streak, and the real limits with `limits` in their place."""
    return Rules(
        limits=msgspec.structs.replace(LIMITS, **limits),
        alarms=(),
        log_patterns=(),
        ratios=SHIPPED.ratios,
        recovery=SHIPPED.recovery,
    )


def _follow(changes: dict[str, object]) -> None:
    """Add what the named fields imply."""
    if "age_seconds" in changes:
        age = changes["age_seconds"]
        changes.setdefault("in_real_time", isinstance(age, float | int) and age <= LIMITS.real_time_age_seconds)
    if isinstance(changes.get("process"), Missing):
        changes.setdefault("uptime", None)
        changes.setdefault("process_memory", changes["process"])
    uptime = changes.get("uptime", UPTIME)
    changes.setdefault("unsynced_for", uptime)
    if isinstance(uptime, timedelta):
        changes.setdefault("process", a_process(uptime))
    fresh, recovering = bool(changes.get("fresh_start")), bool(changes.get("crash_recovery"))
    started = LIMITS.crash_recovery_deadline if recovering else LIMITS.deadline
    changes.setdefault("deadline", LIMITS.fresh_start_deadline if fresh else started)
    settled = timedelta(minutes=LIMITS.synced_only_uptime_minutes)
    changes.setdefault("synced_only", isinstance(uptime, timedelta) and uptime > settled and not (fresh or recovering))


def a_view(**changes: object) -> View:
    parts: dict[str, msgspec.Struct] = {
        "facts": healthy_facts(),
        "session": a_session(),
        "memory": healthy_memory(),
        "standing": healthy_standing(),
        "phase": healthy_phase(),
        "rules": some_rules(),
    }
    whole = {name: changes.pop(name) for name in parts if name in changes}
    _follow(changes)
    for name, part in parts.items():
        fields = {field: changes.pop(field) for field in part.__struct_fields__ if field in changes}
        parts[name] = msgspec.structs.replace(part, **fields)
    if changes:
        raise TypeError(f"no part of a View has the field {', '.join(changes)}")
    return View(**(parts | whole))


def a_dead_view(**changes: object) -> View:
    """The same session with no node: every interface silent, what the log last said still known."""
    silent = dict.fromkeys(("info", "rpc", "scrape", "scp", "peers", "radar"), Missing("connection refused"))
    standing = {"age_seconds": None, "advanced": None}
    return a_view(**({"process": DEAD} | silent | standing | changes))


def a_watcher_view(**changes: object) -> View:
    watcher = a_session(mode=Mode.WATCHER, config="configs/mainnet.toml", admin_port=11727, rpc_port=None, run_flags="")
    absent = dict.fromkeys(("rpc", "scp", "radar"), Missing("watcher"))
    return a_view(**({"session": watcher} | absent | changes))
