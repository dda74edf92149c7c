"""The build, with a real git and a cargo that is a script."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from monitor_loop.building import build
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Mode, Session
from tests.monitor_loop.checkouts import CONFIG, git, make_cargo, make_checkout, wait_for_end

GIT = shutil.which("git") or ""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    data = DataRoot(tmp_path / "data")
    session = Session(
        data=data,
        id="0123abcd",
        mode=Mode.VALIDATOR,
        config=CONFIG,
        admin_port=11627,
        rpc_port=8000,
        run_flags="--validator",
        binary=tmp_path,
        repo=make_checkout(tmp_path / "henyey", data.path),
        git=GIT,
        cargo=str(make_cargo(tmp_path / "bin")),
    )
    for directory in session.subdirectories:
        directory.mkdir(parents=True)
    return session


def test_build_shows_and_keeps_the_output_and_names_the_commit(session: Session) -> None:
    shown: list[bytes] = []
    sha = build.build(session, shown.append)
    assert sha == git(session.repo, "rev-parse", "HEAD")
    assert b"".join(shown) == session.build_log.read_bytes()
    assert session.build_log.read_text() == "argv: build --release -p henyey\n   Compiling henyey v26.0.0\n"


def test_keep_holds_binary_checksum_config_and_build_sha(session: Session) -> None:
    sha = build.build(session, lambda _: None)
    (session.repo / CONFIG).write_text("# the operator's own seed\n")
    (session.repo / CONFIG).chmod(0o600)
    kept = build.keep(session, sha)
    assert kept == session.binaries / sha
    digest = hashlib.sha256(session.launch_path.read_bytes()).hexdigest()
    assert (kept / "henyey").read_bytes() == session.launch_path.read_bytes()
    assert os.access(kept / "henyey", os.X_OK)
    assert (kept / "henyey.sha256").read_text() == f"{digest}  henyey\n"
    assert (kept / "validator-mainnet-rpc.toml").read_text() == "# the operator's own seed\n"
    assert stat.S_IMODE((kept / "validator-mainnet-rpc.toml").stat().st_mode) == 0o600, "it holds a secret"
    assert session.build_sha.read_text() == f"{sha}\n"
    assert build.keep(session, sha) == kept
    assert sorted(path.name for path in kept.iterdir()) == ["henyey", "henyey.sha256", "validator-mainnet-rpc.toml"]


def test_a_failed_build_is_one_line_that_names_the_log(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_FAILS", "1")
    with pytest.raises(MonitorError, match=rf"101.*{session.build_log}") as refusal:
        build.build(session, lambda _: None)
    assert "\n" not in str(refusal.value)
    assert not session.build_sha.exists()
    assert "could not compile" in session.build_log.read_text()


def test_L12_a_head_that_moves_during_the_build_is_refused(session: Session) -> None:
    def pull(_: bytes) -> None:
        git(session.repo, "commit", "-q", "--allow-empty", "-m", "pulled meanwhile")

    with pytest.raises(MonitorError, match="HEAD moved"):
        build.build(session, pull)


def test_L12_changed_files_are_noticed(session: Session) -> None:
    assert not build.has_changes(session.repo, GIT)
    (session.repo / "untracked").touch()
    assert not build.has_changes(session.repo, GIT)
    (session.repo / CONFIG).write_text("changed")
    assert build.has_changes(session.repo, GIT)


def test_a_build_target_of_the_operator_does_not_move_the_binary(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_BUILD_TARGET", "wasm32-unknown-unknown")
    monkeypatch.setenv("CARGO_TARGET_DIR", "/elsewhere")
    Path(session.cargo).write_text(
        f'#!/bin/sh\n[ -z "$CARGO_BUILD_TARGET" ] && [ "$CARGO_TARGET_DIR" = "{session.cargo_target}" ] || exit 9\n'
        'mkdir -p "$CARGO_TARGET_DIR/release" && cp "$0" "$CARGO_TARGET_DIR/release/henyey"\n'
    )
    build.build(session, lambda _: None)


def test_no_binary_after_a_build_is_said(session: Session) -> None:
    Path(session.cargo).write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(MonitorError, match="no executable"):
        build.build(session, lambda _: None)


def test_what_the_build_leaves_running_does_not_hold_it_up(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sccache's server inherits the pipe and never closes it."""
    monkeypatch.setenv("CARGO_DETACHES", str(tmp_path / "daemon"))
    build.build(session, lambda _: None)
    os.kill(int((tmp_path / "daemon").read_text()), signal.SIGKILL)


def test_an_interrupt_ends_cargo_and_what_it_started(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_HANGS", str(tmp_path / "pids"))

    def interrupt(_: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.build(session, interrupt)
    cargo, compiler = (tmp_path / "pids").read_text().split()
    assert not Path("/proc", cargo).exists()
    wait_for_end(compiler)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/stellar-experimental/henyey.git", "stellar-experimental/henyey"),
        ("https://github.com/stellar-experimental/henyey", "stellar-experimental/henyey"),
        ("https://user:ghp_secret@github.com/o/henyey.git\n", "o/henyey"),
        ("git@github.com:o/henyey.git", "o/henyey"),
        ("ssh://git@github.com/o/henyey.git", "o/henyey"),
        ("ssh://git@ssh.github.com:443/o/henyey.git", "o/henyey"),
        ("https://github.com/o/with.dots.git", "o/with.dots"),
        ("https://gitlab.com/o/henyey.git", ""),
        ("https://evil.example/github.com/o/henyey", ""),
        ("https://github.com.evil.example/o/henyey", ""),
        ("/srv/git/henyey.git", ""),
        ("https://github.com/o", ""),
        ("", ""),
    ],
)
def test_the_github_name_of_a_remote(url: str, name: str) -> None:
    assert build.github_name(url) == name


def test_the_repository_of_a_checkout_never_holds_its_token(session: Session) -> None:
    assert build.github_repo_of(session.repo, GIT) == "stellar-experimental/henyey"
    git(session.repo, "remote", "remove", "origin")
    assert build.github_repo_of(session.repo, GIT) == ""
    assert build.github_repo_of(session.repo / "absent", GIT) == ""


def test_what_is_no_henyey_checkout_is_refused(session: Session, tmp_path: Path) -> None:
    build.check_checkout(session.repo, GIT)
    (tmp_path / "plain").mkdir()
    for place in (tmp_path / "plain", tmp_path / "absent"):
        with pytest.raises(MonitorError, match="no git checkout"):
            build.check_checkout(place, GIT)
    with pytest.raises(MonitorError, match="git is not installed"):
        build.check_checkout(session.repo, "")
    (session.repo / "crates/henyey/Cargo.toml").write_text('[package]\nname = "other"\n')
    with pytest.raises(MonitorError, match="no package henyey"):
        build.check_checkout(session.repo, GIT)


@pytest.mark.parametrize("manifest", ["henyey/Cargo.toml", "Cargo.toml"])
def test_the_package_may_stand_elsewhere_in_the_checkout(tmp_path: Path, manifest: str) -> None:
    (tmp_path / manifest).parent.mkdir(exist_ok=True)
    assert not build.has_package(tmp_path)
    (tmp_path / manifest).write_bytes(b"\xff not toml")
    assert not build.has_package(tmp_path)
    (tmp_path / manifest).write_text('[package]\nname = "henyey"\n')
    assert build.has_package(tmp_path)


def test_head_of_a_repository_without_commits_is_one_line(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(MonitorError, match="git rev-parse HEAD failed"):
        build.head_of(tmp_path, GIT)


def test_cargo_is_found_where_rustup_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    assert build.which("cargo") == ""
    program = make_cargo(tmp_path / ".cargo/bin")
    assert build.which("cargo") == str(program)


def test_a_kept_binary_is_installed_with_its_commit_and_only_if_it_is_whole(session: Session) -> None:
    sha = build.build(session, lambda _: None)
    kept = build.keep(session, sha)
    assert build.is_kept(session, sha)
    assert build.is_installed(session, sha)
    session.launch_path.write_bytes(b"another build")
    session.build_sha.unlink()
    assert not build.is_installed(session, sha)
    build.install(session, sha)
    assert build.is_installed(session, sha)
    assert os.access(session.launch_path, os.X_OK)
    assert session.build_sha.read_text() == f"{sha}\n"
    (kept / "henyey").write_bytes(b"damaged")
    assert not build.is_kept(session, sha)
    with pytest.raises(MonitorError, match="no whole binary"):
        build.install(session, sha)
    assert session.launch_path.read_bytes() != b"damaged"


@pytest.mark.parametrize("sha", ["", "..", "0" * 40, "main"])
def test_what_is_no_kept_commit_is_never_installed(session: Session, sha: str) -> None:
    with pytest.raises(MonitorError):
        build.install(session, sha)
    assert not session.launch_path.exists()
