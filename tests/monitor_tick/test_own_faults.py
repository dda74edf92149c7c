"""The monitor's own faults as findings: whose concern each is, and under which key and scope it is filed."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_tick.alert import Tier
from monitor_tick.issues.ledger import Entry, Intent, Ledger
from monitor_tick.issues.policy import labels_of
from monitor_tick.judging.own_faults import alert_of
from monitor_tick.memory import Damage, Interrupted
from monitor_tick.reflect import noted, reflect
from tests.monitor_tick.views import NOW, a_view

FAULTS = {
    "dead alarm: stellar_peer_count (no such series)": ("self:dead-alarm", "stellar_peer_count", "Non-critical: "),
    "blind alarm: x (NaN)": ("self:blind-alarm", "x", "Non-critical: "),
    "blind log: pid 7 writes to x and not to y": ("self:blind-log", "", "monitor-tick: the log that the node writes"),
    "unknown label: henyey_scp_post_verify_total{reason=new}": ("self:unknown-label", "", "monitor-tick: [needs-"),
    "stuck firing: metric:x for 24h": ("self:stuck-firing", "metric:x", "monitor-tick: [needs-decision] metric:x"),
    "stuck firing: log:x:no answer for <n> s for 24h": (
        "self:stuck-firing",
        "log:x:no answer for <n> s",
        "monitor-tick: [needs-decision] log:x:no answer for <n> s never stops firing",
    ),
    "check disk crashed: KeyError: 'x'": ("self:check-crashed", "disk", "monitor-tick: the check disk crashed"),
    "contradiction: sync says synced beside age=90": ("self:contradiction", "", "monitor-tick: lines of one"),
    "late: 5400s since the last full tick": ("self:late", "", "Non-critical: monitor-tick: ticks come late"),
    "2 tick(s) skipped: the lock was held": ("self:skipped", "", "Non-critical: "),
    "state.json unreadable (checksum), kept as y": ("self:damaged-state", "state.json", "monitor-tick: state.json was"),
    "interrupted act: wipe of 2026-05-09": ("self:interrupted-act", "wipe", "monitor-tick: a tick died in the middle"),
    "queue: 3 writes wait since 2026-05-09": ("self:queue", "", "monitor-tick: the queue of issues"),
    "something that no row names": ("self:other", "", "monitor-tick: a fault of the monitor"),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items())
def test_each_fault_has_its_key_scope_and_title(fault: str, expected: tuple[str, str, str]) -> None:
    alert = alert_of(fault)
    assert (alert.key, alert.scope) == expected[:2]
    assert alert.title.startswith(expected[2])
    assert alert.cause == fault


def test_a_title_holds_nothing_that_changes_from_tick_to_tick() -> None:
    assert alert_of("late: 5400s since").title == alert_of("late: 9999s since").title
    assert alert_of("stuck firing: metric:x for 24h").title == alert_of("stuck firing: metric:x for 31h").title


def test_L58_calibration_is_non_critical_and_never_labelled() -> None:
    alert = alert_of("dead alarm: x (no such series)")
    assert (alert.tier, alert.title[:14], labels_of(alert)) == (Tier.NONC, "Non-critical: ", ())


def test_what_needs_a_decision_is_not_ready_and_asks_its_question() -> None:
    alert = alert_of("stuck firing: metric:x for 24h")
    assert labels_of(alert) == ("not-ready",)
    assert "?" in alert.diagnosis


def test_every_fault_that_is_told_is_a_finding() -> None:
    view = a_view(
        damaged=(Damage("state.json", "checksum", "y"),),
        interrupted=(Interrupted(act="wipe", at=NOW, words="finished"),),
    )
    verdict = reflect(view, ())
    assert [alert.key for alert in verdict.alerts] == ["self:damaged-state", "self:interrupted-act"]
    (told,) = noted((verdict,), "archive: this tick is not in it (ENOSPC)")
    assert told.alerts[-1].key == "self:archive"


def test_a_queue_that_does_not_drain_is_told() -> None:
    entry = Entry(
        incident="0" * 12, intent=Intent.FILE, key="rpc:down", scope="down", title="x", first_at=NOW, why="403"
    )
    for waited, told in ((timedelta(hours=2), ""), (timedelta(hours=2, seconds=1), "queue: 1 writes wait since")):
        old = msgspec.structs.replace(entry, first_at=NOW - waited)
        assert reflect(a_view(issues=Ledger(outbox=(old,))), ()).lines[0].startswith(told or "clean")


def test_a_board_that_is_away_is_no_queue() -> None:
    entry = Entry(
        incident="0" * 12, intent=Intent.BOARD, key="x", scope="", title="x", first_at=NOW - timedelta(days=1)
    )
    assert reflect(a_view(issues=Ledger(outbox=(entry,))), ()).lines[0] == "clean"
