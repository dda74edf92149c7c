"""A text of sections that has to fit: what matters least gives way first, and says so. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

import msgspec


class Weight(enum.IntEnum):
    """What gives way first has the smallest number."""

    LOG = 1
    HISTORY = 2
    OWNED = 3
    OPINION = 4
    DETAIL = 5
    EVIDENCE = 6
    KEPT = 7


class Part(msgspec.Struct, frozen=True):
    """A paragraph, list, table or block. `shorter` are what may stand in its place, the longest first."""

    text: str
    weight: Weight = Weight.KEPT
    shorter: tuple[str, ...] = ()


class Section(msgspec.Struct, frozen=True):
    """`heading` is empty for text without one."""

    heading: str
    parts: tuple[Part, ...]


def detail(text: str, what: str, weight: Weight, *between: str) -> Part:
    """A part that may be cut; a note that names it is what is left in the end."""
    return Part(text, weight, (*between, f"({what}: left out, the text was too long)"))


def fitted(sections: Sequence[Section], limit: int) -> str:
    """At most `limit` characters, where the parts of weight KEPT leave that; nothing is ever cut inside a part."""
    text = _rendered(sections)
    for weight in sorted(Weight)[:-1]:
        while len(text) > limit and (shorter := _shortened(sections, weight)) is not None:
            sections, text = shorter, _rendered(shorter)
    return text


def _shortened(sections: Sequence[Section], weight: Weight) -> tuple[Section, ...] | None:
    """With the longest part of this weight that can be shorter one step shorter."""
    able = [part for section in sections for part in section.parts if part.weight is weight and part.shorter]
    if not able:
        return None
    longest = max(able, key=lambda part: len(part.text))
    less = Part(longest.shorter[0], weight, longest.shorter[1:])
    return tuple(
        Section(section.heading, tuple(less if part is longest else part for part in section.parts))
        for section in sections
    )


def _rendered(sections: Iterable[Section]) -> str:
    blocks: list[str] = []
    for section in sections:
        texts = [part.text for part in section.parts if part.text]
        blocks += [f"## {section.heading}", *texts] if section.heading and texts else texts
    return "\n\n".join(blocks)


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
