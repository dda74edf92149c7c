"""Labels and columns, by one table: what the checks raise, and what the page for people says, agree with it."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from monitor_tick.alert import Alert
from monitor_tick.catalog import load_rules
from monitor_tick.checks import disk, mem, obsrvr
from monitor_tick.facts import DiskUsage, HostMemory, ProcessMemory, Radar, SecondLook
from monitor_tick.issues.ledger import MANY
from monitor_tick.issues.policy import (
    BACKLOG,
    BLOCKED,
    CRITERIA,
    NOT_READY,
    URGENT,
    When,
    always_new,
    criterion_of,
    labels_of,
    status_of,
)
from monitor_tick.judging.own_faults import KINDS, Kind, alert_of
from monitor_tick.rules import LogPattern, Reading
from tests.monitor_tick.views import a_process_memory, a_view, healthy_facts

CHECKOUT = Path(__file__).parents[3]
PAGE = CHECKOUT / "scripts" / "lib" / "monitor-label-policy.md"


def an_alert(key: str, *, urgent: bool = False, not_ready: bool = False) -> Alert:
    return Alert(key=key, scope="row", title="title", urgent=urgent, not_ready=not_ready)


# --- the table ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("log:hash-mismatch", True),
        ("process:death", True),
        ("process:wedge", True),
        ("memory:critical", True),
        ("ci:Rust:test:it_works", True),
        ("deploy:regression", True),
        ("offline:restart-budget-spent", True),
        ("metric:stellar_peer_count", False),
        ("ratio:scp", False),
        ("memory:leak", False),
        ("rpc:down", False),
        ("disk:low", False),
        ("something:new", False),
    ],
)
def test_what_blocks_the_validator_is_urgent_and_nothing_else(key: str, label: bool) -> None:
    for urgent in (True, False):
        assert labels_of(an_alert(key, urgent=urgent)) == ((URGENT,) if label else ())


@pytest.mark.parametrize("key", ["sync:failure", "radar:not-validating", "log:henyey::app:fatal and alive", MANY])
def test_where_the_evidence_decides_the_check_says_so(key: str) -> None:
    assert labels_of(an_alert(key, urgent=True)) == (URGENT,)
    assert labels_of(an_alert(key)) == ()


def test_an_operator_decides_about_the_monitor_alone() -> None:
    assert labels_of(an_alert("self:stuck-firing", not_ready=True)) == (NOT_READY,)
    assert labels_of(an_alert("self:check-crashed", urgent=True)) == ()
    assert labels_of(an_alert("rpc:down", not_ready=True)) == ()


def test_only_what_waits_for_an_operator_is_blocked() -> None:
    assert status_of(an_alert("self:stuck-firing", not_ready=True)) == BLOCKED
    assert status_of(an_alert("process:death", urgent=True)) == BACKLOG
    assert status_of(an_alert("rpc:down")) == BACKLOG


def test_wedges_and_state_wipes_are_issues_of_their_own() -> None:
    assert [key for key in ("process:wedge", "wipe:state") if always_new(key)] == ["process:wedge", "wipe:state"]
    assert [key for key in ("process:death", "wipe:out-of-band", "log:hash-mismatch", "ci:x") if always_new(key)] == []


def test_a_more_special_row_is_never_hidden_by_one_above_it() -> None:
    for number, row in enumerate(CRITERIA):
        assert criterion_of(row.keys) is row, f"row {number} can never decide"
    assert CRITERIA[-1].keys == ""


# --- the checks --------------------------------------------------------------------------------------------------


class Raised(msgspec.Struct, frozen=True):
    """An `Alert(...)` in the code: its key, or the constant beginning of it, and when it is urgent."""

    where: str
    key: str
    whole: bool
    urgent: When


def raised() -> Iterator[Raised]:
    for path in sorted((CHECKOUT / "monitor_tick").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "Alert(" in text else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Alert":
                words = {keyword.arg: keyword.value for keyword in node.keywords}
                where = f"{path.relative_to(CHECKOUT)}:{node.lineno}"
                if (found := _key(path, words["key"])) is not None:
                    yield Raised(where, *found, _when(words.get("urgent")))


def _key(path: Path, node: ast.expr) -> tuple[str, bool] | None:
    """None for a key from shared/log-patterns.toml, which is no expression here."""
    if isinstance(node, ast.Constant):
        return str(node.value), True
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value), False
    if isinstance(node, ast.Name):
        module = importlib.import_module(".".join(path.relative_to(CHECKOUT).with_suffix("").parts))
        value = getattr(module, node.id, None)
        return None if value is None else (str(value), True)
    return None


def _when(node: ast.expr | None) -> When:
    if node is None:
        return When.NEVER
    return When.ALWAYS if isinstance(node, ast.Constant) and node.value is True else When.JUDGED


RAISED = tuple(raised())


def _fits(row: Raised) -> bool:
    """The same table row for every key that begins so, and it is urgent just when the code says so."""
    return criterion_of(row.key).urgent is row.urgent


def _is_settled(row: Raised) -> bool:
    return row.whole or not any(each.keys.startswith(row.key) and each.keys != row.key for each in CRITERIA)


def test_the_alerts_in_the_code_are_found() -> None:
    keys = {row.key for row in RAISED}
    assert {"sync:failure", "process:death", "metric:", "wipe:out-of-band", "rpc:down", "disk:", MANY} <= keys


@pytest.mark.parametrize("row", [row for row in RAISED if _is_settled(row)], ids=lambda row: f"{row.where} {row.key}")
def test_L57_a_check_and_the_table_say_the_same(row: Raised) -> None:
    assert _fits(row), f"{row.where}: {row.key} is urgent {row.urgent.value}, policy.py says otherwise"


def test_L57_the_kinds_that_one_expression_raises_are_the_ones_tried_below() -> None:
    assert {row.key for row in RAISED if not _is_settled(row)} <= {"disk:", "memory:", "radar:", "log:"}


def _critical_memory() -> Alert:
    rss, host = a_process_memory(rss_mb=17 * 1024), HostMemory(32 * 1024, 10 * 1024)
    assert isinstance(rss, ProcessMemory)
    view = a_view(process_memory=rss, host_memory=host, second=SecondLook(process_memory=rss, host_memory=host))
    (alert,) = mem.judge(view).alerts
    return alert


def _full_disk(used_pct: float) -> Alert:
    space = healthy_facts().disk
    assert isinstance(space, DiskUsage)
    (alert,) = disk.judge(a_view(disk=msgspec.structs.replace(space, used_pct=used_pct))).alerts
    return alert


def _radar(**changes: object) -> Alert:
    answer = healthy_facts().radar
    assert isinstance(answer, Radar)
    (alert,) = obsrvr.judge(a_view(radar=msgspec.structs.replace(answer, **changes))).alerts
    return alert


@pytest.mark.parametrize(
    ("key", "alert"),
    [
        ("memory:critical", _critical_memory()),
        ("disk:critical", _full_disk(96.0)),
        ("disk:low", _full_disk(90.0)),
        ("radar:not-validating", _radar(is_validating=False)),
        ("radar:lag", _radar(lag=9000)),
    ],
)
def test_L57_a_kind_of_several_and_the_table_say_the_same(key: str, alert: Alert) -> None:
    assert alert.key == key
    assert labels_of(alert) == ((URGENT,) if alert.urgent else ())


@pytest.mark.parametrize(
    "pattern",
    [row for row in load_rules().log_patterns if row.reading is Reading.FINDING],
    ids=lambda row: str(row.name),
)
def test_L57_a_log_line_and_the_table_say_the_same(pattern: LogPattern) -> None:
    alert = an_alert(pattern.key or "log:henyey::herder:some message", urgent=pattern.urgent)
    assert labels_of(alert) == ((URGENT,) if pattern.urgent else ())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_L57_a_fault_of_the_monitor_and_the_table_say_the_same(kind: Kind) -> None:
    alert = alert_of(f"{kind.begins}x (y) for z")
    assert labels_of(alert) == ((NOT_READY,) if alert.not_ready else ())


# --- the page ----------------------------------------------------------------------------------------------------

ANY_OTHER = "(any other)"


def rows_of_the_page() -> list[tuple[str, ...]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| keys that begin with"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
    return rows


def test_the_page_and_the_table_are_the_same_row_for_row() -> None:
    assert rows_of_the_page() == [
        (
            f"`{row.keys}`" if row.keys else ANY_OTHER,
            row.urgent.value,
            row.not_ready.value,
            "yes" if row.always_new else "no",
            row.words,
        )
        for row in CRITERIA
    ]


def test_the_page_names_labels_columns_and_limits_as_the_code_has_them() -> None:
    page, limits = PAGE.read_text(encoding="utf-8"), load_rules().limits
    assert all(f"`{label}`" in page for label in (URGENT, NOT_READY))
    assert f"| new, `{URGENT}` or without a label | {BACKLOG} |" in page
    assert f"| new, `{NOT_READY}` | {BLOCKED} |" in page
    assert f"at most {limits.issues_per_tick} new issues and {limits.writes_per_tick} writes in one tick" in page
    assert limits.cooldown_seconds == 2 * 3600
    assert "at most once in two hours" in page
    assert limits.trial_ticks == 3
    assert "for the first three full ticks" in page
