"""What the log of a failed CI job says: its last lines, the kind of failure, and the words that name it. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile

import msgspec

from monitor_tick.facts import CiJob
from monitor_tick.rules import CiCategory, CiFailure

LINE_LENGTH = 400
SIGNATURE_LENGTH = 100
_READ_LENGTH = 3 * LINE_LENGTH  # colours included

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_]?)"
    r"|\^\[\[[0-9;?]*[A-Za-z]"  # gh prints ESC as ^[
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?")

# libtest, nextest, pytest
_FAILED_TEST = re.compile(
    r"test (\S+)(?: - .*)? \.\.\. FAILED|---- (\S+) stdout ----"
    r"|\s*FAIL \[[^\]]*\] +(?:\([^)]*\) +)?\S+ (\S+)|FAILED (\S+::\S+)"
)
_FAILED_THREAD = re.compile(r"thread '([^']*::[^']+)' (?:\(\d+\) )?panicked at")
"""libtest names the thread of a test after it."""

_LISTED_TEST = re.compile(r"    ([\w:]+)")

_REFUSED = re.compile(r"error\[E\d+\]")
_KINDS = (
    (CiCategory.TEST, re.compile(r"panicked at|test result: FAILED|test failed, to rerun|assertion .*failed")),
    (CiCategory.BUILD, re.compile(r"error\[E\d+\]|could not compile|^Diff in |Invalid workflow file")),
    (CiCategory.TIMEOUT, re.compile(r"exceeded the maximum execution time|timed out|has been running for over", re.I)),
    (CiCategory.BUILD, re.compile(r"^(?:##\[error\])?error: |cargo (?:build|clippy|fmt)")),
)
"""The first that a line of the log agrees with."""

_VAGUE = re.compile(
    r"could not compile|process didn't exit|test failed|aborting due to|build failed|Process completed with exit code"
    r"|The operation was canceled",
    re.I,
)
_ERRORS = tuple(
    re.compile(text, re.IGNORECASE)
    for text in (
        r"^(?:##\[error\])?(error(?:\[E\d+\])?: .*)",
        r"(panicked at .*)",
        r"^##\[error\](.+)",
        r"^(.*\b(?:error|fatal|failed|failure|exception)\b.*)",
    )
)
"""The line that names a failure, the telling kinds before the others."""

_CHANGING = re.compile(
    r"""
    (?<!\w)(?:
        (?P<url>https?://[^\s"'`)]+)
      | (?P<time>\d{4}-\d\d-\d\d[T ][\d:.]+Z?)
      | (?P<hash>0x[0-9a-fA-F]+
            | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}
            | (?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,64}(?!\w))
      | (?P<path>(?<![.>~])~?/[^\s"'`,;:)\]]+ | [A-Za-z]:\\[^\s"'`,;:)\]]+)
      | (?P<n>-?[0-9]+(?:[.:][0-9]+)*)
    )
    """,
    re.VERBOSE,
)


class Diagnosis(msgspec.Struct, frozen=True):
    """`signature` names the failure in words that are the same from run to run."""

    category: CiCategory
    signature: str


def tails_of(text: str, lines: int) -> Mapping[str, tuple[str, ...]]:
    """The last lines of each job in what `gh run view --log-failed` prints: `job<TAB>step<TAB>time message`."""
    tails: dict[str, deque[str]] = {}
    for line in _lines(text):
        job, tab, rest = line.partition("\t")
        _, tab, message = rest.partition("\t") if tab else ("", "", "")
        if tab:
            tails.setdefault(job, deque(maxlen=lines)).append(message)
    return {job: tuple(plain(message) for message in kept) for job, kept in tails.items()}


def _lines(text: str) -> Iterator[str]:
    """Without their ends where they are long: a log may hold lines of megabytes."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start : min(end, start + _READ_LENGTH)]
        start = end + 1


def plain(line: str) -> str:
    """One line of a log without its time, colours and control characters, cut to LINE_LENGTH."""
    line = _TIME.sub("", _ESCAPE.sub("", line).lstrip("\ufeff"), count=1)
    return "".join(char if char.isprintable() else " " for char in line)[:LINE_LENGTH].rstrip()


def normalised(text: str) -> str:
    """The text with numbers, hashes, addresses and absolute paths replaced."""
    return " ".join(_CHANGING.sub(lambda found: f"<{found.lastgroup}>", text).split())


def diagnose(job: CiJob, rows: Sequence[CiFailure]) -> Diagnosis:
    """Of a failed job. Without its log there is the step that failed, and nothing is taken for the runner's fault."""
    if not job.log:
        return Diagnosis(_by_conclusion(job), _short(_without_log(job)))
    tests = failed_tests(job.log)
    if tests:
        return _of_tests(tests, rows)
    row = None if any(_REFUSED.search(line) for line in job.log) else _row_of(job.log, rows)
    if row is not None:
        return Diagnosis(CiCategory.INFRASTRUCTURE, row.name)
    return Diagnosis(_category(job), _short(normalised(_first_error(job.log)) or _without_log(job)))


def failed_tests(log: Sequence[str]) -> tuple[str, ...]:
    """Sorted: they run side by side and end in another order each time."""
    for kind in (_FAILED_TEST, _FAILED_THREAD):
        found = [match for match in map(kind.match, log) if match]
        if found:
            names = (next(filter(None, match.groups())) for match in found)
            return tuple(sorted({*names, *_listed(log)}))
    return _listed(log)


def _listed(log: Sequence[str]) -> tuple[str, ...]:
    """The names under libtest's last `failures:`, which stands near the end of the log however many tests ran."""
    heads = [index for index, line in enumerate(log) if line == "failures:"]
    after = log[heads[-1] + 1 :] if heads else ()
    names = takewhile(lambda line: not line.startswith("test result:"), after)
    return tuple(sorted(found[1] for found in map(_LISTED_TEST.fullmatch, names) if found))


def _of_tests(tests: Sequence[str], rows: Sequence[CiFailure]) -> Diagnosis:
    flaky = [row for row in rows if row.category is CiCategory.FLAKY]
    sound = [test for test in tests if not any(_any_in(row.patterns, (test,)) for row in flaky)]
    if sound:
        return Diagnosis(CiCategory.TEST, _short(f"test {sound[0]}"))
    return Diagnosis(CiCategory.FLAKY, _short(f"test {tests[0]}"))


def _row_of(log: Sequence[str], rows: Sequence[CiFailure]) -> CiFailure | None:
    for row in rows:
        if row.category is CiCategory.INFRASTRUCTURE and _any_in(row.patterns, log) and not _any_in(row.unless, log):
            return row
    return None


def _any_in(patterns: Sequence[str], texts: Sequence[str]) -> bool:
    return any(_pattern(pattern).search(text) for pattern in patterns for text in texts)


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.IGNORECASE)


def _category(job: CiJob) -> CiCategory:
    said = (category for category, words in _KINDS if any(words.search(line) for line in job.log))
    return CiCategory.TIMEOUT if job.conclusion == "timed_out" else next(said, CiCategory.UNKNOWN)


def _by_conclusion(job: CiJob) -> CiCategory:
    by = {"timed_out": CiCategory.TIMEOUT, "startup_failure": CiCategory.BUILD}
    return by.get(job.conclusion, CiCategory.UNKNOWN)


def _first_error(log: Sequence[str]) -> str:
    """The first line of the most telling kind, with the next one where a panic's message follows its place."""
    for kind in _ERRORS:
        for index, line in enumerate(log):
            found = kind.search(line)
            if found and not _VAGUE.search(line):
                follows = log[index + 1] if found[1].startswith("panicked at") and index + 1 < len(log) else ""
                return f"{found[1]} {follows}".strip()
    return ""


def _without_log(job: CiJob) -> str:
    return f"step {normalised(job.failed_step)}" if job.failed_step else job.conclusion.replace("_", " ")


def _short(text: str) -> str:
    return text if len(text) <= SIGNATURE_LENGTH else text[: SIGNATURE_LENGTH - 1] + "…"
