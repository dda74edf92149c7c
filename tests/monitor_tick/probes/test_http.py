"""One door to HTTP against a server that does everything wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from monitor_tick.facts import Missing
from monitor_tick.probes.http import Body, Count, Line, begin, decode, fetch
from tests import hostile_http as hostile
from tests.hostile_http import HostileServer

SHORT = 0.3  # for behaviours that never end; everything else must answer long before LONG
LONG = 20.0
MEGABYTE = 2**20


def ask(behaviour: hostile.Behaviour, deadline_seconds: float = LONG, max_bytes: int = MEGABYTE) -> Body | Missing:
    with HostileServer(otherwise=behaviour) as server:
        return fetch("GET", server.url("/x"), deadline_seconds=deadline_seconds, max_bytes=max_bytes)


def test_a_whole_answer() -> None:
    assert ask(hostile.answer(b"hello")) == Body(200, b"hello")


@pytest.mark.parametrize(
    "behaviour", [hostile.hang, hostile.trickle_headers, hostile.trickle_body], ids=lambda behaviour: behaviour.__name__
)
def test_the_deadline_is_for_everything(behaviour: hostile.Behaviour) -> None:
    assert ask(behaviour, SHORT) == Missing("no answer in 0.3 s")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (hostile.answer(b"", 500), "HTTP 500"),
        (hostile.answer(b"x", 404), "HTTP 404"),
        (hostile.answer(b"", 304), "HTTP 304"),
        (hostile.raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP"),
        (hostile.raw(b"\x00\xff" * 5000), "not HTTP"),
        (hostile.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), "connection closed early"),
        (hostile.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "connection closed early"),
        (hostile.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab"), "connection closed early"),
        (hostile.hang_up, "connection closed without an answer"),
        (hostile.reset, "connection reset"),
    ],
)
def test_every_refusal_has_its_reason(behaviour: hostile.Behaviour, reason: str) -> None:
    assert ask(behaviour) == Missing(reason)


def test_a_closed_port() -> None:
    url = f"http://127.0.0.1:{hostile.closed_port()}/"
    assert fetch("GET", url, deadline_seconds=LONG, max_bytes=1) == Missing("connection refused")


def test_a_body_of_100_mb_is_not_taken_in() -> None:
    with HostileServer(otherwise=hostile.huge(100 * MEGABYTE)) as server:
        answer = fetch("GET", server.url("/"), deadline_seconds=LONG, max_bytes=MEGABYTE)
    assert answer == Missing("body over 1 MB")
    assert server.exchanges[0].sent_bytes < 50 * MEGABYTE


@pytest.mark.parametrize("size", [MEGABYTE, MEGABYTE + 1])
def test_the_bound_is_inclusive(size: int) -> None:
    expected = Body(200, b"x" * size) if size == MEGABYTE else Missing("body over 1 MB")
    assert ask(hostile.answer(b"x" * size)) == expected


def test_a_redirect_is_not_followed() -> None:
    with HostileServer(otherwise=hostile.answer(b"here")) as elsewhere:
        assert ask(hostile.redirect(elsewhere.url("/"))) == Missing("redirect refused")
    assert elsewhere.exchanges == []


def test_no_proxy_and_no_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("default login me password secret\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{hostile.closed_port()}")
    with HostileServer(otherwise=hostile.answer(b"direct")) as server:
        assert fetch("GET", server.url("/"), deadline_seconds=LONG, max_bytes=100) == Body(200, b"direct")
    assert b"Authorization" not in server.exchanges[0].head


def test_a_compressed_answer_is_not_unpacked() -> None:
    packed = b"\x1f\x8b\x08whatever"
    assert ask(hostile.answer(packed, headers="Content-Encoding: gzip\r\n")) == Body(200, packed)


def test_what_is_posted_arrives() -> None:
    with HostileServer(otherwise=hostile.answer(b"")) as server:
        fetch("POST", server.url("/"), deadline_seconds=LONG, max_bytes=1, json={"a": 1})
    (exchange,) = server.exchanges
    assert (exchange.method, msgspec.json.decode(exchange.body)) == ("POST", {"a": 1})


@pytest.mark.parametrize("url", ["http://", "nonsense", "http://127.0.0.1:99999/"])
def test_a_url_that_is_none(url: str) -> None:
    answer = fetch("GET", url, deadline_seconds=LONG, max_bytes=1)
    assert isinstance(answer, Missing)
    assert answer.reason.startswith("request failed (")


@pytest.mark.parametrize("path", ["hang", "trickle_headers", "trickle_body"])
def test_an_abandoned_request_does_not_hold_up_the_end_of_the_process(path: str) -> None:
    code = (
        "import sys; from monitor_tick.probes.http import fetch;"
        "print(fetch('GET', sys.argv[1], deadline_seconds=0.1, max_bytes=10).reason)"
    )
    with HostileServer(otherwise=getattr(hostile, path)) as server:
        ran = subprocess.run(
            [sys.executable, "-c", code, server.url("/")], capture_output=True, text=True, timeout=60, check=False
        )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "no answer in 0.1 s\n", "")


def test_calls_that_began_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=LONG)

    def meet(name: str) -> str:
        both.wait()
        return name

    first, second = begin(lambda: meet("a")), begin(lambda: meet("b"))
    assert (first(), second(), first()) == ("a", "b", "a")


def test_what_a_call_raises_is_raised_where_its_result_is_wanted() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    finish = begin(fail)
    with pytest.raises(ZeroDivisionError):
        finish()


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
