from __future__ import annotations

import msgspec
import pytest

from monitor_loop.session import NodeRecord
from monitor_tick.actions import Act, RecreateDirectories
from monitor_tick.checks.wipe import LABEL, SESSION, Case, judge
from monitor_tick.facts import Missing
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View
from tests.monitor_tick.views import a_dead_view, a_view, healthy_facts

ALIVE_LINE = "SESSION DIR WIPED — process alive (PID 4711), operator intervention needed"
DEAD_LINE = "SESSION DIR WIPED — rebuild wanted (not done by this version)"


def wiped(*, session: bool = False, mainnet: bool = False, dead: bool = False, **changes: object) -> View:
    seen = msgspec.structs.replace(healthy_facts().directories, session=not session, mainnet=not mainnet)
    return (a_dead_view if dead else a_view)(directories=seen, **changes)


def judged(view: View) -> Verdict:
    verdict = judge(view)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("dead", [True, False])
def test_nothing_wiped_leaves_the_line_out(dead: bool) -> None:
    assert judge(wiped(dead=dead)) is None


def test_the_node_data_alone() -> None:
    verdict = judged(wiped(mainnet=True))
    assert verdict.label == LABEL == "wipe"
    assert verdict.lines == ("MAINNET DATA WIPED — catchup recovery",)
    assert (verdict.words, verdict.watch) == (("mainnet-data-wiped",), ("wipe=mainnet-data",))
    assert (verdict.level, verdict.wants, verdict.effects) == (Level.ACTION, None, ())
    (alert,) = verdict.alerts
    assert (alert.title, alert.urgent) == ("OFFLINE: mainnet data wiped out-of-band", True)


def test_missing_node_data_before_the_first_launch_is_a_beginning() -> None:
    never = msgspec.structs.replace(a_view().memory, node=NodeRecord())
    assert judge(wiped(mainnet=True, memory=never)) is None


def test_L08_a_wiped_session_with_its_process_alive() -> None:
    verdict = judged(wiped(session=True))
    assert verdict.lines == (ALIVE_LINE,)
    assert (verdict.words, verdict.watch) == (("session-wiped-process-alive",), ("wipe=session-dir",))
    assert (verdict.level, verdict.wants) == (Level.ACTION, None)
    assert verdict.effects == (RecreateDirectories(),)
    evidence = dict(verdict.alerts[0].evidence)
    assert (evidence["session directory"], evidence["mainnet data"]) == ("missing", "there")
    assert (evidence["process"], evidence["deployed sha"]) == ("PID 4711", "unknown")
    assert verdict.alerts[0].title == "OFFLINE: validator session wiped out-of-band"


def test_L08_a_wiped_session_without_process_wants_a_rebuild_and_claims_none() -> None:
    verdict = judged(wiped(session=True, dead=True))
    assert verdict.lines == (DEAD_LINE,)
    assert (verdict.words, verdict.watch) == (("session-wiped-rebuild-wanted",), ("wipe=session-dir",))
    assert verdict.level is Level.OFFLINE
    assert verdict.wants is not None
    assert verdict.wants.act is Act.REBUILD
    assert verdict.effects == (RecreateDirectories(),)


def test_several_processes_count_as_alive() -> None:
    verdict = judged(wiped(session=True, process=Missing("2 processes: 12, 13")))
    assert verdict.lines == (ALIVE_LINE.replace("PID 4711", "2 processes: 12, 13"),)
    assert verdict.wants is None


@pytest.mark.parametrize(
    ("dead", "line", "word", "level"),
    [
        (False, ALIVE_LINE, "session-wiped-process-alive", Level.ACTION),
        (True, DEAD_LINE, "session-wiped-rebuild-wanted", Level.OFFLINE),
    ],
)
def test_L09_both_wiped_are_both_reported_in_one_issue(dead: bool, line: str, word: str, level: Level) -> None:
    verdict = judged(wiped(session=True, mainnet=True, dead=dead))
    assert verdict.lines == (f"{line} + MAINNET DATA WIPED",)
    assert verdict.words == (word, "mainnet-data-wiped")
    assert verdict.watch == ("wipe=session-dir", "wipe=mainnet-data")
    assert verdict.level is level
    (alert,) = verdict.alerts
    assert alert.title == "OFFLINE: session + mainnet data wiped out-of-band"


def test_the_issue_of_a_wipe_is_told_by_what_was_wiped_and_not_by_the_process() -> None:
    alerts = [
        judged(wiped(session=s, mainnet=m, dead=d)).alerts[0]
        for s, m, d in ((True, False, False), (True, False, True), (False, True, False), (True, True, True))
    ]
    assert {alert.key for alert in alerts} == {"wipe:out-of-band"}
    assert [alert.scope for alert in alerts] == ["session", "session", "mainnet", "session+mainnet"]


def test_the_rows_of_later_outcomes_stand_in_the_table() -> None:
    assert set(SESSION) == set(Case)
    assert (
        SESSION[Case.RECOVERED].text.format(process="PID 8") == "SESSION DIR WIPED — rebuilt + relaunched (new PID 8)"
    )
    assert SESSION[Case.REBUILD_FAILED].level is Level.OFFLINE
