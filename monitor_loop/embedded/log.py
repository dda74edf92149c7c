"""Log lines exactly as the node's tracing-subscriber prints them, in text or JSON (node contract, section 2.1)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from monitor_loop.embedded.clock import log_stamp, unix_now

Value = bool | int | float | str


class Display(str):
    """A value the node formats with Display: bare in the text form, where it may hold spaces and '='.

    A plain str is formatted with Debug: quoted, tabs and quotes escaped.
    """

    __slots__ = ()


class NodeLog:
    """One write a line, to stderr like the node, so that a reader never sees two lines mixed."""

    def __init__(self, *, as_json: bool = False, descriptor: int = 2) -> None:
        self._as_json = as_json
        self._descriptor = descriptor

    def info(self, target: str, message: str, fields: Mapping[str, Value] | None = None) -> None:
        self.line("INFO", target, message, fields)

    def warn(self, target: str, message: str, fields: Mapping[str, Value] | None = None) -> None:
        self.line("WARN", target, message, fields)

    def error(self, target: str, message: str, fields: Mapping[str, Value] | None = None) -> None:
        self.line("ERROR", target, message, fields)

    def line(self, level: str, target: str, message: str, fields: Mapping[str, Value] | None = None) -> None:
        render = json_line if self._as_json else text_line
        self.raw(render(log_stamp(unix_now()), level, target, message, fields or {}))

    def raw(self, text: str) -> None:
        """Text without the line shape: panic output, `Error: ...`."""
        content = text.encode() + b"\n"
        while content:
            content = content[os.write(self._descriptor, content) :]


def text_line(stamp: str, level: str, target: str, message: str, fields: Mapping[str, Value]) -> str:
    shown = [f"{name}={_shown(value)}" for name, value in fields.items()]
    return " ".join([f"{stamp} {level:>5} {target}:", message, *shown])


def json_line(stamp: str, level: str, target: str, message: str, fields: Mapping[str, Value]) -> str:
    event = {"timestamp": stamp, "level": level, "fields": {"message": message, **fields}, "target": target}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not isinstance(value, Display):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
