"""The text form of <data>/issue-ledger.json. Pure; what cannot be read raises ValueError with a short reason."""

from __future__ import annotations

import hashlib

import msgspec

from monitor_tick.issues.ledger import Ledger

SCHEMA = 1


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`checksum` is the SHA-256 of the bytes of `ledger`."""

    schema: int
    checksum: str
    ledger: msgspec.Raw


def render(ledger: Ledger) -> bytes:
    return _render_envelope(SCHEMA, msgspec.json.encode(ledger))


def parse(content: bytes) -> Ledger:
    """Exactly what `render` made, or ValueError: with one bit turned, nobody knows what was filed."""
    try:
        envelope = msgspec.json.decode(content, type=_Envelope)
        if envelope.schema != SCHEMA:
            raise ValueError(f"schema {envelope.schema}, this version reads {SCHEMA}")
        if _render_envelope(envelope.schema, bytes(envelope.ledger)) != content:
            raise ValueError("wrong checksum")
        return msgspec.json.decode(envelope.ledger, type=Ledger)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _render_envelope(schema: int, body: bytes) -> bytes:
    checksum = hashlib.sha256(body).hexdigest()
    return msgspec.json.encode(_Envelope(schema, checksum, msgspec.Raw(body))) + b"\n"
