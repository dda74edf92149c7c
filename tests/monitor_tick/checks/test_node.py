"""Check 3: the process, and how a dead one ended."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitor_loop.session import Identity, NodeRecord
from monitor_tick.actions import Act
from monitor_tick.catalog import load_rules
from monitor_tick.checks import log, node
from monitor_tick.checks.node import duration
from monitor_tick.facts import LogEntry, Missing
from monitor_tick.memory import ExitState, Interrupted, LogState, State, TickState
from monitor_tick.plan import plan_of
from monitor_tick.verdict import Level
from tests.monitor_tick.healing.nodes import FREE
from tests.monitor_tick.views import IDENTITY, NOW, a_dead_view, a_log, a_process, a_view

RULES = load_rules()
PANIC = LogEntry(
    level="PANIC",
    target="panic",
    normalised="panicked at crates/ledger/src/manager.rs",
    example="thread 'tokio' panicked at crates/ledger/src/manager.rs:2049:9:\ncalled `Option::unwrap()`",
    count=1,
    first=None,
    last=None,
)


def test_a_live_node_is_one_line_and_no_alert() -> None:
    verdict = node.judge(a_view())
    assert verdict is not None
    assert verdict.lines == ("mode=validator session=1a2b3c4d pid=4711 uptime=26h00m fresh_start=no build=b8f18c6d",)
    assert (verdict.level, verdict.alerts, verdict.wants) == (Level.OK, (), None)


def test_L04_a_binary_rebuilt_under_the_node_is_said_and_no_alert() -> None:
    verdict = node.judge(a_view(process=a_process(deleted=True)))
    assert verdict is not None
    assert verdict.lines[1] == "the binary was replaced under the running node"
    assert verdict.level is Level.OK


def test_L03_several_candidates_are_no_dead_node() -> None:
    verdict = node.judge(a_view(process=Missing("several nodes: PID=1 session=a, PID=2 session=a")))
    assert verdict is not None
    assert verdict.level is Level.WARNING
    assert verdict.wants is None
    assert [(alert.key, alert.urgent) for alert in verdict.alerts] == [("offline:unidentified-node", True)]


def test_a_dead_node_is_offline_urgent_and_to_be_relaunched() -> None:
    verdict = node.judge(a_dead_view(rules=RULES, lock=FREE))
    assert verdict is not None
    assert verdict.level is Level.OFFLINE
    assert verdict.lines[1:] == ("DEAD — unknown",)
    assert verdict.wants is not None
    assert verdict.wants.act is Act.RELAUNCH
    assert [(alert.key, alert.scope, alert.urgent) for alert in verdict.alerts] == [("process:death", "unknown", True)]


def test_the_last_words_of_the_run_and_the_missing_process_are_one_finding() -> None:
    view = a_dead_view(rules=RULES, log=a_log(entries=(PANIC,)), lock=FREE)
    verdicts = [verdict for verdict in (node.judge(view), log.judge(view)) if verdict is not None]
    filings = plan_of(verdicts, early=False).filings
    assert [filing.alert.title for filing in filings] == ["Node crashed: panic at crates/ledger/src/manager.rs"]


def test_how_it_ended_is_said_until_it_runs_again() -> None:
    run = f"end of pid {IDENTITY.pid}, start_ticks {IDENTITY.start_ticks}"
    seen = TickState(at=NOW, full_at=NOW, identity=IDENTITY)
    before = State(
        tick=seen, exit=ExitState(kind="panic at x.rs", title="Node crashed: panic at x.rs", run=run, event=run)
    )
    verdict = node.judge(a_dead_view(rules=RULES, state=before))
    assert verdict is not None
    assert verdict.alerts[0].scope == "panic at x.rs"
    back = node.judge(a_view(rules=RULES, state=before))
    assert back is not None
    assert back.remember == (ExitState(),)
    assert node.judge(a_dead_view(rules=RULES, state=State(exit=ExitState()))).alerts[0].scope == "unknown"  # type: ignore[union-attr]  # judged above


@pytest.mark.parametrize(
    ("seconds", "text"), [(9, "9s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (93_600, "26h00m")]
)
def test_uptime_is_its_two_largest_units(seconds: int, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_a_node_that_stays_down_died_once() -> None:
    known = State(tick=TickState(at=NOW, full_at=NOW, identity=IDENTITY))
    events = set()
    for view in (a_dead_view(rules=RULES, state=known), a_dead_view(rules=RULES, state=known, at=NOW)):
        verdict = node.judge(view)
        assert verdict is not None
        events.add(verdict.alerts[0].event)
    assert events == {f"end of pid {IDENTITY.pid}, start_ticks {IDENTITY.start_ticks}"}


@pytest.mark.parametrize(
    ("launched", "died"),
    [
        (msgspec.structs.replace(IDENTITY, pid=77, start_ticks=IDENTITY.start_ticks + 5), 77),
        (msgspec.structs.replace(IDENTITY, pid=77, start_ticks=IDENTITY.start_ticks - 5), IDENTITY.pid),
        (msgspec.structs.replace(IDENTITY, pid=77, boot_id="before"), IDENTITY.pid),
    ],
    ids=["since", "before", "before the boot"],
)
def test_a_relaunch_that_died_before_any_tick_saw_it_is_a_death_of_its_own(launched: Identity, died: int) -> None:
    """Else a node that crashes after each relaunch would be told of once."""
    known = State(tick=TickState(at=NOW, full_at=NOW, identity=IDENTITY))
    verdict = node.judge(a_dead_view(rules=RULES, state=known, node=NodeRecord(launched=launched)))
    assert verdict is not None
    assert verdict.alerts[0].event.startswith(f"end of pid {died}, ")


@pytest.mark.parametrize(
    ("exit_kind", "read_bytes", "own"), [("panic", 900, True), ("panic", 0, False), ("", 900, False)]
)
def test_what_a_tick_launched_before_it_died_is_a_run_of_its_own(exit_kind: str, read_bytes: int, own: bool) -> None:
    """Nobody wrote down which process it was; without a word in the log there was none."""
    state = State(tick=TickState(at=NOW, full_at=NOW, identity=IDENTITY), exit=ExitState(kind=exit_kind))
    interrupted = (Interrupted(act="relaunch", at=NOW - timedelta(minutes=20), words="nothing"),)
    view = a_dead_view(rules=RULES, state=state, interrupted=interrupted, log=a_log(read_bytes=read_bytes))
    verdict = node.judge(view)
    assert verdict is not None
    launched = "end of the run that the relaunch of 2026-05-09T03:20:07Z launched"
    assert (verdict.alerts[0].event == launched) is own
    after = State(tick=state.tick, exit=verdict.remember[0])  # type: ignore[arg-type]  # it remembers nothing else
    later = node.judge(a_dead_view(rules=RULES, state=after, log=a_log(read_bytes=0)))
    assert later is not None
    assert later.alerts == verdict.alerts


def test_half_a_line_that_was_there_before_is_no_word_of_another_run() -> None:
    """A power cut leaves one; it is read again by each tick, and the cursor stays before it."""
    seen = TickState(at=NOW, full_at=NOW, identity=IDENTITY)
    interrupted = (Interrupted(act="relaunch", at=NOW - timedelta(minutes=20), words="nothing"),)
    log = a_log(read_bytes=15)
    for known, own in ((log.cursor, False), (msgspec.structs.replace(log.cursor, offset=1), True)):
        state = State(tick=seen, exit=ExitState(kind="unknown"), log=LogState(cursor=known))
        verdict = node.judge(a_dead_view(rules=RULES, state=state, interrupted=interrupted, log=log))
        assert verdict is not None
        assert ("launched" in verdict.alerts[0].event) is own


def test_how_one_run_ended_is_not_said_of_the_next() -> None:
    run = f"end of pid {IDENTITY.pid}, start_ticks {IDENTITY.start_ticks}"
    seen = TickState(at=NOW, full_at=NOW, identity=IDENTITY)
    before = State(
        tick=seen, exit=ExitState(kind="panic at x.rs", title="Node crashed: panic at x.rs", run=run, event=run)
    )
    launched = msgspec.structs.replace(IDENTITY, pid=77, start_ticks=IDENTITY.start_ticks + 5)
    verdict = node.judge(a_dead_view(rules=RULES, state=before, node=NodeRecord(launched=launched)))
    assert verdict is not None
    assert verdict.alerts[0].scope == "unknown"


BEFORE_THE_BOOT = msgspec.structs.replace(IDENTITY, boot_id="before")


@pytest.mark.parametrize(
    ("identity", "entries", "kind"),
    [
        (BEFORE_THE_BOOT, (), "machine restart"),
        (IDENTITY, (), "unknown"),
        (BEFORE_THE_BOOT, (PANIC,), "panic at crates/ledger/src/manager.rs"),
    ],
    ids=["power cut", "killed", "it had crashed before the power went"],
)
def test_a_power_cut_is_no_crash_of_the_node(identity: Identity, entries: tuple[LogEntry, ...], kind: str) -> None:
    known = State(tick=TickState(at=NOW, full_at=NOW, identity=identity))
    verdict = node.judge(a_dead_view(rules=RULES, state=known, lock=FREE, log=a_log(entries=entries)))
    assert verdict is not None
    assert verdict.lines[1] == f"DEAD — {kind}"
    assert (verdict.alerts[0].scope, verdict.alerts[0].urgent) == (kind, True)
    assert verdict.wants is not None
    assert verdict.wants.act is Act.RELAUNCH


def test_what_an_unfinished_act_launched_after_the_boot_did_not_end_by_it() -> None:
    known = State(tick=TickState(at=NOW, full_at=NOW, identity=BEFORE_THE_BOOT), exit=ExitState(kind="machine restart"))
    interrupted = (Interrupted(act="relaunch", at=NOW - timedelta(minutes=20), words="nothing"),)
    verdict = node.judge(a_dead_view(rules=RULES, state=known, interrupted=interrupted, log=a_log(read_bytes=9)))
    assert verdict is not None
    assert verdict.alerts[0].scope == "unknown"


def test_a_tick_that_died_as_it_started_a_builder_had_launched_no_node_unseen() -> None:
    """It had relaunched before, which is known; then the power went."""
    launched = msgspec.structs.replace(BEFORE_THE_BOOT, pid=77, start_ticks=IDENTITY.start_ticks + 5)
    seen = TickState(at=NOW, full_at=NOW, identity=BEFORE_THE_BOOT)
    known = State(tick=seen, exit=ExitState(kind="panic", run="x", event="x"))
    interrupted = (Interrupted(act="build", at=NOW - timedelta(minutes=20), words="nothing"),)
    verdict = node.judge(
        a_dead_view(
            rules=RULES,
            state=known,
            interrupted=interrupted,
            log=a_log(read_bytes=9),
            node=NodeRecord(launched=launched),
        )
    )
    assert verdict is not None
    assert verdict.alerts[0].scope == "machine restart"
    assert verdict.alerts[0].event == f"end of pid 77, start_ticks {launched.start_ticks}"


def test_a_lock_that_cannot_be_checked_leaves_the_node_down() -> None:
    verdict = node.judge(a_dead_view(rules=RULES, lock=Missing("mainnet.toml: unreadable")))
    assert verdict is not None
    assert verdict.wants is None
    assert verdict.lines[2] == "OFFLINE — the node's lock cannot be checked"
    assert ("seen", "mainnet.toml: unreadable") in verdict.alerts[1].evidence
