"""What the embedded node knows of itself; the event loop writes it, the servers read it under the node's lock."""

from __future__ import annotations

import enum

import msgspec


class Stage(str, enum.Enum):
    """The node's `state` as /info spells it."""

    INITIALIZING = "Initializing"
    CATCHING_UP = "Catching Up"
    SYNCED = "Synced"
    VALIDATING = "Validating"
    SHUTTING_DOWN = "Shutting Down"


class NodeState(msgspec.Struct, kw_only=True):
    """Before the restore a node answers with ledger 1, close time 0 and oldest ledger 1 (node contract, 1.6).

    `behind_seconds` is what the fault `lag` adds to every age; `growth_mb` what memory_growth adds to the reports.
    """

    started_at: float
    stage: Stage = Stage.INITIALIZING
    ledger: int = 1
    close_time: int = 0
    oldest: int = 1
    latest_ext: int = 0
    peer_max_verified: int = 0
    tx_count: int = 0
    close_ms: int = 0
    total_coins: int = 1_054_439_020_873_472_865
    fee_pool: int = 71_244_118_093_321
    heard_from_quorum: bool = False
    scp_at_heartbeat: int = 0
    scp_heard_at: float = 0.0
    sent_nominate: int = 0
    sent_prepare: int = 0
    sent_confirm: int = 0
    sent_externalize: int = 0
    behind_seconds: float = 0.0
    growth_mb: int = 0

    @property
    def in_sync(self) -> bool:
        return self.stage in {Stage.SYNCED, Stage.VALIDATING}

    @property
    def scp_sent(self) -> int:
        return self.sent_nominate + self.sent_prepare + self.sent_confirm + self.sent_externalize

    def age_seconds(self, now: float) -> int:
        """Whole seconds since the close time, and 0 while there is none."""
        return max(0, int(now) - self.close_time) if self.close_time else 0
