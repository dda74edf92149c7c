"""The line that says which finding an issue or a comment is about: an HTML comment, the last line of the text. Pure."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence

import msgspec

from monitor_loop.errors import MonitorError
from monitor_tick.issues.redaction import hide

LONGEST_KEY, LONGEST_SCOPE = 1000, 700
"""Characters as written; the line then fits the end of a body that a tracker shows (tracker.TAIL_LENGTH)."""

_DIGEST = 16

_UNSAFE = re.compile(r"[^A-Za-z0-9:._/-]|(?<=-)-")
"""Percent-encoded. Of two dashes the second too: no HTML comment ends, or is broken, by what it quotes."""

_ENCODED = re.compile(r"(?:%[0-9A-F]{2})+")
_match_line = re.compile(r"<!-- monitor-tick key=([^ ]+) scope=([^ ]*) incident=([^ ]+) -->").fullmatch


class Hidden(msgspec.Struct, frozen=True):
    """As it was written: a key or scope that holds a secret or is very long is not what the finding has."""

    key: str
    scope: str
    incident: str

    def is_about(self, key: str, scope: str, secrets: Sequence[str] = ()) -> bool:
        """Whether this is the line of that key and scope; `secrets` are those that it was written with."""
        return (self.key, self.scope) == (written_key(key, secrets), written_scope(scope, secrets))


def hidden_line(key: str, scope: str, incident: str, secrets: Sequence[str] = ()) -> str:
    """Raises MonitorError without a key or an incident: nothing could find the issue again."""
    if not key or not incident:
        raise MonitorError(f"ERROR: a finding without {'an incident' if key else 'a key'} is not filed")
    written = (written_key(key, secrets), written_scope(scope, secrets), incident)
    return "<!-- monitor-tick key={} scope={} incident={} -->".format(*map(_encoded, written))


def parse_hidden(tail: str) -> Hidden | None:
    """Of the end of a body, or the whole: only its last line that is not empty counts."""
    found = _match_line(tail.rstrip().rpartition("\n")[2].strip())
    if found is None:
        return None
    try:
        return Hidden(*map(_decoded, found.groups()))
    except UnicodeDecodeError:
        return None


def written_key(key: str, secrets: Sequence[str] = ()) -> str:
    return _written(key, LONGEST_KEY, secrets)


def written_scope(scope: str, secrets: Sequence[str] = ()) -> str:
    return _written(scope, LONGEST_SCOPE, secrets)


def _written(text: str, limit: int, secrets: Sequence[str]) -> str:
    """What is too long ends with the digest of all of it."""
    shown = hide(text[: 4 * limit], secrets)
    if len(text) <= 4 * limit and len(_encoded(shown)) <= limit:
        return shown
    tail = f":{hashlib.sha256(_bytes(text)).hexdigest()[:_DIGEST]}"
    widths = itertools.accumulate(max(len(_encoded(char)), len("%2D") if char == "-" else 0) for char in shown)
    return shown[: sum(width <= limit - len(tail) for width in widths)] + tail


def _encoded(text: str) -> str:
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in _bytes(found[0])), text)


def _bytes(text: str) -> bytes:
    """Also of what is no character, which a log may hold."""
    return text.encode("utf-8", "surrogatepass")


def _decoded(text: str) -> str:
    return _ENCODED.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "surrogatepass"), text)
