from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from monitor_loop import quarantine
from tests.monitor_loop.checkouts import git
from tests.scripts.shell_library import LIBRARY, Batch, bash

A, B, C = "a" * 40, "b" * 40, "0123456789" * 4


def commit(repo: Path, text: str) -> str:
    (repo / "file").write_text(text)
    git(repo, "add", "file")
    git(repo, "commit", "-q", "-m", text)
    return git(repo, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    directory = tmp_path / "re po"
    directory.mkdir()
    git(directory, "init", "-q", "-b", "main")
    return directory


# --- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "entries", "warnings"),
    [
        (f"{A}\n{B} why not\n".encode(), (A, B), ()),
        (f"{B}\r\n\r\n{A}\treason\r\n".encode(), (B, A), ()),
        (f"# {A}\n   \n  # x\n  {C}".encode(), (C,), ()),
        (b"", (), ()),
        (f"{A.upper()}\n{B}".encode(), (B,), (f"malformed: {A[:12].upper()}...",)),
        (b"123456789012\n1234567890123 x\n", (), ("malformed: 123456789012", "malformed: 123456789012...")),
        (f"{A}a\n{A[:-1]}\n".encode(), (), (f"malformed: {A[:12]}...",) * 2),
        (f"{A}#x\n".encode(), (), (f"malformed: {A[:12]}...",)),
        (b"\x1b[31m\xff\n", (), ("malformed: ?[31m\ufffd",)),
        (f"{A}\n{A}\n".encode(), (A, A), ()),
    ],
)  # fmt: skip
def test_the_lines_of_the_file(content: bytes, entries: tuple[str, ...], warnings: tuple[str, ...]) -> None:
    assert quarantine.parse(content) == quarantine.Quarantine(entries, warnings)


def test_the_file_through_the_shell(tmp_path: Path) -> None:
    file, empty = tmp_path / "deploy *.txt", tmp_path / "empty"
    file.write_text(f"{B} x\n$(id)\n`rm -rf -no-such-thing`\n{A}")
    empty.touch()
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    nothing = {"QUARANTINE_ENTRIES": "", "QUARANTINE_WARNINGS": ""}
    batch = Batch()
    warnings = "malformed: $(id), malformed: `rm"
    batch.call("parse_quarantine_file", file, QUARANTINE_ENTRIES=f"{B}\n{A}", QUARANTINE_WARNINGS=warnings)
    batch.call("parse_quarantine_file", tmp_path / "missing", **nothing)
    batch.call("parse_quarantine_file", empty, **nothing)
    for path in (tmp_path, dangling, ""):
        batch.call(
            "parse_quarantine_file", path, gives=1, QUARANTINE_ENTRIES="", QUARANTINE_WARNINGS=f"unreadable: {path}"
        )
    batch.check(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode=0o000)
    assert not quarantine.read(str(file)).readable


# --- ancestry ------------------------------------------------------------------------------------------------------


def test_L68_a_quarantined_commit_blocks_while_it_is_part_of_origin_main(tmp_path: Path, repo: Path) -> None:
    first, second = commit(repo, "one"), commit(repo, "two")
    git(repo, "update-ref", "refs/remotes/origin/main", second)
    local = commit(repo, "not pushed")
    files = {
        "old": f"{local}\n{first} bad\n",
        "tip": f"{A}\nbad line\n{second}\n",
        "local": f"{local}\n",
        "unknown": f"{local}\n{A}\n",
        "empty": "",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)

    def answer(status: str, match: str = "", warnings: str = "") -> dict[str, str]:
        return {"QUARANTINE_STATUS": status, "QUARANTINED_MATCH": match, "QUARANTINE_WARNINGS": warnings}

    error = "ancestry-check-error: aaaaaaaa (rc=128)"
    unreadable = answer("blocked_unreadable", "UNREADABLE", f"unreadable: {tmp_path}")
    check = "check_quarantine_ancestry"
    batch = Batch()
    batch.call(check, "../old", **answer("blocked_ancestor", first))
    batch.call(check, tmp_path / "tip", **answer("blocked_ancestor", second, f"malformed: bad, {error}"))
    batch.call(check, tmp_path / "local", gives=1, **answer("clear"))
    batch.call(check, tmp_path / "unknown", **answer("blocked_git_error", A, error))
    batch.call(check, tmp_path / "empty", gives=1, **answer("clear"))
    batch.call(check, tmp_path, **unreadable)
    batch.check(tmp_path, cwd=repo)
    git(repo, "update-ref", "-d", "refs/remotes/origin/main")
    git(repo, "branch", "other")
    batch = Batch()
    error = f"ancestry-check-error: {local[:8]} (rc=128)"
    batch.call(check, tmp_path / "local", **answer("blocked_git_error", local, error))
    batch.check(tmp_path, cwd=repo)


def test_without_git_it_is_blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    verdict = quarantine.ancestry(quarantine.Quarantine((A,)))
    assert (verdict.standing, verdict.match) == (quarantine.Standing.GIT_ERROR, A)
    assert verdict.warnings == ("ancestry-check-error: aaaaaaaa (rc=127)",)


# --- writing -------------------------------------------------------------------------------------------------------


def test_L69_append_and_remove_say_what_became_of_it(tmp_path: Path) -> None:
    file, torn = tmp_path / "q *.txt", tmp_path / "torn"
    torn.write_bytes(f"# kept\r\n{A} one\r\nmalformed\n{B}\n{A}".encode())
    taken = tmp_path / "directory"
    taken.mkdir()
    batch = Batch()
    batch.call("quarantine_append", file, A, "crash\nafter\t\x1b[31mdeploy  #7")
    batch.call("quarantine_append", file, A, "again")
    batch.call("quarantine_append", file, B)
    batch.call("quarantine_append", torn, C, "-x")
    batch.call("quarantine_append", file, f"{A}\n", "x", gives=1)
    batch.call("quarantine_remove", file, "-f", gives=1)
    batch.call("quarantine_append", taken, A, gives=2)
    batch.call("quarantine_remove", taken, A, gives=2)
    batch.call("quarantine_remove", torn, A)
    batch.call("quarantine_remove", torn, A)
    batch.check(tmp_path)
    quarantine.remove(str(tmp_path / "no/file"), A)
    with pytest.raises(FileNotFoundError):
        quarantine.append(str(tmp_path / "no/file"), A, "")
    assert file.read_text() == f"{A} crash after [31mdeploy #7\n{B}\n"
    assert torn.read_bytes() == f"# kept\r\nmalformed\n{B}\n{C} -x\n".encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "out.txt", "q *.txt", "torn"]


@pytest.mark.parametrize("text", ["", "abc", A.upper(), f"{A}a", f"{A}\n", "-f", f" {A}", "g" * 40, "\u0661" * 40])
def test_what_is_no_sha(text: str) -> None:
    assert not quarantine.is_sha(text)


def test_a_reason_is_one_printable_line_of_200_characters() -> None:
    assert quarantine.one_line("ä" * 300) == "ä" * 200
    assert quarantine.one_line("a\u2028b\0c\udc80d\re") == "a b c d e"


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(f"{A}\n{B}\n")
    (tmp_path / "link").symlink_to("real")
    quarantine.remove(str(tmp_path / "link"), A)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == f"{B}\n"


def test_L69_a_remove_that_cannot_be_written_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "q"
    file.write_text(f"{A}\n{B}\n")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        quarantine.remove(str(file), A)
    assert file.read_text() == f"{A}\n{B}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["q"]


def test_an_append_waits_for_a_remove(tmp_path: Path) -> None:
    """The directory is what both lock: the file itself is replaced."""
    file = tmp_path / "q"
    fd = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    writer = threading.Thread(target=quarantine.append, args=(str(file), A, ""))
    writer.start()
    writer.join(0.05)
    assert writer.is_alive()
    assert not file.exists()
    os.close(fd)
    writer.join(10)
    assert file.read_text() == f"{A}\n"


# --- the files themselves ------------------------------------------------------------------------------------------


def test_each_file_works_alone(tmp_path: Path) -> None:
    script = f". '{LIBRARY}/deploy-quarantine.sh'; set -eu; parse_quarantine_file '{tmp_path}/q'"
    script += '; echo "<$QUARANTINE_ENTRIES>"'
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(["bash", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "<>\n", "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    files = sorted(map(str, LIBRARY.glob("*.sh")))
    ran = subprocess.run(
        ["shellcheck", "-x", *files], cwd=LIBRARY.parents[1], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "")
    assert bash("declare -F | grep -c quarantine")[0] == "4\n"
