"""Issues as Markdown files in a directory: `<data>/issues/<N>.md`, for machines without gh and for trying things.

A person closes an issue by `state: closed` in its header. What is no regular file of such a name is none of ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from monitor_loop import files
from monitor_tick.issues.page import Page, header_of, new_page, parse, render, with_field, with_remark
from monitor_tick.issues.tracker import TAIL_LENGTH, Cause, Comment, Issue, TrackerError

LOGIN = "monitor"

HEADER_BYTES = 2048
"""A title, labels and a date take up less; a longer header is read with the rest."""

_LAST_NUMBER = ".last-number"
_match_name = re.compile(r"([1-9][0-9]{0,17})\.md").fullmatch
_match_number = re.compile(rb"([1-9][0-9]{0,17})\n").fullmatch


class Directory:
    """A `monitor_tick.issues.tracker.Tracker`. What is written is dated `now`, to the second.

    The directory is made by the first write. One damaged file fails every list: an issue that cannot be read could be
    the one that a finding belongs to.
    """

    def __init__(self, path: Path, now: datetime) -> None:
        self._path = path
        self._now = now

    def login(self) -> str:
        return LOGIN

    def open_issues(self) -> tuple[Issue, ...]:
        return self._issues(lambda page: page.is_open)

    def created_since(self, at: datetime) -> tuple[Issue, ...]:
        since = at.replace(microsecond=0)
        return self._issues(lambda page: page.created_at >= since)

    def issue(self, number: int) -> Issue:
        return _issue_of(number, self._page(number))

    def search(self, words: Sequence[str], *, is_open: bool) -> tuple[Issue, ...]:
        """Those whose title has every word, as GitHub means it; without words none."""
        wanted = [word.casefold() for word in words if word.strip()]

        def is_found(page: Page) -> bool:
            return page.is_open == is_open and all(word in page.title.casefold() for word in wanted)

        return self._issues(is_found) if wanted else ()

    def comments_since(self, number: int, at: datetime) -> tuple[Comment, ...]:
        since = at.replace(microsecond=0)
        remarks = (remark for remark in self._page(number).remarks if remark.at >= since)
        return tuple(Comment(remark.author, remark.text[-TAIL_LENGTH:]) for remark in remarks)

    def create(self, title: str, body: str, labels: Sequence[str]) -> int:
        if not title.strip():
            raise TrackerError(Cause.REFUSED, "an issue without a title")
        for label in labels:
            _refuse_label(label)
        page = new_page(title, body, labels, LOGIN, self._now)
        with self._alone() as last:
            number = max(_last_number(last), *self._numbers(), 0) + 1
            _write_number(last, number)
            self._write(number, page)
        return number

    def comment(self, number: int, body: str) -> None:
        self._change(number, lambda page: with_remark(page, LOGIN, self._now, body))

    def add_label(self, number: int, label: str) -> None:
        _refuse_label(label)

        def labelled(page: Page) -> Page:
            return with_field(page, "labels", ", ".join(dict.fromkeys((*page.labels, label))))

        self._change(number, labelled)

    def has_board(self) -> bool:
        return True

    def add_to_board(self, number: int, status: str) -> None:
        self._change(number, lambda page: page if page.field("board") else with_field(page, "board", status))

    # --- read ----------------------------------------------------------------------------------------------------

    def _issues(self, is_wanted: Callable[[Page], bool]) -> tuple[Issue, ...]:
        """The newest first, as gh lists them. Of the others only the header is read, most of which are closed."""
        there = filter(self._is_there, sorted(self._numbers(), reverse=True))
        return tuple(_issue_of(number, self._page(number)) for number in there if is_wanted(self._header(number)))

    def _numbers(self) -> list[int]:
        """Every number that a name takes, whatever it is the name of."""
        try:
            names = [path.name for path in self._path.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise TrackerError(Cause.REFUSED, f"cannot list {self._path}: {error.strerror}") from None
        return [int(found[1]) for name in names if (found := _match_name(name))]

    def _is_there(self, number: int) -> bool:
        try:
            return stat.S_ISREG(self._file(number).lstat().st_mode)
        except OSError:
            return False

    def _page(self, number: int) -> Page:
        return self._parsed(number, _whole)

    def _header(self, number: int) -> Page:
        return self._parsed(number, lambda path: header_of(_beginning(path)) or _whole(path))

    def _parsed(self, number: int, parsed: Callable[[Path], Page]) -> Page:
        path = self._file(number)
        if not self._is_there(number):
            raise TrackerError(Cause.NOT_FOUND, f"there is no file {path}")
        try:
            return parsed(path)
        except OSError as error:
            raise TrackerError(Cause.REFUSED, f"cannot read {path}: {error.strerror}") from None
        except ValueError as error:
            raise TrackerError(Cause.REFUSED, f"{path} is damaged: {error} - mend it or move it away") from None

    def _file(self, number: int) -> Path:
        return self._path / f"{number}.md"

    # --- write ---------------------------------------------------------------------------------------------------

    def _change(self, number: int, changed: Callable[[Page], Page]) -> None:
        with self._alone():
            page = self._page(number)
            self._write(number, changed(page))

    def _write(self, number: int, page: Page) -> None:
        files.replace(self._file(number), render(page))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        """A descriptor of the file with the last number, locked. What the disk refuses may be written all the same."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path / _LAST_NUMBER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                yield fd
            finally:
                os.close(fd)
        except OSError as error:
            raise TrackerError(Cause.UNCERTAIN, f"cannot write in {self._path}: {error.strerror}") from None


def _whole(path: Path) -> Page:
    return parse(files.read(path) or b"")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEADER_BYTES)


def _last_number(fd: int) -> int:
    """The last number that was given; 0 where the file is empty or spoilt, and the names alone tell."""
    found = _match_number(os.pread(fd, 20, 0))
    return int(found[1]) if found else 0


def _write_number(fd: int, number: int) -> None:
    """Before the issue itself, so that its number stays taken when the file is removed."""
    os.ftruncate(fd, os.pwrite(fd, f"{number}\n".encode(), 0))
    os.fsync(fd)


def _refuse_label(label: str) -> None:
    if "," in label or not label.strip():
        raise TrackerError(Cause.NO_SUCH_LABEL, repr(label))


def _issue_of(number: int, page: Page) -> Issue:
    return Issue(
        number=number,
        title=page.title,
        is_open=page.is_open,
        author=page.field("author"),
        created_at=page.created_at,
        labels=page.labels,
        tail=page.body[-TAIL_LENGTH:],
        closed_by=page.field("closed_by"),
        on_board=bool(page.field("board")),
    )
