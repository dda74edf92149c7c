"""Rows 4 and 5: judging one tick, and judging a month of them again."""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from monitor_loop.session import Session
from monitor_tick.checks import metrics
from monitor_tick.exposition import parse
from monitor_tick.metrics import Scrape, Series
from monitor_tick.recorded.archive import directory_of, entries, traces
from monitor_tick.recorded.replay import replay
from monitor_tick.recorded.tune import candidates_of, history_of
from monitor_tick.rules import AlarmRow, Kind
from tests.benchmarks.commands import cpu_seconds, needed, run
from tests.benchmarks.figures import FEW, Effort, Figure, NotMeasured, medians
from tests.monitor_tick.alarm_views import AFTER, BEFORE, SCRAPES, a_pair_view
from tests.monitor_tick.archives import a_running_session, live, with_limits
from tests.monitor_tick.views import CADENCE, IDENTITY, NOW

WEEK, MONTH = 504, 2160
PACE = 400
JUDGEMENTS = 4000
RULES = with_limits(archive_ticks=10 * MONTH)

_EVALUATOR = """\
import sys
from prometheus_client.parser import text_string_to_metric_families
for name in sys.argv[1:]:
    with open(name) as file:
        samples = {(s.name, *sorted(s.labels.items())): s.value for f in text_string_to_metric_families(file.read()) for s in f.samples}
"""  # noqa: E501  one statement of a program
"""What an evaluator that is started for each tick does before it compares anything."""


def judging(effort: Effort) -> Iterator[Figure]:
    files = [SCRAPES / name for name in ("healthy.prom", "healthy_next.prom")]
    bodies = [file.read_text("utf-8") for file in files]
    evaluator = (sys.executable, "-c", _EVALUATOR, *map(str, files))
    run(evaluator)
    ours, theirs = medians(effort.repeats, (lambda: _judge_seconds(*bodies), lambda: cpu_seconds(evaluator)))
    detail = f"{ours * 1000:.1f} ms of {theirs * 1000:.0f} ms CPU"
    yield Figure("judge: both scrapes parsed, every row / a process a tick", ours / theirs, 1 / 6, detail)
    few, many = (10_000, 100_000) if effort.repeats <= FEW else (100_000, 1_000_000)
    small, large = medians(3, (lambda: _pace(few), lambda: _pace(many)))
    what = f"judge: time a line at {many // 1000} k lines / at {few // 1000} k"
    yield Figure(what, large / small, 1.5, f"{large * 1e6:.2f} us of {small * 1e6:.2f} us")


def _judge_seconds(before: str, after: str) -> float:
    started = time.process_time()
    _judge(before, after)
    return time.process_time() - started


def _judge(before: str, after: str) -> None:
    then, now = (Scrape(IDENTITY, at, *parse(body)) for at, body in ((NOW - CADENCE, before), (NOW, after)))
    if metrics.judge(a_pair_view(then, now)) is None:
        raise RuntimeError("nothing was judged")


def _pace(lines: int) -> float:
    """Seconds a line of two scrapes with so many series more."""
    more = "".join(f'made_up_total{{part="{number}"}} {number}\n' for number in range(lines // 2))
    before, after = ((SCRAPES / name).read_text("utf-8") + more for name in ("healthy.prom", "healthy_next.prom"))
    gc.collect()
    return _judge_seconds(before, after) / lines


# --- row 5 -------------------------------------------------------------------------------------------------------


def replaying(effort: Effort) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
        session = a_running_session(Path(directory))
        live(session, [{}] * WEEK, RULES)
        (week,) = medians(effort.repeats, (lambda: _replay_seconds(session, WEEK),))
        yield Figure("replay: ticks a second", WEEK / week, PACE, f"{week:.2f} s CPU for a week", at_least=True)
        yield Figure("replay: seconds for a week", week, 2)
        yield from _tuning(session)
        yield from _beside_promtool(week, Path(directory))
        ticks = MONTH if effort.repeats > FEW else 2 * WEEK
        sixty = _peak_bytes(session, since=WEEK - 60)
        live(session, [{}] * (ticks - WEEK), RULES, start=WEEK)
        if ticks == MONTH:
            yield Figure("replay: seconds for 30 days", _replay_seconds(session, MONTH), 10)
        peak = _peak_bytes(session, since=max(0, ticks - 2000))
        what = f"replay: peak memory of {min(ticks, 2000)} ticks / of 60"
        yield Figure(what, peak / sixty, 1.25, f"{peak // 1024} kB of {sixty // 1024} kB, file names included")


def _replay_seconds(session: Session, ticks: int) -> float:
    started = time.process_time()
    report = replay(entries(directory_of(session)), session, RULES)
    spent = time.process_time() - started
    if (report.evaluated, report.different, report.unreadable) != (ticks, 0, 0):
        raise RuntimeError(f"{report.evaluated} of {ticks} ticks evaluated, {report.different} differences")
    return spent


def _peak_bytes(session: Session, since: int) -> int:
    tracemalloc.start()
    try:
        replay(entries(directory_of(session), NOW + since * CADENCE), session, RULES)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _tuning(session: Session) -> Iterator[Figure]:
    row = RULES.by_name["henyey_scp_verify_input_backlog"]
    started = time.process_time()
    samples = history_of(traces(directory_of(session)), row).samples
    judgements = len(candidates_of(samples, row)) * len(samples)
    spent = time.process_time() - started
    detail = f"{judgements} in {spent:.2f} s CPU, the archive read too"
    yield Figure("tune: judgements a second", judgements / spent, JUDGEMENTS, detail, at_least=True)


# --- promtool ----------------------------------------------------------------------------------------------------


def _beside_promtool(ours: float, directory: Path) -> Iterator[Figure]:
    """The same rows over the same series, as rules of Prometheus. A YAML file may be JSON."""
    try:
        needed("promtool")
    except NotMeasured:
        return
    alerts = [{"alert": row.name, "expr": _expression(row)} for row in RULES.alarms]
    (directory / "rules.yml").write_text(json.dumps({"groups": [{"name": "rows", "rules": alerts}]}))
    minutes = CADENCE // timedelta(minutes=1)
    quiet = {"eval_time": f"{minutes * (WEEK - 1)}m", "alertname": "stellar_peer_count", "exp_alerts": []}
    test = {"interval": f"{minutes}m", "input_series": _series(), "alert_rule_test": [quiet]}
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": f"{minutes}m", "tests": [test]}
    (directory / "tests.yml").write_text(json.dumps(tests))
    theirs = cpu_seconds(("promtool", "test", "rules", str(directory / "tests.yml")))
    detail = f"{ours:.2f} s of {theirs:.2f} s CPU, {WEEK} ticks, {len(alerts)} rows"
    yield Figure("replay: a week / promtool test rules on the same rows", ours / theirs, 1, detail)


def _expression(row: AlarmRow) -> str:
    sign, threshold = row.condition.comparison.value, row.condition.threshold * (row.condition.factor or 1)
    if row.kind is Kind.HISTOGRAM:
        increase = f"sum by (le) (increase({row.metrics[0]}_bucket[40m]))"
        return f"histogram_quantile(0.99, {increase}) {sign} {threshold}"
    terms = [f"sum(increase({name}[40m]))" if row.kind is Kind.COUNTER else f"sum({name})" for name in row.metrics]
    value = " + ".join(terms)
    return f"({value}) / sum({row.divisor}) {sign} {threshold}" if row.divisor else f"({value}) {sign} {threshold}"


def _series() -> list[dict[str, str]]:
    """Every series that a row reads, rising as it did between the two recorded scrapes where it is a counter."""
    names = {name for row in RULES.alarms for name in (*row.metrics, row.divisor)}
    parts = {f"{name}{part}" for name in names if name for part in ("", "_bucket")}
    return [
        {"series": _notation(series), "values": f"{before:g}+{max(0.0, AFTER.samples[series] - before):g}x{WEEK}"}
        if series[0].endswith(("_total", "_bucket"))
        else {"series": _notation(series), "values": f"{before:g}+0x{WEEK}"}
        for series, before in BEFORE.samples.items()
        if series[0] in parts
    ]


def _notation(series: Series) -> str:
    name, labels = series
    return f"{name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in labels)}}}"
