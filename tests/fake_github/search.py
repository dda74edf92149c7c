"""GitHub's search for issues: words, phrases, a few qualifiers, and an index that lags."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.fake_github.model import Hub, Issue, Version

_TERM = re.compile(r'(?P<qualifier>\w+):(?P<value>"[^"]*"|\S+)|"(?P<phrase>[^"]*)"|(?P<word>[^\s()]+)')
MAX_CHARACTERS = 256


class BadSearch(Exception):
    """Words that GitHub refuses, or that this fake does not know."""


def search(hub: Hub, text: str) -> list[Issue]:
    """The newest first; an issue is as the index knew it `search_lag_seconds` ago."""
    terms = [match.groupdict() for match in _TERM.finditer(text)]
    qualifiers = [(term["qualifier"], term["value"].strip('"')) for term in terms if term["qualifier"]]
    words = [term["phrase"] or term["word"] or "" for term in terms if not term["qualifier"]]
    if len(" ".join(words)) > MAX_CHARACTERS:
        raise BadSearch(f"The search is longer than {MAX_CHARACTERS} characters.")
    only_title = ("in", "title") in qualifiers
    return [
        issue
        for issue in sorted(hub.repository.issues.values(), key=lambda issue: -issue.number)
        if (known := _indexed(hub, issue)) is not None
        and all(_holds(hub, issue, known, *each) for each in qualifiers)
        and all(_contains(known.title if only_title else f"{known.title}\n{known.body}", word) for word in words)
    ]


def _indexed(hub: Hub, issue: Issue) -> Version | None:
    until = hub.now - timedelta(seconds=hub.search_lag_seconds)
    return next((version for version in reversed(issue.versions) if version.at <= until), None)


def _holds(hub: Hub, issue: Issue, known: Version, qualifier: str, wanted: str) -> bool:
    state = "open" if known.is_open else "closed"
    answers = {
        "repo": wanted == hub.repository.full_name,
        "type": wanted == "issue",
        "is": wanted in ("issue", state),
        "state": wanted == state,
        "label": wanted in known.labels,
        "author": wanted in (issue.author, "@me" if issue.author == hub.login else ""),
        "in": wanted in ("title", "body"),
        "sort": True,
    }
    if qualifier not in answers:
        raise BadSearch(f"the fake does not know {qualifier}:{wanted}")
    return answers[qualifier]


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _contains(text: str, wanted: str) -> bool:
    """Whether the tokens of `wanted` stand in a row in `text`, in any case."""
    row, tokens = _tokens(wanted), _tokens(text)
    return any(tokens[at : at + len(row)] == row for at in range(len(tokens) - len(row) + 1))
