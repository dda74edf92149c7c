"""The guards of conftest.py can fail."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 80)])
def test_a_connect_that_leaves_the_machine_fails_the_test(address: tuple[str, int]) -> None:
    with socket.socket() as one, pytest.raises(pytest.fail.Exception, match="reach the network"):
        one.connect(address)
    with socket.socket() as one, pytest.raises(pytest.fail.Exception, match="reach the network"):
        one.connect_ex(address)


def test_a_name_look_up_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="look-up"):
        socket.create_connection(("example.org", 80))


def test_loopback_and_unix_sockets_work(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))


def test_home_is_not_the_real_one() -> None:
    assert not (Path.home() / "data").exists()
    assert "home" in Path.home().name
