"""What leaves the machine passes here: secrets are hidden, and text from outside stays text. Pure.

`redact` first, then `inline`, `plain`, `code` or `block`, which say where the text is to stand. All take time linear
in the length of the text: what repeats in a pattern is bounded, or ends where the next match can begin.

Nothing that a reader of the issue cannot see survives `visible`, so that no secret hides behind such a character.
GitHub looks for @names, #numbers and addresses in the text that Markdown has made, where an escape is gone already:
only a character in between keeps them apart, and a zero-width space does so in titles and table cells too.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import msgspec

HIDDEN = "[hidden]"
HOME = "~"
APART = "\u200b"

SHORTEST_SECRET = 4
"""Characters; what is shorter stands everywhere by chance."""

LONGEST_INLINE = 500
LONGEST_LINE = 2000
LONGEST_BLOCK = 20_000
"""Characters."""

_TERMINAL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[ -/]{0,4}[0-Z\\^-~]"
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
"""Control, bidirectional and zero-width characters, fillers and tags; tab and newline stay."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class Rule(msgspec.Struct, frozen=True):
    """A text without any of `needs` (lower case, any case in the text) is not searched, which is most of the speed."""

    pattern: re.Pattern[str]
    needs: tuple[str, ...]
    replacement: str


def _rule(pattern: str, needs: str, replacement: str = HIDDEN) -> Rule:
    return Rule(re.compile(pattern), tuple(needs.split("|")), replacement)


_NAME = (
    r"(?:passw(?:or)?d|passphrase|passcode|pwd|(?<=[_-])pass|secret|token|mnemonic|seed[_-]phrase|credentials?|"
    r"(?:api|access|private|auth|session|encryption|signing)[_-]?key|(?:node|secret)[_-]?seed)"
    r"(?:[_-]?(?:key|value|id|hex|b64|base64|\d{1,3}))?"
)
_NAMES = "pass|pwd|secret|token|mnemonic|seed|credential|key"
_IS = r"\\{0,8}[\"']?[ \t]{0,4}(?:[:=]{1,2}|=>)[ \t]{0,4}"
_QUOTED = r"""(")(?:[^"\\\n]|\\[^\n])+|(')(?:[^'\\\n]|\\[^\n])+|(\\{1,8}["'])[^"'\\\n]+"""
"""To the closing quote, escaped where the opening one is, else to the end of the line. The opening one is kept."""

_KEPT = rf"\1\2\3\4{HIDDEN}"

RULES: tuple[Rule, ...] = (
    # A private key: whole, or as far as its text goes.
    _rule(
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,8}-----"
        r"(?:(?:[^-]|-(?!----)){0,16000}-----END [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,8}-----|[A-Za-z0-9+/=\s\\]*)",
        "private key",
    ),
    # A Stellar secret seed, whatever stands around it; and one that was cut at the end of a line.
    _rule(r"S[A-Z2-7]{55,}", "s"),
    _rule(r"(?m)S(?<![A-Z2-7]S)[A-Z2-7]{15,54}(?=…?$)", "s"),
    # Tokens, by how they begin. A JWT is base64 of `{"`, and so is much else that carries one.
    _rule(r"gh[pousr]_[A-Za-z0-9_]{16,}", "ghp_|gho_|ghu_|ghs_|ghr_"),
    _rule(r"github_pat_[A-Za-z0-9_]{16,}", "github_pat_"),
    _rule(r"A(?<![A-Z2-7]A)[KS]IA[A-Z0-9]{16,}", "akia|asia"),
    _rule(r"xox[abeoprs]-[A-Za-z0-9-]{10,}", "xox"),
    _rule(r"glpat-[A-Za-z0-9_-]{16,}", "glpat-"),
    _rule(r"npm_[A-Za-z0-9]{16,}", "npm_"),
    _rule(r"A(?<![A-Za-z0-9_-]A)Iza[A-Za-z0-9_-]{30,}", "aiza"),
    _rule(r"(hooks\.slack\.com/)[A-Za-z0-9/_-]{16,}", "hooks.slack", rf"\1{HIDDEN}"),
    _rule(r"sk(?<![A-Za-z0-9]sk)[-_](?:live|test|ant|proj)[-_][A-Za-z0-9_-]{16,}", "sk-|sk_"),
    _rule(r"eyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+){0,4}", "eyj"),
    # Headers, to the end of the line or of the quotes; and a scheme with its credentials without a header.
    _rule(
        rf"(?i)((?:authorization|cookie){_IS})(?:{_QUOTED}|(?![\"'\\])(?:digest[^\n]*|[^\n\"'\\]+))",
        "authorization|cookie",
        _KEPT,
    ),
    _rule(r"(?i)\b(bearer[ \t]{1,8})[A-Za-z0-9+/._~=-]{6,}", "bearer", rf"\1{HIDDEN}"),
    _rule(r"(?i)\b(basic[ \t]{1,8})(?=[a-z+/]*(?-i:[A-Z0-9=]))[A-Za-z0-9+/_-]{6,}={0,2}", "basic", rf"\1{HIDDEN}"),
    # A name that says what its value is, also as Rust's Debug prints it: `password: Some(Secret("x"))`.
    _rule(rf"(?i)({_NAME}{_IS}(?:\w{{1,20}}\(){{0,3}})(?:{_QUOTED}|(?![\"'\\])[^\s\"'&]+)", _NAMES, _KEPT),
    _rule(rf"(?i)(--(?:[a-z]{{1,20}}-){{0,3}}{_NAME}[ \t]{{1,4}})(?:{_QUOTED}|(?![\"'\\-])[^\s\"'&]+)", _NAMES, _KEPT),
    # The name may have stood right behind another secret, and is hidden with it.
    _rule(rf"({re.escape(HIDDEN)}{_IS})(?:{_QUOTED})", _NAMES, _KEPT),
    # user:password@ of an address.
    _rule(r"(://)[^\s/\"'<>]+@", "://", rf"\1{HIDDEN}@"),
    # Home directories.
    _rule(r"/(?<![\w~.-]/)(?:(?:home|Users)/[\w.@+-]+|root(?![\w-]))", "/home/|/users/|/root", HOME),
)
"""In this order. What a rule puts in is no secret to any rule, so that a second pass changes nothing."""


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """`text` without secrets and without what cannot be seen. Each of `secrets` is hidden too; a path becomes `~`."""
    return hide(visible(text), secrets)


def hide(text: str, secrets: Sequence[str] = ()) -> str:
    """The secrets alone: for text that has passed `redact`, in which a character keeps a mention apart."""
    if known := tuple(seen for secret in secrets if len(seen := visible(secret)) >= SHORTEST_SECRET):
        text = _any_of(known).sub(lambda found: _instead_of(found[0]), text)
    lowered = text.lower()
    for rule in RULES:
        if any(each in lowered for each in rule.needs):
            text = rule.pattern.sub(rule.replacement, text)
    return text


def visible(text: str) -> str:
    """Without terminal escapes and characters that nobody sees; every line ends with a newline character."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", _TERMINAL.sub("", text)))


@functools.lru_cache(maxsize=4)
def _any_of(secrets: tuple[str, ...]) -> re.Pattern[str]:
    """The longest first; what is hidden already is passed over."""
    return re.compile("|".join(map(re.escape, (HIDDEN, *sorted(set(secrets), key=len, reverse=True)))))


def _instead_of(secret: str) -> str:
    return HOME if secret.startswith("/") else HIDDEN


_REACHING = re.compile(r"@|#(?=\d)|GH-(?=\d)|:(?=//)|www(?=\.)|<(?=!--)", re.IGNORECASE)
"""After these, one character ends a mention, a reference, an address and a comment."""

_FORMATTING = re.compile(r"[\\`*\[\]~|$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[#+=-]")
_LIST_NUMBER = re.compile(r"^(\d{1,9})([.)])")
_BACKTICKS = re.compile("`+")
_ENTITIES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_OURS = re.compile(r"<!(?=--\s{0,20}monitor-tick)", re.IGNORECASE)


def plain(text: str, limit: int = LONGEST_INLINE) -> str:
    """One line of at most `limit` characters that links and pings nobody, without Markdown: for titles."""
    line = cut(" ".join(visible(text).split()), limit)
    return cut(_REACHING.sub(rf"\g<0>{APART}", line), limit)


def inline(text: str, limit: int = LONGEST_INLINE) -> str:
    """The same for prose and table cells, with what would format escaped, which `limit` does not count."""
    return _LIST_NUMBER.sub(r"\1\\\2", _FORMATTING.sub(r"\\\g<0>", plain(text, limit))).translate(_ENTITIES)


def code(text: str, limit: int = LONGEST_INLINE) -> str:
    """One line in a code span, as it is: names and values. Not for table cells, which a `|` would end."""
    line = cut(" ".join(visible(text).split()), limit)
    if not line:
        return ""
    fence = _fence(line, 1)
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{not_ours(line)}{space}{fence}"


def block(text: str, limit: int = LONGEST_BLOCK) -> str:
    """A fenced code block, with each line as it is up to LONGEST_LINE; `limit` is of the text inside."""
    lines = (cut(line, LONGEST_LINE) for line in visible(text).strip("\n").split("\n"))
    inside = not_ours(cut("\n".join(lines), limit))
    fence = _fence(inside, 3)
    return f"{fence}text\n{inside}\n{fence}"


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _fence(text: str, shortest: int) -> str:
    """Longer than every run of backticks inside."""
    return "`" * max(shortest, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))


def not_ours(text: str) -> str:
    """Nothing in a code block may be read as the hidden line, by whomever."""
    return _OURS.sub(rf"\g<0>{APART}", text)
