"""Findings and investigations as ticks leave them."""

from __future__ import annotations

import msgspec

from monitor_tick.alert import Alert, Tier
from monitor_tick.investigation.values import Commit, Hypothesis, Investigation, Site
from monitor_tick.issues.finding import Finding
from monitor_tick.judging.own_faults import alert_of
from tests.monitor_tick.views import CADENCE, LEDGER, NOW

INCIDENT = "5f0c1a9e77b2"
BUILD = "b8f18c6d4f0e2a9c7b5d3e1f60718293a4b5c6d7"
BEFORE = "2a7c90e1b3d4f5061728394a5b6c7d8e9f001122"
STALLED = 'henyey_recovery_stalled_tick_total{reason="forcing_catchup_behind"}'


def a_metric(**changes: object) -> Finding:
    alert = Alert(
        key="metric:henyey_scp_verify_input_backlog",
        scope="row",
        title="metrics: henyey_scp_verify_input_backlog — SCP verifier queue is growing",
        cause="value 412 > 100 for 2 ticks, 5 of 5 samples breach",
        evidence=(
            ("metric", "henyey_scp_verify_input_backlog"),
            ("current", "412"),
            ("previous", "180"),
            ("delta", "232"),
            ("threshold", "> 100"),
            ("interval", "1200s"),
            ("clause", "value 412 > 100 for 2 ticks, 5 of 5 samples breach"),
        ),
        cooldown_key="henyey_scp_verify_input_backlog",
        metrics=("henyey_scp_verify_input_backlog",),
    )
    finding = Finding(
        alert=alert,
        at=NOW,
        session_id="1a2b3c4d",
        mode="validator",
        build=BUILD,
        ledger=LEDGER,
        uptime_seconds=26 * 3600,
        interval_seconds=1200,
        phase="settled",
        beside=("metrics: stellar_herder_pending_envelopes — herder backpressure",),
        log=(
            "2026-05-09T03:39:58.120000Z  WARN henyey::scp: verify queue is long depth=401",
            "2026-05-09T03:40:02.120000Z  INFO henyey::app: Heartbeat heartbeat=true ledger=62484011 gap=0 peers=24",
        ),
        archived=f"{NOW:%Y%m%dT%H%M%S.%fZ}",
    )
    return msgspec.structs.replace(finding, **changes)


def a_death(**changes: object) -> Finding:
    alert = Alert(
        key="process:death",
        scope="panic at crates/herder/src/herder.rs",
        title="Node crashed: panic at crates/herder/src/herder.rs",
        tier=Tier.ACTION,
        urgent=True,
        cause="no process of the session",
        event="end of pid 4711, start_ticks 990000",
        evidence=(
            ("exit", "panic at crates/herder/src/herder.rs"),
            ("last heartbeat", "2026-05-09T03:31:07Z"),
            ("last ledger", "62483904"),
        ),
    )
    line = Alert(
        key="log:henyey::herder:slot <n> has no value",
        scope="henyey::herder",
        title="log: henyey::herder: slot <n> has no value",
        cause="an ERROR line that no row names; in doubt it is filed",
        evidence=(("lines", "3"), ("run", "previous")),
    )
    finding = Finding(
        alert=alert,
        at=NOW,
        session_id="1a2b3c4d",
        mode="validator",
        build=BUILD,
        ledger=62483904,
        interval_seconds=1200,
        phase="down",
        owned=(line,),
        log=(
            "2026-05-09T03:31:09.000000Z ERROR henyey::herder: slot 62483905 has no value",
            "thread 'main' panicked at crates/herder/src/herder.rs:2554:17:",
            'called `Option::unwrap()` on a `None` value: Some("@octocat, see #12")',
        ),
        archived=f"{NOW:%Y%m%dT%H%M%S.%fZ}",
    )
    return msgspec.structs.replace(finding, **changes)


def a_question(**changes: object) -> Finding:
    finding = Finding(
        alert=alert_of("stuck firing: stellar_peer_count for 24 ticks"),
        at=NOW,
        session_id="1a2b3c4d",
        mode="validator",
    )
    return msgspec.structs.replace(finding, **changes)


def an_investigation(**changes: object) -> Investigation:
    path = "crates/scp/src/verify.rs"
    found = Investigation(
        commit=BUILD,
        since=BEFORE,
        sites=(
            Site(path, 118, "updated", "push_input", "metrics::gauge!(BACKLOG).set(self.input.len() as f64);"),
            Site("crates/scp/src/metrics.rs", 41, "registered", "describe", "describe_gauge!(BACKLOG, Unit::Count)"),
        ),
        commits=(
            Commit(
                "9d41c07aa10b2c3d4e5f60718293a4b5c6d7e8f9", "scp: verify on one thread (#2311)", NOW - CADENCE, (path,)
            ),
            Commit("77aa0c1d2e3f405162738495a6b7c8d9e0f10213", "docs: a | in a table", NOW - 2 * CADENCE),
        ),
        commits_left_out=4,
        history=tuple(
            (NOW - (30 - tick) * CADENCE, None if tick == 7 else float(4 + (tick * tick) // 3)) for tick in range(30)
        ),
        history_of="henyey_scp_verify_input_backlog",
        hypothesis=Hypothesis(
            "deploy regression",
            "A commit of the deployed range slowed the verifier.",
            ("the metric was quiet on the build before", "one of the commits touches the code that sets it"),
            ("the number of peers has grown as well",),
            "Read the change to the queue's consumer first.",
        ),
        missing=("the commit that closed #2290: gh did not answer",),
    )
    return msgspec.structs.replace(found, **changes)


NOTHING_FOUND = Investigation(missing=("no checkout of henyey at the deployed commit",))
