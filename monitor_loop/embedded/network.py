"""The network the embedded node follows: a clock that closes one ledger every five seconds, divided by the speed."""

from __future__ import annotations

LEDGER_SECONDS = 5.0


class Network:
    """Ledger numbers by wall clock, so that a node that was down comes back behind, and a wiped one does too.

    `genesis` is the unix time at which ledger `start_ledger` closed. `jump` moves the tip ahead at once: that is
    how a node is put behind the network without waiting for the network.
    """

    def __init__(self, start_ledger: int, genesis: float, speed: float) -> None:
        self._start_ledger = start_ledger
        self._genesis = genesis
        self.interval = LEDGER_SECONDS / speed

    def tip(self, now: float) -> int:
        return self._start_ledger + int((now - self._genesis) / self.interval)

    def closed_at(self, ledger: int) -> float:
        return self._genesis + (ledger - self._start_ledger) * self.interval

    def jump(self, ledgers: int) -> None:
        self._start_ledger += ledgers
