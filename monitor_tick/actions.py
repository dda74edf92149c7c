"""What a tick may do, as values, and what came of it. Nothing here does anything."""

from __future__ import annotations

import enum

import msgspec

from monitor_loop.acts import Precondition
from monitor_loop.session import Process


class Act(str, enum.Enum):
    """The node actions, at most one a tick. A value is what the plan and tick history print."""

    REBUILD = "rebuild"
    """A wiped session comes back: install the build that the builder made, and launch it."""
    FALL_BACK = "fall back"
    """3d: the crashes go on after a wipe, so the build is the suspect: quarantine it, run the last good one if kept."""
    ROLLBACK = "rollback"
    """A build on trial regressed: quarantine it, run the last good one."""
    WIPE = "wipe"
    """3a and 3c: put the node's data aside, launch on an empty directory."""
    RELAUNCH = "relaunch"
    RESTART = "restart"
    DEPLOY = "deploy"
    """Install the build of another commit and launch it on trial."""


class NodeAction(msgspec.Struct, frozen=True):
    """One thing a check wants done to the node: what, and why in one clause.

    Every act is the same steps in one order, those that its fields ask for: quarantine `quarantines`, stop the process
    where one runs, rotate the log as `cause`, put the data aside (`wipes`), install `installs`, launch (`launches`).
    Each `preconditions` held when it was judged; it is done only if all of them do.
    """

    act: Act
    why: str
    cause: str = "crashed"
    installs: str = ""
    quarantines: str = ""
    wipes: bool = False
    launches: bool = True
    preconditions: tuple[Precondition, ...] = ()

    @property
    def is_allowed(self) -> bool:
        return all(precondition.holds for precondition in self.preconditions)


class CleanUp(msgspec.Struct, frozen=True):
    """Run the session clean-up and measure the disk again."""


class Maintain(msgspec.Struct, frozen=True):
    """POST /maintenance?queue=true&count=<count>, then getHealth again."""

    count: int


class RecreateDirectories(msgspec.Struct, frozen=True):
    """Make the session's directories anew after an out-of-band wipe."""


class PruneLogs(msgspec.Struct, frozen=True):
    """Remove rotated logs, and logs of builds, beyond the newest three of each cause; `paths` names them."""

    paths: tuple[str, ...]


class RemoveWiped(msgspec.Struct, frozen=True):
    """Remove data that a wipe put aside: its time is over, or the disk needs the space (`hours` is its least age)."""

    hours: int


class PruneKept(msgspec.Struct, frozen=True):
    """Remove kept binaries of other commits than `keep`."""

    keep: tuple[str, ...]


class StartBuild(msgspec.Struct, frozen=True):
    """Have the builder build `sha` beside the running node."""

    sha: str


class StopBuild(msgspec.Struct, frozen=True):
    """End the builder: the node needs its memory, or what it builds is no longer wanted."""

    why: str


class FastForward(msgspec.Struct, frozen=True):
    """Move the checkout's main to `sha` without a restart: nothing that is built differs."""

    sha: str
    commits: int


class NoteBuild(msgspec.Struct, frozen=True):
    """Have build_sha name `sha`, which the running binary says that it is; `before` is what it named, or nothing."""

    sha: str
    before: str = ""


class ClearWorktree(msgspec.Struct, frozen=True):
    """Remove the worktree that a builder left when it was killed: git may not be able to fetch beside it."""


class Quarantine(msgspec.Struct, frozen=True):
    """Write the entry of `sha` that an act could not write; until it is there every deploy is blocked."""

    sha: str


class Rerun(msgspec.Struct, frozen=True):
    """Run the failed jobs of a CI run again: its first attempt only, and each run once ever."""

    run_id: int
    attempt: int


Effect = (
    CleanUp
    | RemoveWiped
    | PruneKept
    | Maintain
    | RecreateDirectories
    | PruneLogs
    | StartBuild
    | StopBuild
    | FastForward
    | NoteBuild
    | ClearWorktree
    | Quarantine
    | Rerun
)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one effect: its line for the report, and whether it did what it was for.

    `window` is the RPC window measured after maintenance; `used_pct` the disk after a clean-up.
    """

    effect: Effect
    done: bool
    line: str
    window: int | None = None
    used_pct: float | None = None


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the node action: its line, and what the record of the node has to learn.

    `began` is False for an act that was refused: nothing was touched, and nothing counts. `keeps_down` is then what
    keeps a node down that is down, in words that are the same on each tick. `intent` is its id in the action ledger.
    `headline` is what a deploy came to, empty for the other acts. `process` is the newly launched node, None where none
    was. `wiped_to` is where the data was put aside. `built_sha` is the build that was launched (for a rollback: or
    tried to be) in place of another: whatever came of it, that is the one that is deployed now. `unquarantined` is the
    commit whose entry could not be written. `left_alone`: what failed came before the stop, so the node runs on.
    """

    action: NodeAction
    done: bool
    line: str
    began: bool = True
    keeps_down: str = ""
    intent: str = ""
    unquarantined: str = ""
    left_alone: bool = False
    headline: str = ""
    process: Process | None = None
    stopped_how: str = ""
    rotated_to: str = ""
    wiped_to: str = ""
    built_sha: str = ""
