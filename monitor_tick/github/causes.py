"""Why gh failed, from its exit status and stderr: it exits with 1 for nearly everything. Pure."""

from __future__ import annotations

import re

from monitor_tick.issues.tracker import Cause

_NO_TOKEN = 4
_HTTP = r"\b(?:HTTP|status code:) "  # gh has two clients, and each says it in its way

_TEXTS: tuple[tuple[str, Cause], ...] = (
    (rf"gh auth login|{_HTTP}401|Bad credentials", Cause.NOT_LOGGED_IN),
    (rf"{_HTTP}429|rate limit|abuse detection|submitted too quickly", Cause.LIMITED),
    # It never came to a request: no name, no connection, no TLS.
    (r"error connecting to|no such host|could not resolve host|\bdial (tcp|udp|unix)\b", Cause.NO_NETWORK),
    (r"x509: |TLS handshake timeout", Cause.NO_NETWORK),
    # Go names the request that got no answer; GitHub gives up on a query, which may have done its work, in words.
    (r"\b(Get|Head|Post|Put|Patch|Delete) \"http|\bEOF\b|connection reset|broken pipe|stream error", Cause.UNCERTAIN),
    (
        rf"{_HTTP}5\d\d|Something went wrong while executing your query|couldn't respond to your request",
        Cause.UNCERTAIN,
    ),
    # What came was not GitHub's JSON.
    (r"unexpected end of JSON|invalid character|cannot unmarshal|struct field for", Cause.UNCERTAIN),
    (r"could not add label|failed to update \S+: '.*' not found", Cause.NO_SUCH_LABEL),
    (rf"{_HTTP}404|Could not resolve to", Cause.NOT_FOUND),
)
"""The first that is found counts."""

_TABLE = tuple((re.compile(text, re.IGNORECASE), cause) for text, cause in _TEXTS)


def cause_of(status: int, err: str) -> Cause:
    """`status` is the exit status of a gh that failed, -N after signal N."""
    if status < 0:
        return Cause.UNCERTAIN
    if status == _NO_TOKEN:
        return Cause.NOT_LOGGED_IN
    return next((cause for text, cause in _TABLE if text.search(err)), Cause.REFUSED)
