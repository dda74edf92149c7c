"""Filing killed before and after every call to GitHub and every save, alone and beside each way in which a call fails.

After it, each finding is in exactly one issue, nothing is written twice, and nothing is lost.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec
import pytest

from monitor_tick.alert import Tier
from monitor_tick.issues import compose, matching, send
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.ledger import MANY
from monitor_tick.issues.policy import always_new, labels_of
from tests.monitor_tick.issues.filing_world import Died, World, a_finding
from tests.monitor_tick.issues.model_github import LOGIN, WRITES, Fault
from tests.monitor_tick.views import LIMITS

FEW = msgspec.structs.replace(LIMITS, umbrella_from=4)
"""An umbrella of five is as good as one of eleven, and quicker to write."""

SOON = timedelta(seconds=20)
"""An operator's tick, right after the one that died; what was under way may still arrive."""


@pytest.fixture(autouse=True, scope="module")
def remembered_texts() -> Iterator[None]:
    """The thousands of runs write the same few texts; each is made once."""
    with pytest.MonkeyPatch.context() as patch:
        for module, names in TEXTS.items():
            for name in names:
                patch.setattr(module, name, functools.cache(getattr(module, name)))
        yield


TEXTS = {
    compose: ("title_of", "issue_body", "comment_body", "note_body"),
    matching: ("title_of", "written_key", "written_scope"),
    send: ("hidden_line",),
}


def scenario() -> list[list[Finding]]:
    """New issues, comments, an event that repeats, a second scope, wedges, an escalation, and very many at once."""
    return [
        [
            a_finding("process:death", "panic at a.rs", "Node crashed: panic at a.rs", event="end of 1", token="t1"),
            a_finding("metric:henyey_foo_total", "row", "metrics: henyey_foo_total — low", token="t2"),
            a_finding("log:hash-mismatch", "herder", "Hash mismatch: tx set", tier=Tier.SYNC, token="t3"),
        ],
        [
            a_finding("process:death", "panic at a.rs", "Node crashed: panic at a.rs", event="end of 2", token="t4"),
            a_finding("log:hash-mismatch", "ledger", "Hash mismatch: header", tier=Tier.SYNC, token="t5"),
            a_finding("process:wedge", "phase close", "Node wedged: frozen in phase close", event="w1", token="t6"),
            a_finding("radar:not-validating", title="Radar: not validating", token="t7"),
        ],
        [
            a_finding("process:wedge", "phase close", "Node wedged: frozen in phase close", event="w2", token="t8"),
            a_finding("radar:not-validating", title="Radar: not validating", urgent=True, token="t9"),
        ],
        [a_finding(f"disk:{number}", title=f"Disk: alarm {number}", token=f"m{number}") for number in range(5)],
        [a_finding("disk:3", title="Disk: alarm 3", token="t10")],
    ]


class Script:
    """What happens at which step: a hook for World. Steps are counted from 0, calls to GitHub likewise."""

    def __init__(self, dies_at: int = -1, faults: Mapping[int, Fault] | None = None, then: Fault | None = None) -> None:
        self.steps: list[str] = []
        self.calls: list[str] = []
        self.writes_at: list[int] = []
        self._dies_at = dies_at
        self._faults = faults or {}
        self._then = then

    def __call__(self, name: str) -> Fault | None:
        step = len(self.steps)
        self.steps.append(name)
        if step == self._dies_at:
            raise Died
        if name == "save" or name.endswith(" done"):
            return None
        call = len(self.calls)
        self.calls.append(name)
        if name in WRITES:
            self.writes_at.append(call)
            if self._then is not None and step > self._dies_at:
                fault, self._then = self._then, None
                return fault
        return self._faults.get(call)


def run(script: Script) -> tuple[World, list[Finding]]:
    """All ticks, the next one soon after one that died, until nothing waits any more."""
    world = World(script, limits=FEW)
    raised: list[Finding] = []
    undelivered: list[Finding] = []
    for findings in [*scenario(), *([] for _ in range(9))]:
        raised += findings
        undelivered = attempt(world, [*undelivered, *findings])
        if script.steps[-1:] and len(script.steps) == script._dies_at + 1:
            world.wait(SOON)
            undelivered = attempt(world, undelivered)
        world.wait()
        if not findings and not world.ledger.outbox and not undelivered:
            break
    return world, raised


def attempt(world: World, findings: Sequence[Finding]) -> list[Finding]:
    """One tick; what its death kept from the disk is raised again by the next."""
    saves = world.saves
    try:
        world.tick(*findings)
    except Died:
        return [] if world.saves > saves else list(findings)
    return []


def check(world: World, raised: Sequence[Finding]) -> None:
    ledger, texts = world.ledger, world.github.texts
    assert ledger.outbox == (), "nothing waits for ever"
    twice = [hidden for hidden, count in Counter(each.incident for each in world.hidden()).items() if count > 1]
    assert twice == [], "no incident is written twice"
    for token in (dict(finding.alert.evidence)["token"] for finding in raised):
        told = sum(f"`{token}`" in text for text in texts)
        assert told <= 1, f"{token} is told once"
    for alert in (finding.alert for finding in raised):
        filed = ledger.filed_for(alert.key, alert.scope)
        assert filed is not None, alert.key
        assert filed.number in world.github.issues
        assert not alert.event or alert.event in filed.events, alert
        own = world.issues_of(alert.key, alert.scope)
        events = {each.alert.event for each in raised if each.alert.key == alert.key}
        most = len(events) if always_new(alert.key) else 1
        assert len(own) <= most, f"{alert.key} has one issue"
        assert len(own) == most or filed.number in world.issues_of(MANY, scope_of_many(world)), alert
        if "urgent" in labels_of(alert):
            assert all("urgent" in world.github.issues[number].labels for number in own)
    ours = [issue for issue in world.github.issues.values() if issue.author == LOGIN]
    assert [issue.number for issue in ours if not issue.column] == [], "each is on the board"


def scope_of_many(world: World) -> str:
    return next((filed.scope for filed in world.ledger.filed if filed.key == MANY), "")


def test_without_a_death_everything_is_told_once() -> None:
    world, raised = run(Script())
    check(world, raised)
    tokens = [dict(finding.alert.evidence)["token"] for finding in raised]
    texts = "\n".join(world.github.texts)
    assert [token for token in tokens if f"`{token}`" not in texts] == []
    assert world.issues_of("process:wedge", "phase close") == [5, 7]
    assert [issue.title for issue in world.github.issues.values()] == [
        "Hash mismatch: tx set",
        "Node crashed: panic at a.rs",
        "metrics: henyey_foo_total — low",
        "Hash mismatch: header",
        "Node wedged: frozen in phase close",
        "Radar: not validating",
        "Node wedged: frozen in phase close",
        "5 alarms at once: Disk: alarm 0; Disk: alarm 1; Disk: alarm 2",
    ]


@functools.cache
def steps() -> int:
    script = Script()
    run(script)
    return len(script.steps)


@functools.cache
def calls() -> tuple[str, ...]:
    script = Script()
    run(script)
    return tuple(script.calls)


def try_points(scripts: Sequence[Script]) -> int:
    for script in scripts:
        world, raised = run(script)
        try:
            check(world, raised)
        except AssertionError as error:
            raise AssertionError(f"dies at {script._dies_at}, {script._faults}, {script._then}") from error
    return len(scripts)


def test_l53_a_death_at_any_step_leaves_one_issue_of_each_finding(tell: Callable[[str], None]) -> None:
    tried = try_points([Script(point) for point in range(steps())])
    tell(f"{tried} deaths")
    assert tried > 130


@pytest.mark.parametrize(
    "fault",
    [
        fault if fault in (Fault.DONE, Fault.LATE, Fault.REFUSED) else pytest.param(fault, marks=pytest.mark.thorough)
        for fault in Fault
    ],
)
def test_any_call_may_fail_in_any_way(fault: Fault, tell: Callable[[str], None]) -> None:
    tried = try_points([Script(faults={call: fault}) for call in range(len(calls()))])
    tell(f"{tried} calls that fail as {fault.name}")
    assert tried > 40


@pytest.mark.thorough
@pytest.mark.parametrize("fault", Fault)
def test_a_death_at_any_step_and_a_failure_of_the_next_write(fault: Fault, tell: Callable[[str], None]) -> None:
    """The first write after it, so that what the recovery does is not certain either."""
    tried = try_points([Script(point, then=fault) for point in range(steps())])
    tell(f"{tried} deaths before a write that fails as {fault.name}")
    assert tried > 130


@pytest.mark.thorough
@pytest.mark.parametrize("fault", Fault)
def test_a_failure_of_the_last_write_before_a_death_at_any_step(fault: Fault, tell: Callable[[str], None]) -> None:
    script = Script()
    run(script)
    called = [step for step, name in enumerate(script.steps) if not name.endswith(" done") and name != "save"]
    scripts = []
    for point in range(steps()):
        earlier = [call for call in script.writes_at if called[call] < point]
        scripts += [Script(point, {earlier[-1]: fault})] if earlier else []
    tried = try_points(scripts)
    tell(f"{tried} deaths after a write that failed as {fault.name}")
    assert tried > 120
