"""A session with a checkout of its own and a deployed build, and a cargo that links what it makes as cargo does."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from monitor_loop import envfile, noderecord, procfs
from monitor_loop.building import build, deployjob
from monitor_loop.building.deployjob import Job, Phase
from monitor_loop.session import DataRoot, Identity, Mode, NodeRecord, Session
from tests.monitor_loop.checkouts import CONFIG, git, make_checkout

NOW = datetime(2026, 5, 9, 12, tzinfo=timezone.utc)
DEADLINE_SECONDS = 5400.0
PATIENCE_SECONDS = 120.0

# What it makes names the commit, as henyey's build script does. The first build is quick; after that, where CARGO_HANGS
# names a file, it takes ten minutes, and the file holds the pid of what it waits for.
CARGO = """#!/bin/sh
echo "compiling $(git rev-parse HEAD) in $PWD"
if [ -n "$CARGO_HANGS" ] && [ -e "$CARGO_TARGET_DIR/release/henyey" ]; then
  sleep 600 & echo $! > "$CARGO_HANGS.new"; mv "$CARGO_HANGS.new" "$CARGO_HANGS"; wait
fi
[ -n "$CARGO_FAILS" ] && { echo "error: could not compile" >&2; exit 101; }
[ -n "$CARGO_MAKES_NOTHING" ] && exit 0
made="$CARGO_TARGET_DIR/release/deps/henyey-0123"
mkdir -p "${made%/*}" && rm -f "$made"
printf '#!/bin/sh\\n# %s %s\\nexit 0\\n' "$(git rev-parse HEAD)" "$(cat Cargo.lock 2>/dev/null)" > "$made"
chmod 755 "$made" && ln -f "$made" "$CARGO_TARGET_DIR/release/henyey"
"""


def a_session(root: Path) -> Session:
    """Written down in the env file; its checkout is one commit ahead of what is built."""
    data = DataRoot(root / "data")
    cargo = root / "bin" / "cargo"
    cargo.parent.mkdir(parents=True)
    cargo.write_text(CARGO)
    cargo.chmod(0o755)
    session = Session(
        data=data,
        id="0123abcd",
        mode=Mode.VALIDATOR,
        config=CONFIG,
        admin_port=11627,
        rpc_port=8000,
        run_flags="--validator",
        binary=data.path / "0123abcd/cargo-target/release/henyey",
        repo=make_checkout(root / "henyey", data.path),
        git=shutil.which("git") or "",
        cargo=str(cargo),
    )
    for directory in session.subdirectories:
        directory.mkdir(parents=True)
    envfile.write(session)
    return session


def deployed(session: Session) -> str:
    """The commit that is deployed now: built by the cargo above, kept and recorded. The checkout then moves on."""
    sha = build.build(session, lambda _: None)
    build.keep(session, sha)
    noderecord.write(session.data, NodeRecord(deployed_sha=sha, last_good_sha=sha))
    (session.repo / "README.md").write_text("more\n")
    (session.repo / CONFIG).write_text((session.repo / CONFIG).read_text() + "# a newer default\n")
    git(session.repo, "add", ".")
    git(session.repo, "commit", "-q", "-m", "second")
    return sha


def head(session: Session) -> str:
    return git(session.repo, "rev-parse", "HEAD")


def a_job(session: Session, builder: Identity, /, **changes: object) -> Job:
    fields: dict[str, object] = {
        "id": "abcdef012345",
        "sha": head(session),
        "session": session.id,
        "builder": builder,
        "phase": Phase.BUILDING,
        "started_at": NOW,
        "deadline_seconds": DEADLINE_SECONDS,
    }
    return Job(**{**fields, **changes})  # type: ignore[arg-type]


def identity_of(pid: int) -> Identity:
    birth = procfs.birth_of(pid)
    assert birth is not None
    return birth[0]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def done(session: Session) -> Job:
    """The job once its builder is no more at work."""
    until(lambda: not standing(session).is_building)
    return standing(session)


def standing(session: Session) -> Job:
    job = deployjob.poll(session.data, NOW)
    assert job is not None
    return job


def commit_in(binary: Path) -> str:
    """The commit that the cargo above wrote into it."""
    return binary.read_text().splitlines()[1].split()[1]
