"""What an act on the node needs to be allowed, as a value that the plan prints and the action ledger keeps."""

from __future__ import annotations

import msgspec


class Precondition(msgspec.Struct, frozen=True):
    """One thing that must hold: its name, what is wanted, what was seen, and whether that will do."""

    name: str
    wanted: str
    seen: str
    holds: bool
