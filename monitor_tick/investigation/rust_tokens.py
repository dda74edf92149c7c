"""What in a Rust source is code and what is a comment or a string. Pure."""

from __future__ import annotations

import re

import msgspec

_TOKEN = re.compile(
    r"""
      (?P<line>//[^\n]*)
    | (?P<comment>/\*)
    | (?P<raw>\b(?:b|c)?r(?P<hashes>\#*)")
    | (?P<string>")
    | (?P<char>'(?:[^'\\\n]|\\(?:u\{[^}\n]{1,8}\}|x[0-9A-Fa-f]{2}|.))')
    """,
    re.VERBOSE,
)
_COMMENT = re.compile(r"/\*|\*/")
_STRING_END = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_NEWLINE = re.compile(r"[^\n]")

_ESCAPE = re.compile(r"\\(?:\n\s*|u\{([0-9A-Fa-f_]{1,8})\}|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_LAST_CODE_POINT = 0x10FFFF


class Literal(msgspec.Struct, frozen=True):
    """A string: the offsets of its token, and what the program sees of it."""

    start: int
    end: int
    value: str


def tokens_of(text: str) -> tuple[str, tuple[Literal, ...]]:
    """The code with comments and the insides of strings blanked, newlines kept, and the strings."""
    pieces: list[str] = []
    literals: list[Literal] = []
    done = 0
    while (found := _TOKEN.search(text, done)) is not None:
        start, end = found.span()
        pieces.append(text[done:start])
        if found.lastgroup == "line":
            pieces.append(_blank(text[start:end]))
        elif found.lastgroup == "comment":
            end = _end_of_comment(text, end)
            pieces.append(_blank(text[start:end]))
        elif found.lastgroup == "char":
            pieces.append("'" + " " * (end - start - 2) + "'")
        else:
            last, closing = _end_of_string(text, end, found)
            literals.append(Literal(start, closing, text[end:last] if found["raw"] else _unescaped(text[end:last])))
            inside = _blank(text[start + 1 : closing])
            pieces.append(f'"{inside}' if last == closing else f'"{inside[:-1]}"')
            end = closing
        done = end
    pieces.append(text[done:])
    return "".join(pieces), tuple(literals)


def _blank(text: str) -> str:
    return _NOT_NEWLINE.sub(" ", text)


def _end_of_comment(text: str, position: int) -> int:
    """Block comments nest."""
    depth = 1
    while depth and (found := _COMMENT.search(text, position)) is not None:
        depth += 1 if found[0] == "/*" else -1
        position = found.end()
    return len(text) if depth else position


def _end_of_string(text: str, position: int, opening: re.Match[str]) -> tuple[int, int]:
    """Where its text ends and where its token does; both are the end of the file where it is never closed."""
    if opening["raw"]:
        mark = '"' + opening["hashes"]
        at = text.find(mark, position)
        return (len(text), len(text)) if at < 0 else (at, at + len(mark))
    found = _STRING_END.match(text, position)
    return (found.end() - 1, found.end()) if found else (len(text), len(text))


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value

    def plain(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        if code:
            number = int(code.replace("_", "") or "0", 16)
            return chr(number) if number <= _LAST_CODE_POINT else "\ufffd"
        return _ESCAPED.get(found[3], found[3]) if found[3] else ""

    return _ESCAPE.sub(plain, value)
