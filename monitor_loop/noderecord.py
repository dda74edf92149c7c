"""<data>/node.json, what outlives a session, as text."""

from __future__ import annotations

import msgspec

from monitor_loop import files
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, NodeRecord

SCHEMA = 1
_READ_LIMIT = 2**20


class _Versioned(msgspec.Struct):
    """What no record of ours lacks, so that an empty object is not taken for one that knows of nothing."""

    schema: int


def parse(content: bytes) -> NodeRecord:
    """MonitorError for anything but one whole record: truncated, of another schema, or with a time without a zone."""
    if not content.endswith(b"\n"):
        raise MonitorError("node.json is cut off: its last line has no end")
    try:
        record = msgspec.json.decode(content, type=NodeRecord)
        msgspec.json.decode(content, type=_Versioned)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MonitorError(f"node.json is damaged: {error}") from None
    if record.schema != SCHEMA:
        raise MonitorError(f"node.json has schema {record.schema}, not {SCHEMA}: another version wrote it")
    return record


def render(record: NodeRecord) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def read(data: DataRoot) -> NodeRecord:
    """An absent file is an empty record: nothing was ever launched or stopped here."""
    try:
        content = files.read(data.node_record, _READ_LIMIT)
        return NodeRecord() if content is None else parse(content)
    except (OSError, MonitorError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise MonitorError(
            f"ERROR: {data.node_record}: {what} - move it aside; the mark of a stopped node goes with it"
        ) from None


def write(data: DataRoot, record: NodeRecord) -> None:
    files.replace(data.node_record, render(record))
