"""What single lines of the log say, in both formats, and which run they belong to."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from monitor_loop.session import Process
from monitor_tick.facts import LogEntry, MemoryComponent, Missing
from monitor_tick.probes.log.entries import ALL_KINDS, OTHER, UNNAMED_KINDS, normalised
from tests.monitor_tick.logs import (
    ABNORMAL,
    SAMPLE,
    START,
    NodeLog,
    a_close_line,
    a_heartbeat_line,
    an_event,
    counted,
    stamp,
    texts,
)

SEED = "S" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" + "ABCDEFGHIJKLMNOPQRSTUVW"
HASH = "28cb03b06c288e88c6a880eeba293bf9c9bb9fa586128586459a486a511f832f"
KEY = "GD3X437UAF2DBNFR6KNG5WAGIT4RLSQPNVLOYBGYZVNR6P362RW74A7C"


@pytest.fixture
def log(tmp_path: Path) -> NodeLog:
    return NodeLog(tmp_path)


def only(log: NodeLog, *lines: bytes) -> LogEntry:
    (entry,) = log.read_all(*lines).entries
    return entry


def test_what_a_run_that_ended_wrote_last_is_kept_without_its_seeds(log: NodeLog) -> None:
    lines = [an_event(second, "INFO", f"line {second}") for second in range(30)]
    assert log.read_all(*lines).last_lines == ()
    log.process = Missing("no process")
    read = log.read_all(an_event(31, "INFO", "short"), b"\n", f"seed {SEED}\n".encode(), b"x" * 9000 + b"\n")
    first, second, third = read.last_lines
    assert (first.endswith("short"), SEED in second, len(third)) == (True, False, 500)
    assert len(log.read_all(*lines).last_lines) == 20


def test_the_sample_of_a_healthy_node(log: NodeLog) -> None:
    reading = log.read_all(SAMPLE)
    heartbeat = reading.heartbeat
    assert heartbeat is not None
    assert (heartbeat.ledger, heartbeat.latest_ext, heartbeat.tracking_slot) == (62484032, 62484033, 62484034)
    assert (heartbeat.peers, heartbeat.heard_from_quorum, heartbeat.scp_silent_seconds) == (25, True, 0)
    assert (heartbeat.gap, heartbeat.logged_gap) == (1, None)
    assert reading.earlier_heartbeat is not None
    assert reading.earlier_heartbeat.ledger == 62483966
    assert heartbeat.scp_sent_ext > reading.earlier_heartbeat.scp_sent_ext
    assert reading.closed_ledger == 62484033
    assert reading.close_time == datetime(2026, 5, 9, 3, 41, 54, tzinfo=timezone.utc)
    assert reading.maintenance_at == datetime(2026, 5, 9, 3, 38, 0, 810000, tzinfo=timezone.utc)
    assert reading.maintenance_slow_ms is None
    assert reading.entries == ()
    assert reading.catchup_trail == ()


def test_the_memory_reports_of_the_sample(log: NodeLog) -> None:
    first, second = log.read_all(SAMPLE).memory_reports
    assert (first.ledger, second.ledger) == (62483968, 62484032)
    assert (first.rss_mb, first.allocated_mb, first.resident_mb, first.fragmentation_pct) == (7588, 6101, 7211, 18.2)
    assert (first.heap_mb, first.mmap_mb, first.unaccounted_mb) == (5243, 11043, 858)
    assert first.components[0] == MemoryComponent("soroban_data", 541.3, "heap")
    assert [len(report.components) for report in (first, second)] == [11, 11]


def report_line(seconds: float, ledger: int, sign: str = "+", pct: str = "18.2") -> bytes:
    text = (
        f'Memory report summary memory_report=true ledger_seq={ledger} rss_mb="7588" jemalloc_allocated_mb="6101" '
        f'jemalloc_resident_mb="7211" fragmentation_pct="{pct}" heap_components_mb="5243" mmap_mb="11043" '
        f'unaccounted_mb="858" unaccounted_sign="{sign}"'
    )
    return an_event(seconds, "INFO", text, "henyey_ledger::memory_report")


def test_the_newest_two_reports_are_kept_across_ticks(log: NodeLog) -> None:
    log.read_all(report_line(1, 64), report_line(2, 128))
    assert [report.ledger for report in log.read().memory_reports] == [64, 128]
    log.append(report_line(3, 192, sign="-"))
    reports = log.read().memory_reports
    assert [(report.ledger, report.unaccounted_mb) for report in reports] == [(128, 858), (192, -858)]


def test_L20_a_startup_checkpoint_is_no_memory_report(log: NodeLog) -> None:
    assert log.read_all(ABNORMAL["startup_mem"]).memory_reports == ()
    assert log.read_all(report_line(1, 64, pct="n/a")).memory_reports == ()


def test_L38_structured_marks_come_first_and_every_row_of_prose_has_a_real_line(log: NodeLog) -> None:
    prose = an_event(1, "INFO", "Heartbeat ledger=9 latest_ext=9")
    assert log.read_all(prose, a_heartbeat_line(2, 7)).heartbeat == log.read().heartbeat
    assert log.state.heartbeat is not None
    assert log.state.heartbeat.ledger == 7


def test_L37_the_word_error_in_a_message_is_no_error(log: NodeLog) -> None:
    lines = (
        an_event(1, "INFO", "Peer loop exiting: recv error: ERROR panicked at hash mismatch"),
        an_event(2, "INFO", "ERROR henyey_app: not at its place"),
        an_event(3, "WARN", "ERROR"),
        an_event(4, "DEBUG", "ERROR"),
        an_event(4, "INFO", "henyey: db.c:12: open: Assertion `p != 0' failed."),
        b"   2026-05-09T04:00:00.000000Z ERROR henyey: quoted by something\n",
        b"ERROR henyey: without a time\n",
    )
    assert log.read_all(*lines).entries == ()
    assert texts(log.read_all(an_event(5, "ERROR", "at its place"))) == ["at its place"]


def as_json(raw: bytes) -> bytes:
    """A text event in the node's JSON form; its fields as the text form shows them."""
    when, level, rest = raw.decode().rstrip("\n").split(None, 2)
    target, _, text = rest.partition(": ")
    message, *fields = text.split(" ")
    shown: dict[str, object] = {"message": message}
    for field in fields:
        name, sign, value = field.partition("=")
        if sign and len(shown) == 1 and not name.isidentifier():
            shown["message"] = f"{shown['message']} {field}"
        elif sign:
            shown[name] = _value(value)
        elif len(shown) == 1:
            shown["message"] = f"{shown['message']} {field}"
        else:
            shown[list(shown)[-1]] = f"{shown[list(shown)[-1]]} {field}"
    return (
        json.dumps(
            {"timestamp": when, "level": level, "fields": shown, "target": target},
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()
        + b"\n"
    )


def _value(text: str) -> object:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() else text


# Not brought to JSON: values that hold an escape, and a message that itself holds key=value.
UNLIKE = ("watchdog_thread_state", "watchdog_abort")
EVENTS = [line + b"\n" for line in SAMPLE.splitlines()] + [
    line for tag, line in ABNORMAL.items() if line[:2] == b"20" and tag not in UNLIKE
]


def test_a_json_log_means_the_same(tmp_path: Path) -> None:
    text = NodeLog(tmp_path / "text").read_all(*EVENTS)
    encoded = NodeLog(tmp_path / "json").read_all(*(as_json(event) for event in EVENTS))
    assert counted(encoded.entries) == counted(text.entries)
    assert len(encoded.entries) > 30
    skipped = {"cursor", "read_bytes", "entries", "catchup_trail"}
    for field in text.__struct_fields__:
        if field not in skipped:
            assert getattr(encoded, field) == getattr(text, field), field
    assert len(encoded.catchup_trail) == len(text.catchup_trail)


def test_the_recorded_json_heartbeat(log: NodeLog) -> None:
    heartbeat = log.read_all(ABNORMAL["json_heartbeat"]).heartbeat
    assert heartbeat is not None
    assert (heartbeat.ledger, heartbeat.scp_sent_ext, heartbeat.logged_gap) == (62484311, 18799, None)


@pytest.mark.parametrize(
    "line",
    [
        '{"timestamp":"%s","level":"ERROR","fields":{"message":"torn and',
        '{"timestamp":"%s","level":"ERROR","fields":{"message":"torn and","n":' + "9" * 5000 + '},"target":"t"',
        '{"timestamp":"%s","level":"ERROR","fields":{"message":"torn and","n":[' + "[" * 5000 + '},"target":"t"}',
    ],
)
def test_a_torn_json_line_still_says_what_it_is(log: NodeLog, line: str) -> None:
    assert texts(log.read_all((line % stamp(1)).encode() + b"\n")) == ["torn and"]


@pytest.mark.parametrize(
    "text",
    [
        "Heartbeat heartbeat=true ledger=" + "9" * 5000,
        "Heartbeat heartbeat=true ledger=-1",
        "Heartbeat heartbeat=true peer_ledger=5",
        "Heartbeat heartbeat=truer ledger=5",
    ],
)
def test_a_heartbeat_that_makes_no_sense_is_none(log: NodeLog, text: str) -> None:
    assert log.read_all(an_event(1, "INFO", text)).heartbeat is None


def test_a_gap_is_only_the_key_gap(log: NodeLog) -> None:
    with_gap = an_event(1, "INFO", "Heartbeat heartbeat=true ledger=5 latest_ext=9 peer_gap=3 gap=2")
    heartbeat = log.read_all(with_gap).heartbeat
    assert heartbeat is not None
    assert (heartbeat.gap, heartbeat.logged_gap) == (2, 2)


@pytest.mark.parametrize("closed", ["0", "9" * 18, "9" * 400, "-5", "x"])
def test_a_close_time_that_makes_no_sense_is_unknown(log: NodeLog, closed: str) -> None:
    text = f"Ledger closed ledger_seq=5 close_time_ms=7 close_time={closed}"
    reading = log.read_all(an_event(1, "INFO", text))
    assert (reading.closed_ledger, reading.close_time) == (5, None)


def test_an_impossible_time_is_still_an_error_line(log: NodeLog) -> None:
    entry = only(log, b"2026-13-45T99:00:00.000000Z ERROR henyey: boom\n")
    assert (entry.normalised, entry.first) == ("boom", None)


# --- runs ----------------------------------------------------------------------------------------------------------


def test_lines_of_the_previous_run_are_findings_and_no_evidence(log: NodeLog) -> None:
    previous = (
        a_heartbeat_line(-20, 5),
        a_close_line(-19, 5, 1778297000),
        report_line(-18, 64),
        an_event(-17, "INFO", "State transition from=Synced to=Catching Up"),
        an_event(-16, "INFO", "Performing database maintenance"),
        an_event(-15, "ERROR", "boom"),
    )
    reading = log.read_all(*previous)
    assert [(entry.normalised, entry.previous_run) for entry in reading.entries] == [
        ("State transition from=Synced to=Catching Up", True),
        ("boom", True),
    ]
    assert (reading.heartbeat, reading.closed_ledger, reading.memory_reports) == (None, None, ())
    assert (reading.catchup_trail, reading.maintenance_at) == ((), None)


def test_a_first_tick_ignores_the_previous_run(log: NodeLog) -> None:
    log.append(an_event(-15, text="old"), ABNORMAL["panic_new_rust"], an_event(1, text="new"))
    assert texts(log.read()) == ["new"]


def test_the_same_line_of_two_runs_is_two_entries(log: NodeLog) -> None:
    reading = log.read_all(an_event(-1), an_event(1), an_event(2))
    assert [(entry.count, entry.previous_run) for entry in reading.entries] == [(1, True), (2, False)]


def test_a_line_of_the_very_start_is_of_this_run(log: NodeLog) -> None:
    reading = log.read_all(an_event(-0.000001), an_event(0))
    assert [entry.previous_run for entry in reading.entries] == [True, False]


def test_the_start_is_compared_in_utc(log: NodeLog) -> None:
    assert isinstance(log.process, Process)
    elsewhere = START.astimezone(timezone(timedelta(hours=9)))
    log.process = msgspec.structs.replace(log.process, started_at=elsewhere)
    reading = log.read_all(an_event(-1), an_event(1))
    assert [entry.previous_run for entry in reading.entries] == [True, False]


def test_without_a_process_every_line_counts(log: NodeLog) -> None:
    log.process = Missing("no process")
    reading = log.read_all(a_heartbeat_line(-20, 5), an_event(-15))
    assert reading.heartbeat is not None
    assert [entry.previous_run for entry in reading.entries] == [False]


def test_what_is_remembered_counts_for_the_same_run_only(log: NodeLog) -> None:
    log.read_all(a_heartbeat_line(1, 5), a_heartbeat_line(11, 6), a_close_line(12, 6, 1778297000))
    quiet = log.read()
    assert quiet.heartbeat is not None
    assert (quiet.heartbeat.ledger, quiet.closed_ledger) == (6, 6)
    log.append(a_heartbeat_line(21, 8))
    reading = log.read()
    assert reading.heartbeat is not None
    assert reading.earlier_heartbeat is not None
    assert (reading.earlier_heartbeat.ledger, reading.heartbeat.ledger) == (6, 8)
    assert isinstance(log.process, Process)
    other = msgspec.structs.replace(log.process.identity, start_ticks=1)
    log.process = msgspec.structs.replace(log.process, identity=other)
    assert log.read().heartbeat is None


@pytest.mark.parametrize(
    ("before", "after", "previous"),
    [(-5, 5, True), (5, 9, False), (None, 5, False), (None, -5, True), (-5, None, True), (None, None, False)],
)
@pytest.mark.parametrize("tag", ["panic_new_rust", "panic_old_rust", "main_error", "alloc_failed"])
def test_a_line_without_a_time_is_of_the_run_of_the_lines_around_it(
    log: NodeLog, tag: str, before: float | None, after: float | None, previous: bool
) -> None:
    around = [b"" if seconds is None else an_event(seconds, "INFO", "quiet") for seconds in (before, after)]
    assert only(log, around[0], ABNORMAL[tag], around[1]).previous_run is previous


def test_the_run_of_a_panic_is_told_by_lines_of_an_earlier_tick(log: NodeLog) -> None:
    log.read_all(an_event(-5, "INFO", "quiet"))
    log.append(ABNORMAL["panic_new_rust"], an_event(3, "INFO", "quiet"))
    assert [entry.previous_run for entry in log.read().entries] == [True]


@pytest.mark.parametrize("lines", [10, 49, 50, 51, 500])
def test_the_run_of_a_panic_is_told_across_any_garbage(log: NodeLog, lines: int) -> None:
    log.read_all(an_event(-9, "INFO", "quiet"), an_event(5, "INFO", "quiet"), b"garbage\n" * lines)
    log.append(ABNORMAL["panic_new_rust"], an_event(-3, "INFO", "of no effect"))
    assert [entry.previous_run for entry in log.read().entries] == [False]


# --- endings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["panic_new_rust", "panic_old_rust"])
def test_a_panic_is_one_entry_with_its_message(log: NodeLog, tag: str) -> None:
    entry = only(log, ABNORMAL[tag], an_event(1, "INFO", "next"))
    assert (entry.level, entry.target) == ("PANIC", "panic")
    assert entry.normalised == "panicked at crates/ledger/src/manager.rs"
    first, message = entry.example.splitlines()
    assert first.endswith("panicked at crates/ledger/src/manager.rs:2049:9:")
    assert message == "called `Option::unwrap()` on a `None` value"


def test_the_oldest_form_of_a_panic(log: NodeLog) -> None:
    entry = only(log, b"thread 'main' panicked at 'no ledger', crates/app/src/main.rs:7:3\n")
    assert entry.normalised == "panicked at crates/app/src/main.rs"


def test_a_panic_takes_all_of_its_message_and_nothing_more(log: NodeLog) -> None:
    body = b"assertion `left == right` failed\n  left: 1\n right: 2\n"
    panic = b"thread 'a' (7) panicked at /rustc/" + HASH[:40].encode() + b"/library/core/src/option.rs:5:1:\n" + body
    reading = log.read_all(panic, an_event(1), panic)
    assert [(entry.level, entry.count) for entry in reading.entries] == [("ERROR", 1), ("PANIC", 2)]
    assert reading.entries[1].normalised == "panicked at core/src/option.rs"
    assert reading.entries[1].example.splitlines()[1:] == body.decode().splitlines()


@pytest.mark.parametrize(
    "line",
    [
        b"Error: database is locked (lockfile: /home/x/mainnet.lock)\n\nCaused by:\n    0: busy\n",
        b"error: unexpected argument '--x' found\n",
        b"memory allocation of 8589934592 bytes failed\n",
        b"thread 'main' has overflowed its stack\n",
        b"fatal runtime error: stack overflow\n",
        b"henyey: db.c:12: open: Assertion `p != 0' failed.\n",
    ],
)
def test_an_exit_line_is_an_entry(log: NodeLog, line: bytes) -> None:
    entry = only(log, an_event(1, "INFO", "quiet"), line)
    assert (entry.level, entry.target) == ("EXIT", "exit")
    assert (entry.first, entry.last) == (None, None)
    assert entry.example.splitlines() == [part for part in line.decode().splitlines() if part]


def test_the_banner_is_nothing(log: NodeLog) -> None:
    assert log.read_all(ABNORMAL["startup_banner"]).entries == ()


# --- equal lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "equal"),
    [
        ("ledger 62484300 took 1.5s, drift -14", "ledger <n> took <n>s, drift <n>"),
        (f"expected {HASH}, got {HASH[:8]}", "expected <hash>, got <hash>"),
        (f"all digits {'7' * 64}", "all digits <hash>"),
        (f"Peer {KEY} left", "Peer <key> left"),
        ("at 198.51.100.7:11625 and 192.0.2.1", "at <addr> and <addr>"),
        ("at [2001:db8::1]:11625", "at <addr>"),
        ("Unable to resolve peer 'lyra.publicnode.org:11625': x", "Unable to resolve peer '<addr>': x"),
        ("GET https://history.example.org/a/b?c=1 failed", "GET <addr> failed"),
        ('path="/home/op/data/x.db" again', "path=<path> again"),
        ("open ~/data/mainnet.db: busy", "open <path>: busy"),
        ("at crates/app/src/main.rs:12:7 in soroban2", "at crates/app/src/main.rs in soroban2"),
        ("possible #1759/#1772 contributor", "possible #<n>/#<n> contributor"),
        ("skip_list_0=7 phase_6", "skip_list_0=<n> phase_6"),
    ],
)
def test_what_changes_from_line_to_line_is_replaced(text: str, equal: str) -> None:
    assert normalised(text) == equal


def test_equal_lines_are_one_entry(log: NodeLog) -> None:
    entry = only(
        log, an_event(1, text="slow by 5 ms"), an_event(2, text="slow by 70 ms"), an_event(9, text="slow by 1 ms")
    )
    assert (entry.count, entry.normalised) == (3, "slow by <n> ms")
    assert (entry.first, entry.last) == (START + timedelta(seconds=1), START + timedelta(seconds=9))
    assert entry.example == an_event(1, text="slow by 5 ms").decode().rstrip("\n")


def test_a_secret_seed_never_survives(log: NodeLog) -> None:
    lines = (
        an_event(1, text=f"seed={SEED} and x{SEED}"),
        an_event(2, "INFO", f"State transition from={SEED} to=x"),
        as_json(an_event(3, text=f"json seed={SEED}")),
        f"thread 'a' panicked at x.rs:1:1:\nwith {SEED}\n".encode(),
        an_event(4, "INFO", "quiet"),
        f"Error: {SEED}\n".encode(),
        an_event(5, text=SEED + "x" * 5000, target="a" * 10),
        f'{{"timestamp":"{stamp(6)}","level":"ERROR","fields":{{"message":"torn {SEED}\n'.encode(),
    )
    reading = log.read_all(*lines)
    assert SEED not in repr(reading)
    assert repr(reading).count("<seed>") >= len(lines) - 1


def test_the_kinds_of_line_are_bounded_and_the_grave_ones_kept(log: NodeLog) -> None:
    words = [f"{a}{b}" for a in "abcdefghijklmnop" for b in "abcdefghijklmnopqrstuvwxyz"][: UNNAMED_KINDS + 100]
    reading = log.read_all(*(an_event(1, text=f"boom {word}") for word in words), ABNORMAL["panic_new_rust"])
    assert len(reading.entries) == UNNAMED_KINDS + 2
    assert sum(entry.count for entry in reading.entries) == len(words) + 1
    other = reading.entries[-2]
    assert (other.target, other.count) == (OTHER, 100)
    assert "more than 200 kinds" in other.example
    assert reading.entries[-1].level == "PANIC"


def test_named_lines_are_bounded_too(log: NodeLog) -> None:
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrstuvwxyz"]
    reading = log.read_all(*(an_event(1, text=f"hash mismatch {word}") for word in words))
    assert len(reading.entries) == ALL_KINDS + 1


def test_the_catchup_trail_is_the_newest_forty_lines(log: NodeLog) -> None:
    moves = [an_event(n, "INFO", f"State transition from=a{n} to=b") for n in range(60)]
    trail = log.read_all(*moves).catchup_trail
    assert len(trail) == 40
    assert "from=a59 " in trail[-1]


def test_how_long_the_last_maintenance_took(log: NodeLog) -> None:
    began = an_event(1, "INFO", "Performing database maintenance")
    reading = log.read_all(began, ABNORMAL["maint_slow"])
    assert (reading.maintenance_at, reading.maintenance_slow_ms) == (START + timedelta(seconds=1), 13874)
    assert log.read_all(began, ABNORMAL["maint_slow"], began).maintenance_slow_ms is None
