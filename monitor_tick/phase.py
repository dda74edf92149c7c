"""Where the node is between launch and real-time sync, and what that excuses. Pure; the terms of checks.md."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor_tick.memory import PhaseState


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the node says it is; each part is None while unknown, never 0.

    `ledger` is the last closed one, `gap` counts ledgers externalized and not closed here, `age_seconds` is the time
    since the last closed ledger. `in_real_time` is age <= the real-time limit and nothing else: gap = 0 alone
    proves nothing, heard_from_quorum = true alone proves nothing.
    """

    ledger: int | None
    gap: int | None
    age_seconds: float | None
    heard_from_quorum: bool | None
    in_real_time: bool


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """What this tick knows about the run it looks at.

    `early`: less than half a cadence after the last full tick, so nothing that counts ticks moves.
    `interval` is the time since the last full tick, None on a session's first. `advanced` is the ledgers closed
    since that tick. `synced_only` opens the gates of alarms that only mean something on a settled node.
    """

    uptime: timedelta | None
    early: bool
    interval: timedelta | None
    restarted: bool
    warming_up: bool
    fresh_start: bool
    crash_recovery: bool
    synced_only: bool
    deadline: timedelta
    advanced: int | None
    remember: PhaseState
