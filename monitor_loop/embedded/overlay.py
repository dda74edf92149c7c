"""Peers that come and go, and the log lines of their churn."""

from __future__ import annotations

import random

from monitor_loop.embedded.keys import hex_hash, public_key
from monitor_loop.embedded.log import NodeLog

_LOOP = "henyey_overlay::manager::peer_loop"
_CONNECTION = "henyey_overlay::manager::connection"
_LOSSES = (
    "recv error: IO error: Connection reset by peer (os error 104)",
    "recv error: IO error: Broken pipe (os error 32)",
    "connection closed by remote",
)
LOST, REJECTED = 0.4, 0.75
"""Cumulative shares of the kinds of churn, as in an observed five minutes of log."""


class Overlay:
    def __init__(self, tracing: NodeLog, rng: random.Random, seed: int, usual: tuple[int, int]) -> None:
        self._tracing = tracing
        self._rng = rng
        self._seed = seed
        self._usual = usual
        self._met = 0
        self.inbound = 0
        self.outbound = 0

    @property
    def count(self) -> int:
        return self.inbound + self.outbound

    def fill(self) -> None:
        self.inbound, self.outbound = self._usual

    def shrink(self, inbound: int, outbound: int) -> None:
        self.inbound, self.outbound = inbound, outbound

    def churn(self) -> None:
        """A peer is lost and the next one takes its place, or one too many knocks."""
        kind = self._rng.random()
        if kind < LOST:
            self._lose()
        elif kind < REJECTED and self._usual[0]:
            self._reject()
        else:
            self._tracing.info(
                "henyey_app::app::peers", "Added peers from discovery", {"added": self._rng.randint(4, 16)}
            )

    def peers(self, inbound: bool, ledger_version: int, uptime: int) -> list[dict[str, object]]:
        """The entries of /peers for one direction."""
        return [
            {
                "id": hex_hash(self._seed, inbound, index),
                "address": f"192.0.2.{index + 1}:11625",
                "direction": "inbound" if inbound else "outbound",
                "version": "henyey-v26.0.0-alpha.1",
                "overlay_version": 38,
                "ledger_version": ledger_version,
                "messages_sent": uptime * 10,
                "messages_received": uptime * 13,
                "bytes_sent": uptime * 4900,
                "bytes_received": uptime * 6400,
                "elapsed_secs": uptime,
            }
            for index in range(self.inbound if inbound else self.outbound)
        ]

    def _lose(self) -> None:
        totals = f"(total_msgs={self._rng.randint(90_000, 400_000)}, scp_msgs={self._rng.randint(39_000, 140_000)})"
        self._tracing.info(_LOOP, f"Peer {self._next_key()} loop exiting: {self._rng.choice(_LOSSES)} {totals}")
        newcomer = self._next_key()
        address = f"198.51.100.{self._rng.randint(1, 254)}:11625"
        self._authenticated(newcomer, address)
        self._tracing.info(_CONNECTION, f"Connected to discovered peer: {newcomer} at {address}")

    def _reject(self) -> None:
        key = self._next_key()
        self._authenticated(key, f"203.0.113.{self._rng.randint(1, 254)}:{self._rng.randint(40_000, 60_000)}")
        self._tracing.info(
            _CONNECTION, f"Inbound authenticated peer {key} rejected because all available slots are taken"
        )

    def _authenticated(self, key: str, address: str) -> None:
        fields = {"handshake_ms": self._rng.randint(90, 260)}
        self._tracing.info("henyey_overlay::peer", f"Authenticated with peer {key} ({address})", fields)

    def _next_key(self) -> str:
        self._met += 1
        return public_key(self._seed, "peer", self._met)
