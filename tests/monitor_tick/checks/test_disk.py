from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_loop.session import NodeRecord, Trial
from monitor_tick.actions import CleanUp, Outcome, PruneKept, PruneLogs, RemoveWiped
from monitor_tick.checks.disk import LABEL, after_clean_up, judge
from monitor_tick.facts import BuildJob, BuildPhase, DiskUsage, Missing, Rotation, Trees, TreeSize
from monitor_tick.memory import Memory, TreeState
from monitor_tick.verdict import Level
from tests.monitor_tick.views import GIB, LIMITS, NOW, a_dead_view, a_view, an_info, healthy_memory, some_trees

HOUR = timedelta(hours=1)


def used(pct: float) -> DiskUsage:
    return DiskUsage(total_bytes=1000 * GIB, used_bytes=int(10 * GIB * pct), used_pct=pct)


def sizes(trees: Trees, at_hours_ago: float = 24.0, **changes: object) -> TreeState:
    state = TreeState(
        at=NOW - timedelta(minutes=20),
        total_bytes=trees.session.bytes + trees.mainnet.bytes,
        buckets_bytes=trees.buckets.bytes,
        database_bytes=trees.database.bytes,
        day_at=NOW - at_hours_ago * HOUR,
        day_buckets_bytes=trees.buckets.bytes,
        day_database_bytes=trees.database.bytes,
    )
    return msgspec.structs.replace(state, **changes)


def remembering(state: TreeState | None) -> Memory:
    memory = healthy_memory()
    return msgspec.structs.replace(memory, state=msgspec.structs.replace(memory.state, trees=state))


def test_a_healthy_volume() -> None:
    verdict = judge(a_view())
    assert verdict.label == LABEL
    assert verdict.lines == ("410.0GB/1000.0GB (41%) | session+data=54.0GB",)
    assert (verdict.level, verdict.alerts, verdict.effects) == (Level.OK, (), ())
    assert verdict.watch == ("disk_pct=41",)


def test_a_dead_node_still_has_a_disk() -> None:
    assert judge(a_dead_view()).lines == judge(a_view()).lines


def test_what_cannot_be_measured_says_why() -> None:
    verdict = judge(a_view(disk=Missing("statvfs: No such file"), trees=Missing("permission denied")))
    assert verdict.lines == ("N/A (statvfs: No such file) | session+data=N/A (permission denied)",)
    assert (verdict.level, verdict.remember, verdict.watch) == (Level.OK, (), ())


def test_sizes_below_a_gigabyte_are_in_megabytes() -> None:
    trees = some_trees(session=5 * 2**20, mainnet=7 * 2**20)
    assert judge(a_view(trees=trees)).lines[0].endswith("session+data=12MB")


# --- the volume --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pct", "key", "text"),
    [
        (85.0, None, "(85%)"),
        (85.1, "disk:low", "LOW DISK — 85.1% > 85%"),
        (95.0, "disk:low", "LOW DISK — 95% > 85%"),
        (95.1, "disk:critical", "LOW DISK — 95.1% > 95%"),
    ],
)
def test_a_full_volume_is_cleaned_up_and_filed(pct: float, key: str | None, text: str) -> None:
    verdict = judge(a_view(disk=used(pct)))
    assert text in "\n".join(verdict.lines)
    assert [alert.key for alert in verdict.alerts] == ([key] if key else [])
    assert verdict.effects == ((CleanUp(),) if key else ())
    assert verdict.level is (Level.WARNING if key else Level.OK)
    assert all(alert.urgent is (key == "disk:critical") for alert in verdict.alerts)
    assert all(alert.title == f"Disk: {pct:g}% on the data volume" for alert in verdict.alerts)


@pytest.mark.parametrize(
    ("pct", "text"),
    [
        (95.1, "RESOURCE CRITICAL — disk at 95.1% after cleanup, manual intervention needed"),
        (95.0, None),
        (None, None),
    ],
)
def test_after_the_clean_up(pct: float | None, text: str | None) -> None:
    outcome = Outcome(effect=CleanUp(), done=True, line="removed nothing", used_pct=pct)
    assert after_clean_up(outcome, LIMITS) == text


# --- session and data --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mainnet", "high"), [(194 * GIB, False), (194 * GIB + 1, True)])
def test_session_and_data_together(mainnet: int, high: bool) -> None:
    verdict = judge(a_view(trees=some_trees(mainnet=mainnet)))
    assert [alert.key for alert in verdict.alerts] == ["disk:session"] * high
    if high:
        assert verdict.lines[1] == (
            "SESSION DISK HIGH — session+data disk at 200.0 GB > 200 GB (buckets: 20.0 GB, db: 27.0 GB)"
        )


def test_the_breakdown_names_parts_the_largest_and_what_was_left_over() -> None:
    trees = msgspec.structs.replace(
        some_trees(mainnet=300 * GIB),
        largest=(TreeSize(Path("/data/mainnet/buckets"), 20 * GIB),),
        leftovers=(Path("/data/mainnet/buckets/x.tmp"),),
    )
    before = sizes(some_trees(mainnet=290 * GIB))
    (alert,) = judge(a_view(trees=trees, memory=remembering(before))).alerts
    assert alert.diagnosis.splitlines() == [
        "buckets: 20.0GB",
        "db: 27.0GB",
        "logs: 512MB",
        "cargo-target: 5.0GB",
        "change since the last tick: +10.0GB",
        "/data/mainnet/buckets: 20.0GB",
        "left over: /data/mainnet/buckets/x.tmp",
    ]


def test_a_bounded_walk_says_partial_and_is_no_baseline() -> None:
    trees = some_trees()
    trees = msgspec.structs.replace(trees, mainnet=msgspec.structs.replace(trees.mainnet, partial=True))
    verdict = judge(a_view(trees=trees))
    assert verdict.lines[0].endswith("session+data=at least 54.0GB (partial)")
    assert verdict.remember == ()


@pytest.mark.parametrize(("buckets", "grown"), [(40 * GIB - 1, False), (40 * GIB, True)])
def test_a_tree_that_doubled_since_yesterday_is_filed(buckets: int, grown: bool) -> None:
    verdict = judge(a_view(trees=some_trees(buckets=buckets), memory=remembering(sizes(some_trees()))))
    assert [alert.key for alert in verdict.alerts] == ["disk:growth"] * grown
    if grown:
        (alert,) = verdict.alerts
        assert alert.title == "Disk: buckets doubled within a day"
        assert ("buckets since yesterday", "20.0GB to 40.0GB") in alert.evidence
        assert verdict.lines[1] == (
            "RESOURCE WARNING — session+data disk at 54.0 GB (buckets: 40.0 GB, db: 27.0 GB) — investigating"
        )


def test_two_trees_that_doubled_are_one_finding() -> None:
    trees = some_trees(buckets=40 * GIB, database=54 * GIB)
    (alert,) = judge(a_view(trees=trees, memory=remembering(sizes(some_trees())))).alerts
    assert alert.title == "Disk: buckets and db doubled within a day"
    assert ("db since yesterday", "27.0GB to 54.0GB") in alert.evidence


def test_a_fresh_start_and_a_small_tree_may_double() -> None:
    filling = a_view(trees=some_trees(buckets=40 * GIB), memory=remembering(sizes(some_trees())), fresh_start=True)
    assert judge(filling).alerts == ()
    small = sizes(some_trees(), day_buckets_bytes=2**20, day_database_bytes=0)
    assert judge(a_view(trees=some_trees(buckets=GIB), memory=remembering(small))).alerts == ()
    assert len(judge(a_view(trees=some_trees(buckets=GIB + 1), memory=remembering(small))).alerts) == 1


def baseline(**changes: object) -> tuple[object, ...]:
    verdict = judge(a_view(**changes))
    return tuple(
        (state.at, state.day_at, state.day_buckets_bytes) for state in verdict.remember if isinstance(state, TreeState)
    )


@pytest.mark.parametrize(("hours", "kept"), [(23.9, True), (24.0, False), (-1.0, False)])
def test_yesterdays_sizes_stay_for_a_day(hours: float, kept: bool) -> None:
    before = sizes(some_trees(buckets=15 * GIB), hours)
    expected = (NOW, before.day_at, 15 * GIB) if kept else (NOW, NOW, 20 * GIB)
    assert baseline(memory=remembering(before)) == (expected,)


def test_the_first_tick_and_a_fresh_start_begin_the_day() -> None:
    assert baseline() == ((NOW, NOW, 20 * GIB),)
    before = sizes(some_trees(buckets=1), 3.0)
    assert baseline(memory=remembering(before), fresh_start=True) == ((NOW, NOW, 20 * GIB),)


def test_an_early_tick_keeps_the_baseline() -> None:
    assert baseline(early=True) == ()


# --- old logs ----------------------------------------------------------------------------------------------------


def rotated(cause: str, hours: int) -> Rotation:
    return Rotation(Path(f"/logs/monitor.log.{cause}-{hours}"), cause, NOW - hours * HOUR)


def test_rotated_logs_beyond_the_newest_three_of_each_cause_are_pruned() -> None:
    rotations = (
        rotated("crashed", 4),
        rotated("crashed", 1),
        rotated("memory", 9),
        rotated("crashed", 5),
        rotated("crashed", 2),
        rotated("crashed", 3),
    )
    paths = ("/logs/monitor.log.crashed-4", "/logs/monitor.log.crashed-5")
    assert judge(a_view(rotations=rotations)).effects == (PruneLogs(paths),)


def test_three_of_each_cause_are_kept() -> None:
    rotations = tuple(rotated(cause, hours) for cause in ("crashed", "frozen") for hours in (1, 2, 3))
    assert judge(a_view(rotations=rotations)).effects == ()


def build_log(sha: str, hours: int) -> Rotation:
    return Rotation(Path(f"/logs/build-{sha}.log"), "build", NOW - hours * HOUR)


def test_the_logs_of_the_newest_three_builds_are_kept_and_that_of_the_last_one() -> None:
    logs = tuple(build_log(f"{hours:08x}", hours) for hours in (5, 1, 2, 3, 4))
    crashed = tuple(rotated("crashed", hours) for hours in (1, 2, 3))
    paths = ("/logs/build-00000004.log", "/logs/build-00000005.log")
    assert judge(a_view(rotations=crashed, build_logs=logs)).effects == (PruneLogs(paths),)
    last = BuildJob(sha="5" * 40, phase=BuildPhase.BUILDING, started_at=NOW, log=paths[1])
    assert judge(a_view(rotations=crashed, build_logs=logs, job=last)).effects == (PruneLogs(paths[:1]),)


def test_put_aside_data_goes_after_its_time_or_when_a_full_disk_needs_the_room() -> None:
    assert judge(a_view(wiped_data=True)).effects == ()
    assert judge(a_view(wiped_data=True, wiped_expired=True)).effects == (RemoveWiped(LIMITS.wiped_kept_hours),)
    assert judge(a_view(wiped_data=True, disk=used(90.0))).effects == (CleanUp(),)
    assert judge(a_view(wiped_data=True, disk=used(95.1))).effects == (CleanUp(), RemoveWiped(0))
    assert judge(a_view(disk=used(95.1))).effects == (CleanUp(),)


def test_two_binaries_are_kept_and_what_is_on_its_way() -> None:
    deployed, good, old, building = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
    node = NodeRecord(deployed_sha=deployed, last_good_sha=good)
    kept = (deployed, good, old)
    (effect,) = judge(a_view(node=node, kept=kept, info=an_info(commit_hash=deployed))).effects
    assert effect == PruneKept((deployed, good))
    job = BuildJob(sha=building, phase=BuildPhase.BUILT, started_at=NOW)
    assert judge(a_view(node=node, kept=(deployed, good, building), job=job, build_sha=deployed)).effects == ()
    trial = Trial(sha=deployed, previous=old, since=NOW, left=2)
    on_trial = msgspec.structs.replace(node, trial=trial)
    assert judge(a_view(node=on_trial, kept=kept, info=an_info(commit_hash=deployed))).effects == ()
    assert judge(a_view(node=NodeRecord(), kept=kept)).effects == ()
