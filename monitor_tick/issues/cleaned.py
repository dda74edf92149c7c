"""A finding or an investigation with every text in it redacted, so that no section can forget one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from monitor_tick.issues.redaction import redact

LONGEST_READ = 40_000
"""Characters of one text that are looked at; no section shows as much."""

LONGEST_LOG = 200_000
"""The same of all lines of the log, of which the last are shown."""

LONGEST_SECRET = 8_000
"""Characters at the end of a text that was cut: a secret may begin there whose end is gone."""

T = TypeVar("T", bound=msgspec.Struct)


def cleaned(value: T, secrets: Sequence[str] = ()) -> T:
    plain = _cleaned(msgspec.to_builtins(value, builtin_types=(datetime,)), secrets)
    return msgspec.convert(plain, type(value), builtin_types=(datetime,))


def cleaned_text(text: str, secrets: Sequence[str] = (), limit: int = LONGEST_READ) -> str:
    if len(text) <= limit:
        return redact(text, secrets)
    return redact(text[:limit], secrets)[:-LONGEST_SECRET]


def _cleaned(value: object, secrets: Sequence[str]) -> object:
    if isinstance(value, str):
        return cleaned_text(value, secrets)
    if isinstance(value, dict):
        return {name: _cleaned(each, secrets) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(each, secrets) for each in value]
    return value
