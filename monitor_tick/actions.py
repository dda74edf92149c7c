"""What a tick may do, as values, and what came of it. Nothing here does anything."""

from __future__ import annotations

import enum

import msgspec


class Act(str, enum.Enum):
    """The node actions, at most one a tick. A value is what the plan and tick history print."""

    RELAUNCH = "relaunch"
    RESTART = "restart"
    WIPE = "wipe"
    REBUILD = "rebuild"


class NodeAction(msgspec.Struct, frozen=True):
    """One thing a check wants done to the node: what, and why in one clause."""

    act: Act
    why: str


class CleanUp(msgspec.Struct, frozen=True):
    """Run the session clean-up and measure the disk again (checks.md 5)."""


class Maintain(msgspec.Struct, frozen=True):
    """POST /maintenance?queue=true&count=<count>, then getHealth again (checks.md 8)."""

    count: int


class RecreateDirectories(msgspec.Struct, frozen=True):
    """Make the session's directories anew after an out-of-band wipe."""


class PruneLogs(msgspec.Struct, frozen=True):
    """Remove rotated logs beyond the newest three of each cause; `paths` names them."""

    paths: tuple[str, ...]


Effect = CleanUp | Maintain | RecreateDirectories | PruneLogs


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one effect: its line for the report, and whether it did what it was for.

    `window` is the RPC window measured after maintenance; `used_pct` the disk after a clean-up.
    """

    effect: Effect
    done: bool
    line: str
    window: int | None = None
    used_pct: float | None = None
