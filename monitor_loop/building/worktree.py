"""The builder's own checkout of one commit, beside the operator's, whose work tree is never touched."""

from __future__ import annotations

import shutil
from pathlib import Path

from monitor_loop import files
from monitor_loop.errors import MonitorError
from monitor_loop.git.repository import Repository
from monitor_loop.session import Session

CHECKOUT_SECONDS = 300.0
_LISTED = "worktree "


def add(session: Session, sha: str) -> Path:
    """Check `sha` out under <session>/worktrees; the directory in it that is what `session.repo` is in its checkout.

    henyey's Cargo.lock is not part of its commits: without the operator's, cargo would pick other libraries than those
    of the build that runs.
    """
    clear(session)
    repository = Repository(session.repo, session.git)
    target = session.worktrees / sha
    target.parent.mkdir(parents=True, exist_ok=True)
    ran = repository.run("worktree", "add", "--quiet", "--detach", str(target), sha, seconds=CHECKOUT_SECONDS)
    if ran.status != 0:
        said = ran.err.strip().splitlines()
        raise MonitorError(f"{session.repo}: git worktree add failed ({said[-1][:200] if said else ran.status})")
    checkout = target / repository.run("rev-parse", "--show-prefix").out.strip()
    lock = session.repo / "Cargo.lock"
    if lock.is_file() and not (checkout / lock.name).exists():
        shutil.copyfile(lock, checkout / lock.name)
    return checkout


def clear(session: Session) -> None:
    """Remove every checkout of a builder, whichever session it was for: none is at work but the one that calls this.

    The operator's own worktrees stay, also those that git would prune because they are out of reach just now.
    """
    repository = Repository(session.repo, session.git)
    for line in repository.run("worktree", "list", "--porcelain").out.splitlines():
        if line.startswith(_LISTED) and _is_ours(Path(line.removeprefix(_LISTED)), session):
            repository.run("worktree", "remove", "--force", "--force", line.removeprefix(_LISTED))
    if session.worktrees.is_dir():
        files.remove_tree(session.worktrees, session.directory)


def is_left(session: Session) -> bool:
    """Whether there is a checkout of a builder. One that was killed while git made it breaks every fetch."""
    listed = Repository(session.repo, session.git).run("worktree", "list", "--porcelain").out.splitlines()
    return any(line.startswith(_LISTED) and _is_ours(Path(line.removeprefix(_LISTED)), session) for line in listed)


def config_of(session: Session, checkout: Path) -> Path:
    """The file that this commit is to run with: its own, unless the operator runs one of his own."""
    if not session.config_file.is_relative_to(session.repo):
        return session.config_file
    own = session.config_file.relative_to(session.repo)
    repository = Repository(session.repo, session.git)
    tracked = repository.run("ls-files", "--error-unmatch", "--", str(own)).status == 0
    unchanged = tracked and repository.run("diff", "--quiet", "--no-ext-diff", "HEAD", "--", str(own)).status == 0
    return checkout / own if unchanged and (checkout / own).is_file() else session.config_file


def _is_ours(path: Path, session: Session) -> bool:
    """<data>/<one segment>/worktrees/<one segment>."""
    return path.parent.name == session.worktrees.name and path.parent.parent.parent == session.data.path
