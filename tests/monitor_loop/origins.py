"""A bare origin, somebody who pushes to it, and the checkout that the monitor fetches into."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.monitor_loop.checkouts import git

GIT = shutil.which("git") or "git"
REPOSITORIES = ("origin.git", "author", "checkout")
CODE = "crates/henyey/src/main.rs"
_BARE = "--template="  # no hooks to copy


class Origin:
    """`checkout` is on main, at the first commit. Shas are full."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bare, self.author, self.checkout = (root / name for name in REPOSITORIES)

    def make(self, files: dict[str, str] | None = None) -> None:
        git(self.root, "init", "-q", _BARE, "--bare", "-b", "main", str(self.bare))
        git(self.root, "init", "-q", _BARE, "-b", "main", str(self.author))
        self.lands("first", **(files or {CODE: "fn main() {}\n"}))
        git(self.root, "clone", "-q", _BARE, str(self.bare), str(self.checkout))

    def lands(self, message: str, /, **files: str | None) -> str:
        """A commit on origin's main, with files of this content; None removes one."""
        sha = self.commits(message, **files)
        self.push()
        return sha

    def commits(self, message: str, /, **files: str | None) -> str:
        for name, content in files.items():
            path = self.author / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        git(self.author, "add", "-A")
        git(self.author, "commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def reverts(self, sha: str) -> str:
        git(self.author, "revert", "--no-edit", sha)
        self.push()
        return self.head()

    def rewinds(self, sha: str) -> None:
        """As after a force-push: main goes on from `sha`."""
        git(self.author, "reset", "-q", "--hard", sha)
        self.push()

    def push(self) -> None:
        git(self.author, "push", "-q", "--force", str(self.bare), "main")

    def head(self) -> str:
        return git(self.author, "rev-parse", "HEAD")


def copied(made: Path, root: Path) -> Origin:
    """Of one that was made before: much cheaper than git. The checkout's origin is the copy's."""
    for name in REPOSITORIES:
        shutil.copytree(made / name, root / name, symlinks=True)
    config = root / "checkout/.git/config"
    config.write_text(config.read_text().replace(str(made), str(root)))
    return Origin(root)
