"""state.json and last_ledger: read back exactly, or refused."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_tick.memory import LastLedger, State, next_state
from monitor_tick.state.statefile import parse_last_ledger, parse_state, render_last_ledger, render_state
from tests.monitor_tick.stores import sections_of

FULL = next_state(State(), sections_of(3))


def sealed(body: str, **changes: object) -> bytes:
    """An envelope around `body` whose checksum is right, with other keys as given."""
    checksum = hashlib.sha256(body.encode()).hexdigest()
    keys = {"schema": "1", "checksum": f'"{checksum}"', "state": body} | changes
    return ("{" + ",".join(f'"{key}":{value}' for key, value in keys.items() if value is not None) + "}\n").encode()


@pytest.mark.parametrize("state", [State(), FULL])
def test_a_state_is_read_back_as_it_was_written(state: State) -> None:
    assert parse_state(render_state(state)) == state


def test_the_file_is_one_object_on_one_line() -> None:
    content = render_state(FULL)
    assert content.count(b"\n") == 1
    assert content.endswith(b"}\n")
    assert list(json.loads(content)) == ["schema", "checksum", "state"]


def test_the_sealed_envelope_of_these_tests_is_the_real_one() -> None:
    assert parse_state(sealed('{"sync":{"stuck_ticks":2,"late":true}}')).sync is not None


def test_a_state_cut_anywhere_is_refused() -> None:
    whole = render_state(FULL)
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"\S"):
            parse_state(whole[:length])


def test_a_state_with_one_bit_turned_is_refused() -> None:
    whole = render_state(FULL)
    for position in range(len(whole)):
        for bit in range(8):
            with pytest.raises(ValueError, match=r"\S"):
                parse_state(whole[:position] + bytes([whole[position] ^ 1 << bit]) + whole[position + 1 :])


@given(content=st.binary(max_size=400))
def test_other_bytes_are_no_state(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_state(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"[" * 100_000, r"\S"),
        (sealed("[" * 100_000 + "]" * 100_000), "."),
        (render_state(FULL) + b"\n", "wrong checksum"),
        (render_state(FULL).replace(b'"state":', b'"state": '), "wrong checksum"),
        (sealed('{"sync":{"stuck_ticks":"2"}}'), "Expected `int`, got `str`"),
        (sealed('{"tick":{"at":"2026-05-09T03:40:07Z"}}'), "missing required field `full_at`"),
        (sealed("[]"), "Expected `object`"),
    ],
)
def test_what_is_no_state_is_refused_with_a_reason_on_one_line(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parse_state(content)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "changes", [{"checksum": None}, {"schema": None}, {"state": None}, {"SCHEMA": "1"}, {"schema": '"1"'}]
)
def test_L47_unknown_and_missing_keys_are_errors(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"field|Expected"):
        parse_state(sealed("{}", **changes))


@pytest.mark.parametrize("schema", ["0", "2", "999"])
def test_L48_another_schema_is_refused_and_never_taken_for_a_first_tick(schema: str) -> None:
    with pytest.raises(ValueError, match=f"schema {schema}, this version reads 1"):
        parse_state(sealed("{}", schema=schema))


@pytest.mark.parametrize(
    ("content", "ledger", "since"),
    [
        (b"62484011|1778298007\n", 62_484_011, 1_778_298_007),
        (b"0|0\n", 0, 0),
        (b"4294967295|99999999999\n", 4_294_967_295, 99_999_999_999),
    ],
)
def test_last_ledger_is_read_and_written_as_the_user_wrote_it(content: bytes, ledger: int, since: int) -> None:
    last = LastLedger(ledger, datetime.fromtimestamp(since, timezone.utc))
    assert parse_last_ledger(content) == last
    assert render_last_ledger(last) == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"62484011|1778298007",
        b"62484011|1778298007\r\n",
        b"62484011|1778298007\n\n",
        b"62484011|\n",
        b"|1778298007\n",
        b"62484011\n",
        b"-1|1778298007\n",
        b"062484011|1778298007\n",
        b"62484011|1778298007.5\n",
        b" 62484011|1778298007\n",
        b"62484011|1778298007|\n",
        b"62484011|" + b"9" * 30 + b"\n",
        "٣|1778298007\n".encode(),
    ],
)
def test_any_other_last_ledger_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not <ledger>"):
        parse_last_ledger(content)


def test_a_last_ledger_cut_anywhere_is_refused_and_one_bit_turned_never_crashes() -> None:
    whole = b"62484011|1778298007\n"
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="not <ledger>"):
            parse_last_ledger(whole[:length])
    read = 0
    for position in range(len(whole)):
        for bit in range(8):
            content = whole[:position] + bytes([whole[position] ^ 1 << bit]) + whole[position + 1 :]
            try:
                assert render_last_ledger(parse_last_ledger(content)) == content
                read += 1
            except ValueError:
                continue
    assert read  # the user's format has no checksum: another digit is another ledger


@given(
    ledger=st.integers(0, 2**32 - 1),
    since=st.integers(0, 99_999_999_999),
)
def test_every_last_ledger_is_read_back(ledger: int, since: int) -> None:
    last = LastLedger(ledger, datetime.fromtimestamp(since, timezone.utc))
    assert parse_last_ledger(render_last_ledger(last)) == last
