"""Check 10 from a push to a proven build, or back: real git, a real builder, real processes in each other's place.

The thorough ones combine what is tested alone: a gate (test_checkout.py), an end of the builder (test_builder.py), a
decision (healing/), with a path that a quick one goes.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from monitor_loop import actionlog, node, quarantine
from monitor_loop.building import build
from monitor_loop.embedded.faults import clear_faults
from monitor_loop.errors import MonitorError
from monitor_loop.session import WipeDone
from monitor_tick.state import history
from monitor_tick.verdict import Level
from tests.end_to_end.deploying import COOLED, Deploying, deploying
from tests.end_to_end.test_healing import line, now, wait_for
from tests.fake_github.fixture import gh
from tests.monitor_loop.checkouts import CONFIG, git
from tests.monitor_loop.origins import CODE

if TYPE_CHECKING:
    from tests.fake_github.server import FakeGitHub

A_DAY = 72
"""Cadences."""

SYNCED = "SYNCED (no-binary-impact: allowlisted paths only — pulled {} commits, no restart)"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Deploying]:
    with deploying(tmp_path) as running:
        yield running


def kill(one: Deploying) -> None:
    os.kill(one.pid(), signal.SIGKILL)
    wait_for(lambda: one.process() is None)


# --- the whole path ------------------------------------------------------------------------------------------------


def test_L65_X10_a_push_is_built_beside_the_node_deployed_and_proven(one: Deploying) -> None:
    """A build takes over an hour: no tick beside the builder is blind, and none asks anything of the node that runs."""
    first_pid = one.pid()
    new = one.lands(**{"slow": "", CODE: "fn main() { new() }\n", CONFIG: one.config_with("# newer")})
    assert one.line() == "DEFERRED (cool-down: uptime=20m < 60m)"
    for minutes in (0, 20, 40, 60):
        report = one.tick(1 if minutes else COOLED)
        said, *done = line(report, "deploy").splitlines()
        assert said == f"building {new[:8]} ({minutes}m)"
        assert [text.rpartition(" ")[0] for text in done] == ([] if minutes else ["builder started, pid"])
        assert (line(report, "sync"), line(report, "log")) == ("synced", "clean")
        judged, *noted = line(report, "node").splitlines()
        assert re.fullmatch(rf"mode=.* pid={first_pid} uptime=\dh\d\dm fresh_start=no build={one.first[:8]}", judged)
        assert noted == (["the binary was replaced under the running node"] if minutes else [])
        assert (one.pid(), one.head(), one.build_sha(), one.acts()) == (first_pid, one.first, one.first, ["build"])
        wait_for(lambda: new in one.builds())
    one.lets_go()
    one.built()
    assert line(one.tick(dry_run=True), "deploy") == f"built {new[:8]}, 1 commits"
    assert (one.pid(), one.head()) == (first_pid, one.first)
    report = one.tick()
    assert report.level is Level.ACTION
    assert re.match(
        rf"pulled 1 commits \({one.first[:8]}\.\.{new[:8]}\), rebuilt, restarted at L\d+\n", line(report, "deploy")
    )
    assert one.runs() == new
    assert (one.head(), one.build_sha()) == (new, new)
    assert one.pid() != first_pid
    assert one.rotated() == ["monitor.log.preredeploy"]
    assert one.acts() == ["build", "deploy"]
    assert actionlog.verify(one.session.data) == ()
    one.serves_metrics(False)
    assert one.line() == f"up-to-date, on trial {new[:8]} (0/3 ticks passed, this tick tells nothing)"
    one.serves_metrics(True)
    for passed in range(3):
        assert one.record().last_good_sha == one.first
        assert one.line() == f"up-to-date, on trial {new[:8]} ({passed}/3 ticks passed)"
    assert one.record().last_good_sha == new
    assert one.line() == "up-to-date"
    assert one.builds() == [one.first, new]
    assert one.titles() == []
    assert [each.deploys for each in history.tail(one.session).lines].count(1) == 1


# --- what is in the way --------------------------------------------------------------------------------------------


def test_L66_docs_are_pulled_and_nothing_is_restarted(one: Deploying) -> None:
    """And build_sha is put right by what the running binary says (L67); an early tick does neither."""
    pid = one.pid()
    assert one.line(COOLED) == "up-to-date"
    git(one.session.repo, "checkout", "-q", "--detach")
    docs = one.lands("failure", **{"docs/a.md": "text\n", "README.md": "text\n"})
    one.session.build_sha.write_text("nonsense\n")
    assert one.line(0.2) == "N/A (early tick)"
    assert one.line(0.8).splitlines() == [
        SYNCED.format(1),
        f"build_sha named nothing, now {one.first[:8]}, which runs",
        f"main is {docs[:8]} now",
    ]
    assert one.head() == docs
    assert git(one.session.repo, "symbolic-ref", "--short", "HEAD") == "main"
    assert one.line() == SYNCED.format(0)
    assert (one.pid(), one.build_sha(), one.builds()) == (pid, one.first, [one.first])
    (one.session.repo / "docs/b.md").write_text("mine\n")
    one.lands(**{"docs/b.md": "theirs\n"})
    said = one.line()
    assert said.startswith("SKIPPED (not fast-forwarded)\nFastForward failed: ")
    assert "docs/b.md" in said


@pytest.mark.thorough
def test_a_work_tree_that_is_somebodys_is_left_alone(one: Deploying) -> None:
    repo, new = one.session.repo, one.lands()
    (repo / CODE).write_text("mine\n")
    assert one.line(COOLED) == f"SKIPPED (dirty tree): {CODE}"
    git(repo, "stash", "-q")
    git(repo, "switch", "-q", "-c", "fix")
    assert one.line() == "SKIPPED (branch fix is checked out)"
    git(repo, "switch", "-q", "main")
    git(repo, "commit", "-q", "--allow-empty", "-m", "mine")
    assert one.line() == "SKIPPED (diverged)"
    git(repo, "reset", "-q", "--hard", "HEAD^")
    git(repo, "remote", "set-url", "origin", str(one.root / "gone"))
    assert one.line().startswith("SKIPPED (fetch failed: fatal: ")
    git(repo, "remote", "set-url", "origin", str(one.origin.bare))
    assert one.builds() == [one.first]
    assert one.line().startswith(f"building {new[:8]} (0m)")


@pytest.mark.thorough
def test_a_force_pushed_main_is_deployed_where_nobody_pulled_it(one: Deploying) -> None:
    gone = one.lands("", slow="")
    assert one.line(COOLED) == "DEFERRED (ci pending: CI in progress)"
    one.ci_says(gone, "success")
    assert one.line().startswith(f"building {gone[:8]} (0m)")
    wait_for(lambda: gone in one.builds())
    one.origin.rewinds(one.first)
    new = one.lands(**{CODE: "fn main() { other() }\n"})
    stopped = one.line()
    assert stopped.startswith(f"building {gone[:8]} ends: {gone[:8]} may not be deployed any more")
    assert f"build of {gone[:8]} failed — stopped: " in stopped
    assert one.line().startswith(f"building {new[:8]} (0m)")
    one.built()
    assert one.line().startswith(f"pulled 1 commits ({one.first[:8]}..{new[:8]})")
    assert one.runs() == new


@pytest.mark.thorough
def test_X5_CI_that_is_red_or_not_done_is_not_deployed(one: Deploying) -> None:
    red = one.lands("failure")
    said = one.line(COOLED)
    assert re.fullmatch(r"SKIPPED \(ci-red, filed #\d+\)", said), said
    assert re.fullmatch(r"SKIPPED \(ci-red, see #\d+\)", one.line())
    assert len(one.titles()) == 1
    assert red in one.issues()
    one.ci_says(red, "")
    assert one.line() == "DEFERRED (ci pending: CI in progress)"
    one.ci_says(red, "cancelled")
    assert one.line() == "DEFERRED (ci pending: CI cancelled)"
    assert one.builds() == [one.first]
    one.ci_says(red, "success")
    assert one.line().startswith(f"building {red[:8]} (0m)")


def test_X5_with_the_real_gh_red_is_filed_and_green_is_built(one: Deploying, github: FakeGitHub) -> None:
    door = gh()
    one.session = msgspec.structs.replace(one.session, gh=door.binary, github_repo=door.repo, tracker="github")
    new = one.lands()
    github.hub.now = now() + timedelta(minutes=20) * COOLED
    run = github.hub.add_run(sha=new, conclusion="failure", jobs=[github.hub.job("test", "failure", "t ... FAILED\n")])
    said = one.line(COOLED)
    (issue,) = (each for each in github.hub.repository.issues.values() if each.title.startswith("CI: "))
    assert said == f"SKIPPED (ci-red, filed #{issue.number})"
    assert new in issue.body
    run.conclusion, run.attempt, run.jobs = "success", 2, [github.hub.job("test")]
    assert one.line().startswith(f"building {new[:8]} (0m)")


def test_L68_X3_a_quarantined_commit_blocks_until_it_is_reverted_and_again_once_it_lands_anew(one: Deploying) -> None:
    bad = one.lands(**{CODE: "fn main() { bad() }\n"})
    listed = one.session.data.quarantine
    quarantine.append(str(listed), bad, "by hand")
    blocked = f"DEFERRED (quarantined: {bad[:8]} reachable from origin/main — see {listed})"
    assert one.line(COOLED) == blocked
    one.lands(**{"crates/henyey/src/more.rs": "//\n"})
    assert one.line() == blocked
    reverted = one.origin.reverts(bad)
    one.ci_says(reverted, "success")
    assert one.line().startswith(f"building {reverted[:8]} (0m)")
    one.built()
    git(one.origin.author, "cherry-pick", bad)
    one.origin.push()
    one.ci_says(one.origin.head(), "success")
    assert one.line() == blocked
    assert one.head() == one.first
    with listed.open("a") as file:
        file.write("nonsense\n")
    assert one.line() == f"{blocked} [WARN: malformed: nonsense]"
    listed.unlink()
    listed.mkdir()
    assert one.line().startswith("BLOCKED (quarantine file unreadable — fail-closed) [WARN: ")


# --- builds that fail ----------------------------------------------------------------------------------------------


def test_a_build_that_fails_is_one_issue_and_the_node_goes_on(one: Deploying) -> None:
    pid, bad = one.pid(), one.lands(broken="")
    one.tick(COOLED)
    one.built()
    assert re.fullmatch(r"SKIPPED \(build-failed, filed #\d+\)", one.line())
    assert re.fullmatch(r"SKIPPED \(build-failed, see #\d+\)", one.line(24))
    assert one.titles() == [f"Build failed on main at {bad[:8]}"]
    assert "error[E0425]: cannot find value" in one.issues()
    assert (one.pid(), one.build_sha(), one.head()) == (pid, one.first, one.first)
    assert build.is_installed(one.session, one.first)
    assert one.builds() == [one.first, bad]
    good = one.lands(broken=None)
    assert one.line().startswith(f"building {good[:8]} (0m)")


@pytest.mark.thorough
def test_a_builder_that_was_killed_is_a_failed_build(one: Deploying) -> None:
    bad = one.lands(slow="")
    one.tick(COOLED)
    wait_for(lambda: bad in one.builds())
    os.killpg(one.job().builder.pid, signal.SIGKILL)
    one.built()
    assert one.line().startswith("SKIPPED (build-failed, filed #")
    assert one.titles() == [f"Build failed on main at {bad[:8]}"]
    assert "ended without a word" in one.issues()


@pytest.mark.thorough
def test_a_builder_that_takes_too_long_is_a_failed_build(one: Deploying) -> None:
    one.lands(slow="")
    one.tick(COOLED)
    assert one.line(4).startswith("building ")
    assert one.line().startswith("SKIPPED (build-failed, filed #")
    assert "not done after 90 minutes" in one.issues()


def test_a_build_that_was_damaged_since_is_made_anew_and_nothing_is_tried_with_it(one: Deploying) -> None:
    new = one.lands()
    one.tick(COOLED)
    one.built()
    with (one.session.binaries / new / "henyey").open("r+b") as kept:
        kept.write(b"\0" * 64)
    assert one.line().startswith(f"building {new[:8]} (0m)")
    one.built()
    assert one.acts() == ["build", "build"]
    assert one.line().startswith("pulled 1 commits")
    assert one.runs() == new


# --- a node that is down -------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_crash_while_a_build_waits_brings_back_what_is_deployed(one: Deploying) -> None:
    new = one.lands()
    one.tick(COOLED)
    one.built()
    one.ci_says(new, "")
    kill(one)
    report = one.tick()
    assert one.acts() == ["build", "relaunch"]
    assert line(report, "deploy") == "DEFERRED (ci pending: CI in progress)"
    assert (one.runs(), one.build_sha(), one.head()) == (one.first, one.first, one.first)


@pytest.mark.thorough
def test_a_crash_with_a_build_that_may_be_deployed_comes_back_as_that(one: Deploying) -> None:
    """Without a cool-down, and in place of the relaunch."""
    new = one.lands()
    one.tick(COOLED)
    one.built()
    kill(one)
    assert one.line(0.6).startswith(f"pulled 1 commits ({one.first[:8]}..{new[:8]}), rebuilt, restarted at L")
    assert one.acts() == ["build", "deploy"]
    assert one.rotated() == ["monitor.log.crashed"]
    assert one.runs() == new


# --- regressions ---------------------------------------------------------------------------------------------------


def test_L63_a_regression_is_quarantined_filed_and_rolled_back_without_a_build(one: Deploying) -> None:
    before = (one.session.repo / CONFIG).read_text()
    bad = one.lands(**{CODE: "fn main() { bad() }\n", CONFIG: one.config_with("# for the bad build only")})
    one.tick(COOLED)
    one.built()
    one.tick()
    assert one.runs() == bad
    one.tick()
    kill(one)
    report = one.tick()
    said = line(report, "deploy")
    assert said.startswith(f"REGRESSION on trial of {bad[:8]}: Node crashed")
    assert f"rollback: quarantined {bad[:8]}; installed {one.first[:8]}; log kept as monitor.log.crashed-" in said
    assert one.acts() == ["build", "deploy", "rollback"]
    assert one.runs() == one.first
    assert one.builds() == [one.first, bad], "nothing was built to go back"
    assert f"Deploy regression: {bad[:8]}" in one.titles()
    number = re.search(r"filed #(\d+) Deploy regression", line(report, "issues"))
    assert number is not None
    ((_, reason),) = quarantine.reasons(str(one.session.data.quarantine))
    assert reason.startswith(f"regression #{number[1]}: regression on trial of {bad[:8]}: Node crashed")
    process = one.process()
    assert process is not None
    assert Path(process.argv[-1]).read_text() == before, "the config that was kept beside the last good build"
    record = one.record()
    assert (record.trial, record.deployed_sha, record.last_good_sha) == (None, one.first, one.first)
    assert (one.build_sha(), one.head()) == (one.first, bad)
    blocked = f"DEFERRED (quarantined: {bad[:8]} reachable from origin/main — see {one.session.data.quarantine})"
    assert one.line(COOLED) == blocked
    kill(one)
    one.tick()
    assert one.acts()[-1] == "relaunch"
    process = one.process()
    assert process is not None
    assert Path(process.argv[-1]).read_text() == before, "also where it comes back later"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("rotate", marks=pytest.mark.thorough),
        "launch",
        pytest.param("verify", marks=pytest.mark.thorough),
    ],
)
def test_a_tick_that_dies_in_a_rollback_is_followed_by_one_that_stops_no_healthy_node(
    one: Deploying, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    bad = one.deployed()
    kill(one)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(node, step, dies)
        with pytest.raises(KeyboardInterrupt):
            one.tick()
    back = one.pid() if one.process() is not None else None
    if back is not None:
        assert one.runs() == one.first
    one.tick()
    assert one.runs() == one.first
    assert one.acts() == ["build", "deploy", "rollback", *([] if back else ["rollback"])]
    assert back in {None, one.pid()}
    assert quarantine.read(str(one.session.data.quarantine)).entries == (bad,)
    assert (one.record().trial, one.record().deployed_sha) == (None, one.first)


def recurring(one: Deploying) -> str:
    """A build that passed its trial and ends for corrupt state, though that was wiped."""
    bad = one.deployed()
    wiped = WipeDone(at=now(), trigger="3a", sha=bad)
    one.remember(msgspec.structs.replace(one.record(), trial=None, wipes=(wiped,)))
    one.dies_of("fatal")
    return bad


def assert_it_fell_back_from(one: Deploying, bad: str) -> None:
    assert one.runs() == one.first
    assert quarantine.read(str(one.session.data.quarantine)).entries == (bad,)
    assert (one.record().offline, one.record().deployed_sha) == ("", one.first)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("install", marks=pytest.mark.thorough),
        pytest.param("rotate", marks=pytest.mark.thorough),
        "launch",
        pytest.param("verify", marks=pytest.mark.thorough),
    ],
)
def test_L63_a_tick_that_dies_in_a_fall_back_leaves_the_last_good_build_out_of_it(
    one: Deploying, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    bad = recurring(one)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build if step == "install" else node, step, dies)
        with pytest.raises(KeyboardInterrupt):
            one.tick()
    if one.process() is not None:
        assert one.runs() == one.first
    one.tick()
    assert_it_fell_back_from(one, bad)


def test_L63_a_build_that_lives_on_after_a_fatal_failure_is_fallen_back_from_too(one: Deploying) -> None:
    bad = one.deployed()
    one.remember(msgspec.structs.replace(one.record(), trial=None))
    pid = one.pid()
    one.fails_softly(WipeDone(at=now(), trigger="3c", sha=bad))
    said = line(one.tick(), "node")
    clear_faults(one.session.directory)
    assert f"OFFLINE: post-wipe recurrence on {bad[:8]} — binary quarantined" in said
    assert f"installed {one.first[:8]}; pid {pid} " in said
    assert one.acts()[-1] == "fall back"
    assert_it_fell_back_from(one, bad)


def test_L63_a_fall_back_that_cannot_launch_is_tried_again(one: Deploying, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = recurring(one)

    def refuses(*_: object) -> None:
        raise MonitorError("cannot run it: Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(node, "_start", refuses)
        assert "fall back FAILED" in line(one.tick(), "node")
    one.tick()
    assert_it_fell_back_from(one, bad)


@pytest.mark.thorough
def test_a_second_regression_goes_back_to_the_same_build_and_is_an_issue_of_its_own(one: Deploying) -> None:
    bad = one.deployed()
    kill(one)
    one.tick()
    one.ci_says(one.origin.reverts(bad), "success")
    worse = one.deployed()
    kill(one)
    one.tick()
    assert one.runs() == one.first
    assert one.acts() == ["build", "deploy", "rollback"] * 2
    assert [title for title in one.titles() if title.startswith("Deploy")] == [
        f"Deploy regression: {bad[:8]}",
        f"Deploy regression: {worse[:8]}",
    ]
    assert quarantine.read(str(one.session.data.quarantine)).entries == (bad, worse)


@pytest.mark.thorough
def test_a_build_that_does_not_even_start_is_a_regression_too(one: Deploying) -> None:
    bad = one.lands(dies="")
    one.tick(COOLED)
    one.built()
    report = one.tick()
    assert "deploy FAILED" in line(report, "deploy")
    assert one.process() is None
    one.tick()
    assert one.runs() == one.first
    assert one.acts() == ["build", "deploy", "rollback"]
    assert quarantine.read(str(one.session.data.quarantine)).entries == (bad,)
    assert one.line(COOLED).startswith("DEFERRED (quarantined: ")


@pytest.mark.parametrize("regresses", [False, True])
def test_a_build_on_trial_that_is_pushed_away_from_main_passes_or_goes_all_the_same(
    one: Deploying, regresses: bool
) -> None:
    tried = one.deployed()
    one.origin.rewinds(one.first)
    new = one.lands(**{CODE: "fn main() { other() }\n"})
    assert one.line() == "SKIPPED (diverged)"
    if regresses:
        kill(one)
        assert one.line().startswith(f"REGRESSION on trial of {tried[:8]}: Node crashed")
    else:
        assert [one.line() for _ in range(2)] == ["SKIPPED (diverged)"] * 2
    good = one.first if regresses else tried
    assert one.runs() == good
    assert (one.record().trial, one.record().last_good_sha) == (None, good)
    assert quarantine.read(str(one.session.data.quarantine)).entries == ((tried,) if regresses else ())
    assert one.line(COOLED) == "SKIPPED (diverged)", "whose commits those are, nobody knows"
    git(one.session.repo, "reset", "-q", "--hard", "origin/main")
    assert one.line().startswith(f"building {new[:8]} (0m)")
    one.built()
    assert one.line().startswith("pulled ")
    assert one.runs() == new


def test_L69_an_entry_that_cannot_be_written_blocks_every_deploy_until_it_is_there(one: Deploying) -> None:
    bad = one.deployed()
    listed = one.session.data.quarantine
    listed.mkdir()
    kill(one)
    assert f"{bad[:8]} could not be quarantined" in one.line()
    assert one.runs() == one.first
    assert one.line(COOLED).startswith("BLOCKED (quarantine file unreadable — fail-closed)")
    listed.rmdir()
    one.ci_says(one.origin.reverts(bad), "success")
    assert f"{bad[:8]} is quarantined now" in one.line()
    assert one.record().unquarantined == ""
    assert quarantine.read(str(listed)).entries == (bad,)


# --- deploys that end half way -------------------------------------------------------------------------------------


def test_a_deploy_that_fails_before_the_stop_leaves_the_node_as_it_was(one: Deploying) -> None:
    pid = one.pid()
    one.lands(**{CODE: "new\n", "crates/henyey/src/new.rs": "theirs\n"})
    one.tick(COOLED)
    one.built()
    mine = one.session.repo / "crates/henyey/src/new.rs"
    mine.write_text("mine\n")
    said = one.line()
    assert "deploy FAILED: " in said
    assert "crates/henyey/src/new.rs" in said
    assert (one.pid(), one.head(), one.build_sha()) == (pid, one.first, one.first)
    assert mine.read_text() == "mine\n"
    assert one.titles() == ["The deploy failed, the node runs on as before"]
    assert "crates/henyey/src/new.rs" in one.issues()
    kill(one)
    for _ in range(2):
        one.tick()
        assert one.runs() == one.first, "a node that is down comes back all the same"
        kill(one)
    one.tick()
    assert one.acts() == ["build", "deploy", "relaunch", "relaunch", "relaunch"]
    mine.unlink()
    assert one.line(COOLED).startswith("pulled 1 commits")
    assert one.record().failed_deploy is None


def test_a_deploy_that_cannot_even_launch_says_nothing_against_its_build(
    one: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stopped for it comes back in the same tick; nothing is on trial, and no crash is counted."""
    new = one.lands()
    one.tick(COOLED)
    one.built()
    real = node._start

    def refuses_once(*given: object) -> object:
        monkeypatch.setattr(node, "_start", real)
        raise MonitorError("cannot run it: Resource temporarily unavailable")

    monkeypatch.setattr(node, "_start", refuses_once)
    said = one.line()
    assert "deploy FAILED: " in said
    assert "Resource temporarily unavailable" in said
    assert one.runs() == one.first
    assert one.titles() == ["The deploy failed, the node was brought back"]
    assert (one.record().trial, one.record().deployed_sha, one.build_sha()) == (None, one.first, one.first)
    assert one.rotated() == ["monitor.log.preredeploy"]
    assert one.line(COOLED).startswith("DEFERRED (it failed before, and the node had been stopped for it: again at ")
    assert one.line(A_DAY).startswith("pulled 1 commits")
    assert one.runs() == new
    assert not one.session.data.quarantine.exists()


def test_a_deploy_that_cannot_launch_brings_no_build_back_that_was_left_down(
    one: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = one.lands()
    one.tick(COOLED)
    one.built()
    kill(one)
    one.remember(msgspec.structs.replace(one.record(), offline=f"post-wipe recurrence on {one.first[:8]}"))
    real, refused = node._start, "cannot run it: Resource temporarily unavailable"

    def refuses_once(*given: object) -> object:
        monkeypatch.setattr(node, "_start", real)
        raise MonitorError(refused)

    monkeypatch.setattr(node, "_start", refuses_once)
    report = one.tick()
    assert line(report, "deploy").endswith(refused)
    assert (one.process(), report.level) == (None, Level.OFFLINE)
    assert one.line().startswith("pulled 1 commits")
    assert one.runs() == new


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("stop", marks=pytest.mark.thorough),
        "launch",
        pytest.param("verify", marks=pytest.mark.thorough),
    ],
)
def test_a_tick_that_dies_in_a_deploy_is_followed_by_one_that_finishes_it(
    one: Deploying, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    new = one.lands()
    one.tick(COOLED)
    one.built()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(node, step, dies)
        with pytest.raises(KeyboardInterrupt):
            one.tick()
    if one.process() is not None:
        one.runs()
    report = one.tick()
    assert "interrupted act: deploy" in line(report, "self_reflect")
    if one.runs() == one.first:  # it was down, and what is deployed comes before what is to be
        assert one.build_sha() == one.first
        one.tick(COOLED)
    assert (one.runs(), one.build_sha(), one.head()) == (new, new, new)
    assert build.is_installed(one.session, new)
    assert actionlog.open_intents(actionlog.read(one.session.data)) == ()
    assert one.record().trial is not None


# --- what is deployed ----------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_build_that_git_does_not_know_is_replaced(one: Deploying) -> None:
    """By what is on main, though nothing but docs may differ."""
    one.session.build_sha.write_text("nonsense\n")
    git(one.session.repo, "fetch", "-q")
    kill(one)
    record = msgspec.structs.replace(one.record(), deployed_sha="", last_good_sha="")
    one.remember(record)
    new = one.lands(**{"docs/a.md": "x\n"})
    assert one.line().startswith(f"building {new[:8]} (0m), build_sha: invalid")
