"""Invented things that are the same for the same seed: public keys, hashes, chance."""

from __future__ import annotations

import base64
import hashlib
import random

_ED25519_PUBLIC_KEY = 6 << 3  # the strkey version byte that makes a key begin with G


def public_key(*parts: object) -> str:
    """A valid strkey `G...` of 56 characters, checksum included."""
    payload = bytes([_ED25519_PUBLIC_KEY]) + _digest(parts)
    return base64.b32encode(payload + _crc16(payload).to_bytes(2, "little")).decode()


def hex_hash(*parts: object) -> str:
    return _digest(parts).hex()


def seeded_chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  it must repeat itself, and guards nothing


def _digest(parts: tuple[object, ...]) -> bytes:
    return hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()


def _crc16(payload: bytes) -> int:
    """CRC-16/XMODEM, as strkey uses it."""
    crc = 0
    for byte in payload:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
