"""The few keys of the node's config that this tool may know.

The file also holds the node's secret seed, so no part of its text, and no message of the TOML parser, ever gets into an
error: only file, key and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from monitor_loop import files
from monitor_loop.errors import MonitorError
from monitor_loop.session import NodeConfig

_READ_LIMIT = 2**20  # the shipped files are a few kB
_MAX_PORT = 65535
_MAX_COUNT = 2**53

# What the node takes where a key is absent (henyey config.rs:570-604, 1098-1120, 1173-1206).
_HTTP_PORT = 11626
_RPC_PORT = 8000
_RETENTION_LEDGERS = 2880
_MAINTENANCE_SECONDS = 14400


def read_node_config(path: Path, cwd: Path | None = None) -> NodeConfig:
    """MonitorError names file and key, never a value. A relative path in it is relative to `cwd`, where the node runs.

    Without `cwd`: the checkout that holds the file, else the file's directory. `buckets` defaults to the directory
    beside the database. `maintenance_period_seconds` is 0 where maintenance is off.
    """
    tables = _Tables(path, _parse(path))
    base = cwd or _checkout_of(path)
    database = base / tables.text("database", "path")
    buckets = tables.text("buckets", "directory", str(database.parent / "buckets"))
    return NodeConfig(
        database=database,
        buckets=base / buckets,
        http_port=tables.number("http", "port", _HTTP_PORT, _MAX_PORT)
        if tables.flag("http", "enabled", True)
        else None,
        rpc_port=tables.number("rpc", "port", _RPC_PORT, _MAX_PORT) if tables.flag("rpc", "enabled", False) else None,
        retention_window=tables.number("rpc", "retention_window", _RETENTION_LEDGERS, _MAX_COUNT),
        maintenance_period_seconds=_maintenance(tables),
        is_validator=tables.flag("node", "is_validator", False),
    )


def _maintenance(tables: _Tables) -> int:
    if not tables.flag("maintenance", "enabled", True):
        return 0
    return tables.number("maintenance", "period_secs", _MAINTENANCE_SECONDS, _MAX_COUNT)


def _checkout_of(path: Path) -> Path:
    directory = path.absolute().parent
    return next((above for above in (directory, *directory.parents) if (above / ".git").exists()), directory)


def _parse(path: Path) -> Mapping[str, object]:
    import tomli

    try:
        content = files.read(path, _READ_LIMIT)
    except OSError as error:
        raise MonitorError(f"ERROR: {path} cannot be read: {error.strerror} - look at the file") from None
    if content is None:
        raise MonitorError(f"ERROR: {path} not found - name the node's config, or run in the checkout that has it")
    try:
        return tomli.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # `from None`: the parser's error carries the whole document.
        line = re.search(r"at line (\d+)", str(error))
        where = f" at line {line[1]}" if line else ""
        raise MonitorError(f"ERROR: {path} is not valid TOML{where} - mend the file") from None


class _Tables(msgspec.Struct, frozen=True):
    """The parsed file: one typed look-up a kind of value, each naming file and key when it refuses."""

    path: Path
    document: Mapping[str, object]

    def text(self, table: str, key: str, default: str | None = None) -> str:
        value = self._find(table, key, default)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self._refusal(table, key, "must be a path" if value is not None else "is missing: set it to a path")
        return value

    def number(self, table: str, key: str, default: int, most: int) -> int:
        value = self._find(table, key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self._refusal(table, key, f"must be a whole number, 1-{most}")
        return value

    def flag(self, table: str, key: str, default: bool) -> bool:
        value = self._find(table, key, default)
        if not isinstance(value, bool):
            raise self._refusal(table, key, "must be true or false")
        return value

    def _find(self, table: str, key: str, default: object) -> object:
        keys = self.document.get(table, {})
        if not isinstance(keys, dict):
            raise MonitorError(f"ERROR: {self.path}: {table} must be a table [{table}] - mend the file")
        return keys.get(key, default)

    def _refusal(self, table: str, key: str, what: str) -> MonitorError:
        return MonitorError(f"ERROR: {self.path}: [{table}] {key} {what} - mend the file")
