"""Check 1 from both sides: what is a finding, what it is called, and which lines make one issue."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from monitor_tick.alert import Alert, Tier
from monitor_tick.checks.log import judge
from monitor_tick.facts import LogEntry, LogReading, Missing
from monitor_tick.judging.log_message import constant_part
from monitor_tick.memory import LogState
from monitor_tick.verdict import Level, Verdict
from tests.monitor_tick.logs import ABNORMAL, PATTERNS, NodeLog
from tests.monitor_tick.views import (
    DEAD,
    IDENTITY,
    a_heartbeat,
    a_log,
    a_process,
    a_session,
    a_view,
    healthy_memory,
    some_rules,
)

FIRST = datetime(2026, 5, 9, 3, 30, tzinfo=timezone.utc)


def an_entry(text: str = "boom 7", level: str = "ERROR", target: str = "henyey_db", **changes: object) -> LogEntry:
    entry = LogEntry(
        level=level,
        target=target,
        normalised=text.replace("7", "<n>"),
        example=f"2026-05-09T03:30:00.000000Z {level:>5} {target}: {text}",
        count=1,
        first=FIRST,
        last=FIRST,
    )
    return msgspec.structs.replace(entry, **changes)


def judged(*entries: LogEntry, **changes: object) -> Verdict:
    rules = msgspec.structs.replace(some_rules(), log_patterns=PATTERNS)
    return judge(a_view(log=a_log(entries=entries, **changes), rules=rules))


def tags(root: Path, *names: str) -> tuple[LogEntry, ...]:
    return NodeLog(root).read_all(*(ABNORMAL[name] for name in names)).entries


def alert_of(verdict: Verdict) -> Alert:
    (alert,) = verdict.alerts
    return alert


def test_a_quiet_log_is_clean() -> None:
    verdict = judged()
    assert (verdict.lines, verdict.level, verdict.alerts) == (("clean",), Level.OK, ())


def test_a_log_that_is_missing_is_said_and_not_forgotten() -> None:
    verdict = judge(a_view(log=Missing("no monitor.log"), process=DEAD))
    assert (verdict.lines, verdict.level, verdict.remember) == (("N/A (no monitor.log)",), Level.OK, ())


LOG = str(a_session().log)


@pytest.mark.parametrize(
    ("log", "written", "names"),
    [
        (Missing("no monitor.log"), f"{LOG} (deleted)", f"{LOG} (deleted)"),
        (Missing("no monitor.log"), f"{LOG}.1", f"{LOG}.1"),
        (Missing("no monitor.log"), "pipe:[81]", "pipe:[81]"),
        (Missing("no monitor.log"), "", "nobody knows where"),
        (a_log(), f"{LOG}.1", f"{LOG}.1"),
    ],
    ids=["deleted", "renamed", "a pipe", "not to be told", "renamed, and a new one made"],
)
def test_a_live_node_that_writes_to_another_file_than_the_one_that_is_read_is_told(
    log: LogReading | Missing, written: str, names: str
) -> None:
    verdict = judge(a_view(log=log, process=a_process(stdout=written)))
    assert verdict.level is Level.WARNING
    assert [fault.partition(" and not to ")[0] for fault in verdict.reflections] == [
        f"blind log: pid {IDENTITY.pid} writes to {names}"
    ]


@pytest.mark.parametrize("written", [LOG, "/elsewhere/that/is/linked/monitor.log", "pipe:[81]", ""])
def test_a_log_that_is_read_is_not_called_blind_without_a_reason(written: str) -> None:
    assert judge(a_view(process=a_process(stdout=written))).reflections == ()


def test_of_a_wiped_session_only_the_wipe_is_told() -> None:
    gone = msgspec.structs.replace(a_view().facts.directories, session=False)
    assert judge(a_view(log=Missing("no monitor.log"), directories=gone)).reflections == ()


def test_an_unknown_error_is_a_warning_and_is_filed() -> None:
    verdict = judged(an_entry(count=3, last=FIRST + timedelta(minutes=5)))
    assert verdict.lines == ("1 finding (ERROR x3)",)
    assert verdict.level is Level.WARNING
    alert = alert_of(verdict)
    assert (alert.key, alert.scope, alert.tier, alert.urgent) == (
        "log:henyey_db:boom <n>",
        "henyey_db",
        Tier.WARN,
        False,
    )
    assert alert.title == "log: henyey_db: boom <n>"
    assert alert.evidence == (
        ("lines", "3"),
        ("first", "2026-05-09T03:30:00.000000Z"),
        ("last", "2026-05-09T03:35:00.000000Z"),
        ("run", "this"),
    )
    assert alert.diagnosis == "2026-05-09T03:30:00.000000Z ERROR henyey_db: boom 7\n(x3)"


def test_the_line_counts_by_kind_the_gravest_first(tmp_path: Path) -> None:
    names = ("benign_dns_error", "preclose_mismatch", "txset_mismatch", "panic_new_rust", "state_transition")
    verdict = judged(*tags(tmp_path, *names))
    assert verdict.lines == ("3 findings (panic x1, hash mismatch x2), 1 benign kind ignored",)


def test_harmless_lines_are_no_findings(tmp_path: Path) -> None:
    verdict = judged(*tags(tmp_path, "benign_dns_error", "benign_txset_mismatch", "benign_index_mismatch", "slow_loop"))
    assert verdict.lines == ("clean, 3 benign kinds ignored",)
    assert (verdict.level, verdict.alerts) == (Level.OK, ())


def test_skipped_bytes_are_said() -> None:
    assert judged(skipped_bytes=3 << 20).lines[0].startswith("clean, 3")
    assert judged(skipped_bytes=3 << 20).lines[0].endswith("skipped unread")


def test_the_previous_run_is_marked() -> None:
    verdict = judged(an_entry(previous_run=True), an_entry(count=2))
    assert verdict.lines == ("2 findings (ERROR x2, ERROR of the previous run x1)",)
    assert dict(alert_of(verdict).evidence)["run"] == "this and previous"
    assert dict(alert_of(judged(an_entry(previous_run=True))).evidence)["run"] == "previous"


def test_all_lines_of_one_death_are_one_alert_by_the_gravest(tmp_path: Path) -> None:
    verdict = judged(*tags(tmp_path, "stopped_err", "main_error", "fatal_wipe"))
    alert = alert_of(verdict)
    assert (alert.key, alert.scope, alert.owner) == ("process:death", "fatal state failure", "process:death")
    assert alert.title == "Node crashed: fatal state failure"
    assert (alert.urgent, alert.tier) == (True, Tier.ACTION)
    assert alert.diagnosis.count("\n") == 2
    assert dict(alert.evidence)["lines"] == "3"


def test_the_message_is_of_the_gravest_line_and_ends_where_its_fields_begin(tmp_path: Path) -> None:
    verdict = judged(*tags(tmp_path, "stopped_err", "watchdog_abort"))
    assert alert_of(verdict).message == "WATCHDOG: Auto-aborting after <n>s freeze at"


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("Background ledger close failed ledger_seq=<n> error=ledger hash mismatch", "Background ledger close failed"),
        ("Slow operation (>= <n>ms) op=close", "Slow operation (>= <n>ms)"),
        ("Phase codes: <n>=select, <n>=scp_msg", "Phase codes:"),
        ("a == b is no field", "a == b is no field"),
        ("gap = 7 is no field", "gap = 7 is no field"),
        ("Ledger closed ledger_seq={} tx_count={}", "Ledger closed"),
        ("lost sync", "lost sync"),
    ],
)
def test_the_constant_part_of_a_message_ends_before_its_first_field(text: str, constant: str) -> None:
    assert constant_part(text) == constant


def test_a_panic_is_named_by_its_site(tmp_path: Path) -> None:
    alert = alert_of(judged(*tags(tmp_path, "panic_new_rust")))
    assert alert.title == "Node crashed: panic at crates/ledger/src/manager.rs"
    assert dict(alert.evidence)["first"] == "no time on the line"
    assert "called `Option::unwrap()` on a `None` value" in alert.diagnosis


def test_a_freeze_is_one_wedge_by_its_phase(tmp_path: Path) -> None:
    alert = alert_of(judged(*tags(tmp_path, "watchdog_thread_state", "watchdog_wchan", "watchdog_freeze")))
    assert (alert.key, alert.scope) == ("process:wedge", "phase 6")
    assert alert.title == "Node wedged: event loop frozen in phase 6"


def test_hash_mismatches_are_one_issue_for_each_target(tmp_path: Path) -> None:
    verdict = judged(*tags(tmp_path, "close_failed_mismatch", "txset_mismatch", "verification_mismatch"))
    assert {(alert.key, alert.scope) for alert in verdict.alerts} == {
        ("log:hash-mismatch", "henyey_app::app::ledger_close"),
        ("log:hash-mismatch", "henyey_history::error"),
    }
    assert all(alert.urgent for alert in verdict.alerts)


def test_lost_sync_is_owned_by_a_sync_failure(tmp_path: Path) -> None:
    owners = {alert.owner for alert in judged(*tags(tmp_path, "lost_sync", "lost_sync2")).alerts}
    assert owners == {"sync:failure"}


def remembered(verdict: Verdict) -> LogState:
    (section,) = verdict.remember
    assert isinstance(section, LogState)
    return section


def test_the_cursor_and_the_newest_lines_are_remembered() -> None:
    log = a_log()
    state = remembered(judge(a_view(log=log)))
    assert state == LogState(
        cursor=log.cursor,
        identity=IDENTITY,
        heartbeat=log.heartbeat,
        closed_ledger=log.closed_ledger,
        close_time=log.close_time,
        memory_reports=log.memory_reports,
    )


@pytest.mark.parametrize("before", [None, LogState(identity=IDENTITY)])
def test_what_a_dead_process_said_stays_its_own(before: LogState | None) -> None:
    memory = healthy_memory()
    memory = msgspec.structs.replace(memory, state=msgspec.structs.replace(memory.state, log=before))
    log = LogReading(cursor=None, heartbeat=a_heartbeat())
    state = remembered(judge(a_view(process=DEAD, log=log, memory=memory)))
    assert state.identity == (before.identity if before else None)
    assert state.heartbeat == log.heartbeat


def test_each_freeze_that_ended_a_run_is_told_however_soon_after_another(tmp_path: Path) -> None:
    """What its issue owns, the death, would else be told nowhere."""
    rules = msgspec.structs.replace(some_rules(), log_patterns=PATTERNS)
    log = a_log(entries=tags(tmp_path, "watchdog_freeze", "watchdog_abort"))
    alerts = judge(a_view(log=log, rules=rules, process=DEAD)).alerts
    assert {alert.key for alert in alerts} == {"process:wedge", "process:death"}
    assert {alert.event for alert in alerts} == {f"end of pid {IDENTITY.pid}, start_ticks {IDENTITY.start_ticks}"}
    assert {alert.event for alert in judge(a_view(log=log, rules=rules)).alerts} == {""}
