"""A metric's places in Rust: where it is registered, what updates it, and in which function."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from monitor_tick.investigation.calls import REGISTERED, UPDATED, Found
from monitor_tick.investigation.phases import find_phases
from monitor_tick.investigation.rust import find_metric
from monitor_tick.investigation.rust_text import Code, code_of
from tests.monitor_tick.investigation.crates import FILES, codes_of, marked

CODES = codes_of()
APP, HERDER, CLOSE = "crates/app/src/metrics.rs", "crates/herder/src/herder.rs", "crates/app/src/app/ledger_close.rs"


def places(found: Found, role: str, codes: Mapping[str, Code] = CODES) -> set[tuple[str, int]]:
    """Outside of tests."""
    return {
        (hit.path, codes[hit.path].line_of(hit.start))
        for hit in found.of(role)
        if not codes[hit.path].is_test_at(hit.start)
    }


def functions(found: Found, role: str) -> set[str]:
    return {CODES[hit.path].function_at(hit.start) for hit in found.of(role)}


def in_one_file(text: str, metric: str, *, built: bool = False) -> tuple[set[int], set[int]]:
    """Lines where it is registered and updated in a file of its own."""
    codes = {"src/lib.rs": code_of("src/lib.rs", text)}
    found = find_metric(codes, metric, built=built)
    registered, updated = places(found, REGISTERED, codes), places(found, UPDATED, codes)
    return {line for _, line in registered}, {line for _, line in updated}


@pytest.mark.parametrize(
    ("metric", "word"),
    [
        ("stellar_herder_lost_sync_total", "lost"),
        ("henyey_recovery_stalled_tick_total", "stalled"),
        ("stellar_quorum_agree", "agree"),
        ("henyey_overlay_fetch_channel_depth", "queue"),
        ("stellar_overlay_error_read_total", "errors"),
        ("henyey_ledger_close_commit_seconds", "commit"),
        ("henyey_ledger_close_commit_seconds_bucket", "commit"),
    ],
)
def test_each_place_is_found_by_file_and_line(metric: str, word: str) -> None:
    found = find_metric(CODES, metric)
    assert places(found, REGISTERED) == marked(f"{word}.registered") != set()
    others = marked(f"{word}.zeroed") | marked(f"{word}.other")
    assert places(found, UPDATED) == marked(f"{word}.updated") | others


def test_a_name_over_two_lines_begins_where_its_constant_does() -> None:
    found = find_metric(CODES, "stellar_peer_count")
    constant = {(APP, FILES[APP].split("\n").index("    pub const PEER_COUNT: &'static str =") + 1)}
    assert places(found, REGISTERED) == marked("peers.registered") | constant
    assert places(found, UPDATED) == marked("peers.updated")


def test_an_entry_of_a_macro_gives_its_constant_which_a_function_of_our_own_updates() -> None:
    found = find_metric(CODES, "henyey_herder_drift_max_seconds")
    ((path, line),) = places(found, REGISTERED)
    assert (path, line + 1) in marked("drift.name")
    assert places(found, UPDATED) == marked("drift.updated")


def test_updates_are_followed_through_a_renamed_import_and_a_constant_of_a_constant() -> None:
    lost = find_metric(CODES, "stellar_herder_lost_sync_total")
    assert functions(lost, UPDATED) == {"Herder::drop", "pre_register", "counts"}
    stalled = find_metric(CODES, "henyey_recovery_stalled_tick_total")
    assert functions(stalled, UPDATED) == {"Herder::tick"}


def test_the_place_with_the_label_comes_before_those_with_other_labels() -> None:
    found = find_metric(CODES, "henyey_recovery_stalled_tick_total", "backoff_active")
    first, second = found.of(UPDATED)
    assert {(HERDER, CODES[HERDER].line_of(first.start))} == marked("stalled.other")
    assert (first.order, second.order) == (0, 1)


def test_what_only_makes_a_series_appear_comes_last() -> None:
    found = find_metric(CODES, "stellar_herder_lost_sync_total")
    outside = [hit for hit in found.of(UPDATED) if not CODES[hit.path].is_test_at(hit.start)]
    assert {(APP, CODES[APP].line_of(outside[-1].start))} == marked("lost.zeroed")


def test_a_constant_of_the_same_name_in_another_module_is_another_one() -> None:
    found = find_metric(CODES, "stellar_herder_lost_sync_total")
    assert {hit.path for hit in found.hits} == {APP, HERDER}
    other = find_metric(CODES, "henyey_something_else_total")
    assert {hit.path for hit in other.hits} == {"crates/other/src/lib.rs"}
    assert [hit.role for hit in other.hits] == [REGISTERED, UPDATED]


def test_code_in_tests_is_known_as_such() -> None:
    found = find_metric(CODES, "henyey_only_in_tests_total")
    assert found.of(UPDATED) != ()
    assert places(found, UPDATED) == set()
    peers = find_metric(CODES, "stellar_peer_count")
    assert {hit.path for hit in peers.hits} == {APP, "crates/app/tests/scrape.rs"}


def test_a_name_in_a_comment_or_within_another_text_is_no_place() -> None:
    assert find_metric(CODES, "henyey_in_a_comment_total").hits == ()
    assert find_metric(CODES, "henyey_raw").hits == ()


def test_a_metric_that_is_only_described_has_no_update() -> None:
    found = find_metric(CODES, "henyey_only_described_total")
    assert (places(found, REGISTERED), found.of(UPDATED)) == (marked("only.registered"), ())


def test_a_name_that_the_exporter_completed_is_found_in_its_short_form() -> None:
    found = find_metric(CODES, "stellar_ledger_age_current_seconds")
    assert places(found, UPDATED) == marked("age.updated")
    ratio = find_metric(CODES, "henyey_cache_hit_ratio")
    assert places(ratio, UPDATED) == marked("ratio.updated")


def test_names_that_are_built_are_found_where_they_are_built_and_where_they_are_asked_for() -> None:
    phase = find_metric(CODES, "henyey_ledger_close_eviction_seconds", built=True)
    assert places(phase, UPDATED) == marked("phase.updated")
    assert places(phase, REGISTERED) == marked("phase.registered")
    written = find_metric(CODES, "stellar_overlay_byte_write_total", built=True)
    assert places(written, UPDATED) == marked("bytes.updated")
    assert find_metric(CODES, "stellar_overlay_byte_write_total").hits == ()


@pytest.mark.parametrize(
    ("code", "registered", "updated"),
    [
        ('fn f() { increment_counter!("henyey_x_total"); }', set(), {1}),
        ('fn f() { counter!("henyey_x_total", 3); }', set(), {1}),
        ('fn f() {\n let c = counter!("henyey_x_total");\n c.increment(1);\n}', {2}, {3}),
        ('fn f(r: &R) {\n let c = IntCounter::new("henyey_x_total", "h").unwrap();\n c.inc();\n}', {2}, {3}),
        ('const T: &[(&str, u8)] = &[\n ("henyey_x_total", 1),\n];', {2}, set()),
        ('fn n(m: M) -> &str { match m {\n M::Lost => "henyey_x_total",\n } }\nfn u() { bump(M::Lost); }', {2}, {4}),
        (
            'impl M {\n fn n(self) -> &str { match self {\n Self::Lost => "henyey_x_total", } }\n}\n'
            "fn u() {\n bump(M::Lost);\n bump(Other::Lost);\n}",
            {3},
            {6},
        ),
        ('fn n(m: M) -> &str { match m {\n some => "henyey_x_total", } }\nfn u() { bump(some); }', {2}, set()),
        ('const A: &str = "henyey_x_total";\nfn f() {\n let n = A;\n counter!(n).increment(1);\n}', {1}, {4}),
        ('const A: &str = "henyey_x_total";\nfn f() {\n store.insert(A, 1);\n}', {1}, {3}),
        ('const A: &str = "henyey_x_total";\nfn f() {\n s.insert(A, 1);\n counter!(A).increment(1);\n}', {1}, {4}),
        ('const A: &str = "henyey_x_total";\nfn f() { for n in [A] { describe_counter!(n, "h"); } }', {1, 2}, set()),
        ('fn f() { let x = 1; if name == "henyey_x_total" { y() } }', set(), set()),
        ('fn f() { skip("henyey_x_total"); }', set(), set()),
        ('some_table! {\n (LOST, "henyey_x_total", "h"),\n}\nfn f() { inc(LOST); }', {2}, {4}),
        ('some_table! {\n ("henyey_x_total", LOST, "h"),\n}\nfn f() { inc(LOST); }', {2}, {4}),
    ],
)
def test_other_ways_to_write_it(code: str, registered: set[int], updated: set[int]) -> None:
    assert in_one_file(code, "henyey_x_total") == (registered, updated)


def test_a_macro_of_our_own_is_what_it_expands_to() -> None:
    code = (
        "macro_rules! bumped { ($n:expr) => { metrics::counter!($n).increment(1) }; }\n"
        'macro_rules! told { ($n:expr) => { describe_counter!($n, "") }; }\n'
        'fn f() {\n bumped!("henyey_x_total");\n told!("henyey_x_total");\n}\n'
    )
    assert in_one_file(code, "henyey_x_total") == ({5}, {4})


def test_a_macro_whose_definition_does_nothing_known_is_judged_by_its_name() -> None:
    code = "macro_rules! set_it { ($n:expr) => { own($n) }; }\nmacro_rules! keep { ($n:expr) => { own($n) }; }\n"
    code += 'fn f() {\n set_it!("henyey_x_total");\n keep!("henyey_x_total");\n}\n'
    assert in_one_file(code, "henyey_x_total") == (set(), {4})


def test_the_nearest_spelling_is_the_metric_and_others_are_not() -> None:
    code = 'fn f() {\n counter!("henyey_x_y").increment(1);\n counter!("henyey_x_y_total").increment(1);\n}'
    assert in_one_file(code, "henyey_x_y_total") == (set(), {3})
    assert in_one_file(code, "henyey_x_y") == (set(), {2})


def test_what_is_built_inside_the_call_is_its_update_and_other_invocations_are_not() -> None:
    inside = 'fn f(s: &str) {\n counter!(format!("henyey_close_{s}_total")).increment(1);\n}'
    assert in_one_file(inside, "henyey_close_begin_total", built=True) == (set(), {2})
    macro = "macro_rules! m {\n ($p:ident) => {\n  counter!(concat!(\n"
    macro += '   "henyey_close_", stringify!($p), "_total",\n  )).increment(1)\n };\n}\n'
    macro += "fn f() {\n m!(other);\n m!(begin);\n}"
    assert in_one_file(macro, "henyey_close_begin_total", built=True) == ({4}, {10})


def test_a_name_that_is_held_twice_is_followed_once() -> None:
    code = 'const A: &str = "henyey_x_total";\nconst B: &str = A;\nconst B: &str = A;\nfn f() { inc(B); }'
    assert in_one_file(code, "henyey_x_total") == ({1}, {4})


def test_words_that_other_files_may_hold_are_wanted_until_they_were_searched() -> None:
    found = find_metric({APP: CODES[APP]}, "stellar_herder_lost_sync_total")
    assert "LOST_SYNC" in found.wanted
    again = find_metric({APP: CODES[APP]}, "stellar_herder_lost_sync_total", searched={"LOST_SYNC"})
    assert "LOST_SYNC" not in again.wanted


def test_the_phases_of_a_histogram_are_what_starts_and_stops_its_clock_and_its_neighbours() -> None:
    metric = "henyey_ledger_close_commit_seconds"
    phases = find_phases(CODES, metric, find_metric(CODES, metric), set())
    found = {(hit.path, CODES[hit.path].line_of(hit.start)) for hit in phases.hits}
    assert found == marked("commit.started") | marked("commit.stopped") | marked("commit.neighbour")


def test_only_what_leads_to_the_clock_is_a_phase() -> None:
    text = (
        "fn f() {\n let begin = Instant::now();\n let factor = 2;\n let took = begin.elapsed() * factor;\n"
        ' histogram!("henyey_x_seconds").record(took.as_secs_f64());\n let took = begin.elapsed();\n}'
    )
    codes = {"a.rs": code_of("a.rs", text)}
    phases = find_phases(codes, "henyey_x_seconds", find_metric(codes, "henyey_x_seconds"), set())
    assert [codes["a.rs"].line_of(hit.start) for hit in phases.hits] == [4, 2]


def test_a_time_that_comes_in_a_field_is_followed_to_where_the_field_is_set() -> None:
    metric = "henyey_ledger_close_header_seconds"
    phases = find_phases(CODES, metric, find_metric(CODES, metric), set())
    found = {(hit.path, CODES[hit.path].line_of(hit.start)) for hit in phases.hits}
    assert marked("header.stopped") <= found
    assert "header_us" in phases.wanted
