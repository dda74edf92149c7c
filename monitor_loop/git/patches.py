"""What a commit changed, from `git diff-tree -p -U0`: whether one change takes another back, or makes it again.

Compared hunk by hunk and without context, so that an edit next to it makes no difference. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

_ID = re.compile(r"[0-9a-f]{40}")
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@.*", re.DOTALL)
_INDEX = re.compile(r"index ([0-9a-f]+)\.\.([0-9a-f]+)(?: (\d+))?")
_MODES = (
    (re.compile(r"(?:old mode|deleted file mode) (\d+)"), "old_mode"),
    (re.compile(r"(?:new mode|new file mode) (\d+)"), "new_mode"),
)
_LOST = "\ufffd"  # a byte that is no UTF-8: lines that hold one cannot be compared


class Hunk(msgspec.Struct, frozen=True):
    """Lines that went and lines that came, without their newline; one that has none in the file says so."""

    minus: tuple[str, ...]
    plus: tuple[str, ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Of one path, as git quotes it, without the quotes. A mode is empty where there is no file; `old` and `new` are
    blob ids, empty where only the mode changed. A binary file has no hunks."""

    path: str
    old_mode: str
    new_mode: str
    old: str = ""
    new: str = ""
    hunks: tuple[Hunk, ...] = ()


Patch = tuple[Change, ...]


def undoes(later: Patch, earlier: Patch) -> bool:
    """Whether everything that `earlier` changed is taken back in `later`, which may do more. Not for an empty one."""
    return bool(earlier) and all(_is_undone(change, _of_path(later, change.path)) for change in earlier)


def repeats(later: Patch, earlier: Patch) -> bool:
    """Whether everything that `earlier` changed is changed so again in `later`; blanks in a line do not count."""
    return bool(earlier) and all(_is_repeated(change, _of_path(later, change.path)) for change in earlier)


def overlaps(later: Patch, earlier: Patch) -> bool:
    """Whether anything of `earlier` is changed so again in `later`, be it in a file that was renamed meanwhile."""
    hunks = [hunk for change in later for hunk in change.hunks]
    telling = [hunk for change in earlier for hunk in change.hunks if _tells(hunk)]
    return any(_is_repeated(change, _of_path(later, change.path)) for change in earlier) or any(
        _holds(map(_without_blanks, hunks), [_without_blanks(hunk)]) for hunk in telling
    )


def _of_path(patch: Patch, path: str) -> Patch:
    return tuple(change for change in patch if change.path == path)


def _is_undone(change: Change, later: Patch) -> bool:
    modes = (change.new_mode, change.old_mode)
    if any((c.old, c.new, c.old_mode, c.new_mode) == (change.new, change.old, *modes) for c in later):
        return True
    if not change.old_mode:
        return any(not c.new_mode for c in later)  # it brought the file, and the file is gone
    if change.old_mode == change.new_mode:
        same_modes = all(c.old_mode == c.new_mode for c in later)
    else:
        same_modes = any((c.old_mode, c.new_mode) == modes for c in later)
    wanted = [Hunk(hunk.plus, hunk.minus) for hunk in change.hunks]
    if not (same_modes and wanted) or any(_LOST in line for hunk in wanted for line in (*hunk.minus, *hunk.plus)):
        return False
    return _holds((hunk for c in later for hunk in c.hunks), wanted)


def _is_repeated(change: Change, later: Patch) -> bool:
    if not change.new_mode:
        return any(not c.new_mode for c in later)
    if any(c.new == change.new and c.new_mode == change.new_mode for c in later):
        return True
    wanted = [_without_blanks(hunk) for hunk in change.hunks]
    return bool(wanted) and _holds((_without_blanks(hunk) for c in later for hunk in c.hunks), wanted)


def _tells(hunk: Hunk) -> bool:
    """A bracket or an empty line comes and goes everywhere."""
    return any(char.isalnum() for line in (*hunk.minus, *hunk.plus) for char in line)


def _without_blanks(hunk: Hunk) -> Hunk:
    return Hunk(*(tuple("".join(line.split()) for line in lines) for lines in (hunk.minus, hunk.plus)))


def _holds(hunks: Iterable[Hunk], wanted: Sequence[Hunk]) -> bool:
    """Whether each of `wanted` lies in one of `hunks`, as runs of its lines, no line serving twice."""
    left = list(hunks)
    for want in wanted:
        for index, hunk in enumerate(left):
            minus, plus = _run(hunk.minus, want.minus), _run(hunk.plus, want.plus)
            if minus is not None and plus is not None:
                before = Hunk(hunk.minus[: minus[0]], hunk.plus[: plus[0]])
                left[index : index + 1] = [before, Hunk(hunk.minus[minus[1] :], hunk.plus[plus[1] :])]
                break
        else:
            return False
    return True


def _run(lines: Sequence[str], wanted: Sequence[str]) -> tuple[int, int] | None:
    """Where `wanted` stands in `lines`, as one run."""
    for start in range(len(lines) - len(wanted) + 1):
        if lines[start : start + len(wanted)] == wanted:
            return start, start + len(wanted)
    return None


# --- git's text ----------------------------------------------------------------------------------------------------


def parse(text: str) -> list[tuple[str, Patch]]:
    """(commit, patch) of each section of `git diff-tree --stdin`, in its order; ValueError for anything else.

    Content is counted off by the header of its hunk, so that no line of a file is taken for one of git's.
    """
    lines = text.split("\n")
    sections: list[tuple[str, list[Change]]] = []
    at = 0
    while at < len(lines):
        if _ID.fullmatch(lines[at]):
            sections.append((lines[at], []))
            at += 1
        elif lines[at].startswith("diff --git ") and sections:
            change, at = _change(lines, at)
            sections[-1][1].append(change)
        elif not lines[at]:
            at += 1
        else:
            raise ValueError(f"line {at + 1} is no patch")
    return [(commit, tuple(changes)) for commit, changes in sections]


def _change(lines: Sequence[str], at: int) -> tuple[Change, int]:
    """The change that begins at line `at`, and the line after it."""
    path = _path_of(lines[at].removeprefix("diff --git "))
    found: dict[str, str] = {}
    common = ""
    hunks: list[Hunk] = []
    at += 1
    while at < len(lines) and lines[at] and not lines[at].startswith("diff --git ") and not _ID.fullmatch(lines[at]):
        line = lines[at]
        if line.startswith("@@ "):
            hunk, at = _hunk(lines, at)
            hunks.append(hunk)
            continue
        for pattern, name in _MODES:
            if match := pattern.fullmatch(line):
                found[name] = match[1]
        if match := _INDEX.fullmatch(line):
            found["old"], found["new"], common = match[1], match[2], match[3] or ""
        at += 1
    modes = {name: found.pop(name, common) for name in ("old_mode", "new_mode")}
    return Change(path=path, hunks=tuple(hunks), **modes, **found), at


def _path_of(names: str) -> str:
    """P of `a/P b/P`, or of both in quotes; renames are not asked for, so P is the same."""
    first, second = names[: len(names) // 2], names[len(names) // 2 + 1 :]
    if first.replace("a/", "b/", 1) != second:
        raise ValueError(f"not one path: {names!r}")
    return first.replace("a/", "", 1).removeprefix('"').removesuffix('"')


def _hunk(lines: Sequence[str], at: int) -> tuple[Hunk, int]:
    match = _HUNK.fullmatch(lines[at])
    if match is None:
        raise ValueError(f"line {at + 1} is no hunk")
    at += 1
    minus, at = _side(lines, at, "-", int(match[1] or 1))
    plus, at = _side(lines, at, "+", int(match[2] or 1))
    return Hunk(minus, plus), at


def _side(lines: Sequence[str], at: int, sign: str, count: int) -> tuple[tuple[str, ...], int]:
    side = [line.removeprefix(sign) for line in lines[at : at + count] if line.startswith(sign)]
    if len(side) != count:
        raise ValueError(f"line {at + 1}: {count} lines with {sign} were announced")
    at += count
    if side and at < len(lines) and lines[at].startswith("\\ "):
        side[-1] += "\n" + lines[at]
        at += 1
    return tuple(side), at
