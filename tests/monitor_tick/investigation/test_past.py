"""What past ticks say of a finding: values, when it began, on which build, and what fired with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from monitor_loop.session import Identity, Session
from monitor_tick.facts import LogEntry, Missing
from monitor_tick.investigation.moments import MOST_TICKS, Past
from monitor_tick.investigation.past import past_ticks
from monitor_tick.issues.finding import Finding
from monitor_tick.memory import Memory
from monitor_tick.recorded import archive
from tests.monitor_tick.investigation.ticks import (
    LOST_SYNC,
    NEW,
    OLD,
    a_finding,
    a_past,
    a_running_session,
    archived,
    told,
)
from tests.monitor_tick.views import CADENCE, NOW, a_log, a_process

OLDER = "0" * 40


def read(finding: Finding, session: Session, seconds: float = 30.0) -> Past:
    return past_ticks(finding, session, time.monotonic() + seconds)


def past(root: Path, builds: Sequence[str], fired: Sequence[int], **changes: object) -> Past:
    """Of a finding that fires in the last of these ticks."""
    session = a_running_session(root)
    a_past(session, builds, fired)
    return read(a_finding(len(builds) - 1, **changes), session)


def test_the_values_of_past_ticks_are_shown_oldest_first_with_this_one(tmp_path: Path) -> None:
    found = past(tmp_path, [OLD, OLD, NEW], [2])
    assert found.history == ((NOW, 0.0), (NOW + CADENCE, 0.0), (NOW + 2 * CADENCE, 1.0))
    assert found.history_of == LOST_SYNC
    assert found.missing == ()


@pytest.mark.parametrize(("runs", "quiet"), [((1, 1), True), ((1, 2), False)])
def test_a_run_that_was_seen_without_the_finding_did_not_begin_with_it(
    tmp_path: Path, runs: tuple[int, int], quiet: bool
) -> None:
    session = a_running_session(tmp_path)
    for tick, run in enumerate(runs):
        process = a_process(identity=Identity(4000 + run, run, "boot"))
        archived(session, tick, NEW, {LOST_SYNC: 100.0 + tick}, process=process)
    assert read(a_finding(1), session).quiet_in_this_run is quiet


def test_a_breach_that_is_waited_on_is_not_quiet(tmp_path: Path) -> None:
    """A row of two ticks; its first one says nothing yet."""
    session, name = a_running_session(tmp_path), "henyey_jemalloc_fragmentation_pct"
    for tick in range(2):
        archived(session, tick, NEW, {name: 60.0})
    found = read(a_finding(1, alert_key=f"metric:{name}", alert_cooldown_key=name), session)
    assert (found.history_of, found.quiet_in_this_run) == (name, False)


@pytest.mark.parametrize("is_over", [False, True])
def test_the_tick_of_the_finding_is_in_its_history_before_and_after_its_line_is_written(
    tmp_path: Path, is_over: bool
) -> None:
    session = a_running_session(tmp_path)
    told(session, 0, NEW, watch=["rss_mb=9000", "disk_pct=50"])
    words = ("rss_mb=15000", "disk_pct=97")
    if is_over:
        told(session, 1, NEW, ["memory:leak"], watch=words)
    found = read(a_finding(1, alert_key="memory:leak", watch=words), session)
    assert found.history == ((NOW, 9000.0), (NOW + CADENCE, 15000.0))
    assert (found.disk_pct, found.fired_ticks) == (97.0, 0)


def test_later_ticks_than_the_finding_are_not_its_past(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    a_past(session, [OLD, NEW, NEW], [1, 2])
    found = read(a_finding(1), session)
    assert [at for at, _ in found.history] == [NOW, NOW + CADENCE]
    assert found.fired_ticks == 0


def test_no_more_than_the_newest_are_read(tmp_path: Path) -> None:
    found = past(tmp_path, [NEW] * (MOST_TICKS + 3), [MOST_TICKS + 2])
    assert len(found.history) == MOST_TICKS
    assert found.history[-1] == (NOW + (MOST_TICKS + 2) * CADENCE, 1.0)


def test_the_last_build_without_it_is_where_the_commits_begin(tmp_path: Path) -> None:
    found = past(tmp_path, [OLD, OLD, NEW, NEW], [2, 3])
    assert (found.since, found.clean_ticks, found.fired_ticks) == (OLD, 0, 1)
    assert not found.fired_on_other_builds


@pytest.mark.parametrize(
    ("builds", "fired", "expected"),
    [
        ([OLDER, OLD, NEW], [1, 2], (OLDER, 0, True)),
        ([OLDER, OLD, OLD, NEW], [1, 3], (OLDER, 0, True)),
        ([OLD, NEW, NEW, NEW], [3], (OLD, 2, False)),
        ([NEW, NEW], [1], ("", 1, False)),
        ([OLD, NEW], [0, 1], ("", 0, True)),
    ],
)
def test_a_build_that_had_it_once_is_not_without_it(
    tmp_path: Path, builds: list[str], fired: list[int], expected: tuple[str, int, bool]
) -> None:
    found = past(tmp_path, builds, fired)
    assert (found.since, found.clean_ticks, found.fired_on_other_builds) == expected


def test_a_tick_that_could_not_judge_it_ran_neither_with_nor_without_it(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    archived(session, 0, OLDER, {LOST_SYNC: 100.0})
    archived(session, 1, OLD, {LOST_SYNC: 100.0}, memory=Memory())
    archived(session, 2, NEW, {LOST_SYNC: 101.0})
    for tick, build in enumerate([OLDER, OLD, NEW]):
        told(session, tick, build)
    assert read(a_finding(2), session).since == OLDER


def test_without_the_build_that_runs_no_other_one_is_named(tmp_path: Path) -> None:
    found = past(tmp_path, [OLD, NEW], [1], build="")
    assert (found.since, found.clean_ticks, found.fired_on_other_builds) == ("", None, False)


def test_tick_history_tells_further_back_than_the_archive(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    told(session, -500, OLD)
    archived(session, 0, NEW, {LOST_SYNC: 101.0})
    assert read(a_finding(0), session).since == OLD


def test_what_fired_in_the_same_past_ticks_is_counted(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    key = f"metric:{LOST_SYNC}"
    told(session, 0, NEW, [key, "sync:failure"])
    told(session, 1, NEW, ["memory:high"])
    told(session, 2, NEW, [key, "sync:failure", "radar:lag"])
    found = read(a_finding(3), session)
    assert found.fired_with == (("sync:failure", 2), ("radar:lag", 1))
    assert found.fired_ticks == 2


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("memory:high", 9000.0, "RSS, MB"),
        ("memory:fragmentation", 31.0, "jemalloc fragmentation, percent"),
        ("disk:low", 88.0, "data volume used, percent"),
        ("rpc:pruning", 777.0, "ledgers kept for RPC"),
    ],
)
def test_other_kinds_have_their_value_from_tick_history(tmp_path: Path, key: str, value: float, words: str) -> None:
    session = a_running_session(tmp_path)
    told(session, 0, NEW, watch=["rss_mb=9000", "frag_pct=31", "disk_pct=88", "pruning_gap=777", "breach=x"])
    told(session, 1, NEW, watch=["rss_mb=?"])
    found = read(a_finding(2, alert_key=key, alert_metrics=(), alert_cooldown_key=""), session)
    assert (found.history, found.history_of) == (((NOW, value), (NOW + CADENCE, None)), words)


def test_a_sync_failure_has_the_age_and_a_log_finding_its_lines(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    lines = LogEntry(
        level="ERROR", target="t", normalised="boom <n> at=<n>", example="boom", count=3, first=None, last=None
    )
    archived(session, 0, NEW, {}, age_seconds=77.0, log=a_log(entries=(lines,)))
    archived(session, 1, NEW, {}, age_seconds=3.0)
    age = read(a_finding(1, alert_key="sync:failure"), session)
    assert [value for _, value in age.history] == [77.0, 3.0]
    counted = read(a_finding(1, alert_key="log:t:boom <n>", alert_message="boom <n>"), session)
    assert [value for _, value in counted.history] == [3.0, 0.0]


def test_a_kind_without_a_recorded_value_says_so(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    told(session, 0, NEW)
    found = read(a_finding(1, alert_key="ci:tests:unit"), session)
    assert (found.history, found.history_of) == ((), "")
    assert found.missing == ("no tick keeps a value for a finding of this kind",)


def test_peers_drift_disk_and_traffic_of_this_tick_are_compared_with_the_usual(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    read_total = "stellar_overlay_message_read_total"
    for tick, (total, peers) in enumerate([(1e6, 25), (2e6, 24), (3e6, 26), (4e6, 25), (7e6, 4)]):
        archived(session, tick, NEW, {read_total: total, "stellar_peer_count": peers})
    told(session, 3, NEW, watch=["disk_pct=91"])
    found = read(a_finding(4), session)
    assert (found.peers, found.usual_peers, found.disk_pct) == (4.0, 25.0, 91.0)
    assert dict(found.traffic)[read_total] == pytest.approx(3.0)
    assert found.drift_seconds is not None
    assert "stellar_peer_count" in found.firing


def test_damage_costs_what_it_hides_and_is_said(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    a_past(session, [OLD, NEW], [1])
    first = min(archive.directory_of(session).iterdir())
    first.write_bytes(b"torn")
    found = read(a_finding(1), session)
    assert len(found.history) == 1
    assert found.missing == ("1 archived ticks could not be read",)
    assert found.since == OLD


def test_what_cannot_be_read_at_all_is_said(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    session.history.mkdir()
    session.metrics.mkdir()
    archive.directory_of(session).write_text("no directory")
    assert read(a_finding(), session).missing == (
        "the archive could not be read (NotADirectoryError)",
        "tick history could not be read (IsADirectoryError)",
        "no past tick is recorded",
    )


def test_a_tick_without_its_log_has_no_count_of_lines_and_a_restart_no_rate(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    for tick, total in enumerate([1e6, 2e6, 3e6, 1e5, 2e5]):
        archived(session, tick, NEW, {"stellar_overlay_message_read_total": total}, log=Missing("no log"))
    found = read(a_finding(4, alert_key="log:t:boom", alert_message="boom"), session)
    assert (found.history, found.traffic) == ((), ())


def test_a_session_without_a_past_says_so(tmp_path: Path) -> None:
    found = read(a_finding(), a_running_session(tmp_path))
    assert found.missing == ("no past tick is recorded",)


def test_without_time_nothing_is_read(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    a_past(session, [OLD, NEW], [1])
    found = read(a_finding(1), session, seconds=-1)
    assert found.history == ()
    assert found.missing == ("the archive was not read to its end for lack of time",)


def test_ticks_long_before_are_no_past_of_the_values(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    archived(session, 0, OLD, {LOST_SYNC: 100.0})
    late = a_finding(0, at=NOW + timedelta(days=3))
    assert read(late, session).history == ()
