"""The text forms of state.json and last_ledger. Pure; what cannot be read raises ValueError with a short reason."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from monitor_tick.memory import LastLedger, State
from monitor_tick.state import sealed

SCHEMA = 1

# Ten digits hold every ledger number; eleven digits of seconds end in a year that datetime still has.
_match_last_ledger = re.compile(rb"(0|[1-9][0-9]{0,9})\|(0|[1-9][0-9]{0,10})\n").fullmatch


def render_state(state: State) -> bytes:
    return sealed.seal("state", state, SCHEMA)


def parse_state(content: bytes) -> State:
    return sealed.unseal(content, "state", State, SCHEMA)


def render_last_ledger(last: LastLedger) -> bytes:
    return f"{last.ledger}|{int(last.since.timestamp())}\n".encode()


def parse_last_ledger(content: bytes) -> LastLedger:
    found = _match_last_ledger(content)
    if found is None:
        raise ValueError("not <ledger>|<unix time>")
    return LastLedger(int(found[1]), datetime.fromtimestamp(int(found[2]), timezone.utc))
