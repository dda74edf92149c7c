"""Which issue a finding belongs to: an open one that is commented on, or a new one and what it is related to. Pure.

The questions that only the tracker and the checkout can answer are callables, so that each is asked only where the
answers before it leave it open.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Protocol

import msgspec

from monitor_tick.issues.body import Relation, title_of
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.hiddenline import Hidden, parse_hidden, written_key, written_scope
from monitor_tick.issues.ledger import MANY, Ledger
from monitor_tick.issues.policy import always_new
from monitor_tick.issues.redaction import redact
from monitor_tick.issues.relations import fixed, last_time, other_scope, possibly, takes_no_comment
from monitor_tick.issues.titles import carries, signature_of, stable_prefix
from monitor_tick.issues.tracker import Cause, Issue, TrackerError

MOST_RELATED = 3
"""Open issues of other scopes that a new one is linked to: each of them is told."""


class Lookups(Protocol):
    """What `decide` may ask. `issue` and `search` raise TrackerError, which leaves the finding undecided."""

    def issue(self, number: int) -> Issue: ...

    def search(self, words: Sequence[str], *, is_open: bool) -> tuple[Issue, ...]: ...

    def contains(self, build: str, commit: str) -> bool | None:
        """Whether the commit is part of the build; None where that cannot be told."""


class Comment(msgspec.Struct, frozen=True):
    """The finding is more of what this open issue tells. `is_ours` is False where a person filed it."""

    issue: Issue
    is_ours: bool = True


class Create(msgspec.Struct, frozen=True):
    """The finding is an issue of its own; `back_links` are open ones that are to name it."""

    relations: tuple[Relation, ...] = ()
    back_links: tuple[int, ...] = ()


class _Marked(msgspec.Struct, frozen=True):
    """An issue of our login, with its hidden line. What looks like one in anybody else's is text."""

    issue: Issue
    hidden: Hidden | None


class _Search(msgspec.Struct, frozen=True):
    """One finding and everything that the questions about it need. `key` and `scope` are as a hidden line has them."""

    finding: Finding
    ledger: Ledger
    open_issues: tuple[Issue, ...]
    login: str
    lookups: Lookups
    title: str
    key: str
    scope: str
    signature: str

    def marked(self, issues: Sequence[Issue]) -> list[_Marked]:
        return [_Marked(issue, parse_hidden(issue.tail)) for issue in issues if issue.author == self.login]

    def is_same(self, hidden: Hidden | None) -> bool:
        return hidden is not None and (hidden.key, hidden.scope) == (self.key, self.scope)


def decide(  # noqa: PLR0913  (a decision is given all that it rests on)
    finding: Finding,
    ledger: Ledger,
    open_issues: Sequence[Issue],
    login: str,
    lookups: Lookups,
    *,
    urgent: bool,
    secrets: Sequence[str] = (),
    shut: Container[int] = (),
) -> Comment | Create:
    """`open_issues` is the whole plain list, `shut` those of it that take no comment.

    What is commented on was looked at once more, and is open.
    """
    alert = finding.alert
    search = _Search(
        finding,
        ledger,
        tuple(open_issues),
        login,
        lookups,
        title=title_of(finding, secrets),
        key=written_key(alert.key, secrets),
        scope=written_scope(alert.scope, secrets),
        signature=redact(signature_of(alert), secrets),
    )
    if always_new(alert.key):
        return _one_more(search)
    past: list[Issue] = []
    for number in dict.fromkeys(_own_candidates(search)):
        issue = _look(search, number)
        if issue is not None and issue.is_open and number not in shut:
            return Comment(issue, is_ours=issue.author == login)
        past += [issue] if issue else []
    by_hand = _filed_by_hand(search)
    if by_hand is not None and by_hand.number in shut:
        past, by_hand = [*past, by_hand], None
    if by_hand is not None and not urgent:
        return Comment(by_hand, is_ours=False)
    others = _other_scopes(search)
    related = (
        *(takes_no_comment(issue) for issue in past if issue.is_open),
        *([possibly(by_hand, search.signature)] if by_hand else []),
        *(other_scope(issue, hidden.scope, search.scope) for issue, hidden in others),
        *_closed_relation(search, [issue for issue in past if not issue.is_open]),
    )
    return Create(related, tuple(issue.number for issue, _ in others))


# --- open --------------------------------------------------------------------------------------------------------


def _own_candidates(search: _Search) -> Iterator[int]:
    """The ledger's issue, then those of the plain list: by the hidden line, the exact title, its stable prefix.

    A hidden line is the whole truth: the titles are for issues that have none, or have lost it.
    """
    if number := _recorded(search):
        yield number
    marked = search.marked(sorted(search.open_issues, key=lambda issue: issue.number))
    yield from (each.issue.number for each in marked if search.is_same(each.hidden))
    unmarked = [each.issue for each in marked if each.hidden is None]
    yield from (issue.number for issue in unmarked if issue.title == search.title)
    if prefix := stable_prefix(search.title):
        alike = (issue for issue in unmarked if stable_prefix(issue.title) == prefix)
        yield from (issue.number for issue in alike if not _names_other_scope(issue, search))


def _names_other_scope(issue: Issue, search: _Search) -> bool:
    """Where the scope is what changes in the title, the rest of it is that of every scope."""
    return carries(search.title, search.scope) and not carries(issue.title, search.scope)


def _recorded(search: _Search) -> int:
    """The number in the ledger; of an umbrella, the one under which most of what it lists was filed. Else 0."""
    alert = search.finding.alert
    if (filed := search.ledger.filed_for(alert.key, alert.scope)) is not None:
        return filed.number
    if alert.key != MANY:
        return 0
    listed = [search.ledger.filed_for(alert.key, alert.scope) for alert in search.finding.owned]
    numbers = [filed.number for filed in listed if filed is not None]
    umbrellas = {filed.number for filed in search.ledger.filed if filed.key == MANY}
    return next((number for number in umbrellas if numbers.count(number) * 2 > len(listed)), 0)


def _look(search: _Search, number: int) -> Issue | None:
    """None where it is gone: deleted, or moved to another repository. What the list has is not gone."""
    try:
        return search.lookups.issue(number)
    except TrackerError as error:
        if error.cause is not Cause.NOT_FOUND or any(issue.number == number for issue in search.open_issues):
            raise
        return None


def _filed_by_hand(search: _Search) -> Issue | None:
    """The oldest open issue without a hidden line of ours whose title names the metric or the signature."""
    if not search.signature:
        return None
    found = (*search.open_issues, *search.lookups.search((search.signature,), is_open=True))
    for number in sorted({issue.number for issue in _naming(found, search)}):
        issue = _look(search, number)  # the index says what was true some minutes ago
        if issue is not None and issue.is_open:
            return issue
    return None


def _naming(issues: Sequence[Issue], search: _Search) -> list[Issue]:
    named = [issue for issue in issues if carries(issue.title, search.signature)]
    other = {each.issue.number for each in search.marked(named) if each.hidden and not search.is_same(each.hidden)}
    return [issue for issue in named if issue.number not in other]


def _other_scopes(search: _Search) -> list[tuple[Issue, Hidden]]:
    """The newest open issues of the same key, for another scope."""
    other = [
        (each.issue, each.hidden)
        for each in search.marked(search.open_issues)
        if each.hidden and each.hidden.key == search.key and each.hidden.scope != search.scope
    ]
    return sorted(other, key=lambda each: each[0].number, reverse=True)[:MOST_RELATED]


# --- closed ------------------------------------------------------------------------------------------------------


def _closed_relation(search: _Search, known: Sequence[Issue]) -> tuple[Relation, ...]:
    """The newest closed issue about the same, and why its fix did not cover this."""
    issue = max(known, key=lambda issue: issue.number, default=None) or _closed_by_search(search)
    if issue is None or issue.is_open:
        return ()
    return (fixed(issue, search.finding.build, search.lookups.contains),)


def _closed_by_search(search: _Search) -> Issue | None:
    if not search.signature:
        return None
    found = search.lookups.search((search.signature,), is_open=False)
    ours = [each.issue for each in search.marked(found) if search.is_same(each.hidden)]
    newest = max(ours or _naming(found, search), key=lambda issue: issue.number, default=None)
    return _look(search, newest.number) if newest else None


# --- always new --------------------------------------------------------------------------------------------------


def _one_more(search: _Search) -> Create:
    """An occurrence that is an issue of its own, linked to the last one of its key."""
    last = _last_one(search)
    return Create((last_time(last, search.finding.build, search.lookups.contains),) if last else ())


def _last_one(search: _Search) -> Issue | None:
    """By the ledger, the plain list and, where both know none, among the closed ones."""
    recorded = [filed.number for filed in search.ledger.filed if filed.key == search.finding.alert.key]
    listed = [
        each.issue.number for each in search.marked(search.open_issues) if each.hidden and each.hidden.key == search.key
    ]
    for number in sorted({*recorded, *listed}, reverse=True):
        if (issue := _look(search, number)) is not None:
            return issue
    return _closed_by_search(search)
