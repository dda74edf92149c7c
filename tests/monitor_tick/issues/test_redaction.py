"""No secret leaves, no text from outside pings, links or breaks out, and nothing takes more than linear time."""

from __future__ import annotations

import signal
import string
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor_tick.issues.redaction import (
    HIDDEN,
    LONGEST_BLOCK,
    LONGEST_LINE,
    SHORTEST_SECRET,
    block,
    code,
    cut,
    hide,
    inline,
    not_ours,
    plain,
    redact,
    visible,
)
from tests.examples import examples
from tests.monitor_tick.issues.hostile import (
    AWS,
    FINE_GRAINED,
    GITHUB,
    HASH,
    HIDDEN_IN_MARKUP,
    JWT,
    MARKUP,
    OURS,
    PEM,
    PUBLIC_KEY,
    SECRET_PARTS,
    SECRETS,
    SEED,
)
from tests.monitor_tick.issues.markdown import alive, fences

BIG = 5_000_000

# --- secrets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"NODE_SEED {SEED} self", f"NODE_SEED {HIDDEN} self"),
        (f"x{SEED}y", f"x{HIDDEN}y"),
        (f"={SEED[:40]}…", f"={HIDDEN}…"),
        (f"a {SEED[:30]}\nb", f"a {HIDDEN}\nb"),
        (f"git {GITHUB}, {FINE_GRAINED}.", f"git {HIDDEN}, {HIDDEN}."),
        *((f"{GITHUB.replace('ghp_', kind)}/", f"{HIDDEN}/") for kind in ("gho_", "ghs_", "ghr_", "ghu_")),
        (f"aws {AWS}", f"aws {HIDDEN}"),
        (f"jwt {JWT};", f"jwt {HIDDEN};"),
        (f"npm_{'a' * 36} AIza{'b' * 35}", f"{HIDDEN} {HIDDEN}"),
        (f"https://hooks.slack.com/services/T0/B0/{'c' * 24}", f"https://hooks.slack.com/{HIDDEN}"),
        (f"xoxb-{'1' * 12} glpat-{'a' * 20} sk-ant-{'b' * 20}", f"{HIDDEN} {HIDDEN} {HIDDEN}"),
        ("Authorization: Bearer abc.def\nHost: x", f"Authorization: {HIDDEN}\nHost: x"),
        ('Authorization: Digest username="u", response="66"\n', f"Authorization: {HIDDEN}\n"),
        ("curl -H 'Authorization: token zzz' http://x", f"curl -H 'Authorization: {HIDDEN}' http://x"),
        ("Set-Cookie: a=b; c=d", f"Set-Cookie: {HIDDEN}"),
        ("with Bearer abcdef1 x", f"with Bearer {HIDDEN} x"),
        ("Basic dXNlcjpwYXNz", f"Basic {HIDDEN}"),
        ("password=abc&x=1", f"password={HIDDEN}&x=1"),
        (f'{GITHUB}password = "a b" c', f'{HIDDEN} = "{HIDDEN}" c'),
        ("api_key: a,b c", f"api_key: {HIDDEN} c"),
        ('{"token":"a\\"b","n":1}', f'{{"token":"{HIDDEN}","n":1}}'),
        (r'{\"token\":\"abc\",\"n\":1}', rf'{{\"token\":\"{HIDDEN}\",\"n\":1}}'),
        ('Config { password: Some(Secret("a b")) }', f'Config {{ password: Some(Secret("{HIDDEN}")) }}'),
        ("MYSQL_PWD='a b' db_pass=x", f"MYSQL_PWD='{HIDDEN}' db_pass={HIDDEN}"),
        ("AWS_SECRET_ACCESS_KEY=y", f"AWS_SECRET_ACCESS_KEY={HIDDEN}"),
        ("run --api-key abc --password 'd e' --x", f"run --api-key {HIDDEN} --password '{HIDDEN}' --x"),
        ("postgres://u:p@h/db", f"postgres://{HIDDEN}@h/db"),
        ("https://u:p@ss@h/db", f"https://{HIDDEN}@h/db"),
        (f"x\n{PEM}\ny", f"x\n{HIDDEN}\ny"),
        (f"x\n{PEM[:60]}", f"x\n{HIDDEN}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nab\n-----END RSA PRIVATE KEY-----z", f"{HIDDEN}z"),
        ("/home/ada/data /Users/ada/x /root/.ssh file:///home/ada", "~/data ~/x ~/.ssh file://~"),
    ],
)  # fmt: skip
def test_what_is_hidden_and_what_is_left(text: str, left: str) -> None:
    assert redact(text) == left


@pytest.mark.parametrize(
    "text",
    [
        PUBLIC_KEY,
        f"{PUBLIC_KEY} {PUBLIC_KEY}\n{PUBLIC_KEY}",
        HASH,
        f"hash={HASH} tx={HASH.upper()}",
        SEED.lower(),
        SEED[:-1] + " short",
        "henyey_scp_post_verify_total{reason=\"invalid_sig\"}",
        "heartbeat=true ledger=62484011 gap=0 peers=12 heard_from_quorum=true",
        "tokens: 5 token_count=5 password_reset: 1 tokio::runtime",
        "a basic functionality, the bearer of this",
        "crates/herder/src/herder.rs:2554:7 http://127.0.0.1:11627/metrics",
        "2026-05-09T03:40:07.123456Z ERROR henyey::ledger: mismatch expected=aa actual=bb",
        "/data/home/x /rooted ~/data /var/lib/home",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_each_given_secret_is_hidden_and_a_path_becomes_home() -> None:
    secrets = ("hunter22", "hunter22-and-more", "/srv/people/ada", "")
    assert redact("hunter22-and-more, hunter22, /srv/people/ada/x", secrets) == f"{HIDDEN}, {HIDDEN}, ~/x"


def test_a_very_short_secret_would_hide_words_and_is_passed_over() -> None:
    assert redact("a cat", ("a", "cat")) == "a cat"
    assert redact("a cats", ("cats",)) == f"a {HIDDEN}"
    assert len("cats") == SHORTEST_SECRET


@pytest.mark.parametrize("between", ["\x1b[0m", "\u200b", "\ufeff", "\x00", "\u202e", "\xad", "\U000e0041"])
def test_no_secret_hides_behind_what_nobody_sees(between: str) -> None:
    assert redact(f"{SEED[:20]}{between}{SEED[20:]}") == HIDDEN
    assert redact(f"pass{between}word=abc") == f"password={HIDDEN}"
    assert redact(f"hunter{between}22", ("hunter22",)) == HIDDEN


def test_a_secret_with_unseen_characters_of_its_own_is_known_without_them() -> None:
    assert redact("ab\x07cdef", ("abc\x07def",)) == HIDDEN


def test_hide_leaves_what_keeps_a_mention_apart() -> None:
    text = inline("@octocat")
    assert hide(text) == text
    assert redact(text) == "@octocat"


FRAGMENTS = st.sampled_from(
    [
        *MARKUP, *HIDDEN_IN_MARKUP, HIDDEN, "~", "password", "token=", "secret: ", '"', "'", '\\"', "://", "@",
        "/home/", "/root", "Authorization: ", "Bearer ", "basic ", "--token ", "-----BEGIN PRIVATE KEY-----", "S",
        "S" * 20, "…", "\n", " ", "(", "Some(",
    ]
)  # fmt: skip
HOSTILE = st.lists(st.one_of(FRAGMENTS, st.text(max_size=6)), max_size=8).map("".join)


@examples(300)
@given(HOSTILE)
def test_a_second_pass_changes_nothing(text: str) -> None:
    once = redact(text, SECRETS)
    assert redact(once, SECRETS) == once


def _random(alphabet: str, length: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=length, max_size=length)


ALNUM = string.ascii_letters + string.digits
BASE32 = string.ascii_uppercase + "234567"
VALUES = _random(ALNUM, 24)
PLANTED = st.one_of(
    _random(BASE32, 55).map(lambda rest: (f"S{rest}", f"S{rest}")),
    _random(ALNUM, 36).map(lambda rest: (f"ghp_{rest}", rest)),
    _random(ALNUM, 60).map(lambda rest: (f"github_pat_{rest}", rest)),
    _random(ALNUM, 40).map(lambda rest: (f"eyJ{rest}.{rest}", rest)),
    VALUES.map(lambda value: (f"Authorization: Bearer {value}", value)),
    VALUES.map(lambda value: (f'"api_key": "{value}"', value)),
    VALUES.map(lambda value: (f"password={value}", value)),
    VALUES.map(lambda value: (f"https://user:{value}@host/", value)),
    VALUES.map(lambda value: (f"-----BEGIN PRIVATE KEY-----\n{value}\n-----END PRIVATE KEY-----", value)),
)
PLAIN_TEXT = st.text(st.characters(exclude_characters="\"'\\", exclude_categories=["Cs"]), max_size=40)


@examples(300)
@given(PLAIN_TEXT, PLANTED, PLAIN_TEXT)
def test_a_planted_secret_never_leaves(before: str, planted: tuple[str, str], after: str) -> None:
    text, secret = planted
    assume(secret not in before + after)
    assert secret not in redact(f"{before}{text}{after}")


@examples(200)
@given(HOSTILE, st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"]), min_size=6, max_size=20), HOSTILE)
def test_a_given_secret_never_leaves(before: str, secret: str, after: str) -> None:
    left = redact(f"{before}{secret}{after}", (secret,))
    assert (
        visible(secret) not in left.replace(HIDDEN, "\n") or secret in HIDDEN or len(visible(secret)) < SHORTEST_SECRET
    )


@pytest.mark.parametrize("text", HIDDEN_IN_MARKUP)
def test_no_part_of_the_samples_leaves(text: str) -> None:
    left = redact(text, SECRETS)
    assert [part for part in SECRET_PARTS if part in left] == []


# --- time --------------------------------------------------------------------------------------------------------

STEPS = [
    "a", "S", "S" * 54 + "!", "password", "password=", 'password="', 'password=\\"', "pass\\", "token:", " ", "\t", "-",
    "--", "--a-", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----a-", "eyJ", "eyJ.", "ghp_", "basic ",
    "basic a", "bearer ", "://", "://a", "://@", "/home/", "/home/a", "/root", "\x1b[", "\x1b[1", "\x1b]", "\x1b",
    "cookie:", "authorization: digest", "a(", "token=a(", "\\", "'", '"', "@", "#1", "<!--", "`", "<!-- monitor", "\n",
    "S\n", "api-key", "--aaaaaaaaaaaaaaaaaaaa-", "sk-", "akia", "xoxb", "=",
]  # fmt: skip


class TooLong(Exception):
    pass


@pytest.fixture
def ten_seconds() -> Iterator[None]:
    """Of processor time, a hundred times what is needed; what is not linear would go on for minutes."""

    def over(_signum: int, _frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, 10)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.usefixtures("ten_seconds")
@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_no_line_takes_more_than_linear_time(step: str) -> None:
    line = step * (200_000 // len(step))
    once = redact(line)
    assert len(inline(line)) < 5000
    assert len(code(line)) < 5000
    assert len(block(line)) < 2 * LONGEST_BLOCK
    assert redact(once) == once


@pytest.mark.usefixtures("ten_seconds")
def test_a_line_of_five_megabytes_is_redacted_to_its_end() -> None:
    filler = "2026-05-09T03:40:07Z  INFO henyey::herder: heartbeat gap=0 "
    line = filler * (BIG // len(filler)) + SEED
    assert redact(line).endswith(f"gap=0 {HIDDEN}")
    assert len(redact(line)) == len(line) - len(SEED) + len(HIDDEN)


# --- text stays text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "@a",
        "a &#64;b",
        "\\@a",
        "#1",
        "gh-1",
        "https://x",
        "www.x",
        "<!-- x",
        "<b>",
        "```\nx",
        "`a`` @b",
        "\\`@a`",
        "\x07",
    ],
)
def test_the_judge_of_markdown_sees_what_is_alive(text: str) -> None:
    assert list(alive(text)) != []
    assert list(alive(f"`````\n@a #1 <!--\n`````\nplain `@a` ``#1 ` x``\n{text}")) != []


@pytest.mark.parametrize("text", MARKUP, ids=repr)
def test_nothing_is_alive_in_prose_in_code_or_in_a_block(text: str) -> None:
    for shown in (
        inline(text),
        f"- x: {inline(text)} y",
        f"- x: {code(text)} y",
        block(text),
        f"| {inline(text)} | b |",
    ):
        assert list(alive(shown)) == []


@examples(300)
@given(HOSTILE)
def test_nothing_is_alive_in_any_text(text: str) -> None:
    for shown in (inline(text), f"- x: {inline(text)} y", f"- x: {code(text)} y", block(text)):
        assert list(alive(shown)) == []
        shown.encode()


@given(HOSTILE, st.integers(2, 60))
def test_prose_and_titles_are_one_bounded_line(text: str, limit: int) -> None:
    title = plain(text, limit)
    assert len(title) <= limit
    assert len(title.splitlines()) <= 1
    assert len(inline(text, limit).splitlines()) <= 1
    assert len(code(text, limit).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b_c henyey::herder 5 < 8 — x", "a_b_c henyey::herder 5 &lt; 8 — x"),
        ("_a_ *b* `c` [d](e) | ~f~ $g$ \\", "\\_a\\_ \\*b\\* \\`c\\` \\[d\\](e) \\| \\~f\\~ \\$g\\$ \\\\"),
        ("# h", "\\# h"),
        ("- l", "\\- l"),
        ("12. l", "12\\. l"),
        ("12.5", "12\\.5"),
        ("=== ", "\\==="),
        ("> q", "&gt; q"),
        ("@octocat #12 GH-3 o/r#4", "@\u200boctocat #\u200b12 GH-\u200b3 o/r#\u200b4"),
        ("#[derive] # x", "\\#[derive] # x".replace("[", "\\[").replace("]", "\\]")),
        ("http://x www.y", "http:\u200b//x www\u200b.y"),
        ("a\tb\nc\r\nd\u2028e  f", "a b c d e f"),
    ],
)
def test_prose_is_escaped_where_it_would_format(text: str, shown: str) -> None:
    assert inline(text) == shown


def test_a_title_has_no_markdown_and_no_comment_opens_in_it() -> None:
    assert plain("Node crashed: panic at a_b.rs:7 <*> <!-- x @y #1") == (
        "Node crashed: panic at a_b.rs:7 <*> <\u200b!-- x @\u200by #\u200b1"
    )


def test_a_table_cell_does_not_end_early() -> None:
    assert inline("a|b\\|c") == "a\\|b\\\\\\|c"


@pytest.mark.parametrize("count", range(3, 11))
def test_L49_a_fence_inside_does_not_close_the_block(count: int) -> None:
    text = f"before\n{'`' * count}\n@octocat\n{'`' * count}\nafter"
    outside, blocks, closed = fences(block(text))
    assert (outside, blocks, closed) == ([], [text], True)


@examples(300)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"], include_characters="\n\t`~<!- *_\\"), max_size=200))
def test_L49_text_in_a_block_is_as_it_was(text: str) -> None:
    text = visible(text).strip("\n")
    outside, blocks, closed = fences(block(text))
    assert (outside, blocks, closed) == ([], [text], True)


def test_L49_text_in_a_code_span_is_as_it_was() -> None:
    name = 'henyey_recovery_stalled_tick_total{reason="forcing_catchup_behind"} \\_*|<&'
    assert code(name) == f"`{name}`"
    assert code("a`b``c") == "```a`b``c```"
    assert code("`a`") == "`` `a` ``"
    assert code(" \n ") == ""


@pytest.mark.parametrize("text", [OURS, OURS.upper(), OURS.replace(" ", "\t", 1), OURS.replace("<!-- ", "<!--")])
def test_our_hidden_line_cannot_be_quoted(text: str) -> None:
    for shown in (block(text), code(text), not_ours(text)):
        assert "<!--" not in shown
    assert block("<!-- other -->") == "```text\n<!-- other -->\n```"


def test_a_block_is_bounded_in_each_line_and_in_all() -> None:
    inside = fences(block("x" * BIG))[1][0]
    assert inside == "x" * (LONGEST_LINE - 1) + "…"
    many = fences(block("y\n" * BIG))[1][0]
    assert len(many) == LONGEST_BLOCK
    assert many.endswith("…")


def test_a_cut_says_so() -> None:
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")
