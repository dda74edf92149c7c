"""Whatever a tick sees, and whatever it fails to see: the act that it plans has every ground that it needs.

The grounds are read here from the facts themselves, and not from the preconditions that the plan gives for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor_loop.acts import Precondition
from monitor_loop.session import FailedDeploy, NodeConfig, NodeRecord, Process, Recovery, Restarts, Stopped
from monitor_tick.actions import Act, NodeAction
from monitor_tick.checks import judge_all
from monitor_tick.facts import BuildPhase, Checkout, Crashes, Facts, HostMemory, Missing, NodeLock, SecondLook, Signal
from monitor_tick.healing import death
from monitor_tick.memory import Damage, Memory, PhaseState, State, SyncState, TickState
from monitor_tick.plan import EARLY_ACTS, plan_of
from monitor_tick.view import View, view_of
from tests.monitor_tick.healing.deploys import (
    BLOCKED,
    BUILDING,
    BUILT,
    CHECKOUT,
    GREEN,
    NEW,
    PENDING,
    RED,
    UP_TO_DATE,
    job,
)
from tests.monitor_tick.healing.nodes import FREE, FREEZE, GOOD, HELD, RECORD, SHA, crash, on_trial, wiped
from tests.monitor_tick.views import (
    CADENCE,
    DEAD,
    IDENTITY,
    LEDGER,
    NOW,
    SHIPPED,
    a_config,
    a_log,
    a_process,
    a_process_memory,
    a_session,
    an_info,
    healthy_facts,
)

Choices = st.SearchStrategy[Any]

HOUR = timedelta(hours=1)
UNSEEN = Missing("not seen")
FROZEN_LOG = a_log(entries=(FREEZE,))


def or_missing(*values: object) -> Choices:
    return st.sampled_from([*values, UNSEEN])


def changed(base: Any, **changes: Choices) -> Choices:
    """One or two of its fields otherwise."""
    return some_of(changes, 2).map(lambda found: msgspec.structs.replace(base, **found))


def some_of(fields: dict[str, Choices], most: int) -> Choices:
    names = st.lists(st.sampled_from(sorted(fields)), max_size=most, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen}))


HOLDS = Precondition("open files", "none", "none", holds=True)
FAILS = Precondition("open files", "none", "pid 9", holds=False)
DAMAGE = Damage("node.json", "cut off", "node.json.damaged-x")
SHAS = st.sampled_from(["", SHA, GOOD, NEW])
SIGNALS = st.sampled_from([None, *Signal])
CATCHING_UP = an_info(state="Catching Up", age_seconds=900)
FATAL = Crashes(live=Signal.WIPE, rotated=(crash(20), crash(40)))
BLOCKED_LIVE = Crashes(live=Signal.WIPE, blocked_seconds=600)
HEAVY = a_process_memory(rss_mb=17_000)
DIRECTORIES = healthy_facts().directories

WELL = msgspec.structs.replace(
    healthy_facts(), kept=(SHA, GOOD, NEW), build_sha=SHA, checkout=CHECKOUT, lock=FREE, rebuild=SHA, job=BUILT,
    ci_of_target=GREEN, info=an_info(commit_hash=SHA),
)  # fmt: skip
GONE = msgspec.structs.replace(WELL, process=DEAD, info=UNSEEN, scrape=UNSEEN, rpc=UNSEEN, job=None)

WIPED = msgspec.structs.replace(RECORD, wipes=wiped(30).wipes)

SCENES: dict[str, tuple[Facts, NodeRecord]] = {
    "well": (WELL, RECORD),
    "dead": (GONE, RECORD),
    "dead, fatal": (msgspec.structs.replace(GONE, crashes=FATAL, wipe_ground=(HOLDS,)), RECORD),
    "dead, wiped before": (
        msgspec.structs.replace(GONE, crashes=FATAL),
        msgspec.structs.replace(RECORD, wipes=wiped(30).wipes),
    ),
    "dead on trial": (GONE, on_trial()),
    "dead, built": (msgspec.structs.replace(GONE, job=BUILT), RECORD),
    "session wiped": (
        msgspec.structs.replace(GONE, job=job(sha=SHA), directories=DIRECTORIES),
        msgspec.structs.replace(RECORD, recovery=Recovery(sha=SHA, since=NOW - HOUR, session=a_session().id)),
    ),
    "frozen": (msgspec.structs.replace(WELL, info=UNSEEN, second=SecondLook(info=UNSEEN), log=FROZEN_LOG), RECORD),
    "blocked": (msgspec.structs.replace(WELL, crashes=BLOCKED_LIVE), RECORD),
    "heavy": (msgspec.structs.replace(WELL, process_memory=HEAVY, second=SecondLook(process_memory=HEAVY)), RECORD),
    "on trial": (WELL, on_trial()),
}

FACTS: dict[str, Choices] = {
    "process": st.sampled_from([DEAD, a_process(), a_process(timedelta(minutes=3)), Missing("2 processes: 12, 13")]),
    "directories": changed(DIRECTORIES, session=st.booleans(), mainnet=st.booleans(), database=st.booleans()),
    "config": or_missing(a_config(), a_config(buckets=a_config().database.parents[1] / "buckets")),
    "log": or_missing(a_log(), FROZEN_LOG, a_log(memory_reports=(), read_bytes=0)),
    "info": or_missing(an_info(), CATCHING_UP, an_info(commit_hash=GOOD), an_info(commit_hash="", ledger=1)),
    "scp": or_missing(),
    "peers": or_missing(),
    "radar": or_missing(),
    "rpc": or_missing(WELL.rpc),
    "scrape": or_missing(WELL.scrape),
    "process_memory": or_missing(HEAVY),
    "host_memory": or_missing(HostMemory(total_mb=32_000, available_mb=900)),
    "disk": or_missing(),
    "trees": or_missing(),
    "second": st.sampled_from([None, SecondLook(), SecondLook(info=UNSEEN), SecondLook(info=an_info())]),
    "crashes": st.builds(
        Crashes,
        live=SIGNALS,
        rotated=st.lists(st.builds(crash, st.integers(1, 200), st.sampled_from(Signal)), max_size=4).map(tuple),
        blocked_seconds=st.sampled_from([None, 299, 600]),
    ),
    "lock": or_missing(FREE, HELD),
    "checkout": changed(
        CHECKOUT,
        target=st.sampled_from([SHA, ""]),
        deployed=SHAS,
        dirty=st.just(("Cargo.toml",)),
        diverged=st.just(True),
        behind=st.sampled_from([0, None]),
        paths=st.sampled_from([("docs/a.md",), None]),
        fetched=st.just("no answer"),
        quarantine=st.just(BLOCKED),
    )
    | or_missing(msgspec.structs.replace(CHECKOUT, **UP_TO_DATE)),
    "job": st.sampled_from([None, BUILDING, job(BuildPhase.FAILED, why="cargo failed"), job(sha=SHA), job(sha=GOOD)]),
    "rebuild": or_missing(SHA, GOOD),
    "ci_of_target": or_missing(RED, PENDING),
    "kept": st.sampled_from([(), (SHA,), (GOOD,), (NEW,), (SHA, GOOD)]),
    "wipe_ground": st.sampled_from([(), (HOLDS,), (FAILS,)]),
    "build_sha": SHAS,
}
RECORDS: dict[str, Choices] = {
    "first_launched_at": st.none(),
    "deployed_sha": SHAS,
    "last_good_sha": SHAS,
    "restarts": st.builds(Restarts, count=st.integers(0, 6), waited=st.integers(0, 12)),
    "wipes": st.sampled_from([(), wiped(5).wipes, wiped(500).wipes]),
    "offline": st.sampled_from(["restart budget spent", death.recurrence_words(SHA)]),
    "trial": st.sampled_from([None, on_trial().trial, on_trial(1, previous="").trial]),
    "stopped": st.just(Stopped(NOW, "op")),
    "recovery": st.sampled_from([None, Recovery(sha=SHA, since=NOW - HOUR, session=a_session().id)]),
    "fresh_start_since": st.just(NOW - HOUR),
    "memory_restart_at": st.just(NOW - HOUR),
    "unquarantined": st.just(SHA),
    "failed_deploy": st.just(FailedDeploy(sha=NEW, at=NOW, why="no room")),
}
RESUMES = {Act.DEPLOY, Act.ROLLBACK, Act.REBUILD}
"""What may bring back a node that was left down; a recovery that began in such a session has failed from the start."""

RULES = msgspec.structs.replace(SHIPPED, alarms=())
"""No row of the catalog asks for an act."""


class Case(NamedTuple):
    """A scene, and what is otherwise; `full_ago` is the time since the last full tick."""

    scene: str
    facts: dict[str, Any]
    record: dict[str, Any]
    full_ago: timedelta
    ledger: int | None
    is_known: bool
    stuck: int
    damaged: bool

    def view(self) -> View:
        facts, record = SCENES[self.scene]
        at = NOW - self.full_ago
        state = State(
            tick=TickState(at=at, full_at=at, identity=IDENTITY if self.is_known else None),
            phase=PhaseState(synced_once=self.is_known, previous_ledger=self.ledger),
            sync=SyncState(stuck_ticks=self.stuck),
        )
        node = msgspec.structs.replace(record, **self.record)
        memory = Memory(state=state, node=node, damaged=(DAMAGE,) if self.damaged else ())
        return view_of(a_session(), msgspec.structs.replace(facts, **self.facts), memory, RULES)


CASES = st.builds(
    Case,
    scene=st.sampled_from(sorted(SCENES)),
    facts=some_of(FACTS, 4),
    record=some_of(RECORDS, 2),
    full_ago=st.sampled_from([CADENCE, CADENCE, timedelta(minutes=1)]),
    ledger=st.sampled_from([None, LEDGER, LEDGER, LEDGER - 240]),
    is_known=st.booleans(),
    stuck=st.integers(0, 1),
    damaged=st.sampled_from([False, False, False, True]),
)


def test_an_act_has_every_ground_that_it_needs(tell: Callable[[str], None]) -> None:
    planned: Counter[str] = Counter()

    @settings(max_examples=1000)
    @given(case=CASES)
    def check(case: Case) -> None:
        view = case.view()
        verdicts = judge_all(view)
        assert [line for verdict in verdicts for line in verdict.lines if line.startswith("ERROR")] == []
        action = plan_of(verdicts, early=view.phase.early).node
        if action is not None:
            planned[action.act.value] += 1
            assert action.preconditions
            assert [each.name for each in action.preconditions if not each.holds] == []
            assert missing_grounds(view, action) == []

    check()
    tell(", ".join(f"{act} x{count}" for act, count in sorted(planned.items())))
    assert set(planned) == {act.value for act in Act}, "what was never planned was never judged"


def missing_grounds(view: View, action: NodeAction) -> list[str]:
    """What the facts, the record and the clock do not bear out, in words."""
    facts, node = view.facts, view.memory.node
    dead = facts.process == DEAD
    grounds = {
        "at most one process": dead or isinstance(facts.process, Process),
        "free lock": not dead or (isinstance(facts.lock, NodeLock) and facts.lock.is_free),
        "readable record": not dead or not view.memory.damaged,
        "not stopped": not dead or node.stopped is None,
        "not left down": not dead or not node.offline or action.act in RESUMES,
        "kept build": not action.installs or action.installs in facts.kept,
        "another build": not action.quarantines or action.installs != action.quarantines,
        "full tick": not view.phase.early or action.act in EARLY_ACTS,
        **_grounds_of(action.act, view),
    }
    if action.wipes:
        grounds |= _grounds_of_wipe(view)
    return [name for name, holds in grounds.items() if not holds]


def _grounds_of_wipe(view: View) -> dict[str, bool]:
    facts, config = view.facts, view.facts.config
    signals = [facts.crashes.live, *(each.signal for each in facts.crashes.rotated)]
    return {
        "wipe signal": Signal.WIPE in signals,
        "one directory": isinstance(config, NodeConfig) and config.buckets.parent == config.database.parent,
        "data that is old": not view.phase.fresh_start,
        "no wipe before": not view.memory.node.wipes,
        "ground": all(each.holds for each in facts.wipe_ground),
    }


def _grounds_of(act: Act, view: View) -> dict[str, bool]:
    facts, node, limits = view.facts, view.memory.node, view.rules.limits
    dead, checkout = facts.process == DEAD, facts.checkout
    budget = node.restarts.count < limits.restarts_before_backoff + len(limits.backoff_ticks)
    built = facts.job is not None and facts.job.phase is BuildPhase.BUILT
    if act is Act.DEPLOY:
        assert isinstance(checkout, Checkout)
        return {
            "no trial": node.trial is None,
            "built": built,
            "clean tree": not checkout.dirty and not checkout.diverged,
            "no quarantine": not checkout.quarantine.blocks and node.unquarantined == "",
            "green": facts.ci_of_target == GREEN,
        }
    blocked = facts.crashes.blocked_seconds is not None and facts.crashes.live is Signal.WIPE
    grounds = {
        Act.RELAUNCH: {"dead": dead, "no trial": node.trial is None, "budget": budget},
        Act.REBUILD: {"dead": dead, "built": built, "budget": budget},
        Act.RESTART: {"alive": not dead},
        Act.ROLLBACK: {"trial": node.trial is not None},
        Act.FALL_BACK: {"dead, or blocked": dead or blocked, "wiped before": node.wipes != ()},
        Act.WIPE: {},
    }
    return grounds[act]
