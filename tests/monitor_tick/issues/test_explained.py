"""What another finding explains is told in its issue, and where that one says nothing more, on its own: from the plan
to the tracker and back through the ledger.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor_tick.alert import Alert, Tier
from monitor_tick.issues.findings import findings_of
from monitor_tick.issues.hiddenline import parse_hidden
from monitor_tick.issues.ownership import OWNERS, owners_of
from monitor_tick.judging.cooldown import cooling_of
from monitor_tick.memory import State, UrgentState
from monitor_tick.plan import Disposition, Plan, plan_of
from monitor_tick.verdict import Verdict
from tests.monitor_tick.issues.filing_world import World
from tests.monitor_tick.issues.model_github import Fault
from tests.monitor_tick.views import CADENCE, LIMITS, NOW, a_view, healthy_memory

FILE, OWNED, KNOWN, SUPPRESSED = Disposition.FILE, Disposition.OWNED, Disposition.KNOWN, Disposition.SUPPRESSED
LONG_AGO = NOW - timedelta(days=1)
COOLDOWN = timedelta(seconds=LIMITS.cooldown_seconds)


def alert(key: str, event: str = "", **changes: Any) -> Alert:
    urgent = key.startswith(("process:", "offline:", "deploy:", "wipe:", "log:hash-mismatch", "sync:"))
    made = Alert(key=key, scope="kind", title=f"title of {key}", tier=Tier.SYNC, urgent=urgent, event=event)
    return msgspec.structs.replace(made, **changes)


DOWN = alert("offline:lock-held")
LOST = alert("sync:failure")
MISMATCH = alert("log:hash-mismatch")
REGRESSION = alert("deploy:regression", "of aaaa")


class Watch:
    """A world in which each tick plans from what the ledger says of those before it."""

    def __init__(self, **world: Any) -> None:
        self.world = World(**world)
        self.urgent = UrgentState()

    def tick(self, *alerts: Alert, files: bool = True) -> dict[str, Disposition]:
        """Twenty minutes after the last one; what it makes of each key."""
        plan = self.plan(*alerts)
        if findings := findings_of(a_view(), plan, ""):
            self.world.queue(findings)
        if files:
            self.world.drain()
        self.world.wait(CADENCE)
        return {filing.alert.key: filing.disposition for filing in plan.filings}

    def plan(self, *alerts: Alert) -> Plan:
        memory = msgspec.structs.replace(healthy_memory(), issues=self.world.ledger, state=State(urgent=self.urgent))
        cooling = cooling_of(memory, LIMITS, self.world.now)
        self.urgent = cooling.urgent_after(alerts)
        verdict = Verdict(label="x", lines=("x",), alerts=alerts)
        return plan_of([verdict], early=False, cooling=cooling, ledger=memory.issues)

    @property
    def titles(self) -> list[str]:
        return [issue.title for issue in self.world.github.issues.values()]

    def said(self, number: int = 1) -> list[str]:
        """The texts of an issue: its body, then its comments."""
        issue = self.world.github.issues[number]
        return [issue.body, *(comment.body for comment in issue.comments)]


def telling(texts: list[str], word: str) -> list[int]:
    return [number for number, text in enumerate(texts) if word in text]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_node_that_stays_dead_is_one_issue() -> None:
    watch = Watch()
    death = alert("process:death", "end of 1")
    for _ in range(9):
        watch.tick(DOWN, death, alert("log:x"))
    assert watch.titles == [DOWN.title]
    assert len(watch.said()) == 2, "and a comment after two hours"


def test_a_second_outage_within_two_hours_is_told_at_once(watch: Watch) -> None:
    """Whoever holds the lock was gone for a while, and is there again with another run that ended."""
    watch.tick(DOWN, alert("process:death", "end of 1"))
    watch.tick()
    assert watch.tick(DOWN, alert("process:death", "end of 2")) == {DOWN.key: FILE, "process:death": OWNED}
    assert watch.tick(DOWN, alert("process:death", "end of 2")) == {DOWN.key: SUPPRESSED, "process:death": OWNED}
    assert watch.titles == [DOWN.title]
    assert telling(watch.said(), "process:death") == [0, 1]


def test_a_death_that_was_explained_is_not_filed_when_its_owner_has_gone(watch: Watch) -> None:
    watch.tick(DOWN, alert("process:death", "end of 1"))
    assert watch.tick(alert("process:death", "end of 1")) == {"process:death": KNOWN}
    assert watch.tick(alert("process:death", "end of 2")) == {"process:death": FILE}


def test_a_death_that_waits_with_its_owner_is_known(watch: Watch) -> None:
    watch.tick(DOWN, alert("process:death", "end of 1"), files=False)
    assert watch.tick(alert("process:death", "end of 1")) == {"process:death": KNOWN}
    assert telling(watch.said(), "process:death") == [0]


def test_a_lagging_node_is_told_every_two_hours_and_a_new_hash_mismatch_at_once(watch: Watch) -> None:
    """Twelve ticks at twenty minutes: its symptoms fire in each, and none is filed while their owner cools down."""
    symptoms = [alert(key) for key in ("radar:not-validating", "rpc:unhealthy", "metric:stellar_peer_count")]
    found = [watch.tick(LOST, *symptoms, *([MISMATCH] if tick == 5 else [])) for tick in range(12)]
    filed = [(tick, key) for tick, each in enumerate(found) for key, what in each.items() if what is FILE]
    assert filed == [(0, LOST.key), (5, MISMATCH.key), (6, LOST.key)]


def test_consequences_that_come_one_by_one_are_comments_on_one_issue(watch: Watch) -> None:
    names = ("rpc:unhealthy", "radar:not-validating", "metric:a", "metric:b")
    for number in range(len(names) + 1):
        watch.tick(LOST, *map(alert, names[:number]))
    assert watch.titles == [LOST.title]
    assert [telling(watch.said(), name)[0] for name in names] == [1, 2, 3, 4]
    watch.tick(LOST, *map(alert, names))
    watch.tick(LOST, *map(alert, names[::2]))
    assert len(watch.said()) == 5, "each is new once"


def test_consequences_that_come_and_go_are_told_once_in_two_hours(watch: Watch) -> None:
    for number in range(12):
        watch.tick(LOST, alert("rpc:unhealthy" if number % 2 else "radar:lag"))
    assert watch.titles == [LOST.title]
    assert len(watch.said()) <= 5


def test_what_outlives_its_owner_is_filed_when_two_hours_have_passed(watch: Watch) -> None:
    watch.tick(LOST, alert("rpc:unhealthy"))
    found = [watch.tick(alert("rpc:unhealthy"))["rpc:unhealthy"] for _ in range(6)]
    assert found == [SUPPRESSED] * 5 + [FILE]


def test_what_a_regression_told_is_not_filed_again(watch: Watch) -> None:
    """Neither beside it nor after the rollback, when the rest of the log of that run is read."""
    watch.tick(REGRESSION, MISMATCH)
    assert watch.tick(REGRESSION, MISMATCH) == {REGRESSION.key: KNOWN, MISMATCH.key: OWNED}
    assert watch.tick(MISMATCH) == {MISMATCH.key: SUPPRESSED}
    assert watch.titles == [REGRESSION.title]


def test_what_begins_beside_an_event_that_was_told_is_filed(watch: Watch) -> None:
    """An event is told once: nothing more is written about it."""
    watch.tick(REGRESSION, MISMATCH)
    assert watch.tick(REGRESSION, MISMATCH, alert("log:y"))["log:y"] is FILE
    assert watch.tick(REGRESSION, MISMATCH, alert("log:y"))["log:y"] is SUPPRESSED
    for _ in range(6):
        found = watch.tick(REGRESSION, MISMATCH, alert("log:y"))
    assert found[MISMATCH.key] is OWNED, "it was told there, and that is not over"
    assert watch.titles == [REGRESSION.title, "title of log:y"]


def test_what_begins_beside_a_told_event_has_an_owner_that_still_writes(watch: Watch) -> None:
    """Not each an issue of its own: the node is out of sync, and that is told."""
    watch.tick(REGRESSION, MISMATCH)
    rest = [alert(key) for key in ("rpc:unhealthy", "radar:lag", "metric:a")]
    assert watch.tick(REGRESSION, LOST, *rest) == {REGRESSION.key: KNOWN, LOST.key: FILE} | {
        each.key: OWNED for each in rest
    }
    assert watch.titles == [REGRESSION.title, LOST.title]


def test_an_event_on_the_same_issue_explains_only_what_was_told_with_it(watch: Watch) -> None:
    line = alert("log:x")
    watch.tick(alert("process:death", "end of 1"), line)
    for _ in range(9):
        watch.tick()
    watch.tick(alert("process:death", "end of 2"))
    assert watch.tick(alert("process:death", "end of 2"), line)[line.key] is FILE


def test_what_becomes_urgent_beside_its_owner_is_told_in_its_issue(watch: Watch) -> None:
    radar = alert("radar:not-validating")
    watch.tick(LOST, radar)
    assert watch.tick(LOST, msgspec.structs.replace(radar, urgent=True)) == {LOST.key: FILE, radar.key: OWNED}
    assert watch.tick(LOST, msgspec.structs.replace(radar, urgent=True)) == {LOST.key: SUPPRESSED, radar.key: OWNED}


def test_very_many_at_once_and_what_they_explain_are_told_once(watch: Watch) -> None:
    many = [alert(f"x:{number}") for number in range(11)]
    death = alert("process:death", "end of 1")
    watch.tick(*many, DOWN, death)
    assert watch.tick(*many, DOWN, death)[DOWN.key] is SUPPRESSED
    assert len(watch.world.github.issues) == 1
    assert len(watch.said()) == 1


# --- as a property -----------------------------------------------------------------------------------------------

KEYS = tuple(dict.fromkeys(key for row in OWNERS for key in (row.key, *row.owned)))
EVENTS = ("process:", "wipe:", "deploy:")


def raised(key: str, number: int) -> Alert:
    """`number` tells one run, wipe or build from another; a condition is the same each time."""
    name = key if not key.endswith(":") else f"{key}x"
    token = f"{name}/{number}" if key.startswith(EVENTS) else name
    event = f"event {number}" if key.startswith(EVENTS) else ""
    return alert(name, event, title=f"title of {token}", evidence=(("token", token),))


ALERTS = st.builds(raised, st.sampled_from(KEYS), st.integers(1, 2))
TICKS = st.lists(
    st.tuples(st.lists(ALERTS, max_size=5, unique_by=lambda each: each.key), st.sampled_from([None, *Fault])),
    min_size=1,
    max_size=8,
)


def told_at(world: World, token: str) -> list[tuple[datetime, str]]:
    """When, and in a text about which key."""
    texts = [(issue.at, issue.body) for issue in world.github.issues.values()]
    texts += [(each.at, each.body) for issue in world.github.issues.values() for each in issue.comments]
    hidden = [(at, parse_hidden(text)) for at, text in texts if f"`{token}`" in text]
    return sorted((at, line.key) for at, line in hidden if line is not None)


@settings(max_examples=60)
@given(TICKS)
def test_whatever_fires_is_told_within_two_hours_and_an_event_once(
    ticks: list[tuple[list[Alert], Fault | None]],
) -> None:
    """With failures of the tracker in between; the ticks after them bring what waits.

    What fires beside an event that was told may have been told with it, however long ago.
    """
    watch = Watch()
    fired: list[tuple[datetime, Alert]] = []
    for alerts, fault in ticks:
        faults = iter([None, None, fault])  # who we are, the list, and the first call about a finding
        watch.world.hook = lambda name, faults=faults: None if name.startswith("save") else next(faults, None)
        at, found = watch.world.now, watch.tick(*alerts)
        known = {key for key, disposition in found.items() if disposition is KNOWN}
        told_before = [bool(known & {owner.key for owner in owners_of(each, alerts)}) for each in alerts]
        fired += [(LONG_AGO if before else at, each) for each, before in zip(alerts, told_before, strict=True)]
    watch.world.hook = lambda _name: None
    for _ in range(9):
        watch.tick()
    assert watch.world.ledger.outbox == ()
    for at, each in fired:
        told = told_at(watch.world, dict(each.evidence)["token"])
        if each.event:
            assert watch.world.ledger.knows(each.key, each.scope, each.event), each.title
            assert each.key not in [key for _, key in told[1:]], (each.title, told)
        else:
            assert any(time - at > -COOLDOWN for time, _ in told), (at, each.title)
