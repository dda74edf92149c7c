"""What one tick saw: values only. A fact that could not be read is `Missing` with the reason, never None."""

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path

import msgspec

from monitor_loop.acts import Precondition
from monitor_loop.session import NodeConfig, Process
from monitor_tick.metrics import Scrape


class Missing(msgspec.Struct, frozen=True):
    """A fact that could not be read; `reason` is what the report line prints (short, no secrets, one line)."""

    reason: str


NO_PROCESS = Missing("no process")
"""The node is dead: no process of this session runs. Any other reason means that it could not be told."""


# --- the log -----------------------------------------------------------------------------------------------------


class LogCursor(msgspec.Struct, frozen=True):
    """Where the next tick goes on reading: the byte after the last whole line, in the file with this inode."""

    device: int
    inode: int
    offset: int


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The node's ten-second line of state. `logged_gap` is its `gap=` field, which today's node does not print."""

    at: datetime
    ledger: int
    latest_ext: int
    tracking_slot: int = 0
    peers: int = 0
    heard_from_quorum: bool = False
    scp_silent_seconds: int = 0
    scp_sent_ext: int = 0
    logged_gap: int | None = None

    @property
    def gap(self) -> int:
        """Ledgers externalized and not closed here; `peer_gap` is another thing and is not read."""
        return self.logged_gap if self.logged_gap is not None else max(0, self.latest_ext - self.ledger)


class MemoryComponent(msgspec.Struct, frozen=True):
    name: str
    mb: float
    kind: str


class MemoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """The node's own account of its memory, every 64 ledgers. MB is 2^20 bytes; `unaccounted_mb` is signed."""

    at: datetime
    ledger: int
    rss_mb: float
    allocated_mb: float
    resident_mb: float
    fragmentation_pct: float
    heap_mb: float
    mmap_mb: float
    unaccounted_mb: float
    components: tuple[MemoryComponent, ...] = ()


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Equal lines of this tick as one: same target, same message once numbers, hashes, keys and paths are replaced.

    `example` is the first such line with what followed it (a panic's message), cut to 4000 characters.
    `previous_run` marks lines written before the live process started: findings, but no evidence about it.
    `first` and `last` are None where the line carries no timestamp (panic text, `Error:`).
    """

    level: str
    target: str
    normalised: str
    example: str
    count: int
    first: datetime | None
    last: datetime | None
    previous_run: bool = False


class LogReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the unread part of the log says. The latest heartbeat, close and reports include what is remembered
    of the same run, so that a tick with few new lines still knows them.

    `entries` are the lines that may be findings: every ERROR, panic and exit line, and every line that a row of
    log-patterns.toml names. `catchup_trail` holds the newest lines about state changes, recovery and catchup, and
    `last_lines` what a run that has ended wrote last, whatever it is; none of a live one.
    `close_time` is the close_time= field of the newest `Ledger closed` line, never that line's timestamp.
    `skipped_bytes` were unread because a tick reads at most 64 MiB; `cursor` is None where there is no log yet.
    """

    cursor: LogCursor | None
    first_tick: bool = False
    read_bytes: int = 0
    skipped_bytes: int = 0
    heartbeat: Heartbeat | None = None
    earlier_heartbeat: Heartbeat | None = None
    closed_ledger: int | None = None
    close_time: datetime | None = None
    memory_reports: tuple[MemoryReport, ...] = ()
    entries: tuple[LogEntry, ...] = ()
    catchup_trail: tuple[str, ...] = ()
    last_lines: tuple[str, ...] = ()
    maintenance_at: datetime | None = None
    maintenance_slow_ms: int | None = None


class Rotation(msgspec.Struct, frozen=True):
    """A rotated log, monitor.log.<cause>-<UTC>: why the run before the next one ended."""

    path: Path
    cause: str
    at: datetime


# --- the node's interfaces ---------------------------------------------------------------------------------------


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """GET /info. `age_seconds` and `close_time` are None while the node has closed no ledger (close_time 0)."""

    state: str
    ledger: int
    age_seconds: int | None
    close_time: datetime | None
    commit_hash: str
    public_key: str
    is_validator: bool
    peers: int


class RpcHealth(msgspec.Struct, frozen=True, kw_only=True):
    """JSON-RPC getHealth. `oldest` is None where the node says 1 (unknown); `age_seconds` is not served today."""

    status: str
    latest: int
    oldest: int | None
    retention_window: int | None
    age_seconds: int | None = None

    @property
    def window(self) -> int | None:
        return None if self.oldest is None else self.latest - self.oldest


class ScpSlot(msgspec.Struct, frozen=True, kw_only=True):
    """The newest slot of GET /scp?limit=1."""

    slot: int
    is_externalized: bool
    fully_validated: bool
    ballot_phase: str


class PeerCounts(msgspec.Struct, frozen=True):
    inbound: int
    outbound: int


class Radar(msgspec.Struct, frozen=True, kw_only=True):
    """What OBSRVR Radar's crawler says of this node. `lag` is in ledgers."""

    is_validating: bool
    validating_24h_pct: float
    lag: int
    latest_ledger: int
    updated_at: str


# --- the machine -------------------------------------------------------------------------------------------------


class ProcessMemory(msgspec.Struct, frozen=True, kw_only=True):
    """From /proc/PID/status and smaps_rollup; MB is 2^20 bytes. `smaps_rollup` holds its lines in kB by name."""

    rss_mb: int
    vsz_mb: int
    peak_mb: int
    swap_mb: int
    threads: int
    smaps_rollup: tuple[tuple[str, int], ...] = ()


class HostMemory(msgspec.Struct, frozen=True):
    total_mb: int
    available_mb: int


class DiskUsage(msgspec.Struct, frozen=True):
    """The file system of <data>, as df counts it: `used_pct` is used / (used + available to us)."""

    total_bytes: int
    used_bytes: int
    used_pct: float


class TreeSize(msgspec.Struct, frozen=True):
    """Bytes of a directory tree on disk. `partial`: the time bound was hit, so it is at least this much."""

    path: Path
    bytes: int
    partial: bool = False


class Trees(msgspec.Struct, frozen=True, kw_only=True):
    """What the session and the node's data take. `largest` are the ten largest directories of the two."""

    session: TreeSize
    mainnet: TreeSize
    buckets: TreeSize
    database: TreeSize
    logs: TreeSize
    cargo_target: TreeSize
    largest: tuple[TreeSize, ...] = ()
    leftovers: tuple[Path, ...] = ()


class Directories(msgspec.Struct, frozen=True):
    """Which of the directories that must exist do, and how old the marks beside them are.

    Ages are in seconds; `alive_age_seconds` is None where the mark is missing.
    """

    session: bool
    mainnet: bool
    database: bool
    env_age_seconds: float
    alive_age_seconds: float | None


# --- what healing asks -------------------------------------------------------------------------------------------


class Signal(str, enum.Enum):
    """What a log says about the node's data. LIVELOCK is a hard-reset livelock, which says nothing about it."""

    NONE = "none"
    WIPE = "wipe required"
    LIVELOCK = "livelock"


class Crash(msgspec.Struct, frozen=True):
    """A run that did not end by plan: its rotated log, and what that says."""

    rotation: Rotation
    signal: Signal


class Crashes(msgspec.Struct, frozen=True):
    """What crashed runs left: `rotated` are crashed, stuck and frozen logs, newest first.

    `live` is the signal of monitor.log as it stands, None where that is missing or empty. `blocked_seconds` is for how
    long the live node says that its recovery is blocked by an earlier fatal failure; None where it does not say so.
    """

    live: Signal | None = None
    rotated: tuple[Crash, ...] = ()
    blocked_seconds: int | None = None


class NodeLock(msgspec.Struct, frozen=True):
    """Whether the node's own lock file could be taken, and who holds it where not (a line for the operator)."""

    is_free: bool
    path: str
    holder: str = ""


class BuildPhase(str, enum.Enum):
    BUILDING = "building"
    BUILT = "built"
    FAILED = "failed"


class BuildJob(msgspec.Struct, frozen=True, kw_only=True):
    """The builder's work, from deploy.json. A builder that is gone or late is FAILED here; `why` says how.

    `stopped`: it failed because a tick ended it, which says nothing about the commit.
    """

    sha: str
    phase: BuildPhase
    started_at: datetime
    finished_at: datetime | None = None
    pid: int | None = None
    why: str = ""
    log: str = ""
    last_lines: tuple[str, ...] = ()
    stopped: bool = False


class QuarantineStanding(msgspec.Struct, frozen=True):
    """Whether a quarantined commit keeps origin/main from being deployed. `text` is the deploy line where it does;
    `warnings` are shown whatever it says."""

    blocks: bool
    text: str = ""
    warnings: tuple[str, ...] = ()


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """The henyey checkout after a fetch. Shas are 40 hex digits, empty while unknown.

    `branch` is what is checked out, empty for a detached HEAD. `dirty` are the paths of uncommitted changes to tracked
    files. `fetched` is empty, or why the fetch failed. `deployed_from` says who told of the deployed commit.
    `diverged`: main, or what a detached HEAD is at, cannot be fast-forwarded to origin/main; `behind` are the commits
    that this would bring, None where git cannot tell.

    `target` is the commit to build or to deploy: what the builder makes while that can still be deployed, else
    origin/main. `ahead` are the commits from the deployed one to it, None while that cannot be told; `paths` what
    differs between the deployed one and origin/main, None where the diff failed. `leftover`: a builder that is gone
    left its worktree.
    """

    head: str
    branch: str
    dirty: tuple[str, ...]
    fetched: str
    origin_main: str
    target: str
    deployed: str
    deployed_from: str
    diverged: bool
    behind: int | None
    ahead: int | None
    paths: tuple[str, ...] | None
    leftover: bool = False
    quarantine: QuarantineStanding = QuarantineStanding(blocks=False)


# --- CI on main ---------------------------------------------------------------------------------------------------


class CiRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a workflow on main. `conclusion` is empty until `status` is completed.

    `attempt` counts from 1; a rerun keeps `id` and `created_at`. `touched_at` is when GitHub last changed it, which for
    a completed run is its end.
    """

    id: int
    workflow: str
    sha: str
    attempt: int
    status: str
    conclusion: str
    created_at: datetime
    touched_at: datetime
    url: str = ""

    @property
    def is_completed(self) -> bool:
        return self.status == "completed"


class CiJob(msgspec.Struct, frozen=True, kw_only=True):
    """`failed_step` is the name of the first step that failed. `log` are the last lines of a failed job's log, without
    control characters; empty where it was not read, which `log_unread` explains where it was asked for."""

    name: str
    conclusion: str
    failed_step: str = ""
    log: tuple[str, ...] = ()
    log_unread: str = ""


class CiJobs(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one attempt of one run."""

    run_id: int
    attempt: int
    jobs: tuple[CiJob, ...] | Missing


class Ci(msgspec.Struct, frozen=True, kw_only=True):
    """The newest runs on main, newest first; pull requests of a branch called main are none of them.

    `looked` are the jobs that were read this tick: those of runs that no tick has seen completed before.
    """

    runs: tuple[CiRun, ...]
    looked: tuple[CiJobs, ...] = ()


class CiOfCommit(msgspec.Struct, frozen=True, kw_only=True):
    """What CI says of the commit `sha` of main: its runs, those of the newest commits, and jobs as in `Ci`."""

    sha: str
    runs: tuple[CiRun, ...]
    main: tuple[CiRun, ...]
    looked: tuple[CiJobs, ...] = ()


# --- the second look ---------------------------------------------------------------------------------------------


class SecondLook(msgspec.Struct, frozen=True, kw_only=True):
    """What the confirm stage saw again. A part that needed no confirmation is None.

    `gauge_samples` maps a gauge to its burst of samples, oldest first.
    """

    info: NodeInfo | Missing | None = None
    process_memory: ProcessMemory | Missing | None = None
    host_memory: HostMemory | Missing | None = None
    gauge_samples: tuple[tuple[str, tuple[float, ...]], ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one tick saw of the node and its machine at `at` (aware UTC).

    A watcher has `rpc`, `scp`, `peers` and `radar` Missing with the reason "watcher". `scrape_checksum` is the SHA-256
    of the body that `scrape` was read from, as current.prom will hold it. `lock` is looked at only while no process
    runs; `kept` are the commits whose binaries are kept and whole. `rebuild` is the commit at which a wiped session
    comes back, looked for where one has to. `wipe_ground` is what a wipe of the dead node's data would
    find, empty where its logs ask for none. `wiped_data`: a wipe put data aside and it is still there, `wiped_expired`:
    for longer than it is to be kept. `build_logs` are the builder's, as logs of the cause `build`.
    """

    at: datetime
    boot_id: str
    process: Process | Missing
    directories: Directories
    config: NodeConfig | Missing
    log: LogReading | Missing
    rotations: tuple[Rotation, ...]
    info: NodeInfo | Missing
    rpc: RpcHealth | Missing
    scrape: Scrape | Missing
    scp: ScpSlot | Missing
    peers: PeerCounts | Missing
    radar: Radar | Missing
    process_memory: ProcessMemory | Missing
    host_memory: HostMemory | Missing
    disk: DiskUsage | Missing
    trees: Trees | Missing
    second: SecondLook | None = None
    crashes: Crashes = Crashes()
    lock: NodeLock | Missing = Missing("not looked at")
    checkout: Checkout | Missing = Missing("not looked at")
    job: BuildJob | None = None
    build_logs: tuple[Rotation, ...] = ()
    rebuild: str | Missing = Missing("not looked at")
    ci_of_target: CiOfCommit | Missing = Missing("not looked at")
    kept: tuple[str, ...] = ()
    wipe_ground: tuple[Precondition, ...] = ()
    wiped_data: bool = False
    wiped_expired: bool = False
    ci: Ci | Missing = Missing("not looked at")
    build_sha: str = ""
    scrape_checksum: str = ""

    @property
    def is_dead(self) -> bool:
        """No process of the session runs. An ambiguous or unreadable process table is not a dead node."""
        return self.process == NO_PROCESS

    @property
    def build(self) -> str:
        """The commit that runs, empty while unknown: the binary's own word is the authority, the file a cache of it."""
        return (self.info.commit_hash if isinstance(self.info, NodeInfo) else "") or self.build_sha
