from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_tick.checks.obsrvr import LABEL, judge
from monitor_tick.facts import Missing, PeerCounts, Radar, ScpSlot
from monitor_tick.verdict import Level, Verdict
from tests.monitor_tick.views import LEDGER, a_dead_view, a_heartbeat, a_log, a_view, a_watcher_view, healthy_facts

SILENT = ScpSlot(slot=LEDGER, is_externalized=True, fully_validated=False, ballot_phase="Externalize")


def radar(**changes: object) -> Radar:
    answer = healthy_facts().radar
    assert isinstance(answer, Radar)
    return msgspec.structs.replace(answer, **changes)


def urgency(**changes: object) -> bool:
    (alert,) = judge(a_view(radar=radar(is_validating=False), **changes)).alerts
    assert alert.key == "radar:not-validating"
    return alert.urgent


def keys(verdict: Verdict) -> list[str]:
    return [alert.key for alert in verdict.alerts]


def test_a_validating_node() -> None:
    verdict = judge(a_view())
    assert (verdict.label, verdict.lines) == (LABEL, ("validating=Y val24h=99.8% lag=1",))
    assert (verdict.level, verdict.alerts) == (Level.OK, ())


@pytest.mark.parametrize("reason", ["api-error", "api-incomplete"])
def test_L19_a_partial_answer_is_never_judged(reason: str) -> None:
    verdict = judge(a_view(radar=Missing(reason)))
    assert (verdict.lines, verdict.level, verdict.alerts) == ((f"N/A ({reason})",), Level.OK, ())


def test_a_watcher_and_a_dead_node_have_no_radar() -> None:
    assert judge(a_watcher_view()).lines == ("N/A (watcher)",)
    assert judge(a_dead_view()).lines == ("N/A (connection refused)",)


# --- thresholds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uptime", "alert"), [(timedelta(minutes=30), False), (timedelta(minutes=30, seconds=1), True)]
)
def test_not_validating_after_half_an_hour(uptime: timedelta, alert: bool) -> None:
    verdict = judge(a_view(radar=radar(is_validating=False), uptime=uptime))
    assert verdict.lines[0].startswith("validating=N ")
    assert keys(verdict) == ["radar:not-validating"] * alert
    assert verdict.level is (Level.WARNING if alert else Level.OK)


@pytest.mark.parametrize(
    ("pct", "uptime", "alert"),
    [
        (49.9, timedelta(hours=6, seconds=1), True),
        (49.9, timedelta(hours=6), False),
        (50.0, timedelta(hours=7), False),
    ],
)
def test_a_low_rate_after_six_hours(pct: float, uptime: timedelta, alert: bool) -> None:
    verdict = judge(a_view(radar=radar(validating_24h_pct=pct), uptime=uptime))
    assert keys(verdict) == ["radar:rate"] * alert
    assert ("LOW VALIDATION RATE — 49.9% < 50%" in verdict.lines) is alert


@pytest.mark.parametrize(("lag", "alert"), [(500, False), (501, True)])
def test_a_high_lag(lag: int, alert: bool) -> None:
    verdict = judge(a_view(radar=radar(lag=lag)))
    assert keys(verdict) == ["radar:lag"] * alert
    assert ("HIGH LAG — 501 > 500" in verdict.lines) is alert


def test_each_finding_is_its_own_issue() -> None:
    answer = radar(is_validating=False, validating_24h_pct=3.0, lag=9000)
    assert [(alert.key, alert.title) for alert in judge(a_view(radar=answer)).alerts] == [
        ("radar:not-validating", "Radar: not validating"),
        ("radar:rate", "Radar: low validation rate 3%"),
        ("radar:lag", "Radar: lag 9000 ledgers"),
    ]


def test_L17_a_node_that_catches_up_within_its_deadline_is_not_expected_to_validate() -> None:
    answer = radar(is_validating=False, validating_24h_pct=3.0, lag=9000)
    uptime = timedelta(hours=3)
    filling = judge(a_view(radar=answer, fresh_start=True, age_seconds=None, uptime=uptime))
    assert (filling.lines, filling.alerts) == (("validating=N val24h=3% lag=9000",), ())
    assert len(judge(a_view(radar=answer, age_seconds=None, uptime=uptime)).alerts) == 2


# --- what the node itself shows ----------------------------------------------------------------------------------


def test_a_node_that_validates_by_every_local_sign_is_not_urgent() -> None:
    verdict = judge(a_view(radar=radar(is_validating=False)))
    assert verdict.lines[1] == "NOT VALIDATING — the node's own signs do not confirm it"
    assert not verdict.alerts[0].urgent


@pytest.mark.parametrize(
    "changes",
    [
        {"scp": SILENT},
        {"scp": msgspec.structs.replace(SILENT, is_externalized=False, fully_validated=True)},
        {"scp": msgspec.structs.replace(SILENT, ballot_phase="Prepare", fully_validated=True)},
        {"peers": PeerCounts(inbound=0, outbound=0)},
        {"age_seconds": 31.0},
        {"log": a_log(earlier_heartbeat=a_heartbeat(ledger=LEDGER - 2))},
    ],
)
def test_any_local_sign_that_agrees_makes_it_urgent(changes: dict[str, object]) -> None:
    assert urgency(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"scp": Missing("timed out")},
        {"peers": Missing("timed out")},
        {"peers": PeerCounts(inbound=0, outbound=16)},
        {"log": Missing("permission denied")},
        {"log": a_log(earlier_heartbeat=None)},
        {"log": a_log(earlier_heartbeat=a_heartbeat())},
    ],
)
def test_what_is_unknown_or_only_explains_the_crawler_agrees_with_nothing(changes: dict[str, object]) -> None:
    assert not urgency(**changes)


def test_an_unknown_age_is_a_sign_of_nothing() -> None:
    assert not urgency(age_seconds=None)


def test_the_line_and_the_issue_say_which_signs_hold() -> None:
    verdict = judge(a_view(radar=radar(is_validating=False), scp=SILENT, peers=Missing("timed out")))
    assert verdict.lines[1] == "NOT VALIDATING — the node agrees: not fully validated"
    evidence = dict(verdict.alerts[0].evidence)
    assert evidence["isValidating"] == "false"
    assert evidence["local: slot externalized"] == f"holds (L{LEDGER})"
    assert evidence["local: fully validated"] == f"does not hold (L{LEDGER})"
    assert evidence["local: sending EXTERNALIZE"] == "holds (scp_sent_ext +2 over 2 ledgers)"
    assert evidence["local: connected to peers"] == "unknown (timed out)"
    assert evidence["local: inbound peers"] == "unknown (timed out)"
    assert evidence["local: in real-time sync"] == "holds (age 3s)"
