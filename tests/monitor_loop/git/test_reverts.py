"""The deploy gate's question of the quarantine, on real repositories: an origin, somebody who pushes, the checkout."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.git import patches, reverts
from monitor_loop.git.patches import Change, Hunk
from tests.monitor_loop.checkouts import git

GIT = shutil.which("git") or "git"
REPOSITORIES = ("origin.git", "author", "check:out")
LINES = [f"line {number}" for number in range(1, 31)]


class Upstream:
    """`author` pushes to the bare `origin`; `checkout` is the node's, which only fetches: its tree stays behind."""

    def __init__(self, root: Path) -> None:
        self.origin, self.author, self.checkout = (root / name for name in REPOSITORIES)
        self.file = root / "deploy_quarantine.txt"

    def make(self) -> None:
        bare = "--template="  # no hooks to copy
        git(self.file.parent, "init", "-q", bare, "--bare", "-b", "main", str(self.origin))
        git(self.file.parent, "init", "-q", bare, "-b", "main", str(self.author))
        self.commit("base", a=LINES, b=["version = 1"])
        self.push()
        git(self.file.parent, "clone", "-q", bare, str(self.origin), str(self.checkout))

    def commit(self, message: str, **files: Sequence[str] | bytes | None) -> str:
        """The files hold these lines, or bytes; None removes one."""
        for name, content in files.items():
            path = self.author / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else "".join(f"{x}\n" for x in content).encode())
        git(self.author, "add", "-A")
        git(self.author, "commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def git(self, *arguments: str) -> str:
        """By the author; the commit that he is on then."""
        git(self.author, *arguments)
        return self.head()

    def revert(self, sha: str, *arguments: str) -> str:
        return self.git("revert", "--no-edit", *arguments, sha)

    def head(self) -> str:
        """Read, not asked: half of the time of these tests would be git's start."""
        reference = (self.author / ".git/HEAD").read_text().removeprefix("ref: ").strip()
        return (self.author / ".git" / reference).read_text().strip()

    def push(self, *arguments: str) -> None:
        git(self.author, "push", "-q", *arguments, str(self.origin), "main")

    def fetch(self) -> None:
        git(self.checkout, "fetch", "-q", str(self.origin), "+main:refs/remotes/origin/main")

    def gate(self, *shas: str) -> reverts.Gate:
        """As if main, as the author has it now, had been pushed and fetched: the checkout borrows his objects."""
        (self.checkout / ".git/refs/remotes/origin").mkdir(parents=True, exist_ok=True)
        (self.checkout / ".git/refs/remotes/origin/main").write_text((self.author / ".git/refs/heads/main").read_text())
        (self.checkout / ".git/objects/info/alternates").write_text(f"{self.author}/.git/objects\n")
        return self.ask(*shas)

    def fetched(self, *shas: str) -> reverts.Gate:
        """The same after a real push and a real fetch."""
        self.push("--force")
        self.fetch()
        return self.ask(*shas)

    def ask(self, *shas: str) -> reverts.Gate:
        if shas:
            self.file.write_text("".join(f"{sha} why\n" for sha in shas))
        return reverts.gate_of(self.file, self.checkout, GIT)

    def deferred(self, sha: str, *warnings: str) -> reverts.Gate:
        text = f"DEFERRED (quarantined: {sha[:8]} reachable from origin/main — see {self.file})"
        return reverts.Gate(text, sha, warnings)


CLEAR = reverts.Gate()


def edited(lines: Sequence[str], **changes: str) -> list[str]:
    """`l5="bad"` replaces line 5."""
    return [changes.get(f"l{number}", line) for number, line in enumerate(lines, 1)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    Upstream(root).make()
    return root


@pytest.fixture
def up(tmp_path: Path, made: Path) -> Upstream:
    """A copy of one that was made before: much cheaper than git."""
    for name in REPOSITORIES:
        shutil.copytree(made / name, tmp_path / name)
    return Upstream(tmp_path)


@pytest.fixture
def bad(up: Upstream) -> str:
    """The commit that is in quarantine."""
    return up.commit("bad", a=edited(LINES, l5="bad", l20="worse"))


# --- what was reverted, and what was not -----------------------------------------------------------------------------


def test_nothing_is_in_quarantine(up: Upstream, tmp_path: Path) -> None:
    assert reverts.gate_of(up.file, tmp_path / "no-checkout", "no-git") == CLEAR
    up.file.write_text("# nothing\n\r\n")
    assert up.ask() == CLEAR


def test_L68_a_commit_blocks_while_it_is_in_effect_and_not_for_ever(up: Upstream, bad: str) -> None:
    assert up.fetched(bad) == up.deferred(bad)
    for number in range(3):
        up.commit("later", c=[str(number)])
    assert up.fetched(bad) == up.deferred(bad)
    up.revert(bad)
    assert up.fetched(bad) == CLEAR
    up.commit("later still", c=["more"])
    assert up.fetched(bad) == CLEAR


def test_X3a_an_edit_close_to_the_bad_line_takes_nothing_back(up: Upstream, bad: str) -> None:
    up.commit("edit", a=edited(LINES, l5="bad", l7="edited", l20="worse"))
    assert up.gate(bad) == up.deferred(bad)
    up.commit(f"claims\n\nThis reverts commit {bad}.", a=edited(LINES, l3="x", l5="bad", l7="x", l20="worse"))
    assert up.gate(bad) == up.deferred(bad)
    up.commit(f"claims again\n\nThis reverts commit {bad}.")
    assert up.gate(bad) == up.deferred(bad)


def test_X3b_a_revert_that_was_fetched_counts_though_the_tree_is_behind(up: Upstream, bad: str) -> None:
    assert up.fetched(bad) == up.deferred(bad)
    git(up.checkout, "merge", "-q", "--ff-only", "origin/main")
    assert up.ask(bad) == up.deferred(bad)
    up.revert(bad)
    up.push()
    assert up.ask(bad) == up.deferred(bad), "pushed, not fetched"
    up.fetch()
    assert up.ask(bad) == CLEAR
    assert "bad" in (up.checkout / "a").read_text()
    assert git(up.checkout, "status", "--porcelain") == ""
    (up.checkout / "a").write_text("work in progress\n")
    assert up.ask(bad) == CLEAR


def test_a_revert_and_other_work_in_one_commit(up: Upstream, bad: str) -> None:
    up.commit("more", a=edited(LINES, l5="bad", l6="follow-up", l20="worse"))
    up.commit(f"Revert both (#7)\n\nThis reverts commit {bad}.", a=edited(LINES, l25="mine"), c=["new"])
    assert up.gate(bad) == CLEAR


def test_a_revert_of_one_file_only(up: Upstream) -> None:
    bad = up.commit("bad", a=edited(LINES, l5="bad"), b=["version = 2"])
    up.commit(f"part\n\nThis reverts commit {bad}.", a=LINES)
    assert up.gate(bad) == up.deferred(bad)
    up.commit(f"the rest\n\nThis reverts commit {bad}.", b=["version = 1"])
    assert up.gate(bad) == CLEAR, "git revert would have left the same"


def test_a_revert_of_one_hunk_only(up: Upstream, bad: str) -> None:
    up.commit(f"part\n\nThis reverts commit {bad}.", a=edited(LINES, l20="worse"))
    assert up.gate(bad) == up.deferred(bad)


def test_a_revert_whose_context_had_conflicts(up: Upstream, bad: str) -> None:
    up.commit("edit", a=edited(LINES, l4="edited", l5="bad", l6="edited", l20="worse"))
    with pytest.raises(subprocess.CalledProcessError):
        up.revert(bad)
    (up.author / "a").write_text("".join(f"{line}\n" for line in edited(LINES, l4="edited", l6="edited")))
    git(up.author, "add", "a")
    up.git("-c", "core.editor=true", "revert", "--continue")
    assert up.gate(bad) == CLEAR


def test_a_conflict_that_was_resolved_otherwise(up: Upstream, bad: str) -> None:
    up.commit(f"Revert\n\nThis reverts commit {bad}.", a=edited(LINES, l5="a third way"))
    assert up.gate(bad) == up.deferred(bad)


@pytest.mark.parametrize(
    "message",
    [
        "back to line 5",
        "Reverts owner/repo#12",
        "This reverts commit {short}.",
        "This reverts commit {bad}",
        "> This reverts commit {bad}.",
        "We did: This reverts commit {bad}.",
        "This reverts commit {other}.",
    ],
)
def test_a_revert_by_hand_without_gits_trailer(up: Upstream, bad: str, message: str) -> None:
    text = message.format(bad=bad, short=bad[:12], other="0" * 40)
    up.commit(f"Revert\n\n{text}\n\nmore", a=LINES)
    assert up.gate(bad) == up.deferred(bad)


def test_a_trailer_from_before_the_commit_means_nothing(up: Upstream) -> None:
    """A branch that never had the commit cannot take it back, whatever it says."""
    base = up.head()
    bad = up.commit("bad", a=edited(LINES, l5="bad"))
    up.git("checkout", "-q", "-b", "side", base)
    up.commit(f"Revert\n\nThis reverts commit {bad}.", c=["x"])
    up.git("checkout", "-q", "main")
    up.git("merge", "-q", "--no-edit", "side")
    assert up.gate(bad) == up.deferred(bad)


def test_edits_beside_the_hunks_and_renamed_files_hide_no_clean_revert(up: Upstream) -> None:
    lines = ["{", "  x", "}", ""] * 8
    up.commit("repetitive", a=lines)
    bad = up.commit("bad", a=[*lines[:8], "{", "  bad", "}", "", *lines[8:20], "  x", *lines[20:]])
    up.git("mv", "a", "renamed")
    up.commit("moved", c=["x"])
    up.revert(bad)
    assert up.gate(bad) == CLEAR
    again = up.revert(up.head())
    assert up.gate(bad) == up.deferred(bad)
    up.revert(again)
    assert up.gate(bad) == CLEAR
    up.git("cherry-pick", bad)
    assert up.gate(bad) == up.deferred(bad)


# --- landed again ----------------------------------------------------------------------------------------------------


def test_a_revert_of_the_revert_lands_it_again_and_so_on(up: Upstream, bad: str) -> None:
    revert = up.revert(bad)
    again = up.revert(revert)
    assert up.gate(bad) == up.deferred(bad)
    back = up.revert(again)
    assert up.gate(bad) == CLEAR
    up.revert(back)
    assert up.gate(bad) == up.deferred(bad)
    up.commit(f"Revert it for good\n\nThis reverts commit {bad}.", a=LINES)
    assert up.gate(bad) == CLEAR


def test_the_same_change_lands_again_under_another_name(up: Upstream, bad: str) -> None:
    up.revert(bad)
    up.commit("edit", a=edited(LINES, l8="edited"))
    again = up.commit("feature, once more", a=edited(LINES, l5="\tbad ", l8="edited", l20="worse"), c=["and more"])
    assert up.gate(bad) == up.deferred(bad), "blanks do not make it another change"
    up.revert(again)
    assert up.gate(bad) == CLEAR


def test_a_part_of_it_that_says_it_reverts_the_revert(up: Upstream, bad: str) -> None:
    revert = up.revert(bad)
    up.commit(f"half of it\n\nThis reverts commit {revert}.", a=edited(LINES, l20="worse"))
    assert up.gate(bad) == up.deferred(bad)


def test_a_claim_to_revert_the_revert_that_brings_nothing_back(up: Upstream, bad: str) -> None:
    revert = up.revert(bad)
    up.commit(f"a fix instead\n\nThis reverts commit {revert}.", a=edited(LINES, l5="good", l20="better"))
    assert up.gate(bad) == CLEAR


def test_a_branch_that_lands_it_again_by_a_merge(up: Upstream) -> None:
    base = up.head()
    bad = up.commit("bad", a=edited(LINES, l5="bad"))
    up.revert(bad)
    up.git("checkout", "-q", "-b", "side", base)
    up.commit("other work", c=["x"])
    up.git("cherry-pick", bad)
    up.git("checkout", "-q", "main")
    up.git("merge", "-q", "--no-edit", "side")
    assert "bad" in (up.author / "a").read_text()
    assert up.gate(bad) == up.deferred(bad)


@pytest.mark.parametrize("from_side", [False, True])
def test_a_merge_that_drops_the_revert(up: Upstream, from_side: bool) -> None:
    bad = up.commit("bad", a=edited(LINES, l5="bad"))
    up.git("checkout", "-q", "-b", "side")
    up.commit("side", c=["x"])
    up.git("checkout", "-q", "main")
    up.revert(bad)
    up.git("checkout", "-q", "side" if from_side else "main")
    up.git("merge", "-q", "--no-commit", "main" if from_side else "side")
    up.commit("merged by hand", a=edited(LINES, l5="bad"))
    up.git("checkout", "-q", "-B", "main")
    assert up.gate(bad) == up.deferred(bad)


# --- merges and histories --------------------------------------------------------------------------------------------


@pytest.fixture
def merged(up: Upstream) -> str:
    """A merge of a branch with two commits is what was deployed, and found bad."""
    up.git("checkout", "-q", "-b", "side")
    up.commit("one", a=edited(LINES, l5="bad"))
    up.commit("two", b=["version = 2"])
    up.git("checkout", "-q", "main")
    up.commit("meanwhile", c=["x"])
    return up.git("merge", "-q", "--no-ff", "--no-edit", "side")


def test_a_merge_is_reverted_against_its_first_parent(up: Upstream, merged: str) -> None:
    assert up.gate(merged) == up.deferred(merged)
    revert = up.revert(merged, "-m", "1")
    assert up.gate(merged) == CLEAR
    up.revert(revert)
    assert up.gate(merged) == up.deferred(merged)


def test_a_revert_of_one_commit_of_a_merge_is_not_all_of_it(up: Upstream, merged: str) -> None:
    one = git(up.author, "rev-parse", f"{merged}^2~1")
    up.revert(one)
    assert up.gate(merged) == up.deferred(merged)
    assert up.gate(one) == CLEAR


def test_a_revert_that_comes_by_a_merge(up: Upstream, bad: str) -> None:
    up.git("checkout", "-q", "-b", "side")
    up.revert(bad)
    up.git("checkout", "-q", "main")
    up.commit("meanwhile", c=["x"])
    assert up.gate(bad) == up.deferred(bad)
    up.git("merge", "-q", "--no-ff", "--no-edit", "side")
    assert up.gate(bad) == CLEAR


def test_a_branch_of_before_that_took_main_in_lands_nothing_again(up: Upstream) -> None:
    up.git("checkout", "-q", "-b", "side")
    up.commit("side", c=["x"])
    up.git("checkout", "-q", "main")
    bad = up.commit("bad", a=edited(LINES, l5="bad"))
    up.git("checkout", "-q", "side")
    up.git("merge", "-q", "--no-edit", "main")
    up.git("checkout", "-q", "main")
    up.revert(bad)
    up.git("merge", "-q", "--no-ff", "--no-edit", "side")
    assert (up.author / "a").read_text().splitlines() == LINES
    assert up.gate(bad) == CLEAR


def test_a_merge_between_a_landing_and_its_revert_is_no_landing(up: Upstream) -> None:
    """What main brings to a branch of before is new to that branch alone."""
    up.git("checkout", "-q", "-b", "side")
    up.commit("side", c=["x"])
    up.git("checkout", "-q", "main")
    bad = up.commit("bad", a=edited(LINES, l5="bad"))
    again = up.revert(up.revert(bad))
    up.git("merge", "-q", "--no-ff", "--no-edit", "side")
    assert up.gate(bad) == up.deferred(bad)
    up.revert(again)
    assert up.gate(bad) == CLEAR


def test_a_long_quarrel_is_decided(up: Upstream, bad: str) -> None:
    """Seven times in and out: each landing is asked about once, not once for each of the others."""
    for number in range(6):
        up.commit(f"out\n\nThis reverts commit {bad}.", a=LINES)
        up.commit("in", a=edited(LINES, l5="bad", l20="worse"), c=[str(number)])
    assert up.gate(bad) == up.deferred(bad)
    up.commit(f"out\n\nThis reverts commit {bad}.", a=LINES)
    assert up.gate(bad) == CLEAR


def test_main_was_pushed_anew_without_it(up: Upstream, bad: str) -> None:
    assert up.fetched(bad) == up.deferred(bad)
    up.git("reset", "-q", "--hard", "HEAD~1")
    up.commit("another way", a=edited(LINES, l5="good"))
    assert up.fetched(bad) == CLEAR, "it is known, and part of main no more"


def test_two_copies_that_are_each_reverted(up: Upstream) -> None:
    """Each revert lies beside the other copy, and after none of them."""
    base = up.head()
    up.commit("x", c=["x"])
    bad = up.commit("bad", a=edited(LINES, l5="bad"))
    up.revert(bad)
    up.git("checkout", "-q", "-b", "side", base)
    up.commit("y", d=["y"])
    copy = up.git("cherry-pick", bad)
    up.revert(copy)
    up.git("checkout", "-q", "main")
    up.git("merge", "-q", "--no-edit", "side")
    assert up.gate(bad, copy) == CLEAR


def test_the_very_first_commit(up: Upstream) -> None:
    first = git(up.author, "rev-list", "--max-parents=0", "HEAD")
    assert up.gate(first) == up.deferred(first)
    up.commit(f"all gone\n\nThis reverts commit {first}.", a=None, b=None)
    assert up.gate(first) == CLEAR


def test_a_commit_that_changes_nothing_cannot_be_taken_back(up: Upstream) -> None:
    empty = up.commit("nothing")
    up.commit(f"Revert\n\nThis reverts commit {empty}.")
    assert up.gate(empty) == up.deferred(empty)


# --- kinds of change -------------------------------------------------------------------------------------------------


def test_files_that_came_went_and_changed_their_mode(up: Upstream) -> None:
    (up.author / "a").chmod(0o755)
    (up.author / "link").symlink_to("a")
    odd = {'späce "q"\t\n': ["x", "y"], "-- a/b": ["@@ -1 +1 @@", "diff --git a/x b/x"], "empty": []}
    bad = up.commit("bad", b=None, binary=b"\0\xff\n\0", **odd, a=edited(LINES, l5="bad"))
    assert up.gate(bad) == up.deferred(bad)
    up.commit("later", c=["x"])
    up.revert(bad)
    assert up.gate(bad) == CLEAR


def test_a_file_that_it_brought_is_gone_whatever_became_of_it(up: Upstream) -> None:
    bad = up.commit("bad", c=["x"])
    up.commit("more", c=["x", "y"])
    up.commit(f"Revert\n\nThis reverts commit {bad}.", c=None)
    assert up.gate(bad) == CLEAR
    up.commit("another", c=["other"])
    assert up.gate(bad) == CLEAR
    up.commit("gone", c=None)
    up.commit("back, and more", c=["x", "y", "z"])
    assert up.gate(bad) == up.deferred(bad)


def test_the_mode_is_part_of_a_change(up: Upstream) -> None:
    (up.author / "a").chmod(0o755)
    bad = up.commit("bad", a=edited(LINES, l5="bad"))
    up.commit(f"Revert\n\nThis reverts commit {bad}.", a=edited(LINES, l30="mine"))
    assert up.gate(bad) == up.deferred(bad)
    (up.author / "a").chmod(0o644)
    up.commit("mode", a=edited(LINES, l5="bad"))
    (up.author / "a").chmod(0o755)
    up.commit("mode", a=edited(LINES, l5="bad"))
    (up.author / "a").chmod(0o644)
    up.commit(f"Revert\n\nThis reverts commit {bad}.", a=edited(LINES, l30="mine"))
    assert up.gate(bad) == CLEAR


def test_a_binary_file_is_compared_whole(up: Upstream) -> None:
    up.commit("binary", x=b"\0one")
    bad = up.commit("bad", x=b"\0two")
    up.commit(f"Revert\n\nThis reverts commit {bad}.", x=b"\0three")
    assert up.gate(bad) == up.deferred(bad)
    up.commit(f"Revert\n\nThis reverts commit {bad}.", x=b"\0one")
    assert up.gate(bad) == up.deferred(bad), "what it takes back is another commit's"
    up.commit("again", x=b"\0two")
    up.revert(up.head())
    up.commit("again", x=b"\0two")
    up.commit(f"Revert\n\nThis reverts commit {bad}.", x=b"\0one")
    assert up.gate(bad) == CLEAR


def test_a_last_line_without_a_newline(up: Upstream) -> None:
    up.commit("base", x=b"one\ntwo")
    bad = up.commit("bad", x=b"one\ntwo\n")
    up.commit(f"Revert\n\nThis reverts commit {bad}.", x=b"one\ntwo\n", c=["x"])
    assert up.gate(bad) == up.deferred(bad)
    up.commit(f"Revert\n\nThis reverts commit {bad}.", x=b"one!\ntwo")
    assert up.gate(bad) == CLEAR


def test_bytes_that_are_no_text_are_compared_by_their_file_only(up: Upstream) -> None:
    up.commit("base", x=b"a\xffb\none\n")
    bad = up.commit("bad", x=b"a\xfeb\none\n")
    up.commit(f"Revert\n\nThis reverts commit {bad}.", x=b"a\xfdb\nother\n")
    assert up.gate(bad) == up.deferred(bad)
    up.commit("back", x=b"a\xfeb\none\n")
    up.commit(f"Revert\n\nThis reverts commit {bad}.", x=b"a\xffb\none\n")
    assert up.gate(bad) == CLEAR


# --- what cannot be decided ------------------------------------------------------------------------------------------


def blocked(sha: str, why: str, *others: str) -> reverts.Gate:
    text = f"BLOCKED (quarantine ancestry check failed for {sha[:8]} — fail-closed)"
    return reverts.Gate(text, sha, (*others, f"ancestry-check-error: {sha[:8]} ({why})"))


def test_a_commit_that_git_does_not_know_blocks(up: Upstream, bad: str) -> None:
    unknown = "ab" * 20
    assert up.gate(unknown) == blocked(unknown, "rc=128")
    warning = f"ancestry-check-error: {unknown[:8]} (rc=128)"
    assert up.ask(unknown, bad) == up.deferred(bad, warning), "what is known to be in effect is said first"
    up.revert(bad)
    assert up.gate(bad, unknown) == blocked(unknown, "rc=128")


def test_a_file_that_cannot_be_read_blocks(up: Upstream) -> None:
    up.file.mkdir()
    text = "BLOCKED (quarantine file unreadable — fail-closed)"
    assert up.ask() == reverts.Gate(text, "", (f"unreadable: {up.file}",))
    assert up.ask().blocks


def test_lines_that_are_no_entry_are_warned_of(up: Upstream, bad: str) -> None:
    up.gate(bad)
    content = f"\r\n# x\r\n{bad[:12]} short\r\n{bad.upper()}\r\n{bad}\tcrashed\r\n{bad}".encode()
    up.file.write_bytes(content)
    warnings = (f"malformed: {bad[:12]}", f"malformed: {bad[:12].upper()}...")
    assert up.ask() == up.deferred(bad, *warnings)
    up.revert(bad)
    up.gate(bad)
    up.file.write_bytes(content)
    assert up.ask() == reverts.Gate(warnings=warnings)
    assert not up.ask().blocks


def test_no_git_no_checkout_no_origin_no_time(up: Upstream, bad: str, tmp_path: Path) -> None:
    up.gate(bad)
    assert reverts.gate_of(up.file, up.checkout, str(tmp_path / "no-git")) == blocked(bad, "rc=127")
    assert reverts.gate_of(up.file, tmp_path / "no-checkout", GIT) == blocked(bad, "rc=127")
    assert reverts.gate_of(up.file, tmp_path, GIT) == blocked(bad, "rc=128")
    assert reverts.gate_of(up.file, up.checkout, GIT, seconds=0) == blocked(bad, "rc=124")
    assert reverts.gate_of(up.file, up.checkout, "true").text == blocked(bad, "").text
    git(up.checkout, "update-ref", "-d", "refs/remotes/origin/main")
    assert up.ask(bad) == blocked(bad, "rc=1")


def test_a_shallow_clone_cannot_tell(up: Upstream, bad: str, tmp_path: Path) -> None:
    up.revert(bad)
    up.commit("later", c=["x"])
    up.push()
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{up.origin}", "shallow")
    git(tmp_path / "shallow", "fetch", "-q", "--depth", "1", "origin", bad)
    up.file.write_text(bad)
    gate = reverts.gate_of(up.file, tmp_path / "shallow", GIT)
    assert gate == blocked(bad, "a shallow clone: git fetch --unshallow")


def test_a_revert_that_cannot_be_looked_at_blocks(up: Upstream, bad: str, tmp_path: Path) -> None:
    up.revert(bad)
    assert up.gate(bad) == CLEAR
    program = tmp_path / "git"
    program.write_text(f'#!/bin/sh\nfor word; do [ "$word" = "$FAILS" ] && exit 3; done\nexec {GIT} "$@"\n')
    program.chmod(0o755)
    for step in ("rev-list", "diff-tree"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FAILS", step)
            gate = reverts.gate_of(up.file, up.checkout, str(program))
        assert gate == up.deferred(bad, f"revert-check-error: {bad[:8]} (rc=3)")


def test_a_git_without_merge_tree_still_knows_hunks(up: Upstream, bad: str, tmp_path: Path) -> None:
    program = tmp_path / "git"
    program.write_text(f'#!/bin/sh\nfor word; do [ "$word" = merge-tree ] && exit 129; done\nexec {GIT} "$@"\n')
    program.chmod(0o755)
    up.revert(bad)
    up.commit("later", a=edited(LINES, l9="x"))
    up.gate(bad)
    assert reverts.gate_of(up.file, up.checkout, str(program)) == CLEAR


def test_neither_the_environment_nor_the_config_changes_the_answer(
    up: Upstream, bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = git(up.author, "rev-parse", f"{bad}^")
    up.revert(bad)
    up.commit("later", a=edited(LINES, l9="x"))
    assert up.gate(bad) == CLEAR
    settings = {
        "diff.noprefix": "true",
        "diff.external": "false",
        "diff.algorithm": "patience",
        "diff.renames": "copies",
        "color.ui": "always",
        "grep.patternType": "fixed",
        "core.quotePath": "false",
        "log.showSignature": "true",
        "diff.interHunkContext": "9",
    }
    for name, value in settings.items():
        git(up.checkout, "config", name, value)
    git(up.checkout, "replace", bad, first)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "x")
    monkeypatch.chdir(tmp_path)
    assert up.ask(bad) == CLEAR


def test_the_repository_is_only_read(up: Upstream) -> None:
    lines = ["{", "  x", "}", ""] * 8
    up.commit("repetitive", a=lines)
    bad = up.commit("bad", a=[*lines[:8], "{", "  bad", "}", "", *lines[8:]])
    up.git("mv", "a", "renamed")
    up.commit("moved")
    up.revert(bad)
    up.gate(bad)
    before = {path: path.read_bytes() for path in up.checkout.rglob("*") if path.is_file()}
    assert up.ask() == CLEAR
    assert {path: path.read_bytes() for path in up.checkout.rglob("*") if path.is_file()} == before


# --- git's text ------------------------------------------------------------------------------------------------------

SHA = "1" * 40


@pytest.mark.parametrize(
    "text",
    [
        "diff --git a/x b/x\n",
        f"{SHA}\nx\n",
        f"{SHA}\ndiff --git a/x b/y\n",
        f"{SHA}\ndiff --git a/x b/x\n@@ -1,2 +1 @@\n-x\n+y\n",
        f"{SHA}\ndiff --git a/x b/x\n@@ x @@\n",
    ],
)
def test_what_is_no_patch_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no patch|not one path|announced|no hunk"):
        patches.parse(text)


@given(text=st.text(st.sampled_from("ab/\n-+@ \\1,")) | st.text())
def test_any_text_is_a_patch_or_refused(text: str) -> None:
    for candidate in (text, f"{SHA}\ndiff --git a/x b/x\n@@ -1,3 +1 @@\n{text}"):
        try:
            parsed = patches.parse(candidate)
        except ValueError:
            continue
        assert isinstance(parsed, list)


line = st.sampled_from(["", "}", "x = 1", "y", " x = 1"])
lines = st.lists(line, max_size=3).map(tuple)
hunk = st.builds(Hunk, lines, lines).filter(lambda h: h.minus != h.plus)


@given(hunks=st.lists(hunk, min_size=1, max_size=4).map(tuple), around=lines)
def test_a_change_is_undone_by_its_reverse_and_repeated_by_itself(
    hunks: tuple[Hunk, ...], around: tuple[str, ...]
) -> None:
    def of(*hunks: Hunk) -> tuple[Change, ...]:
        return (Change(path="x", old_mode="100644", new_mode="100644", old="1", new=str(hash(hunks)), hunks=hunks),)

    reverse = [Hunk(h.plus, h.minus) for h in hunks]
    wider = [Hunk((*around, *h.minus, "z"), (*around, *h.plus, "z")) for h in reverse]
    assert patches.undoes(of(*reverse), of(*hunks))
    assert patches.undoes(of(*wider), of(*hunks))
    assert patches.repeats(of(*hunks), of(*hunks))
    assert not patches.undoes(of(), of(*hunks))
    total = sum(len(h.minus) for h in reverse)
    fewer = [*reverse[:-1], Hunk(reverse[-1].minus[:-1], reverse[-1].plus)]
    if sum(len(h.minus) for h in fewer) < total:
        assert not patches.undoes(of(*fewer), of(*hunks)), "no line serves twice"
