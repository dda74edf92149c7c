"""How findings come into the outbox, are merged there, and in which order they leave it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_tick.alert import Tier
from monitor_tick.issues import ledgerfile
from monitor_tick.issues.bounds import (
    BRIEF_DIAGNOSIS,
    EVENTS_KEPT,
    EVIDENCE_LIMIT,
    FILED_KEPT,
    LISTED_KEPT,
    OWNED_DIAGNOSIS,
    OWNED_KEPT,
)
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.findings import LOG_LINE_LENGTH, LOG_LINES, LONGEST_DIAGNOSIS
from monitor_tick.issues.ledger import MANY, NOTHING_FILED, Entry, Filed, Intent, Ledger, State
from monitor_tick.issues.order import follow_ups, is_held, worst_first
from monitor_tick.issues.outbox import UMBRELLA_FROM, queue, with_act
from monitor_tick.issues.progress import sent
from monitor_tick.issues.umbrella import umbrella_of
from monitor_tick.state.shelf import FILE_LIMIT
from tests.monitor_tick.issues.filing_world import a_finding
from tests.monitor_tick.issues.test_body import body
from tests.monitor_tick.views import LIMITS, NOW

MINUTE = timedelta(minutes=1)
RPC = a_finding("rpc:down", title="RPC down")
SYNC = a_finding("sync:failure", title="STUCK: no ledger progress")


def names(ledger: Ledger = NOTHING_FILED) -> Callable[[], str]:
    numbers = itertools.count(len(ledger.outbox) + 1)
    return lambda: f"{next(numbers):012x}"


def queued(*ticks: Sequence[Finding], ledger: Ledger = NOTHING_FILED) -> Ledger:
    """One list of findings for each tick, a minute apart."""
    new_incident = names(ledger)
    for number, findings in enumerate(ticks):
        ledger = queue(ledger, findings, NOW + number * MINUTE, new_incident)
    return ledger


def as_sent(ledger: Ledger) -> Ledger:
    return msgspec.structs.replace(ledger, outbox=tuple(sent(entry, NOW) for entry in ledger.outbox))


def events_of(count: int, key: str = "process:death") -> list[Finding]:
    return [a_finding(key, event=f"run {number}") for number in range(count)]


def urgent(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, alert=msgspec.structs.replace(finding.alert, urgent=True))


# --- one entry for each ------------------------------------------------------------------------------------------


def test_a_finding_is_an_entry() -> None:
    (entry,) = queued([SYNC]).outbox
    assert entry == Entry(
        incident="000000000001",
        intent=Intent.FILE,
        key="sync:failure",
        scope="kind",
        title="STUCK: no ledger progress",
        finding=SYNC,
        first_at=NOW,
    )


def test_it_is_urgent_as_the_policy_says() -> None:
    death, stuck, fast = a_finding("process:death"), urgent(SYNC), urgent(RPC)
    assert [entry.urgent for entry in queued([death, stuck, fast]).outbox] == [True, True, False]


def test_what_waits_is_merged_into_with_the_newest_evidence_under_the_oldest_date() -> None:
    again = a_finding("rpc:down", title="RPC down, still", token="2")
    (entry,) = queued([RPC], [again], [again]).outbox
    assert (entry.times, entry.first_at, entry.title, entry.finding) == (3, NOW, "RPC down, still", again)
    assert (entry.incident, entry.state) == ("000000000001", State.PENDING)


def test_what_was_urgent_once_stays_so() -> None:
    (entry,) = queued([SYNC], [urgent(SYNC)], [SYNC]).outbox
    assert entry.urgent


def test_another_scope_is_another_entry() -> None:
    assert len(queued([a_finding("disk:low", "a"), a_finding("disk:low", "b")]).outbox) == 2


def test_an_event_that_is_known_is_not_queued_again() -> None:
    first, second = events_of(2)
    filed = Filed(key="process:death", scope="kind", number=7, title="t", at=NOW, events=("run 0",))
    ledger = queued([first, second, second], ledger=Ledger(filed=(filed,)))
    assert [entry.finding for entry in ledger.outbox] == [second]


def test_events_that_were_merged_are_known() -> None:
    findings = events_of(EVENTS_KEPT + 5)
    ledger = queued(*([finding] for finding in findings), [findings[-3]])
    (entry,) = ledger.outbox
    assert entry.times == EVENTS_KEPT + 5
    assert entry.events == tuple(f"run {number}" for number in range(4, EVENTS_KEPT + 4))
    assert ledger.knows("process:death", "kind", f"run {EVENTS_KEPT + 4}")


@pytest.mark.parametrize("key", ["process:wedge", "wipe:state"])
def test_each_wedge_and_each_wipe_is_an_entry_of_its_own(key: str) -> None:
    assert [entry.times for entry in queued(events_of(2, key), events_of(3, key)).outbox] == [1, 1, 1]


@pytest.mark.parametrize("key", ["", "  ", "metric:", "deploy: "])
def test_l61_what_has_no_key_is_refused_and_that_is_filed(key: str) -> None:
    broken = a_finding(key, title="Deploy regression: ")
    (entry,) = queued([broken], [broken]).outbox
    assert (entry.key, entry.times) == ("self:no-key", 2)
    assert entry.finding is not None
    assert repr(key) in entry.finding.alert.cause
    assert entry.finding.owned == (broken.alert,)


def test_a_log_line_without_target_and_words_has_a_key() -> None:
    assert queued([a_finding("log::", scope="")]).outbox[0].key == "log::"


# --- beside what was sent ----------------------------------------------------------------------------------------


def test_a_condition_that_goes_on_is_merged_into_what_was_sent() -> None:
    ledger = as_sent(queued([RPC]))
    (entry,) = queued([a_finding("rpc:down", token="2")], ledger=ledger).outbox
    assert (entry.times, entry.state, entry.sent_at) == (2, State.SENT, NOW)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(*events_of(2), id="another event"),
        pytest.param(SYNC, urgent(SYNC), id="an escalation"),
    ],
)
def test_what_the_tracker_may_not_know_is_no_part_of_what_was_sent(first: Finding, second: Finding) -> None:
    ledger = queued([second], [second], ledger=as_sent(queued([first])))
    assert [(entry.state, entry.finding) for entry in ledger.outbox] == [(State.SENT, first), (State.PENDING, second)]
    assert is_held(ledger, ledger.outbox[1]), "which issue it belongs to is not known yet"
    assert not is_held(ledger, ledger.outbox[0])


# --- what a finding explains -------------------------------------------------------------------------------------

OFFLINE = a_finding("offline:lock-held", title="OFFLINE: the lock is held")


def explaining(finding: Finding, *owned: Finding) -> Finding:
    return msgspec.structs.replace(finding, owned=tuple(each.alert for each in owned))


def test_what_was_explained_once_is_told_however_often_its_owner_is_merged() -> None:
    first, second = events_of(2)
    ledger = queued([explaining(OFFLINE, first, RPC)], [explaining(OFFLINE, second)], [OFFLINE])
    (entry,) = ledger.outbox
    assert entry.finding is not None
    assert entry.finding.owned == (second.alert, first.alert, RPC.alert)


def test_several_that_are_merged_at_once_keep_what_each_explains() -> None:
    first, second = events_of(2)
    deaths = [explaining(each, line) for each, line in ((first, a_finding("log:a")), (second, a_finding("log:b")))]
    (entry,) = queued([a_finding("process:death", event="run x")], deaths).outbox
    assert entry.finding is not None
    assert {alert.key for alert in entry.finding.owned} == {"log:a", "log:b"}


def test_what_explains_something_new_is_no_part_of_what_was_sent() -> None:
    ledger = as_sent(queued([explaining(OFFLINE, RPC)]))
    again = explaining(OFFLINE, RPC)
    assert [entry.times for entry in queued([again], ledger=ledger).outbox] == [2]
    more = explaining(OFFLINE, RPC, *events_of(1))
    assert [(entry.state, entry.finding) for entry in queued([more], ledger=ledger).outbox] == [
        (State.SENT, ledger.outbox[0].finding),
        (State.PENDING, more),
    ]


def test_an_umbrella_lists_what_its_findings_explain() -> None:
    death, line = a_finding("process:death", event="1"), a_finding("log:x")
    ledger = queued([*disks(11), explaining(OFFLINE, death, line)], [explaining(disks(1)[0], a_finding("b"))])
    (entry,) = ledger.outbox
    assert {alert.key for alert in entry.alerts} >= {"offline:lock-held", "process:death", "log:x", "b"}
    assert ledger.knows("process:death", "kind", "1")


def test_an_umbrella_of_what_waits_for_days_lists_it_too() -> None:
    explained = [explaining(a_finding(f"log:{n}", diagnosis="x" * 3000), a_finding(f"b:{n}")) for n in range(4000)]
    ledger = queue(Ledger(outbox=waiting(explained)), [RPC], NOW, names(Ledger(outbox=waiting(explained))))
    (umbrella,) = [entry for entry in ledger.outbox if entry.key == MANY]
    assert umbrella.tells_of("log:0", "kind")
    assert umbrella.tells_of("b:0", "kind")


# --- very many at once -------------------------------------------------------------------------------------------


def disks(count: int, first: int = 0, **fields: Any) -> list[Finding]:
    return [a_finding(f"disk:{number}", title=f"Disk {number}", **fields) for number in range(first, first + count)]


def test_its_number_is_the_one_in_the_limits() -> None:
    assert LIMITS.umbrella_from == UMBRELLA_FROM


@pytest.mark.parametrize(("count", "entries"), [(10, 10), (11, 1)])
def test_l51_more_than_ten_are_one_finding_that_lists_them(count: int, entries: int) -> None:
    assert len(queued(disks(count)).outbox) == entries


def test_the_umbrella_names_the_worst_and_is_urgent_where_one_of_them_is() -> None:
    death = a_finding("process:death", "OOM", "Node crashed: OOM", tier=Tier.ACTION, event="run 1")
    (entry,) = queued([*disks(11), death]).outbox
    assert entry.title == "12 alarms at once: Node crashed: OOM; Disk 0; Disk 1"
    assert entry.urgent
    assert entry.finding is not None
    assert (entry.key, entry.finding.alert.tier, len(entry.finding.owned)) == (MANY, Tier.ACTION, 12)
    assert not queued(disks(11)).outbox[0].urgent


def test_its_scope_follows_from_the_keys_alone() -> None:
    first = queued(disks(11)).outbox[0]
    other = queued(list(reversed(disks(11, scope="other", token="2")))).outbox[0]
    assert first.scope == other.scope
    assert len(first.scope) == 8
    assert queued(disks(12)).outbox[0].scope != first.scope


def test_an_event_in_an_umbrella_is_known() -> None:
    death = a_finding("process:death", event="run 1")
    ledger = queued([*disks(11), death], [death])
    assert ledger.knows("process:death", "kind", "run 1")
    assert len(ledger.outbox) == 1


def test_its_conditions_are_merged_into_it_together() -> None:
    ledger = queued(disks(11), disks(5, token="2"))
    (entry,) = ledger.outbox
    assert (entry.times, entry.title) == (2, "11 alarms at once: Disk 0; Disk 1; Disk 2")
    assert [len(alert.evidence) for alert in entry.alerts[1:]] == [1] * 5 + [0] * 6


def test_a_new_event_of_a_key_in_it_waits_for_its_issue() -> None:
    ledger = queued([*disks(11), *events_of(1)], events_of(2)[1:])
    assert [entry.key for entry in ledger.outbox] == [MANY, "process:death"]
    assert [entry.key for entry in worst_first(ledger)] == [MANY, "process:death"], "though it is not graver"


def test_those_that_wait_already_do_not_make_an_umbrella() -> None:
    """One of them may be in the tracker, or about to be."""
    ledger = queued(disks(3), disks(12))
    assert [entry.times for entry in ledger.outbox] == [2] * 3 + [1] * 9


# --- order -------------------------------------------------------------------------------------------------------


def test_l58_the_worst_goes_first_and_noise_last() -> None:
    ticks = [
        [a_finding("rpc:down"), a_finding("disk:low", tier=Tier.NONC)],
        [a_finding("radar:lag"), a_finding("sync:failure", tier=Tier.SYNC)],
        [a_finding("memory:high", tier=Tier.ACTION), a_finding("process:death", tier=Tier.WARN)],
    ]
    keys = [entry.key for entry in worst_first(queued(*ticks))]
    assert keys == ["process:death", "sync:failure", "memory:high", "rpc:down", "radar:lag", "disk:low"]


def test_what_failed_least_goes_first_of_what_follows_an_issue() -> None:
    def following(intent: Intent, attempts: int) -> Entry:
        name = f"{intent.value} {attempts}"
        return Entry(
            incident=name, intent=intent, key="k", scope="", title="", first_at=NOW, number=7, attempts=attempts
        )

    entries = [
        following(intent, attempts) for intent in (Intent.BOARD, Intent.COMMENT, Intent.LABEL) for attempts in (2, 0)
    ]
    ledger = Ledger(outbox=tuple(entries))
    assert [entry.incident for entry in follow_ups(ledger)] == [
        *("label 0", "label 2", "comment 0", "comment 2", "board 0", "board 2")
    ]
    assert worst_first(ledger) == ()


# --- bounds ------------------------------------------------------------------------------------------------------


def a_long_finding(key: str = "log:a") -> Finding:
    owned = a_finding("log:b", diagnosis="x" * 50_000).alert
    finding = a_finding(key, diagnosis="y" * 50_000)
    return msgspec.structs.replace(finding, owned=(owned,) * 200, log=("z" * 5000,) * 200)


def test_a_finding_waits_with_as_much_evidence_as_an_issue_shows() -> None:
    kept = queued([a_long_finding()]).outbox[0].finding
    assert kept is not None
    assert (len(kept.alert.diagnosis), len(kept.log), len(kept.log[0])) == (
        LONGEST_DIAGNOSIS,
        LOG_LINES,
        LOG_LINE_LENGTH,
    )
    assert (len(kept.owned), len(kept.owned[0].diagnosis)) == (OWNED_KEPT, OWNED_DIAGNOSIS)


def test_hundreds_of_findings_wait_in_a_file_that_can_be_read() -> None:
    ledger = NOTHING_FILED
    new_incident = names()
    for tick in range(50):
        findings = [a_long_finding(f"log:{tick}:{number}") for number in range(10)]
        ledger = queue(ledger, findings, NOW + tick * MINUTE, new_incident)
    assert len(ledger.outbox) == 500
    assert len(ledgerfile.render(ledger)) < FILE_LIMIT
    kept = [entry.finding for entry in worst_first(ledger) if entry.finding]
    assert len(kept[0].log) == LOG_LINES, "what goes first keeps its evidence"
    assert (kept[-1].log, len(kept[-1].alert.diagnosis)) == ((), BRIEF_DIAGNOSIS)
    assert sum(len(msgspec.json.encode(finding)) for finding in kept if finding.log) <= EVIDENCE_LIMIT


def waiting(findings: Sequence[Finding]) -> tuple[Entry, ...]:
    """As many ticks queued them, the oldest first."""
    return tuple(
        msgspec.structs.replace(entry, incident=f"{number:012x}", first_at=NOW + number * MINUTE)
        for number, finding in enumerate(findings)
        for entry in queued([finding]).outbox
    )


A_LOT: dict[str, Callable[[], list[Finding]]] = {
    "conditions": lambda: [a_finding(f"log:{number}", diagnosis="x" * 3000) for number in range(4000)],
    "with all their evidence": lambda: [a_long_finding(f"log:{number}") for number in range(400)],
    "events": lambda: [a_finding("process:wedge", event=f"run {each}", title="w" * 400) for each in range(8000)],
    "umbrellas": lambda: [
        umbrella_of([a_finding(f"disk:{number}:{each}", title="d" * 200) for each in range(50)])
        for number in range(400)
    ],
}


THOUSANDS = ("conditions", "events")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.thorough if kind in THOUSANDS else ()) for kind in A_LOT]
)
def test_however_much_waits_its_file_can_be_read(kind: str) -> None:
    full = Filed(key="k" * 90, scope="s" * 40, number=1, title="t" * 200, at=NOW, events=("e" * 50,) * EVENTS_KEPT)
    before = Ledger(filed=(full,) * FILED_KEPT, outbox=waiting(A_LOT[kind]()))
    new_incident = names(before)
    ledger = queue(before, [RPC], NOW, new_incident)
    content = ledgerfile.render(ledger)
    assert len(content) < FILE_LIMIT // 2
    assert ledgerfile.parse(content) == ledger
    said = {(alert.key, alert.scope, alert.event) for entry in before.outbox for alert in entry.alerts}
    told = {(alert.key, alert.scope, alert.event) for entry in ledger.outbox for alert in entry.alerts}
    assert len(said & told) >= min(len(said), LISTED_KEPT)
    assert len({entry.incident for entry in ledger.outbox}) == len(ledger.outbox)
    again = queue(ledger, [SYNC], NOW, new_incident)
    assert len(again.outbox) == len(ledger.outbox) + 1, "what made room once need not at once make it again"


def test_what_is_urgent_or_an_event_waits_on_its_own_for_longest() -> None:
    conditions = [a_finding(f"log:{number}", diagnosis="x" * 3000) for number in range(4000)]
    before = Ledger(outbox=waiting([RPC, urgent(SYNC), *events_of(1), *conditions]))
    ledger = queue(before, [a_finding("disk:low")], NOW + 9999 * MINUTE, names(before))
    assert {entry.key for entry in ledger.outbox} >= {"sync:failure", "process:death", MANY, "disk:low"}
    (umbrella,) = [entry for entry in ledger.outbox if entry.key == MANY]
    assert umbrella.tells_of("rpc:down", "kind"), "the oldest condition"
    assert (umbrella.first_at, umbrella.urgent) == (NOW, False)


def test_what_was_sent_is_in_no_umbrella() -> None:
    before = as_sent(Ledger(outbox=waiting(A_LOT["conditions"]())))
    ledger = queue(before, [RPC], NOW, names(before))
    assert {entry.key for entry in ledger.outbox} >= {finding.alert.key for finding in A_LOT["conditions"]()}


def test_half_a_character_from_a_log_does_not_keep_the_ledger_from_its_file() -> None:
    finding = a_finding("log:\udce9", title="log: \udce9", diagnosis="\ud800")
    ledger = queued([msgspec.structs.replace(finding, log=("caf\udce9",))])
    again = ledgerfile.parse(ledgerfile.render(ledger))
    assert again == ledger
    assert again.outbox[0].finding is not None
    assert (again.outbox[0].key, again.outbox[0].finding.log) == ("log:?", ("caf?",))


# --- as a property -----------------------------------------------------------------------------------------------

FINDINGS = st.builds(
    a_finding,
    st.sampled_from(["rpc:down", "disk:low", "process:death", "process:wedge", "sync:failure"]),
    st.sampled_from(["a", "b"]),
    event=st.sampled_from(["", "1", "2"]),
    urgent=st.booleans(),
)


@given(st.lists(st.tuples(st.lists(FINDINGS, max_size=5), st.booleans()), max_size=8))
def test_no_finding_is_dropped_or_counted_twice(ticks: list[tuple[list[Finding], bool]]) -> None:
    ledger, new_incident, expected = NOTHING_FILED, names(), 0
    for findings, is_sent in ticks:
        seen = {(e.key, e.scope, event) for e in ledger.outbox for event in (*e.events, *(a.event for a in e.alerts))}
        for alert in (finding.alert for finding in findings):
            this = (alert.key, alert.scope, alert.event)
            expected += not alert.event or this not in seen
            seen.add(this)
        ledger = queue(ledger, findings, NOW, new_incident)
        ledger = as_sent(ledger) if is_sent else ledger
        assert sum(entry.times for entry in ledger.outbox) == expected
    assert len({entry.incident for entry in ledger.outbox}) == len(ledger.outbox)


def test_what_was_done_to_the_node_is_told_by_what_that_tick_queued_about_it() -> None:
    """Not by what waits from before, and not by what is about no run of the node."""
    before = queued([RPC])
    later = NOW + MINUTE
    death, red = (a_finding(key, at=later) for key in ("process:death", "ci:CI:test:x"))
    ledger = queue(before, [death, red], later, names(before))
    told = with_act(ledger, later, "relaunch: launched pid 7")
    assert {entry.key: entry.finding.acted for entry in told.outbox if entry.finding} == {
        "rpc:down": "",
        "process:death": "relaunch: launched pid 7",
        "ci:CI:test:x": "",
    }
    (entry,) = (entry for entry in told.outbox if entry.key == "process:death")
    assert entry.finding is not None
    assert "What this tick did to the node: `relaunch: launched pid 7`." in body(entry.finding)
