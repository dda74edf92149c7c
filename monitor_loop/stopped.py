"""The tick's first question: was the node stopped on purpose? Answered before anything heavy is imported."""

from __future__ import annotations

from monitor_loop import files

_READ_LIMIT = 2**20
_MAX_TEXT = 200


def stopped_line(data_path: str) -> str | None:
    """The one line for a session that was stopped on purpose: since when, by whom, how to resume.

    None otherwise, and also where node.json is damaged: the full load then says so.
    """
    try:
        content = files.read(f"{data_path}/node.json", _READ_LIMIT)
    except OSError:
        return None
    if not content or b'"stopped":null' in content or b'"stopped"' not in content:
        return None
    import json

    try:
        mark = json.loads(content)["stopped"]
        at, by = _text(mark["at"]), _text(mark["by"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return f"STOPPED: stopped by the operator at {at} ({by}); to resume: monitor-loop start"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return "".join(char for char in value if char.isprintable())[:_MAX_TEXT]
