from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_loop.session import NodeRecord, Recovery, Restarts
from monitor_tick.actions import Act, Acted, RecreateDirectories, StartBuild, StopBuild
from monitor_tick.checks.wipe import LABEL, SESSION, Case, judge
from monitor_tick.effects.aftermath import acted_told
from monitor_tick.facts import BuildJob, BuildPhase, Missing
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View
from tests.monitor_tick.healing.nodes import FREE, HELD
from tests.monitor_tick.views import NOW, a_dead_view, a_process, a_view, healthy_facts

ALIVE_LINE = "SESSION DIR WIPED — process alive (PID 4711), operator intervention needed"
DEAD_LINE = "SESSION DIR WIPED — rebuilding"
FAILED_LINE = "SESSION DIR WIPED — rebuild failed"
SHA = "a" * 40
SESSION_ID = "1a2b3c4d"


def wiped(*, session: bool = False, mainnet: bool = False, dead: bool = False, **changes: object) -> View:
    seen = msgspec.structs.replace(healthy_facts().directories, session=not session, mainnet=not mainnet)
    found = {"rebuild": SHA} if session and dead else {}
    return (a_dead_view if dead else a_view)(directories=seen, **{**found, **changes})


def recovering(*, mainnet: bool = False, failed: str = "", minutes: int = 20, **changes: object) -> View:
    """A later tick: the directories are there again, the record says why."""
    since = NOW - timedelta(minutes=minutes)
    record = NodeRecord(
        first_launched_at=NOW - timedelta(days=30),
        deployed_sha=SHA,
        recovery=Recovery(sha=SHA, since=since, session=SESSION_ID, failed=failed),
    )
    return wiped(mainnet=mainnet, dead=True, **{"node": record, "lock": FREE, **changes})


def job(phase: BuildPhase, minutes_ago: int = 7, **changes: object) -> BuildJob:
    made = BuildJob(sha=SHA, phase=phase, started_at=NOW - timedelta(minutes=minutes_ago), pid=99, log="/data/log")
    return msgspec.structs.replace(made, **changes)


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


def test_L08_a_wiped_session_without_process_is_rebuilt() -> None:
    verdict = judged(wiped(session=True, dead=True))
    assert verdict.lines == (DEAD_LINE,)
    assert (verdict.words, verdict.watch) == (("session-wiped-recovery",), ("wipe=session-dir",))
    assert (verdict.level, verdict.wants) == (Level.ACTION, None)
    assert verdict.effects == (RecreateDirectories(), StartBuild(SHA))
    assert verdict.alerts[0].title == "OFFLINE: validator session wiped out-of-band"
    assert dict(verdict.alerts[0].evidence)["rebuild at"] == SHA


def test_an_older_build_of_the_same_commit_went_with_the_session() -> None:
    old = job(BuildPhase.BUILT, minutes_ago=500)
    assert judged(wiped(session=True, dead=True, job=old)).effects == (RecreateDirectories(), StartBuild(SHA))
    assert judged(recovering(job=old)).effects == (StartBuild(SHA),)


def test_a_build_that_was_under_way_makes_room() -> None:
    other = job(BuildPhase.BUILDING, sha="b" * 40)
    stop, start = judged(recovering(job=other)).effects
    assert (stop, start) == (StopBuild("the session was wiped"), StartBuild(SHA))


@pytest.mark.parametrize(("mainnet", "too"), [(False, ""), (True, " + MAINNET DATA WIPED")])
def test_while_the_builder_works_the_line_says_for_how_long(mainnet: bool, too: str) -> None:
    verdict = judged(recovering(mainnet=mainnet, job=job(BuildPhase.BUILDING)))
    assert verdict.lines == (f"{DEAD_LINE} (7m){too}",)
    assert (verdict.level, verdict.wants, verdict.effects) == (Level.ACTION, None, ())
    assert verdict.words[0] == "session-wiped-recovery"


def test_each_tick_of_one_recovery_is_the_same_event() -> None:
    first = judged(wiped(session=True, dead=True)).alerts[0]
    later = judged(recovering(minutes=0, job=job(BuildPhase.BUILDING, minutes_ago=0))).alerts[0]
    assert first.event == later.event
    failed = judged(recovering(minutes=0, failed="cargo build failed")).alerts[0]
    assert failed.event == f"{first.event}, rebuild failed"
    assert (failed.key, failed.scope) == (first.key, first.scope)


def test_what_was_built_is_launched_once_all_that_a_launch_needs_holds() -> None:
    verdict = judged(recovering(job=job(BuildPhase.BUILT), kept=(SHA,)))
    assert verdict.wants is not None
    assert (verdict.wants.act, verdict.wants.installs, verdict.wants.cause) == (Act.REBUILD, SHA, "wiped")
    assert verdict.lines == (DEAD_LINE,)
    held = judged(recovering(job=job(BuildPhase.BUILT), kept=(SHA,), lock=HELD))
    assert held.wants is None
    assert held.considered[0].act is Act.REBUILD
    assert held.lines == (DEAD_LINE, "not launched: node's lock is held by PID=99 (/opt/other)")
    assert held.level is Level.OFFLINE
    (alert,) = held.alerts
    assert alert.event == f"{verdict.alerts[0].event}, not launched: node's lock", (
        "it is told why it does not come back"
    )
    assert dict(alert.evidence)["node"] == held.lines[1]


def test_a_launch_that_waits_for_the_budget_is_on_its_way() -> None:
    tried = msgspec.structs.replace(recovering().memory.node, restarts=Restarts(count=3))
    waits = judged(recovering(job=job(BuildPhase.BUILT), kept=(SHA,), node=tried))
    assert waits.lines[1].startswith("not launched: restart budget is relaunch 4 waits")
    assert waits.level is Level.ACTION
    assert "not launched" not in waits.alerts[0].event


def test_after_the_launch_the_line_names_the_new_process() -> None:
    verdict = judged(recovering(mainnet=True, job=job(BuildPhase.BUILT), kept=(SHA,)))
    assert verdict.wants is not None
    done = Acted(action=verdict.wants, done=True, line="rebuild: launched pid 4711", process=a_process())
    (told,) = acted_told((verdict,), done)
    assert told.lines == (
        "SESSION DIR WIPED — rebuilt + relaunched (new PID 4711) + MAINNET DATA WIPED",
        "rebuild: launched pid 4711",
    )
    assert told.level is Level.ACTION
    (down,) = acted_told((verdict,), msgspec.structs.replace(done, done=False, process=None, line="rebuild FAILED"))
    assert (down.lines[1:], down.level) == (("rebuild FAILED",), Level.OFFLINE)


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (recovering(job=job(BuildPhase.FAILED, why="cargo build failed")), "cargo build failed"),
        (recovering(failed="cargo build failed"), "cargo build failed"),
        (recovering(job=job(BuildPhase.BUILT)), "what was built is not there any more"),
        (wiped(session=True, dead=True, rebuild=Missing("HEAD is quarantined")), "HEAD is quarantined"),
        (
            wiped(session=True, dead=True, node=NodeRecord(offline="restart budget spent")),
            "left down before that: restart budget spent",
        ),
    ],
)
def test_a_rebuild_that_cannot_be_is_offline_and_says_why(view: View, why: str) -> None:
    verdict = judged(view)
    assert verdict.lines == (FAILED_LINE, why)
    assert (verdict.level, verdict.words, verdict.wants) == (Level.OFFLINE, ("session-wiped-rebuild-failed",), None)
    assert not any(isinstance(effect, StartBuild) for effect in verdict.effects)
    assert dict(verdict.alerts[0].evidence)["why it failed"] == why


def test_nothing_is_rebuilt_beside_a_process() -> None:
    under_way = recovering().memory.node
    for process in (a_process(), Missing("2 processes: 12, 13")):
        assert judge(a_view(process=process, node=under_way)) is None


def test_several_processes_count_as_alive() -> None:
    verdict = judged(wiped(session=True, process=Missing("2 processes: 12, 13")))
    assert verdict.lines == (ALIVE_LINE.replace("PID 4711", "2 processes: 12, 13"),)
    assert verdict.wants is None


@pytest.mark.parametrize(
    ("dead", "line", "word", "level"),
    [
        (False, ALIVE_LINE, "session-wiped-process-alive", Level.ACTION),
        (True, DEAD_LINE, "session-wiped-recovery", Level.ACTION),
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


def test_the_words_are_those_of_the_table() -> None:
    assert {case: row.text for case, row in SESSION.items()} == {
        Case.ALIVE: "SESSION DIR WIPED — process alive ({process}), operator intervention needed",
        Case.REBUILDING: DEAD_LINE,
        Case.RECOVERED: "SESSION DIR WIPED — rebuilt + relaunched (new {process})",
        Case.REBUILD_FAILED: FAILED_LINE,
    }
