"""What a line of the node's log says. Text and JSON (--log-format json) are brought to the same words first."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import msgspec

from monitor_tick.facts import Heartbeat, MemoryComponent, MemoryReport

STAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z"
_STAMPED = re.compile(rb'(?:\{"timestamp":")?(' + STAMP + rb")")
STAMPED_LINE = re.compile(rb'\n(?:\{"timestamp":")?(' + STAMP + rb")")
# The level token at its place and nowhere else: INFO text may well say "error" (L37).
_TEXT = re.compile(r"(\S+Z)[ \t]+(ERROR|WARN|INFO|DEBUG|TRACE)[ \t]+(?:([\w:.\-]+): )?(.*)", re.DOTALL)
_CUT_JSON = re.compile(r'\{"timestamp":"([^"]+)","level":"([A-Z]+)","fields":\{"message":"((?:[^"\\]|\\.)*)')
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_VALUE = re.compile(r'"?([^\s"]+)')
_SEED = re.compile(r"S[A-Z2-7]{55}")
_CONTROL = str.maketrans({"\t": "\\t", "\r": "\\r", "\n": "\\n"})

TEXT_LIMIT = 1 << 16
LAST_YEAR_UNIX = 253_402_300_799


class Line(msgspec.Struct, frozen=True):
    """`text` is the message with its fields as the text form prints them; `stamp` is the time as printed."""

    at: datetime | None
    stamp: str
    level: str
    target: str
    text: str

    def __str__(self) -> str:
        return f"{self.stamp} {self.level:>5} {self.target}: {self.text}"


class JsonEvent(msgspec.Struct, frozen=True):
    """`fields` keeps whatever a node puts there: its keys are the event's own."""

    timestamp: str
    level: str
    target: str = ""
    fields: dict[str, str | int | float | bool | list[object] | dict[str, object] | None] = {}


_json = msgspec.json.Decoder(JsonEvent)


def stamp_of(raw: bytes) -> bytes:
    """The line's time as printed, which sorts like the time itself; empty where it has none."""
    found = _STAMPED.match(raw)
    return found[1] if found else b""


def line_of(raw: bytes) -> Line | None:
    """None for a line that is no event of the node's logger. Invalid UTF-8 is replaced, seeds are taken out."""
    raw = raw.rstrip(b"\r")
    if raw.startswith(b"{"):
        return _json_line(raw)
    if not stamp_of(raw):
        return None
    found = _TEXT.match(without_seeds(raw[:TEXT_LIMIT].decode("utf-8", "replace")))
    if found is None:
        return None
    return Line(_at(found[1]), found[1], found[2], found[3] or "", found[4])


def without_seeds(text: str) -> str:
    return _SEED.sub("<seed>", text)


def _json_line(raw: bytes) -> Line | None:
    try:
        event = _json.decode(raw.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return _cut_json_line(raw)
    fields = [_shown(name, value) for name, value in event.fields.items() if name != "message"]
    text = without_seeds(" ".join([str(event.fields.get("message", "")), *fields]).translate(_CONTROL))
    return Line(_at(event.timestamp), event.timestamp, event.level, event.target, text)


def _cut_json_line(raw: bytes) -> Line | None:
    """An event too long, or torn: its beginning still says what it is."""
    found = _CUT_JSON.match(raw[:TEXT_LIMIT].decode("utf-8", "replace"))
    return found and Line(_at(found[1]), found[1], found[2], "", without_seeds(found[3]))


def _shown(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{name}={'true' if value else 'false'}"
    return f"{name}={value}"


def _at(stamp: str) -> datetime | None:
    found = _ISO.fullmatch(stamp)
    try:
        return found and datetime.fromisoformat(f"{found[1]}.{(found[2] or '0')[:6]:<06}+00:00")
    except ValueError:
        return None


# --- fields --------------------------------------------------------------------------------------------------------


def _word(text: str, key: str) -> str | None:
    """The value of exactly this key: `gap=` alone stands in `peer_gap=` too. One pattern for all keys: each costs."""
    mark = f"{key}="
    at = text.find(mark)
    while at >= 0:
        found = _VALUE.match(text, at + len(mark))
        if found and not (at and (text[at - 1].isalnum() or text[at - 1] == "_")):
            return found[1]
        at = text.find(mark, at + 1)
    return None


def integer(text: str, key: str) -> int | None:
    word = _word(text, key)
    return int(word) if word and re.fullmatch(r"[0-9]{1,18}", word) else None


def _number(text: str, key: str) -> float | None:
    word = _word(text, key)
    return float(word) if word and re.fullmatch(r"[0-9]{1,15}(?:\.[0-9]{1,15})?", word) else None


def heartbeat_of(line: Line) -> Heartbeat | None:
    ledger = integer(line.text, "ledger")
    if line.at is None or line.level != "INFO" or ledger is None or _word(line.text, "heartbeat") != "true":
        return None
    return Heartbeat(
        at=line.at,
        ledger=ledger,
        latest_ext=integer(line.text, "latest_ext") or 0,
        tracking_slot=integer(line.text, "tracking_slot") or 0,
        peers=integer(line.text, "peers") or 0,
        heard_from_quorum=_word(line.text, "heard_from_quorum") == "true",
        scp_silent_seconds=integer(line.text, "scp_silent_secs") or 0,
        scp_sent_ext=integer(line.text, "scp_sent_ext") or 0,
        logged_gap=integer(line.text, "gap"),
    )


class Close(msgspec.Struct, frozen=True):
    ledger: int
    close_time: datetime | None


def close_of(line: Line) -> Close | None:
    """`close_time` is the ledger's own: replay prints this line too, with today's timestamp."""
    ledger = integer(line.text, "ledger_seq")
    if ledger is None or line.level != "INFO" or not line.text.startswith("Ledger closed "):
        return None
    closed = integer(line.text, "close_time")
    known = closed is not None and 0 < closed <= LAST_YEAR_UNIX
    return Close(ledger, datetime.fromtimestamp(closed, timezone.utc) if known and closed else None)


_SUMMARY = (
    "rss_mb",
    "jemalloc_allocated_mb",
    "jemalloc_resident_mb",
    "fragmentation_pct",
    "heap_components_mb",
    "mmap_mb",
    "unaccounted_mb",
)


def report_of(line: Line) -> MemoryReport | None:
    """`Startup memory checkpoint` has the same fields and is no report: it lacks memory_report=true."""
    ledger = integer(line.text, "ledger_seq")
    if line.at is None or ledger is None or _word(line.text, "memory_report") != "true":
        return None
    numbers = [value for key in _SUMMARY if (value := _number(line.text, key)) is not None]
    if len(numbers) != len(_SUMMARY):
        return None
    rss, allocated, resident, fragmentation, heap, mmap, unaccounted = numbers
    return MemoryReport(
        at=line.at,
        ledger=ledger,
        rss_mb=rss,
        allocated_mb=allocated,
        resident_mb=resident,
        fragmentation_pct=fragmentation,
        heap_mb=heap,
        mmap_mb=mmap,
        unaccounted_mb=-unaccounted if _word(line.text, "unaccounted_sign") == "-" else unaccounted,
    )


def component_of(line: Line) -> tuple[int, MemoryComponent] | None:
    """The component and the ledger of the report that it belongs to."""
    ledger, mb, name = integer(line.text, "ledger_seq"), _number(line.text, "mb"), _word(line.text, "component")
    if ledger is None or mb is None or name is None or not line.text.startswith("Memory report component "):
        return None
    return ledger, MemoryComponent(name, mb, _word(line.text, "kind") or "")
