"""The exposition reader: what the node prints, the whole grammar, and what is none."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from monitor_tick.exposition import ExpositionError, parse
from monitor_tick.metrics import Series

DATA = Path(__file__).parents[1] / "data"

Parsed = tuple[dict[str, str], dict[Series, float]]


def read(name: str) -> Parsed:
    return parse((DATA / f"{name}.prom").read_text(encoding="utf-8"))


def as_the_client_reads_it(body: str) -> Parsed:
    """prometheus_client's reading of the whole text, with the names it changed changed back."""
    printed = {line.split()[2] for line in body.split("\n") if line.startswith("# TYPE ")}
    types: dict[str, str] = {}
    samples: dict[Series, float] = {}
    for family in text_string_to_metric_families(body):
        cut = f"{family.name}_total" in printed
        renamed = family.type == "counter" and not cut
        if family.name in printed or cut:
            types[f"{family.name}_total" if cut else family.name] = family.type
        for sample in family.samples:
            name = sample.name.removesuffix("_total") if renamed else sample.name
            samples[name, tuple(sorted(sample.labels.items()))] = float(sample.value)
    return types, samples


def same(one: Parsed, other: Parsed) -> bool:
    """Equal, with NaN equal to itself."""
    return repr((one[0], sorted(one[1].items()))) == repr((other[0], sorted(other[1].items())))


# --- what the node prints ---


@pytest.mark.parametrize(
    ("name", "counters", "gauges", "histograms"),
    [
        ("healthy", 92, 92, 41),
        ("healthy_next", 92, 92, 41),
        ("healthy_watcher", 90, 92, 39),
        ("fresh_start", 90, 92, 0),
    ],
)
def test_every_family_of_a_scrape(name: str, counters: int, gauges: int, histograms: int) -> None:
    types, _ = read(name)
    count = list(types.values()).count
    assert (count("counter"), count("gauge"), count("histogram"), len(types)) == (
        counters,
        gauges,
        histograms,
        counters + gauges + histograms,
    )


@pytest.mark.parametrize("name", ["healthy", "healthy_next", "healthy_watcher", "fresh_start"])
def test_a_scrape_is_read_as_prometheus_client_reads_it(name: str) -> None:
    assert same(read(name), as_the_client_reads_it((DATA / f"{name}.prom").read_text(encoding="utf-8")))


def test_what_the_node_prints_needs_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client.parser", None)
    assert len(read("healthy")[0]) == 225


def test_L24_a_labelled_series_is_found_by_its_labels_and_only_by_them() -> None:
    _, samples = read("healthy")
    name = "henyey_recovery_stalled_tick_total"
    assert samples[name, (("reason", "forcing_catchup_behind"),)] == 0
    assert (name, ()) not in samples
    assert len([series for series in samples if series[0] == name]) == 5


def test_L40_a_family_without_a_sample_yet_is_absent_and_not_zero() -> None:
    types, samples = read("fresh_start")
    name = "henyey_ledger_close_commit_seconds"
    assert name not in types
    assert not [series for series in samples if series[0].startswith(name)]


def test_a_counter_without_total_keeps_its_name() -> None:
    body = "# TYPE a counter\na 1\n# TYPE b_total counter\nb_total 2\n"
    assert parse(body) == ({"a": "counter", "b_total": "counter"}, {("a", ()): 1.0, ("b_total", ()): 2.0})


def test_a_gauge_may_be_called_like_a_counter() -> None:
    assert parse("# TYPE a_count gauge\na_count 3\n") == ({"a_count": "gauge"}, {("a_count", ()): 3.0})


def test_labels_are_sorted_by_name() -> None:
    assert parse('a{z="1",b="2"} 1\n')[1] == {("a", (("b", "2"), ("z", "1"))): 1.0}


# --- the whole grammar ---

X4 = [
    ("a NaN", (), math.nan),
    ("a +Inf", (), math.inf),
    ("a -Inf", (), -math.inf),
    ("a 1e-3", (), 0.001),
    ('a{x="}"} 1', (("x", "}"),), 1.0),
    ('a{x="{} 2"} 1', (("x", "{} 2"),), 1.0),
    ('a{x="1,y=2"} 1', (("x", "1,y=2"),), 1.0),
    (r'a{x="say \"hi\""} 1', (("x", 'say "hi"'),), 1.0),
    (r'a{x="back\\slash\nline"} 1', (("x", "back\\slash\nline"),), 1.0),
    ('a{x="# not a comment"} 1', (("x", "# not a comment"),), 1.0),
    ('a{x=""} 1', (("x", ""),), 1.0),
    ('a{x="1",} 1', (("x", "1"),), 1.0),
    ("a{} 1", (), 1.0),
    ("a 1 1778298004000", (), 1.0),
    ('a{x="1"} 1 1778298004000', (("x", "1"),), 1.0),
    ('a{x="1"} 1 # {trace_id="abc"} 0.5 1778298004.0', (("x", "1"),), 1.0),
    ('a 1 # {trace_id="}"} 0.5', (), 1.0),
    ('  a{ x = "1" , y="2" }   1  ', (("x", "1"), ("y", "2")), 1.0),
    ("a\t1\r", (), 1.0),
]


@pytest.mark.parametrize(("line", "labels", "value"), X4, ids=[line for line, _, _ in X4])
def test_X4_no_sample_is_dropped_or_cut(line: str, labels: tuple[tuple[str, str], ...], value: float) -> None:
    samples = parse(f"# TYPE a gauge\nbefore 1\n{line}\nafter 2\n")[1]
    assert repr(samples["a", labels]) == repr(value)
    assert (samples["before", ()], samples["after", ()], len(samples)) == (1.0, 2.0, 3)


@pytest.mark.parametrize(
    "line",
    [
        "# HELP a b",
        "# HELP a # TYPE b gauge",
        "# EOF",
        "#",
        "#TYPE a gauge",
        "  # comment",
        "# UNIT a seconds",
        " ",
        "\r",
    ],
)
def test_comments_say_nothing(line: str) -> None:
    assert parse(f"{line}\na 1\n") == ({}, {("a", ()): 1.0})


@pytest.mark.parametrize(
    ("line", "name", "stated"),
    [
        ("# TYPE a summary", "a", "summary"),
        ("#  TYPE\ta   histogram ", "a", "histogram"),
        ("# TYPE a_total counter\r", "a_total", "counter"),
        ("# TYPE a counter\r", "a", "counter"),
        ("# TYPE a untyped", "a", "unknown"),
    ],
)
def test_types_in_every_spacing(line: str, name: str, stated: str) -> None:
    assert parse(f"{line}\n") == ({name: stated}, {})


# --- what is none ---


@pytest.mark.parametrize(
    "line",
    [
        "<html><body>502 Bad Gateway</body></html>",
        "a",
        "a b",
        "a 1_000",
        "1a 1",
        "a-b 1",
        'a{x="1} 1',
        "a{x=1} 1",
        'a{x="1"',
        'a{x="1",x="2"} 1',
        'a{__name__="b"} 1',
        'a{__x="b"} 1',
        'a{1x="b"} 1',
        "a 1 later",
        "# TYPE a",
        "# TYPE a teapot",
        "# TYPE 1a gauge",
        "\x00",
        "before 2",
    ],
)
def test_garbage_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ExpositionError) as refused:
        parse(f"# TYPE before gauge\nbefore 1\n\n{line}\nafter 1\n")
    assert refused.value.line == 4
    assert ascii(line[:10])[1:-1] in refused.value.excerpt


def test_a_type_stated_twice_is_refused() -> None:
    with pytest.raises(ExpositionError, match=r"^line 2: type stated twice"):
        parse("# TYPE a gauge\n# TYPE a counter\n")


def test_the_excerpt_is_one_short_line() -> None:
    with pytest.raises(ExpositionError) as refused:
        parse("\x1b[31m" + "é" * 5000 + "\n")
    assert len(refused.value.excerpt) < 300
    assert refused.value.excerpt.isascii()
    assert refused.value.excerpt.isprintable()


@pytest.mark.parametrize(
    "body",
    ['a{x="' + '\\"' * 10_000 + '"} 1\n', "".join(f'a{{x="\\\\{"y" * 5000}{number}"}} 1\n' for number in range(1000))],
    ids=["one line", "all lines"],
)
def test_what_would_keep_the_client_busy_for_minutes_is_refused(body: str) -> None:
    with pytest.raises(ExpositionError, match="too long outside the plain grammar"):
        parse(body)


# --- properties ---

NAMES = st.from_regex(r"[a-z_:][a-z0-9_:]{0,6}", fullmatch=True)
LABEL_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,3}", fullmatch=True)
TEXTS = st.text(st.sampled_from('ab é{}",=\\\n# \t1'), max_size=8)
VALUES = st.one_of(
    st.sampled_from(["NaN", "+Inf", "-Inf", "Inf", "0", "1e300", "5e-324", "1778298004", "0.1"]),
    st.floats(allow_nan=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
)
TAILS = st.sampled_from(["", "", "", " 1778298004000", "\t7", ' # {trace_id="}"} 1.5', " ", "\r"])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@st.composite
def sample_lines(draw: st.DrawFn, name: str) -> str:
    pairs = draw(st.dictionaries(LABEL_NAMES, TEXTS, max_size=3))
    comma = draw(st.sampled_from([",", ",", ", "]))
    labels = comma.join(f'{label}="{_escaped(text)}"' for label, text in pairs.items())
    block = f"{{{labels}}}" if pairs else draw(st.sampled_from(["", "{}"]))
    return f"{name}{block} {draw(VALUES)}{draw(TAILS)}"


@st.composite
def expositions(draw: st.DrawFn) -> str:
    """Families as a server prints them: unique names, a type each, samples of unique labels."""
    lines: list[str] = []
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        kind = draw(st.sampled_from(["counter", "gauge", "untyped", None]))
        printed = f"{name}_total" if kind == "counter" and draw(st.booleans()) else name
        if draw(st.booleans()):
            lines.append(f"# HELP {printed} {_escaped(draw(TEXTS))}")
        if kind is not None:
            lines.append(f"# TYPE {printed} {kind}")
        lines += draw(st.lists(sample_lines(printed), max_size=3))
        lines += draw(st.sampled_from([[], [""], ["# a comment"]]))
    return "".join(f"{line}\n" for line in lines)


@given(expositions())
def test_any_exposition_is_read_as_prometheus_client_reads_it(body: str) -> None:
    try:
        parsed = parse(body)
    except ExpositionError as error:
        assert "stated twice" in str(error)  # noqa: PT017 (the client takes the last, or both)
    else:
        assert same(parsed, as_the_client_reads_it(body))


@given(st.text(st.sampled_from('ab_{}"\\=,# \n\t10.eNTYPE'), max_size=60))
def test_any_text_is_read_or_refused(body: str) -> None:
    try:
        parse(body)
    except ExpositionError as error:
        assert 1 <= error.line <= body.count("\n") + 1  # noqa: PT017  not to raise is right too
