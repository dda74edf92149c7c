"""The ledger as a file: what was rendered is read back, and nothing else is. (Cuts and turned bits: test_store.)"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from monitor_tick.issues.ledger import NOTHING_FILED, Ledger
from monitor_tick.issues.ledgerfile import parse, render
from tests.monitor_tick.issues.filing_world import World, a_finding
from tests.monitor_tick.issues.model_github import Fault
from tests.monitor_tick.stores import ledger_of


def enveloped(ledger: Any, schema: int = 1) -> bytes:
    body = json.dumps(ledger, separators=(",", ":")).encode()
    checksum = hashlib.sha256(body).hexdigest()
    return f'{{"schema":{schema},"checksum":"{checksum}","ledger":'.encode() + body + b"}\n"


def a_used_ledger() -> Ledger:
    """With an issue, a create without an answer, and what follows it."""
    world = World()
    world.tick(a_finding("process:death", "panic at å.rs", event="run 1"))
    world.wait()
    world.hook = lambda name: Fault.LOST if name == "create" else None
    world.tick(a_finding("process:death", "OOM", event="run 2"), a_finding("rpc:down"))
    return world.ledger


@pytest.mark.parametrize("ledger", [NOTHING_FILED, ledger_of(3), a_used_ledger()], ids=["empty", "some", "used"])
def test_what_was_rendered_is_read_back(ledger: Ledger) -> None:
    content = render(ledger)
    assert content.endswith(b"}\n")
    assert content.count(b"\n") == 1
    assert parse(content) == ledger


def test_a_ledger_of_before_a_field_was_added_is_read() -> None:
    plain = json.loads(render(a_used_ledger()))["ledger"]
    for entry in plain["outbox"]:
        del entry["events"], entry["back_links"]
    assert [entry.events for entry in parse(enveloped(plain)).outbox] == [(), ()]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "truncated"),
        (b"{}\n", "missing or unknown field"),
        (b"[" * 100_000, "recursion|depth|malformed|truncated|Expected"),
        (enveloped({}, schema=2), "schema 2, this version reads 1"),
        (enveloped({}).replace(b"ledger", b"Ledger"), "missing or unknown field"),
        (enveloped({}).replace(b'"ledger":{}', b'"ledger":{"login":"x"}'), "wrong checksum"),
        (enveloped({})[:-1], "wrong checksum"),
        (enveloped({"outbox": [{"incident": 1}]}), "Expected `str`"),
    ],
)
def test_anything_else_is_refused_in_one_line(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        parse(content)
    assert "\n" not in str(refused.value)
