"""The cheap part of what a start needs, looked at before an hour of building. Each function refuses in one line."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from monitor_loop import nodeconfig
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, NodeConfig, Session

_RELEASE_SECONDS = 1.0
_POLL_SECONDS = 0.02

_OVERRIDE = "RS_STELLAR_CORE_"
"""henyey config.rs:1826-1880: read after the file, and only from the environment."""

OVERRIDES_REMEDY = "set them in the crontab as well, or in the config: what a tick relaunches has cron's environment"

_EMBEDDED_DATABASE = b'{"ledger":'

_LOCK_LINE = re.compile(
    r"\d+: (?:FLOCK|OFDLCK|POSIX)\s+\w+\s+WRITE\s+(?P<pid>-?\d+)\s+[0-9a-f]+:[0-9a-f]+:(?P<inode>\d+)\s"
)


def read_config(session: Session) -> NodeConfig:
    """The config that the node is to run with. Raises MonitorError where the node would refuse it."""
    path = session.config_file
    if not path.is_file():
        raise MonitorError(f"config file {path} does not exist; check --repo, or MONITOR_CONFIG in the env file")
    config = nodeconfig.read_node_config(path, session.repo)
    if session.is_validator and not config.is_validator:
        raise MonitorError(
            f"{path}: [node] is_validator is not true, so the node refuses --validator; set it, or start --watcher"
        )
    return config


def check_ports(config: NodeConfig) -> None:
    for port in (config.http_port, config.rpc_port):
        if port is not None and not is_free(port):
            raise MonitorError(
                f"port {port} is in use by {holder_of_port(port)}; stop that, or change the port in the config"
            )


class LockUnknown(MonitorError):
    """The node's lock is there and cannot be tried: nobody knows whether a node holds it."""


def check_database(config: NodeConfig, proc: Path) -> None:
    """Refuse where a node that we cannot see as ours holds the database, or may hold it."""
    try:
        if not _is_locked(config.lock_file):
            return
    except OSError as error:
        raise LockUnknown(f"{config.lock_file} cannot be tried ({error.strerror}); make it readable") from None
    holder = next(lock_holders(config.lock_file, proc), "a process that /proc does not tell")
    raise MonitorError(f"{config.lock_file} is held by {holder}: a node runs outside this data root; stop it first")


def check_owner(config: NodeConfig, embedded: bool) -> None:
    """Refuse to let one kind of node loose on the data of the other: the embedded node replaces the database file and
    deletes buckets, and henyey cannot open what that one leaves."""
    holds = _database_kind(config)
    if embedded and holds == "henyey":
        raise MonitorError(
            f"{config.mainnet} holds a real node's data, which the embedded node would destroy; "
            "give it a data root of its own: monitor-loop --data-root DIR start --embedded"
        )
    if not embedded and holds == "embedded":
        raise MonitorError(
            f"{config.database} is the embedded node's; remove {config.mainnet}, or choose another data root"
        )


def data_notes(config: NodeConfig, data: DataRoot) -> list[str]:
    """Where the node's data is not in its usual place, both places by name; and what a wipe will refuse."""
    notes = []
    if config.mainnet != data.path / "mainnet":
        notes.append(f"the node's data is in {config.mainnet} (its config), not in {data.path / 'mainnet'}")
    if config.buckets.parent != config.mainnet:
        notes.append(f"database {config.database} and buckets {config.buckets} lie apart: a wipe will be refused")
    return notes


def overrides_of(environment: Iterable[str]) -> str:
    """The variables in which henyey reads what its config leaves out, its seed among them: names, never a value."""
    names = (entry.partition("=")[0] for entry in environment)
    return ", ".join(sorted(name for name in names if name.startswith(_OVERRIDE)))


def is_free(port: int) -> bool:
    """Whether a node could listen there; a connection in TIME_WAIT does not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - only tried, never listened on
        except PermissionError:
            return True
        except OSError:
            return False
    return True


def holder_of_port(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("inet"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid is not None:
                return f"PID={connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return f"another user's process (sudo ss -ltnp 'sport = :{port}' names it)"


def _database_kind(config: NodeConfig) -> str:
    """Whose the data is: "embedded", or "" where there is none; all that is not known for embedded is "henyey"."""
    try:
        with config.database.open("rb") as file:
            start = file.read(len(_EMBEDDED_DATABASE))
    except FileNotFoundError:
        start = b""
    if start == _EMBEDDED_DATABASE:
        return "embedded"
    try:
        return "henyey" if start or any(config.buckets.iterdir()) else ""
    except FileNotFoundError:
        return ""


def _is_locked(path: Path) -> bool:
    """Whether somebody holds the node's flock. Ours is shared and gone at once; the file is never changed."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not takes(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def takes(lock: int, kind: int) -> bool:
    """Whether the flock is ours now, at once or within a second: on a busy machine the kernel lets go of a dead
    process's lock a little after the process is gone."""
    end = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True


def lock_holders(path: Path, proc: Path) -> Iterator[str]:
    """`PID=<pid> (<exe>)` of each that holds a write lock on this file, as far as /proc tells."""
    inode = path.stat().st_ino
    try:
        text = (proc / "locks").read_text(encoding="ascii", errors="replace")
    except OSError:
        return
    for match in _LOCK_LINE.finditer(text):
        if int(match["inode"]) == inode and int(match["pid"]) > 0:
            yield f"PID={match['pid']} ({_exe_of(proc / match['pid'])})"


def _exe_of(process: Path) -> str:
    try:
        return str((process / "exe").readlink())
    except OSError:
        return "exe unreadable"
