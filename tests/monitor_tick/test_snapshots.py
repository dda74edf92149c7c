"""The user's three files under metrics/: byte for byte as specified, or refused."""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_tick.memory import (
    Cooldowns,
    CounterStreak,
    CounterStreakSnapshot,
    RatioBaseline,
    RatioCounters,
    RatioSnapshot,
    RatioStreaks,
)
from monitor_tick.state.snapshots import (
    parse_cooldowns,
    parse_ratios,
    parse_streak,
    render_cooldowns,
    render_ratios,
    render_streak,
)

AT = datetime(2026, 5, 9, 3, 41, 57, tzinfo=timezone.utc)
RATIOS = b"""\
version=1
pid=48213
start_ticks=61080300
timestamp=2026-05-09T03:41:57Z
apply_success=4354953
apply_failure=1381552
pv_accepted=1134495
pv_processed_directly=7
pv_total_sum=7117944
apply_breach_streak=1
scp_breach_streak=2
pending_too_old=30
pending_received=40
pending_breach_streak=3
"""
BASELINE = RatioBaseline(
    RatioSnapshot(
        at=AT,
        pid=48213,
        start_ticks=61080300,
        counters=RatioCounters(
            apply_success=4354953,
            apply_failure=1381552,
            pv_accepted=1134495,
            pv_processed_directly=7,
            pv_total_sum=7117944,
            pending_too_old=30,
            pending_received=40,
        ),
        streaks=RatioStreaks(scp=2, apply=1, pending=3),
    )
)
STREAK = b"""\
version=1
pid=48213
start_ticks=61080300
timestamp=2026-05-09T03:41:57Z
recovery_stalled_behind=12
recovery_stalled_breach_streak=2
"""
COUNTER = CounterStreak(CounterStreakSnapshot(at=AT, pid=48213, start_ticks=61080300, value=12, streak=2))


def test_the_ratio_snapshot_is_byte_for_byte_the_users() -> None:
    assert render_ratios(BASELINE) == RATIOS
    assert parse_ratios(RATIOS) == BASELINE


def test_the_counter_streak_snapshot_is_byte_for_byte_the_users() -> None:
    assert render_streak(COUNTER) == STREAK
    assert parse_streak(STREAK) == COUNTER


def test_an_emptied_ratio_snapshot_is_no_baseline_and_no_damage() -> None:
    assert render_ratios(RatioBaseline()) == b""
    assert parse_ratios(b"") == RatioBaseline()


def test_no_streak_is_no_file() -> None:
    assert render_streak(CounterStreak()) is None


def test_L48_a_snapshot_cut_at_any_byte_is_refused() -> None:
    for length in range(1, len(RATIOS)):
        with pytest.raises(ValueError, match=r"\S"):
            parse_ratios(RATIOS[:length])
    for length in range(len(STREAK)):
        with pytest.raises(ValueError, match=r"\S"):
            parse_streak(STREAK[:length])


@pytest.mark.parametrize("line", range(len(RATIOS.splitlines())))
def test_L47_a_missing_a_repeated_and_an_unknown_key_are_errors(line: int) -> None:
    lines = RATIOS.splitlines(keepends=True)
    without, twice = lines[:line] + lines[line + 1 :], lines[: line + 1] + lines[line:]
    renamed = [*lines[:line], b"x" + lines[line], *lines[line + 1 :]]
    for wrong in (without, twice, renamed, [*lines, b"more=1\n"], [*lines[::-1]]):
        with pytest.raises(ValueError, match=r"\S"):
            parse_ratios(b"".join(wrong))


@pytest.mark.parametrize(
    "value", [b"", b"x", b"-1", b"1e400", b"nan", b"inf", b"1_0", b"01", b" 1", b"1 ", b"$(id)", b"1.50"]
)
@pytest.mark.parametrize(
    "key", [b"pid", b"start_ticks", b"apply_success", b"pv_total_sum", b"scp_breach_streak", b"pending_received"]
)
def test_L47_a_value_that_is_no_plain_number_is_refused_never_run(key: bytes, value: bytes) -> None:
    before = next(line for line in RATIOS.splitlines() if line.startswith(key + b"="))
    with pytest.raises(ValueError, match=r"\S"):
        parse_ratios(RATIOS.replace(before, key + b"=" + value))


@pytest.mark.parametrize("version", [b"0", b"2", b"1.0", b"", b"one"])
def test_L48_another_version_is_refused(version: bytes) -> None:
    for content, parse in ((RATIOS, parse_ratios), (STREAK, parse_streak)):
        with pytest.raises(ValueError, match="version is"):
            parse(content.replace(b"version=1\n", b"version=" + version + b"\n"))


@pytest.mark.parametrize(
    "time", [b"", b"2026-05-09", b"2026-05-09T03:41:57", b"2026-13-09T03:41:57Z", b"2026-5-9T3:41:57Z"]
)
def test_another_form_of_time_is_refused(time: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_streak(STREAK.replace(b"2026-05-09T03:41:57Z", time))


@given(content=st.binary(max_size=300))
def test_other_bytes_are_refused_with_a_reason(content: bytes) -> None:
    for parse in (parse_ratios, parse_streak, parse_cooldowns):
        try:
            parse(content)
        except ValueError as error:
            assert str(error)  # noqa: PT017  (most bytes are refused, and the few that are a value are no matter here)


values = st.one_of(st.integers(0, 2**53).map(float), st.floats(0, 1e300, allow_nan=False))


@given(
    values=st.tuples(*[values] * 5),
    pending=st.none() | st.tuples(values, values),
    streaks=st.tuples(*[st.integers(0, 10**6)] * 3),
)
def test_every_snapshot_is_read_back(
    values: tuple[float, ...], pending: tuple[float, float] | None, streaks: tuple[int, int, int]
) -> None:
    counters = RatioCounters(
        **dict(zip(RatioCounters.__struct_fields__, (*values, *(pending or (None, None))), strict=True))
    )
    snapshot = msgspec.structs.replace(
        BASELINE.snapshot,
        counters=counters,
        streaks=RatioStreaks(*(), **dict(zip(("scp", "apply", "pending"), streaks, strict=True))),
    )
    assert parse_ratios(render_ratios(RatioBaseline(snapshot))) == RatioBaseline(snapshot)


@pytest.mark.parametrize(
    ("content", "filed"),
    [
        (b"{}", ()),
        (b'{"stellar_peer_count": 1778298007}', (("stellar_peer_count", 1_778_298_007),)),
        (b'{"a{b=\\"c\\"}":1,"ratio:scp":2}\n', (('a{b="c"}', 1), ("ratio:scp", 2))),
    ],
)
def test_the_cooldown_map_is_keys_and_unix_seconds(content: bytes, filed: tuple[tuple[str, int], ...]) -> None:
    assert parse_cooldowns(content) == Cooldowns(filed)


@given(filed=st.dictionaries(st.text(max_size=40), st.integers(0, 10**11 - 1), max_size=5))
def test_every_cooldown_map_is_read_back(filed: dict[str, int]) -> None:
    cooldowns = Cooldowns(tuple(filed.items()))
    assert parse_cooldowns(render_cooldowns(cooldowns)) == cooldowns


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":1.5}',
        b'{"a":"1"}',
        b'{"a":null}',
        b'{"a":true}',
        b'{"a":-1}',
        b'{"a":1' + b"0" * 30 + b"}",
    ],
)
def test_L48_any_other_map_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_cooldowns(content)
