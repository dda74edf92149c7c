"""A session and the process it runs: plain values, and every path derived from them.

This is the only module of `monitor_loop` that the tick's core may import; it touches nothing outside itself.
"""

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time that was read from a file: without its zone it is none."""


class Mode(str, enum.Enum):
    VALIDATOR = "validator"
    WATCHER = "watcher"


class ModeDefaults(msgspec.Struct, frozen=True):
    """How `start` launches a node in one mode. `rpc_port` is None where the mode serves no JSON-RPC."""

    config: str
    run_flags: str
    admin_port: int
    rpc_port: int | None


MODE_DEFAULTS = {
    Mode.VALIDATOR: ModeDefaults("configs/validator-mainnet-rpc.toml", "--validator", 11627, 8000),
    Mode.WATCHER: ModeDefaults("configs/mainnet.toml", "", 11727, None),
}

DEFAULT_CADENCE_SECONDS = 1200

SUBDIRECTORIES = ("logs", "cache", "cargo-target", "metrics")
"""What a session's directory holds from its first moment, and again once it was recreated."""


def start_command(*, embedded: bool) -> str:
    """What brings the node of a stopped session back."""
    return "monitor-loop start --embedded" if embedded else "monitor-loop start"


class Identity(msgspec.Struct, frozen=True):
    """What tells one run of the node from every other, across pid reuse and reboots.

    `start_ticks` is field 22 of /proc/PID/stat; `boot_id` is /proc/sys/kernel/random/boot_id.
    """

    pid: int
    start_ticks: int
    boot_id: str


class Process(msgspec.Struct, frozen=True):
    """A live henyey process, found by its exe.

    `exe` is without the kernel's " (deleted)", which `deleted` keeps: the binary was rebuilt under the process.
    `started_at` is start_ticks / CLK_TCK + btime, never a stat() of the proc file (that is look-up time).
    `stdout` is the target of fd 1 where it could be read, else empty.
    """

    identity: Identity
    session_id: str
    exe: Path
    deleted: bool
    argv: tuple[str, ...]
    cwd: Path
    started_at: datetime
    stdout: str = ""

    @property
    def pid(self) -> int:
        return self.identity.pid


class DataRoot(msgspec.Struct, frozen=True):
    """The directory that holds every session, and the files that outlive one. `path` is already resolved."""

    path: Path

    @property
    def env_file(self) -> Path:
        return self.path / "monitor-loop.env"

    @property
    def lock_file(self) -> Path:
        return self.path / "monitor-loop.lock"

    @property
    def node_record(self) -> Path:
        return self.path / "node.json"

    @property
    def commit_journal(self) -> Path:
        return self.path / ".commit-journal"

    @property
    def ballast(self) -> Path:
        """Disk that is held back for a commit on a full volume."""
        return self.path / ".ballast"

    @property
    def issue_ledger(self) -> Path:
        """What was filed for which key, and what is still to be sent."""
        return self.path / "issue-ledger.json"

    @property
    def issues(self) -> Path:
        """The issues of MONITOR_TRACKER=directory, one Markdown file each."""
        return self.path / "issues"

    @property
    def actions(self) -> Path:
        """Every act on the node, intent and outcome."""
        return self.path / "actions.jsonl"

    @property
    def quarantine(self) -> Path:
        """The commits that may not be deployed."""
        return self.path / "deploy_quarantine.txt"

    @property
    def deploy_job(self) -> Path:
        """What the builder makes, or made last."""
        return self.path / "deploy.json"

    @property
    def tick_log(self) -> Path:
        return self.path / "monitor-tick.log"

    def session_directory(self, session_id: str) -> Path:
        return self.path / session_id


DATA_NAMES = tuple(
    entry.__get__(DataRoot(Path("/"))).name for entry in vars(DataRoot).values() if isinstance(entry, property)
)
"""What stands beside the sessions in a data root, and so names none of them."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The running session as the env file states it; `envfile` parses and writes it.

    `config` is as typed on the node's command line and relative to `repo`; `launch_prefix` stands between the
    binary and its arguments (empty for henyey); `tracker` is "github" or "directory". `extra` keeps the keys that
    an operator added.
    """

    data: DataRoot
    id: str
    mode: Mode
    config: str
    admin_port: int
    rpc_port: int | None
    run_flags: str
    binary: Path
    repo: Path
    cadence_seconds: int = DEFAULT_CADENCE_SECONDS
    launch_prefix: str = ""
    github_repo: str = ""
    project: str = ""
    operator: str = ""
    tracker: str = "github"
    board_command: str = ""
    investigator: str = ""
    radar_url: str = ""
    gh: str = ""
    git: str = ""
    cargo: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def is_validator(self) -> bool:
        return self.mode is Mode.VALIDATOR

    @property
    def is_embedded(self) -> bool:
        return self.launch_prefix != ""

    @property
    def directory(self) -> Path:
        return self.data.session_directory(self.id)

    @property
    def subdirectories(self) -> tuple[Path, ...]:
        return tuple(self.directory / name for name in SUBDIRECTORIES)

    @property
    def config_file(self) -> Path:
        """Absolute: what the node reads, whatever directory it was started in."""
        return self.repo / self.config

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def log(self) -> Path:
        return self.logs / "monitor.log"

    @property
    def build_log(self) -> Path:
        return self.logs / "build.log"

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    @property
    def cargo_target(self) -> Path:
        return self.directory / "cargo-target"

    @property
    def launch_path(self) -> Path:
        """Where the node's exe must be for it to be ours."""
        return self.cargo_target / "release" / "henyey"

    @property
    def binaries(self) -> Path:
        return self.directory / "binaries"

    @property
    def worktrees(self) -> Path:
        """The builder's checkouts, one a commit; there while it works."""
        return self.directory / "worktrees"

    @property
    def metrics(self) -> Path:
        return self.directory / "metrics"

    @property
    def current_prom(self) -> Path:
        return self.metrics / "current.prom"

    @property
    def prev_prom(self) -> Path:
        return self.metrics / "prev.prom"

    @property
    def ratio_snapshot(self) -> Path:
        return self.metrics / "ratio_snapshot"

    @property
    def counter_streak_snapshot(self) -> Path:
        """Where shared/check-12b-constants.toml says that it is; the catalog refuses another place."""
        return self.metrics / "counter_streak_snapshot"

    @property
    def anomaly_cooldown(self) -> Path:
        return self.metrics / "anomaly_cooldown.json"

    @property
    def build_sha(self) -> Path:
        return self.directory / "build_sha"

    @property
    def last_ledger(self) -> Path:
        return self.directory / "last_ledger"

    @property
    def state(self) -> Path:
        return self.directory / "state.json"

    @property
    def history(self) -> Path:
        return self.directory / "tick-history.jsonl"

    @property
    def alive(self) -> Path:
        return self.directory / ".alive"

    @property
    def tree_cache(self) -> Path:
        """What the disk probe knows of unchanged directories; may be deleted at any time."""
        return self.directory / "tree-cache"

    @property
    def crash_signals(self) -> Path:
        """What the logs of crashed runs said when they were read; may be deleted at any time."""
        return self.directory / "crash-signals"


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The few keys of the node's config that this tool may know; the file also holds the node's secret seed.

    Ports are None where the config switches the server off; `retention_window` is in ledgers.
    """

    database: Path
    buckets: Path
    http_port: int | None
    rpc_port: int | None
    retention_window: int
    maintenance_period_seconds: int
    is_validator: bool

    @property
    def mainnet(self) -> Path:
        """The directory of the database: `<mainnet>` in every document, `<data>/mainnet` as shipped."""
        return self.database.parent

    @property
    def lock_file(self) -> Path:
        """The node's own flock: the database path with the extension `lock`. Never removed by us."""
        return self.database.with_suffix(".lock")


class Stopped(msgspec.Struct, frozen=True):
    """The mark that `stop` leaves before it signals, so that no tick revives the node."""

    at: Moment
    by: str


class Restarts(msgspec.Struct, frozen=True, kw_only=True):
    """Relaunches of a dead node since it was last in real-time sync, and full ticks waited since the last of them."""

    count: int = 0
    waited: int = 0


class WipeDone(msgspec.Struct, frozen=True, kw_only=True):
    """A wipe of the node's data: why (3a or 3c), and the build whose crashes asked for it, empty while unknown."""

    at: Moment
    trigger: str
    sha: str = ""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A deployed build that has still to prove itself in `left` of `ticks` full ticks, and the one to go back to.

    `failed` is what was seen against it, until it is rolled back.
    """

    sha: str
    previous: str
    since: Moment
    left: int
    ticks: int = 3
    failed: str = ""


class FailedDeploy(msgspec.Struct, frozen=True, kw_only=True):
    """The build of `sha` could not take the node's place, and nothing was launched: `why`, in one line.

    `stopped` where a node that ran had been stopped for it by then.
    """

    sha: str
    at: Moment
    why: str
    stopped: bool = False


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """The wiped session `session`, first seen so at `since`: rebuilt at `sha`, or not: `failed` says why."""

    sha: str
    since: Moment
    session: str = ""
    failed: str = ""


class NodeRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """<data>/node.json: what outlives a session.

    `fresh_start_since` is when a launch first found no database; it stands until real-time sync is reached, and
    our relaunches inherit it. `first_launched_at` says that a missing data directory is a loss, not a beginning.
    `deployed_sha` runs, `last_good_sha` is the newest that passed its trial. `offline` is why the node is left down
    until an operator or a build of another commit comes: `recurrence on <sha8>` or `restart budget spent`; or until an
    operator comes, where this file was damaged and a mark of his may be lost.
    `unquarantined` is a build whose entry in the quarantine could not be written, which blocks every deploy.
    `failed_deploy` is the last deploy that came to nothing, until one succeeds.
    `wipes` are those that have not cured the node yet. `wiped_at` is when the last of all was: no crash before it says
    anything of the data there is now.
    """

    schema: int = 1
    stopped: Stopped | None = None
    first_launched_at: Moment | None = None
    launched: Identity | None = None
    fresh_start_since: Moment | None = None
    deployed_sha: str = ""
    last_good_sha: str = ""
    crontab_installed: bool = False
    restarts: Restarts = Restarts()
    offline: str = ""
    wipes: tuple[WipeDone, ...] = ()
    wiped_at: Moment | None = None
    trial: Trial | None = None
    recovery: Recovery | None = None
    memory_restart_at: Moment | None = None
    unquarantined: str = ""
    failed_deploy: FailedDeploy | None = None
