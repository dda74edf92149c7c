"""Build henyey into a session with cargo, keep what was built, and ask git which commit that is."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Set
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from monitor_loop import files, shell
from monitor_loop.building import cargo
from monitor_loop.errors import MonitorError
from monitor_loop.session import Session

GIT_DEADLINE_SECONDS = 30.0
CHUNK_BYTES = 1 << 16
PACKAGE = cargo.PACKAGE
UNKNOWN = "unknown"
"""Under what a binary is kept whose commit nobody knows."""

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
        status = cargo.run(session, [show, log.write])
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
    kept = keep_as(session, sha, session.launch_path, session.config_file)
    files.replace(session.build_sha, f"{sha}\n".encode())
    return kept


def keep_as(session: Session, name: str, binary: Path, config: Path) -> Path:
    """Keep a binary and its config under binaries/<name>. Its SHA-256 comes last: what has none is not kept."""
    kept = session.binaries / name
    kept.mkdir(parents=True, exist_ok=True)
    (kept / f"{PACKAGE}.sha256").unlink(missing_ok=True)
    digest = _copy(binary, kept / PACKAGE)
    _copy(config, kept / session.config_file.name)
    files.replace(kept / f"{PACKAGE}.sha256", f"{digest}  {PACKAGE}\n".encode())
    return kept


def is_kept(session: Session, sha: str) -> bool:
    """Whether the binary of this commit is kept and is, byte for byte, the one that was built."""
    return is_sha(sha) and _is_whole(session.binaries / sha)


def is_installed(session: Session, sha: str) -> bool:
    """Whether the file that would be launched is the kept binary of this commit."""
    return holds(session.binaries / sha, session.launch_path)


def sweep(session: Session, before: datetime) -> None:
    """Remove what copies that were killed before then have left: each is as large as a binary."""
    for directory in (session.launch_path.parent, *session.binaries.glob("*")):
        for leftover in directory.glob(f".{PACKAGE}.*.tmp"):
            if leftover.lstat().st_mtime < before.timestamp():
                leftover.unlink(missing_ok=True)


def is_sha(text: str) -> bool:
    return _SHA.fullmatch(text) is not None


def holds(kept: Path, binary: Path) -> bool:
    """Whether `binary` is what was kept in this directory."""
    noted = _noted_digest(kept)
    return noted != "" and _digest_of(binary) == noted


def install(session: Session, sha: str) -> None:
    """Make the kept binary of `sha` the one that is launched, with build_sha. MonitorError where it is not whole.

    A running node keeps the file it was started from: the new one takes its name, not its inode.
    """
    if not is_kept(session, sha):
        kept = session.binaries / sha
        raise MonitorError(f"{kept}: no whole binary of {sha[:8]} is kept; monitor-loop start builds one")
    put_back(session, sha)
    note(session, sha)


def put_back(session: Session, name: str) -> None:
    """The binary kept under binaries/<name> to the launch path, nothing else. MonitorError where it is not whole."""
    kept = session.binaries / name
    if not _is_whole(kept):
        raise MonitorError(f"{kept}: no whole binary is kept there; the launch path is left as it is")
    session.launch_path.parent.mkdir(parents=True, exist_ok=True)
    _copy(kept / PACKAGE, session.launch_path)


def prune_kept(session: Session, keep: Set[str]) -> tuple[str, ...]:
    """Remove kept binaries but those of the commits in `keep`; which ones went."""
    try:
        names = sorted(entry.name for entry in os.scandir(session.binaries) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return ()
    gone = tuple(name for name in names if name not in keep and (name == UNKNOWN or is_sha(name)))
    for name in gone:
        files.remove_tree(session.binaries / name, session.binaries)
    return gone


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


def _is_whole(kept: Path) -> bool:
    return holds(kept, kept / PACKAGE)


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
