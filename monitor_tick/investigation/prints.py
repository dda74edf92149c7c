"""Which statement prints a line of the log: its format string is compared with the line as the log has it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from monitor_tick.investigation.calls import Hit
from monitor_tick.investigation.rust_text import Code, calls_around, end_of_call
from monitor_tick.investigation.rust_tokens import Literal
from monitor_tick.judging.log_message import constant_part

PRINTED = "printed"
SHOWN = 5
"""Statements that fit a line; where one message holds another one, both are told."""

MOST_WORDS, FEW_WORDS = 4, 2
"""Words of a piece to search for: few tell less, and still stand together where a string is broken over lines."""

LEAST_LETTERS = 8
LEAST_LETTERS_INSIDE = 20
"""What a string must share with the line to be the one that printed it, or to be part of what it printed."""

_PLACEHOLDER = re.compile(r"<\w+>")
_BREAK = re.compile(r"<\w+>|[\"'`()\[\]{}:;,=]|\s[—-]\s|\S*\d\S*|\S*/\S*")
_PRINTING = re.compile(
    r"error|warn|info|debug|trace|event|log|panic|unreachable|bail|ensure|anyhow|eprintln|println|assert\w*|todo"
)
_COMPOSING = ("format", "format_args", "write", "writeln")
_CRATES = "henyey_"
_OUTWARD = re.compile(r"^(?:[Ee]rror: )")
_HOLE = re.compile(r"\{[^{}]*\}")
_CHANGING = re.compile(r"[^\s:]*[\d/][^\s:]*")
_LETTER = re.compile(r"[^\W\d_]")
_MOST_TEXTS = 12
_LEAST_TEXT = 8


def texts_to_search(message: str, most_words: int = MOST_WORDS) -> tuple[str, ...]:
    """Pieces of the line that its format string may hold: a file that prints it holds one of them."""
    pieces = [piece.strip() for piece in _BREAK.split(constant_part(message))]
    words = [piece.split() for piece in pieces if len(piece) >= _LEAST_TEXT]
    cut = (" ".join(part) for each in words for part in (each[:most_words], each[-most_words:]))
    return tuple(dict.fromkeys(text for text in cut if len(text) >= _LEAST_TEXT))[:_MOST_TEXTS]


def find_message(codes: Mapping[str, Code], message: str, target: str = "") -> tuple[Hit, ...]:
    """The statements whose string gives `message`, the best first. `target` is the module that the log names."""
    line = _OUTWARD.sub("", constant_part(message))
    found: list[tuple[tuple[bool, bool, int, int], Hit]] = []
    for code in codes.values():
        for literal in code.literals:
            letters, whole = fit_of(literal.value, line)
            if letters:
                is_printed, hit = _hit(code, literal)
                found.append(((not whole, not is_printed, -nearness(code.path, target), -letters), hit))
    found.sort(key=lambda each: (*each[0], each[1].path, each[1].start))
    return tuple(msgspec.structs.replace(hit, order=order) for order, (_, hit) in enumerate(found[:SHOWN]))


def nearness(path: str, target: str) -> int:
    """How many names of a log's target (`henyey_app::app::close`) are in the path, in their order."""
    crate, *modules = target.split("::")
    parts = path.removesuffix(".rs").replace("-", "_").split("/")
    count, begin = 0, 0
    for name in (crate.removeprefix(_CRATES), *modules):
        places = [place for place in range(begin, len(parts)) if parts[place] in (name, crate)]
        if places:
            count, begin = count + 1, places[0] + 1
    return count


def fit_of(template: str, line: str) -> tuple[int, bool]:
    """How many letters of a format string agree with the line, and whether it is the whole line; 0 where it is not."""
    parts = _HOLE.split(constant_part(template).replace("{{", "\x00").replace("}}", "\x01"))
    texts = [text for part in parts for text in _CHANGING.split(part.replace("\x00", "{").replace("\x01", "}"))]
    letters = sum(len(_LETTER.findall(text)) for text in texts)
    if letters >= LEAST_LETTERS and fits(texts, line):
        return letters, True
    if letters >= LEAST_LETTERS_INSIDE and fits(["", *texts, ""], line):
        return letters, False
    return 0, False


def fits(texts: list[str], line: str) -> bool:
    """Whether the line is these texts in their order with anything in between."""
    if len(texts) == 1:
        return texts[0] == line
    head, *inner, tail = texts
    if len(line) < len(head) + len(tail) or not (line.startswith(head) and line.endswith(tail)):
        return False
    position, last = len(head), len(line) - len(tail)
    for text in inner:
        at = line.find(text, position, last)
        if at < 0:
            return False
        position = at + len(text)
    return True


def _hit(code: Code, literal: Literal) -> tuple[bool, Hit]:
    """The macro that prints the string; an error's text is printed by whoever is given it."""
    for call in calls_around(code, literal.start):
        is_printed = _PRINTING.fullmatch(call.last) is not None
        if call.is_macro and (is_printed or call.last in _COMPOSING):
            end = end_of_call(code, call.opened)
            return is_printed, Hit(code.path, call.start, end, PRINTED)
    return False, Hit(code.path, literal.start, literal.end, PRINTED)
