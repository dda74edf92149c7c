"""What stands behind an entry of the quarantine, and who may change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_loop import quarantine

SHA, OTHER = "a" * 40, "b" * 40
ACT = "0123456789ab"


def entries(*reasons: str) -> str:
    return "".join(f"{sha} {reason}\n" for sha, reason in zip((SHA, OTHER), reasons, strict=False))


def test_an_entry_of_an_act_names_its_issue_once_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "q"
    quarantine.append(str(path), SHA, quarantine.by_act(ACT, "regression on trial: Node crashed"))
    assert path.read_text() == f"{SHA} act {ACT}: regression on trial: Node crashed\n"
    for _ in range(2):
        quarantine.refer(str(path), SHA[:8], "regression #12")
        assert path.read_text() == f"{SHA} regression #12: regression on trial: Node crashed\n"


@pytest.mark.parametrize(
    "content",
    [
        entries("by hand", f"act {ACT}: of another commit"),
        f"# {SHA} act {ACT}: x\n",
        f"{SHA} act by act: x\n",
        f"{SHA}\n",
        "",
    ],
)
def test_what_an_operator_wrote_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "q"
    path.write_text(content)
    quarantine.refer(str(path), SHA[:8], "regression #12")
    assert path.read_text() == content


def test_the_bytes_of_the_other_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "q"
    around = b"# \xff\r\n%b act %b: x\r\nnonsense\n"
    path.write_bytes(around % (SHA.encode(), ACT.encode()))
    quarantine.refer(str(path), SHA[:8], "regression #12")
    assert path.read_bytes() == b"# \xff\r\n%b regression #12: x\r\nnonsense\n" % SHA.encode()


def test_no_file_is_made_and_nothing_is_taken_for_a_commit(tmp_path: Path) -> None:
    path = tmp_path / "q"
    quarantine.refer(str(path), SHA[:8], "regression #12")
    assert not path.exists()
    path.write_text(entries(f"act {ACT}: x"))
    for wrong in ("", "a", ".*", "unknown"):
        quarantine.refer(str(path), wrong, "regression #12")
    assert path.read_text() == entries(f"act {ACT}: x")
    (tmp_path / "directory").mkdir()
    with pytest.raises(OSError, match="directory"):
        quarantine.refer(str(tmp_path / "directory"), SHA[:8], "regression #12")
