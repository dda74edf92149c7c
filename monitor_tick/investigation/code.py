"""The places of a finding in the code: its metrics and its log message, followed from file to file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from monitor_tick.investigation.calls import REGISTERED, UPDATED, Found, Hit, line_text
from monitor_tick.investigation.hunks import LEAST_WEIGHT, Spot
from monitor_tick.investigation.names import is_name, pattern_to_search, pieces_to_search, texts_to_search
from monitor_tick.investigation.phases import PHASE, UNIT, find_phases
from monitor_tick.investigation.prints import FEW_WORDS, MOST_WORDS, PRINTED, find_message, nearness
from monitor_tick.investigation.prints import texts_to_search as texts_of_message
from monitor_tick.investigation.rust import find_metric
from monitor_tick.investigation.rust_text import Code
from monitor_tick.investigation.source import MOST_FILES, Source, Unread
from monitor_tick.investigation.values import Site
from monitor_tick.issues.finding import Finding

MOST_METRICS = 4
MOST_SITES = 24
MOST_ROUNDS = 6
MOST_WANTED = 24
MOST_PANICS = 3
FILES_AT_ONCE = 20
MOST_LEFT_OUT = 3

WEIGHTS = {UPDATED: 3, PRINTED: 3, PHASE: 2, REGISTERED: LEAST_WEIGHT}
"""How telling a site is, for its place in the issue and for the commits that changed it."""

_LABEL = re.compile(r'\{\w+="([^"]{1,80})"\}$')
_OF_AN_END = ("process:", "wipe:", "offline:", "deploy:")
"""Keys of findings whose panic may stand in the log around them; to others it is another finding's."""

_PANIC = re.compile(r"panicked at '?(?:.{0,300}?', )?([\w./-]{1,300}\.rs):(\d{1,7}):\d{1,7}")
_CONSTANT = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """`spots` are the sites as lines to follow through the commits, `words` what a commit would name."""

    sites: tuple[Site, ...] = ()
    spots: tuple[Spot, ...] = ()
    words: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def places_of(source: Source, finding: Finding) -> Places:
    alert = finding.alert
    label = _LABEL.search(alert.key)
    hits: list[Hit] = []
    missing: list[str] = []
    for metric in alert.metrics[:MOST_METRICS]:
        found, clauses = _metric(source, metric, label[1] if label else "")
        hits += found
        missing += clauses
    if len(alert.metrics) > MOST_METRICS:
        missing.append(f"{len(alert.metrics) - MOST_METRICS} more metrics were not looked up")
    printed, clauses = _line_of_log(source, finding)
    hits += printed
    missing += clauses
    left_out = tuple(source.left_out.items())
    missing += [f"{_plain(path)} was not read: {why}" for path, why in left_out[:MOST_LEFT_OUT]]
    if len(left_out) > MOST_LEFT_OUT:
        missing.append(f"{len(left_out) - MOST_LEFT_OUT} more files were not read")
    hits.sort(key=lambda hit: (-WEIGHTS[hit.role], hit.order))
    shown = hits[:MOST_SITES]
    if len(hits) > len(shown):
        missing.append(f"{len(hits) - len(shown)} more places are not shown")
    return Places(
        sites=tuple(site_of(source.codes[hit.path], hit) for hit in shown),
        spots=tuple(spot_of(source.codes[hit.path], hit) for hit in shown),
        words=_words(source, alert.metrics, hits),
        missing=tuple(missing),
    )


def site_of(code: Code, hit: Hit) -> Site:
    text = _plain(line_text(code, hit.start, hit.end))
    return Site(_plain(code.path), code.line_of(hit.start), hit.role, code.function_at(hit.start), text)


def spot_of(code: Code, hit: Hit) -> Spot:
    begin, end = code.scope_of(hit.start)
    first, last = code.line_of(hit.start), code.line_of(max(hit.start, hit.end - 1))
    inside = (code.line_of(begin), code.line_of(end)) if begin else (first, last)
    return Spot(code.path, first, last, inside[0], max(inside[1], last), WEIGHTS[hit.role])


# --- a metric ----------------------------------------------------------------------------------------------------


def _metric(source: Source, metric: str, label: str) -> tuple[list[Hit], list[str]]:
    if not is_name(metric):
        return [], ["a name that no metric can have was not looked up"]
    before = set(source.left_out)
    try:
        found, clauses = _followed(source, metric, label)
    except _CutShort as cut:
        return _outside_tests(source, cut.found), [f"{metric} was not followed to its end ({cut.why})"]
    hits = _outside_tests(source, found)
    at = f"at {source.sha[:8]}" + (" in the files that were read" if source.left_out.keys() - before else "")
    tests = len(found.hits) - len(hits)
    roles = {hit.role for hit in hits}
    if REGISTERED not in roles:
        used = ", although it is updated" if UPDATED in roles else ""
        clauses.append(f"{metric} is not registered {at}{used or (', tests name it' if tests else '')}")
    elif UPDATED not in roles:
        clauses.append(f"no statement that updates {metric} was found {at}{': only tests do' if tests else ''}")
    return hits, clauses


def _outside_tests(source: Source, found: Found) -> list[Hit]:
    return [hit for hit in found.hits if not source.codes[hit.path].is_test_at(hit.start)]


class _CutShort(Exception):
    """A search that git did not let come to its end: nothing follows from what it did not find."""

    def __init__(self, found: Found, why: Unread) -> None:
        super().__init__(str(why))
        self.found, self.why = found, why


def _followed(source: Source, metric: str, label: str) -> tuple[Found, list[str]]:
    """The name, then the words that hold it, then what is timed, file after file until nothing new is wanted."""
    clauses: list[str] = []
    searched: set[str] = set()
    found = phases = Found((), frozenset())
    built = False
    try:
        for paths in _with_name(source, metric):
            source.read(paths[:MOST_FILES])
            if len(paths) > MOST_FILES:
                clauses.append(f"{metric} was looked for in {MOST_FILES} of {len(paths)} files")
            found = find_metric(source.codes, metric, label)
            if found.hits:
                break
        else:
            built = True
        for _ in range(MOST_ROUNDS):
            found = find_metric(source.codes, metric, label, searched, built=built)
            if metric.endswith(UNIT):
                phases = find_phases(source.codes, metric, found, searched)
            wanted = sorted(found.wanted | phases.wanted)
            if not wanted:
                break
            clauses += _read_with(source, wanted[:MOST_WANTED])
            searched |= set(wanted)
    except Unread as why:
        raise _CutShort(Found((*found.hits, *phases.hits), frozenset()), why) from None
    return Found((*found.hits, *phases.hits), found.wanted), clauses


def _with_name(source: Source, metric: str) -> Iterator[tuple[str, ...]]:
    """Files that hold the name, else its words with other separators, else pieces that it may be built of."""
    yield source.paths_with(texts_to_search(metric))
    yield source.paths_with([pattern_to_search(metric)], pattern=True)
    yield source.paths_with(pieces_to_search(metric))


def _read_with(source: Source, words: Sequence[str]) -> list[str]:
    """Read the files that hold one of the words. A word of too many files says nothing, and costs too much."""
    paths = source.paths_with(words, words=True)
    if len(paths) <= MOST_FILES:
        source.read(paths)
        return []
    clauses = []
    for word in words:
        paths = source.paths_with([word], words=True)
        if len(paths) <= MOST_FILES:
            source.read(paths)
        else:
            clauses.append(f"{word} stands in {len(paths)} files and was not followed")
    return clauses


# --- a line of the log -------------------------------------------------------------------------------------------


def _line_of_log(source: Source, finding: Finding) -> tuple[list[Hit], list[str]]:
    """A panic names its own place; of any other line, the statement that prints it."""
    try:
        if not finding.alert.metrics and (panics := list(_panics(source, finding))):
            return panics, []
        if not finding.alert.message:
            return [], []
        if printed := _message(source, finding.alert.message, finding.alert.scope):
            return printed, []
    except Unread as why:
        return [], [f"the statement that prints the message was not looked for to the end ({why})"]
    return [], [f"no statement that prints the message was found at {source.sha[:8]}"]


def _message(source: Source, message: str, target: str) -> list[Hit]:
    """Files near the module that the log names are read first, and no more once the statement is found."""
    for words in (MOST_WORDS, FEW_WORDS):
        paths = source.paths_with(texts_of_message(message, words))
        paths = tuple(sorted(paths, key=lambda path: -nearness(path, target)))[:MOST_FILES]
        for begin in range(0, len(paths), FILES_AT_ONCE):
            source.read(paths[begin : begin + FILES_AT_ONCE])
            hits = find_message(source.codes, message, target)
            if hits:
                return [hit for hit in hits if not source.codes[hit.path].is_test_at(hit.start)]
    return []


def _panics(source: Source, finding: Finding) -> Iterator[Hit]:
    """A panic says its own place; the path is trusted only where the commit has such a file and line."""
    of_an_end = finding.alert.key.startswith(_OF_AN_END)
    texts = (finding.alert.diagnosis, *(finding.log if of_an_end else ()))
    places = dict.fromkeys(place for text in texts for place in _PANIC.findall(text))
    for written, number in list(places)[:MOST_PANICS]:
        fitting = (path for path in source.paths if path == written or written.endswith(f"/{path}"))
        path = max(fitting, key=len, default="")
        if not path:
            continue
        source.read([path])
        code = source.codes.get(path)
        start = _offset_of(code, int(number)) if code else None
        if start is not None:
            yield Hit(path, start, start, PRINTED)


def _offset_of(code: Code, line: int) -> int | None:
    """Where the line's first word begins."""
    position = 0
    for _ in range(line - 1):
        position = code.text.find("\n", position) + 1
        if not position:
            return None
    while position < len(code.text) and code.text[position] in " \t":
        position += 1
    return position


def _words(source: Source, metrics: Sequence[str], hits: Sequence[Hit]) -> tuple[str, ...]:
    """The metrics' names and the constants that stand in the statements."""
    constants = (
        word
        for hit in hits
        if hit.role == UPDATED
        for word in _CONSTANT.findall(source.codes[hit.path].masked, hit.start, hit.end)
    )
    return tuple(dict.fromkeys((*metrics, *constants)))


def _plain(text: str) -> str:
    """Paths and lines come from a repository that anyone may have written to: no control characters."""
    return _UNSEEN.sub("?", text)
