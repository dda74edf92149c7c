"""A node, or whatever took its port, that answers as badly as HTTP allows: the tick ends and says what it met."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from monitor_tick.catalog import load_rules
from monitor_tick.report import Report
from monitor_tick.rules import Rules
from monitor_tick.tick import tick
from tests.hostile_http import (
    Behaviour,
    HostileServer,
    answer,
    closed_port,
    hang,
    hang_up,
    huge,
    raw,
    redirect,
    reset,
    trickle_body,
    trickle_headers,
)
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node


def _rules(http_seconds: int, radar_seconds: int) -> Rules:
    """The shipped ones, with other deadlines: short where nothing is to answer, long for what does."""
    rules = load_rules()
    limits = msgspec.structs.replace(
        rules.limits,
        http_deadline_seconds=http_seconds,
        radar_deadline_seconds=radar_seconds,
        confirm_window_seconds=0,
    )
    return msgspec.structs.replace(rules, limits=limits)


HASTY, PATIENT = _rules(1, 1), _rules(60, 60)
HUNDRED_MB = 100 * 2**20

HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "says nothing": (hang, "no answer in 1 s"),
    "trickles headers": (trickle_headers, "no answer in 1 s"),
    "trickles a body": (trickle_body, "no answer in 1 s"),
    "is not HTTP": (raw(b"\x00\xff\x13garbage\r\n\r\n" * 50), "not HTTP"),
    "answers 500": (answer(b"oops", 500), "HTTP 500"),
    "redirects": (redirect("http://192.0.2.1/"), "redirect refused"),
    "hangs up": (hang_up, "connection closed without an answer"),
    "resets": (reset, "connection reset"),
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


def look(node: RecordedNode, port: int, rules: Rules = PATIENT) -> Report:
    session = msgspec.structs.replace(node.session, admin_port=port, rpc_port=port)
    return tick(session, rules, SAMPLED_AT, proc=node.proc)


def line(report: Report, label: str) -> str:
    return next(" / ".join(each.texts) for each in report.lines if each.label == label)


@pytest.mark.parametrize("name", HOSTILE)
def test_every_port_is_hostile(node: RecordedNode, name: str) -> None:
    behaviour, reason = HOSTILE[name]
    with HostileServer(otherwise=behaviour) as server:
        report = look(node, server.port, HASTY if reason.startswith("no answer") else PATIENT)
        server.hears("/info", "/metrics", "/")
    assert line(report, "metrics") == f"skipped ({reason})"
    assert line(report, "rpc") == f"N/A — RPC DOWN ({reason}) — filed #1"
    assert line(report, "obsrvr") == f"N/A ({reason})"
    assert line(report, "log") == "clean"
    assert line(report, "sync") == "synced", "its own log still tells"
    assert line(report, "self_reflect") == "clean"
    assert {exchange.path for exchange in server.exchanges} == {"/info", "/metrics", "/"}, "and nothing else"
    assert not node.session.current_prom.exists(), "nothing hostile becomes a baseline"


def test_a_hundred_megabytes_are_not_read(node: RecordedNode) -> None:
    with HostileServer(otherwise=huge(HUNDRED_MB)) as server:
        report = look(node, server.port)
    assert line(report, "metrics") == "skipped (body over 16 MB)"
    assert line(report, "rpc") == "N/A — RPC DOWN (body over 1 MB) — filed #1"
    assert line(report, "obsrvr") == "N/A (body over 16 MB)"
    assert all(exchange.sent_bytes < HUNDRED_MB for exchange in server.exchanges)


def test_nothing_listens(node: RecordedNode) -> None:
    report = look(node, closed_port())
    assert line(report, "metrics") == "skipped (connection refused)"
    assert line(report, "rpc") == "N/A — RPC DOWN (connection refused) — filed #1"
    assert line(report, "obsrvr") == "N/A (connection refused)"


def _all_but(node: RecordedNode, path: str, behaviour: Behaviour) -> HostileServer:
    good = {each: answer(body) for each, body in node.bodies.items()}
    return HostileServer(good | {path: behaviour})


@pytest.mark.parametrize(("path", "label"), [("/metrics", "metrics"), ("/", "rpc"), ("/info", "obsrvr")])
def test_a_hostile_path_costs_its_own_line_only(node: RecordedNode, path: str, label: str) -> None:
    """The others have almost as long as in real life to answer."""
    with _all_but(node, path, hang) as server:
        report = look(node, server.port, _rules(4, 60))
    assert "no answer in 4 s" in line(report, label)
    assert {each.label for each in report.lines if "no answer" in " ".join(each.texts)} == {label}


def test_answers_of_the_wrong_shape_are_no_facts(node: RecordedNode) -> None:
    garbage = answer(b"\xff\xfe{]")
    with HostileServer(otherwise=garbage) as server:
        report = look(node, server.port)
    assert line(report, "metrics").startswith("skipped (not ")
    assert line(report, "rpc").startswith("N/A — RPC DOWN (not ")
    assert line(report, "obsrvr").startswith("N/A (not ")


def test_a_hostile_radar_says_api_error(node: RecordedNode) -> None:
    with HostileServer(otherwise=hang) as server:
        session = msgspec.structs.replace(node.session, radar_url=server.url(""))
        report = tick(session, _rules(60, 1), SAMPLED_AT, proc=node.proc)
    assert line(report, "obsrvr").startswith("N/A (api-error")
    assert line(report, "metrics") == "clean"
