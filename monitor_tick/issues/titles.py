"""What of a title stays the same from one occurrence to the next, and what a person's title would name. Pure."""

from __future__ import annotations

import re

from monitor_tick.alert import Alert

LEAST_WORDS, LEAST_LETTERS = 2, 7
"""What is shorter stands in many titles by chance: `Disk:` does, `RPC down` does not."""

NONC = "Non-critical: "

_CHANGING = re.compile(r"(?:^|(?<=\s))\W*(?:\d|(?=[0-9a-f]*\d)[0-9a-f]{8,40}\b)")
"""The start of a word that differs each time: a number, whatever stands before its first digit, or a commit."""

_PLACEHOLDER = re.compile(r"<\w+>")
_LABELS = re.compile(r"\{.*", re.DOTALL)


def stable_prefix(title: str) -> str:
    """The part before the first changing number; empty where that is too short to tell anything."""
    changing = _CHANGING.search(title)
    prefix = (title[: changing.start()] if changing else title).strip()
    return prefix if _tells_enough(prefix) else ""


def signature_of(alert: Alert) -> str:
    """What the title of an issue about the same thing has to carry; empty where nothing is that telling.

    The metric, the constant part of the log line, the signature of the CI failure, or else the stable prefix.
    """
    kind, _, rest = alert.key.partition(":")
    if alert.metrics:
        return _LABELS.sub("", alert.metrics[0])
    if kind in ("metric", "ratio") and "_" in rest:
        return _LABELS.sub("", rest)
    if alert.message:
        return _longest_piece(alert.message)
    if kind == "ci":
        return _longest_piece(alert.key.split(":", 3)[-1])
    return stable_prefix(alert.title.removeprefix(NONC))


def carries(title: str, signature: str) -> bool:
    """Whether `title` has the signature as whole words, in any case: a metric's name is the start of another's."""
    words = r"\s+".join(re.escape(word) for word in signature.split())
    return bool(words) and re.search(rf"(?<!\w){words}(?!\w)", title, re.IGNORECASE) is not None


def _longest_piece(text: str) -> str:
    piece = max((piece.strip(" .,:;") for piece in _PLACEHOLDER.split(text)), key=len)
    return piece if _tells_enough(piece) else ""


def _tells_enough(text: str) -> bool:
    return len(text.split()) >= LEAST_WORDS and sum(char.isalpha() for char in text) >= LEAST_LETTERS
