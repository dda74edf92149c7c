"""How the name of a metric may stand in the code: as it is exposed, as the exporter was given it, or built. Pure.

An exporter replaces what Prometheus does not allow in a name (`.`) and may append `_total` or a unit; histograms have
parts of their own; and a namespace may be put in front.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

from monitor_tick.investigation.rust_text import Code, calls_around, end_of_call
from monitor_tick.investigation.rust_tokens import Literal

NAMESPACES = ("stellar_", "henyey_")
PARTS = ("_bucket", "_sum", "_count")
UNITS = ("_total", "_seconds", "_bytes", "_ratio")

LONGEST_NAME = 200

_NO_NAME = re.compile(r"[^A-Za-z0-9_]")
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_HOLE = re.compile(r"\{[^{}]*\}")
_MOST_HOLES = 2
_LEAST_FIXED = 6
"""Characters of a name that the code must hold itself; less would fit any name."""


def is_name(metric: str) -> bool:
    """Whether it can be a metric's name at all: what is not is never searched for."""
    return len(metric) <= LONGEST_NAME and _NAME.fullmatch(metric) is not None


@functools.lru_cache(maxsize=64)
def spellings(metric: str) -> dict[str, int]:
    """Names with `_` between the words, and how far each is from `metric`: 0 is the name itself."""
    found = {metric: 0}
    for endings in (PARTS, UNITS):
        for name, distance in tuple(found.items()):
            for ending in endings:
                if name.endswith(ending):
                    found.setdefault(name.removesuffix(ending), distance + 1)
    for name, distance in tuple(found.items()):
        for namespace in NAMESPACES:
            if name.startswith(namespace):
                found.setdefault(name.removeprefix(namespace), distance + 2)
    return {name: distance for name, distance in found.items() if distance == 0 or "_" in name}


def texts_to_search(metric: str) -> tuple[str, ...]:
    """What a file must hold for one of the spellings to be in it."""
    return tuple(text for name in spellings(metric) for text in dict.fromkeys((name, name.replace("_", "."))))


def pattern_to_search(metric: str) -> str:
    """An extended regular expression for the words of the name with any separators between them."""
    return "[._:/-]".join(metric.split("_"))


def distance_of(literal: str, metric: str) -> int | None:
    """How far the string is from the metric's name; None where it is another name."""
    return spellings(metric).get(_NO_NAME.sub("_", literal))


# --- names that a macro or format! puts together -----------------------------------------------------------------


def pieces_to_search(metric: str) -> tuple[str, ...]:
    """What a file that builds the name must hold: one of its beginnings or endings, as the end of a string's text."""
    words = metric.split("_")
    heads = ("_".join(words[:count]) + "_" for count in range(1, len(words)))
    tails = ("_" + "_".join(words[-count:]) for count in range(1, len(words)))
    either = (
        *(f"{head}{mark}" for head in heads for mark in '"{'),
        *(f"{mark}{tail}" for tail in tails for mark in '"}'),
    )
    return tuple(piece for piece in either if len(piece) > _LEAST_FIXED)


def built_in(code: Code, metric: str) -> Iterator[tuple[Literal, tuple[str, ...]]]:
    """Where the name is put together: the first string of it, and what has to fill its holes, in their order."""
    seen: set[int] = set()
    for literal in code.literals:
        parts = _parts_of(code, literal, seen)
        if parts is None:
            continue
        values = fillings(parts, metric)
        if values:
            yield literal, values


def _parts_of(code: Code, literal: Literal, seen: set[int]) -> list[str | None] | None:
    """Fixed texts and holes (None), of `concat!` from its arguments, else of a format string from its braces."""
    call = next(iter(calls_around(code, literal.start)), None)
    if call is not None and call.is_macro and call.last == "concat":
        if call.opened in seen:
            return None
        seen.add(call.opened)
        return _arguments(code, call.opened)
    if not _HOLE.search(literal.value):
        return None
    texts = _HOLE.split(literal.value)
    return [part for text in texts for part in (text, None)][:-1]


def _arguments(code: Code, opened: int) -> list[str | None]:
    """A string is a fixed text; whatever else stands between two commas is a hole."""
    parts: list[str | None] = []
    begin, depth = opened + 1, 0
    end = end_of_call(code, opened)
    for position in range(begin, end):
        mark = code.masked[position]
        if position == end - 1 or (mark == "," and depth == 0):
            if code.masked[begin:position].strip():
                inside = code.literals_in(begin, position)
                parts.append(inside[0].value if inside and code.masked[begin:position].lstrip()[0] == '"' else None)
            begin = position + 1
        depth += (mark in "([{") - (mark in ")]}")
    return parts


def fillings(parts: Sequence[str | None], metric: str) -> tuple[str, ...]:
    """What each hole must hold to make `metric`; empty where it cannot."""
    fixed = sum(len(part) for part in parts if part is not None)
    holes = sum(part is None for part in parts)
    if fixed < _LEAST_FIXED or not 0 < holes <= _MOST_HOLES:
        return ()
    pattern = "".join("([A-Za-z0-9_]+?)" if part is None else re.escape(_NO_NAME.sub("_", part)) for part in parts)
    found = re.fullmatch(pattern, metric)
    return found.groups() if found else ()
