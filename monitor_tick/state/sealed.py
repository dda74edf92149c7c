"""One value as a line of JSON beside its schema and checksum: exactly what was written, or nothing. Pure."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import msgspec

T = TypeVar("T")


def seal(name: str, value: object, schema: int) -> bytes:
    """`checksum` is the SHA-256 of the bytes of the field `name`."""
    return _line(name, msgspec.json.encode(value), schema)


def unseal(content: bytes, name: str, kind: type[T], schema: int) -> T:
    """What `seal` was given, or ValueError with a short reason: with one bit turned, nobody knows what it said."""
    try:
        fields = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        written = msgspec.json.decode(fields["schema"], type=int) if "schema" in fields else schema
        if written != schema:
            raise ValueError(f"schema {written}, this version reads {schema}")
        if fields.keys() != {"schema", "checksum", name}:
            raise ValueError("a missing or unknown field")
        body = bytes(fields[name])
        if _line(name, body, schema) != content:
            raise ValueError("wrong checksum")
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _line(name: str, body: bytes, schema: int) -> bytes:
    checksum = hashlib.sha256(body).hexdigest()
    return msgspec.json.encode({"schema": schema, "checksum": checksum, name: msgspec.Raw(body)}) + b"\n"
