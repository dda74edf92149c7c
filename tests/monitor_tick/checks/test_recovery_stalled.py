"""Check 12b: the line, identity before the skip, what is stored, and the streak."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.session import Identity
from monitor_tick.catalog import default_directory
from monitor_tick.checks import CHECKS, metrics, metrics_ratio, recovery_stalled
from monitor_tick.facts import Missing
from monitor_tick.memory import CounterStreak
from monitor_tick.verdict import Level, Verdict
from tests.monitor_tick.ratio_views import BEHIND, Ticks, a_ratio_scrape
from tests.monitor_tick.views import DEAD, IDENTITY, a_process, a_watcher_view

KEY = 'henyey_recovery_stalled_tick_total{reason="forcing_catchup_behind"}'
OTHER_RUN = Identity(pid=4711, start_ticks=990_001, boot_id=IDENTITY.boot_id)
NO_ANSWER = Missing("no answer in 5 s")


def through(*values: float | Missing | None) -> tuple[Ticks, list[str]]:
    """The lines of one tick for each value of the counter."""
    ticks = Ticks()
    return ticks, [ticks.recovery(value).lines[0] for value in values]


def lines(*values: float | Missing | None) -> list[str]:
    return through(*values)[1]


def last(*values: float | Missing | None) -> Verdict:
    ticks, _ = through(*values[:-1])
    return ticks.recovery(values[-1])


def test_a_watcher_has_no_recovery_line() -> None:
    assert recovery_stalled.judge(a_watcher_view(scrape=a_ratio_scrape())) is None


def test_the_report_has_it_after_the_ratios() -> None:
    assert CHECKS[CHECKS.index(metrics) :][:3] == (metrics, metrics_ratio, recovery_stalled)


def test_L29_single_increments_are_no_finding_and_the_third_in_a_row_is() -> None:
    assert lines(2, 2, 3, 3, 4, 6, 7, 9, 9) == [
        "collecting baseline",
        "ok (delta=0)",
        "breach (delta=1, streak 1/3)",
        "ok (delta=0)",
        "breach (delta=1, streak 1/3)",
        "breach (delta=2, streak 2/3)",
        "WARNING delta=1 (3 ticks) — investigating",
        "WARNING delta=2 (4 ticks) — investigating",
        "ok (delta=0)",
    ]


def test_L29_a_burst_fires_at_once_and_one_below_it_does_not() -> None:
    assert lines(0, 9)[-1] == "breach (delta=9, streak 1/3)"
    assert lines(0, 10)[-1] == "WARNING delta=10 (burst) — investigating"
    assert lines(0, 10, 11)[-1] == "breach (delta=1, streak 2/3)"
    assert lines(0, 1, 2, 22)[-1] == "WARNING delta=20 (burst) — investigating"


def test_the_alert_has_the_key_and_title_of_the_design_and_raises_the_level() -> None:
    verdict = last(0, 1, 2, 3)
    (alert,) = verdict.alerts
    assert verdict.level is Level.WARNING
    assert (alert.key, alert.scope, alert.cooldown_key) == (f"metric:{KEY}", "row", KEY)
    assert alert.title == f"metrics: {KEY} — sustained breach"
    assert alert.metrics == ("henyey_recovery_stalled_tick_total",)
    assert dict(alert.evidence)["interval"] == "1200s"
    assert last(0, 1).level is Level.OK


def test_each_tick_has_its_decision() -> None:
    judged = last(0, 1).decisions[0]
    assert (judged.alarm, judged.state, judged.value, judged.threshold) == (KEY, "breach", 1.0, 1.0)
    assert ("streak", "1/3") in judged.inputs
    assert last(0, 20).decisions[0].threshold == 10.0
    assert [last(0, value).decisions[0].state for value in (0, NO_ANSWER, None)] == ["quiet", "skipped", "skipped"]
    assert last(5).decisions[0].state == "new baseline"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (NO_ANSWER, "fetch failed"),
        (Missing("recorder not installed"), "recorder not installed"),
        (None, "label missing"),
        (math.nan, "not a number"),
    ],
)
def test_L43_a_skip_keeps_the_value_and_breaks_the_streak(value: float | Missing | None, reason: str) -> None:
    ticks, _ = through(0, 1, 2)
    assert ticks.recovery(value).lines == (f"skipped ({reason})",)
    stored = ticks.memory.recovery.snapshot
    assert stored is not None
    assert (stored.value, stored.streak) == (2.0, 0)
    assert ticks.recovery(3).lines == ("breach (delta=1, streak 1/3)",)


def test_a_series_that_is_not_in_the_scrape_is_a_dead_alarm() -> None:
    assert last(0, None).reflections == (f"dead alarm: {KEY} (label missing)",)
    assert last(0, NO_ANSWER).reflections == ()


def test_L30_another_label_value_disables_nothing() -> None:
    ticks, _ = through(0)
    scrape = a_ratio_scrape(behind=10)
    scrape = msgspec.structs.replace(scrape, samples={**scrape.samples, (BEHIND[0], (("reason", "new"),)): 99.0})
    assert recovery_stalled.judge(ticks.view(scrape)).lines == ("WARNING delta=10 (burst) — investigating",)  # type: ignore[union-attr]  # a validator


@pytest.mark.parametrize("value", [NO_ANSWER, None])
def test_L44_without_a_valid_value_a_skip_leaves_no_snapshot_and_no_burst_follows(value: Missing | None) -> None:
    ticks, _ = through(value)
    assert ticks.memory.recovery == CounterStreak()
    assert ticks.recovery(500).lines == ("collecting baseline",)


@pytest.mark.parametrize("value", [NO_ANSWER, None])
def test_L44_after_a_restart_a_skip_leaves_no_snapshot(value: Missing | None) -> None:
    ticks, _ = through(0, 1)
    process = {"process": a_process(identity=OTHER_RUN)} if isinstance(value, Missing) else {}
    assert ticks.recovery(value, OTHER_RUN, **process).lines[0].startswith("skipped")
    assert ticks.memory.recovery == CounterStreak()
    assert ticks.recovery(500, OTHER_RUN).lines == ("collecting baseline",)


def test_a_node_that_is_gone_keeps_its_value_until_another_run_is_seen() -> None:
    ticks, _ = through(0, 1)
    assert ticks.recovery(NO_ANSWER, process=DEAD).lines == ("skipped (fetch failed)",)
    assert ticks.memory.recovery.snapshot is not None
    assert ticks.recovery(0, OTHER_RUN).lines == ("collecting baseline",)


@pytest.mark.parametrize("identity", [OTHER_RUN, Identity(4712, 990_000, IDENTITY.boot_id)])
def test_identity_comes_first(identity: Identity) -> None:
    ticks, _ = through(0, 1, 2)
    assert ticks.recovery(30, identity).lines == ("collecting baseline",)
    assert ticks.recovery(31, identity).lines == ("breach (delta=1, streak 1/3)",)


def test_a_counter_that_fell_is_a_baseline() -> None:
    assert lines(0, 1, 2, 1, 2)[-2:] == ["collecting baseline", "breach (delta=1, streak 1/3)"]


@pytest.mark.parametrize("changes", [{"fresh_start": True}, {"gap": 900}, {"warming_up": True, "restarted": True}])
def test_it_runs_whatever_the_ratios_skip(changes: dict[str, object]) -> None:
    ticks, _ = through(0)
    assert ticks.recovery(1, **changes).lines == ("breach (delta=1, streak 1/3)",)


def test_an_early_tick_judges_and_moves_nothing() -> None:
    ticks, _ = through(0, 1, 2)
    before = ticks.memory
    for value, line in (
        (3, "breach (delta=1, streak 2/3)"),
        (40, "WARNING delta=38 (burst) — investigating"),
        (2, "ok"),
    ):
        assert ticks.recovery(value, early=True).lines[0].startswith(line)
    for gone in (None, NO_ANSWER):
        ticks.recovery(gone, early=True)
    assert ticks.memory == before
    assert ticks.recovery(3).lines == ("WARNING delta=1 (3 ticks) — investigating",)


def test_L46_the_numbers_stand_in_the_constants_file_alone() -> None:
    """Other constants judge otherwise, with nothing else changed."""
    ticks, _ = through(0)
    view = ticks.view(a_ratio_scrape(behind=4))
    rules = msgspec.structs.replace(view.rules, recovery=msgspec.structs.replace(view.rules.recovery, delta=5))
    verdict = recovery_stalled.judge(msgspec.structs.replace(view, rules=rules))
    assert verdict is not None
    assert verdict.lines == ("ok (delta=4)",)
    assert "label = 'reason=\"forcing_catchup_behind\"'" in (
        default_directory() / "check-12b-constants.toml"
    ).read_text(encoding="utf-8")


# --- the streak against a plain model ----------------------------------------------------------------------------

EVENTS = (
    "0",
    "1",
    "3",
    "9",
    "10",
    "25",
    "no scrape",
    "no label",
    "restart",
    "gone and restarted",
    "fell",
    "malformed",
    "early 1",
)


class Model:
    """The user's words, without the product's code."""

    def __init__(self) -> None:
        self.stored: int | None = None
        self.streak = 0

    def skip(self, *, same_run: bool) -> str:
        self.streak = 0
        self.stored = self.stored if same_run else None
        return "skipped"

    def see(self, value: int, *, same_run: bool, early: bool) -> str:
        known = self.stored if same_run else None
        if known is None or value < known:
            if not early:
                self.stored, self.streak = value, 0
            return "collecting baseline"
        delta = value - known
        streak = self.streak + (not early) if delta >= 1 else 0
        if not early:
            self.stored, self.streak = value, streak
        if delta >= 10:
            return f"WARNING delta={delta} (burst)"
        if delta == 0:
            return "ok (delta=0)"
        return (
            f"WARNING delta={delta} ({streak} ticks)" if streak >= 3 else f"breach (delta={delta}, streak {streak}/3)"
        )


@given(events=st.lists(st.sampled_from((*EVENTS, "1", "1", "3")), max_size=30))
def test_L45_random_sequences_count_as_the_plain_model_does(events: list[str]) -> None:
    ticks, model, value, identity = Ticks(), Model(), 0, IDENTITY
    for event in events:
        restarted = "restart" in event
        if restarted:
            identity = Identity(identity.pid, identity.start_ticks + 1, identity.boot_id)
        if event == "malformed":
            ticks.memory = msgspec.structs.replace(ticks.memory, recovery=CounterStreak())
            model.stored = None
        if event in ("no scrape", "gone and restarted"):
            expected = model.skip(same_run=not restarted)
            line = ticks.recovery(NO_ANSWER, process=a_process(identity=identity)).lines[0]
        elif event == "no label":
            expected = model.skip(same_run=True)
            line = ticks.recovery(None, identity).lines[0]
        else:
            seen = 0 if event == "fell" else value + int(event.split()[-1] if event[-1].isdigit() else 2)
            early = event.startswith("early")
            expected = model.see(seen, same_run=not restarted, early=early)
            line = ticks.recovery(seen, identity, early=early).lines[0]
            value = value if early else seen
        assert line.startswith(expected), (event, line)
        stored = ticks.memory.recovery.snapshot
        assert (stored.value if stored else None) == model.stored
        assert (stored.streak if stored else 0) == (model.streak if stored else 0)
