"""What `explain` and `tune` print, word for word, and what tuning counts, against a plain model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.session import Session
from monitor_tick.cli import main
from monitor_tick.recorded.archive import directory_of, traces
from monitor_tick.recorded.explain import explained
from monitor_tick.recorded.periods import budget_of, since_of
from monitor_tick.recorded.record import NoAnswer
from monitor_tick.recorded.tune import Sample, candidates_of, fired, history_of, quantile, tightest, tuned
from monitor_tick.rules import AlarmRow, Comparison
from monitor_tick.tick import tick
from tests.monitor_tick.alarm_views import RULES
from tests.monitor_tick.archives import a_running_session, files_in, live, with_row
from tests.monitor_tick.views import CADENCE, NOW
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node

PEERS, BACKLOG = "stellar_peer_count", "henyey_scp_verify_input_backlog"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return a_running_session(tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


def ask(node: RecordedNode, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--data-root", str(node.session.data.path), *arguments])


# --- explain -----------------------------------------------------------------------------------------------------

EXPLAINED = """\
henyey_scp_verify_input_backlog: 5 ticks
  2026-05-09T03:40:07Z  quiet             0 against 100: value 0 is not > 100
  2026-05-09T04:00:07Z  breach            500 against 100: value 500 > 100, streak 1/2: the previous scrape does not breach
  2026-05-09T04:20:07Z  skipped           timeout after 5s
  2026-05-09T04:40:07Z  breach            400 against 100: value 400 > 100, streak 1/2: a tick without a scrape lies between
  -- no full tick was recorded for 40m; tick-history.jsonl may say why --
  2026-05-09T05:20:07Z  quiet             7 against 100: value 7 is not > 100
quiet 2, breach 2, skipped 1
last inputs: metric=henyey_scp_verify_input_backlog, current=7, previous=5, delta=2, interval=1200s, clause=> 100, 2 ticks, confirmed
unreadable in the archive: 1
early ticks leave no record
"""  # noqa: E501  (as it is printed)


def test_explain_says_of_each_tick_what_was_decided_and_why(session: Session) -> None:
    live(session, [{BACKLOG: 0}, {BACKLOG: 500}, "timeout after 5s", {BACKLOG: 400}, {BACKLOG: 5}, {BACKLOG: 7}])
    files_in(session)[4].write_bytes(b"damaged")
    assert explained(traces(directory_of(session)), BACKLOG) == EXPLAINED


def test_explain_says_that_cooldown_kept_an_alarm_from_being_filed(node: RecordedNode) -> None:
    filed = int((SAMPLED_AT - timedelta(minutes=30)).timestamp())
    node.session.metrics.mkdir(exist_ok=True)
    (node.session.metrics / "anomaly_cooldown.json").write_text(f'{{"{PEERS}": {filed}}}\n', "utf-8")
    body = node.bodies["/metrics"].split(b"\n")
    name = f"{PEERS} ".encode()
    node.bodies["/metrics"] = b"\n".join(name + b"3" if line.startswith(name) else line for line in body)
    tick(node.session, RULES, SAMPLED_AT, proc=node.proc)
    shown = explained(traces(directory_of(node.session)), PEERS)
    assert "fired             3 against 8: value 3 < 8; not filed: cooldown for another 1.5h\n" in shown


def test_explain_offers_the_names_that_come_near(session: Session) -> None:
    live(session, [{}])
    with pytest.raises(NoAnswer, match=r"no tick judged stellar_peers_count - did you mean stellar_peer_count"):
        explained(traces(directory_of(session)), "stellar_peers_count")
    with pytest.raises(NoAnswer, match=BACKLOG):
        explained(traces(directory_of(session)), "backlog")


def test_an_unknown_name_lists_at_most_five(session: Session) -> None:
    live(session, [{}])
    for alarm, most in (("_", 5), ("zzz", 0)):
        with pytest.raises(NoAnswer) as unexplained:
            explained(traces(directory_of(session)), alarm)
        with pytest.raises(NoAnswer) as untuned:
            tuned(traces(directory_of(session)), alarm, RULES, budget_of("1/week"))
        for refusal in (str(unexplained.value), str(untuned.value)):
            assert len(re.findall(r"(?:did you mean|,) \S", refusal)) == most, refusal


@pytest.mark.parametrize(
    ("alias", "alarm"),
    [
        ("recovery_stalled", RULES.recovery.key),
        ("12b", RULES.recovery.key),
        (RULES.recovery.key, RULES.recovery.key),
        ("scp", "ratio:scp"),
        ("apply", "ratio:apply"),
        ("ratio:pending", "ratio:pending"),
    ],
)
def test_ratios_and_12b_have_short_names_which_tune_refuses(node: RecordedNode, alias: str, alarm: str) -> None:
    live(node.session, [{}, {}])
    ran = ask(node, "explain", alias, "--since", NOW.isoformat())
    assert ran.output.startswith(f"{alarm}: 2 ticks\n")
    assert ran.output.endswith("\nearly ticks leave no record\n")
    refused = ask(node, "tune", alias)
    assert refused.exit_code == 1
    assert "ratios and the recovery streak cannot be tuned yet" in refused.output


def test_the_line_of_all_ratios_is_no_alarm(node: RecordedNode) -> None:
    live(node.session, [{}])
    assert ask(node, "explain", "metrics_ratio", "--since", NOW.isoformat()).exit_code == 1


def test_explain_without_a_tick_of_that_time_says_so_and_fails(node: RecordedNode) -> None:
    live(node.session, [{}])
    ran = ask(node, "explain", PEERS, "--since", "1h")
    assert ran.exit_code == 1
    assert "no tick of that time is in the archive" in ran.output


def test_explain_takes_a_filing_key_holds_no_lock_and_writes_nothing(node: RecordedNode) -> None:
    live(node.session, [{}])
    root = node.session.data.path
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    ran = ask(node, "explain", f"metric:{PEERS}", "--since", NOW.isoformat())
    assert ran.exit_code == 0, ran.output
    assert f"{PEERS}: 1 tick\n" in ran.output
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_an_alarm_that_an_older_catalog_did_not_have_was_not_judged_then(session: Session) -> None:
    without = with_row(PEERS, name="stellar_peer_count_of_before")
    live(session, [{}], without)
    live(session, [{}], start=1)
    shown = explained(traces(directory_of(session)), PEERS)
    assert "not judged        the catalog of that tick has no such alarm" in shown
    assert "not judged 1" in shown


# --- tune --------------------------------------------------------------------------------------------------------

TUNED = """\
stellar_peer_count (version 1, < 8): 6 ticks judged, 2026-05-09T03:40:07Z to 2026-05-09T06:00:07Z
left out: 1 not judged, 0 of another version, 1 unreadable
min 7  p50 20  p90 26  p99 26  max 26
if it were  fired
       < 7      0
       < 8      1  now
      < 12      1
      < 20      2
      < 24      3
      < 25      4
      < 26      5
tightest within 2/hour: < 25, fired 4 times in 2.0h
"""


def test_tune_shows_the_distribution_each_candidate_and_the_tightest_within_the_budget(session: Session) -> None:
    live(session, [{PEERS: value} for value in (25, 7, 12, 26)])
    live(session, ["timeout", {PEERS: 1}, {PEERS: 24}, {PEERS: 20}], start=4)
    files_in(session)[5].write_bytes(b"damaged")
    shown = tuned(traces(directory_of(session)), PEERS, RULES, budget_of("2/hour"))
    assert shown == TUNED


def test_tune_says_when_the_history_is_too_short(session: Session) -> None:
    live(session, [{PEERS: 25}] * 3)
    shown = tuned(traces(directory_of(session)), PEERS, RULES, budget_of("1/week"))
    assert shown.endswith("history too short: 1.0h of judged ticks say nothing about 1/week; 7.0d are needed\n")
    assert "tightest" not in shown


def test_L75_L74_tune_takes_no_value_of_another_meaning_of_the_row(session: Session) -> None:
    live(session, [{PEERS: 3}] * 2)
    changed = with_row(PEERS, version=2)
    live(session, [{PEERS: 25}] * 3, changed, start=2)
    history = history_of(traces(directory_of(session)), changed.by_name[PEERS])
    assert [sample.value for sample in history.samples] == [25.0] * 3
    assert history.other_version == 2


def test_tune_refuses_what_it_cannot_answer(session: Session) -> None:
    def why(alarm: str) -> str:
        with pytest.raises(NoAnswer) as refused:
            tuned(traces(directory_of(session)), alarm, RULES, budget_of("1/week"))
        return str(refused.value)

    assert "no tick judged version 1" in why(PEERS)
    live(session, [{}])
    assert "did you mean stellar_peer_count" in why("stellar_peer_counts")
    assert "nothing to tune" in why("stellar_herder_state")


def test_a_row_of_two_ticks_needs_both_judged_in_a_row(session: Session) -> None:
    row = RULES.by_name[BACKLOG]
    live(session, [{BACKLOG: 50}, {BACKLOG: 50}, "timeout", {BACKLOG: 50}, {BACKLOG: 50}])
    samples = history_of(traces(directory_of(session)), row).samples
    assert [sample.follows for sample in samples] == [False, True, False, True]
    assert fired(samples, row, 40.0) == 2


def test_a_row_with_a_factor_is_tuned_by_its_floor() -> None:
    row = RULES.by_name["stellar_overlay_timeout_total"]
    samples = [a_sample(60.0, threshold=25.0), a_sample(60.0, threshold=100.0)]
    assert [fired(samples, row, floor) for floor in (5.0, 12.0, 13.0)] == [1, 1, 0]
    assert all(each.threshold >= 5 for each in candidates_of(samples, row))


def a_sample(value: float, *, threshold: float = 100.0) -> Sample:
    return Sample(NOW, value, threshold, follows=True, confirmed=True)


def _judge(row: AlarmRow, values: list[float], threshold: float) -> int:
    """A model that shares nothing with the product but the numbers."""
    breaches = [
        {">": value > threshold, ">=": value >= threshold, "<": value < threshold}[row.condition.comparison.value]
        for value in values
    ]
    return sum(breaches[max(0, at - row.ticks + 1) : at + 1] == [True] * row.ticks for at in range(len(breaches)))


@given(
    st.sampled_from([row for row in RULES.alarms if row.condition.factor is None]),
    st.lists(st.integers(0, 30).map(float), min_size=1, max_size=60),
    st.integers(0, 5),
)
def test_each_candidate_fires_as_often_as_a_plain_model_says_and_the_tightest_keeps_the_budget(
    row: AlarmRow, values: list[float], allowed: int
) -> None:
    if row.condition.comparison is Comparison.NOT_EQUAL:
        return
    candidates = candidates_of([a_sample(value) for value in values], row)
    assert [each.fired for each in candidates] == [_judge(row, values, each.threshold) for each in candidates]
    assert [each.threshold for each in candidates if each.is_own] == [row.condition.threshold]
    assert [each.fired for each in candidates] == sorted(each.fired for each in candidates)
    best = tightest(candidates, allowed)
    within = [each for each in candidates if each.fired <= allowed]
    assert best == (within[-1] if within else None)


@given(st.lists(st.integers(0, 100).map(float), min_size=1), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed(values: list[float], share: float) -> None:
    found = quantile(sorted(values), share)
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < max(1, share * len(values))


def test_many_values_give_a_bounded_number_of_candidates() -> None:
    row = RULES.by_name[PEERS]
    assert len(candidates_of([a_sample(float(value)) for value in range(2000)], row)) <= 22


def test_tune_is_a_command(node: RecordedNode) -> None:
    live(node.session, [{PEERS: value} for value in (25, 7, 12)])
    ran = ask(node, "tune", PEERS, "--budget", "1/hour")
    assert ran.exit_code == 0, ran.output
    assert re.search(r"tightest within 1/hour: < 12, fired 1 times in 1.0h", ran.output)
    assert ask(node, "tune", PEERS, "--budget", "often").exit_code == 1


# --- stretches of time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "back"),
    [("90m", timedelta(minutes=90)), ("24h", timedelta(days=1)), ("7d", timedelta(weeks=1)), ("2w", timedelta(14))],
)
def test_a_stretch_counts_back_from_now(text: str, back: timedelta) -> None:
    assert since_of(text, NOW) == NOW - back


def test_a_time_may_be_written_with_z_with_an_offset_or_without() -> None:
    written = ("2026-05-09T03:40:07Z", "2026-05-09T05:40:07+02:00", "2026-05-09T03:40:07")
    assert {since_of(text, NOW + CADENCE) for text in written} == {NOW}


@pytest.mark.parametrize("text", ["1/week", "0/day", "3/month"])
def test_a_budget_is_a_count_in_a_period(text: str) -> None:
    budget = budget_of(text)
    assert budget.over(budget.period) == int(text[0])
