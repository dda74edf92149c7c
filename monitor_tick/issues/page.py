"""An issue as a Markdown file that a person reads and edits: a header, the body, comments. Pure.

Every part is split off by lines alone: the header by `---`, a comment by `# Comment by LOGIN at TIME`. A line of a body
that begins like the latter gets a backslash in front, which Markdown does not show, and loses it when it is read; so
whatever a body holds comes back byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

import msgspec

FENCE = "---"
OPEN, CLOSED = "open", "closed"

_COMMENT = "# Comment by "
_TIME = "%Y-%m-%dT%H:%M:%SZ"

_match_comment = re.compile(re.escape(_COMMENT) + r"(\S+) at (\S+)\s*").fullmatch
_starts_like_comment = re.compile(r"\\*" + re.escape(_COMMENT)).match
_starts_escaped = re.compile(r"\\+" + re.escape(_COMMENT)).match


class Remark(msgspec.Struct, frozen=True):
    """A comment. `at` has whole seconds."""

    author: str
    at: datetime
    text: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """`fields` are the lines of the header in their order, also those that a person added."""

    fields: tuple[tuple[str, str], ...]
    body: str
    remarks: tuple[Remark, ...] = ()

    def field(self, name: str) -> str:
        return dict(self.fields).get(name, "")

    @property
    def title(self) -> str:
        return self.field("title")

    @property
    def is_open(self) -> bool:
        return self.field("state").lower() == OPEN

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label for each in self.field("labels").split(",") if (label := each.strip()))

    @property
    def created_at(self) -> datetime:
        return _parse_time(self.field("created"))


def new_page(title: str, body: str, labels: Iterable[str], author: str, at: datetime) -> Page:
    return Page(
        fields=(
            ("title", _one_line(title)),
            ("state", OPEN),
            ("labels", ", ".join(map(_one_line, labels))),
            ("board", ""),
            ("created", time_text(at)),
            ("author", author),
        ),
        body=body,
    )


def with_field(page: Page, name: str, value: str) -> Page:
    """`page` with one line of its header set; a line that is not there is added at the header's end."""
    fields = dict(page.fields) | {name: _one_line(value)}
    return msgspec.structs.replace(page, fields=tuple(fields.items()))


def with_remark(page: Page, author: str, at: datetime, text: str) -> Page:
    """`page` with a comment at its end."""
    return msgspec.structs.replace(page, remarks=(*page.remarks, Remark(author, at.replace(microsecond=0), text)))


def time_text(at: datetime) -> str:
    return at.strftime(_TIME)


# --- write -------------------------------------------------------------------------------------------------------


def render(page: Page) -> bytes:
    """A text stands after an empty line and is its own end: of the file, or of the line before the next comment."""
    lines = [FENCE, *(f"{name}: {value}".rstrip() for name, value in page.fields), FENCE, "", _escaped(page.body)]
    for remark in page.remarks:
        lines += [f"{_COMMENT}{remark.author} at {time_text(remark.at)}", "", _escaped(remark.text)]
    return "\n".join(lines).encode("utf-8", "replace")


def _escaped(text: str) -> str:
    return "\n".join(f"\\{line}" if _starts_like_comment(line) else line for line in text.split("\n"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- read --------------------------------------------------------------------------------------------------------


def parse(content: bytes) -> Page:
    """What `render` made, also where a person has edited it. ValueError says what is wrong, and what is meant."""
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    end = _end_of_header(lines)
    page = Page(fields=tuple(_fields(lines[1:end])), body="")
    _check(page)
    starts = [number for number in range(end + 1, len(lines)) if lines[number].startswith(_COMMENT)]
    bounds = [*starts, len(lines)]
    return msgspec.structs.replace(
        page,
        body=_text(lines[end + 1 : bounds[0]]),
        remarks=tuple(_remark(lines, start, end) for start, end in zip(starts, bounds[1:], strict=True)),
    )


def header_of(beginning: bytes) -> Page | None:
    """The page without its texts, from the first bytes of it; None where they do not hold the whole header."""
    lines = beginning.split(b"\n")[:-1]
    ends = (number for number, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE.encode())
    end = next(ends, None)
    return None if end is None else parse(b"\n".join(lines[: end + 1]))


def _end_of_header(lines: list[str]) -> int:
    if lines[0].rstrip() != FENCE:
        raise ValueError(f"line 1: a header begins with {FENCE}")
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == FENCE:
            return number
    raise ValueError(f"the header has no end: a line {FENCE} after its last key")


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        name, mark, value = line.partition(":")
        if not mark or not name.strip():
            raise ValueError(f"line {number}: not `key: value`")
        if name.strip() in seen:
            raise ValueError(f"line {number}: {name.strip()} stands there twice")
        seen.add(name.strip())
        yield name.strip(), value.strip()


def _check(page: Page) -> None:
    if page.field("state").lower() not in (OPEN, CLOSED):
        raise ValueError(f"state is {page.field('state')!r}: {OPEN} or {CLOSED} is meant")
    if not page.title:
        raise ValueError("title is missing")
    try:
        _parse_time(page.field("created"))
    except ValueError as error:
        raise ValueError(f"created: {error}") from None


def _remark(lines: list[str], start: int, end: int) -> Remark:
    found = _match_comment(lines[start])
    if found is None:
        raise ValueError(f"line {start + 1}: not `{_COMMENT}LOGIN at TIME`; in a text, put a backslash before it")
    return Remark(found[1], _parse_time(found[2]), _text(lines[start + 1 : end]))


def _text(lines: list[str]) -> str:
    """A body without the empty line before it, where an editor left that."""
    if lines and not lines[0].rstrip():
        lines = lines[1:]
    return "\n".join(line[1:] if _starts_escaped(line) else line for line in lines)


def _parse_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no time like 2026-05-09T03:40:07Z") from None
