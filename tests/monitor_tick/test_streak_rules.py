"""What the loader refuses in ratio-checks.toml and check-12b-constants.toml, and in which words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monitor_loop.errors import MonitorError
from monitor_loop.session import Mode
from monitor_tick.catalog import default_directory, load_rules
from monitor_tick.streak_rules import RATIOS, RECOVERY


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_directory(), tmp_path / "shared"))


def refusal(shared: Path, file: str, old: str, new: str) -> str:
    text = (shared / file).read_text(encoding="utf-8")
    assert old in text
    (shared / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MonitorError) as caught:
        load_rules(shared)
    assert str(caught.value).startswith(f"{shared / file}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_shipped_rows_are_the_users() -> None:
    rules = load_rules()
    assert [
        (row.name, row.condition.comparison.value, row.condition.threshold, row.least, row.ticks, row.needs_evidence)
        for row in rules.ratios
    ] == [
        ("scp", "<", 0.05, 500, 3, False),
        ("apply", ">", 0.5, 200, 3, True),
        ("pending", ">", 0.5, 100, 3, False),
    ]
    rule = rules.recovery
    assert (rule.delta, rule.streak, rule.burst, rule.mode) == (1, 3, 10, Mode.VALIDATOR)
    assert rule.key == 'henyey_recovery_stalled_tick_total{reason="forcing_catchup_behind"}'
    assert rule.labels == (("reason", "forcing_catchup_behind"),)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "apply"', 'name = "applied"', "name: Invalid enum value 'applied'"),
        ('name = "apply"', 'name = "scp"', "name is taken by an earlier row"),
        ('["pv_total_sum"]', '["pv_total"]', "denominator: Invalid enum value 'pv_total'"),
        ('["pv_total_sum"]', "[]", "denominator must not be empty"),
        ('"< 0.05"', '">= 0.05"', "condition must be > or < and a number"),
        ('"< 0.05"', '"< 5"', "condition compares a share with 5; it lies between 0 and 1"),
        ('"< 0.05"', '"below 5%"', "condition is 'below 5%'"),
        ("least = 500", "least = 0", "least is 0; it must be at least 1"),
        ("ticks = 3", "ticks = 0", "ticks is 0; it must be at least 1"),
        ("version = 1", "version = 0", "version is 0; it must be at least 1"),
        ('"henyey_scp_post_verify_total"', '"scp"', "metric is 'scp'; allowed: henyey_... or stellar_..."),
        ("ticks = 3", "tick = 3", "unknown field `tick`; allowed: name, metric, shown"),
    ],
)
def test_a_ratio_row_is_refused_in_words(shared: Path, old: str, new: str, words: str) -> None:
    assert words in refusal(shared, RATIOS, old, new)


def test_the_three_ratios_stand_in_the_lines_order(shared: Path) -> None:
    whole = (shared / RATIOS).read_text(encoding="utf-8")
    tail = whole[whole.index("# Both counters stay 0") :]
    assert "rows are scp, apply; allowed: scp, apply, pending, in this order" in refusal(shared, RATIOS, tail, "")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("delta = 1", "delta = 0", "thresholds.delta is 0; it must be at least 1"),
        ("burst = 10", "", "missing required field `burst`"),
        ("burst = 10", "burst = 10\nmore = 1", "unknown field `more`"),
        ("streak = 3", "streak = 2.5", "Expected `int`, got `float`"),
        ('mode = "validator"', 'mode = "both"', "Invalid enum value 'both'"),
        ("[snapshot]", "[snapshots]", "unknown field `snapshots`"),
        (
            "counter_streak_snapshot",
            "other",
            "snapshot.file is 'metrics/other'; allowed: metrics/counter_streak_snapshot",
        ),
        ("henyey_recovery", "Recovery", "metric.name is 'Recovery_stalled_tick_total'"),
        ('reason="forcing_catchup_behind"', "reason=behind", "metric.label is 'reason=behind'; allowed: one pair"),
    ],
)
def test_a_constant_of_12b_is_refused_in_words(shared: Path, old: str, new: str, words: str) -> None:
    assert words in refusal(shared, RECOVERY, old, new)
