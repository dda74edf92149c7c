"""What the environment holds that must not leave the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from monitor_tick.issues.redaction import HIDDEN, redact

SHORTEST_VALUE = 8
"""Characters; `GH_TOKEN=x` and `AUTH=none` would hide a letter or a word wherever it stands."""

_NAMES = {"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "KEY", "APIKEY", "PAT", "AUTH", "SEED"}
_NAMES |= {"CREDENTIAL", "CREDENTIALS", "COOKIE", "MNEMONIC", "WEBHOOK"}
_WHERE = {"SOCK", "FILE", "PATH", "DIR", "HOME"}
"""Last words of names whose values say where something is: SSH_AUTH_SOCK."""


def environment_secrets() -> tuple[str, ...]:
    """The values of os.environ that look like secrets, the longest first, and the home directory."""
    found = {value for name, value in os.environ.items() for value in _secrets_of(name, value)}
    return tuple(sorted(found | set(_homes(os.environ)), key=lambda value: (-len(value), value)))


def _secrets_of(name: str, value: str) -> Iterator[str]:
    words = name.upper().split("_")
    named = not _NAMES.isdisjoint(words) and words[-1] not in _WHERE
    if len(value) >= SHORTEST_VALUE and (named or HIDDEN in redact(value)):
        yield value
    if len(password := _password_in(value)) >= SHORTEST_VALUE:
        yield from {password, unquote(password)}


def _password_in(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""


def _homes(environment: Mapping[str, str]) -> Iterator[str]:
    """As it is named, and where it really is."""
    home = environment.get("HOME", "").rstrip("/")
    if home.startswith("/"):
        yield from {home, os.path.realpath(home)}
