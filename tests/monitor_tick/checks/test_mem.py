from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_loop.session import Identity
from monitor_tick.actions import Act, StopBuild
from monitor_tick.alert import Alert, Tier
from monitor_tick.checks.mem import LABEL, judge, needs_second_memory
from monitor_tick.facts import (
    BuildJob,
    BuildPhase,
    HostMemory,
    MemoryComponent,
    Missing,
    ProcessMemory,
    Rotation,
    SecondLook,
)
from monitor_tick.memory import Memory, RssState
from monitor_tick.verdict import Level, Verdict
from tests.monitor_tick.views import (
    IDENTITY,
    LEDGER,
    NOW,
    a_dead_view,
    a_log,
    a_memory_report,
    a_process_memory,
    a_view,
    healthy_memory,
)

GB = 1024
NODE_LINES = (
    "7588MB rss | alloc=6101MB resident=7211MB frag=18.2%",
    "heap=5243MB mmap=11043MB unaccounted=+858MB",
)
PLENTY = HostMemory(total_mb=32 * GB, available_mb=20 * GB)


def rss(mb: int) -> ProcessMemory:
    return a_process_memory(rss_mb=mb)


def last_rss(mb: int, identity: Identity = IDENTITY) -> Memory:
    memory = healthy_memory()
    return msgspec.structs.replace(memory, state=msgspec.structs.replace(memory.state, rss=RssState(identity, mb)))


def twice(rss_mb: int, available_mb: int, *, total_mb: int = 32 * GB, **changes: object) -> Verdict:
    """The verdict after two equal looks."""
    memory, host = rss(rss_mb), HostMemory(total_mb, available_mb)
    second = SecondLook(process_memory=memory, host_memory=host)
    return judge(a_view(process_memory=memory, host_memory=host, second=second, **changes))


def only(verdict: Verdict) -> Alert:
    (alert,) = verdict.alerts
    return alert


def test_a_settled_node() -> None:
    verdict = judge(a_view())
    assert (verdict.label, verdict.lines, verdict.level, verdict.alerts) == (LABEL, NODE_LINES, Level.OK, ())
    assert verdict.remember == (RssState(IDENTITY, 7588),)
    assert verdict.watch == ("rss_mb=7588", "frag_pct=18.2")


def test_the_newest_report_counts_whatever_the_order() -> None:
    reports = (a_memory_report(), a_memory_report(at=NOW - timedelta(minutes=6), heap_mb=1.0))
    assert judge(a_view(log=a_log(memory_reports=reports))).lines == NODE_LINES


def test_a_dead_node_is_not_judged() -> None:
    verdict = judge(a_dead_view(memory=last_rss(9000)))
    assert (verdict.lines, verdict.remember, verdict.level) == (("N/A (no process)",), (), Level.OK)


def test_memory_that_cannot_be_read_says_why() -> None:
    verdict = judge(a_view(process_memory=Missing("permission denied")))
    assert verdict.lines[0] == "rss N/A (permission denied) | alloc=6101MB resident=7211MB frag=18.2%"
    assert (verdict.level, verdict.remember) == (Level.OK, ())


# --- high, leak --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mb", "high"), [(12 * GB, False), (12 * GB + 1, True)])
def test_high_and_stable(mb: int, high: bool) -> None:
    verdict = judge(a_view(process_memory=rss(mb), memory=last_rss(mb)))
    warning = f"RESOURCE WARNING — RSS 12.0 GB at L{LEDGER}, stable — monitoring"
    assert (verdict.lines[-1] == warning) is high
    assert verdict.level is (Level.WARNING if high else Level.OK)
    assert [(alert.key, alert.title) for alert in verdict.alerts] == [("memory:high", "Memory: RSS 12.0 GB")] * high
    assert verdict.wants is None


@pytest.mark.parametrize(("before", "leak"), [(8 * GB - 1025, True), (8 * GB - 1024, False)])
def test_growth_since_the_last_full_tick_is_a_suspected_leak(before: int, leak: bool) -> None:
    verdict = judge(a_view(process_memory=rss(8 * GB), memory=last_rss(before)))
    assert [alert.key for alert in verdict.alerts] == ["memory:leak"] * leak
    if leak:
        assert verdict.lines[-1] == f"RESOURCE WARNING — RSS grew 1.0 GB in 20m at L{LEDGER}, suspected leak"
        assert only(verdict).title == "Memory: RSS grew 1.0 GB in 20m"


@pytest.mark.parametrize(("uptime", "leak"), [(timedelta(minutes=30), False), (timedelta(minutes=30, seconds=1), True)])
def test_growth_while_caches_fill_is_expected(uptime: timedelta, leak: bool) -> None:
    verdict = judge(a_view(process_memory=rss(8 * GB), memory=last_rss(5 * GB), uptime=uptime))
    assert bool(verdict.alerts) is leak


def test_growth_is_of_one_run_only() -> None:
    other = msgspec.structs.replace(IDENTITY, start_ticks=1)
    assert judge(a_view(process_memory=rss(8 * GB), memory=last_rss(2 * GB, other))).alerts == ()


def test_growth_above_the_high_mark_is_a_leak_and_not_called_stable() -> None:
    verdict = judge(a_view(process_memory=rss(13 * GB), memory=last_rss(11 * GB)))
    assert only(verdict).key == "memory:leak"


def test_stable_is_said_only_where_an_earlier_reading_says_so() -> None:
    young = judge(a_view(process_memory=rss(13 * GB), memory=last_rss(2 * GB), uptime=timedelta(minutes=21)))
    assert young.lines[-1].endswith("grew 11.0 GB since the last tick — monitoring")
    first = judge(a_view(process_memory=rss(13 * GB)))
    assert first.lines[-1].endswith("no earlier reading — monitoring")


def test_growth_needs_a_size_now() -> None:
    assert judge(a_view(process_memory=Missing("gone"), memory=last_rss(2 * GB))).alerts == ()


def test_an_early_tick_keeps_the_baseline() -> None:
    assert judge(a_view(early=True)).remember == ()


# --- critical ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rss_mb", "available_mb", "needed"),
    [(16 * GB, 4 * GB, False), (16 * GB + 1, 4 * GB, True), (16 * GB, 4 * GB - 1, True)],
)
def test_only_critical_memory_needs_a_second_look(rss_mb: int, available_mb: int, needed: bool) -> None:
    host = HostMemory(32 * GB, available_mb)
    assert needs_second_memory(a_view(process_memory=rss(rss_mb), host_memory=host)) is needed
    assert not needs_second_memory(a_dead_view(host_memory=host))


def test_rss_beyond_the_limit_on_two_looks_wants_a_restart() -> None:
    verdict = twice(17 * GB, 10 * GB)
    assert verdict.lines[-1] == "HIGH MEMORY — RSS 17.0 GB > 16 GB, on two looks — restart wanted"
    assert verdict.wants is not None
    assert (verdict.wants.act, verdict.wants.why) == (
        Act.RESTART,
        "memory pressure: RSS 17.0 GB > 16 GB, on two looks",
    )
    alert = only(verdict)
    assert (alert.key, alert.tier, alert.urgent) == ("memory:critical", Tier.ACTION, True)


@pytest.mark.parametrize(
    "second",
    [
        None,
        SecondLook(),
        SecondLook(process_memory=Missing("gone"), host_memory=PLENTY),
        SecondLook(process_memory=rss(16 * GB), host_memory=PLENTY),
        # The other limit on the second look is not the same finding twice.
        SecondLook(process_memory=rss(9 * GB), host_memory=HostMemory(32 * GB, 1 * GB)),
    ],
)
def test_L14_one_look_restarts_nothing(second: SecondLook | None) -> None:
    verdict = judge(a_view(process_memory=rss(17 * GB), host_memory=PLENTY, second=second))
    assert verdict.wants is None
    assert [alert.key for alert in verdict.alerts] == ["memory:high"]


@pytest.mark.parametrize(
    ("rss_mb", "total_mb", "largest"), [(8 * GB + 513, 20 * GB, True), (8 * GB + 512, 20 * GB, False)]
)
def test_scarce_memory_restarts_only_the_largest_process(rss_mb: int, total_mb: int, largest: bool) -> None:
    verdict = twice(rss_mb, 3 * GB, total_mb=total_mb)
    assert only(verdict).key == "memory:critical"
    assert (verdict.wants is not None) is largest
    why = "restart wanted" if largest else "no restart: the node is not known to be the largest process"
    assert verdict.lines[-1] == f"HIGH MEMORY — available 3.0 GB < 4 GB, on two looks — {why}"


BUILD = BuildJob(sha="c" * 40, phase=BuildPhase.BUILDING, started_at=NOW - timedelta(minutes=9), pid=99)


@pytest.mark.parametrize(("rss_mb", "available_mb"), [(17 * GB, 8 * GB), (9 * GB, 3 * GB), (2 * GB, 3 * GB)])
@pytest.mark.parametrize("recovering", [False, True])
def test_a_build_is_stopped_before_the_node_is_restarted(rss_mb: int, available_mb: int, recovering: bool) -> None:
    verdict = twice(rss_mb, available_mb, job=BUILD, crash_recovery=recovering)
    (stop,) = verdict.effects
    assert isinstance(stop, StopBuild)
    assert stop.why.startswith("memory, ")
    assert verdict.wants is None
    assert "the build of cccccccc is stopped first" in verdict.lines[-1]


@pytest.mark.parametrize("phase", [BuildPhase.FAILED, BuildPhase.BUILT])
def test_the_node_is_restarted_where_stopping_the_build_did_not_help(phase: BuildPhase) -> None:
    verdict = twice(17 * GB, 8 * GB, job=msgspec.structs.replace(BUILD, phase=phase))
    assert verdict.wants is not None
    assert verdict.effects == ()


def test_both_limits_at_once_are_both_named() -> None:
    verdict = twice(17 * GB, 2 * GB)
    both = "RSS 17.0 GB > 16 GB, available 2.0 GB < 4 GB"
    assert verdict.lines[-1] == f"HIGH MEMORY — {both}, on two looks — restart wanted"
    assert only(verdict).title == "Memory: critical, RSS 17.0 GB > 16 GB"


@pytest.mark.parametrize("start", ["fresh_start", "crash_recovery"])
@pytest.mark.parametrize(("available_mb", "restart"), [(1 * GB, False), (1 * GB - 1, True)])
def test_L14_a_recovering_node_is_restarted_only_as_a_last_resort(start: str, available_mb: int, restart: bool) -> None:
    verdict = twice(17 * GB, available_mb, **{start: True})
    assert (verdict.wants is not None) is restart
    assert verdict.lines[-1].endswith("restart wanted" if restart else "no restart: recovering")
    assert only(verdict).urgent


@pytest.mark.parametrize(("advanced", "restart"), [(1, False), (0, True), (None, True)])
def test_L14_a_node_that_gains_on_the_network_is_not_restarted_whatever_its_start(
    advanced: int | None, restart: bool
) -> None:
    verdict = twice(17 * GB, 10 * GB, in_real_time=False, age_seconds=400.0, advanced=advanced)
    assert (verdict.wants is not None) is restart


@pytest.mark.parametrize(
    ("cause", "age", "restart"),
    [
        ("memory", timedelta(minutes=119), False),
        ("memory", timedelta(hours=2), True),
        ("crashed", timedelta(minutes=1), True),
    ],
)
def test_L14_a_second_restart_for_memory_within_two_hours_is_only_reported(
    cause: str, age: timedelta, restart: bool
) -> None:
    verdict = twice(17 * GB, 10 * GB, rotations=(Rotation(Path("/x"), cause, NOW - age),))
    assert (verdict.wants is not None) is restart
    assert only(verdict).key == "memory:critical"


# --- the report --------------------------------------------------------------------------------------------------


def without_report(**changes: object) -> Verdict:
    return judge(a_view(log=a_log(memory_reports=()), **changes))


@pytest.mark.parametrize(
    ("uptime", "missing"),
    [(timedelta(seconds=372), False), (timedelta(seconds=400), False), (timedelta(seconds=401), True)],
)
def test_L20_a_report_is_not_missing_before_one_is_due(uptime: timedelta, missing: bool) -> None:
    verdict = without_report(uptime=uptime)
    assert verdict.lines[0] == "7588MB rss | " + ("memory-report-missing" if missing else "N/A (warmup)")
    assert verdict.level is (Level.WARNING if missing else Level.OK)
    if missing:
        alert = only(verdict)
        assert (alert.key, alert.tier) == ("memory:report-missing", Tier.NONC)
        assert alert.title == "Non-critical: memory report missing"


def test_no_report_is_due_from_a_fresh_start_that_has_closed_no_ledger() -> None:
    verdict = without_report(fresh_start=True, ledger=None, uptime=timedelta(hours=1))
    assert (verdict.lines, verdict.level) == (("7588MB rss | N/A (no ledger closed yet)",), Level.OK)
    assert without_report(ledger=None, uptime=timedelta(hours=1)).level is Level.WARNING


def test_an_unreadable_log_is_no_missing_report() -> None:
    verdict = judge(a_view(log=Missing("permission denied")))
    assert (verdict.lines, verdict.level) == (("7588MB rss | N/A (permission denied)",), Level.OK)


@pytest.mark.parametrize(("pct", "high"), [(50.0, False), (50.1, True)])
def test_fragmentation(pct: float, high: bool) -> None:
    verdict = judge(a_view(log=a_log(memory_reports=(a_memory_report(fragmentation_pct=pct),))))
    assert [alert.title for alert in verdict.alerts] == ["Memory: fragmentation 50.1%"] * high
    assert (verdict.lines[-1] == "HIGH FRAGMENTATION — 50.1% > 50%") is high


@pytest.mark.parametrize(
    ("mb", "text"), [(1000.0, "+1000MB"), (1001.0, "+1001MB (noted)"), (-1500.0, "-1500MB"), (0.0, "+0MB")]
)
def test_unaccounted_memory_is_noted_and_signed(mb: float, text: str) -> None:
    verdict = judge(a_view(log=a_log(memory_reports=(a_memory_report(unaccounted_mb=mb),))))
    assert verdict.lines[1] == f"heap=5243MB mmap=11043MB unaccounted={text}"
    assert verdict.level is Level.OK


def test_the_diagnosis_shows_what_grew() -> None:
    before = a_memory_report(at=NOW - timedelta(seconds=380), ledger=LEDGER - 75, heap_mb=4700.0)
    now = a_memory_report(
        components=(MemoryComponent("offers", 1904.6, "heap"), MemoryComponent("new_one", 7.0, "heap"))
    )
    diagnosis = only(judge(a_view(process_memory=rss(13 * GB), log=a_log(memory_reports=(before, now))))).diagnosis
    assert "RSS: 13312MB, VSZ: 31000MB, VmPeak: 31500MB, VmSwap: 0MB, Threads: 42" in diagnosis
    assert "smaps_rollup: Rss: 7770112kB" in diagnosis
    assert "offers (heap): 1904.6MB (+1000.0MB)" in diagnosis
    assert "new_one (heap): 7.0MB (new)" in diagnosis
    assert "heap components grew between the last two reports (+543MB, limit 500MB)" in diagnosis
    assert f"ledger: L{LEDGER}, uptime: 1560m" in diagnosis


def test_the_diagnosis_of_a_heap_that_did_not_grow() -> None:
    diagnosis = only(judge(a_view(process_memory=rss(13 * GB)))).diagnosis
    assert "heap components did not grow between the last two reports (+0MB, limit 500MB)" in diagnosis


def test_the_diagnosis_without_process_memory_or_reports() -> None:
    verdict = without_report(uptime=timedelta(hours=1), process_memory=Missing("gone"), host_memory=Missing("gone"))
    alert = only(verdict)
    assert alert.diagnosis == f"ledger: L{LEDGER}, uptime: 60m"
    assert alert.evidence[2:] == (
        ("rss", "? (gone)"),
        ("rss at the last full tick", "unknown"),
        ("available", "? (gone)"),
    )
