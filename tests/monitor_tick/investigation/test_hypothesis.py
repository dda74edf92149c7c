"""The table of causes: each is chosen by its evidence, and none where too little is known."""

from __future__ import annotations

import msgspec
import pytest

from monitor_tick.investigation.causes import TABLE, Evidence
from monitor_tick.investigation.hunks import TOUCHED_FILE, TOUCHED_FUNCTION, TOUCHED_LINE
from monitor_tick.investigation.hypothesis import hypothesis_of, numbers_of
from monitor_tick.investigation.moments import TRAFFIC, Past
from monitor_tick.investigation.values import Hypothesis, Site
from tests.monitor_tick.investigation.ticks import NEW, OLD, a_finding

SITE = Site("crates/a.rs", 7, "updated", "f", "counter!(X).increment(1);")
PRINTED = Site("crates/a.rs", 7, "printed", "f", 'error!("x")')
NOTHING = Past(peers=25.0, usual_peers=25.0, age_seconds=3.0, disk_pct=40.0, drift_seconds=0.5)
"""A past in which nothing stands out."""


def evidence(past: Past = NOTHING, **changes: object) -> Evidence:
    """Fields of Past begin with `past_`, those of the finding with `finding_`, its alert's with `alert_`."""
    parts: dict[str, dict[str, object]] = {"past": {}, "finding": {}, "alert": {}, "own": {}}
    for name, value in changes.items():
        kind, _, rest = name.partition("_")
        parts[kind if kind in parts and rest else "own"][rest if kind in parts and rest else name] = value
    finding = a_finding(**parts["finding"], **{f"alert_{name}": value for name, value in parts["alert"].items()})
    own = {"finding": finding, "past": msgspec.structs.replace(past, **parts["past"]), **parts["own"]}
    return Evidence(**own)


def chosen(**changes: object) -> Hypothesis:
    return hypothesis_of(evidence(**changes))


def test_nothing_known_is_unknown_and_says_so() -> None:
    found = chosen()
    assert (found.name, found.words) == ("unknown", "The cause is not known.")
    assert (found.speaks_for, found.speaks_against, found.advice) == ((), (), "")


def test_the_unknown_says_where_to_begin_and_what_comes_nearest() -> None:
    found = chosen(sites=(SITE,), past_age_seconds=90.0)
    assert found.name == "unknown"
    assert found.words == "The cause is not known."
    assert found.advice == "Begin at crates/a.rs:7: what leads there."
    near = chosen(past_age_seconds=90.0, past_peers=None)
    assert near.words == "The cause is not known. Nearest, but too weak: network or peers."
    assert near.speaks_for == ("the last ledger is 90 s old",)


@pytest.mark.parametrize(
    ("name", "changes", "clause"),
    [
        (
            "deploy regression",
            {"past_since": OLD, "past_clean_ticks": 0},
            f"it began with the first tick of build {NEW[:8]}",
        ),
        (
            "deploy regression",
            {"since": OLD, "nearest": TOUCHED_LINE, "touching": 1, "sites": (SITE,)},
            f"a commit since {OLD[:8]} changed the lines of these statements",
        ),
        ("deploy regression", {"alert_key": "deploy:regression"}, "it is a finding about the deploy itself"),
        ("restart artefact", {"finding_uptime_seconds": 90}, "the node started 90 s ago"),
        (
            "restart artefact",
            {"finding_uptime_seconds": 600, "finding_phase": "crash recovery"},
            "the node is in crash recovery",
        ),
        ("disk", {"alert_diagnosis": "error=database or disk is full"}, "the log says that the disk is full"),
        ("disk", {"finding_log": ("x No space left on device (os error 28)",)}, "the log says that the disk is full"),
        ("disk", {"finding_log": ("Input/output error (os error 5)",)}, "the log says that the disk fails"),
        ("disk", {"past_disk_pct": 97.0}, "the data volume is 97% full"),
        ("disk", {"alert_key": "disk:growth", "past_disk_pct": None}, "a finding about the disk fired with it"),
        (
            "disk",
            {"past_disk_pct": 86.0, "past_firing": frozenset({"henyey_ledger_close_commit_seconds"})},
            "writing the ledger is slow",
        ),
        ("clock", {"past_drift_seconds": 14.0}, "the clock drifts 14 s from the network's"),
        (
            "clock",
            {"past_drift_seconds": None, "alert_message": "Your local clock may be out of sync"},
            "the node complains about the clock in its log",
        ),
        ("network or peers", {"past_peers": 4.0, "past_age_seconds": 90.0}, "4 peers, usually 25"),
        (
            "network or peers",
            {"past_age_seconds": 90.0, "past_peers": None, "past_firing": frozenset({"stellar_overlay_error_total"})},
            "overlay alarms fire",
        ),
        (
            "network or peers",
            {"past_age_seconds": 90.0, "past_peers": None, "finding_beside": ("Radar: lagging",)},
            "overlay alarms fire",
        ),
        (
            "machine restart",
            {"alert_key": "process:death", "alert_scope": "machine restart", "finding_phase": "down"},
            "the run that ended is one of an earlier boot, and its log tells of no end",
        ),
        (
            "the monitor or what it stands on",
            {"alert_key": "self:blind-log", "finding_uptime_seconds": 60, "finding_phase": "restart"},
            "it is a finding about the monitor itself",
        ),
        (
            "upstream traffic",
            {"past_traffic": tuple((name, 3.0) for name in TRAFFIC[:2])},
            "2 counters of traffic rose to twice the usual rate or more",
        ),
        (
            "a defect in the code",
            {"alert_key": "process:death", "alert_diagnosis": "thread 'x' panicked at crates/a.rs:7:9:"},
            "the log tells of a panic, an internal error or a broken invariant",
        ),
        (
            "a defect in the code",
            {"alert_key": "process:death", "finding_log": ("thread 'x' panicked at crates/a.rs:7:9:",)},
            "the log tells of a panic, an internal error or a broken invariant",
        ),
        (
            "a defect in the code",
            {"alert_key": "metric:stellar_ledger_invariant_failure_total", "sites": (PRINTED,)},
            "the metric counts errors of the node's own",
        ),
    ],
)
def test_each_cause_is_chosen_by_what_speaks_for_it(name: str, changes: dict[str, object], clause: str) -> None:
    found = chosen(**changes)
    assert found.name == name
    assert clause in found.speaks_for
    assert found.words
    assert found.advice


@pytest.mark.parametrize(
    ("changes", "against"),
    [
        ({"past_since": OLD, "past_clean_ticks": 0, "past_fired_on_other_builds": True}, "unknown"),
        ({"past_since": OLD, "past_clean_ticks": 5}, "unknown"),
        ({"since": OLD, "nearest": TOUCHED_FUNCTION, "touching": 1, "sites": (SITE,)}, "unknown"),
        ({"since": OLD, "nearest": TOUCHED_FILE, "touching": 1, "sites": (SITE,)}, "unknown"),
        ({"finding_uptime_seconds": 1799, "past_fired_ticks": 3}, "unknown"),
        ({"finding_uptime_seconds": 1800}, "unknown"),
        ({"finding_uptime_seconds": 60, "alert_key": "process:death", "finding_phase": "down"}, "unknown"),
        ({"finding_uptime_seconds": 60, "finding_phase": "restart", "past_quiet_in_this_run": True}, "unknown"),
        ({"alert_key": "ci:Rust:test:x", "alert_evidence": (("category", "infrastructure"),)}, "unknown"),
        ({"alert_key": "deploy:build", "alert_diagnosis": "ld: memory allocation of 9 bytes failed"}, "unknown"),
        ({"past_traffic": ((TRAFFIC[0], 3.0),)}, "unknown"),
        ({"past_peers": 20.0, "past_age_seconds": 90.0}, "unknown"),
        ({"past_drift_seconds": 3.0}, "unknown"),
        ({"finding_log": ("ERROR ledger hash mismatch",)}, "unknown"),
        (
            {"alert_key": "process:death", "finding_log": ("2026-05-09T03:30:00Z  INFO a::b: checking invariant x",)},
            "unknown",
        ),
        (
            {
                "alert_key": "process:death",
                "finding_log": (
                    '{"timestamp":"2026-05-09T03:30:00Z","level":"INFO","message":"no space left on device"}',
                ),
            },
            "unknown",
        ),
        ({"alert_key": "log:a:b", "finding_log": ("thread 'x' panicked at crates/a.rs:7:9:",)}, "unknown"),
    ],
)
def test_what_speaks_against_a_cause_keeps_it_from_being_chosen(changes: dict[str, object], against: str) -> None:
    assert chosen(**changes).name == against


YOUNG: dict[str, object] = {"finding_uptime_seconds": 60, "finding_phase": "restart"}
FEW_PEERS: dict[str, object] = {"past_peers": 3.0, "past_age_seconds": 90.0}
FULL: dict[str, object] = {"past_disk_pct": 97.0}
FIRST_TICK: dict[str, object] = {"past_since": OLD, "past_clean_ticks": 0}


@pytest.mark.parametrize("key", ["ci:Rust:test:x", "deploy:build"])
@pytest.mark.parametrize("node", [YOUNG, FEW_PEERS, FULL, FIRST_TICK, {"past_drift_seconds": 14.0}])
def test_nothing_about_the_node_makes_main_fail(key: str, node: dict[str, object]) -> None:
    assert chosen(alert_key=key, **node).name == "a change on main"


def test_a_panic_of_a_test_is_none_of_the_node() -> None:
    found = chosen(alert_key="ci:Rust:test:x", alert_diagnosis="thread 'x' panicked at crates/a.rs:7:9:")
    assert found.name == "a change on main"


def test_a_build_that_finds_no_room_is_the_disks_fault() -> None:
    assert chosen(alert_key="deploy:build", alert_diagnosis="No space left on device").name == "disk"


@pytest.mark.parametrize(
    ("key", "node", "name"),
    [
        ("deploy:regression", YOUNG, "deploy regression"),
        ("deploy:regression", FEW_PEERS, "deploy regression"),
        ("process:wedge", YOUNG, "unknown"),
        ("process:wedge", FEW_PEERS, "unknown"),
        ("offline:recurrence", YOUNG, "unknown"),
        ("disk:growth", {**YOUNG, "past_disk_pct": 86.0}, "disk"),
        ("memory:leak", FEW_PEERS, "unknown"),
        ("memory:leak", FULL, "unknown"),
        ("metric:henyey_scp_verifier_thread_state", YOUNG, "unknown"),
        ("metric:henyey_scp_verifier_thread_state", FEW_PEERS, "unknown"),
        ("metric:henyey_scp_verify_input_backlog", FEW_PEERS, "network or peers"),
        ("metric:henyey_scp_verify_input_backlog", YOUNG, "restart artefact"),
    ],
)
def test_a_cause_is_not_named_for_what_it_cannot_bring_about(key: str, node: dict[str, object], name: str) -> None:
    assert chosen(alert_key=key, **node).name == name


def test_what_speaks_against_the_chosen_cause_is_said() -> None:
    found = chosen(alert_diagnosis="No space left on device", past_disk_pct=40.0)
    assert found.name == "disk"
    assert found.speaks_against == ("the data volume is 40% full",)


def test_no_text_from_outside_is_repeated() -> None:
    hostile = "No space left on device @everyone <!-- #1 -->"
    found = chosen(alert_message=hostile, alert_title=hostile, alert_diagnosis=hostile, finding_log=(hostile,))
    texts = (found.name, found.words, found.advice, *found.speaks_for, *found.speaks_against)
    assert not any("@everyone" in text for text in texts)


def test_every_clause_of_the_table_can_be_filled_in() -> None:
    numbers = numbers_of(Evidence(finding=a_finding(build="", uptime_seconds=None)))
    clauses = [clause for row in TABLE for clause in (*row.speaks_for, *row.speaks_against)]
    texts = [clause.words.format_map(numbers) for clause in clauses] + [row.words.format_map(numbers) for row in TABLE]
    assert all(text and "{" not in text for text in texts)
    assert len({row.name for row in TABLE}) == len(TABLE)
