"""Lines that end a run and that the node's logger did not write: panics, `Error: ...`, failed allocations."""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor_tick.judging.log_patterns import EXIT, PANIC
from monitor_tick.probes.log.entries import normalised
from monitor_tick.probes.log.lines import stamp_of, without_seeds

BODY_LINES = 30
"""Lines kept of what follows a panic or an exit line."""

_PANIC = re.compile(rb"thread '.{0,200}?'(?: \(\d+\))? panicked at (.*)")
_EXIT = re.compile(
    rb"[Ee]rror: |memory allocation of \d|fatal runtime error: |<jemalloc>: "
    rb"|thread '.{0,200}?'(?: \(\d+\))? has overflowed its stack"
    rb"|[^`]{0,300}: Assertion `.{0,2000}' failed"
)
_CANDIDATE = re.compile(rb"\n(?:thread '|[Ee]rror: |memory allocation of |fatal runtime error: |<jemalloc>: )")
_ASSERTION = b": Assertion `"
_SITE = re.compile(r"([^\s',\"]+\.rs)(?::\d+)+")
_END_OF_BODY = b"note: run with"


def endings_in(data: bytes) -> list[int]:
    """Where the lines begin that may be one, in their order: garbage without a time is passed over as a whole."""
    begins = {found.start() + 1 for found in _CANDIDATE.finditer(data)}
    found = data.find(_ASSERTION)
    while found >= 0:
        begin = data.rfind(b"\n", 0, found) + 1
        if not stamp_of(data[begin : begin + 64]):
            begins.add(begin)
        found = data.find(_ASSERTION, data.find(b"\n", found))
    return sorted(begins)


def ending_of(raw: bytes) -> str:
    if _PANIC.match(raw):
        return PANIC
    return EXIT if _EXIT.match(raw) else ""


def text_of(raw: bytes) -> str:
    return without_seeds(raw[: 1 << 16].decode("utf-8", "replace"))


def site_of(first: str) -> str:
    """The panic's place without its line number, which moves with every commit."""
    place = first.partition(" panicked at ")[2]
    found = _SITE.search(place)
    if found is None:
        return f"panicked at {normalised(place)}"
    path = found[1]
    return f"panicked at {'/'.join(path.split('/')[-3:]) if path.startswith('/') else path}"


def body_of(data: bytes, position: int) -> Iterator[str]:
    """The lines up to the next stamped one, the closing note, or another ending."""
    for _ in range(BODY_LINES):
        begin = position + 1
        position = data.find(b"\n", begin)
        if begin <= 0 or position < 0:
            return
        raw = data[begin:position].rstrip(b"\r")
        if stamp_of(raw) or raw.startswith(_END_OF_BODY) or ending_of(raw):
            return
        if raw:
            yield text_of(raw)
