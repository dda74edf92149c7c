"""What of a title is stable, and what the title of an issue about the same thing has to carry."""

from __future__ import annotations

import pytest

from monitor_tick.alert import Alert
from monitor_tick.issues.titles import carries, signature_of, stable_prefix


@pytest.mark.parametrize(
    ("title", "prefix"),
    [
        ("Memory: RSS 13 GB", "Memory: RSS"),
        ("Memory: RSS grew 2 GB in 20m", "Memory: RSS grew"),
        ("Pruning stalled: window 1234 ledgers", "Pruning stalled: window"),
        ("Non-critical: metrics: henyey_x_total breached threshold (5 > 3)", None),
        ("SYNC FAILURE: not in real-time sync after 15m (restart)", "SYNC FAILURE: not in real-time sync after"),
        ("Deploy regression: a1b2c3d4", "Deploy regression:"),
        ("OFFLINE: monitoring refused for session 5e6f7a8b", "OFFLINE: monitoring refused for session"),
        ("STUCK: no ledger progress", "STUCK: no ledger progress"),
        ("RPC down", "RPC down"),
        ("metrics: henyey_p99_ms — slow", "metrics: henyey_p99_ms — slow"),
        ("Node crashed: panic at src/manager.rs:12", "Node crashed: panic at src/manager.rs:12"),
        ("Disk: 96% on the data volume", ""),
        ("12 alarms at once: a; b", ""),
        ("", ""),
    ],
)
def test_a_prefix_ends_before_the_first_changing_number_and_tells_something(title: str, prefix: str | None) -> None:
    assert stable_prefix(title) == (title.partition(" (")[0] if prefix is None else prefix)


def an_alert(key: str, title: str = "", message: str = "", metrics: tuple[str, ...] = ()) -> Alert:
    return Alert(key=key, scope="kind", title=title, message=message, metrics=metrics)


@pytest.mark.parametrize(
    ("alert", "signature"),
    [
        (an_alert("metric:timeouts", metrics=("henyey_idle_total", "henyey_other_total")), "henyey_idle_total"),
        (an_alert('metric:henyey_tick_total{reason="x"}'), "henyey_tick_total"),
        (an_alert("log:herder:x", message="failed to verify <n> of all the envelopes"), "of all the envelopes"),
        (an_alert("log:herder:x", message="failed to verify the envelope"), "failed to verify the envelope"),
        (an_alert("log:herder:x", message="bad <n>"), ""),
        (an_alert("ci:CI:test:test_core3 timed out"), "test_core3 timed out"),
        (an_alert("rpc:pruning", "Pruning stalled: window 900 ledgers"), "Pruning stalled: window"),
        (an_alert("memory:report-missing", "Non-critical: memory report missing"), "memory report missing"),
        (an_alert("disk:low", "Disk: 91% on the data volume"), ""),
    ],
)
def test_the_signature_is_the_metric_the_message_or_the_stable_title(alert: Alert, signature: str) -> None:
    assert signature_of(alert) == signature


@pytest.mark.parametrize(
    ("title", "signature", "does"),
    [
        ("henyey_peers is low", "henyey_peers", True),
        ("Peers (`henyey_peers`)", "henyey_peers", True),
        ("HENYEY_PEERS", "henyey_peers", True),
        ("henyey_peers_total is low", "henyey_peers", False),
        ("my_henyey_peers", "henyey_peers", False),
        ("It  failed to\nverify the envelope again", "failed to verify the envelope", True),
        ("It failed to verify an envelope", "failed to verify the envelope", False),
        ("anything", "", False),
        ("a.b", "a+b", False),
    ],
)
def test_a_title_carries_a_signature_as_whole_words(title: str, signature: str, does: bool) -> None:
    assert carries(title, signature) is does
