"""shared/*.toml as Rules. A bad row is refused with its file, its name, the key, and what is allowed there.

Everything is checked before anything is judged: a tick on half a catalog would be silent about the other half.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from monitor_loop.errors import MonitorError
from monitor_loop.session import Mode
from monitor_tick.alert import Tier
from monitor_tick.healing.reach import unreachable
from monitor_tick.lint import wrong_with
from monitor_tick.rules import (
    AlarmRow,
    CiCategory,
    CiFailure,
    Comparison,
    Gate,
    Kind,
    Limits,
    LogPattern,
    RatioRow,
    Reading,
    RecoveryRule,
    Rules,
)
from monitor_tick.streak_rules import RATIOS, RECOVERY, check_ratios, recovery_of, wrong_with_ratio

LIMITS, ALARMS, PATTERNS, CI_FAILURES = "limits.toml", "metric-alarms.toml", "log-patterns.toml", "ci-failures.toml"

CONDITION = re.compile(r"(>=|>|<|!=) (-?\d+(?:\.\d+)?)")
ALLOWED: dict[str, type[enum.Enum]] = {
    "kind": Kind,
    "tier": Tier,
    "gates": Gate,
    "modes": Mode,
    "reading": Reading,
    "category": CiCategory,
}

Row = TypeVar("Row", AlarmRow, LogPattern, RatioRow, CiFailure)
Table = dict[str, Any]


def default_directory() -> Path:
    """Where the rules are: inside an installed package, else at the top of the checkout."""
    package = Path(__file__).parent
    inside = package / "shared"
    return inside if (inside / ALARMS).is_file() else package.parent / "shared"


def load_rules(directory: Path | None = None, *, alarms: Path | str | None = None) -> Rules:
    """Read and check the six files, with `alarms` in place of the alarm file. Raises MonitorError."""
    directory = directory or default_directory()
    path = Path(alarms) if alarms else directory / ALARMS
    rules = Rules(
        limits=_limits(directory / LIMITS),
        alarms=tuple(_rows(path, "alarm", AlarmRow)),
        log_patterns=tuple(_rows(directory / PATTERNS, "pattern", LogPattern)),
        ratios=_ratios(directory / RATIOS),
        recovery=_recovery(directory / RECOVERY),
        ci_failures=tuple(_rows(directory / CI_FAILURES, "failure", CiFailure)),
    )
    _check_factors(path, rules.alarms)
    return rules


def refuse_unreachable(limits: Limits, cadence_seconds: int, directory: Path | None = None) -> None:
    """MonitorError where a remedy could never come at this cadence: somebody relies on it."""
    faults = unreachable(limits, cadence_seconds)
    if faults:
        path = (directory or default_directory()) / LIMITS
        every = f"with a tick every {cadence_seconds // 60} minutes (MONITOR_CADENCE_SECONDS={cadence_seconds})"
        raise MonitorError(f"ERROR: {path}: {'; '.join(faults)} - {every}")


def _ratios(path: Path) -> tuple[RatioRow, ...]:
    rows = tuple(_rows(path, "ratio", RatioRow))
    try:
        check_ratios(rows)
    except ValueError as error:
        raise MonitorError(f"{path}: {error}") from None
    return rows


def _recovery(path: Path) -> RecoveryRule:
    try:
        return recovery_of(_table(path))
    except ValueError as error:
        raise MonitorError(f"{path}: {error}") from None


def _limits(path: Path) -> Limits:
    table = _table(path)
    try:
        limits = msgspec.convert(table, Limits)
    except msgspec.ValidationError as error:
        raise MonitorError(f"{path}: {_what(error, Limits)}") from None
    for key, value in table.items():
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(each, int | float) and not 0 < each < math.inf for each in numbers):
            raise MonitorError(f"{path}: {key} must be above 0, not {value}")
    return limits


def _table(path: Path) -> Table:
    import tomli  # like every parser of the project: only where it is used

    try:
        return tomli.loads(text_of(path))
    except tomli.TOMLDecodeError as error:
        raise MonitorError(f"{path}: {error}") from None


def text_of(path: Path) -> str:
    """A file of rules as it was written, comments included. Raises MonitorError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise MonitorError(f"{path}: {error.strerror}; reinstall monitor-tick or restore the file") from None
    except UnicodeDecodeError as error:
        raise MonitorError(f"{path}: {error}") from None


def _rows(path: Path, heading: str, of: type[Row]) -> Iterator[Row]:
    table = _table(path)
    tables = table.pop(heading, [])
    if table:
        raise MonitorError(f"{path}: {next(iter(table))} is not known; only [[{heading}]] is allowed")
    if not isinstance(tables, list) or not tables or not all(isinstance(each, dict) for each in tables):
        raise MonitorError(f"{path}: there is no [[{heading}]] row")
    seen: set[str] = set()
    for position, each in enumerate(tables, start=1):
        where = f"{path}: [[{heading}]] {position} ({each.get('name', 'without a name')})"
        row = _row(where, each, of)
        if row.name in seen:
            raise MonitorError(f"{where}: name is taken by an earlier row")
        seen.add(row.name)
        yield row


def _row(where: str, table: Table, of: type[Row]) -> Row:
    try:
        if of is AlarmRow and isinstance(table.get("name"), str):
            table = {"metrics": [table["name"]], **table}
        if of in (AlarmRow, RatioRow):
            table = _with_condition(table)
        row = msgspec.convert(table, of)
        for wrong in wrong_with_ratio(row) if isinstance(row, RatioRow) else wrong_with(row):
            raise ValueError(wrong)
    except msgspec.ValidationError as error:
        raise MonitorError(f"{where}: {_what(error, of)}") from None
    except ValueError as error:
        raise MonitorError(f"{where}: {error}") from None
    return row


def _with_condition(table: Table) -> Table:
    """The table with the condition in its parts, as the rows have it."""
    table = dict(table)
    text, factor = table.get("condition"), table.pop("factor", None)
    if text is None:
        return table
    parts = CONDITION.fullmatch(text) if isinstance(text, str) else None
    if parts is None:
        signs = " ".join(comparison.value for comparison in Comparison)
        raise ValueError(f"condition is {text!r}; allowed is one of {signs}, a space and a number")
    if factor is not None and (
        not isinstance(factor, int | float) or isinstance(factor, bool) or not 0 < factor < math.inf
    ):
        raise ValueError(f"factor is {factor!r}; allowed is a number above 0")
    table["condition"] = {"comparison": parts[1], "threshold": float(parts[2]), "factor": factor}
    return table


def _what(error: msgspec.ValidationError, of: type[msgspec.Struct]) -> str:
    """The error in the words of the file: its key, and the words allowed there."""
    text, _, path = str(error).partition(" - at `$.")
    key = re.split(r"[.\[`]", path)[0]
    if key in ALLOWED:
        words = ", ".join(str(word.value) for word in ALLOWED[key])
        return f"{key}: {text}; allowed: {words}"
    if "unknown field" in text:
        keys = (*of.__struct_fields__, "factor") if of is AlarmRow else of.__struct_fields__
        return f"{text}; allowed: {', '.join(keys)}"
    return f"{key}: {text}" if key else text


def _check_factors(path: Path, rows: Sequence[AlarmRow]) -> None:
    """State keeps one previous delta, so one row can have a factor."""
    with_factor = [row.name for row in rows if row.condition.factor is not None]
    if len(with_factor) > 1:
        raise MonitorError(f"{path}: factor: {' and '.join(with_factor)} have one; only one row can")
