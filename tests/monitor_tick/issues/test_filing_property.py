"""Any ticks with any findings, failures, deaths and people: never two issues of one incident, nothing told twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

from monitor_tick.issues.finding import Finding
from monitor_tick.issues.hiddenline import parse_hidden
from monitor_tick.issues.ledger import MANY, Filed
from monitor_tick.issues.policy import always_new
from tests.examples import examples
from tests.monitor_tick.issues.filing_world import Died, World, a_finding
from tests.monitor_tick.issues.model_github import LOGIN, Fault
from tests.monitor_tick.views import CADENCE, LIMITS

FEW = msgspec.structs.replace(LIMITS, umbrella_from=3, issues_per_tick=2, writes_per_tick=6)

KINDS = (
    ("rpc:down", "kind", "RPC down"),
    ("sync:failure", "deadline", "SYNC FAILURE: not in real-time sync after 15m"),
    ("process:death", "OOM", "Node crashed: OOM"),
    ("process:death", "panic", "Node crashed: panic"),
    ("process:wedge", "phase close", "Node wedged: frozen in phase close"),
    ("metric:henyey_peers", "row", "metrics: henyey_peers — low"),
    ("disk:low", "low", "Disk: 91% on the data volume"),
)
EVENTS = ("process:death", "process:wedge")


class Raised(msgspec.Struct, frozen=True):
    """One finding: its kind, and whether it is urgent; each death and each wedge is an event of its own."""

    kind: int
    urgent: bool


class Tick(msgspec.Struct, frozen=True):
    """`faults` are those of its first calls, None for one that succeeds; `dies_at` is a step of it. Where `closes`, a
    person closes the oldest open issue after it."""

    raised: tuple[Raised, ...]
    faults: tuple[Fault | None, ...]
    dies_at: int | None
    seconds: int
    closes: bool


RAISED = st.builds(Raised, st.integers(0, len(KINDS) - 1), st.booleans())
TICKS = st.builds(
    Tick,
    st.lists(RAISED, max_size=5, unique_by=lambda each: each.kind).map(tuple),
    st.lists(st.none() | st.sampled_from(Fault), max_size=12).map(tuple),
    st.none() | st.integers(0, 40),
    st.sampled_from([20, 121, 1200]),
    st.booleans(),
)


def hook_of(tick: Tick) -> Iterator[object]:
    """Sent the name of each step: the fault of that call, or the end of the process."""
    faults = iter(tick.faults)
    step, answer = 0, None
    while True:
        name = yield answer
        if step == tick.dies_at:
            raise Died
        step += 1
        is_call = isinstance(name, str) and name != "save" and not name.endswith(" done")
        answer = next(faults, None) if is_call else None


class Run:
    """A world, and what was raised in it; what the death of a tick kept from the disk is raised again."""

    def __init__(self) -> None:
        self.world = World(limits=FEW)
        self.raised: list[Finding] = []
        self._undelivered: list[Finding] = []

    def tick(self, tick: Tick) -> None:
        findings = [*self._undelivered, *(self._finding(each) for each in tick.raised)]
        hook = hook_of(tick)
        next(hook)
        saves, self.world.hook = self.world.saves, hook.send  # type: ignore[attr-defined]
        try:
            self.world.tick(*findings)
        except Died:
            event("a tick died")
        self._undelivered = findings if findings and self.world.saves == saves else []
        self.world.hook = lambda _name: None
        self.world.wait(timedelta(seconds=tick.seconds))
        open_ones = [issue.number for issue in self.world.github.issues.values() if issue.is_open]
        if tick.closes and open_ones:
            self.world.github.close(open_ones[0])

    def settle(self) -> None:
        """Ticks in which nothing fails, until nothing waits."""
        for _ in range(40):
            self.tick(Tick((), (), None, int(CADENCE.total_seconds()), False))
            if not self.world.ledger.outbox:
                return
        raise AssertionError(f"this waits for ever: {self.world.ledger.outbox}")

    def _finding(self, each: Raised) -> Finding:
        key, scope, title = KINDS[each.kind]
        name = f"n{len(self.raised)}"
        finding = a_finding(
            key, scope, title, urgent=each.urgent, event=name if key in EVENTS else "", token=name, at=self.world.now
        )
        self.raised.append(finding)
        return finding


def check_now(world: World) -> None:
    """What must hold after every tick."""
    incidents = Counter(hidden.incident for hidden in world.hidden())
    assert max(incidents.values(), default=0) <= 1, incidents
    hidden = [
        parse_hidden(issue.body) for issue in world.github.issues.values() if issue.author == LOGIN and issue.is_open
    ]
    of_each = Counter((line.key, line.scope) for line in hidden if line is not None and not always_new(line.key))
    assert max(of_each.values(), default=0) <= 1, of_each


def check_end(world: World, raised: Sequence[Finding]) -> None:
    texts = world.github.texts
    for finding in raised:
        token = dict(finding.alert.evidence)["token"]
        assert sum(f"`{token}`" in text for text in texts) <= 1, token
        filed = world.ledger.filed_for(finding.alert.key, finding.alert.scope)
        assert filed is not None
        assert tells_of(world, filed, finding)
        assert not finding.alert.event or finding.alert.event in filed.events
    for issue in world.github.issues.values():
        closed = issue.closed_at
        assert [remark for remark in issue.comments if closed is not None and remark.sent >= closed] == []


def tells_of(world: World, filed: Filed, finding: Finding) -> bool:
    """The issue in the record was written for this finding, or for very many with it."""
    hidden = parse_hidden(world.github.issues[filed.number].body)
    return hidden is not None and hidden.key in (MANY, finding.alert.key)


@examples(300)
@given(st.lists(TICKS, min_size=1, max_size=8))
def test_l53_no_finding_is_filed_twice_and_none_is_lost(ticks: list[Tick]) -> None:
    run = Run()
    for tick in ticks:
        run.tick(tick)
        check_now(run.world)
    run.settle()
    check_now(run.world)
    check_end(run.world, run.raised)
