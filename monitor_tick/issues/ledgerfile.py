"""The text form of <data>/issue-ledger.json. Pure; what cannot be read raises ValueError with a short reason."""

from __future__ import annotations

from monitor_tick.issues.ledger import Ledger
from monitor_tick.state import sealed

SCHEMA = 1


def render(ledger: Ledger) -> bytes:
    return sealed.seal("ledger", ledger, SCHEMA)


def parse(content: bytes) -> Ledger:
    return sealed.unseal(content, "ledger", Ledger, SCHEMA)
