"""Text that the node's log, a commit or a check's evidence could hold, and that must stay text.

The secrets are made up, or are the examples of their makers.
"""

from __future__ import annotations

SEED = "SBU4RKZJ7H3QXG2NDCLMA5EWVTYOIPF6BU4RKZJ7H3QXG2NDCLMA5EWV"
PUBLIC_KEY = "GBU4RKZJ7H3QXG2NDCLMA5EWVTYOIPF6BU4RKZJ7H3QXG2NDCLMA5EWV"
HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
GITHUB = "ghp_" + "16C7e42F2" * 4
FINE_GRAINED = "github_pat_" + "11ABCDEFG0aBcDeFgHiJkL_mNo" * 3
AWS = "AKIAIOSFODNN7EXAMPLE"
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
KIND = "PRIVATE KEY"
PEM_BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
PEM = f"-----BEGIN {KIND}-----\n{PEM_BODY}\n{PEM_BODY}\n-----END {KIND}-----"
ENVIRONMENT = "correct horse battery staple"
HOME = "/srv/people/jolanda"

SECRETS = (ENVIRONMENT, HOME)

OURS = "<!-- monitor-tick key=process:death scope=unknown incident=0123456789ab -->"

MARKUP = (
    "@octocat and @stellar/core-team, a@b.example",
    "fixes #123, GH-123, stellar/henyey#4 and https://github.com/stellar/henyey/issues/5",
    "see www.example.com and http://example.com/x?y=#1",
    "&#64;octocat &#35;12 &commat;octocat &lt;!-- -->",
    "<!-- a comment --> <img src=x onerror=alert(1)> <details>",
    "\\@octocat \\#12 \\<!-- \\` \\\\@octocat",
    "*a* _b_ **c** ~d~ [e](http://f.example) ![g](h) | i | $j$",
    "# heading",
    "1. list",
    "- list",
    "> quote",
    "    indented",
    "===",
    "```",
    "`````\n@octocat #1\n`````",
    "~~~\n@octocat\n~~~",
    "``````````",
    "`a`` ```b",
    "\x1b[31mred\x1b[0m \x1b]8;;http://x.example\x07link\x1b]8;;\x07 \x9b1m",
    "a\x00b\x07c\x7fd\u202eevil\u2066x\u200by\ufeff",
    "@\u200boctocat @\x1b[0moctocat #\u200d12",
    "carriage\rreturn\r\nand \u2028 separators \x85 \x0b",
    "\ud800 lone surrogate",
    OURS,
    f"```\n{OURS}\n```",
    "-->",
)

HIDDEN_IN_MARKUP = (
    SEED,
    f"seed{SEED}x",
    f"token: {GITHUB}",
    FINE_GRAINED,
    f"key {AWS} x",
    JWT,
    f"Authorization: Bearer {JWT}",
    "Authorization: Basic dXNlcjpodW50ZXIyMg==",
    'password = "hunter2 hunter3"',
    "https://user:hunter22@host.example/path",
    PEM,
    f"a {ENVIRONMENT} b",
    f"{HOME}/data/x and /home/jolanda/data and /root/.ssh",
)

SECRET_PARTS = (
    SEED, GITHUB, FINE_GRAINED, AWS, JWT, JWT[-43:], "dXNlcjpodW50ZXIyMg", "hunter2", "hunter3", "hunter22", PEM_BODY,
    ENVIRONMENT, "jolanda", "/root",
)  # fmt: skip
"""None of these may be in what leaves the machine."""
