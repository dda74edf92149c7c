"""What a tick learns of the checkout, on real repositories: an origin, somebody who pushes, and a work tree."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor_loop import quarantine, shell
from monitor_loop.building import worktree
from monitor_loop.errors import MonitorError
from monitor_loop.git import repository
from monitor_loop.git.repository import Repository
from monitor_loop.session import DataRoot, NodeRecord, Session
from monitor_tick.facts import BuildJob, BuildPhase, Checkout, CiOfCommit, Missing, NodeInfo
from monitor_tick.healing.deploy import has_no_impact
from monitor_tick.memory import Memory, State, TickState
from monitor_tick.probes.checkout import Deploying, observe_deploying
from monitor_tick.rules import Limits
from tests.monitor_loop.checkouts import git
from tests.monitor_loop.origins import CODE, GIT, Origin, copied
from tests.monitor_tick.issues.standin_gh import StandIn
from tests.monitor_tick.views import IDENTITY, LIMITS, NOW, a_session, an_info

NEW_SESSION = Memory(node=NodeRecord())
KNOWN = Memory(state=State(tick=TickState(at=NOW, full_at=NOW, identity=IDENTITY)), node=NodeRecord())
SILENT = Missing("no answer within 5 s")
UNKNOWN = "1" * 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    Origin(root).make()
    return root


@pytest.fixture
def origin(tmp_path: Path, made: Path) -> Origin:
    return copied(made, tmp_path)


def session_of(origin: Origin, **changes: object) -> Session:
    data = DataRoot(origin.root / "data")
    data.path.mkdir(exist_ok=True)
    return a_session(**({"data": data, "repo": origin.checkout, "git": GIT, "github_repo": "o/n"} | changes))


def looked(
    origin: Origin,
    *,
    info: NodeInfo | Missing = SILENT,
    build_sha: str = "",
    job: BuildJob | None = None,
    memory: Memory = KNOWN,
    limits: Limits = LIMITS,
    **changes: object,
) -> Deploying:
    return observe_deploying(session_of(origin, **changes), info, build_sha, job, memory, NOW, limits)


def seen(origin: Origin, *, deployed: str = "", **changes: object) -> Checkout:
    """`deployed` is what the running node says that it is."""
    info = an_info(commit_hash=deployed) if deployed else SILENT
    checkout = looked(origin, **({"info": info} | changes)).checkout  # type: ignore[arg-type]
    assert isinstance(checkout, Checkout)
    return checkout


def a_job(sha: str, phase: BuildPhase = BuildPhase.BUILT) -> BuildJob:
    return BuildJob(sha=sha, phase=phase, started_at=NOW, finished_at=NOW)


def head(origin: Origin) -> str:
    return git(origin.checkout, "rev-parse", "HEAD")


# --- where main is -------------------------------------------------------------------------------------------------


def test_up_to_date(origin: Origin) -> None:
    first = origin.head()
    assert seen(origin, deployed=first) == Checkout(
        head=first,
        branch="main",
        dirty=(),
        fetched="",
        origin_main=first,
        target=first,
        deployed=first,
        deployed_from="/info",
        diverged=False,
        behind=0,
        ahead=0,
        paths=(),
    )


def test_main_moved_on_and_the_work_tree_is_not_touched(origin: Origin) -> None:
    first = origin.head()
    origin.lands("code", **{CODE: "fn main() { more() }\n"})
    second = origin.lands("docs", **{"docs/a.md": "text\n"})
    checkout = seen(origin, deployed=first)
    assert (checkout.origin_main, checkout.target, checkout.ahead, checkout.behind) == (second, second, 2, 2)
    assert checkout.paths is not None
    assert set(checkout.paths) == {CODE, "docs/a.md"}
    assert head(origin) == first
    assert (origin.checkout / CODE).read_text() == "fn main() {}\n"


def test_L66_docs_only(origin: Origin) -> None:
    first = origin.head()
    origin.lands("docs", **{"docs/a.md": "text\n", "README.md": "text\n"})
    paths = seen(origin, deployed=first).paths
    assert paths is not None
    assert has_no_impact(paths)


def test_L66_what_was_moved_out_of_the_code_is_under_both_names(origin: Origin) -> None:
    first = origin.head()
    git(origin.author, "rm", "-q", CODE)
    origin.lands("moved", **{"docs/main.rs": "fn main() {}\n"})
    paths = seen(origin, deployed=first).paths
    assert paths is not None
    assert set(paths) == {CODE, "docs/main.rs"}


def test_L66_a_commit_and_its_revert_differ_in_nothing(origin: Origin) -> None:
    first = origin.head()
    origin.reverts(origin.lands("bad", **{CODE: "bad\n"}))
    checkout = seen(origin, deployed=first)
    assert (checkout.paths, checkout.ahead) == ((), 2)
    assert not has_no_impact(checkout.paths)


@pytest.mark.parametrize("name", ["docs/line\nbreak", 'docs/a"quote', "docs/ -x", "docs/ümlaut"])
def test_a_name_is_read_as_it_is(origin: Origin, name: str) -> None:
    first = origin.head()
    origin.lands("odd", **{name: "x\n"})
    assert seen(origin, deployed=first).paths == (name,)


def test_a_name_that_is_no_text_is_still_one_path(origin: Origin) -> None:
    first = origin.head()
    (origin.author / "docs").mkdir()
    (origin.author / os.fsdecode(b"docs/\xff\xfe")).write_text("x\n")
    (origin.author / os.fsdecode(b"crates/\xff")).write_text("x\n")
    origin.lands("odd")
    paths = seen(origin, deployed=first).paths
    assert paths is not None
    assert [has_no_impact((path,)) for path in sorted(paths)] == [False, True]


def test_no_setting_of_the_checkout_hides_a_path(origin: Origin) -> None:
    first = origin.head()
    origin.lands("both", **{CODE: "more\n", "docs/a.md": "x\n"})
    git(origin.checkout, "config", "diff.relative", "true")
    paths = seen(origin, deployed=first, repo=origin.checkout / "crates").paths
    assert paths is not None
    assert set(paths) == {CODE, "docs/a.md"}


def test_a_tag_called_main_is_not_main(origin: Origin) -> None:
    first = origin.head()
    git(origin.author, "tag", "main", first)
    git(origin.author, "push", "-q", str(origin.bare), "refs/tags/main")
    git(origin.author, "tag", "-d", "main")
    second = origin.lands("code", **{CODE: "more\n"})
    git(origin.checkout, "tag", "main", first)
    checkout = seen(origin, deployed=first)
    assert (checkout.origin_main, checkout.diverged) == (second, False)


# --- work trees that are not as they should be ---------------------------------------------------------------------


def test_uncommitted_changes_are_named_and_untracked_files_are_none(origin: Origin) -> None:
    (origin.checkout / CODE).write_text("mine\n")
    (origin.checkout / "notes.txt").write_text("mine\n")
    assert seen(origin).dirty == (CODE,)


def test_what_was_moved_and_not_committed_is_named_whole(origin: Origin) -> None:
    git(origin.checkout, "mv", CODE, "renamed.rs")
    assert set(seen(origin).dirty) == {CODE, "renamed.rs"}


def test_a_detached_head_that_is_part_of_main(origin: Origin) -> None:
    git(origin.checkout, "checkout", "-q", "--detach")
    origin.lands("code", **{CODE: "more\n"})
    checkout = seen(origin)
    assert (checkout.branch, checkout.diverged) == ("", False)


def test_a_detached_head_with_commits_of_its_own_is_somebodys_work(origin: Origin) -> None:
    git(origin.checkout, "checkout", "-q", "--detach")
    git(origin.checkout, "commit", "-q", "--allow-empty", "-m", "mine")
    assert seen(origin).diverged


def test_main_with_commits_of_its_own_has_diverged(origin: Origin) -> None:
    git(origin.checkout, "commit", "-q", "--allow-empty", "-m", "mine")
    assert seen(origin).diverged
    origin.lands("theirs", **{CODE: "more\n"})
    assert seen(origin).diverged


def test_a_force_pushed_main_has_diverged_where_it_was_pulled(origin: Origin) -> None:
    first = origin.head()
    second = origin.lands("code", **{CODE: "more\n"})
    git(origin.checkout, "pull", "-q")
    origin.rewinds(first)
    third = origin.lands("other", **{CODE: "other\n"})
    checkout = seen(origin, deployed=second)
    assert (checkout.origin_main, checkout.diverged, checkout.deployed) == (third, True, second)


def test_a_force_pushed_main_is_followed_where_it_was_not_pulled(origin: Origin) -> None:
    first = origin.head()
    origin.lands("code", **{CODE: "more\n"})
    assert seen(origin).behind == 1
    origin.rewinds(first)
    third = origin.lands("other", **{CODE: "other\n"})
    checkout = seen(origin, deployed=first)
    assert (checkout.origin_main, checkout.diverged, checkout.ahead) == (third, False, 1)


def test_another_branch_is_named(origin: Origin) -> None:
    git(origin.checkout, "switch", "-q", "-c", "fix/it")
    assert seen(origin).branch == "fix/it"


def test_a_checkout_without_a_main_of_its_own_has_not_diverged(origin: Origin) -> None:
    git(origin.checkout, "checkout", "-q", "--detach")
    git(origin.checkout, "branch", "-q", "-D", "main")
    second = origin.lands("code", **{CODE: "more\n"})
    checkout = seen(origin)
    assert (checkout.diverged, checkout.behind) == (False, 1)
    Repository(origin.checkout, GIT).fast_forward(second)
    assert git(origin.checkout, "symbolic-ref", "--short", "HEAD") == "main"


def test_a_worktree_is_a_checkout_too(origin: Origin) -> None:
    git(origin.checkout, "checkout", "-q", "--detach")
    tree = origin.root / "tree"
    git(origin.checkout, "worktree", "add", "-q", str(tree), "main")
    assert (tree / ".git").is_file()
    assert seen(origin, repo=tree).branch == "main"


def test_a_moved_submodule_does_not_make_the_tree_dirty_for_ever(origin: Origin) -> None:
    """Its work tree stays where it was when main is fast-forwarded over a new pointer."""
    specs = origin.root / "specs"
    git(origin.root, "init", "-q", "-b", "main", str(specs))
    git(specs, "commit", "-q", "--allow-empty", "-m", "one")
    git(origin.author, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(specs), "stellar-specs")
    origin.lands("specs")
    git(origin.checkout, "pull", "-q")
    git(origin.checkout, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
    before = head(origin)
    git(specs, "commit", "-q", "--allow-empty", "-m", "two")
    git(origin.author / "stellar-specs", "pull", "-q")
    after = origin.lands("newer specs")
    assert seen(origin, deployed=before).paths == ("stellar-specs",)
    Repository(origin.checkout, GIT).fast_forward(after)
    checkout = seen(origin, deployed=before)
    assert (checkout.head, checkout.dirty) == (after, ())


# --- what git cannot tell ------------------------------------------------------------------------------------------


def test_no_checkout(origin: Origin) -> None:
    for repo in (origin.root, origin.root / "not-there"):
        assert looked(origin, repo=repo).checkout == Missing("no repository")
    assert looked(origin, git="").checkout == Missing("no git")


def test_a_directory_of_a_checkout_is_in_one(origin: Origin) -> None:
    assert seen(origin, repo=origin.checkout / "crates").branch == "main"


def test_a_git_that_cannot_be_run(origin: Origin) -> None:
    found = looked(origin, git="/not/there/git").checkout
    assert isinstance(found, Missing)
    assert found.reason.startswith("cannot run /not/there/git")


def test_a_damaged_index_is_not_a_clean_tree(origin: Origin) -> None:
    (origin.checkout / ".git/index").write_bytes(b"DIRC\0\0\0\2garbage")
    found = looked(origin).checkout
    assert isinstance(found, Missing)
    assert "git status failed" in found.reason


def test_an_origin_that_is_gone(origin: Origin) -> None:
    first = origin.head()
    origin.lands("code", **{CODE: "more\n"})
    assert seen(origin).fetched == ""
    shutil.rmtree(origin.bare)
    checkout = seen(origin, deployed=first)
    assert "does not appear to be a git repository" in checkout.fetched
    assert "\n" not in checkout.fetched
    assert (checkout.ahead, checkout.dirty) == (1, ())


def test_no_remote_at_all(origin: Origin) -> None:
    git(origin.checkout, "remote", "remove", "origin")
    checkout = seen(origin, deployed=origin.head())
    assert "'origin' does not appear to be a git repository" in checkout.fetched
    assert (checkout.origin_main, checkout.target, checkout.ahead, checkout.paths) == ("", "", None, None)


def test_an_origin_without_a_main(origin: Origin) -> None:
    git(origin.bare, "branch", "-m", "main", "trunk")
    assert "couldn't find remote ref refs/heads/main" in seen(origin).fetched


def test_a_fetch_that_hangs_ends_at_its_deadline(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is still told: what was fetched before is compared."""
    monkeypatch.setattr(repository, "FETCH_SECONDS", 0.2)
    hanging = origin.root / "git"
    hanging.write_text(f'#!/bin/sh\ncase "$*" in *fetch*) exec sleep 60;; esac\nexec {GIT} "$@"\n')
    hanging.chmod(0o755)
    checkout = seen(origin, git=str(hanging), deployed=origin.head())
    assert checkout.fetched == "no answer within 0 s"
    assert checkout.ahead == 0


def test_all_that_is_asked_has_one_deadline(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer comes in time, and there are too many of them."""
    clock, real = [time.monotonic()], shell.run

    def slow(*given: Any, **by_name: Any) -> shell.Ran:
        ran = real(*given, **by_name)
        clock[0] += 0.6
        return ran

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(shell, "run", slow)
    checkout = looked(origin, limits=msgspec.structs.replace(LIMITS, checkout_seconds=1)).checkout
    assert checkout == Missing(f"{origin.checkout}: git takes too long")


def test_a_git_that_hangs_is_no_missing_repository(origin: Origin) -> None:
    hanging = origin.root / "git"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    limits = msgspec.structs.replace(LIMITS, checkout_seconds=1)
    checkout = looked(origin, limits=limits, git=str(hanging)).checkout
    assert checkout == Missing(f"{origin.checkout}: git gives no answer (no answer in time)")


def test_a_password_in_the_remote_stays_there(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    telling = origin.root / "git"
    told = "fatal: unable to access 'https://user:ghp_secret@example.org/x.git/': \\033[31mno route"
    telling.write_text(f'#!/bin/sh\ncase "$*" in *fetch*) printf "{told}" >&2; exit 128;; esac\nexec {GIT} "$@"\n')
    telling.chmod(0o755)
    assert seen(origin, git=str(telling)).fetched == (
        "fatal: unable to access 'https://example.org/x.git/': [31mno route"
    )


def test_the_variables_of_another_repository_are_not_followed(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "elsewhere"))
    assert Repository(origin.checkout, GIT).branch() == "main"


def test_a_shallow_clone_deploys_and_cannot_tell_of_what_is_quarantined(origin: Origin) -> None:
    shutil.rmtree(origin.checkout)
    git(origin.root, "clone", "-q", "--depth", "1", f"file://{origin.bare}", str(origin.checkout))
    first, second = origin.head(), origin.lands("code", **{CODE: "more\n"})
    checkout = seen(origin, deployed=first)
    assert (checkout.origin_main, checkout.ahead, checkout.paths, checkout.diverged) == (second, 1, (CODE,), False)
    assert not checkout.quarantine.blocks
    quarantine.append(str(session_of(origin).data.quarantine), UNKNOWN, "x")
    standing = seen(origin, deployed=first).quarantine
    assert standing.text == "BLOCKED (quarantine ancestry check failed for 11111111 — fail-closed)"


def test_no_hook_of_the_checkout_is_run(origin: Origin) -> None:
    hooks = origin.checkout / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "post-merge", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {origin.root}/ran\n")
        (hooks / name).chmod(0o755)
    second = origin.lands("code", **{CODE: "more\n"})
    seen(origin)
    Repository(origin.checkout, GIT).fast_forward(second)
    assert not (origin.root / "ran").exists()


def test_a_builder_that_was_killed_while_git_made_its_worktree_breaks_no_fetch_for_ever(origin: Origin) -> None:
    """Git begins such a worktree with a HEAD of zeros, on which every fetch fails."""
    session, operators = session_of(origin), origin.root / "operators"
    left = session.worktrees / origin.head()
    git(origin.checkout, "worktree", "add", "-q", "--detach", str(left))
    git(origin.checkout, "worktree", "add", "-q", "--detach", str(operators))
    (origin.checkout / ".git/worktrees" / left.name / "HEAD").write_text(f"{'0' * 40}\n")
    checkout = seen(origin)
    assert "bad object" in checkout.fetched
    assert checkout.leftover
    assert not seen(origin, job=a_job(origin.head(), BuildPhase.BUILDING)).leftover
    worktree.clear(session)
    checkout = seen(origin)
    assert (checkout.fetched, checkout.leftover) == ("", False)
    assert operators.exists()


# --- what is deployed ----------------------------------------------------------------------------------------------


def test_L67_the_running_binary_is_asked_first(origin: Origin) -> None:
    first, second = origin.head(), origin.lands("code", **{CODE: "more\n"})
    checkout = seen(origin, deployed=first, build_sha=second)
    assert (checkout.deployed, checkout.deployed_from) == (first, "/info")


@pytest.mark.parametrize("said", ["", "unknown", "HEAD", UNKNOWN, "--all", "main", "b8f18c6d"])
def test_L67_what_git_does_not_know_is_not_believed(origin: Origin, said: str) -> None:
    first = origin.head()
    checkout = seen(origin, info=an_info(commit_hash=said), build_sha=first)
    assert (checkout.deployed, checkout.deployed_from) == (first, "build_sha")


def test_a_silent_node_is_what_build_sha_says(origin: Origin) -> None:
    first = origin.head()
    assert seen(origin, build_sha=first).deployed_from == "build_sha"


def test_a_node_that_was_left_down_is_what_ran_last(origin: Origin) -> None:
    """A deploy that never launched has left its build's name in the file: it would be up-to-date, and down for ever."""
    first, second = origin.head(), origin.lands("code", **{CODE: "more\n"})
    left_down = msgspec.structs.replace(KNOWN, node=NodeRecord(deployed_sha=first, offline="restart budget spent"))
    assert seen(origin, build_sha=second, memory=left_down).deployed == first
    forgotten = msgspec.structs.replace(KNOWN, node=NodeRecord(offline="node.json was damaged"))
    assert seen(origin, build_sha=first, memory=forgotten).deployed == first


def test_only_a_new_session_is_what_head_is(origin: Origin) -> None:
    checkout = seen(origin, memory=NEW_SESSION)
    assert (checkout.deployed, checkout.deployed_from) == (origin.head(), "HEAD")
    old = msgspec.structs.replace(NEW_SESSION, node=NodeRecord(deployed_sha=UNKNOWN))
    for memory in (KNOWN, old):
        checkout = seen(origin, memory=memory)
        assert (checkout.deployed, checkout.ahead, checkout.paths) == ("", None, None)


# --- what is to be deployed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "goes_on"), [(BuildPhase.BUILDING, True), (BuildPhase.BUILT, True), (BuildPhase.FAILED, False)]
)
def test_what_is_built_is_finished_and_what_failed_gives_way(origin: Origin, phase: BuildPhase, goes_on: bool) -> None:
    first, second = origin.head(), origin.lands("code", **{CODE: "more\n"})
    third = origin.lands("more code", **{CODE: "even more\n"})
    checkout = seen(origin, deployed=first, job=a_job(second, phase))
    assert (checkout.target, checkout.ahead) == ((second, 1) if goes_on else (third, 2))


def test_a_build_of_what_was_pushed_away_or_is_deployed_already_is_not_wanted(origin: Origin) -> None:
    first, second = origin.head(), origin.lands("code", **{CODE: "more\n"})
    assert seen(origin, deployed=first).behind == 1
    origin.rewinds(first)
    third = origin.lands("other", **{CODE: "other\n"})
    for gone in (second, UNKNOWN, first, ""):
        assert seen(origin, deployed=first, job=a_job(gone)).target == third


def test_L68_a_build_that_holds_what_was_taken_back_since_is_not_wanted(origin: Origin) -> None:
    first = origin.head()
    bad = origin.lands("bad", **{CODE: "bad\n"})
    built = origin.lands("more", **{"crates/more.rs": "x\n"})
    listed = str(session_of(origin).data.quarantine)
    quarantine.append(listed, bad, "x")
    blocked = seen(origin, deployed=first, job=a_job(built))
    assert blocked.quarantine.text == (f"DEFERRED (quarantined: {bad[:8]} reachable from origin/main — see {listed})")
    clear = origin.reverts(bad)
    checkout = seen(origin, deployed=first, job=a_job(built))
    assert (checkout.quarantine.blocks, checkout.target) == (False, clear)


def test_an_unreadable_quarantine_blocks_and_warns(origin: Origin) -> None:
    session_of(origin).data.quarantine.mkdir()
    standing = seen(origin).quarantine
    assert standing.text == "BLOCKED (quarantine file unreadable — fail-closed)"
    assert standing.warnings != ()


# --- CI of it ------------------------------------------------------------------------------------------------------


def a_run(number: int, sha: str, conclusion: str) -> dict[str, object]:
    return {
        "databaseId": number,
        "workflowName": "CI",
        "status": "completed",
        "conclusion": conclusion,
        "headSha": sha,
        "headBranch": "main",
        "event": "push",
        "createdAt": f"2026-05-09T03:{number:02}:00Z",
    }


def test_CI_is_asked_about_exactly_the_target_and_only_where_a_gate_will_ask(origin: Origin) -> None:
    first, second = origin.head(), origin.lands("code", **{CODE: "more\n"})
    gh = StandIn(origin.root)
    assert looked(origin, info=an_info(commit_hash=second), gh=str(gh.program)).ci == Missing("not looked at")
    assert gh.calls == []
    for _ in range(2):
        gh.answers([a_run(7, second, "success"), a_run(6, first, "failure")])
    gh.answers({"jobs": [{"name": "build", "conclusion": "success"}]})
    ci = looked(origin, info=an_info(commit_hash=first), gh=str(gh.program)).ci
    assert isinstance(ci, CiOfCommit)
    assert (ci.sha, [run.id for run in ci.runs]) == (second, [7])
    assert gh.calls[0].value_of("--commit") == second


def test_what_turned_red_after_it_was_built_gives_way_to_what_is_on_main(origin: Origin) -> None:
    first, second = origin.head(), origin.lands("code", **{CODE: "more\n"})
    third = origin.lands("fix", **{CODE: "better\n"})
    gh = StandIn(origin.root)
    for sha, conclusion in ((second, "failure"), (third, "success")):
        for _ in range(2):
            gh.answers([a_run(7, sha, conclusion)])
        gh.answers({"jobs": [{"name": "build", "conclusion": conclusion}]})
        if conclusion == "failure":
            gh.answers("")  # its log
    deploying = looked(origin, info=an_info(commit_hash=first), job=a_job(second), gh=str(gh.program))
    assert isinstance(deploying.checkout, Checkout)
    assert isinstance(deploying.ci, CiOfCommit)
    assert (deploying.checkout.target, deploying.ci.sha, deploying.checkout.ahead) == (third, third, 2)
    assert json.dumps([call.argv for call in gh.calls]).count("--commit") == 2


# --- the fast-forward ----------------------------------------------------------------------------------------------


def test_main_is_moved_and_checked_out_from_a_detached_head(origin: Origin) -> None:
    git(origin.checkout, "checkout", "-q", "--detach")
    second = origin.lands("code", **{CODE: "more\n"})
    seen(origin)
    Repository(origin.checkout, GIT).fast_forward(second)
    assert git(origin.checkout, "symbolic-ref", "--short", "HEAD") == "main"
    assert head(origin) == second
    assert (origin.checkout / CODE).read_text() == "more\n"


def test_main_is_moved_no_further_than_what_was_built(origin: Origin) -> None:
    second = origin.lands("code", **{CODE: "more\n"})
    origin.lands("docs", **{"docs/a.md": "x\n"})
    seen(origin)
    Repository(origin.checkout, GIT).fast_forward(second)
    assert head(origin) == second


def test_a_file_called_main_is_in_nobodys_way(origin: Origin) -> None:
    git(origin.checkout, "checkout", "-q", "--detach")
    (origin.checkout / "main").write_text("x\n")
    second = origin.lands("code", **{CODE: "more\n"})
    seen(origin)
    Repository(origin.checkout, GIT).fast_forward(second)
    assert head(origin) == second


def refusal(origin: Origin, sha: str) -> str:
    before, kept = head(origin), git(origin.checkout, "status", "--porcelain")
    with pytest.raises(MonitorError) as caught:
        Repository(origin.checkout, GIT).fast_forward(sha)
    assert head(origin) == before
    assert git(origin.checkout, "status", "--porcelain") == kept
    return str(caught.value)


def test_somebodys_branch_is_not_left(origin: Origin) -> None:
    git(origin.checkout, "switch", "-q", "-c", "fix")
    second = origin.lands("code", **{CODE: "more\n"})
    seen(origin)
    assert refusal(origin, second).endswith("branch fix is checked out, not main; git switch main there")


def test_a_changed_file_that_is_in_the_way_is_named_and_stays(origin: Origin) -> None:
    second = origin.lands("code", **{CODE: "more\n"})
    seen(origin)
    (origin.checkout / CODE).write_text("mine\n")
    assert CODE in refusal(origin, second)
    assert (origin.checkout / CODE).read_text() == "mine\n"


def test_an_untracked_file_that_is_in_the_way_is_named_and_stays(origin: Origin) -> None:
    second = origin.lands("code", **{"crates/new.rs": "theirs\n"})
    seen(origin)
    (origin.checkout / "crates/new.rs").write_text("mine\n")
    said = refusal(origin, second)
    assert "untracked working tree files would be overwritten by merge: crates/new.rs" in said
    assert (origin.checkout / "crates/new.rs").read_text() == "mine\n"


def test_commits_of_its_own_are_not_left_behind(origin: Origin) -> None:
    git(origin.checkout, "commit", "-q", "--allow-empty", "-m", "mine")
    second = origin.lands("code", **{CODE: "more\n"})
    seen(origin)
    assert "Not possible to fast-forward" in refusal(origin, second)


def test_a_git_that_works_there_already_is_waited_for_by_the_next_tick(origin: Origin) -> None:
    second = origin.lands("code", **{CODE: "more\n"})
    seen(origin)
    (origin.checkout / ".git/index.lock").touch()
    assert "index.lock" in refusal(origin, second)
