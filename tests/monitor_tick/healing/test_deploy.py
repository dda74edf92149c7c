"""Check 10, gate by gate: the line, what follows from it, and every near miss, where nothing may be deployed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.acts import Precondition
from monitor_loop.session import FailedDeploy, Stopped
from monitor_tick.actions import (
    Act,
    ClearWorktree,
    Effect,
    FastForward,
    NoteBuild,
    Outcome,
    Quarantine,
    StartBuild,
    StopBuild,
)
from monitor_tick.checks import deploy as check
from monitor_tick.facts import BuildPhase, Checkout, HostMemory, Missing, QuarantineStanding
from monitor_tick.healing.deploy import gate_of, has_no_impact, needs_ci, repairs_of
from monitor_tick.healing.gate import Gate
from monitor_tick.healing.record import after_effects, before_acting
from monitor_tick.memory import Damage, Interrupted
from monitor_tick.plan import plan_of
from monitor_tick.verdict import Level
from monitor_tick.view import View
from tests.monitor_tick.ci_facts import a_run
from tests.monitor_tick.healing.deploys import (
    BLOCKED,
    BUILDING,
    BUILT,
    CHECKOUT,
    GREEN,
    NEW,
    OTHER,
    PENDING,
    RED,
    UP_TO_DATE,
    ci_of,
    deploys,
    down,
    job,
    waiting,
)
from tests.monitor_tick.healing.nodes import GOOD, HELD, SHA, on_trial, record
from tests.monitor_tick.views import NOW, a_view

DOCS = {"paths": ("docs/a.md", "README.md")}
DIRTY = {"dirty": ("crates/henyey/src/main.rs",)}


def line(view: View) -> str:
    return gate_of(view).text


# --- the lines -----------------------------------------------------------------------------------------------------


LINES = {
    "no checkout": (a_view(checkout=Missing("no repository")), "N/A (no repository)"),
    "one dirty file": (waiting(checkout=DIRTY), "SKIPPED (dirty tree): crates/henyey/src/main.rs"),
    "many": (waiting(checkout={"dirty": ("a", "b", "c", "d", "e")}), "SKIPPED (dirty tree): a, b, c, 2 more"),
    "a path to deceive": (waiting(checkout={"dirty": ("a\ndeploy: up-to-date\x1b[2J",)}),
                          "SKIPPED (dirty tree): a?deploy: up-to-date?[2J"),
    "a long path": (waiting(checkout={"dirty": ("x" * 500,)}), f"SKIPPED (dirty tree): {'x' * 60}"),
    "somebody's branch": (waiting(checkout={"branch": "fix/y"}), "SKIPPED (branch fix/y is checked out)"),
    "fetch failed": (waiting(checkout={"fetched": "no answer within 30 s"}),
                     "SKIPPED (fetch failed: no answer within 30 s)"),
    "diverged": (waiting(checkout={"diverged": True}), "SKIPPED (diverged)"),
    "up to date": (waiting(checkout=UP_TO_DATE), "up-to-date"),
    "up to date and on trial": (waiting(checkout=UP_TO_DATE, node=on_trial(2)),
                                "up-to-date, on trial aaaaaaaa (1/3 ticks passed)"),
    "cool-down": (waiting(uptime=timedelta(minutes=20)), "DEFERRED (cool-down: uptime=20m < 60m)"),
    "cool-down and trial": (waiting(uptime=timedelta(minutes=20), node=on_trial()),
                            "DEFERRED (cool-down: uptime=20m < 60m), on trial aaaaaaaa (0/3 ticks passed)"),
    "trial": (waiting(node=on_trial(1)), "DEFERRED (on trial aaaaaaaa (2/3 ticks passed))"),
    "trial, and no scrape": (waiting(node=on_trial(1), scrape=Missing("refused")),
                             "DEFERRED (on trial aaaaaaaa (2/3 ticks passed, this tick tells nothing))"),
    "docs only": (waiting(checkout=DOCS),
                  "SYNCED (no-binary-impact: allowlisted paths only — pulled 3 commits, no restart)"),
    "docs only, pulled before": (waiting(checkout=DOCS | {"behind": 0, "head": NEW}),
                                 "SYNCED (no-binary-impact: allowlisted paths only — pulled 0 commits, no restart)"),
    "quarantined": (waiting(checkout={"quarantine": BLOCKED}), BLOCKED.text),
    "an entry that was not written": (waiting(node=record(unquarantined=OTHER)),
                                      "BLOCKED (quarantine entry of dddddddd could not be written — fail-closed)"),
    "building": (waiting(job=BUILDING), "building cccccccc (7m)"),
    "the builder's clock is ahead": (waiting(job=job(BuildPhase.BUILDING, started_at=NOW + timedelta(minutes=9))),
                                     "building cccccccc (0m)"),
    "build failed": (waiting(job=job(BuildPhase.FAILED, why="cargo build failed (exit status 101)")),
                     "SKIPPED (build-failed)"),
    "build stopped": (waiting(job=job(BuildPhase.FAILED, why="stopped: the node needs its memory", stopped=True)),
                      "DEFERRED (build stopped: the node needs its memory, again in 50m)"),
    "CI red": (waiting(ci_of_target=RED), "SKIPPED (ci-red)"),
    "CI pending": (waiting(ci_of_target=PENDING), "DEFERRED (ci pending: CI in progress)"),
    "CI not started": (waiting(ci_of_target=ci_of()), "DEFERRED (ci pending: CI not started)"),
    "CI of another commit": (waiting(ci_of_target=ci_of(a_run(sha=OTHER), sha=OTHER)),
                             "DEFERRED (ci pending: not looked at for cccccccc)"),
    "no CI at all": (waiting(ci_of_target=Missing("no gh")), "DEFERRED (ci pending: no gh)"),
    "too little memory": (waiting(job=None, host_memory=HostMemory(32_000, 8191)),
                          "DEFERRED (memory: 8.0 GB available < 8 GB)"),
    "memory not known": (waiting(job=None, host_memory=Missing("/proc/meminfo")),
                         "DEFERRED (memory: unknown available < 8 GB)"),
    "to be built": (waiting(job=None), "building cccccccc (0m)"),
    "built": (waiting(), "built cccccccc, 3 commits"),
    "catching up": (waiting(in_real_time=False, age_seconds=90.0, advanced=600), "DEFERRED (the node is catching up)"),
    "which process is not known": (waiting(process=Missing("2 candidates"), uptime=None),
                                   "DEFERRED (node: 2 candidates)"),
}  # fmt: skip


@pytest.mark.parametrize(("view", "text"), LINES.values(), ids=LINES)
def test_each_gate_has_its_line(view: View, text: str) -> None:
    assert line(view) == text


@pytest.mark.parametrize(("view", "text"), LINES.values(), ids=LINES)
def test_no_line_but_that_of_its_own_gate_starts_anything(view: View, text: str) -> None:
    gate = gate_of(view)
    assert isinstance(gate.effect, StartBuild) is (text.endswith("(0m)") and view.facts.job is None)
    assert isinstance(gate.effect, FastForward) is ("pulled 3" in text)
    assert deploys(gate.action) is text.startswith("built ")


def test_the_embedded_node_has_no_checkout() -> None:
    verdict = check.judge(waiting(launch_prefix="-I boot.py"))
    assert verdict is not None
    assert (verdict.lines, verdict.wants, verdict.effects) == (("N/A (embedded)",), None, ())


def test_what_the_quarantine_warns_of_and_an_unknown_build_follow_any_line() -> None:
    warned = QuarantineStanding(blocks=False, warnings=("malformed: xyz", "malformed: abc"))
    view = waiting(checkout=DIRTY | {"deployed": "", "deployed_from": "", "quarantine": warned})
    assert line(view) == (
        "SKIPPED (dirty tree): crates/henyey/src/main.rs, build_sha: invalid [WARN: malformed: xyz, malformed: abc]"
    )
    up_to_date = waiting(checkout=UP_TO_DATE | {"quarantine": warned})
    assert line(up_to_date) == "up-to-date [WARN: malformed: xyz, malformed: abc]"


@pytest.mark.parametrize(
    ("view", "level"),
    [
        (waiting(checkout=UP_TO_DATE), Level.OK),
        (waiting(ci_of_target=PENDING), Level.OK),
        (waiting(ci_of_target=RED), Level.WARNING),
        (waiting(checkout=DIRTY), Level.WARNING),
        (waiting(node=record(unquarantined=OTHER)), Level.WARNING),
        (waiting(job=None), Level.ACTION),
        (waiting(), Level.ACTION),
    ],
)
def test_what_is_in_the_way_is_a_warning(view: View, level: Level) -> None:
    verdict = check.judge(view)
    assert verdict is not None
    assert verdict.level is level


# --- the order -----------------------------------------------------------------------------------------------------

IN_ORDER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("SKIPPED (dirty tree)", DIRTY, {}),
    ("SKIPPED (branch", {"branch": "fix"}, {}),
    ("SKIPPED (fetch failed", {"fetched": "HTTP 502"}, {}),
    ("SKIPPED (diverged)", {"diverged": True}, {}),
    ("DEFERRED (cool-down", {}, {"uptime": timedelta(minutes=5)}),
    ("DEFERRED (on trial", {}, {"node": on_trial()}),
    ("SYNCED", DOCS, {}),
    ("DEFERRED (quarantined", {"quarantine": BLOCKED}, {}),
    ("SKIPPED (build-failed)", {}, {"job": job(BuildPhase.FAILED)}),
    ("SKIPPED (ci-red)", {}, {"ci_of_target": RED}),
    ("DEFERRED (the node is catching up)", {}, {"in_real_time": False, "age_seconds": 90.0, "advanced": 1}),
]


@pytest.mark.parametrize("first", range(len(IN_ORDER)), ids=[text for text, _, _ in IN_ORDER])
def test_the_first_gate_that_applies_is_the_line(first: int) -> None:
    """With every gate after it closed as well."""
    checkout: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for _, of_checkout, others in reversed(IN_ORDER[first:]):
        checkout |= of_checkout
        changes |= others
    assert line(waiting(checkout=checkout, **changes)).startswith(IN_ORDER[first][0])


def test_up_to_date_comes_before_the_cool_down_and_after_the_tree() -> None:
    assert line(waiting(checkout=UP_TO_DATE, uptime=timedelta(minutes=1))) == "up-to-date"
    assert line(waiting(checkout=UP_TO_DATE | {"diverged": True})) == "SKIPPED (diverged)"


def test_CI_is_asked_only_where_a_gate_will_ask() -> None:
    def of(**changes: object) -> Checkout:
        return msgspec.structs.replace(CHECKOUT, **changes)

    assert needs_ci(CHECKOUT)
    assert needs_ci(of(deployed="", deployed_from="", paths=None))
    spared = (DIRTY, {"branch": "fix"}, {"fetched": "x"}, {"diverged": True}, UP_TO_DATE, DOCS, {"quarantine": BLOCKED})
    assert not any(needs_ci(of(**each)) for each in spared)


# --- what needs no build -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".claude/x",
        "scripts/a/b.sh",
        "docs/x",
        "metrics/m.tsv",
        "README.md",
        "stellar-specs",
    ],
)
def test_L66_paths_that_no_build_depends_on(path: str) -> None:
    assert has_no_impact((path,))
    assert not has_no_impact((path, "Cargo.lock"))


@pytest.mark.parametrize(
    "path",
    [
        "docs",
        "docsx/y",
        "xdocs/y",
        "crates/docs/x",
        "crates/README.md",
        "README.MD",
        "README.md.rs",
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "stellar-specs/x",
        "stellar-specs2",
        ".github",
        "configs/validator-mainnet-rpc.toml",
        "rust-toolchain.toml",
        "docs/a\nb",
        "",
    ],
)
def test_L66_whatever_else_changed_is_built(path: str) -> None:
    assert not has_no_impact((path,))
    assert not has_no_impact(("docs/x", path))


@pytest.mark.parametrize("paths", [(), None], ids=["empty", "failed"])
def test_L66_a_diff_that_says_nothing_proves_nothing(paths: tuple[str, ...] | None) -> None:
    assert deploys(gate_of(waiting(checkout={"paths": paths})).action)


@given(st.lists(st.text(min_size=1)))
def test_L66_one_path_that_is_not_named_is_enough(paths: list[str]) -> None:
    assert not has_no_impact((*paths, "crates/x.rs", *paths))


def test_nothing_is_known_to_differ_without_a_deployed_commit() -> None:
    """Also where git could name paths, which it cannot."""
    unknown = waiting(checkout=DOCS | {"deployed": "", "deployed_from": ""})
    assert line(unknown) == "built cccccccc, 3 commits, build_sha: invalid"


def test_a_fast_forward_is_done_once_and_checks_out_main() -> None:
    assert gate_of(waiting(checkout=DOCS)).effect == FastForward(NEW, 3)
    assert gate_of(waiting(checkout=DOCS | {"head": NEW})).effect is None
    assert gate_of(waiting(checkout=DOCS | {"head": NEW, "branch": ""})).effect == FastForward(NEW, 3)


# --- the cool-down -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "waits"), [(0, True), (3599, True), (3600, False), (3601, False)])
def test_L65_the_cool_down_ends_after_an_hour(seconds: int, waits: bool) -> None:
    assert line(waiting(uptime=timedelta(seconds=seconds))).startswith("DEFERRED (cool-down") is waits


def test_crash_recovery_and_a_dead_node_have_no_cool_down() -> None:
    recovering = waiting(uptime=timedelta(minutes=5), crash_recovery=True)
    assert deploys(gate_of(recovering).action)
    assert deploys(gate_of(down()).action)


# --- the deploy ----------------------------------------------------------------------------------------------------


def test_a_deploy_says_what_it_installs_and_what_held() -> None:
    action = gate_of(waiting()).action
    assert action is not None
    assert (action.act, action.installs, action.cause, action.quarantines) == (Act.DEPLOY, NEW, "preredeploy", "")
    assert action.why == "main moved aaaaaaaa..cccccccc, 3 commits, built and green"
    assert {each.name for each in action.preconditions} >= {"build", "CI of the commit", "quarantine", "work tree"}


def test_of_a_dead_node_it_takes_the_place_of_the_relaunch() -> None:
    action = gate_of(down()).action
    assert action is not None
    assert action.cause == "crashed"
    assert {each.name for each in action.preconditions} >= {"node's lock", "stopped on purpose", "build"}


HOURS = timedelta(hours=1)
FETCHING = {"in_real_time": False, "age_seconds": None, "advanced": None, "fresh_start": True, "uptime": 3 * HOURS}
"""A fresh start that downloads its buckets: no ledger for hours, and nothing wrong with it."""

NEAR_MISSES: dict[str, View] = {
    "a dirty tree": waiting(checkout=DIRTY),
    "another branch": waiting(checkout={"branch": "fix"}),
    "fetch failed": waiting(checkout={"fetched": "x"}),
    "diverged": waiting(checkout={"diverged": True}),
    "deployed already": waiting(checkout=UP_TO_DATE),
    "nothing to build": waiting(checkout=DOCS),
    "quarantined": waiting(checkout={"quarantine": BLOCKED}),
    "quarantine not written": waiting(node=record(unquarantined=OTHER)),
    "cool-down": waiting(uptime=timedelta(minutes=59)),
    "an open trial": waiting(node=on_trial()),
    "CI red": waiting(ci_of_target=RED),
    "CI pending": waiting(ci_of_target=PENDING),
    "CI of another commit": waiting(ci_of_target=ci_of(a_run(sha=OTHER), sha=OTHER)),
    "CI not known": waiting(ci_of_target=Missing("HTTP 502")),
    "not built": waiting(job=None),
    "building": waiting(job=BUILDING),
    "build failed": waiting(job=job(BuildPhase.FAILED)),
    "another commit built": waiting(job=job(sha=OTHER)),
    "built and not kept": waiting(kept=(SHA, GOOD)),
    "node.json is damaged": waiting(damaged=(Damage("node.json", "cut off", "node.json.damaged-x"),)),
    "which process is not known": waiting(process=Missing("2 candidates"), uptime=None),
    "catching up": waiting(in_real_time=False, age_seconds=90.0, advanced=1),
    "fetching its state": waiting(**FETCHING),
    "early": waiting(early=True),
    "dead, and the lock is held": down(lock=HELD),
    "dead, and the lock is not known": down(lock=Missing("config unreadable")),
    "dead, and stopped on purpose": down(node=record(stopped=Stopped(NOW, "op"))),
    "dead, and a deploy failed": down(node=record(failed_deploy=FailedDeploy(sha=NEW, at=NOW, why="x"))),
}  # fmt: skip


@pytest.mark.parametrize("view", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_near_miss_deploys_nothing(view: View) -> None:
    gate = gate_of(view)
    assert not deploys(gate.action)
    verdict = check.judge(view)
    assert verdict is not None
    assert plan_of([verdict], early=view.phase.early).node is None


def test_what_is_ready_is_planned_and_what_is_not_is_none_of_the_others() -> None:
    for view in (waiting(), down()):
        verdict = check.judge(view)
        assert verdict is not None
        node = plan_of([verdict], early=False).node
        assert node is not None
        assert node.act is Act.DEPLOY


def test_what_is_built_and_was_lost_is_built_again() -> None:
    assert gate_of(waiting(kept=(SHA, GOOD))).effect == StartBuild(NEW)


def test_a_node_that_stands_still_is_deployed_to() -> None:
    """What it waits for may be the fix."""
    for advanced in (0, None):
        assert deploys(gate_of(waiting(in_real_time=False, age_seconds=900.0, advanced=advanced)).action)


def test_a_fresh_start_that_is_over_its_time_is_deployed_to() -> None:
    assert deploys(gate_of(waiting(**{**FETCHING, "uptime": 5 * HOURS})).action)


def test_each_precondition_is_written_down_as_it_was_seen() -> None:
    action = gate_of(waiting()).action
    assert action is not None
    assert all(isinstance(each, Precondition) and each.holds and each.seen for each in action.preconditions)


# --- deploys that failed -------------------------------------------------------------------------------------------

FAILED = FailedDeploy(sha=NEW, at=NOW - timedelta(minutes=20), why="deploy FAILED: git merge failed")


def test_a_deploy_that_failed_is_tried_again_beside_a_live_node() -> None:
    assert deploys(gate_of(waiting(node=record(failed_deploy=FAILED))).action)


def test_a_live_node_is_not_stopped_again_and_again_for_a_build_that_cannot_launch() -> None:
    stopped = msgspec.structs.replace(FAILED, stopped=True)
    said = "DEFERRED (it failed before, and the node had been stopped for it: again at 2026-05-10T03:20Z)"
    assert line(waiting(node=record(failed_deploy=stopped))) == said
    for other in (
        msgspec.structs.replace(stopped, at=NOW - timedelta(hours=24)),
        msgspec.structs.replace(stopped, sha=OTHER),
        msgspec.structs.replace(stopped, at=NOW + timedelta(minutes=1)),  # by a clock that was ahead
    ):
        assert deploys(gate_of(waiting(node=record(failed_deploy=other))).action)


def test_a_dead_node_comes_back_before_a_deploy_that_failed_is_tried_again() -> None:
    assert line(down(node=record(failed_deploy=FAILED))) == "DEFERRED (it failed before, the node comes back first)"
    latched = down(node=record(failed_deploy=FAILED, offline="restart budget spent"))
    assert deploys(gate_of(latched).action)
    of_another = down(node=record(failed_deploy=msgspec.structs.replace(FAILED, sha=OTHER)))
    assert deploys(gate_of(of_another).action)


# --- builds --------------------------------------------------------------------------------------------------------


def test_a_build_that_failed_is_one_urgent_issue() -> None:
    failed = job(BuildPhase.FAILED, why="cargo build failed (exit status 101)", last_lines=("error[E0425]", "aborting"))
    gate = gate_of(waiting(job=failed))
    assert gate.alert is not None
    assert (gate.alert.title, gate.alert.urgent) == ("Build failed on main at cccccccc", True)
    assert gate.alert.event == gate_of(waiting(job=failed, early=True)).alert.event  # type: ignore[union-attr]
    assert gate.alert.diagnosis == "error[E0425]\naborting"
    assert dict(gate.alert.evidence)["to build it again"] == "rm /data/deploy.json"
    assert (gate.effect, gate.action) == (None, None)


def test_a_build_that_failed_gives_way_to_the_next_commit() -> None:
    assert gate_of(waiting(job=job(BuildPhase.FAILED, sha=OTHER))).effect == StartBuild(NEW)


@pytest.mark.parametrize(("minutes", "again"), [(59, False), (60, True)])
def test_a_build_that_a_tick_stopped_is_made_again_later(minutes: int, again: bool) -> None:
    stopped = job(BuildPhase.FAILED, why="stopped: x", stopped=True, finished_at=NOW - timedelta(minutes=minutes))
    gate = gate_of(waiting(job=stopped))
    assert (gate.effect == StartBuild(NEW)) is again
    assert gate.alert is None


@pytest.mark.parametrize("checkout", [UP_TO_DATE, DOCS], ids=["main went back", "nothing differs any more"])
def test_a_build_that_nobody_wants_any_more_ends(checkout: dict[str, Any]) -> None:
    assert isinstance(gate_of(waiting(checkout=checkout, job=BUILDING)).effect, StopBuild)


def test_a_build_of_what_may_not_be_deployed_any_more_ends_before_another_begins() -> None:
    other = msgspec.structs.replace(BUILDING, sha=OTHER)
    gate = gate_of(waiting(job=other))
    assert isinstance(gate.effect, StopBuild)
    assert gate.text == "building dddddddd ends: dddddddd may not be deployed any more, cccccccc is wanted"


def test_what_is_under_way_is_finished_though_main_moved_on() -> None:
    moved = {"origin_main": OTHER, "target": NEW}
    assert line(waiting(checkout=moved, job=BUILDING)) == "building cccccccc (7m)"
    action = gate_of(waiting(checkout=moved)).action
    assert action is not None
    assert action.installs == NEW


def test_exactly_eight_gigabytes_are_enough() -> None:
    assert gate_of(waiting(job=None, host_memory=HostMemory(32_000, 8192))).effect == StartBuild(NEW)


# --- early ticks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [
        waiting(early=True),
        waiting(early=True, job=None),
        waiting(early=True, checkout=DOCS),
        waiting(early=True, checkout=UP_TO_DATE, job=BUILDING),
        waiting(early=True, build_sha=OTHER),
        down(early=True),
    ],
)
def test_an_early_tick_starts_nothing(view: View) -> None:
    gate: Gate = gate_of(view)
    assert (gate.effect, gate.action, repairs_of(view, gate)) == (None, None, ())


# --- build_sha -----------------------------------------------------------------------------------------------------


def repairs(view: View) -> tuple[Effect, ...]:
    verdict = check.judge(view)
    assert verdict is not None
    return verdict.effects


def test_L67_the_file_follows_the_running_binary() -> None:
    assert repairs(waiting(checkout=UP_TO_DATE)) == ()
    assert repairs(waiting(checkout=UP_TO_DATE, build_sha=OTHER)) == (NoteBuild(SHA, OTHER),)
    assert repairs(waiting(checkout=DIRTY, build_sha="")) == (NoteBuild(SHA, ""),)
    assert repairs(waiting(job=None, build_sha=OTHER)) == (NoteBuild(SHA, OTHER), StartBuild(NEW))


def test_L67_only_the_running_binary_repairs_it() -> None:
    for source in ("build_sha", "HEAD", ""):
        assert repairs(waiting(build_sha=OTHER, checkout=UP_TO_DATE | {"deployed_from": source})) == ()
    assert repairs(a_view(checkout=Missing("no repository"), build_sha=OTHER)) == ()


def test_L67_a_deploy_writes_it_and_nothing_writes_it_again() -> None:
    assert repairs(waiting(build_sha=OTHER)) == ()


def test_the_worktree_of_a_builder_that_was_killed_goes() -> None:
    left = {"leftover": True, "fetched": "bad object worktrees/x/HEAD"}
    assert repairs(waiting(checkout=left)) == (ClearWorktree(),)
    assert repairs(waiting(checkout={"leftover": True}, job=None)) == (StartBuild(NEW),), "the builder clears up first"


# --- CI ------------------------------------------------------------------------------------------------------------


def test_X5_what_is_red_is_named_by_its_workflow() -> None:
    verdict = check.judge(waiting(ci_of_target=RED))
    assert verdict is not None
    assert verdict.tells_of == ("ci:CI:",)


def test_X5_green_is_of_this_commit_and_now() -> None:
    assert deploys(gate_of(waiting(ci_of_target=GREEN)).action)
    again = ci_of(a_run(100, sha=NEW), a_run(101, sha=NEW, conclusion=""))
    assert line(waiting(ci_of_target=again, job=BUILT)) == "DEFERRED (ci pending: CI in progress)"


# --- an entry that could not be written ----------------------------------------------------------------------------


def test_L69_an_entry_that_is_owed_is_written_by_the_next_tick_whatever_the_gates_say() -> None:
    node = record(unquarantined=OTHER)
    for view in (waiting(node=node), waiting(node=node, checkout=DIRTY), a_view(node=node, launch_prefix="-I boot.py")):
        verdict = check.judge(view)
        assert verdict is not None
        assert verdict.effects == (Quarantine(OTHER),)


def test_L69_only_the_entry_itself_opens_the_gate_again() -> None:
    node = record(unquarantined=OTHER)
    written = Outcome(effect=Quarantine(OTHER), done=True, line="x")
    assert after_effects(node, [written]).unquarantined == ""
    for other in (
        msgspec.structs.replace(written, done=False),
        msgspec.structs.replace(written, effect=Quarantine(NEW)),
        msgspec.structs.replace(written, effect=NoteBuild(OTHER)),
    ):
        assert after_effects(node, [other]) == node


def test_L69_an_act_that_died_and_could_not_be_finished_blocks_as_well() -> None:
    died = Interrupted(act="rollback", at=NOW, words="not quarantined: x", unquarantined=OTHER)
    assert before_acting(waiting(interrupted=(died,)), [], None).unquarantined == OTHER
