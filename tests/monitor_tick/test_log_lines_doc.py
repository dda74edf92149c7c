"""docs/log-lines.md says what each known line is, by the code that judges it; MONITOR_REWRITE=1 writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor_tick.facts import LogEntry
from monitor_tick.judging.log_patterns import Classified, classify
from monitor_tick.probes.log.lines import line_of
from monitor_tick.rules import Reading
from tests.monitor_tick.logs import ABNORMAL, PATTERNS, SAMPLE, NodeLog

PAGE = Path(__file__).parents[2] / "docs" / "log-lines.md"
REWRITE = os.environ.get("MONITOR_REWRITE") == "1"

HEAD = """\
# Lines of the log

Made from `shared/log-patterns.toml` and the lines of `tests/data/abnormal_lines.tsv`; change those and run
`MONITOR_REWRITE=1 pytest tests/monitor_tick/test_log_lines_doc.py`.

A finding is in the `log:` line and becomes an issue under its key; the key `log:<target>:<message>` holds the message
without what changes from line to line. A finding with an owner is evidence for that finding and is not filed alone
while it fires. A benign line is counted as ignored. An ordinary line is not mentioned; it may still be evidence for
another check. An ERROR line, a panic or an exit line that no row names is a finding of tier WARN.

| tag | reading | tier | urgent | key | owner | reason |
|---|---|---|---|---|---|---|
"""


def read(tag: str, root: Path) -> Classified:
    """What the tick makes of this line in a log of its own."""
    log = NodeLog(root / tag)
    entries = log.read_all(ABNORMAL[tag]).entries
    if entries:
        (entry,) = entries
        return classify(entry, PATTERNS)
    line = line_of(ABNORMAL[tag].rstrip(b"\n"))
    level, target, text = (line.level, line.target, line.text) if line else ("", "", "")
    entry = LogEntry(level=level, target=target, normalised=text, example=text, count=1, first=None, last=None)
    return classify(entry, PATTERNS)


def row(tag: str, root: Path) -> str:
    it = read(tag, root)
    finding = it.reading is Reading.FINDING
    key = (f"log:{it.scope}:<message>" if it.key.startswith(f"log:{it.scope}:") else it.key).replace("|", "\\|")
    cells = (
        tag,
        it.reading.value,
        it.tier.value if finding else "-",
        "yes" if it.urgent else "-",
        f"`{key}`" if finding else "-",
        f"`{it.owner}`" if it.owner and it.owner != it.key else "-",
        it.reason,
    )
    return f"| {' | '.join(cells)} |\n"


def test_the_page_is_what_the_code_says(tmp_path: Path) -> None:
    page = HEAD + "".join(row(tag, tmp_path) for tag in ABNORMAL)
    if REWRITE:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "run this test with MONITOR_REWRITE=1 and review the difference"


FINDINGS = {
    "watchdog_warn": ("WARN", False, "log:watchdog-slow"),
    "watchdog_freeze": ("ACTION", True, "process:wedge"),
    "watchdog_thread_state": ("ACTION", True, "process:wedge"),
    "watchdog_wchan": ("ACTION", True, "process:wedge"),
    "watchdog_abort": ("ACTION", True, "process:death"),
    "watchdog_verifier_dead": ("ACTION", True, "log:scp-verify-worker"),
    "fatal_wipe": ("ACTION", True, "process:death"),
    "fatal_livelock": ("ACTION", True, "process:death"),
    "fatal_catchup": ("ACTION", True, "process:death"),
    "fatal_blocked": ("ACTION", True, "log:henyey_app::app::consensus:Recovery escalation blocked"),
    "preclose_mismatch": ("ACTION", True, "log:hash-mismatch"),
    "close_failed_mismatch": ("ACTION", True, "log:hash-mismatch"),
    "verification_mismatch": ("ACTION", True, "log:hash-mismatch"),
    "txset_mismatch": ("ACTION", True, "log:hash-mismatch"),
    "lost_sync": ("WARN", False, "log:lost-sync"),
    "lost_sync2": ("WARN", False, "log:lost-sync"),
    "clock_drift": ("NONC", False, "log:clock-drift"),
    "persist_fatal": ("ACTION", True, "process:death"),
    "http_bind_failed": ("WARN", False, "log:henyey_app::run_cmd:HTTP status server error"),
    "rpc_bind_failed": ("WARN", False, "log:henyey:JSON-RPC server error"),
    "stopped_err": ("ACTION", True, "process:death"),
    "main_error": ("ACTION", True, "process:death"),
    "lock_held": ("WARN", False, "log:database-locked"),
    "panic_new_rust": ("ACTION", True, "process:death"),
    "panic_old_rust": ("ACTION", True, "process:death"),
    "alloc_failed": ("ACTION", True, "process:death"),
}
BENIGN = ("benign_txset_mismatch", "benign_index_mismatch", "benign_dns_error")


@pytest.mark.parametrize("tag", FINDINGS)
def test_an_abnormal_line_is_a_finding(tag: str, tmp_path: Path) -> None:
    tier, urgent, key = FINDINGS[tag]
    it = read(tag, tmp_path)
    assert (it.reading, it.tier.value, it.urgent) == (Reading.FINDING, tier, urgent)
    assert it.key.startswith(key)
    assert it.title
    assert it.scope
    assert it.reason


@pytest.mark.parametrize("tag", BENIGN)
def test_a_harmless_line_is_benign(tag: str, tmp_path: Path) -> None:
    assert read(tag, tmp_path).reading is Reading.BENIGN


@pytest.mark.parametrize("tag", sorted(set(ABNORMAL) - set(FINDINGS) - set(BENIGN)))
def test_every_other_line_is_ordinary(tag: str, tmp_path: Path) -> None:
    it = read(tag, tmp_path)
    assert it.reading is Reading.ORDINARY
    assert it.reason


HARMLESS = (
    " WARN henyey_bucket::merge: Merge-map cached result hash mismatch, falling through to new merge level=4",
    " WARN henyey_app::app: max_protocol_version differs - this may cause hash mismatch!",
)


@pytest.mark.parametrize("line", HARMLESS)
def test_the_other_harmless_wordings_are_benign(line: str, tmp_path: Path) -> None:
    (entry,) = NodeLog(tmp_path).read_all(f"2026-05-09T04:11:14.103315Z {line}\n".encode()).entries
    assert classify(entry, PATTERNS).reading is Reading.BENIGN


REAL = (
    "hash_mismatch_debug: Pre-close mismatch: header XDR bytes for debugging xdr=00",
    "henyey_ledger::manager: Hash mismatch - our computed header hash differs from network's prev_ledger_hash",
    "henyey_ledger::manager: HASH_MISMATCH_DEBUG: entry 7",
)


@pytest.mark.parametrize("line", REAL)
def test_the_other_real_mismatches_are_findings(line: str, tmp_path: Path) -> None:
    (entry,) = NodeLog(tmp_path).read_all(f"2026-05-09T04:11:14.103315Z ERROR {line}\n".encode()).entries
    it = classify(entry, PATTERNS)
    assert (it.name, it.key, it.urgent) == ("hash mismatch", "log:hash-mismatch", True)
    assert it.scope == line.partition(": ")[0]


def test_an_unknown_error_is_filed_as_a_warning(tmp_path: Path) -> None:
    line = b"2026-05-09T04:11:14.103315Z ERROR henyey_db: row 7 of ledger 62484300 is odd\n"
    (entry,) = NodeLog(tmp_path).read_all(line).entries
    it = classify(entry, PATTERNS)
    assert (it.reading, it.tier.value, it.urgent) == (Reading.FINDING, "WARN", False)
    assert it.key == "log:henyey_db:row <n> of ledger <n> is odd"
    assert it.title == "log: henyey_db: row <n> of ledger <n> is odd"
    assert it.scope == "henyey_db"


def test_every_row_has_a_line_of_its_own_that_it_is_the_first_to_match(tmp_path: Path) -> None:
    """A row that an earlier one hides would never decide."""
    for number, pattern in enumerate(PATTERNS):
        text = " ".join(pattern.contains) or "anything"
        entry = LogEntry(
            level=pattern.level, target=pattern.target, normalised=text, example=text, count=1, first=None, last=None
        )
        assert classify(entry, PATTERNS).rank == number, pattern.name


def test_the_sample_of_a_healthy_node_has_no_finding(tmp_path: Path) -> None:
    assert NodeLog(tmp_path).read_all(SAMPLE).entries == ()
