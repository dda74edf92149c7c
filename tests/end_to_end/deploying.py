"""A session that deploys: a checkout with an origin, the embedded node as what cargo makes of it, CI as gh tells it.

What is built is the interpreter with the commit behind its last byte; the boot script reads it there, so that /info
names the commit that really runs. A file beside crates/ tells cargo how a commit is to come out: `broken` does not
compile, `slow` waits until the test lets it go, `dies` makes a program that ends at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor_loop import envfile, node, noderecord, procfs
from monitor_loop.building import build, builder, deployjob
from monitor_loop.embedded import setup as embedded
from monitor_loop.embedded.faults import clear_faults
from monitor_loop.session import DataRoot, Mode, NodeRecord, Session
from tests.embedded_fixture import SPEED
from tests.end_to_end.test_healing import PATIENCE_SECONDS, QUICK, Watched, line, now, wait_for
from tests.monitor_loop.checkouts import CONFIG, git
from tests.monitor_loop.origins import CODE, GIT, Origin

RULES = msgspec.structs.replace(
    QUICK,
    limits=msgspec.structs.replace(
        QUICK.limits, build_available_gb=0, confirm_window_seconds=0, confirm_samples=1, confirm_interval_seconds=0
    ),
)
COOLED = 4
"""Cadences after which a node may be deployed to again."""

SESSION = "0123abcd"
_MAIN = "from monitor_loop.embedded.__main__ import main"
_MAIN_OF_BUILD = """\
import msgspec
from monitor_loop.embedded import __main__ as node

with open("/proc/self/exe", "rb") as exe:
    commit = exe.read()[-40:].decode()
read, main = node.read_config, node.main
node.read_config = lambda path: msgspec.structs.replace(read(path), commit_hash=commit)
"""
_CARGO = """#!/bin/sh
sha=$(git rev-parse HEAD)
echo "   Compiling henyey $sha"
echo "$sha" >> {root}/builds
[ -e broken ] && {{ echo "error[E0425]: cannot find value"; exit 101; }}
while [ -e slow ] && [ ! -e {root}/go ]; do sleep 0.05; done
made="$CARGO_TARGET_DIR/release/deps/henyey-0123"
mkdir -p "${{made%/*}}" && rm -f "$made"
if [ -e dies ]; then printf '#!/bin/sh\\necho "Error: no such table"\\nexit 1\\n' > "$made"
else cp {root}/interpreter "$made"; fi
printf '\\n%s' "$sha" >> "$made"
chmod 755 "$made" && ln -f "$made" "$CARGO_TARGET_DIR/release/henyey"
"""
# Its files: the runs of each commit, all runs, and the jobs of each run.
_GH = """#!/bin/sh
told={root}/ci
case "$1 $2 $*" in
  "run list "*" --commit "*)
    while [ "$1" != --commit ]; do shift; done
    if [ -e "$told/runs-of-$2" ]; then cat "$told/runs-of-$2"; else echo "[]"; fi ;;
  "run list "*) cat "$told/runs" ;;
  "run view "*" --json jobs") while [ ! -e "$told/jobs-of-$1" ]; do shift; done; cat "$told/jobs-of-$1" ;;
  "run view "*) ;;
  *) echo "not asked for here: $*" >&2; exit 1 ;;
esac
"""


class OfCargo(Session, frozen=True, kw_only=True):
    """What cargo makes needs a script to be a node; for all else it is one of a checkout."""

    @property
    def is_embedded(self) -> bool:
        return False


class Deploying(Watched):
    """`lands` on origin with green CI; `first` is the commit that runs to begin with."""

    session: OfCargo
    rules = RULES

    def __init__(self, root: Path) -> None:
        self.root, self.origin = root, Origin(root)
        self._runs: list[dict[str, Any]] = []
        data = DataRoot(root / "data")
        super().__init__(_prepared(root, data, self.origin))
        self.first = self.origin.head()
        self._green(self.first)

    def line(self, cadences: float = 1) -> str:
        return line(self.tick(cadences), "deploy")

    def launch(self) -> None:
        """As `monitor-loop start` does."""
        sha = build.build(self.session, lambda _: None)
        build.keep(self.session, sha)
        noderecord.write(self.session.data, NodeRecord(deployed_sha=sha, last_good_sha=sha, first_launched_at=now()))
        process = node.launch(self.session, None, now())
        assert node.verify(self.session, process, PATIENCE_SECONDS)[0]

    # --- origin and CI

    def lands(self, conclusion: str = "success", /, **files: str | None) -> str:
        """A commit on main, of code where nothing else is said; CI says `conclusion` of it, "" is still under way."""
        count = len(self._runs)
        sha = self.origin.lands(f"commit {count}", **(files or {CODE: f"fn main() {{ {count} }}\n"}))
        self.ci_says(sha, conclusion)
        return sha

    def ci_says(self, sha: str, conclusion: str) -> None:
        number = len(self._runs) + 1
        run = {
            "databaseId": number,
            "workflowName": "CI",
            "status": "completed" if conclusion else "in_progress",
            "conclusion": conclusion,
            "headSha": sha,
            "headBranch": "main",
            "event": "push",
            "createdAt": f"2026-05-09T{number // 60:02}:{number % 60:02}:00Z",
            "updatedAt": "2036-05-09T00:00:00Z",
        }
        self._runs.insert(0, run)
        told = self.root / "ci"
        told.mkdir(exist_ok=True)
        (told / f"jobs-of-{number}").write_text(json.dumps({"jobs": [{"name": "test", "conclusion": conclusion}]}))
        (told / f"runs-of-{sha}").write_text(json.dumps([each for each in self._runs if each["headSha"] == sha]))
        (told / "runs").write_text(json.dumps(self._runs))

    def _green(self, sha: str) -> None:
        self.ci_says(sha, "success")

    # --- the builder

    def built(self) -> None:
        wait_for(lambda: not self.job().is_building)

    def builds(self) -> list[str]:
        """The commits that cargo was run for."""
        return (self.root / "builds").read_text().split()

    def lets_go(self) -> None:
        (self.root / "go").touch()

    def job(self) -> deployjob.Job:
        job = deployjob.poll(self.session.data, now())
        assert job is not None
        return job

    # --- the node

    def runs(self) -> str:
        """The commit of the node that runs, once it is in sync."""
        found: list[str] = []

        def synced() -> bool:
            with contextlib.suppress(OSError):
                info = self.info()
                if info["state"] in {"Validating", "Synced"} and info["ledger"]["age"] <= 5:
                    found.append(info["commit_hash"])
            return bool(found)

        wait_for(synced)
        return found[0]

    def deployed(self) -> str:
        """A new commit, deployed; its first trial tick is the next."""
        sha = self.lands()
        self.tick(COOLED)
        self.built()
        assert self.line().startswith("pulled ")
        assert self.runs() == sha
        return sha

    def titles(self) -> list[str]:
        """Of the issues about deploying, oldest first."""
        texts = (path.read_text() for path in sorted(self.session.data.issues.glob("*.md")))
        titles = (text.partition("title: ")[2].splitlines()[0] for text in texts)
        return [title for title in titles if not title.startswith("Non-critical")]

    def build_sha(self) -> str:
        return self.session.build_sha.read_text().strip()

    def config_with(self, text: str) -> str:
        return (self.origin.author / CONFIG).read_text() + f"{text}\n"

    def remember(self, record: NodeRecord) -> None:
        noderecord.write(self.session.data, record)

    def serves_metrics(self, yes: bool) -> None:
        if yes:
            clear_faults(self.session.directory)
        else:
            self.breaks("no_recorder")
        wait_for(lambda: ("recorder not installed" not in self.asked("/metrics")) is yes)

    def record(self) -> NodeRecord:
        return noderecord.read(self.session.data)

    def head(self) -> str:
        return git(self.session.repo, "rev-parse", "HEAD")


@contextlib.contextmanager
def deploying(root: Path) -> Iterator[Deploying]:
    """Its node runs, in sync, and one tick has seen it. A launch is looked at more often than real life needs."""
    one = Deploying(root)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(node, "_LOOK_SECONDS", 0.02)
            one.launch()
            one.runs()
            one.tick(0)
            yield one
    finally:
        for child in builder._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        builder._children.clear()
        for left in procfs.find_nodes(one.session.data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left.pid, signal.SIGKILL)
            if left.identity in node._launched:
                node._launched.pop(left.identity).child.wait()


def _prepared(root: Path, data: DataRoot, origin: Origin) -> OfCargo:
    data.session_directory(SESSION).mkdir(parents=True)
    made = embedded.prepare(data, SESSION, speed=SPEED)
    release = data.session_directory(SESSION) / "cargo-target/release"
    shutil.move(release / "henyey", root / "interpreter")
    boot = release / "boot.py"
    boot.write_text(boot.read_text().replace(_MAIN, _MAIN_OF_BUILD))
    origin.make(
        {
            "Cargo.toml": '[workspace]\nmembers = ["crates/henyey"]\n',
            "crates/henyey/Cargo.toml": '[package]\nname = "henyey"\n',
            CODE: "fn main() {}\n",
            CONFIG: made.config.read_text(),
        }
    )
    session = OfCargo(
        data=data,
        id=SESSION,
        mode=Mode.VALIDATOR,
        config=CONFIG,
        admin_port=made.admin_port,
        rpc_port=made.rpc_port,
        run_flags="--validator",
        binary=release / "henyey",
        repo=origin.checkout,
        launch_prefix=made.launch_prefix,
        github_repo="stellar/henyey",
        tracker="directory",
        radar_url=made.radar_url,
        gh=str(_program(root / "bin/gh", _GH, root)),
        git=GIT,
        cargo=str(_program(root / "bin/cargo", _CARGO, root)),
    )
    for directory in session.subdirectories:
        directory.mkdir(parents=True, exist_ok=True)
    session.alive.touch()
    envfile.write(msgspec.structs.replace(session, launch_prefix=""))  # the builder reads it: nothing is embedded
    return session


def _program(path: Path, text: str, root: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.format(root=root))
    path.chmod(0o755)
    return path
