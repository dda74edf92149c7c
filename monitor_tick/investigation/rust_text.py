"""Rust source taken apart as far as a search needs: which function, which test and which call a place is in. Pure.

No parser: braces and brackets are paired outside of comments and strings, which holds for whatever the compiler takes.
What it would not take gives poor answers and no failure.
"""

from __future__ import annotations

import re

import msgspec

from monitor_tick.investigation.rust_tokens import Literal, tokens_of

LONGEST_CALL = 6000
"""Characters between the brackets of one call that are looked at."""

_STRUCTURE = re.compile(
    r"(?P<attribute>#!?\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\])"
    r"|\b(?P<kind>fn|mod|trait|impl|macro_rules!)(?!\w)\s*(?P<name>\$?[A-Za-z_]\w*)?"
    r"|(?P<mark>[{}()\[\];])"
)
_TEST_ATTRIBUTE = re.compile(r"#\[\s*(?:cfg\s*\(\s*(?:(?:all|any)\s*\([^)]*)?\btest\b|(?:\w+\s*::\s*)*test\b)")
_TEST_PATH = re.compile(r"(?:^|/)(?:tests|benches|examples|fuzz)/|(?:^|[/_])tests?\.rs$")

_CALLEE = re.compile(r"((?:[A-Za-z_$][\w$]*\s*::\s*)*[A-Za-z_$][\w$]*)\s*(!?)\s*$")
_TURBOFISH = re.compile(r"::\s*<[^()]*>\s*$")
_KEYWORDS = frozenset({"if", "match", "while", "for", "in", "return", "let", "else", "move", "as", "where"})
_CALLEE_LENGTH = 200
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class Block(msgspec.Struct, frozen=True):
    """An item with braces. `kind` is fn, mod, trait, impl or macro_rules!; `start` is where its keyword stands."""

    kind: str
    name: str
    start: int
    end: int
    is_test: bool


class Call(msgspec.Struct, frozen=True):
    """Brackets and what stands before them: `name` is a path as written, empty where the brackets only group."""

    name: str
    is_macro: bool
    start: int
    opened: int

    @property
    def last(self) -> str:
        return self.name.rpartition("::")[2].strip()


class Code(msgspec.Struct, frozen=True):
    """One file. `masked` is `text` with comments and the insides of strings blanked, so that offsets agree."""

    path: str
    text: str
    masked: str
    literals: tuple[Literal, ...]
    blocks: tuple[Block, ...]

    def line_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def innermost(self, offset: int, *kinds: str) -> Block | None:
        around = [block for block in self.blocks if block.kind in kinds and block.start <= offset < block.end]
        return max(around, key=lambda block: block.start, default=None)

    def function_at(self, offset: int) -> str:
        """`Type::name`, `name`, `macro!`, or empty outside of all of them."""
        function = self.innermost(offset, "fn")
        if function is None:
            macro = self.innermost(offset, "macro_rules!")
            return f"{macro.name}!" if macro else ""
        owner = self.innermost(function.start, "impl", "trait")
        return f"{owner.name}::{function.name}" if owner and owner.name else function.name

    def is_test_at(self, offset: int) -> bool:
        return bool(_TEST_PATH.search(self.path)) or any(
            block.is_test and block.start <= offset < block.end for block in self.blocks
        )

    def scope_of(self, offset: int) -> tuple[int, int]:
        """Where the enclosing function begins and ends; the whole file outside of any."""
        function = self.innermost(offset, "fn")
        return (function.start, function.end) if function else (0, len(self.text))

    def literals_in(self, start: int, end: int) -> tuple[Literal, ...]:
        return tuple(literal for literal in self.literals if start <= literal.start < end)


def code_of(path: str, text: str) -> Code:
    masked, literals = tokens_of(text)
    return Code(path, text, masked, literals, _blocks(masked))


# --- items -------------------------------------------------------------------------------------------------------


class _Pending(msgspec.Struct, frozen=True):
    """An item whose braces have not come yet; `depth` counts the brackets around it."""

    kind: str
    name: str
    start: int
    header: int
    depth: int


def _blocks(masked: str) -> tuple[Block, ...]:
    items = _Items(masked)
    for token in _STRUCTURE.finditer(masked):
        items.take(token)
    return items.ended()


class _Items:
    """The items that are open at a token, and those that have ended."""

    def __init__(self, masked: str) -> None:
        self._masked = masked
        self._blocks: list[Block] = []
        self._opened: list[tuple[_Pending | None, int, bool]] = []
        self._pending: _Pending | None = None
        self._depth = 0
        self._in_test = self._test_next = False

    def take(self, token: re.Match[str]) -> None:
        mark = token["mark"]
        if token["attribute"]:
            self._test_next = self._test_next or bool(_TEST_ATTRIBUTE.match(token["attribute"]))
        elif token["kind"]:
            self._pending = _next_item(self._pending, token, self._depth)
        elif mark == "{":
            self._open(token)
        elif mark == "}":
            self._close(token)
        elif mark == ";":
            if self._pending is None or self._pending.depth == self._depth:
                self._pending, self._test_next = None, False
        else:
            self._depth = max(0, self._depth + (1 if mark in ("(", "[") else -1))

    def _open(self, token: re.Match[str]) -> None:
        item = self._pending if self._pending is not None and self._pending.depth == self._depth else None
        if item is not None:
            self._pending = None
            if item.kind == "impl":
                item = msgspec.structs.replace(item, name=_type_of(self._masked[item.header : token.start()]))
        self._opened.append((item, self._depth, self._in_test))
        self._in_test, self._test_next = self._in_test or self._test_next, False

    def _close(self, token: re.Match[str]) -> None:
        if not self._opened:
            return
        item, self._depth, before = self._opened.pop()
        if item is not None:
            self._blocks.append(Block(item.kind, item.name, item.start, token.end(), self._in_test))
        self._in_test, self._test_next = before, False
        if self._pending is not None and self._pending.depth >= self._depth:
            self._pending = None

    def ended(self) -> tuple[Block, ...]:
        """With those whose braces never close, which reach to the end of the file."""
        end = len(self._masked)
        unclosed = (
            Block(item.kind, item.name, item.start, end, self._in_test)
            for item, _, _ in self._opened
            if item is not None
        )
        return (*self._blocks, *unclosed)


def _next_item(pending: _Pending | None, token: re.Match[str], depth: int) -> _Pending | None:
    """`fn(u32)` is a type, and so is the `impl` in a signature: neither begins an item."""
    kind, name = token["kind"], token["name"] or ""
    if (kind == "impl" and pending is not None) or (kind != "impl" and not name):
        return pending
    header = token.start() + len(kind)
    return _Pending(kind, name, token.start(), header, depth)


def _type_of(header: str) -> str:
    """The type that an `impl` is for, without generics and path."""
    header = re.split(r"\bwhere\b", header.replace("->", "  "))[0]
    while (simpler := re.sub(r"<[^<>]*>", " ", header)) != header:
        header = simpler
    words = re.split(r"\bfor\b", header)[-1].split()
    return re.sub(r"\W", "", words[-1].rpartition("::")[2]) if words else ""


# --- calls -------------------------------------------------------------------------------------------------------


def calls_around(code: Code, offset: int) -> tuple[Call, ...]:
    """The calls and macros whose brackets hold `offset`, the innermost first, as far as the enclosing braces."""
    found: list[Call] = []
    masked, depth = code.masked, 0
    for position in range(offset - 1, max(-1, offset - LONGEST_CALL), -1):
        mark = masked[position]
        if mark in ")]}":
            depth += 1
        elif mark in "([{":
            depth -= 1
            if depth < 0:
                depth = 0
                call = _call_before(masked, position)
                if mark == "{" and not call.is_macro:
                    break
                found.append(call)
    return tuple(found)


def _call_before(masked: str, opened: int) -> Call:
    begin = max(0, opened - _CALLEE_LENGTH)
    before = _TURBOFISH.sub("", masked[begin:opened])
    found = _CALLEE.search(before)
    if found is None or found[1] in _KEYWORDS:
        return Call("", False, opened, opened)
    return Call("".join(found[1].split()), found[2] == "!", begin + found.start(), opened)


def end_of_call(code: Code, opened: int) -> int:
    """The offset after the bracket that closes the one at `opened`; where none does, the end of what is looked at."""
    masked, depth = code.masked, 0
    last = min(len(masked), opened + LONGEST_CALL)
    for position in range(opened, last):
        if masked[position] in "([{":
            depth += 1
        elif masked[position] in ")]}":
            depth -= 1
            if depth == 0:
                return position + 1
    return last
