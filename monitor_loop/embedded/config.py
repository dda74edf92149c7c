"""The embedded node's config file: the node's own shape plus a table [embedded] that only this node knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from monitor_loop.embedded.faults import PlannedFault, planned_fault
from monitor_loop.errors import MonitorError

Scalar = str | int | float | bool


class EmbeddedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Ports are on 127.0.0.1; `rpc_port` is None for a watcher. Seconds of the node's own life (start-up, catchup,
    maintenance period) are divided by `speed`; times on the wire stay real.
    """

    name: str
    is_validator: bool
    database: Path
    buckets: Path
    http_port: int
    rpc_port: int | None
    radar_port: int
    retention_window: int
    maintenance_period_seconds: float
    maintenance_count: int
    faults_file: Path
    speed: float
    seed: int
    start_ledger: int
    genesis: float
    startup_seconds: float
    catchup_seconds: float
    commit_hash: str
    network: str = "Public Global Stellar Network ; September 2015"
    watchdog_abort_seconds: float = 120.0
    scenario: tuple[PlannedFault, ...] = ()

    @property
    def peers(self) -> tuple[int, int]:
        """Inbound and outbound peers of a quiet day; a non-validator does not listen."""
        return (9, 16) if self.is_validator else (0, 8)


def render_config(config: EmbeddedConfig) -> str:
    return "\n".join(_toml_lines(config)) + "\n"


def read_config(path: Path) -> EmbeddedConfig:
    """MonitorError where the file is missing or not one that `prepare` wrote."""
    import tomli  # like every parser of the project: only where it is used

    try:
        document = tomli.loads(path.read_text(encoding="utf-8"))
        return _config_of(document)
    except OSError as error:
        raise MonitorError(f"Failed to read config file {path}: {error.strerror}") from error
    except (tomli.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise MonitorError(f"Failed to parse config file {path}: {error!r}") from error


def _toml_lines(config: EmbeddedConfig) -> Iterator[str]:
    yield "# Written by monitor-loop for its embedded node; [embedded] is not a table of the real node's config."
    yield from _table("node", {"name": config.name, "is_validator": config.is_validator})
    yield from _table("network", {"passphrase": config.network})
    yield from _table("database", {"path": str(config.database)})
    yield from _table("buckets", {"directory": str(config.buckets)})
    yield from _table("http", {"enabled": True, "address": "127.0.0.1", "port": config.http_port})
    if config.rpc_port is not None:
        rpc = {"enabled": True, "port": config.rpc_port, "retention_window": config.retention_window}
        yield from _table("rpc", rpc)
    maintenance = {"enabled": True, "period_secs": int(config.maintenance_period_seconds)}
    yield from _table("maintenance", {**maintenance, "count": config.maintenance_count})
    yield from _table("embedded", {name: _scalar(config, name) for name in _EMBEDDED_KEYS})
    for fault in config.scenario:
        yield from _table("embedded.fault", dict(fault.as_pairs()), array=True)


_EMBEDDED_KEYS = (
    "faults_file",
    "radar_port",
    "speed",
    "seed",
    "start_ledger",
    "genesis",
    "startup_seconds",
    "catchup_seconds",
    "watchdog_abort_seconds",
    "commit_hash",
)


def _scalar(config: EmbeddedConfig, name: str) -> Scalar:
    value = getattr(config, name)
    return str(value) if isinstance(value, Path) else value


def _table(name: str, values: Mapping[str, Scalar], *, array: bool = False) -> Iterator[str]:
    yield f"\n[[{name}]]" if array else f"\n[{name}]"
    for key, value in values.items():
        yield f"{key} = {json.dumps(value, ensure_ascii=False)}"  # a JSON scalar is a TOML scalar


def _config_of(document: Mapping[str, Mapping[str, object]]) -> EmbeddedConfig:
    own = dict(document["embedded"])
    planned = own.pop("fault", [])
    rpc = document.get("rpc", {})
    flat: dict[str, object] = {
        **own,
        "name": document["node"]["name"],
        "is_validator": document["node"]["is_validator"],
        "network": document["network"]["passphrase"],
        "database": document["database"]["path"],
        "buckets": document["buckets"]["directory"],
        "http_port": document["http"]["port"],
        "rpc_port": rpc["port"] if rpc.get("enabled") else None,
        "retention_window": rpc.get("retention_window", 2880),
        "maintenance_period_seconds": document["maintenance"]["period_secs"],
        "maintenance_count": document["maintenance"]["count"],
    }
    config = msgspec.convert(flat, EmbeddedConfig, dec_hook=_path_hook)
    return msgspec.structs.replace(config, scenario=tuple(planned_fault(entry) for entry in _tables(planned)))


def _tables(value: object) -> list[dict[str, Scalar]]:
    return msgspec.convert(value, list[dict[str, Scalar]])


def _path_hook(wanted: type, value: object) -> object:
    if wanted is Path:
        return Path(str(value))
    raise NotImplementedError(wanted)  # how a msgspec hook says that a type is not its own
