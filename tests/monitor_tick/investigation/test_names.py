"""The names under which a metric may stand in the code."""

from __future__ import annotations

import pytest

from monitor_tick.investigation.names import (
    distance_of,
    fillings,
    is_name,
    pattern_to_search,
    pieces_to_search,
    spellings,
    texts_to_search,
)


def test_the_name_itself_is_nearest_and_what_an_exporter_adds_may_be_missing() -> None:
    assert spellings("stellar_ledger_apply_seconds_bucket") == {
        "stellar_ledger_apply_seconds_bucket": 0,
        "stellar_ledger_apply_seconds": 1,
        "stellar_ledger_apply": 2,
        "ledger_apply_seconds_bucket": 2,
        "ledger_apply_seconds": 3,
        "ledger_apply": 4,
    }


def test_one_word_is_no_name_of_a_metric() -> None:
    assert "uptime" not in spellings("stellar_uptime_seconds")


@pytest.mark.parametrize(
    ("literal", "distance"),
    [
        ("henyey_x_y_total", 0),
        ("henyey.x.y-total", 0),
        ("henyey_x_y", 1),
        ("x.y", 3),
        ("henyey_x_y_totals", None),
        ("", None),
    ],
)
def test_separators_are_what_the_exporter_makes_of_them(literal: str, distance: int | None) -> None:
    assert distance_of(literal, "henyey_x_y_total") == distance


def test_what_is_searched_for_covers_every_spelling() -> None:
    assert "ledger.age" in texts_to_search("stellar_ledger_age_seconds")
    assert pattern_to_search("a_b") == "a[._:/-]b"
    assert 'henyey_close_"' in pieces_to_search("henyey_close_begin_seconds")
    assert "}_begin_seconds" in pieces_to_search("henyey_close_begin_seconds")


@pytest.mark.parametrize(
    ("name", "good"), [("a_b:c", True), ("", False), ("a b", False), ("-e", False), ("a" * 201, False), ("a\n", False)]
)
def test_only_a_name_that_a_metric_can_have_is_searched_for(name: str, good: bool) -> None:
    assert is_name(name) is good


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (["henyey_close_", None, "_seconds"], ("begin",)),
        (["henyey.close.", None], ("begin_seconds",)),
        (["h", None], ()),
        (["henyey_close_begin_seconds"], ()),
        (["other_close_", None], ()),
        (["henyey_", None, "_", None, "_", None], ()),
    ],
)
def test_the_holes_of_a_built_name_are_filled_or_it_is_another(parts: list[str | None], found: tuple[str, ...]) -> None:
    assert fillings(parts, "henyey_close_begin_seconds") == found
