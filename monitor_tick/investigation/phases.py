"""The time that a histogram observes: what starts and stops it, and the metrics registered beside it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

from monitor_tick.investigation.calls import REGISTERED, UPDATED, Found, Hit
from monitor_tick.investigation.rust_text import Code

PHASE = "phase"
UNIT = "_seconds"
"""The ending of a metric that observes time."""

NEIGHBOURS = 2
_NEIGHBOUR_DISTANCE = 1500
_MOST_STATEMENTS = 8

_RECORDED = re.compile(r"\.\s*(?:record|observe|set)\s*\(")
_WORD = re.compile(r"(?<![\w.])([a-z_]\w*)(?!\w|\s*[!(:])")
_LAST_FIELD = re.compile(r"\.\s*([a-z_]\w*)(?!\w|\s*\()")
_KEYWORDS = frozenset({"as", "self", "f", "f64", "mut", "ref", "if", "else", "let", "match"})
_CLOCK = re.compile(r"\bnow\s*\(|\belapsed\s*\(|\bduration_since\s*\(|\bInstant\b")


def find_phases(codes: Mapping[str, Code], metric: str, found: Found, searched: Set[str]) -> Found:
    """What is timed into `metric`, whose places `found` are. Words of other files are wanted as for the places."""
    hits: dict[tuple[str, int], Hit] = {}
    wanted: set[str] = set()
    for hit in found.of(UPDATED):
        code = codes[hit.path]
        words, fields = _recorded(code, hit)
        for offset in _statements(code, hit, words):
            hits.setdefault((code.path, code.line_of(offset)), Hit(code.path, offset, offset, PHASE))
        wanted |= fields
        for field in fields:
            for assigned in _assignments(codes, field):
                hits.setdefault((assigned.path, codes[assigned.path].line_of(assigned.start)), assigned)
    for hit in found.of(REGISTERED)[:1]:
        for neighbour in _neighbours(codes[hit.path], metric, hit):
            hits.setdefault((hit.path, codes[hit.path].line_of(neighbour.start)), neighbour)
    taken = {(hit.path, codes[hit.path].line_of(hit.start)) for hit in found.hits}
    return Found(tuple(hit for place, hit in hits.items() if place not in taken), frozenset(wanted - searched))


def _recorded(code: Code, hit: Hit) -> tuple[set[str], set[str]]:
    """The variables and the fields that the recorded value is made of."""
    call = next(_RECORDED.finditer(code.masked, hit.start, hit.end), None)
    if call is None:
        return set(), set()
    value = code.masked[call.end() : hit.end]
    fields = {found[1] for found in _LAST_FIELD.finditer(value)}
    words = {found[1] for found in _WORD.finditer(value)} - _KEYWORDS
    return words, fields - _KEYWORDS


def _statements(code: Code, hit: Hit, words: set[str]) -> Iterator[int]:
    """Where the variables got their time, back to the clock's reading."""
    begin, _ = code.scope_of(hit.start)
    todo, done = sorted(words), set(words)
    while todo and len(done) <= _MOST_STATEMENTS:
        word = todo.pop(0)
        binding = re.compile(rf"\blet\s+(?:mut\s+)?{word}\s*(?::[^=;]*)?=([^;]*);|(?<![\w.]){word}\s*=(?!=)([^;]*);")
        for found in binding.finditer(code.masked, begin, hit.start):
            value = found[1] or found[2] or ""
            more = {each[1] for each in _WORD.finditer(value)} - _KEYWORDS - done
            if _CLOCK.search(value) or more:
                yield found.start()
            todo += sorted(more)
            done |= more


def _assignments(codes: Mapping[str, Code], field: str) -> Iterator[Hit]:
    """Statements of functions that give the field its value from a clock."""
    assigned = re.compile(rf"\b{field}\s*(?::|\+?=)(?!=|:)([^;,]*)")
    for code in codes.values():
        for found in assigned.finditer(code.masked):
            if _CLOCK.search(found[1]) and code.innermost(found.start(), "fn") and not code.is_test_at(found.start()):
                yield Hit(code.path, found.start(), found.end(), PHASE, order=1)


def _neighbours(code: Code, metric: str, hit: Hit) -> Iterator[Hit]:
    """Metrics of the same family right before and behind: what they show says where else the time went."""
    family = "_".join(metric.split("_")[:3]) + "_"
    others = [
        literal
        for literal in code.literals
        if literal.value.startswith(family)
        and literal.value != metric
        and " " not in literal.value
        and abs(literal.start - hit.start) < _NEIGHBOUR_DISTANCE
    ]
    before = [literal for literal in others if literal.start < hit.start][-NEIGHBOURS // 2 :]
    behind = [literal for literal in others if literal.start > hit.start][: NEIGHBOURS // 2]
    for literal in (*before, *behind):
        yield Hit(code.path, literal.start, literal.end, PHASE, order=2)
