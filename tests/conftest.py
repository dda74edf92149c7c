"""Guards for every test: nothing outside loopback, nothing under the real home directory."""

from __future__ import annotations

import functools
import gc
import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor_loop import node
from monitor_loop.building import builder
from monitor_loop.embedded import setup

# Read by hypothesis as it is imported. Of this user, for another one could not write there.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", f"{tempfile.gettempdir()}/monitor-hypothesis-{os.getuid()}")

from tests.examples import register_profiles
from tests.fake_github.fixture import gh_environment, github

__all__ = ["gh_environment", "github"]

register_profiles()

_TOLD = "told"

# What the caller's shell tells git, gh or requests is not told to those that a test runs.
for _name in [
    name for name in os.environ if name.startswith(("GIT_", "GH_", "XDG_")) or name.lower().endswith("_proxy")
]:
    del os.environ[_name]

# No git that a test runs starts another one to look whether a repository of three commits wants tidying.
os.environ.update(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="maintenance.auto", GIT_CONFIG_VALUE_0="false")

# Where the caller's environment forbids bytecode, every worker and every process that a test starts compiles all anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(what: str) -> None:
    # Not an Exception: code under test that swallows every error must not hide this one.
    pytest.fail(f"a test tried to reach the network: {what}")


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Connects and name look-ups that would leave the machine fail the test."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked(own: socket.socket, address: Any) -> None:
        if own.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            _refuse(f"connect to {address!r}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        checked(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        checked(self, address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not _is_loopback(host):
            _refuse(f"look-up of {host!r}")
        return look_up(host, *args, **kwargs)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """~ is a fresh directory, and no MONITOR_ variable of the caller is seen; a real cargo still finds its own."""
    patch = pytest.MonkeyPatch()
    home = Path.home()
    for variable, directory in (("CARGO_HOME", home / ".cargo"), ("RUSTUP_HOME", home / ".rustup")):
        if variable not in os.environ and directory.is_dir():
            patch.setenv(variable, str(directory))
    for name in [name for name in os.environ if name.startswith("MONITOR_")]:
        patch.delenv(name)
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def own_ports() -> Iterator[None]:
    """A port that a node has closed for a moment is given to no node of another worker."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    patch = pytest.MonkeyPatch()
    patch.setattr(setup, "_PORTS", setup._PORTS[worker::workers])
    yield
    patch.undo()


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """How much a test tried, for the end of the run's output."""
    return functools.partial(record_property, _TOLD)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [
        (report.nodeid.rpartition("::")[2], text)
        for report in terminalreporter.stats.get("passed", [])
        for name, text in report.user_properties
        if report.when == "call" and name == _TOLD
    ]
    if told:
        terminalreporter.section("what was tried", sep="-")
    for test, text in sorted(told):
        terminalreporter.line("\n    ".join((f"{test}:", *text.splitlines())))


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core, as far as memory goes: half of what a test takes is waiting for a process that it started."""
    cores = len(os.sched_getaffinity(0))
    return cores + min(cores, 8)


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end: to look through them again and again is a tenth of all the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_sessionfinish() -> None:
    """Nodes and builders that a test started in this process are ended and reaped, not warned of at its end."""
    for child in (*(launched.child for launched in node._launched.values()), *builder._children.values()):
        child.kill()
        child.wait()
