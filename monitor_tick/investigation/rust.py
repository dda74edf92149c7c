"""Where a metric is registered and which statements update it, in the text of Rust files. Pure.

The name is followed through what holds it: constants, their aliases, entries of tables and macros, and the handles that
a macro returned. What cannot be followed is named where it stands, behind what could.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

from monitor_tick.investigation.calls import (
    CALLS_UPDATE,
    CHAIN,
    DEFINES_REGISTERING,
    DEFINES_UPDATING,
    METHOD,
    NEUTRAL,
    REGISTERED,
    SETS_UP,
    UNCLEAR,
    UPDATED,
    Found,
    Hit,
    is_subject,
    role_by_name,
)
from monitor_tick.investigation.holders import (
    ARM,
    AS,
    CONSTANT,
    FIELD,
    LOCAL,
    LOCAL_FORMAT,
    STATIC,
    USE,
    WINDOW,
    Holder,
    crate_of,
    is_name_of,
    is_of_metrics,
    kind_before,
    means,
    module_of,
    role_of_function,
    word_of_entry,
)
from monitor_tick.investigation.names import built_in, distance_of
from monitor_tick.investigation.rust_text import Call, Code, calls_around, end_of_call
from monitor_tick.investigation.rust_tokens import Literal


def find_metric(
    codes: Mapping[str, Code], metric: str, label: str = "", searched: Set[str] = frozenset(), *, built: bool = False
) -> Found:
    """Every place of `metric` in `codes`. `label` is the value of the label that matters, `searched` the words that all
    files were searched for. With `built`, names that a macro or format! puts together count too."""
    return _Search(codes, metric, label, searched).run(built=built)


class _Search:
    def __init__(self, codes: Mapping[str, Code], metric: str, label: str, searched: Set[str]) -> None:
        self.codes, self.metric, self.label, self.searched = codes, metric, label, searched
        self.hits: dict[tuple[str, int, str], Hit] = {}
        self.wanted: set[str] = set()
        self.holders: list[Holder] = []

    def run(self, *, built: bool) -> Found:
        near = min((distance for *_, distance in self._literals()), default=None)
        for code, literal, distance in self._literals():
            if distance == near:
                self._literal(code, literal)
        if built and near is None:
            for code in self.codes.values():
                for literal, values in built_in(code, self.metric):
                    self._built(code, literal, values)
        for holder in self.holders:  # grows while it is gone through
            self._uses(holder)
        hits = sorted(self.hits.values(), key=_order)
        clear = {hit.role for hit in hits if hit.order < UNCLEAR}
        kept = tuple(hit for hit in hits if hit.order < UNCLEAR or hit.role not in clear)
        return Found(kept, frozenset(self.wanted - self.searched))

    def _literals(self) -> Iterator[tuple[Code, Literal, int]]:
        for code in self.codes.values():
            for literal in code.literals:
                distance = distance_of(literal.value, self.metric)
                if distance is not None and (distance == 0 or is_of_metrics(code, literal)):
                    yield code, literal, distance

    # --- the name itself -----------------------------------------------------------------------------------------

    def _literal(self, code: Code, literal: Literal) -> None:
        before = max(0, literal.start - WINDOW)
        if constant := CONSTANT.search(code.masked, before, literal.start):
            self._add(code, REGISTERED, constant.start(), literal.end)
            self._hold(code, constant[1], literal.start)
        elif local := LOCAL.search(code.masked, before, literal.start):
            self._hold_local(code, local[1], literal.start)
        else:
            self._place(code, literal.start, literal.end)

    def _place(self, code: Code, start: int, end: int) -> None:
        """The name, or a word that holds it, in a call, a table, or an arm of a match."""
        calls = calls_around(code, start)
        for call in calls:
            role = self._role(code, call)
            if role == UPDATED:
                return self._update(code, call, start)
            if role == REGISTERED:
                return self._registration(code, call, start, end)
        if code.masked[start] != '"':
            role = role_of_function(code, start)
            return self._add(code, role or UPDATED, start, end, order=1 if role else UNCLEAR)
        if arm := ARM.search(code.masked, max(0, start - WINDOW), start):
            kind = kind_before(code, arm.start(1))
            if kind or arm[1].isupper():
                self._hold(code, arm[1], start, kind=kind)
            return self._add(code, REGISTERED, arm.start(), end, order=1)
        if code.innermost(start, "fn") is None or (calls and calls[0].last in ("", "vec")):
            return self._add(code, REGISTERED, start, end, order=1)
        return None

    def _registration(self, code: Code, call: Call, start: int, end: int) -> None:
        """`describe_counter!(NAME, ...)` is where its call begins; an entry of a macro's table is where it stands."""
        if role_by_name(call) == REGISTERED and is_subject(code, call, start):
            self._add(code, REGISTERED, call.start, end_of_call(code, call.opened))
            self._bound(code, call)
            return
        word = word_of_entry(code, call, start, end)
        self._add(code, REGISTERED, word[1] if word and word[1] < start else start, end)
        if word:
            self._hold(code, word[0], start)

    def _built(self, code: Code, literal: Literal, values: tuple[str, ...]) -> None:
        macro = code.innermost(literal.start, "macro_rules!")
        if macro is not None:
            self._add(code, REGISTERED, literal.start, literal.end, order=1)
            self._invocations(macro.name, values)
        elif local := LOCAL_FORMAT.search(code.masked, max(0, literal.start - WINDOW), literal.start):
            self._hold_local(code, local[1], literal.start)
        else:
            self._place(code, literal.start, literal.end)

    def _invocations(self, macro: str, values: tuple[str, ...]) -> None:
        """Where a macro that builds names is given what makes this one."""
        role = self._role_of_macro(macro) or REGISTERED
        called = re.compile(rf"\b{re.escape(macro)}\s*!\s*([(\[{{])")
        value = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, values))})(?!\w)")
        for code in self.codes.values():
            for call in called.finditer(code.masked):
                if given := value.search(code.text, call.end(), end_of_call(code, call.start(1))):
                    self._add(code, role, given.start(), given.end())

    # --- what a call does ----------------------------------------------------------------------------------------

    def _role(self, code: Code, call: Call) -> str:
        """What a call does with a name in its brackets; empty where it says nothing."""
        if role := role_by_name(call):
            return role
        updates = bool(call.name) and CALLS_UPDATE.fullmatch(call.last) is not None
        if not call.is_macro:
            return UPDATED if updates else ""
        if call.last in NEUTRAL:
            return ""
        if role := self._role_of_macro(call.last):
            return role
        if code.innermost(call.start, "fn") is None:
            return REGISTERED
        return UPDATED if updates else ""

    def _role_of_macro(self, name: str) -> str:
        """By what its definition expands to."""
        self.wanted.add(name)
        for code in self.codes.values():
            for block in code.blocks:
                if block.kind == "macro_rules!" and block.name == name:
                    if DEFINES_REGISTERING.search(code.masked, block.start, block.end):
                        return REGISTERED
                    if DEFINES_UPDATING.search(code.masked, block.start, block.end):
                        return UPDATED
        return ""

    def _update(self, code: Code, call: Call, start: int) -> None:
        end = end_of_call(code, call.opened)
        if method := METHOD.match(code.masked, end):
            end = end_of_call(code, method.end() - 1)
        elif call.is_macro and self._bound(code, call):
            return
        order = 0
        if self.label and self.label not in {literal.value for literal in code.literals_in(call.opened, end)}:
            order = 1
        if SETS_UP.search(code.function_at(start)):
            order = 2
        self._add(code, UPDATED, call.start, end, order=order)

    def _bound(self, code: Code, call: Call) -> bool:
        """Whether the call's handle is kept under a name: its updates are where that name is used."""
        before = max(0, call.start - WINDOW)
        if local := LOCAL.search(code.masked, before, call.start):
            self._hold_local(code, local[1], call.start, is_handle=True)
        elif static := STATIC.search(code.masked, before, call.start):
            self._hold(code, static[1], call.start, is_handle=True)
        elif field := FIELD.search(code.masked, before, call.start):
            self.wanted.add(field[1])
            self._follow(Holder(field[1], crate=crate_of(code.path), is_handle=True))
        else:
            return False
        self._add(code, REGISTERED, call.start, end_of_call(code, call.opened), order=1)
        return True

    # --- words that hold it --------------------------------------------------------------------------------------

    def _hold(self, code: Code, word: str, offset: int, *, kind: str = "", is_handle: bool = False) -> None:
        self.wanted.add(word)
        module = module_of(code, offset)
        self._follow(Holder(word, defined_in=code.path, module=module, kind=kind, is_handle=is_handle))

    def _hold_local(self, code: Code, word: str, offset: int, *, is_handle: bool = False) -> None:
        begin, end = code.scope_of(offset)
        self._follow(Holder(word, path=code.path, begin=max(begin, offset), end=end, is_handle=is_handle))

    def _follow(self, holder: Holder) -> None:
        if holder not in self.holders:
            self.holders.append(holder)

    def _uses(self, holder: Holder) -> None:
        word = re.compile(rf"\b{re.escape(holder.word)}\b")
        ambiguous = self._has_namesake(holder)
        for code in self.codes.values():
            if holder.path not in ("", code.path) or not code.path.startswith(holder.crate):
                continue
            certain = not ambiguous or code.path == holder.defined_in
            for found in word.finditer(code.masked, holder.begin, min(holder.end, len(code.masked))):
                if holder.kind and kind_before(code, found.start()) != holder.kind:
                    continue
                if certain or holder.kind or means(code, found.start(), holder):
                    self._use(code, holder, found)

    def _has_namesake(self, holder: Holder) -> bool:
        """Whether another file defines a constant of the same name."""
        constant = re.compile(rf"\b(?:const|static)\s+(?:ref\s+|mut\s+)?{re.escape(holder.word)}\s*:")
        others = (code for code in self.codes.values() if code.path != holder.defined_in)
        return holder.module != "" and any(constant.search(code.masked) for code in others)

    def _use(self, code: Code, holder: Holder, found: re.Match[str]) -> None:
        start, end = found.span()
        before = max(0, start - WINDOW)
        after_dot = code.masked[before:start].rstrip().endswith(".")
        if holder.is_handle:
            chain = (METHOD if holder.is_field else CHAIN).match(code.masked, end)
            if chain and after_dot == holder.is_field:
                self._add(code, UPDATED, start, end_of_call(code, chain.end() - 1))
        elif use := USE.search(code.masked, before, start):
            self._alias(code, end, is_public=bool(use[1]))
        elif after_dot or is_name_of(code, start, end):
            return
        elif constant := CONSTANT.search(code.masked, before, start):
            self._hold(code, constant[1], start)
        elif local := LOCAL.search(code.masked, before, start):
            self._hold_local(code, local[1], end)
        else:
            self._place(code, start, end)

    def _alias(self, code: Code, end: int, *, is_public: bool) -> None:
        if alias := AS.match(code.masked, end):
            self._follow(Holder(alias[1], path="" if is_public else code.path))
            self.wanted |= {alias[1]} if is_public else set()

    def _add(self, code: Code, role: str, start: int, end: int, *, order: int = 0) -> None:
        hit = Hit(code.path, start, end, role, order)
        place = (code.path, code.line_of(start), role)
        if place not in self.hits or _order(hit) < _order(self.hits[place]):
            self.hits[place] = hit


def _order(hit: Hit) -> tuple[int, str, int]:
    return hit.order, hit.path, hit.start
