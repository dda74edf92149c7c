"""What a call or a macro does with a metric, told by its name: the crates `metrics`, `prometheus`, `prometheus-client`.
Pure."""

from __future__ import annotations

import re

import msgspec

from monitor_tick.investigation.rust_text import Call, Code

REGISTERED, UPDATED = "registered", "updated"

UNCLEAR = 3
"""The order of a place that only names the metric: shown where nothing better was found."""

METHODS = (
    r"(?:increment|decrement|set|record|record_many|absolute|inc|inc_by|dec|dec_by|add|sub|observe|set_max|set_min"
    r"|start_timer|set_to_current_time)"
)
"""Of a handle."""

METHOD = re.compile(rf"\s*\.\s*{METHODS}\s*\(")
CHAIN = re.compile(rf"(?:\s*\.\s*\w+\s*\([^()]*(?:\([^()]*\)[^()]*)*\))*?\s*\.\s*{METHODS}\s*\(")
"""Behind a handle: `.increment(`, `.with_label_values(&[x]).inc(`."""

CALLS_UPDATE = re.compile(
    r"(?:\w+_)?(?:inc|incr|increment|dec|decrement|set|record|observe|absolute|emit|bump|update|count|counter|gauge"
    r"|histogram|timed?|measure)(?:_\w+)?"
)
"""Names of functions that are given a metric's name to update it."""

SETS_UP = re.compile(r"(?:^|::|_)(?:pre_?)?(?:describe|register|init|install|reset|zero)")
"""Names of functions whose updates only make a series appear."""

DEFINES_REGISTERING = re.compile(r"\b(?:describe|register)_\w+\s*!|\.\s*register\w*\s*\(|\bOpts\s*::|\bconst\s+\$")
DEFINES_UPDATING = re.compile(rf"\b(?:counter|gauge|histogram)\s*!|\.\s*{METHODS}\s*\(")

NEUTRAL = {
    "vec", "format", "format_args", "concat", "stringify", "matches", "json", "quote", "select", "cfg_if", "assert",
    "assert_eq", "assert_ne", "debug_assert", "lazy_static", "thread_local", "span", "event", "panic", "println",
    "eprintln", "print", "write", "writeln", "trace", "debug", "info", "warn", "error",
}  # fmt: skip
"""Macros that say nothing of a name that stands in them."""

_REGISTERS = re.compile(r"(?:describe|register)\w*|opts|histogram_opts|with_opts")
_CONSTRUCTS = re.compile(r"(?:Opts|Counter|Gauge|Histogram|IntCounter|IntGauge|\w+Vec)::(?:new|with_opts)")
_MEASURES = re.compile(
    r"(?:(?:increment|decrement|absolute)_)?(?:counter|gauge|histogram|distribution)(?:_\w+)?|timed?|measure"
)
_LONGEST_TEXT = 200


class Hit(msgspec.Struct, frozen=True):
    """A place in a file. `order` sorts those of one role, the most telling first; `end` is where its call ends."""

    path: str
    start: int
    end: int
    role: str
    order: int = 0


class Found(msgspec.Struct, frozen=True):
    """`wanted` are words that other files may hold: those are to be read too, and then all is to be found again."""

    hits: tuple[Hit, ...]
    wanted: frozenset[str]

    def of(self, role: str) -> tuple[Hit, ...]:
        return tuple(hit for hit in self.hits if hit.role == role)


def role_by_name(call: Call) -> str:
    """Empty where the name alone does not tell."""
    if _REGISTERS.fullmatch(call.last) or (call.name and _CONSTRUCTS.search(call.name)):
        return REGISTERED
    return UPDATED if call.is_macro and _MEASURES.fullmatch(call.last) else ""


def is_subject(code: Code, call: Call, start: int) -> bool:
    """Whether what stands at `start` is what the call is about, and no entry of a table in its brackets."""
    before = code.masked[call.opened + 1 : start]
    return code.masked[call.opened] != "{" and not any(mark in before for mark in ('"', "=>", ";"))


def line_text(code: Code, start: int, end: int) -> str:
    """The line at `start`; a statement over several lines is joined into one."""
    begin = code.text.rfind("\n", 0, start) + 1
    last = code.text.find("\n", end)
    text = " ".join(code.text[begin : last if last >= 0 else len(code.text)][: 4 * _LONGEST_TEXT].split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
