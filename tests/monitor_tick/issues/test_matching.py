"""Which issue a finding belongs to, as a table of what is in the tracker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor_tick.alert import Alert
from monitor_tick.issues.body import Relation
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.hiddenline import hidden_line
from monitor_tick.issues.ledger import MANY, Filed, Ledger
from monitor_tick.issues.matching import MOST_RELATED, Comment, Create, decide
from monitor_tick.issues.tracker import Cause, Issue, TrackerError
from tests.monitor_tick.issues.filing_world import BUILD, a_finding
from tests.monitor_tick.views import NOW

LOGIN, STRANGER = "henyey-monitor", "a-person"
INCIDENT = "0123456789ab"
FIX = "9d41c07a" + 32 * "0"

METRIC = "metric:henyey_peers"
PEERS = a_finding(METRIC, "row", "metrics: henyey_peers — low", metrics=("henyey_peers",))
BAD = a_finding("deploy:regression", "5f1a7a9b", "Deploy regression: 5f1a7a9b", event="of 5f1a7a9b")
RSS = a_finding("memory:high", "high", "Memory: RSS 13 GB")
DEATH = a_finding("process:death", "panic at a.rs", "Node crashed: panic at a.rs", event="run 1")
WEDGE = a_finding("process:wedge", "phase close", "Node wedged: event loop frozen in phase close", event="run 1")


def marked(finding: Finding, number: int = 7, **fields: Any) -> Issue:
    """An issue that we filed for `finding`."""
    tail = hidden_line(finding.alert.key, finding.alert.scope, INCIDENT)
    return an_issue(number, **({"title": finding.alert.title, "tail": tail} | fields))


def an_issue(number: int, title: str = "", **fields: Any) -> Issue:
    issue = Issue(number=number, title=title, is_open=True, author=LOGIN, created_at=NOW)
    return msgspec.structs.replace(issue, **fields)


def by_a_person(issue: Issue) -> Issue:
    return msgspec.structs.replace(issue, author=STRANGER)


def closed(issue: Issue, by: str = "") -> Issue:
    return msgspec.structs.replace(issue, is_open=False, closed_by=by)


def of_scope(finding: Finding, scope: str) -> Finding:
    return msgspec.structs.replace(finding, alert=msgspec.structs.replace(finding.alert, scope=scope))


def recorded(finding: Finding, number: int, **fields: Any) -> Ledger:
    filed = Filed(key=finding.alert.key, scope=finding.alert.scope, number=number, title="t", at=NOW)
    return Ledger(filed=(msgspec.structs.replace(filed, **fields),))


class Tracked:
    """The answers to the questions that a decision asks, and which were asked. The index knows `indexed`."""

    def __init__(
        self, issues: Sequence[Issue], indexed: Sequence[Issue] | None = None, contains: bool | None = None
    ) -> None:
        self.issues = {issue.number: issue for issue in issues}
        self.asked: list[str] = []
        self._indexed = issues if indexed is None else indexed
        self._contains = contains

    def issue(self, number: int) -> Issue:
        self.asked.append(f"issue {number}")
        if number not in self.issues:
            raise TrackerError(Cause.NOT_FOUND, f"#{number}")
        return self.issues[number]

    def search(self, words: Sequence[str], *, is_open: bool) -> tuple[Issue, ...]:
        self.asked.append(f"search {' '.join(words)} {'open' if is_open else 'closed'}")
        return tuple(issue for issue in self._indexed if issue.is_open is is_open)

    def contains(self, build: str, commit: str) -> bool | None:
        self.asked.append(f"contains {build[:8]} {commit[:8]}")
        return self._contains


def decided(
    finding: Finding, tracked: Tracked, ledger: Ledger | None = None, *, urgent: bool = False
) -> Comment | Create:
    listed = [issue for issue in tracked.issues.values() if issue.is_open]
    return decide(finding, ledger or Ledger(), listed, LOGIN, tracked, urgent=urgent)


NOTHING = Create()


# --- an open issue of ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "issue", "is_it"),
    [
        pytest.param(PEERS, marked(PEERS), True, id="by its hidden line"),
        pytest.param(PEERS, marked(PEERS, title="renamed by a person"), True, id="whatever its title is now"),
        pytest.param(PEERS, by_a_person(marked(PEERS, title="x")), False, id="not by a stranger's hidden line"),
        pytest.param(PEERS, an_issue(7, PEERS.alert.title), True, id="by the title, where it has no hidden line"),
        pytest.param(RSS, an_issue(7, "Memory: RSS 14 GB"), True, id="by the title up to its number"),
        pytest.param(RSS, an_issue(7, "Memory: fragmentation 55%"), False, id="not by another prefix"),
        pytest.param(RSS, by_a_person(an_issue(7, "Memory: a thing")), False, id="not by a stranger's title"),
        pytest.param(RSS, marked(DEATH, title="Memory: RSS 14 GB"), False, id="no title against the hidden line"),
        pytest.param(
            PEERS,
            marked(
                PEERS, title="x", tail=f"{hidden_line(METRIC, 'row', INCIDENT)}\n{hidden_line('a:b', 'row', INCIDENT)}"
            ),
            False,
            id="by the last hidden line alone",
        ),
        pytest.param(
            PEERS,
            marked(PEERS, title="x", tail=f"> {hidden_line(METRIC, 'row', INCIDENT)}\nthanks"),
            False,
            id="not quoted",
        ),
    ],
)
def test_an_open_issue_of_ours_is_commented_on(finding: Finding, issue: Issue, is_it: bool) -> None:
    assert decided(finding, Tracked([issue])) == (Comment(issue) if is_it else NOTHING)


def test_a_title_that_names_another_scope_is_not_its_own() -> None:
    """The prefix of a regression is that of every regression."""
    assert decided(BAD, Tracked([an_issue(7, "Deploy regression: 5f1a7a9b (again)")]), urgent=True) == Comment(
        an_issue(7, "Deploy regression: 5f1a7a9b (again)")
    )
    other = decided(BAD, Tracked([an_issue(7, "Deploy regression: 11aa22bb")]), urgent=True)
    assert other == Create((Relation(7, False, "its title names Deploy regression:", is_sure=False),))


def test_l53_the_index_is_not_asked_where_the_list_or_the_ledger_knows() -> None:
    tracked = Tracked([marked(PEERS)], indexed=[])
    assert decided(PEERS, tracked) == Comment(marked(PEERS))
    assert tracked.asked == ["issue 7"]


def test_the_issue_in_the_ledger_comes_first() -> None:
    tracked = Tracked([marked(PEERS, 5), marked(PEERS, 9, title="x")])
    assert decided(PEERS, tracked, recorded(PEERS, 9)) == Comment(tracked.issues[9])
    assert decided(PEERS, tracked) == Comment(tracked.issues[5]), "else the oldest"


def test_the_issue_in_the_ledger_may_be_one_that_a_person_filed() -> None:
    theirs = by_a_person(an_issue(7, "something else"))
    assert decided(DEATH, Tracked([theirs]), recorded(DEATH, 7, ours=False), urgent=True) == Comment(
        theirs, is_ours=False
    )


def test_an_issue_in_the_ledger_that_is_gone_is_forgotten() -> None:
    assert decided(PEERS, Tracked([]), recorded(PEERS, 7)) == NOTHING


def test_l52_what_the_list_has_is_not_gone_because_one_answer_says_so() -> None:
    tracked = Tracked([])
    with pytest.raises(TrackerError):
        decide(PEERS, Ledger(), [marked(PEERS)], LOGIN, tracked, urgent=False)


def test_l50_what_was_closed_since_the_list_was_read_is_not_commented_on() -> None:
    tracked = Tracked([closed(marked(PEERS))])
    decision = decide(PEERS, Ledger(), [marked(PEERS)], LOGIN, tracked, urgent=False)
    assert decision == Create((Relation(7, True, "closed without a commit, so that no fix is known"),))


def test_secrets_in_a_scope_do_not_hide_the_issue_from_us() -> None:
    finding, secrets = of_scope(PEERS, "hunter2-host"), ("hunter2-host",)
    issue = marked(PEERS, tail=hidden_line(METRIC, "hunter2-host", INCIDENT, secrets))
    assert "hunter2" not in issue.tail
    decision = decide(finding, Ledger(), [issue], LOGIN, Tracked([issue]), urgent=False, secrets=secrets)
    assert decision == Comment(issue)


# --- an issue that a person filed --------------------------------------------------------------------------------

BY_HAND = by_a_person(an_issue(7, "henyey_peers looks too low"))


@pytest.mark.parametrize("indexed", [[BY_HAND], []], ids=["in the index", "not yet in the index"])
def test_what_a_person_filed_gets_a_comment(indexed: list[Issue]) -> None:
    assert decided(PEERS, Tracked([BY_HAND], indexed)) == Comment(BY_HAND, is_ours=False)


def test_an_urgent_finding_is_filed_and_names_what_a_person_filed() -> None:
    decision = decided(PEERS, Tracked([BY_HAND]), urgent=True)
    assert decision == Create((Relation(7, False, "its title names henyey_peers", is_sure=False),))


@pytest.mark.parametrize(
    "issue",
    [
        pytest.param(by_a_person(an_issue(7, "henyey_peers_total looks low")), id="another metric"),
        pytest.param(by_a_person(an_issue(7, "too few peers")), id="no metric"),
        pytest.param(
            marked(a_finding("ratio:scp", title="metrics: henyey_peers — scp ratio low")), id="ours, of another key"
        ),
    ],
)
def test_a_search_result_counts_only_with_the_metric_in_a_title_that_is_not_for_another(issue: Issue) -> None:
    assert decided(PEERS, Tracked([issue])) == NOTHING


def test_l52_the_index_is_not_believed_that_an_issue_is_open() -> None:
    tracked = Tracked([closed(BY_HAND)], indexed=[BY_HAND])
    assert isinstance(decided(PEERS, tracked), Create)


def test_the_oldest_of_several_is_meant() -> None:
    newer = msgspec.structs.replace(BY_HAND, number=9)
    assert decided(PEERS, Tracked([newer, BY_HAND])) == Comment(BY_HAND, is_ours=False)


def test_where_a_title_tells_too_little_nothing_is_searched() -> None:
    tracked = Tracked([])
    assert decided(a_finding("disk:low", title="Disk: 91% on the data volume"), tracked) == NOTHING
    assert tracked.asked == []


@pytest.mark.parametrize("is_open", [True, False])
def test_a_search_that_failed_decides_nothing(is_open: bool) -> None:
    class Failing(Tracked):
        def search(self, words: Sequence[str], *, is_open: bool) -> tuple[Issue, ...]:
            if is_open is fails:
                raise TrackerError(Cause.REFUSED, "HTTP 422")
            return super().search(words, is_open=is_open)

    fails = is_open
    with pytest.raises(TrackerError, match="HTTP 422"):
        decided(PEERS, Failing([]))


# --- another scope -----------------------------------------------------------------------------------------------


def test_l51_another_scope_is_an_issue_of_its_own_and_both_name_each_other() -> None:
    other = marked(of_scope(DEATH, "OOM"), title="Node crashed: OOM")
    words = "the same alarm for OOM; this one is for panic at a.rs"
    assert decided(DEATH, Tracked([other]), urgent=True) == Create((Relation(7, False, words),), (7,))


def test_only_the_newest_of_many_scopes_are_named() -> None:
    others = [marked(of_scope(DEATH, f"panic {number}"), number) for number in range(1, 9)]
    decision = decided(DEATH, Tracked(others), urgent=True)
    assert isinstance(decision, Create)
    assert decision.back_links == (8, 7, 6)
    assert len(decision.relations) == MOST_RELATED


# --- closed ones -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "contains", "why"),
    [
        ("", None, "closed without a commit, so that no fix is known"),
        (FIX, True, "closed by 9d41c07a, which the running build 5f1a7a9b contains: that fix does not cover this"),
        (
            FIX,
            False,
            "closed by 9d41c07a, which the running build 5f1a7a9b does not contain: that fix does not run here yet",
        ),
        (FIX, None, "closed by 9d41c07a; whether the running build 5f1a7a9b contains that commit cannot be told"),
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["in the ledger", "found by search"])
def test_l50_a_closed_issue_is_named_with_why_its_fix_did_not_help(
    by: str, contains: bool | None, why: str, known: bool
) -> None:
    tracked = Tracked([closed(marked(PEERS), by)], contains=contains)
    ledger = recorded(PEERS, 7) if known else Ledger()
    assert decided(PEERS, tracked, ledger) == Create((Relation(7, True, why),))


def test_without_a_known_build_nothing_is_said_of_what_it_contains() -> None:
    finding = msgspec.structs.replace(PEERS, build="")
    tracked = Tracked([closed(marked(PEERS), FIX)], contains=True)
    decision = decided(finding, tracked)
    assert isinstance(decision, Create)
    assert "cannot be told" in decision.relations[0].words
    assert BUILD[:8] not in " ".join(tracked.asked)


def test_the_newest_closed_one_of_ours_is_named_before_those_of_others() -> None:
    ours = [closed(marked(PEERS, number)) for number in (3, 5)]
    theirs = closed(by_a_person(an_issue(9, "henyey_peers")))
    decision = decided(PEERS, Tracked([*ours, theirs]))
    assert isinstance(decision, Create)
    assert [relation.number for relation in decision.relations] == [5]


# --- always new --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ledger", [Ledger(), recorded(WEDGE, 7)], ids=["by the list", "by the ledger"])
def test_a_wedge_is_always_an_issue_of_its_own_and_names_the_last_one(ledger: Ledger) -> None:
    tracked = Tracked([marked(WEDGE, 3), marked(WEDGE, 7)])
    assert decided(WEDGE, tracked, ledger, urgent=True) == Create((Relation(7, False, "the last time this happened"),))


def test_the_last_wedge_may_be_closed_or_of_another_phase() -> None:
    last = closed(marked(of_scope(WEDGE, "phase apply")), FIX)
    decision = decided(WEDGE, Tracked([last], contains=True), recorded(of_scope(WEDGE, "phase apply"), 7), urgent=True)
    assert isinstance(decision, Create)
    assert decision.relations[0].words.startswith("the last time this happened; closed by 9d41c07a")


def test_the_first_wedge_names_none() -> None:
    assert decided(WEDGE, Tracked([marked(DEATH)]), urgent=True) == NOTHING


# --- very many at once -------------------------------------------------------------------------------------------


def an_umbrella(*keys: str) -> Finding:
    owned = tuple(Alert(key=key, scope="row", title=key) for key in keys)
    return msgspec.structs.replace(a_finding(MANY, "aaaa1111", f"{len(keys)} alarms at once: x"), owned=owned)


def test_l51_most_of_the_same_alarms_again_are_a_comment_on_their_issue() -> None:
    """The scope follows from the keys, so that one more or less would be an issue of its own each time."""
    issue = marked(a_finding(MANY, "bbbb2222", "3 alarms at once: x"))
    filed = [Filed(key=key, scope="row", number=7, title="t", at=NOW) for key in ("metric:a", "metric:b", "metric:c")]
    many = Filed(key=MANY, scope="bbbb2222", number=7, title="t", at=NOW - timedelta(hours=2))
    ledger = Ledger(filed=(many, *filed))
    tracked = Tracked([issue])
    assert decided(an_umbrella("metric:a", "metric:b", "metric:d"), tracked, ledger) == Comment(issue)
    assert isinstance(decided(an_umbrella("metric:a", "metric:d", "metric:e"), tracked, ledger), Create)
