"""Build henyey into a session with cargo, keep what was built, and ask git which commit that is."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from monitor_loop import files, shell
from monitor_loop.errors import MonitorError
from monitor_loop.session import Session

GIT_DEADLINE_SECONDS = 30.0
POLL_SECONDS = 0.5
CHUNK_BYTES = 1 << 16
PACKAGE = "henyey"

_SHA = re.compile(r"[0-9a-f]{40}")
_GITHUB = re.compile(
    r"(?:https?://|ssh://|git://)?(?:[^/@]+@)?(?:ssh\.)?github\.com(?::\d+)?[:/]+"
    r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?",
    re.IGNORECASE,
)


def build(session: Session, show: Callable[[bytes], None]) -> str:
    """cargo build --release -p henyey into the session; the full sha of the commit that was built.

    Every byte of cargo's output goes to `show` and to the session's build.log as it comes. There is no deadline: a
    cold build takes an hour. Raises MonitorError when it fails, or when HEAD moved meanwhile.
    """
    sha = head_of(session.repo, session.git)
    with session.build_log.open("wb") as log:
        status = _run_cargo(session, [show, log.write])
    if status != 0:
        raise MonitorError(
            f"cargo build failed (exit status {status}); read {session.build_log}, "
            "mend what it names and run monitor-loop start again"
        )
    if not os.access(session.launch_path, os.X_OK):
        raise MonitorError(
            f"cargo left no executable at {session.launch_path}; look for build.target or [[bin]] names "
            f"in {session.repo} that move it"
        )
    if head_of(session.repo, session.git) != sha:
        raise MonitorError(f"{session.repo}: HEAD moved while cargo was building; run monitor-loop start again")
    return sha


def keep(session: Session, sha: str) -> Path:
    """Keep the built binary, its SHA-256 and the config it is to run with under binaries/<sha>, and note build_sha.

    The config is the file as it stands beside the build, operator's changes included: that is what ran.
    """
    kept = session.binaries / sha
    kept.mkdir(parents=True, exist_ok=True)
    digest = _copy(session.launch_path, kept / PACKAGE)
    files.replace(kept / f"{PACKAGE}.sha256", f"{digest}  {PACKAGE}\n".encode())
    _copy(session.config_file, kept / session.config_file.name)
    files.replace(session.build_sha, f"{sha}\n".encode())
    return kept


def is_kept(session: Session, sha: str) -> bool:
    """Whether the binary of this commit is kept and is, byte for byte, the one that was built."""
    kept = session.binaries / sha
    return _SHA.fullmatch(sha) is not None and _digest_of(kept / PACKAGE) == _noted_digest(kept) != ""


def is_installed(session: Session, sha: str) -> bool:
    """Whether the file that would be launched is the kept binary of this commit."""
    noted = _noted_digest(session.binaries / sha)
    return noted != "" and _digest_of(session.launch_path) == noted


def install(session: Session, sha: str) -> None:
    """Make the kept binary of `sha` the one that is launched, with build_sha. MonitorError where it is not whole.

    A running node keeps the file it was started from: the new one takes its name, not its inode.
    """
    kept = session.binaries / sha
    if not is_kept(session, sha):
        raise MonitorError(f"{kept}: no whole binary of {sha[:8]} is kept; monitor-loop start builds one")
    session.launch_path.parent.mkdir(parents=True, exist_ok=True)
    _copy(kept / PACKAGE, session.launch_path)
    note(session, sha)


def note(session: Session, sha: str) -> None:
    """build_sha names what is at the launch path."""
    files.replace(session.build_sha, f"{sha}\n".encode())


def with_kept_config(session: Session, sha: str) -> Session:
    """`session` as it launches with the config kept beside that binary, where that is another than the checkout's."""
    kept = session.binaries / sha / session.config_file.name
    try:
        before, now = files.read(kept), files.read(session.config_file)
    except OSError:
        return session
    return session if before is None or before == now else replace(session, config=str(kept))


def _noted_digest(kept: Path) -> str:
    try:
        return (files.read(kept / f"{PACKAGE}.sha256", 1024) or b"").decode("ascii", "replace").split(" ")[0]
    except OSError:
        return ""


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()


def head_of(repo: Path, git: str) -> str:
    """The full sha of HEAD. Raises MonitorError where git cannot tell."""
    ran = shell.run([git, "rev-parse", "--verify", "HEAD"], deadline_seconds=GIT_DEADLINE_SECONDS, cwd=repo)
    sha = ran.out.strip()
    if ran.status != 0 or not _SHA.fullmatch(sha):
        raise MonitorError(f"{repo}: git rev-parse HEAD failed ({_last_line(ran)}); check the checkout with git status")
    return sha


def has_changes(repo: Path, git: str) -> bool:
    """Whether tracked files differ from HEAD: the build then holds more than the commit that it will name."""
    argv = [git, "status", "--porcelain", "--untracked-files=no"]
    return bool(shell.run(argv, deadline_seconds=GIT_DEADLINE_SECONDS, cwd=repo).out.strip())


def github_repo_of(repo: Path, git: str) -> str:
    """`owner/name` of the checkout's origin; empty where it is not on GitHub or there is none."""
    if not repo.is_dir():
        return ""
    argv = [git, "remote", "get-url", "origin"]
    return github_name(shell.run(argv, deadline_seconds=GIT_DEADLINE_SECONDS, cwd=repo).out)


def github_name(url: str) -> str:
    """`owner/name` of a GitHub remote in any of git's forms, without the credentials that one may hold."""
    match = _GITHUB.fullmatch(url.strip())
    return f"{match['owner']}/{match['name']}" if match else ""


def check_checkout(repo: Path, git: str) -> None:
    """Raise MonitorError unless `repo` is a git checkout with a package `henyey`."""
    if not git:
        raise MonitorError("git is not installed; sudo apt-get install git")
    argv = [git, "rev-parse", "--is-inside-work-tree"]
    if not repo.is_dir() or shell.run(argv, deadline_seconds=GIT_DEADLINE_SECONDS, cwd=repo).out.strip() != "true":
        raise MonitorError(f"{repo} is no git checkout; name henyey's with --repo, or cd into it")
    if not has_package(repo):
        raise MonitorError(f"{repo} has no package {PACKAGE}; name henyey's checkout with --repo, or cd into it")


def has_package(repo: Path) -> bool:
    """Whether a Cargo.toml of the checkout is of the package `henyey`. Not cargo metadata: that may want a network."""
    manifests = [repo / "crates" / PACKAGE / "Cargo.toml", repo / "Cargo.toml", *sorted(repo.glob("*/Cargo.toml"))]
    return any(_package_name(manifest) == PACKAGE for manifest in manifests)


def _package_name(manifest: Path) -> str:
    import tomli

    content = files.read(manifest) or b""
    try:
        package = tomli.loads(content.decode()).get("package", {})
    except (tomli.TOMLDecodeError, UnicodeDecodeError):
        return ""
    return str(package.get("name", "")) if isinstance(package, dict) else ""


def _run_cargo(session: Session, sinks: list[Callable[[bytes], object]]) -> int:
    """cargo's exit status; its output goes to the sinks. Its whole process group dies with an interrupt."""
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_BUILD_TARGET"}
    environment["CARGO_TARGET_DIR"] = str(session.cargo_target)
    output, writing_end = os.pipe()
    process = subprocess.Popen(  # noqa: S603 - the operator's own cargo, by absolute path
        [session.cargo, "build", "--release", "-p", PACKAGE],
        cwd=session.repo,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=writing_end,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.close(writing_end)
    try:
        _tee(output, process, sinks)
        return process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        os.close(output)


def _tee(output: int, process: subprocess.Popen[bytes], sinks: list[Callable[[bytes], object]]) -> None:
    """Pass on the output until it ends, or the process does: a daemon that the build started (sccache) may hold the
    pipe open for ever."""
    while True:
        ready, _, _ = select.select([output], [], [], POLL_SECONDS)
        if not ready:
            if process.poll() is not None:
                return
            continue
        chunk = os.read(output, CHUNK_BYTES)
        if not chunk:
            return
        for sink in sinks:
            sink(chunk)


def _copy(source: Path, target: Path) -> str:
    """Copy with mode through a temporary name, synced; the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with source.open("rb") as reader, temporary.open("wb") as writer:
            os.fchmod(writer.fileno(), source.stat().st_mode & 0o777 & ~0o022)
            _pour(reader, writer, digest.update)
            writer.flush()
            os.fsync(writer.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MonitorError(f"{target}: could not be kept ({error.strerror}); free disk space and start again") from None
    files.sync_directory(target.parent)
    return digest.hexdigest()


def _pour(reader: BinaryIO, writer: BinaryIO, also: Callable[[bytes], object]) -> None:
    while chunk := reader.read(CHUNK_BYTES):
        writer.write(chunk)
        also(chunk)


def _last_line(ran: shell.Ran) -> str:
    lines = ran.err.strip().splitlines()
    return lines[-1] if lines else f"exit status {ran.status}"


def which(name: str) -> str:
    """The absolute path of a program; empty where it is not installed. rustup puts cargo where cron's PATH ends."""
    return shutil.which(name) or shutil.which(name, path=str(Path.home() / ".cargo" / "bin")) or ""
