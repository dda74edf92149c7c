"""The statement that prints a line of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_tick.investigation.prints import FEW_WORDS, find_message, fit_of, nearness, texts_to_search
from monitor_tick.investigation.rust_text import code_of
from monitor_tick.judging.log_message import constant_part
from tests.monitor_tick.investigation.crates import FILES, codes_of, marked
from tests.monitor_tick.logs import ABNORMAL, NodeLog

CODES = codes_of()


def message_of(root: Path, tag: str) -> str:
    """As the check hands it on."""
    (entry, *_) = NodeLog(root).read_all(ABNORMAL[tag]).entries
    return constant_part(entry.normalised)


def lines_of(message: str) -> list[tuple[str, int]]:
    return [(hit.path, CODES[hit.path].line_of(hit.start)) for hit in find_message(CODES, message)]


@pytest.mark.parametrize(
    ("tag", "word"),
    [
        ("benign_dns_error", "resolve.printed"),
        ("close_failed_mismatch", "close.printed"),
        ("fatal_livelock", "livelock.printed"),
    ],
)
def test_the_statement_is_the_first_that_is_found(tmp_path: Path, tag: str, word: str) -> None:
    message = message_of(tmp_path, tag)
    assert set(lines_of(message)[:1]) == marked(word) != set()
    assert any(text in content for text in texts_to_search(message, FEW_WORDS) for content in FILES.values())


def test_a_text_inside_the_message_is_told_behind_the_statement_that_prints_it(tmp_path: Path) -> None:
    found = lines_of(message_of(tmp_path, "fatal_livelock"))
    assert set(found[1:]) == marked("livelock.reason")


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("crates/app/src/app/ledger_close.rs", 3),
        ("crates/app/src/app/mod.rs", 2),
        ("crates/henyey-app/src/ledger_close.rs", 2),
        ("crates/ledger/src/close.rs", 0),
    ],
)
def test_the_module_that_the_log_names_is_nearest(path: str, near: int) -> None:
    assert nearness(path, "henyey_app::app::ledger_close") == near
    assert nearness(path, "") == 0


def test_of_equal_statements_that_of_the_module_is_first() -> None:
    codes = {path: code_of(path, 'fn f() { error!("Lost sync again"); }') for path in ("crates/a/src/b.rs", "z.rs")}
    assert [hit.path for hit in find_message(codes, "Lost sync again", "henyey_z")] == ["z.rs", "crates/a/src/b.rs"]


def test_the_text_of_an_error_is_found_where_it_is_defined() -> None:
    text = (
        'enum E {\n #[error("database is locked (lockfile: {0})")]\n Locked,\n}\nconst T: &str = "database is locked";'
    )
    code = code_of("a.rs", text)
    (hit,) = find_message({"a.rs": code}, "Error: database is locked (lockfile: <path>)")
    assert code.line_of(hit.start) == 2
    (plain,) = find_message({"a.rs": code}, "database is locked")
    assert code.line_of(plain.start) == 5


def test_a_message_that_nothing_prints_has_no_statement(tmp_path: Path) -> None:
    assert lines_of(message_of(tmp_path, "persist_fatal")) == []


@pytest.mark.parametrize(
    ("template", "line", "letters", "whole"),
    [
        ("Lost sync with network", "Lost sync with network", 19, True),
        ("Lost sync with {}", "Lost sync with network", 12, True),
        ("Lost sync with {}", "Never lost sync with network", 0, False),
        ("loop slow (>15s since last tick) stale_secs={}", "loop slow (><n>s since last tick)", 21, True),
        ("in {{braces}} of {peer:?}", "in {braces} of <key>", 10, True),
        ("{} {} {}", "anything that there is", 0, False),
        ("short {}", "short of it", 0, False),
        ("{a} is missing but {b} is here", "x is missing but y is here", 18, True),
        ("missing but here", "something is missing but here", 0, False),
        ("verification failed because of a hash", "FATAL: verification failed because of a hash. Stop.", 32, False),
    ],
)
def test_a_format_string_fits_a_line_or_not(template: str, line: str, letters: int, whole: bool) -> None:
    assert fit_of(template, line) == (letters, whole)


def test_pieces_to_search_are_free_of_what_changes() -> None:
    assert texts_to_search("Unable to resolve peer '<addr>': failed to look up <n>") == (
        "Unable to resolve peer",
        "failed to look up",
    )
    assert texts_to_search("boom <n>") == ()


def test_a_hostile_format_string_costs_no_more_than_its_length() -> None:
    line = "a" * 300
    assert fit_of("{}a" * 5000 + "never there", line) == (0, False)
