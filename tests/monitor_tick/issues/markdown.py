"""What GitHub would make of a Markdown text: which parts are code, and what is alive in the rest."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_FENCE = re.compile(r" {0,3}(`{3,})[^`]*")
_CLOSE = re.compile(r" {0,3}(`{3,})\s*")
_RUN = re.compile(r"(?<!\\)(?:\\\\)*(`+)")

LIVE = (
    re.compile(r"@[A-Za-z0-9]"),
    re.compile(r"#\d"),
    re.compile(r"gh-\d", re.IGNORECASE),
    re.compile(r"(?:https?|ftp)://", re.IGNORECASE),
    re.compile(r"(?<!\w)www\.", re.IGNORECASE),
)
"""A mention, a reference to an issue, and what becomes a link by itself."""

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def fences(text: str) -> tuple[list[str], list[str], bool]:
    """The lines outside of fenced blocks, the blocks, and whether the last block was closed."""
    outside: list[str] = []
    blocks: list[list[str]] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            closing = _CLOSE.fullmatch(line)
            if closing and len(closing[1]) >= len(fence):
                fence = ""
            else:
                blocks[-1].append(line)
        elif opening := _FENCE.fullmatch(line):
            fence = opening[1]
            blocks.append([])
        else:
            outside.append(line)
    return outside, ["\n".join(block) for block in blocks], not fence


def without_code_spans(line: str) -> str:
    """A line of prose without what stands in code spans; an opening run without its like is text."""
    text, position = "", 0
    while (opening := _RUN.search(line, position)) is not None:
        start, run = opening.start(1), opening[1]
        closing = re.compile(rf"(?<!`){run}(?!`)").search(line, opening.end())
        if closing is None:
            text, position = text + line[position : opening.end()], opening.end()
            continue
        text, position = f"{text}{line[position:start]} code ", closing.end()
    return text + line[position:]


def alive(text: str) -> Iterator[str]:
    """Each thing outside of code that pings, links or is HTML; empty for a text that only says something."""
    outside, _, closed = fences(text)
    if not closed:
        yield "a fence is open at the end"
    if found := CONTROL.search(text):
        yield f"control character {found[0]!r}"
    for line in outside:
        prose = without_code_spans(line)
        if re.search(r"<[A-Za-z/!?]", prose):
            yield f"HTML: {line[:200]}"
        shown = html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", prose))
        yield from (f"{found[0]!r}: {line[:200]}" for pattern in LIVE if (found := pattern.search(shown)))
