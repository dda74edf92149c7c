"""Replay: what the archive says again under the same rules, what it says under others, and when it says nothing."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from monitor_loop.session import Session
from monitor_tick.catalog import default_directory
from monitor_tick.cli import main
from monitor_tick.recorded.archive import directory_of, entries
from monitor_tick.recorded.replay import Replayed, replay, replay_entry
from monitor_tick.recorded.replay_report import AlarmCount, Replay, render_json, render_text
from monitor_tick.rules import Rules
from monitor_tick.tick import tick
from tests.monitor_tick.alarm_views import RULES
from tests.monitor_tick.archives import a_running_session, entries_of, files_in, live, with_limits, with_row
from tests.monitor_tick.views import CADENCE, NOW
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node

STALLED = 'henyey_recovery_stalled_tick_total{reason="forcing_catchup_behind"}'
PEERS, LOST, BACKLOG = "stellar_peer_count", "stellar_herder_lost_sync_total", "henyey_scp_verify_input_backlog"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return a_running_session(tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


def again(session: Session, rules: Rules = RULES) -> Replay:
    return replay(entries(directory_of(session)), session, rules)


def count(report: Replay, alarm: str) -> AlarmCount:
    return next(each for each in report.alarms if each.alarm == alarm)


# --- the same rules ----------------------------------------------------------------------------------------------


def _healthy(node: RecordedNode, number: int) -> None:
    node.scrape(("healthy.prom", "healthy_next.prom")[number % 2])


def _sick(node: RecordedNode, number: int) -> None:
    _healthy(node, number)
    _say(node, {PEERS: 3, LOST: 10 + number, "henyey_jemalloc_fragmentation_pct": 60})


def _stalled(node: RecordedNode, number: int) -> None:
    """Every transaction fails, and recovery makes no headway: the ratios and 12b count ticks in a row."""
    node.scrape("healthy_next.prom")
    _say(node, {"stellar_ledger_apply_failure_total": 2 * 10**9 + 1000 * number, STALLED: number - 10})


def _say(node: RecordedNode, values: Mapping[str, float]) -> None:
    lines = node.bodies["/metrics"].decode().split("\n")
    said = {name: f"{name} {value}" for name, value in values.items()}
    assert said.keys() <= {line.rpartition(" ")[0] for line in lines}
    node.bodies["/metrics"] = "\n".join(said.get(line.rpartition(" ")[0], line) for line in lines).encode()


def _no_recorder(node: RecordedNode, _number: int) -> None:
    node.bodies["/metrics"] = b"# metrics recorder not installed"


def _restarted(node: RecordedNode, number: int) -> None:
    node.run_as(started_at=SAMPLED_AT + number * CADENCE - timedelta(minutes=4))
    node.scrape("fresh_start.prom")


COURSE: tuple[Callable[[RecordedNode, int], None], ...] = (
    _healthy,
    _healthy,
    _sick,
    _sick,
    _no_recorder,
    _healthy,
    _healthy,
    _restarted,
    _healthy,
    _healthy,
    _sick,
    *[_stalled] * 5,
)


def test_live_ticks_judged_again_decide_the_same(node: RecordedNode) -> None:
    for number, change in enumerate(COURSE):
        change(node, number)
        now = SAMPLED_AT + number * CADENCE
        node.answer_at(62_484_033 + 240 * number, now)
        tick(node.session, RULES, now, proc=node.proc)
    recorded: Counter[tuple[str, str]] = Counter()
    replayed: Replayed | None = None
    for entry in entries_of(node.session):
        replayed = replay_entry(entry, replayed, node.session, RULES)
        assert replayed.whole
        assert replayed.decisions == entry.record.decisions
        recorded.update((decision.alarm, decision.state) for decision in entry.record.decisions)
    report = again(node.session)
    assert (report.ticks, report.evaluated, report.different) == (16, 15, 0)
    assert report.compared == sum(len(entry.record.decisions) for entry in entries_of(node.session))
    assert (count(report, PEERS).fired, count(report, LOST).fired) == (3, recorded[LOST, "fired"])
    assert recorded[LOST, "fired"] > 0
    for alarm in ("ratio:apply", STALLED):
        assert (count(report, alarm).breached, count(report, alarm).fired) == (2, 3), alarm
    assert count(report, "henyey_jemalloc_fragmentation_pct").breached == 2


def test_firing_breach_quiet_and_each_reason_to_skip_are_counted(session: Session) -> None:
    live(session, [{BACKLOG: 500}, {BACKLOG: 0}, "timeout", {PEERS: 3}])
    report = again(session)
    assert count(report, PEERS) == AlarmCount(alarm=PEERS, fired=1, breached=0, quiet=2, skipped={"skipped": 1})
    assert count(report, BACKLOG).breached == 1
    assert count(report, LOST).skipped == {"new baseline": 1, "skipped": 1}


def test_L76_a_row_that_may_be_silent_says_so(session: Session) -> None:
    live(session, [{}] * 2)
    expected = [each.alarm for each in again(session).alarms if each.silence_expected]
    assert expected == [row.name for row in RULES.alarms if row.silence_expected]
    assert "silence expected" in render_text(again(session))


# --- other rules -------------------------------------------------------------------------------------------------


def test_L72_another_threshold_can_be_judged_on_the_ticks_of_before(session: Session) -> None:
    live(session, [{PEERS: 25}, {PEERS: 9}, {PEERS: 25}])
    report = again(session, with_row(PEERS, threshold=10.0))
    assert count(report, PEERS).fired == 1
    (difference,) = report.differences
    assert (difference.at, difference.alarm) == (NOW + CADENCE, PEERS)
    assert (difference.recorded, difference.replayed) == ("quiet: value 9 is not < 8", "fired: value 9 < 10")
    assert f"recorded by {report.recorded_by[0]}" in render_text(report)


def test_state_comes_from_the_replayed_tick_before_and_not_from_the_recorded_one(session: Session) -> None:
    """The overlay row is judged by the delta that its own previous tick left, under whatever rules that was."""
    timeouts = "stellar_overlay_timeout_idle_total"
    live(session, [{timeouts: value} for value in (100, 110, 120, 200)])
    states = [entry.record.memory.state.scrape for entry in entries_of(session)[1:]]
    recorded = [state.overlay_timeouts for state in states if state]

    def left(rules: Rules) -> list[float | None]:
        replayed: Replayed | None = None
        found = []
        for entry in entries_of(session)[:-1]:
            replayed = replay_entry(entry, replayed, session, rules)
            found.append(replayed.after.state.scrape)
        return [state.overlay_timeouts for state in found if state]

    assert left(RULES) == recorded == [None, 10.0, 10.0]
    only_stragglers = with_row("stellar_overlay_timeout_total", metrics=("stellar_overlay_timeout_straggler_total",))
    assert left(only_stragglers)[1:] != recorded[1:]


@pytest.mark.parametrize("changes", [{"version": 2}, {"since": date(2027, 1, 1)}], ids=["version", "since"])
def test_L75_ticks_of_before_a_row_changed_its_meaning_are_not_compared(
    session: Session, changes: dict[str, object]
) -> None:
    live(session, [{PEERS: 9}] * 3)
    report = again(session, with_row(PEERS, threshold=10.0, **changes))
    assert report.different == 0
    (left_out,) = report.not_compared
    assert (left_out.alarm, left_out.ticks) == (PEERS, 3)
    assert left_out.why.startswith("version 1 of 2026-11-23 was recorded, this is version")
    assert count(report, PEERS).fired == 3


def test_alarms_that_only_one_of_the_catalogs_has_are_named(session: Session) -> None:
    live(session, [{}], msgspec.structs.replace(RULES, alarms=RULES.alarms[1:]))
    report = again(session, msgspec.structs.replace(RULES, alarms=RULES.alarms[:-1]))
    assert [(each.alarm, each.why) for each in report.not_compared] == [
        (RULES.alarms[-1].name, "this catalog has no such alarm"),
        (RULES.alarms[0].name, "the record has no such alarm"),
    ]


# --- gaps --------------------------------------------------------------------------------------------------------


def test_the_first_entry_of_a_bounded_archive_is_a_baseline_only(session: Session) -> None:
    live(session, [{LOST: value} for value in range(6)], with_limits(archive_ticks=4))
    report = again(session, with_limits(archive_ticks=4))
    assert (report.ticks, report.baselines, report.evaluated, report.different) == (4, 1, 3, 0)


@pytest.mark.parametrize("lost", range(4))
def test_L73_after_a_damaged_entry_replay_goes_on_and_counts_it(session: Session, lost: int) -> None:
    live(session, [{}, {LOST: 2}, {LOST: 2}, {LOST: 5}, {LOST: 7}])
    files_in(session)[lost].write_bytes(b"damaged")
    report = again(session)
    assert (report.ticks, report.unreadable, report.different) == (4, 1, 0)
    assert report.baselines == 1
    assert "1 entries unreadable" in render_text(report)


def test_a_damaged_entry_without_a_scrape_costs_no_other_tick(session: Session) -> None:
    live(session, [{BACKLOG: 500}, "timeout", {BACKLOG: 500}, {}])
    files_in(session)[1].write_bytes(b"damaged")
    report = again(session)
    assert (report.baselines, report.different) == (0, 0)
    assert count(report, BACKLOG).breached == 2


# --- nothing, and a lot ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [[], ["timeout"] * 3])
def test_L78_an_archive_in_which_nothing_was_evaluated_is_a_failure(tmp_path: Path, ticks: list[str]) -> None:
    with recorded_node(tmp_path) as node:
        live(node.session, ticks)
        ran = CliRunner().invoke(main, ["--data-root", str(node.session.data.path), "replay"])
    assert ran.exit_code == 1
    nothing = "ERROR: no tick of that time is in the archive - give a longer --since, or run a tick first\n"
    assert ran.output.startswith("0 of 3 ticks evaluated" if ticks else nothing)


def test_L73_the_json_form_is_one_object_that_reads_back_as_what_it_is(session: Session) -> None:
    live(session, [{PEERS: 3}, {}])
    report = again(session)
    assert render_json(report).count("\n") == 1
    assert msgspec.json.decode(render_json(report), type=Replay) == report


def test_memory_does_not_grow_with_the_archive(session: Session) -> None:
    """One entry at a time: five times the ticks, the same peak but for the names of the files."""
    rules = with_limits(archive_ticks=10_000)

    def peak() -> int:
        tracemalloc.start()
        again(session, rules)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    live(session, [{}] * 10, rules)
    few = peak()
    live(session, [{}] * 40, rules, start=10)
    assert peak() < few * 1.1 + 40_000


# --- the command -------------------------------------------------------------------------------------------------


def test_replay_reads_another_catalog_and_writes_nothing(node: RecordedNode, tmp_path: Path) -> None:
    live(node.session, [{PEERS: 25}, {PEERS: 9}])
    text = (default_directory() / "metric-alarms.toml").read_text("utf-8").replace('"< 8"', '"< 10"')
    other = tmp_path / "other.toml"
    other.write_text(text, "utf-8")
    root = node.session.data.path
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    ran = CliRunner().invoke(main, ["--data-root", str(root), "replay", "--catalog", str(other), "--json"])
    assert ran.exit_code == 0, ran.output
    assert msgspec.json.decode(ran.output, type=Replay).different == 1
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_replay_since_leaves_older_ticks_out(node: RecordedNode) -> None:
    live(node.session, [{}] * 4)
    since = (NOW + CADENCE).isoformat()
    ran = CliRunner().invoke(main, ["--data-root", str(node.session.data.path), "replay", "--since", since])
    assert "2 of 3 ticks evaluated, 2026-05-09T04:00:07Z to 2026-05-09T04:40:07Z" in ran.output


@pytest.mark.parametrize("arguments", [["--since", "yesterday"], ["--since", "99999999d"]])
def test_a_time_that_is_none_is_refused_with_what_is_allowed(node: RecordedNode, arguments: list[str]) -> None:
    ran = CliRunner().invoke(main, ["--data-root", str(node.session.data.path), "replay", *arguments])
    assert ran.exit_code == 1
    assert "ERROR: --since" in ran.output
    assert "24h" in ran.output
