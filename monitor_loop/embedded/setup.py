"""What `monitor-loop start --embedded` puts into a session so that the ordinary launch starts the embedded node."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from monitor_loop.embedded.clock import unix_now
from monitor_loop.embedded.config import EmbeddedConfig, render_config
from monitor_loop.embedded.faults import FAULTS_FILE, PlannedFault
from monitor_loop.embedded.keys import hex_hash
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Session

START_LEDGER = 62_484_011
_PORTS = range(20_000, 32_000)  # below Linux's ephemeral range, so that no outgoing connection takes one first

BOOT = '''\
"""Starts the embedded node in this copy of the interpreter, which has no site-packages of its own."""

import os
import sys

sys.path[:0] = {packages!r}
sys.path += {libraries!r}

from monitor_loop.embedded.__main__ import main

os._exit(main(sys.argv[1:]))
'''


class EmbeddedSetup(msgspec.Struct, frozen=True, kw_only=True):
    """`launch_prefix` is what stands between the binary and its arguments, quoted for shlex; `config` is absolute;
    `rpc_port` is None for a watcher; `commit_hash` is what /info will say.
    """

    launch_prefix: str
    config: Path
    admin_port: int
    rpc_port: int | None
    radar_url: str
    commit_hash: str


def prepare(  # noqa: PLR0913  every one is an independent choice of a test
    data: DataRoot,
    session_id: str,
    *,
    speed: float = 1.0,
    watcher: bool = False,
    seed: int = 1,
    startup_seconds: float = 0.5,
    catchup_seconds: float = 3.0,
    scenario: Sequence[PlannedFault] = (),
    commit_hash: str = "",
    ports: tuple[int, int, int] | None = None,
) -> EmbeddedSetup:
    """Write binary, boot script and config of an embedded node under the session. MonitorError when it cannot be.

    Harmless on a session that has them: the binary is replaced, never written in place. `ports` are those of admin,
    RPC and radar, by default free ones.
    """
    session = data.session_directory(session_id)
    boot = _install_binary(session / "cargo-target" / "release")
    admin, rpc, radar = ports or free_ports(3)
    config = EmbeddedConfig(
        name="embedded-watcher" if watcher else "embedded-validator",
        is_validator=not watcher,
        database=data.path / "mainnet" / "mainnet.db",
        buckets=data.path / "mainnet" / "buckets",
        http_port=admin,
        rpc_port=None if watcher else rpc,
        radar_port=radar,
        retention_window=360,
        maintenance_period_seconds=14_400 if watcher else 900,
        maintenance_count=50_000,
        faults_file=session / FAULTS_FILE,
        speed=speed,
        seed=seed,
        start_ledger=START_LEDGER,
        genesis=unix_now(),
        startup_seconds=startup_seconds,
        catchup_seconds=catchup_seconds,
        commit_hash=commit_hash or commit_of(seed),
        scenario=tuple(scenario),
    )
    path = session / "embedded.toml"
    path.write_text(render_config(config), encoding="utf-8")
    return EmbeddedSetup(
        launch_prefix=shlex.join(["-I", "-S", str(boot)]),
        config=path,
        admin_port=admin,
        rpc_port=config.rpc_port,
        radar_url=f"http://127.0.0.1:{radar}",
        commit_hash=config.commit_hash,
    )


def commit_of(seed: int = 1) -> str:
    """What the embedded node names as its commit."""
    return hex_hash("embedded", seed)[:40]


def restore(session: Session, commit_hash: str) -> None:
    """The same files once more, for a session that lost its directory: its env file knows the ports. Its speed and its
    faults are lost."""
    spare_rpc, spare_radar = free_ports(2)
    ports = (session.admin_port, session.rpc_port or spare_rpc, urlsplit(session.radar_url).port or spare_radar)
    setup = prepare(session.data, session.id, watcher=not session.is_validator, commit_hash=commit_hash, ports=ports)
    if (setup.launch_prefix, setup.config) != (session.launch_prefix, session.config_file):
        raise MonitorError(f"{session.data.env_file} is not of this version; run monitor-loop start --embedded")


def free_ports(count: int) -> tuple[int, ...]:
    """Distinct ports of 127.0.0.1 that nobody listens on now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, min(200, len(_PORTS))):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return tuple(found)
    raise MonitorError(f"found no {count} free ports between {_PORTS.start} and {_PORTS.stop} for the embedded node")


def _install_binary(directory: Path) -> Path:
    """Copy the interpreter to <session>/cargo-target/release/henyey; the boot script that makes it a node."""
    directory.mkdir(parents=True, exist_ok=True)
    interpreter = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    partial = directory / "henyey.partial"
    shutil.copyfile(interpreter, partial)
    partial.chmod(0o755)
    partial.replace(directory / "henyey")
    # Where a copy looks for its standard library; most interpreters also know a compiled-in place.
    (directory / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\n", encoding="utf-8")
    if b"$ORIGIN" in interpreter.read_bytes():
        _link_library(directory.parent / "lib", interpreter.parent.parent / "lib")
    boot = directory / "boot.py"
    boot.write_text(BOOT.format(packages=[_home_of("monitor_loop")], libraries=_libraries()), encoding="utf-8")
    return boot


def _link_library(link: Path, library: Path) -> None:
    """An interpreter that finds libpython at $ORIGIN/../lib finds it beside its copy too."""
    if not link.is_symlink():
        link.symlink_to(library)


def _libraries() -> list[str]:
    """Where this interpreter has the two libraries that the node imports; its copy is given nothing else."""
    return sorted({_home_of("msgspec"), _home_of("tomli")})


def _home_of(package: str) -> str:
    import importlib.util  # only `start --embedded` needs it

    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MonitorError(f"the embedded node needs the package {package}; install this project with its dependencies")
    return os.path.dirname(os.path.dirname(os.path.realpath(spec.origin)))  # noqa: PTH120  a str is what sys.path takes
