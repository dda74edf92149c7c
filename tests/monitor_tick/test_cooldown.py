"""What was filed a short while ago is shown and not filed again; what became urgent, or is an event of its own, is."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_tick.alert import Alert
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.ledger import Entry, Filed, Intent, Ledger, Mention
from monitor_tick.issues.told import Drained
from monitor_tick.judging.cooldown import Cooling, cooling_of
from monitor_tick.memory import Cooldowns, State, UrgentState
from monitor_tick.plan import Disposition, Plan, plan_of
from monitor_tick.reflect import reflect
from monitor_tick.report import render_json, render_text, report_of
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View
from tests.monitor_tick.views import LIMITS, NOW, a_view, healthy_memory

NOW_SECONDS = int(NOW.timestamp())
HIGH = Alert(key="memory:high", scope="high", title="Memory: RSS 13 GB")
PEERS = Alert(
    key="metric:stellar_peer_count", scope="row", title="metrics: peers — low", cooldown_key="stellar_peer_count"
)


def cooling(ago: int = 60, *, key: str = "memory:high", escalated: tuple[str, ...] = ()) -> Cooling:
    memory = msgspec.structs.replace(
        healthy_memory(), cooldowns=Cooldowns(((key, NOW_SECONDS - ago),)), state=State(urgent=UrgentState(escalated))
    )
    return cooling_of(memory, LIMITS, NOW)


def planned(*alerts: Alert, cooling: Cooling) -> Plan:
    return plan_of([Verdict(label="metrics", lines=("x",), alerts=alerts)], early=False, cooling=cooling)


def urgent(alert: Alert) -> Alert:
    return msgspec.structs.replace(alert, urgent=True)


@pytest.mark.parametrize(
    ("ago", "left"),
    [(0, 7200), (60, 7140), (7199, 1), (7200, None), (90_000, None)],
)
def test_it_lasts_two_hours_and_not_a_second_more(ago: int, left: int | None) -> None:
    (filing,) = planned(HIGH, cooling=cooling(ago)).filings
    assert filing.disposition is (Disposition.FILE if left is None else Disposition.SUPPRESSED)
    assert filing.left == (None if left is None else timedelta(seconds=left))


def test_a_clock_that_went_back_suppresses_nothing() -> None:
    assert cooling(-1).left(HIGH) is None
    assert cooling(-(10**9)).left(HIGH) is None


def test_a_catalog_row_goes_by_its_metric_and_others_by_their_key() -> None:
    assert cooling(key="stellar_peer_count").left(PEERS) is not None
    assert cooling(key="metric:stellar_peer_count").left(PEERS) is None
    assert cooling(key="stellar_peer_count").left(HIGH) is None


def test_what_was_never_filed_is_filed() -> None:
    assert cooling_of(healthy_memory(), LIMITS, NOW).left(HIGH) is None
    assert plan_of([Verdict(label="x", lines=(), alerts=(HIGH,))], early=False).filings[0].left is None


def test_an_event_of_its_own_ignores_it() -> None:
    """Wedge, wipe, restart and rollback: each is filed once, which the ledger knows by the event."""
    event = msgspec.structs.replace(HIGH, event="run of pid 1")
    assert cooling().left(event) is None
    assert cooling(escalated=("memory:high",)).left(urgent(event)) is None


def test_the_same_event_is_filed_once_however_many_ticks_see_it() -> None:
    event = msgspec.structs.replace(HIGH, event="run of pid 1")
    filed = Filed(key=HIGH.key, scope=HIGH.scope, number=7, title=HIGH.title, at=NOW, events=("run of pid 1",))
    known = plan_of([Verdict(label="x", lines=(), alerts=(event,))], early=False, ledger=Ledger(filed=(filed,)))
    assert [filing.disposition for filing in known.filings] == [Disposition.KNOWN]
    other = msgspec.structs.replace(event, event="run of pid 2")
    new = plan_of([Verdict(label="x", lines=(), alerts=(other,))], early=False, ledger=Ledger(filed=(filed,)))
    assert [filing.disposition for filing in new.filings] == [Disposition.FILE]


def test_what_the_ledger_says_was_filed_cools_down_without_the_file() -> None:
    filed = Filed(key="memory:high", scope="high", number=7, title="x", at=NOW - timedelta(minutes=1))
    memory = msgspec.structs.replace(healthy_memory(), issues=Ledger(filed=(filed,)))
    assert cooling_of(memory, LIMITS, NOW).left(HIGH) == timedelta(seconds=7140)


def test_what_becomes_urgent_ignores_it_once() -> None:
    assert cooling().left(HIGH) is not None
    assert cooling().left(urgent(HIGH)) is None
    assert cooling(escalated=("memory:high",)).left(urgent(HIGH)) is not None


def test_an_escalation_is_used_up_for_as_long_as_the_cooldown_lasts() -> None:
    assert cooling().urgent_after([urgent(HIGH), PEERS]) == UrgentState(("memory:high",))
    assert cooling(escalated=("memory:high",)).urgent_after([HIGH]) == UrgentState(("memory:high",))
    assert cooling(7200, escalated=("memory:high",)).urgent_after([]) == UrgentState()
    assert cooling(7200, escalated=("memory:high",)).urgent_after([urgent(HIGH)]) == UrgentState(("memory:high",))


def a_cooling_view(ago: int = 2880, **changes: object) -> View:
    return a_view(cooldowns=Cooldowns((("stellar_peer_count", NOW_SECONDS - ago),)), **changes)


def told(view: View, *verdicts: Verdict) -> str:
    plan = plan_of(verdicts, early=False, cooling=cooling_of(view.memory, view.rules.limits, view.facts.at))
    return render_text(report_of(view, verdicts, plan, dry_run=False))


def test_a_full_tick_remembers_what_was_urgent_and_an_early_one_does_not() -> None:
    verdict = Verdict(label="mem", lines=("x",), alerts=(urgent(HIGH),))
    assert UrgentState(("memory:high",)) in reflect(a_view(), (verdict,)).remember
    assert reflect(a_view(early=True), (verdict,)).remember == ()


def test_the_report_shows_it_with_the_time_left() -> None:
    verdict = Verdict(label="metrics", lines=("1 alerts (stellar_peer_count)",), level=Level.WARNING, alerts=(PEERS,))
    text = told(a_cooling_view(), verdict)
    assert "  metrics: 1 alerts, 1 suppressed by cooldown\n" in text
    assert "  issues:  suppressed: metrics: peers — low (1h12m left)\n" in text
    assert "MONITOR WARNING" in text


@pytest.mark.parametrize(
    ("ago", "left"), [(0, "2h00m"), (60, "1h59m"), (3600, "1h00m"), (3601, "1h00m"), (3660, "59m"), (7199, "1m")]
)
def test_the_time_left_counts_a_started_minute(ago: int, left: str) -> None:
    verdict = Verdict(label="metrics", lines=("x",), alerts=(PEERS,))
    assert f"({left} left)" in told(a_cooling_view(ago), verdict)


def test_the_metrics_line_counts_its_own_alerts_alone() -> None:
    lost = Alert(key="metric:lost", scope="row", title="lost", cooldown_key="lost")
    recovery = Alert(key="metric:x{y}", scope="row", title="12b", cooldown_key="stellar_peer_count")
    metrics = Verdict(label="metrics", lines=("2 alerts (stellar_peer_count,lost)",), alerts=(PEERS, lost))
    text = told(a_cooling_view(), metrics, Verdict(label="recovery_stalled", lines=("WARNING",), alerts=(recovery,)))
    assert "  metrics: 2 alerts, 1 suppressed by cooldown\n" in text
    assert "  recovery_stalled: WARNING\n" in text
    later = told(a_cooling_view(7200), metrics)
    assert "  metrics: 2 alerts (stellar_peer_count,lost)\n" in later


def test_json_says_the_same() -> None:
    view = a_cooling_view()
    verdict = Verdict(label="metrics", lines=("x",), alerts=(PEERS,))
    plan = plan_of([verdict], early=False, cooling=cooling_of(view.memory, LIMITS, NOW))
    assert '"disposition":"suppressed"' in render_json(report_of(view, [verdict], plan, dry_run=False))


def test_an_urgent_condition_that_an_early_tick_filed_has_used_up_its_escalation() -> None:
    filed = Filed(key="memory:high", scope="high", number=7, title="x", at=NOW - timedelta(minutes=1), urgent=True)
    memory = msgspec.structs.replace(healthy_memory(), issues=Ledger(filed=(filed,)))
    assert cooling_of(memory, LIMITS, NOW).left(urgent(HIGH)) == timedelta(seconds=7140)
    calm = msgspec.structs.replace(memory, issues=Ledger(filed=(msgspec.structs.replace(filed, urgent=False),)))
    assert cooling_of(calm, LIMITS, NOW).left(urgent(HIGH)) is None


def test_an_urgent_condition_that_still_waits_has_used_up_its_escalation() -> None:
    """The tracker is away: it was filed an hour ago, and what it has become waits in the outbox."""
    entry = Entry(
        incident="0" * 12,
        intent=Intent.FILE,
        key="memory:high",
        scope="high",
        title="x",
        urgent=True,
        finding=Finding(alert=urgent(HIGH), at=NOW, session_id="1a2b3c4d", mode="validator"),
        first_at=NOW,
    )
    filed = Filed(key="memory:high", scope="high", number=7, title="x", at=NOW - timedelta(minutes=1))
    memory = msgspec.structs.replace(healthy_memory(), issues=Ledger(filed=(filed,), outbox=(entry,)))
    assert cooling_of(memory, LIMITS, NOW).left(urgent(HIGH)) == timedelta(seconds=7140)


def test_what_was_told_in_the_issue_of_another_cools_down_too() -> None:
    mention = Mention(key="memory:high", scope="high", number=7, at=NOW - timedelta(minutes=1), urgent=True)
    memory = msgspec.structs.replace(healthy_memory(), issues=Ledger(mentions=(mention,)))
    assert cooling_of(memory, LIMITS, NOW).left(HIGH) == timedelta(seconds=7140)
    assert cooling_of(memory, LIMITS, NOW).left(urgent(HIGH)) is not None, "its escalation was told with it"
    death = msgspec.structs.replace(mention, event="end of 1")
    memory = msgspec.structs.replace(healthy_memory(), issues=Ledger(mentions=(death,)))
    assert cooling_of(memory, LIMITS, NOW).left(HIGH) is None, "an event silences no condition"


def test_the_report_says_where_an_event_is_known_from() -> None:
    event = msgspec.structs.replace(HIGH, event="run of pid 1")
    mention = Mention(key=HIGH.key, scope=HIGH.scope, event=event.event, number=7, at=NOW)
    other = Filed(key=HIGH.key, scope=HIGH.scope, number=3, title=HIGH.title, at=NOW, events=("run of pid 0",))
    ledger = Ledger(filed=(other,), mentions=(mention,))
    verdict = Verdict(label="mem", lines=("x",), alerts=(event,))
    plan = plan_of([verdict], early=False, ledger=ledger)
    report = report_of(a_view(), (verdict,), plan, Drained(ledger=ledger), dry_run=False)
    assert f"  issues:  known #7: {HIGH.title}\n" in render_text(report)
