"""The text forms of state.json and last_ledger. Pure; what cannot be read raises ValueError with a short reason."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone

import msgspec

from monitor_tick.memory import LastLedger, State

SCHEMA = 1

# Ten digits hold every ledger number; eleven digits of seconds end in a year that datetime still has.
_match_last_ledger = re.compile(rb"(0|[1-9][0-9]{0,9})\|(0|[1-9][0-9]{0,10})\n").fullmatch


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`checksum` is the SHA-256 of the bytes of `state`."""

    schema: int
    checksum: str
    state: msgspec.Raw


def render_state(state: State) -> bytes:
    body = msgspec.json.encode(state)
    return _render_envelope(SCHEMA, body)


def parse_state(content: bytes) -> State:
    """Exactly what `render_state` made, or ValueError: a state with one bit turned is none."""
    try:
        envelope = msgspec.json.decode(content, type=_Envelope)
        if envelope.schema != SCHEMA:
            raise ValueError(f"schema {envelope.schema}, this version reads {SCHEMA}")
        if _render_envelope(envelope.schema, bytes(envelope.state)) != content:
            raise ValueError("wrong checksum")
        return msgspec.json.decode(envelope.state, type=State)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(_one_line(error)) from error


def _render_envelope(schema: int, body: bytes) -> bytes:
    checksum = hashlib.sha256(body).hexdigest()
    return msgspec.json.encode(_Envelope(schema, checksum, msgspec.Raw(body))) + b"\n"


def render_last_ledger(last: LastLedger) -> bytes:
    return f"{last.ledger}|{int(last.since.timestamp())}\n".encode()


def parse_last_ledger(content: bytes) -> LastLedger:
    found = _match_last_ledger(content)
    if found is None:
        raise ValueError("not <ledger>|<unix time>")
    return LastLedger(int(found[1]), datetime.fromtimestamp(int(found[2]), timezone.utc))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
