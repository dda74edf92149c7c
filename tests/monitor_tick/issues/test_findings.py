"""The log that a finding brings to its issue: what belongs to it, and each line once."""

from __future__ import annotations

import msgspec
import pytest

from monitor_tick.alert import Alert
from monitor_tick.checks import log as log_check
from monitor_tick.facts import LogEntry
from monitor_tick.issues.findings import findings_of
from monitor_tick.plan import plan_of
from monitor_tick.verdict import Verdict
from tests.monitor_tick.issues.samples import NOTHING_FOUND
from tests.monitor_tick.issues.test_body import body
from tests.monitor_tick.views import NOW, SHIPPED, a_dead_view, a_log, a_view

BROKEN = "2026-05-09T03:30:02.000000Z ERROR henyey_db: It broke"
HARMLESS = "2026-05-09T03:30:03.000000Z ERROR henyey_overlay: Unable to resolve peer: failure in name resolution"
RESTORED = "2026-05-09T03:30:00.000000Z  INFO henyey_app: Restored state from disk, skipping full catchup"
LOST = "2026-05-09T03:30:01.000000Z  WARN henyey_app::app::close: Lost sync with network - transitioning"


def an_entry(line: str) -> LogEntry:
    _, level, target, text = line.split(maxsplit=3)
    target = target.rstrip(":")
    return LogEntry(level=level, target=target, normalised=text, example=line, count=1, first=NOW, last=NOW)


LOG = a_log(entries=tuple(map(an_entry, (RESTORED, LOST, BROKEN, HARMLESS))), catchup_trail=(RESTORED, LOST))


def log_of(*alerts: Alert) -> list[tuple[str, ...]]:
    verdict = Verdict(label="x", lines=("x",), alerts=alerts)
    view = a_view(log=LOG, rules=SHIPPED)
    return [finding.log for finding in findings_of(view, plan_of([verdict], early=False), "")]


def test_the_log_has_the_path_of_the_catchup_and_the_findings_each_line_once() -> None:
    assert log_of(Alert(key="metric:x", scope="row", title="x")) == [(RESTORED, LOST, BROKEN)]


def test_of_a_run_that_ended_the_log_ends_with_what_it_wrote_last() -> None:
    quiet = "2026-05-09T03:30:04.000000Z  INFO henyey_app: Heartbeat"
    log = msgspec.structs.replace(LOG, last_lines=(LOST, BROKEN, quiet))
    verdict = Verdict(label="x", lines=("x",), alerts=(Alert(key="process:death", scope="unknown", title="x"),))
    (finding,) = findings_of(a_dead_view(log=log, rules=SHIPPED), plan_of([verdict], early=False), "")
    assert finding.log == (RESTORED, LOST, BROKEN, quiet)


@pytest.mark.parametrize("key", ["ci:CI:test:x", "deploy:build", "self:dead-alarm"])
def test_what_is_not_about_the_node_shows_none_of_its_log(key: str) -> None:
    assert log_of(Alert(key=key, scope="x", title="x")) == [()]


def test_what_the_tick_watched_goes_with_its_findings() -> None:
    verdict = Verdict(label="x", lines=("x",), alerts=(Alert(key="disk:low", scope="x", title="x"),))
    (finding,) = findings_of(a_view(), plan_of([verdict], early=False), "", ("disk_pct=97",))
    assert finding.watch == ("disk_pct=97",)


def test_a_line_of_the_log_stands_once_in_its_own_issue() -> None:
    view = a_view(log=LOG, rules=SHIPPED)
    plan = plan_of([log_check.judge(view)], early=False)
    (finding,) = (each for each in findings_of(view, plan, "") if each.alert.key.startswith("log:henyey_db"))
    assert body(finding, NOTHING_FOUND).count(BROKEN) == 1
