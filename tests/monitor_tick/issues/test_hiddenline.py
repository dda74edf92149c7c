"""The hidden line: one line whatever the key, read back as it was, and believed only where it is the last."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor_loop.errors import MonitorError
from monitor_tick.issues.hiddenline import Hidden, hidden_line, parse_hidden
from monitor_tick.issues.redaction import redact
from monitor_tick.issues.tracker import TAIL_LENGTH
from tests.monitor_tick.issues.hostile import OURS, SEED
from tests.monitor_tick.issues.samples import INCIDENT, STALLED

TEXT = st.text(st.characters(), max_size=60)
KEYS = TEXT.filter(bool)


def test_a_plain_key_stands_in_it_as_it_is() -> None:
    line = hidden_line("process:death", "unknown", INCIDENT)
    assert line == f"<!-- monitor-tick key=process:death scope=unknown incident={INCIDENT} -->"


def test_what_could_end_the_line_or_the_comment_is_encoded() -> None:
    line = hidden_line(f"metric:{STALLED}", "a b --> c\n--- d", INCIDENT)
    assert line == (
        "<!-- monitor-tick key=metric:henyey_recovery_stalled_tick_total%7Breason%3D%22forcing_catchup_behind%22%7D "
        f"scope=a%20b%20-%2D%3E%20c%0A-%2D%2D%20d incident={INCIDENT} -->"
    )


@given(KEYS, TEXT)
@example("a--b-->", "%41 <!--")
@example("\ud800", "\x00")
@example("-" * 60, "-" * 60)
def test_it_is_read_back_as_it_was(key: str, scope: str) -> None:
    line = hidden_line(key, scope, INCIDENT)
    hidden = parse_hidden(f"text\n\n{line}\n")
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert "--" not in line[4:-3]
    assert hidden is not None
    assert hidden.is_about(key, scope)
    if redact(key) == key and redact(scope) == scope:
        assert hidden == Hidden(key, scope, INCIDENT)


@given(KEYS, TEXT, KEYS, TEXT)
def test_another_key_or_scope_is_another(key: str, scope: str, other_key: str, other_scope: str) -> None:
    hidden = parse_hidden(hidden_line(key, scope, INCIDENT))
    assert hidden is not None
    if (redact(key), redact(scope)) == (key, scope) and (redact(other_key), redact(other_scope)) == (
        other_key,
        other_scope,
    ):
        assert hidden.is_about(other_key, other_scope) is ((key, scope) == (other_key, other_scope))


@pytest.mark.parametrize("letter", ["a", "-", " ", "é", "😀"])
def test_it_fits_the_end_of_a_body_that_a_tracker_shows(letter: str) -> None:
    key, scope = letter * 5000, letter * 4999
    line = hidden_line(key, scope, INCIDENT)
    assert len(line) < TAIL_LENGTH
    hidden = parse_hidden(line)
    assert hidden is not None
    assert hidden.is_about(key, scope)
    assert not hidden.is_about(f"{key}x", scope)
    assert not hidden.is_about(key, f"{scope}x")


def test_no_secret_leaves_in_it() -> None:
    key = f"log:henyey::app:seed {SEED} of hunter22"
    line = hidden_line(key, SEED, INCIDENT, ("hunter22",))
    assert SEED not in line
    assert "hunter22" not in line
    hidden = parse_hidden(line)
    assert hidden is not None
    assert hidden.is_about(key, SEED, ("hunter22",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{OURS}\nmore text",
        f"{OURS} more text",
        f"> {OURS}",
        f"`{OURS}`",
        OURS.replace(" scope=unknown", ""),
        OURS.replace("key=process:death", "key="),
        OURS.replace("key=process:death", "key=%FF"),
        OURS.replace("<!--", "<!\u200b--"),
        f"```\n{OURS}\n```",
    ],
)
def test_only_a_whole_line_at_the_end_is_one(text: str) -> None:
    assert parse_hidden(text) is None


def test_white_space_and_the_line_ends_of_a_browser_do_not_matter() -> None:
    found = Hidden("process:death", "unknown", "0123456789ab")
    assert parse_hidden(f"a\r\n\r\n  {OURS}\r\n \r\n") == found
    assert parse_hidden(f"{OURS.replace('death', 'other')}\n{OURS}") == found


@pytest.mark.parametrize(("key", "incident", "word"), [("", "5f0c", "a key"), ("rpc:down", "", "an incident")])
def test_L61_without_a_key_nothing_is_filed_and_that_is_said(key: str, incident: str, word: str) -> None:
    with pytest.raises(MonitorError, match=f"a finding without {word} is not filed"):
        hidden_line(key, "row", incident)
