"""The words that stand for a metric in the code: how a place says that a word now holds its name or handle. Pure."""

from __future__ import annotations

import re

import msgspec

from monitor_tick.investigation.calls import DEFINES_REGISTERING, REGISTERED, role_by_name
from monitor_tick.investigation.rust_text import Call, Code, calls_around
from monitor_tick.investigation.rust_tokens import Literal

WINDOW = 400
"""Characters before a place in which its statement begins."""

_PATH = r"[\s&]*(?:\w+\s*::\s*)*"
CONSTANT = re.compile(rf"\b(?:const|static)\s+(?:ref\s+|mut\s+)?([A-Za-z_]\w*)\s*:[^=;]*={_PATH}$")
STATIC = re.compile(r"\b(?:const|static)\s+(?:ref\s+|mut\s+)?([A-Za-z_]\w*)\s*:[^=;]*=[^;{}]*(?:\{\s*)?$")
LOCAL = re.compile(rf"\blet\s+(?:mut\s+)?([A-Za-z_]\w*)\s*(?::[^=;{{}}]*)?={_PATH}$")
LOCAL_FORMAT = re.compile(rf"\blet\s+(?:mut\s+)?([A-Za-z_]\w*)\s*(?::[^=;{{}}]*)?={_PATH}(?:format|concat)!\s*\(\s*$")
FIELD = re.compile(r"[{,(]\s*([A-Za-z_]\w*)\s*:\s*$")
ARM = re.compile(r"([A-Za-z_]\w*)\s*(?:\{[^{}]*\}|\([^()]*\))?\s*=>\s*$")
_IN_CAPITALS = re.compile(r"\b[A-Z][A-Z0-9_]{2,}\b")
_IN_CAPITALS_NEXT = re.compile(r"\s*(?:=>|,|:)\s*([A-Z][A-Z0-9_]{2,})\b")
USE = re.compile(r"\b(pub(?:\s*\([^)]*\))?\s+)?use\s[^;]*$")
AS = re.compile(r"\s+as\s+([A-Za-z]\w*)")
_QUALIFIER = re.compile(r"(\w+)\s*::\s*$")
_NO_MODULE = ("mod", "lib", "main", "src")


class Holder(msgspec.Struct, frozen=True):
    """A word that stands for the metric's name, or for its handle, in `path` (empty: anywhere) from `begin` to `end`.

    `defined_in` and `module` are where a constant is, to tell it from another one of the same name. `kind` is the enum
    that has to stand before a variant. A field counts within `crate`.
    """

    word: str
    path: str = ""
    begin: int = 0
    end: int = 1 << 40
    defined_in: str = ""
    module: str = ""
    kind: str = ""
    crate: str = ""
    is_handle: bool = False

    @property
    def is_field(self) -> bool:
        return self.crate != ""


def is_of_metrics(code: Code, literal: Literal) -> bool:
    """A name that was cut may be any word: only where metrics are spoken of it counts."""
    if CONSTANT.search(code.masked, max(0, literal.start - WINDOW), literal.start):
        return True
    return any(role_by_name(call) for call in calls_around(code, literal.start))


def role_of_function(code: Code, offset: int) -> str:
    """What the function around a place that only names the metric is for; empty where it does not say so."""
    function = code.innermost(offset, "fn")
    registers = function is None or DEFINES_REGISTERING.search(code.masked, function.start, function.end)
    return REGISTERED if registers else ""


def word_of_entry(code: Code, call: Call, start: int, end: int) -> tuple[str, int] | None:
    """The constant that a macro makes of its entry: the word in capitals before the name, else right behind it."""
    begin = max(call.opened + 1, start - WINDOW)
    begin = max(begin, *(code.masked.rfind(mark, begin, start) + 1 for mark in '";{}'))
    if found := _IN_CAPITALS.search(code.masked, begin, start):
        return found[0], found.start()
    following = _IN_CAPITALS_NEXT.match(code.masked, end)
    return (following[1], following.start(1)) if following else None


def module_of(code: Code, offset: int) -> str:
    """The module that a constant is in: `mod name { }`, else the file's."""
    inner = code.innermost(offset, "mod")
    if inner is not None:
        return inner.name
    parts = code.path.removesuffix(".rs").split("/")
    return next((part for part in reversed(parts) if part not in _NO_MODULE), "")


def means(code: Code, start: int, holder: Holder) -> bool:
    """Whether a place says that it means the constant of the holder's module."""
    if qualifier := _QUALIFIER.search(code.masked, max(0, start - WINDOW), start):
        return qualifier[1] == holder.module
    module, word = re.escape(holder.module), re.escape(holder.word)
    imported = rf"\buse\s[^;]*\b{module}\s*::\s*(?:\*|{word}\b|\{{[^;]*\b{word}\b)"
    return re.search(imported, code.masked) is not None


def is_name_of(code: Code, start: int, end: int) -> bool:
    """The name of a constant where it is defined, or of an entry or an arm (`NAME => ...`)."""
    before, behind = code.masked[max(0, start - WINDOW) : start].split(), code.masked[end : end + 20].lstrip()
    defined = bool(before) and before[-1] in ("const", "static", "ref", "mut") and behind.startswith(":")
    return defined or behind.startswith("=>")


def kind_before(code: Code, start: int) -> str:
    """The enum that stands before a variant at `start`; of `Self`, the type of the impl."""
    found = _QUALIFIER.search(code.masked, max(0, start - WINDOW), start)
    if found is None or found[1] != "Self":
        return found[1] if found else ""
    inside = code.innermost(start, "impl")
    return inside.name if inside else ""


def crate_of(path: str) -> str:
    """The directory that a file's `src` is in, with the slash; the file's own directory where there is none."""
    head, slash, _ = path.rpartition("/src/")
    return f"{head}{slash}" if slash else path.rpartition("/")[0] + "/"
