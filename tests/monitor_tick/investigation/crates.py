"""A small henyey: Rust files in which metrics are registered and updated in every way that the search has to follow.

A comment `//@ word` marks a line that a test expects to be found; several words may stand in one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from monitor_tick.investigation.rust_text import Code, code_of
from tests.monitor_loop.checkouts import git

METRICS = """\
//! Every metric of the node. Not one of these: "henyey_in_a_comment_total".

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, Unit};

/* A block comment /* that nests */ with "stellar_herder_lost_sync_total" and a brace { */
pub mod names {
    pub const LOST_SYNC: &str = "stellar_herder_lost_sync_total"; //@ lost.registered
    pub const PEER_COUNT: &'static str =
        "stellar_peer_count";
    pub const STALLED: &str = "henyey_recovery_stalled_tick_total"; //@ stalled.registered
    pub const CLOSE_COMMIT: &str = "henyey_ledger_close_commit_seconds"; //@ commit.registered
    pub const CLOSE_HEADER: &str = "henyey_ledger_close_header_seconds"; //@ commit.neighbour
    pub const RAW: &str = r#"henyey_raw_"#;
}

macro_rules! catalog {
    ($($name:ident : $kind:ident = $metric:literal, $help:literal;)*) => {
        $(pub const $name: &str = $metric;)*
        pub fn describe_catalog() {
            $(describe_gauge!($metric, $help);)*
        }
    };
}

catalog! {
    QUORUM_AGREE: gauge = "stellar_quorum_agree", "Validators that agree: {}"; //@ agree.registered
    DRIFT_MAX:
        gauge = "henyey_herder_drift_max_seconds", //@ drift.name
        "Largest drift } of \\"all\\"";
}

macro_rules! phase_histogram {
    ($phase:ident, $help:expr) => {
        metrics::histogram!(concat!("henyey_ledger_close_", stringify!($phase), "_seconds")) //@ phase.registered
            .record($help)
    };
}

pub fn describe_metrics() {
    describe_counter!(names::LOST_SYNC, "Times sync was lost"); //@ lost.registered
    describe_gauge!( //@ peers.registered
        names::PEER_COUNT,
        Unit::Count,
        "Authenticated peers; braces in a raw string: \\
         none"
    );
    describe_histogram!(names::CLOSE_COMMIT, Unit::Seconds, r#"a "}" in a raw string"#); //@ commit.registered
    metrics::describe_counter!("henyey_only_described_total", "Nobody updates it"); //@ only.registered
}

pub fn pre_register() {
    counter!(names::LOST_SYNC).absolute(0); //@ lost.zeroed
}

pub fn refresh<'a>(node: &'a Node, open: char) -> Option<&'a str> {
    if open == '{' || open == '\\'' || open == '"' {
        gauge!(names::PEER_COUNT).set(node.peers() as f64); //@ peers.updated
    }
    gauge!(QUORUM_AGREE).set(node.agree()); //@ agree.updated
    let ratio: &str = "henyey_cache_hit_ratio";
    metrics::gauge!(ratio).set(node.ratio()); //@ ratio.updated
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        counter!(names::LOST_SYNC).increment(1);
        let text = "henyey_only_in_tests_total";
        counter!("henyey_only_in_tests_total").increment(1);
    }
}
"""

HERDER = """\
use crate::metrics::names::{LOST_SYNC as LOST, PEER_COUNT};
use crate::metrics::{self, names, DRIFT_MAX};
use tracing::{error, info, warn};

const RENAMED: &str = names::STALLED;

pub struct Herder<T> {
    state: T,
}

impl<T: Fn(u32) -> u32> Drop for Herder<T>
where
    T: Clone,
{
    fn drop(&mut self) {
        counter!(LOST).increment(1); //@ lost.updated
    }
}

impl<T> Herder<T> {
    pub async fn tick(&self, peers: &[(u8, char)]) -> impl Iterator<Item = u8> + '_ {
        let tick = '\\u{7b}';
        metrics::counter!( //@ stalled.updated
            RENAMED,
            "reason" => "forcing_catchup_behind",
        )
        .increment(1);
        metrics::counter!(RENAMED, "reason" => "backoff_active").increment(1); //@ stalled.other
        if self.is_behind() {
            warn!(
                gap = self.gap(),
                "Recovery stalled for too long — forcing catchup"
            );
            error!("Unable to resolve peer '{}': {}", self.peer(), why); //@ resolve.printed
        }
        std::iter::empty()
    }

    fn drift(&self) {
        fn record_gauge(name: &str, value: f64) {}
        record_gauge(DRIFT_MAX, 3.0); //@ drift.updated
        error!( //@ close.printed
            ledger_seq = self.ledger,
            error = %why,
            "Background ledger close \\
             failed"
        );
        self.fatal(format!( //@ livelock.reason
            "Hard-reset livelock: {}s stuck at ledger {} (gap={}) with no progress. \\
             Fail-fast: state wipe required.",
            1, 2, 3
        ));
        error!( //@ livelock.printed
            fatal_wipe_required = true,
            "FATAL: unrecoverable local state failure — {reason}. Node will shut down. \\
             State wipe required before restart."
        );
    }
}
"""

CLOSE = """\
use crate::metrics::names::CLOSE_COMMIT;

struct Timings {
    header_us: u64,
}

pub fn close_ledger(ledger: &Ledger) -> Timings {
    let started = Instant::now(); //@ commit.started
    ledger.commit();
    let took = started.elapsed(); //@ commit.stopped
    metrics::histogram!(CLOSE_COMMIT).record(took.as_secs_f64()); //@ commit.updated
    let header = Instant::now();
    phase_histogram!(eviction, header.elapsed().as_secs_f64()); //@ phase.updated
    Timings { header_us: header.elapsed().as_micros() as u64 } //@ header.stopped
}

pub fn report(timings: &Timings) {
    histogram!(crate::metrics::names::CLOSE_HEADER).record(timings.header_us as f64 / 1e6); //@ header.updated
}

pub struct Handles {
    queue: metrics::Gauge,
}

impl Handles {
    pub fn new() -> Self {
        Self {
            queue: metrics::gauge!("henyey_overlay_fetch_channel_depth"), //@ queue.registered
        }
    }

    pub fn depth(&self, depth: usize) {
        self.queue.set(depth as f64); //@ queue.updated
    }
}

static ERRORS: Lazy<IntCounterVec> = Lazy::new(|| {
    register_int_counter_vec!("stellar_overlay_error_read_total", "errors", &["kind"]).unwrap() //@ errors.registered
});

pub fn failed(kind: &str) {
    ERRORS.with_label_values(&[kind.trim()]).inc(); //@ errors.updated
    for side in ["read", "write"] {
        let name = format!("stellar_overlay_byte_{side}_total");
        counter!(name).increment(1); //@ bytes.updated
    }
    gauge!("ledger.age.current").set(1.0); //@ age.updated
}
"""

OTHER = """\
// Another constant of the same name, which must not be taken for it.
pub const LOST_SYNC: &str = "henyey_something_else_total";

pub fn other() {
    counter!(LOST_SYNC).increment(1);
}
"""

INTEGRATION = """\
#[test]
fn end_to_end() {
    assert!(scrape().contains("stellar_peer_count"));
    gauge!("stellar_peer_count").set(1.0);
}
"""

FILES: Mapping[str, str] = {
    "crates/app/src/metrics.rs": METRICS,
    "crates/herder/src/herder.rs": HERDER,
    "crates/app/src/app/ledger_close.rs": CLOSE,
    "crates/other/src/lib.rs": OTHER,
    "crates/app/tests/scrape.rs": INTEGRATION,
}

_MARK = re.compile(r"//@ ([\w. ]+)$")


def marked(word: str, files: Mapping[str, str] = FILES) -> set[tuple[str, int]]:
    """The (path, line) of every line that is marked with the word."""
    return {
        (path, number)
        for path, text in files.items()
        for number, line in enumerate(text.split("\n"), 1)
        if (mark := _MARK.search(line)) and word in mark[1].split()
    }


def codes_of(files: Mapping[str, str] = FILES) -> dict[str, Code]:
    return {path: code_of(path, text) for path, text in files.items()}


def write(repo: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        target = repo / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def commit(repo: Path, subject: str, files: Mapping[str, str] | Iterable[str] = ()) -> str:
    """The sha of a commit with these files in it."""
    if isinstance(files, Mapping):
        write(repo, files)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "--allow-empty", "-m", subject)
    return git(repo, "rev-parse", "HEAD")


def a_repository(repo: Path, files: Mapping[str, str] = FILES) -> str:
    """Its first commit."""
    repo.mkdir(parents=True)
    git(repo, "init", "-q", "-b", "main")
    return commit(repo, "first", files)
