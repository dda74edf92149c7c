"""docs/metric-alarms.md is made from shared/metric-alarms.toml; MONITOR_REWRITE=1 writes it anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from monitor_tick.catalog import default_directory, load_rules
from monitor_tick.judging.alarms import number
from monitor_tick.rules import AlarmRow

PAGE = Path(__file__).parents[2] / "docs" / "metric-alarms.md"
CATALOG = default_directory() / "metric-alarms.toml"
REWRITE = os.environ.get("MONITOR_REWRITE") == "1"

HEAD = """\
# Metric alarms

Made from `shared/metric-alarms.toml`; change that file and run
`MONITOR_REWRITE=1 pytest tests/monitor_tick/test_metric_alarms_doc.py`.

A counter row compares the increase since the last scrape of the same run, a gauge row the value now. `SYNC` rows show
in the `sync:` line as well. A row that does not say `watcher` is judged on a validator alone.

| row | fires when | tier | judged | why this number |
|---|---|---|---|---|
"""


def reasons() -> Iterator[str]:
    """The comment above each row."""
    comment: list[str] = []
    for line in CATALOG.read_text(encoding="utf-8").splitlines():
        if line.startswith("# ") and not line.startswith("# ---"):
            comment.append(line[2:])
        elif line == "[[alarm]]":
            yield " ".join(comment)
        if not line.startswith("# "):
            comment = []


def fires_when(row: AlarmRow) -> str:
    metrics = " + ".join(f"`{metric}`" for metric in row.metrics)
    subject = f"{metrics} / `{row.divisor}`" if row.divisor else metrics
    sign, limit = row.condition.comparison.value, number(row.condition.threshold)
    if row.condition.factor is not None:
        limit = f"{number(row.condition.factor)} x max(the previous tick's increase, {limit})"
    what = "increase of " if row.kind.value == "counter" else ""
    extras = [
        *([f"{row.ticks} ticks"] if row.ticks > 1 else []),
        *(["confirmed by a burst of samples"] if row.confirm else []),
        *(["normalised when the interval is long"] if row.scale else []),
    ]
    return ", ".join([f"{what}{subject} {sign} {limit}", *extras])


def judged(row: AlarmRow) -> str:
    words = [*(mode.value for mode in row.modes), *(gate.value for gate in row.gates)]
    return ", ".join([*words, *(["silence expected"] if row.silence_expected else [])])


def page() -> str:
    rows = load_rules().alarms
    lines = (
        f"| {row.name} | {fires_when(row)} | {row.tier.value} | {judged(row)} | {reason} |\n"
        for row, reason in zip(rows, reasons(), strict=True)
    )
    return HEAD + "".join(lines)


def test_L46_the_page_is_the_catalog() -> None:
    if REWRITE:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run this test with MONITOR_REWRITE=1 and review the difference"


def test_every_row_has_the_reason_for_its_number() -> None:
    given = list(reasons())
    assert len(given) == len(load_rules().alarms)
    assert [reason for reason in given if len(reason) < 40] == []


def test_L35_the_catalog_says_why_the_quorum_gauges_are_absent() -> None:
    text = CATALOG.read_text(encoding="utf-8")
    assert "# stellar_quorum_agree, _missing and _fail_at are absent on purpose." in text
