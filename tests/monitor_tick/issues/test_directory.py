"""Issues as Markdown files: what is written is read back, what a person edits counts, and no number comes twice."""

from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop import files
from monitor_tick.issues.directory import HEADER_BYTES, Directory
from monitor_tick.issues.page import new_page, parse, render, with_field, with_remark
from monitor_tick.issues.tracker import TAIL_LENGTH, Cause, Comment, TrackerError
from tests.monitor_tick.views import NOW

HIDDEN = "<!-- monitor-tick key=rpc:down scope=kind incident=0123456789ab -->"
BODY = f"## Symptom\n\nRPC down\n\n{HIDDEN}\n"

TEXT = """\
---
title: RPC down
state: open
labels: urgent
board: Backlog
created: 2026-05-09T03:40:07Z
author: monitor
---

## Symptom

RPC down

<!-- monitor-tick key=rpc:down scope=kind incident=0123456789ab -->

# Comment by monitor at 2026-05-09T04:00:07Z

It is back.
"""


@pytest.fixture
def issues(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "issues", NOW)


def file_of(issues: Directory, number: int) -> Path:
    return issues._path / f"{number}.md"


def edit(issues: Directory, number: int, before: str, after: str) -> None:
    """As a person does with an editor."""
    path = file_of(issues, number)
    content = path.read_text("utf-8")
    assert before in content
    path.write_text(content.replace(before, after), "utf-8")


# --- the text form -----------------------------------------------------------------------------------------------


def test_a_file_is_a_header_the_body_and_the_comments(tmp_path: Path) -> None:
    Directory(tmp_path, NOW).create("RPC down", BODY, ["urgent"])
    later = Directory(tmp_path, NOW + timedelta(minutes=20))
    later.add_to_board(1, "Backlog")
    later.comment(1, "It is back.\n")
    assert (tmp_path / "1.md").read_text("utf-8") == TEXT


SEPARATORS = st.sampled_from(
    (
        "---",
        "\n---\n",
        "\n# Comment by monitor at 2026-05-09T04:00:07Z\n",
        "\n# Comment by ",
        "\n\\# Comment by monitor at 2026-05-09T04:00:07Z\n",
        "\n\\\\\\# Comment by x",
        "# Comment by monitor at 2026-05-09T04:00:07Z\r\n",
        "state: closed\n",
        "\n\n\n",
        "\r",
        "\u2028",
        "\x0c",
        "\0",
        HIDDEN,
    )
)
HOSTILE = st.lists(SEPARATORS | st.text(max_size=20), max_size=8).map("".join)


@given(body=HOSTILE, comments=st.lists(HOSTILE, max_size=3), title=HOSTILE, label=HOSTILE)
def test_every_body_and_every_comment_is_read_back_byte_for_byte(
    body: str, comments: list[str], title: str, label: str
) -> None:
    page = new_page(f"RPC {title}", body, [label.replace(",", "")], "monitor", NOW)
    for comment in comments:
        page = with_remark(page, "monitor", NOW, comment)
    again = parse(render(page))
    assert again == page
    assert again.is_open
    assert again.title == " ".join(f"RPC {title}".split())
    assert (again.body, [remark.text for remark in again.remarks]) == (body, comments)


def test_a_line_like_our_own_separator_is_shown_by_markdown_as_it_was(issues: Directory) -> None:
    issues.create("RPC down", "# Comment by monitor at 2026-05-09T04:00:07Z\n\nforged", [])
    assert "\n\\# Comment by monitor at" in file_of(issues, 1).read_text("utf-8")
    assert issues.comments_since(1, NOW) == ()


@given(content=st.binary(max_size=200) | HOSTILE.map(str.encode))
def test_other_bytes_are_refused_with_a_reason_on_one_line(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S") as refused:
        parse(content)
    assert "\n" not in str(refused.value)


def test_a_file_cut_or_with_a_bit_turned_never_crashes_and_never_loses_its_reason() -> None:
    whole = TEXT.encode()
    spoilt = [whole[:length] for length in range(len(whole))]
    spoilt += [
        whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at in range(len(whole)) for bit in range(8)
    ]
    refused = 0
    for content in spoilt:
        try:
            parse(content)
        except ValueError as error:
            assert str(error)  # noqa: PT017  (most bits are in texts, which may hold anything)
            refused += 1
    assert refused


# --- a tracker ---------------------------------------------------------------------------------------------------


def test_where_nothing_was_filed_there_is_no_directory_and_no_issue(issues: Directory) -> None:
    assert issues.open_issues() == ()
    assert issues.created_since(NOW) == ()
    assert issues.search(["RPC"], is_open=True) == ()
    assert not issues._path.exists()
    with pytest.raises(TrackerError, match=r"not found: there is no file .*/issues/1\.md") as refused:
        issues.issue(1)
    assert refused.value.cause is Cause.NOT_FOUND


def test_a_new_issue_is_open_ours_and_on_no_board(issues: Directory) -> None:
    assert issues.create("RPC down", BODY, ["urgent", "not-ready"]) == 1
    issue = issues.issue(1)
    assert (issue.number, issue.title, issue.is_open, issue.labels) == (1, "RPC down", True, ("urgent", "not-ready"))
    assert issue.author == issues.login() == "monitor"
    assert issue.created_at == NOW.replace(microsecond=0)
    assert issue.on_board is False
    assert issue.tail == BODY
    assert issues.open_issues() == (issue,)


def test_of_long_texts_a_list_holds_the_end(issues: Directory) -> None:
    text = "x" * 60_000 + HIDDEN
    issues.create("RPC down", text, [])
    issues.comment(1, text)
    assert issues.issue(1).tail == issues.comments_since(1, NOW)[0].tail == text[-TAIL_LENGTH:]


def test_of_what_is_not_asked_for_only_the_header_is_read(issues: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed issue is kept for ever, and is asked for in each tick that files."""
    for title in ("RPC down", "Disk: 91%", "RPC down"):
        issues.create(title, BODY, [])
    for number in (1, 2):
        edit(issues, number, "state: open", "state: closed")
    whole: list[str] = []
    read = files.read
    monkeypatch.setattr(files, "read", lambda path, *limit: whole.append(Path(path).name) or read(path, *limit))
    assert [issue.number for issue in issues.open_issues()] == [3]
    assert [issue.number for issue in issues.search(["RPC"], is_open=False)] == [1]
    assert issues.created_since(NOW + timedelta(seconds=1)) == ()
    assert whole == ["3.md", "1.md"]


def test_a_header_may_be_as_long_as_it_likes(issues: Directory) -> None:
    issues.create("RPC down", BODY, [])
    path = file_of(issues, 1)
    path.write_text(path.read_text().replace("labels:", f"note: {'é' * HEADER_BYTES}\nlabels:", 1))
    assert [issue.title for issue in issues.open_issues()] == ["RPC down"]


def test_the_newest_issue_comes_first(issues: Directory) -> None:
    for _ in range(11):
        issues.create("RPC down", BODY, [])
    assert [issue.number for issue in issues.open_issues()] == list(range(11, 0, -1))


def test_what_was_created_or_said_in_the_second_of_the_question_is_found(tmp_path: Path) -> None:
    """An entry is marked with the time of its try, which has a fraction that a file does not keep."""
    at = NOW.replace(microsecond=900_000)
    issues = Directory(tmp_path, at)
    issues.create("RPC down", BODY, [])
    issues.comment(1, BODY)
    assert [issue.number for issue in issues.created_since(at)] == [1]
    assert issues.comments_since(1, at) == (Comment("monitor", BODY),)
    assert issues.created_since(at + timedelta(seconds=1)) == ()
    assert issues.comments_since(1, at + timedelta(seconds=1)) == ()


def test_closed_issues_are_created_since_as_well(issues: Directory) -> None:
    issues.create("RPC down", BODY, [])
    edit(issues, 1, "state: open", "state: closed")
    assert [issue.is_open for issue in issues.created_since(NOW)] == [False]


def test_a_search_finds_titles_with_every_word(issues: Directory) -> None:
    issues.create("metrics: henyey_x_total — breached", BODY, [])
    issues.create("RPC down", BODY, [])
    edit(issues, 2, "state: open", "state: closed")
    assert [issue.number for issue in issues.search(["HENYEY_X_TOTAL", "metrics"], is_open=True)] == [1]
    assert issues.search(["henyey_x_total", "rpc"], is_open=True) == ()
    assert [issue.number for issue in issues.search(["rpc"], is_open=False)] == [2]
    assert issues.search(["rpc"], is_open=True) == ()
    assert issues.search([" "], is_open=True) == ()


def test_a_label_is_added_once_beside_the_others(issues: Directory) -> None:
    issues.create("RPC down", BODY, ["not-ready"])
    for _ in range(2):
        issues.add_label(1, "urgent")
    assert issues.issue(1).labels == ("not-ready", "urgent")


@pytest.mark.parametrize("label", ["", "a,b"])
def test_what_a_header_cannot_hold_is_no_label(issues: Directory, label: str) -> None:
    with pytest.raises(TrackerError) as refused:
        issues.create("RPC down", BODY, [label])
    assert refused.value.cause is Cause.NO_SUCH_LABEL
    assert issues.open_issues() == ()


def test_an_issue_without_a_title_is_refused(issues: Directory) -> None:
    with pytest.raises(TrackerError, match="without a title"):
        issues.create(" \n", BODY, [])


def test_an_issue_on_the_board_stays_where_it_is(issues: Directory) -> None:
    issues.create("RPC down", BODY, [])
    issues.add_to_board(1, "Backlog")
    issues.add_to_board(1, "Blocked")
    assert "\nboard: Backlog\n" in file_of(issues, 1).read_text("utf-8")
    assert issues.has_board()
    assert issues.issue(1).on_board


# --- a person ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["closed", "Closed ", "closed\r"])
def test_a_person_closes_an_issue_by_its_state(issues: Directory, word: str) -> None:
    issues.create("RPC down", BODY, [])
    edit(issues, 1, "state: open", f"state: {word}\nclosed_by: 6de471aa")
    assert issues.open_issues() == ()
    issue = issues.issue(1)
    assert (issue.is_open, issue.closed_by, issue.tail) == (False, "6de471aa", BODY)


def test_what_a_person_added_stays_when_the_monitor_writes(issues: Directory) -> None:
    issues.create("RPC down", BODY, [])
    edit(issues, 1, "author: monitor\n", "author: monitor\nassignee: jane\n")
    file_of(issues, 1).write_text(
        file_of(issues, 1).read_text("utf-8") + "\n# Comment by jane at 2026-05-09T05:00:00Z\nI look at it.", "utf-8"
    )
    issues.comment(1, "still down")
    assert [remark.text for remark in parse(file_of(issues, 1).read_bytes()).remarks] == ["I look at it.", "still down"]
    assert "\nassignee: jane\n" in file_of(issues, 1).read_text("utf-8")
    assert issues.comments_since(1, NOW)[0] == Comment("jane", "I look at it.")


def test_an_editor_that_trims_the_file_or_ends_lines_otherwise_harms_nothing(issues: Directory) -> None:
    issues.create("RPC down", BODY, [])
    whole = file_of(issues, 1).read_text("utf-8")
    for edited in (whole.rstrip(), whole.replace("\n", "\r\n"), whole.replace("---\n\n", "---\n")):
        file_of(issues, 1).write_bytes(edited.encode())
        issue = issues.issue(1)
        assert issue.is_open
        assert issue.tail.rstrip().endswith(HIDDEN)


def test_a_file_that_a_person_made_is_an_issue_of_theirs(issues: Directory) -> None:
    issues._path.mkdir()
    file_of(issues, 7).write_text("---\ntitle: slow\nstate: open\ncreated: 2026-05-09T03:40:07Z\n---\nIt is slow.\n")
    issue = issues.issue(7)
    assert (issue.title, issue.author, issue.labels, issue.tail) == ("slow", "", (), "It is slow.\n")
    assert issues.create("RPC down", BODY, []) == 8


# --- numbers -----------------------------------------------------------------------------------------------------


def test_the_number_of_a_removed_issue_is_not_given_again(issues: Directory) -> None:
    for _ in range(3):
        issues.create("RPC down", BODY, [])
    file_of(issues, 3).unlink()
    assert issues.create("RPC down", BODY, []) == 4


def test_a_spoilt_last_number_is_made_good_by_the_names(issues: Directory) -> None:
    issues.create("RPC down", BODY, [])
    (issues._path / ".last-number").write_bytes(b"1x garbage that is longer than a number")
    assert issues.create("RPC down", BODY, []) == 2
    assert (issues._path / ".last-number").read_bytes() == b"2\n"


def file_some(path: Path, title: str) -> None:
    issues = Directory(path, NOW)
    for _ in range(10):
        issues.create(title, BODY, [])
        issues.comment(1, title)


def test_two_processes_share_no_number_and_lose_no_comment(issues: Directory) -> None:
    issues.create("RPC down", BODY, [])
    forking = multiprocessing.get_context("fork")
    processes = [forking.Process(target=file_some, args=(issues._path, title)) for title in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    found = issues.open_issues()
    assert [issue.number for issue in found] == list(range(21, 0, -1))
    assert sorted(issue.title for issue in found[:-1]) == ["a"] * 10 + ["b"] * 10
    assert sorted(comment.tail for comment in issues.comments_since(1, NOW)) == ["a"] * 10 + ["b"] * 10


# --- damage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"line 1: a header begins with ---"),
        (b"---\ntitle: x\n", r"the header has no end"),
        (TEXT.replace("state: open", "state: clsoed").encode(), r"state is 'clsoed': open or closed is meant"),
        (TEXT.replace("state: open\n", "").encode(), r"state is ''"),
        (TEXT.replace("title: RPC down", "title:").encode(), r"title is missing"),
        (TEXT.replace("board: Backlog", "Backlog").encode(), r"line 5: not `key: value`"),
        (TEXT.replace("board: Backlog", "state: closed").encode(), r"line 5: state stands there twice"),
        (TEXT.replace("created: 2026-05-09T03:40:07Z", "created: today").encode(), r"created: 'today' is no time like"),
        (TEXT.replace(" at 2026-05-09T04:00:07Z", "").encode(), r"line 16: not `# Comment by LOGIN at TIME`"),
        (TEXT.replace("2026-05-09T04:00:07Z", "noon").encode(), r"'noon' is no time like"),
        (TEXT.encode() + b"\xff", r"not UTF-8 at byte"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong_and_stays(issues: Directory, content: bytes, said: str) -> None:
    issues.create("RPC down", BODY, [])
    file_of(issues, 2).write_bytes(content)
    asked: list[Callable[[], object]] = [
        lambda: issues.issue(2),
        issues.open_issues,
        lambda: issues.created_since(NOW),
        lambda: issues.search(["RPC"], is_open=True),
        lambda: issues.comments_since(2, NOW),
        lambda: issues.comment(2, BODY),
        lambda: issues.add_label(2, "urgent"),
        lambda: issues.add_to_board(2, "Backlog"),
    ]
    for ask in asked:
        with pytest.raises(TrackerError, match=rf"refused: \S+/issues/2\.md is damaged: .*{said}") as refused:
            ask()
        assert refused.value.cause is Cause.REFUSED
        assert "\n" not in str(refused.value)
    assert file_of(issues, 2).read_bytes() == content
    assert issues.create("RPC down", BODY, []) == 3


def test_links_and_other_names_are_no_issues_and_their_numbers_are_not_given(issues: Directory) -> None:
    issues.create("RPC down", BODY, [])
    file_of(issues, 2).symlink_to(file_of(issues, 1))
    file_of(issues, 3).mkdir()
    os.mkfifo(file_of(issues, 4))
    for name in ("01.md", "5.MD", "6.md~", ".7.md.swp", "8.txt", "x9.md", "0.md", f"{10**18}.md"):
        (issues._path / name).write_bytes(b"odd")
    assert [issue.number for issue in issues.open_issues()] == [1]
    with pytest.raises(TrackerError) as refused:
        issues.comment(2, BODY)
    assert refused.value.cause is Cause.NOT_FOUND
    assert issues.create("RPC down", BODY, []) == 5


def test_a_write_that_the_disk_refused_leaves_what_was_there_and_is_not_certain(
    issues: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    issues.create("RPC down", BODY, [])
    before = file_of(issues, 1).read_bytes()

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for write in (lambda: issues.comment(1, BODY), lambda: issues.create("RPC down", BODY, [])):
            with pytest.raises(TrackerError, match=r"cannot write in .*/issues: No space left on device") as refused:
                write()
            assert refused.value.cause is Cause.UNCERTAIN
    assert file_of(issues, 1).read_bytes() == before
    assert [issue.number for issue in issues.open_issues()] == [1]
    issues.comment(1, BODY)


def test_a_directory_that_cannot_be_listed_is_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "issues").write_bytes(b"a file")
    with pytest.raises(TrackerError, match=r"cannot list .*/issues: Not a directory"):
        Directory(tmp_path / "issues", NOW).open_issues()


def test_a_header_line_is_set_or_added_without_moving_the_others() -> None:
    page = with_field(new_page("RPC down", BODY, [], "monitor", NOW), "note", " two\nwords ")
    assert [name for name, _ in page.fields] == ["title", "state", "labels", "board", "created", "author", "note"]
    assert with_field(page, "state", "closed").fields[1] == ("state", "closed")
    assert page.field("note") == "two words"
