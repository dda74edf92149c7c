"""The three ratio checks: the line, the skips, the streaks and what is filed."""

from __future__ import annotations

import math
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.session import Identity
from monitor_tick.checks import metrics_ratio
from monitor_tick.facts import LogEntry, Missing
from monitor_tick.judging.ratio_counters import REASONS
from monitor_tick.memory import RatioBaseline
from monitor_tick.metrics import Scrape, Series
from monitor_tick.verdict import Decision, Level, Verdict
from tests.monitor_tick.alarm_views import AFTER, BEFORE
from tests.monitor_tick.ratio_views import Ticks, a_ratio_scrape, outcome
from tests.monitor_tick.views import IDENTITY, NOW, a_log, a_watcher_view, an_info

OTHER_RUN = Identity(pid=4712, start_ticks=990_001, boot_id=IDENTITY.boot_id)
HEALTHY = {"accepted": 100, "other": 900, "failed": 100, "succeeded": 300, "too_old": 10, "received": 100}
OLD_BUILD, NEW_BUILD = "a" * 40, "b" * 40


class Node(Ticks):
    """A node whose counters grow; `tick(**growth)` lets them and judges."""

    def __init__(self) -> None:
        super().__init__()
        self.counters = dict.fromkeys(HEALTHY, 0.0)
        self.verdict = self.tick()

    def grow(self, **growth: float) -> Scrape:
        for name, value in growth.items():
            self.counters[name] += value
        return a_ratio_scrape(**self.counters)

    def tick(self, changes: dict[str, object] | None = None, **growth: float) -> Verdict:
        return self.ratios(self.grow(**growth), **(changes or {}))

    def say(self, **growth: float) -> str:
        return self.tick(**(HEALTHY | growth)).lines[0]


def decision(verdict: Verdict, check: str) -> Decision:
    return next(each for each in verdict.decisions if each.alarm == f"ratio:{check}")


def test_a_watcher_has_no_ratio_line() -> None:
    assert metrics_ratio.judge(a_watcher_view(scrape=a_ratio_scrape())) is None


def test_the_recorded_pair_of_scrapes_is_healthy() -> None:
    ticks = Ticks()
    assert ticks.ratios(BEFORE).lines == ("collecting baseline",)
    verdict = ticks.ratios(AFTER)
    assert verdict.lines == ("scp ok (accept=16%), apply ok (fail=24%), pending skipped (low volume)",)
    assert verdict.level is Level.OK
    assert not verdict.alerts
    assert not verdict.reflections
    assert [each.state for each in verdict.decisions] == ["quiet", "quiet", "low volume"]


def test_L42_the_line_through_three_breaching_ticks_and_after() -> None:
    node = Node()
    assert node.verdict.lines == ("collecting baseline",)
    assert node.say() == "scp ok (accept=10%), apply ok (fail=25%), pending ok (too_old=10%)"
    sick = {"accepted": 30, "other": 970, "failed": 300, "succeeded": 100, "too_old": 80}
    breaching = ", ".join(
        f"{check} (streak {{0}}/3)"
        for check in ("scp breach accept=3%", "apply breach fail=75%", "pending breach too_old=80%")
    )
    assert node.say(**sick) == breaching.format(1)
    assert node.say(**sick) == breaching.format(2)
    for ticks in (3, 4):
        assert node.say(**sick) == (
            f"scp WARNING accept=3%<5% ({ticks} ticks), "
            f"apply WARNING fail=75%>50% ({ticks} ticks) — investigating, "
            f"pending WARNING too_old=80%>50% ({ticks} ticks)"
        )
    assert node.say() == "scp ok (accept=10%), apply ok (fail=25%), pending ok (too_old=10%)"
    assert node.say(**sick) == breaching.format(1)


def test_L42_each_check_has_a_streak_of_its_own() -> None:
    node = Node()
    node.say(accepted=10, other=990)
    assert node.say(accepted=10, other=990, too_old=90) == (
        "scp breach accept=1% (streak 2/3), apply ok (fail=25%), pending breach too_old=90% (streak 1/3)"
    )
    assert node.say(accepted=0, other=499, too_old=90) == (
        "scp skipped (low volume), apply ok (fail=25%), pending breach too_old=90% (streak 2/3)"
    )
    assert node.say(accepted=10, other=990, too_old=90) == (
        "scp breach accept=1% (streak 1/3), apply ok (fail=25%), pending WARNING too_old=90%>50% (3 ticks)"
    )


@pytest.mark.parametrize(
    ("growth", "words"),
    [
        ({"accepted": 25, "other": 475}, "scp ok (accept=5%)"),
        ({"accepted": 24, "other": 476}, "scp breach accept=4% (streak 1/3)"),
        ({"accepted": 49, "other": 951}, "scp breach accept=4% (streak 1/3)"),
        ({"accepted": 0, "other": 500}, "scp breach accept=0% (streak 1/3)"),
        ({"accepted": 0, "other": 499}, "scp skipped (low volume)"),
        ({"failed": 100, "succeeded": 100}, "apply ok (fail=50%)"),
        ({"failed": 101, "succeeded": 99}, "apply breach fail=51% (streak 1/3)"),
        ({"failed": 5001, "succeeded": 4999}, "apply breach fail=51% (streak 1/3)"),
        ({"failed": 199, "succeeded": 0}, "apply skipped (low volume)"),
        ({"too_old": 50, "received": 100}, "pending ok (too_old=50%)"),
        ({"too_old": 51, "received": 100}, "pending breach too_old=51% (streak 1/3)"),
        ({"too_old": 99, "received": 99}, "pending skipped (low volume)"),
    ],
)
def test_L22_the_boundaries_of_share_and_volume(growth: dict[str, float], words: str) -> None:
    assert words in Node().say(**growth)


def test_L34_each_operand_is_read_by_its_own_selector() -> None:
    """Direct processing counts as taken in, and all 14 reasons are the denominator."""
    node = Node()
    samples = dict(node.grow(**HEALTHY).samples)
    for number, reason in enumerate(REASONS):
        samples[outcome(reason)] = 100.0 * (number + 1)
    verdict = node.ratios(Scrape(IDENTITY, NOW, {}, samples))
    taken = samples[outcome("accepted")] + samples[outcome("processed_directly")]
    scp = decision(verdict, "scp")
    assert ("numerator delta", f"{taken:.0f}") in scp.inputs
    assert ("denominator delta", "10500") in scp.inputs
    assert scp.value == taken / 10_500
    assert decision(verdict, "apply").value == 0.25


SICK = {"accepted": 0, "other": 1000, "failed": 400, "succeeded": 0, "too_old": 100, "received": 100}


def a_sick_node(ticks: int = 2) -> Node:
    node = Node()
    for _ in range(ticks):
        node.tick(**SICK)
    return node


def without(scrape: Scrape, series: Series) -> Scrape:
    return msgspec.structs.replace(
        scrape, samples={key: value for key, value in scrape.samples.items() if key != series}
    )


def with_value(scrape: Scrape, series: Series, value: float) -> Scrape:
    return msgspec.structs.replace(scrape, samples={**scrape.samples, series: value})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fresh_start": True}, "not in sync"),
        ({"gap": 6}, "not in sync"),
        ({"uptime": timedelta(minutes=9, seconds=59)}, "warmup"),
        ({"scrape": Missing("no answer in 5 s")}, "fetch failed"),
        ({"scrape": Missing("recorder not installed")}, "recorder not installed"),
    ],
)
def test_L43_a_skip_empties_the_snapshot_and_every_streak(changes: dict[str, object], reason: str) -> None:
    node = a_sick_node()
    scrape = changes.pop("scrape", None) or node.grow(**SICK)
    assert isinstance(scrape, Scrape | Missing)
    verdict = node.ratios(scrape, **changes)
    assert verdict.lines == (f"skipped ({reason})",)
    assert verdict.remember == (RatioBaseline(),)
    assert {(each.state, each.reason) for each in verdict.decisions} == {("skipped", reason)}
    assert node.tick(**SICK).lines == ("collecting baseline",)
    assert "(streak 1/3)" in node.tick(**SICK).lines[0]


@pytest.mark.parametrize("changes", [{"gap": 5}, {"gap": None}, {"uptime": timedelta(minutes=10)}])
def test_what_is_just_inside_the_limits_is_judged(changes: dict[str, object]) -> None:
    assert "ok" in Node().tick(changes, **HEALTHY).lines[0]


def test_the_age_of_the_scrape_says_whether_the_node_is_in_sync() -> None:
    for age, line in ((30, "scp ok"), (31, "skipped (not in sync)"), (None, "skipped (missing counters)")):
        node = Node()
        verdict = node.ratios(msgspec.structs.replace(a_ratio_scrape(**(node.counters | HEALTHY), age=age)))
        assert verdict.lines[0].startswith(line)


@pytest.mark.parametrize("name", ["stellar_ledger_apply_success_total", "stellar_ledger_apply_failure_total"])
@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_global_counter_that_is_missing_or_no_number_skips_all_three(name: str, value: float | None) -> None:
    node = a_sick_node()
    whole = node.grow(**SICK)
    scrape = without(whole, (name, ())) if value is None else with_value(whole, (name, ()), value)
    verdict = node.ratios(scrape)
    assert verdict.lines == ("skipped (missing counters)",)
    assert verdict.reflections == (f"blind ratios: {name}",)
    assert node.memory.ratios == RatioBaseline()


@pytest.mark.parametrize("reason", REASONS)
def test_any_missing_reason_skips(reason: str) -> None:
    node = a_sick_node()
    verdict = node.ratios(without(node.grow(**SICK), outcome(reason)))
    assert verdict.lines == ("skipped (label set mismatch)",)
    assert verdict.reflections == (f'blind ratios: henyey_scp_post_verify_total{{reason="{reason}"}}',)


def test_a_reason_that_is_no_number_skips() -> None:
    node = Node()
    assert node.ratios(with_value(node.grow(**SICK), outcome("panic"), math.nan)).lines == (
        "skipped (missing counters)",
    )


def test_L30_a_new_reason_skips_as_the_user_demands_and_is_named() -> None:
    node = a_sick_node()
    named = 'unknown label: henyey_scp_post_verify_total{reason="too_new"}'
    verdict = node.ratios(with_value(node.grow(**SICK), outcome("too_new"), 1.0))
    assert verdict.lines == ("skipped (label set mismatch)",)
    assert verdict.reflections == (named,)
    verdict = node.ratios(with_value(node.grow(**SICK), outcome("too_new"), 1.0), gap=9)
    assert verdict.lines == ("skipped (not in sync)",)
    assert verdict.reflections == (named,), "named whatever else is skipped"


def test_a_label_from_outside_forges_no_report_line_and_floods_none() -> None:
    node = a_sick_node()
    scrape = with_value(node.grow(**SICK), outcome("x\n  sync:    synced\x1b[31m"), 1.0)
    named = node.ratios(scrape).reflections
    assert named == ('unknown label: henyey_scp_post_verify_total{reason="x\\n  sync:    synced\\x1b[31m"}',)
    for number in range(40):
        scrape = with_value(scrape, outcome(f"new_{number}" + "x" * 500), 1.0)
    many = node.ratios(scrape).reflections
    assert (len(many), many[-1]) == (6, "36 more unknown labels")
    assert max(len(text) for text in many) < 200


@pytest.mark.parametrize("gone", ["too_old", "received"])
def test_missing_pending_counters_skip_only_pending(gone: str) -> None:
    node = a_sick_node()
    node.grow(**SICK)
    verdict = node.ratios(a_ratio_scrape(**(node.counters | {gone: None})))
    assert verdict.lines[0].endswith("(3 ticks) — investigating, pending skipped (missing counters)")
    assert decision(verdict, "pending").state == "skipped"
    kept = node.memory.ratios
    assert kept is not None
    assert kept.snapshot is not None
    assert (kept.snapshot.counters.pending_too_old, kept.snapshot.counters.pending_received) == (None, None)
    assert node.tick(**SICK).lines[0].endswith("pending skipped (missing counters)"), "0 never stands for a value"
    assert node.tick(**SICK).lines[0].endswith("pending breach too_old=100% (streak 1/3)")


@pytest.mark.parametrize("name", sorted(HEALTHY))
def test_L44_a_counter_that_fell_is_a_new_baseline_with_no_burst_after_it(name: str) -> None:
    node = a_sick_node()
    node.tick(
        **HEALTHY,
    )
    node.counters[name] -= 1
    verdict = node.tick()
    assert verdict.lines == ("collecting baseline",)
    assert {each.state for each in verdict.decisions} == {"new baseline"}
    assert "(streak 1/3)" in node.tick(**SICK).lines[0]


@pytest.mark.parametrize("identity", [OTHER_RUN, Identity(4711, 990_001, ""), Identity(4712, 990_000, "")])
def test_another_run_is_a_new_baseline(identity: Identity) -> None:
    node = a_sick_node()
    node.grow(**SICK)
    assert node.ratios(a_ratio_scrape(**node.counters, identity=identity)).lines == ("collecting baseline",)


def test_an_early_tick_judges_and_moves_nothing() -> None:
    node = a_sick_node()
    before = node.memory
    verdict = node.tick({"early": True}, **SICK)
    assert "scp breach accept=0% (streak 2/3)" in verdict.lines[0]
    assert node.memory == before
    for changes in ({"early": True, "fresh_start": True}, {"early": True, "scrape": Missing("x")}):
        node.ratios(node.grow(), **{key: value for key, value in changes.items() if key != "scrape"})
        assert node.memory == before
    assert "scp WARNING accept=0%<5% (3 ticks)" in node.tick(**SICK).lines[0]
    assert "scp WARNING accept=0%<5% (3 ticks)" in node.tick({"early": True}, **SICK).lines[0]


def fired(node: Node, changes: dict[str, object] | None = None) -> Verdict:
    """The third breaching tick."""
    return node.tick(changes, **SICK)


def test_what_is_filed_has_the_key_the_title_and_the_numbers() -> None:
    verdict = fired(a_sick_node())
    assert verdict.level is Level.WARNING
    scp, pending = verdict.alerts
    assert (scp.key, scp.scope, scp.cooldown_key) == ("ratio:scp", "check", "ratio:scp")
    assert scp.title == "metrics: henyey_scp_post_verify_total — scp ratio below 5%"
    assert pending.title == "metrics: stellar_herder_pending_too_old_total — pending ratio above 50%"
    evidence = dict(scp.evidence)
    assert (evidence["accept"], evidence["denominator delta"], evidence["threshold"]) == ("0%", "1000", "< 0.05")
    assert (evidence["ticks"], evidence["interval"]) == ("3", "1200s")
    assert scp.metrics == ("henyey_scp_post_verify_total",)
    assert pending.metrics == ("stellar_herder_pending_too_old_total", "stellar_herder_pending_received_total")


def test_failed_transactions_alone_are_the_senders_and_are_not_filed() -> None:
    verdict = fired(a_sick_node())
    assert [alert.key for alert in verdict.alerts] == ["ratio:scp", "ratio:pending"]
    assert verdict.lines[1] == "apply not filed: no internal error, no invariant failure, no jump at a deploy"
    assert verdict.level is Level.WARNING


def an_error(example: str, target: str = "henyey_app::app", **changes: object) -> LogEntry:
    entry = LogEntry(level="ERROR", target=target, normalised=example, example=example, count=1, first=NOW, last=NOW)
    return msgspec.structs.replace(entry, **changes)


@pytest.mark.parametrize(
    ("entry", "filed"),
    [
        (an_error("transaction internal error"), True),
        (an_error("Invariant failed: ConservationOfLumens"), True),
        (an_error("code=txINTERNAL_ERROR"), True),
        (an_error("cannot apply", target="henyey_ledger::manager"), True),
        (an_error("panicked", target="henyey_tx", level="PANIC"), True),
        (an_error("transaction internal error", level="WARN"), False),
        (an_error("transaction internal error", previous_run=True), False),
        (an_error("Unable to resolve peer"), False),
    ],
)
def test_an_error_of_the_apply_engine_in_the_log_has_it_filed(entry: LogEntry, filed: bool) -> None:
    verdict = fired(a_sick_node(), {"log": a_log(entries=(entry,))})
    assert ("ratio:apply" in [alert.key for alert in verdict.alerts]) is filed
    assert len(verdict.lines) == (1 if filed else 2)


@pytest.mark.parametrize(("before", "filed"), [(0.0, True), (1.0, False)])
def test_an_internal_error_that_was_counted_has_it_filed(before: float, filed: bool) -> None:
    node = a_sick_node()
    series: Series = ("stellar_ledger_transaction_internal_error_total", ())
    node.memory = msgspec.structs.replace(node.memory, previous=with_value(a_ratio_scrape(), series, before))
    verdict = node.ratios(with_value(node.grow(**SICK), series, 1.0))
    apply = [alert for alert in verdict.alerts if alert.key == "ratio:apply"]
    assert bool(apply) is filed
    if apply:
        assert apply[0].title == "metrics: stellar_ledger_apply_failure_total — apply ratio above 50%"
        assert "stellar_ledger_transaction_internal_error_total grew by 1" in apply[0].diagnosis


def of_build(build: str) -> dict[str, object]:
    return {"info": an_info(commit_hash=build)}


@pytest.mark.parametrize(("first", "filed"), [(HEALTHY, True), (SICK, False)])
def test_a_jump_right_after_a_deploy_has_it_filed(first: dict[str, float], filed: bool) -> None:
    node = Node()
    node.tick(of_build(OLD_BUILD), **first)
    for _ in range(2):
        node.tick(of_build(NEW_BUILD), **SICK)
    verdict = fired(node, of_build(NEW_BUILD))
    assert ("ratio:apply" in [alert.key for alert in verdict.alerts]) is filed


def test_a_build_that_was_healthy_first_made_no_jump() -> None:
    node = Node()
    node.tick(of_build(OLD_BUILD), **HEALTHY)
    node.tick(of_build(NEW_BUILD), **HEALTHY)
    for _ in range(2):
        node.tick(of_build(NEW_BUILD), **SICK)
    assert len(fired(node, of_build(NEW_BUILD)).lines) == 2


# --- the streaks against a plain model ---------------------------------------------------------------------------

EVENTS = ("healthy", "breach", "low", "skip", "no scrape", "restart", "fell", "damaged", "early breach", "early skip")


class Model:
    """The user's words, without the product's code: a baseline or none, and a count."""

    def __init__(self) -> None:
        self.baseline = False
        self.streak = 0

    def expect(self, event: str) -> str:
        if event.startswith("early"):
            return self._early(event)
        if event in ("skip", "no scrape"):
            self.baseline, self.streak = False, 0
            return "skipped"
        if event in ("restart", "fell", "damaged") or not self.baseline:
            self.baseline, self.streak = True, 0
            return "collecting"
        self.streak = self.streak + 1 if event == "breach" else 0
        return {"healthy": "ok", "low": "low volume"}.get(event) or self._counted()

    def _early(self, event: str) -> str:
        if event == "early skip":
            return "skipped"
        return self._counted() if self.baseline else "collecting"

    def _counted(self) -> str:
        return f"{self.streak} ticks" if self.streak >= 3 else f"streak {self.streak}/3"


GROWTH: dict[str, dict[str, float]] = {"healthy": HEALTHY, "low": {"accepted": 1, "failed": 1, "received": 1}}


@given(events=st.lists(st.sampled_from((*EVENTS, "breach", "breach", "breach")), max_size=25))
def test_L45_random_sequences_count_as_the_plain_model_does(events: list[str]) -> None:
    node, model = Node(), Model()
    model.baseline = True
    identity = IDENTITY
    for event in events:
        if event == "fell" and not any(node.counters.values()):
            continue
        grown = {name: node.counters[name] + value for name, value in GROWTH.get(event, SICK).items()}
        seen = {"fell": dict.fromkeys(HEALTHY, 0.0)}.get(event, node.counters | grown)
        if not event.startswith("early"):
            node.counters = seen
        if event == "restart":
            identity = Identity(identity.pid, identity.start_ticks + 1, identity.boot_id)
        if event == "damaged":
            node.memory = msgspec.structs.replace(node.memory, ratios=None)
        changes: dict[str, object] = {"early": event.startswith("early"), "gap": 6 if event.endswith("skip") else 0}
        scrape = a_ratio_scrape(**seen, identity=identity)
        verdict = node.ratios(Missing("no answer") if event == "no scrape" else scrape, **changes)
        expected = model.expect(event)
        parts = verdict.lines[0].split(", ")
        assert all(expected in part for part in parts), (event, parts)
        assert (verdict.level is Level.WARNING) is ("ticks" in expected)
