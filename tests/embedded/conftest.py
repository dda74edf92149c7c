"""The node fixtures, and one quiet node that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.embedded_fixture import RunningNode, embedded_node, embedded_session, prepared_session

__all__ = ["embedded_node", "embedded_session"]


@pytest.fixture(scope="module")
def quiet_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """In sync and unharmed; a test that breaks it mends it."""
    node = RunningNode(prepared_session(tmp_path_factory.mktemp("data")))
    try:
        node.wait_synced()
        yield node
    finally:
        node.kill()
