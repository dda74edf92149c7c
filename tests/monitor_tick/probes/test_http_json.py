"""JSON from outside is read strictly: a wrong type is named, an unknown key is none of our business."""

from __future__ import annotations

import msgspec
import pytest

from monitor_tick.facts import Missing
from monitor_tick.probes.http import Body, Count, Line, decode


class _Inner(msgspec.Struct):
    num: Count


class _Outer(msgspec.Struct):
    name: Line
    ledger: _Inner


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"name": "a"', "not JSON"),
        (b'{"unknown": ' + b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "unexpected answer: not an object"),
        (b"null", "unexpected answer: not an object"),
        (b'{"name": "a"}', "unexpected answer: ledger"),
        (b'{"name": "a", "ledger": {}}', "unexpected answer: ledger.num"),
        (b'{"name": "a", "ledger": {"num": "7"}}', "unexpected answer: ledger.num"),
        (b'{"name": "a", "ledger": {"num": 7.5}}', "unexpected answer: ledger.num"),
        (b'{"name": "a", "ledger": {"num": -1}}', "unexpected answer: ledger.num"),
        (b'{"name": "a", "ledger": {"num": 1e400}}', "unexpected answer: ledger.num"),
        (b'{"name": "a", "ledger": {"num": 99999999999999999999}}', "unexpected answer: ledger.num"),
        (b'{"name": "a\\nMONITOR OK", "ledger": {"num": 7}}', "unexpected answer: name"),
        (b'{"name": null, "ledger": {"num": 7}}', "unexpected answer: name"),
    ],
)
def test_json_is_read_strictly(content: bytes, reason: str) -> None:
    assert decode(Body(200, content), _Outer) == Missing(reason)


def test_unknown_keys_are_no_offence() -> None:
    assert decode(Body(200, b'{"name": "a", "new": [], "ledger": {"num": 7}}'), _Outer) == _Outer("a", _Inner(7))


def test_a_missing_answer_stays_what_it_is() -> None:
    assert decode(Missing("HTTP 500"), _Outer) == Missing("HTTP 500")
