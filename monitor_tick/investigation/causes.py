"""The table of causes: what would speak for each of them and what against it. Pure.

All words are the table's own with numbers filled in: nothing from the log is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from monitor_tick.healing.death import REBOOT
from monitor_tick.investigation.hunks import TOUCHED_FILE, TOUCHED_FUNCTION, TOUCHED_LINE
from monitor_tick.investigation.moments import Past
from monitor_tick.investigation.values import Site
from monitor_tick.issues.finding import OF_MAIN, OF_NO_RUN, Finding
from monitor_tick.judging.ci_runs import EXCUSED

YOUNG_SECONDS = 1800
OLD_SECONDS = 7200
FEW_PEERS = 8
PEERS_AS_USUAL = 0.8
PEERS_LOST = 0.5
LAG_SECONDS = 30
DRIFT_SECONDS = 10
LITTLE_DRIFT_SECONDS = 2
DISK_FULL_PCT = 95
DISK_LOW_PCT = 85
MORE_TRAFFIC = 2.0
LESS_TRAFFIC = 0.5
AS_USUAL = (0.67, 1.5)
MANY_TICKS = 3

_DEFECT = "defect"
_SIGNS = {
    "disk full": re.compile(r"No space left on device|database or disk is full|os error 28\b|ENOSPC", re.IGNORECASE),
    "disk fault": re.compile(r"os error 5\b|Input/output error|Read-only file system|database disk image is malformed"),
    "clock": re.compile(r"clock may be out of sync|NTP configuration"),
    "network": re.compile(
        r"os error (?:10[0-4]|11[0-3])\b|Connection re(?:set|fused)|Temporary failure in name resolution|timed out",
        re.IGNORECASE,
    ),
    _DEFECT: re.compile(r"panicked at|internal error|invariant|hash mismatch|unreachable code|overflow", re.IGNORECASE),
    "memory": re.compile(r"memory allocation of \S+ bytes failed|Cannot allocate memory|os error 12\b", re.IGNORECASE),
}
_ORDINARY = re.compile(r"\S+ +(?:INFO|DEBUG|TRACE) |\{.{0,100}\"level\":\"(?:INFO|DEBUG|TRACE)\"")
"""Lines that tell of no trouble, whatever words they use, in both of the log's formats."""

_OVERLAY = ("stellar_overlay_", "henyey_overlay_", "stellar_peer_", "radar:", "ratio:scp")
_DRIFT = ("henyey_herder_drift_",)
_WRITES = ("henyey_ledger_close_commit", "henyey_ledger_persist", "henyey_ledger_close_bucket", "stellar_bucket_")
_ENDINGS = ("process:", "wipe:")
_THREAD = "metric:henyey_scp_verifier_thread_state"
_STAYS = ("process:", "wipe:", "offline:", "deploy:", "disk:", "memory:critical", "log:hash-mismatch", _THREAD)
"""Findings that waiting does not take away, however young the node is."""

_OWN = (*_STAYS, "memory:", "metric:henyey_jemalloc_", "metric:henyey_process_open_fds")
"""Findings about what the node has of its own; a node that hangs or is gone hears nothing of the network either."""

_DEFECTS = ("metric:stellar_ledger_invariant", "metric:stellar_ledger_transaction_internal_error", "log:hash-mismatch")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that the table looks at. `nearest` is how near to a site one of the commits came and `touching` how many
    changed its file; `since` is the build that the commits are counted from, empty where there is none."""

    finding: Finding
    past: Past = Past()
    sites: tuple[Site, ...] = ()
    since: str = ""
    nearest: int = 0
    touching: int = 0

    @property
    def key(self) -> str:
        return self.finding.alert.key

    @property
    def signs(self) -> frozenset[str]:
        """What the finding and the log around it say, in our words. Another finding's defect is none of this one's."""
        alert = self.finding.alert
        own = (alert.message, alert.title, alert.diagnosis)
        log = tuple(line for line in self.finding.log if not _ORDINARY.match(line))
        around = {name: () if name == _DEFECT and not self.key.startswith(_ENDINGS) else log for name in _SIGNS}
        return frozenset(
            name for name, sign in _SIGNS.items() if any(sign.search(text) for text in (*own, *around[name]))
        )

    def fires(self, prefixes: Sequence[str]) -> bool:
        """Whether an alarm of these names fires in the tick, this one included."""
        owned = (alert.key for alert in self.finding.owned)
        names = {*self.past.firing, self.key, *owned}
        names |= {name.removeprefix("metric:") for name in tuple(names)}
        return any(name.startswith(tuple(prefixes)) for name in names)

    def says(self, *beginnings: str) -> bool:
        """Whether another finding's title of the tick begins so."""
        return any(title.startswith(beginnings) for title in self.finding.beside)


class Clause(msgspec.Struct, frozen=True):
    """`words` may name {numbers} of `hypothesis.numbers_of`."""

    weight: int
    words: str
    holds: Callable[[Evidence], bool]


class Row(msgspec.Struct, frozen=True):
    """`never` are beginnings of the keys that this cannot be the cause of, whatever else holds."""

    name: str
    words: str
    advice: str
    speaks_for: tuple[Clause, ...]
    speaks_against: tuple[Clause, ...]
    never: tuple[str, ...] = OF_NO_RUN


def _uptime(evidence: Evidence) -> float | None:
    return evidence.finding.uptime_seconds


def _is_young(evidence: Evidence) -> bool:
    uptime = _uptime(evidence)
    return uptime is not None and uptime < YOUNG_SECONDS


def _is_old(evidence: Evidence) -> bool:
    uptime = _uptime(evidence)
    return uptime is not None and uptime > OLD_SECONDS


def _began_with_the_build(evidence: Evidence) -> bool:
    past = evidence.past
    return bool(past.since) and past.clean_ticks == 0 and not past.fired_on_other_builds


def _lost_peers(evidence: Evidence) -> bool:
    peers, usual = evidence.past.peers, evidence.past.usual_peers
    return peers is not None and (peers < FEW_PEERS or (usual is not None and peers < PEERS_LOST * usual))


def _has_its_peers(evidence: Evidence) -> bool:
    peers, usual = evidence.past.peers, evidence.past.usual_peers
    return peers is not None and usual is not None and peers >= max(FEW_PEERS, PEERS_AS_USUAL * usual)


def _is_late(evidence: Evidence) -> bool:
    age = evidence.past.age_seconds
    return age is not None and age > LAG_SECONDS


def _is_on_time(evidence: Evidence) -> bool:
    age = evidence.past.age_seconds
    return age is not None and age <= LAG_SECONDS


def _drifts(evidence: Evidence) -> bool:
    drift = evidence.past.drift_seconds
    return evidence.fires(_DRIFT) or (drift is not None and drift > DRIFT_SECONDS)


def _does_not_drift(evidence: Evidence) -> bool:
    drift = evidence.past.drift_seconds
    return drift is not None and drift <= LITTLE_DRIFT_SECONDS


def _disk(evidence: Evidence, least: float) -> bool:
    used = evidence.past.disk_pct
    return used is not None and used >= least


def more_traffic(evidence: Evidence) -> int:
    return sum(ratio >= MORE_TRAFFIC for _, ratio in evidence.past.traffic)


def _traffic_as_usual(evidence: Evidence) -> bool:
    low, high = AS_USUAL
    ratios = [ratio for _, ratio in evidence.past.traffic]
    return bool(ratios) and all(low <= ratio <= high for ratio in ratios)


def _less_traffic(evidence: Evidence) -> bool:
    ratios = [ratio for _, ratio in evidence.past.traffic]
    return bool(ratios) and all(ratio <= LESS_TRAFFIC for ratio in ratios)


def _has_machine_errors(evidence: Evidence) -> bool:
    return bool(evidence.signs & {"disk full", "disk fault", "memory"})


TABLE: tuple[Row, ...] = (
    Row(
        "deploy regression",
        "A change between {since} and {build} brought it.",
        "Read the listed commits in their order, the first one's change to these statements before all.",
        (
            Clause(4, "it began with the first tick of build {build}", _began_with_the_build),
            Clause(3, "it is a finding about the deploy itself", lambda evidence: evidence.key == "deploy:regression"),
            Clause(
                3, "a commit since {since} changed the lines of these statements", lambda e: e.nearest >= TOUCHED_LINE
            ),
            Clause(
                2,
                "a commit since {since} changed the functions of these statements",
                lambda e: TOUCHED_FUNCTION <= e.nearest < TOUCHED_LINE,
            ),
            Clause(
                1,
                "a commit since {since} changed the files of these statements",
                lambda e: TOUCHED_FILE <= e.nearest < TOUCHED_FUNCTION,
            ),
        ),
        (
            Clause(4, "an earlier build had it too", lambda e: e.past.fired_on_other_builds),
            Clause(
                4,
                "build {build} ran {clean_ticks} ticks without it",
                lambda e: (e.past.clean_ticks or 0) >= MANY_TICKS,
            ),
            Clause(
                1,
                "no commit since {since} changed the files of these statements",
                lambda e: bool(e.since and e.sites) and e.touching == 0,
            ),
        ),
    ),
    Row(
        "restart artefact",
        "The node started {uptime} ago and is not settled.",
        "Look again once the node has been up for half an hour; if it stays, it is no artefact.",
        (
            Clause(3, "the node started {uptime} ago", _is_young),
            Clause(
                2, "the node is in {phase}", lambda e: e.finding.phase in ("fresh start", "crash recovery", "restart")
            ),
        ),
        (
            Clause(4, "the node has been up for {uptime}", _is_old),
            Clause(2, "it fired in {fired_ticks} earlier ticks", lambda e: e.past.fired_ticks >= MANY_TICKS),
            Clause(3, "an earlier tick of this run was without it", lambda e: e.past.quiet_in_this_run),
        ),
        never=(*OF_NO_RUN, *_STAYS),
    ),
    Row(
        "machine restart",
        "The machine was restarted under the node.",
        "Look at the machine's own log of that time (journalctl -b -1 -e) before the code: power, kernel, an update.",
        (
            Clause(
                6,
                "the run that ended is one of an earlier boot, and its log tells of no end",
                lambda e: e.finding.alert.scope == REBOOT,
            ),
        ),
        (),
    ),
    Row(
        "the monitor or what it stands on",
        "The monitor does not find what it needs for its work, or has a fault of its own.",
        "Mend what the symptom names; where it names nothing of the machine's, it is the monitor's own code.",
        (Clause(6, "it is a finding about the monitor itself", lambda e: e.key.startswith("self:")),),
        (),
        never=(),
    ),
    Row(
        "a change on main",
        "What is on main does not build, or does not pass its tests; the node that runs has no part in it.",
        "Begin with the log above and the commit that it is of.",
        (Clause(6, "it is a finding about main", lambda e: e.key.startswith(OF_MAIN)),),
        (
            Clause(
                4,
                "the log shows the runner, its network, or a test that fails now and then",
                lambda e: dict(e.finding.alert.evidence).get("category") in EXCUSED,
            ),
            Clause(4, "the log has errors of the disk or the memory", _has_machine_errors),
        ),
        never=(),
    ),
    Row(
        "disk",
        "The disk is full, faulty or slow.",
        "Free space on the data volume first (monitor-loop cleanup), then look at the commit phases again.",
        (
            Clause(5, "the log says that the disk is full", lambda e: "disk full" in e.signs),
            Clause(5, "the log says that the disk fails", lambda e: "disk fault" in e.signs),
            Clause(4, "the data volume is {disk_pct}% full", lambda e: _disk(e, DISK_FULL_PCT)),
            Clause(
                2,
                "the data volume is {disk_pct}% full",
                lambda e: _disk(e, DISK_LOW_PCT) and not _disk(e, DISK_FULL_PCT),
            ),
            Clause(4, "a finding about the disk fired with it", lambda e: e.key.startswith("disk:") or e.says("Disk:")),
            Clause(2, "writing the ledger is slow", lambda e: e.fires(_WRITES)),
        ),
        (
            Clause(
                2,
                "the data volume is {disk_pct}% full",
                lambda e: e.past.disk_pct is not None and not _disk(e, DISK_LOW_PCT),
            ),
        ),
        never=("self:", "ci:", "memory:"),
    ),
    Row(
        "clock",
        "The machine's clock and the network's disagree.",
        "Check the clock of the machine (timedatectl, chronyc tracking) before the code.",
        (
            Clause(4, "the clock drifts {drift} s from the network's", _drifts),
            Clause(4, "the node complains about the clock in its log", lambda e: "clock" in e.signs),
        ),
        (Clause(2, "the clock drifts only {drift} s", _does_not_drift),),
    ),
    Row(
        "network or peers",
        "The node does not hear enough of the network.",
        "Check the machine's network and the peers (/peers) before the code; if others lag too, it is the network's.",
        (
            Clause(3, "{peers} peers, usually {usual_peers}", _lost_peers),
            Clause(2, "overlay alarms fire", lambda e: e.fires(_OVERLAY) or e.says("Radar:")),
            Clause(1, "the last ledger is {age} s old", _is_late),
            Clause(2, "the log has errors of the network", lambda e: "network" in e.signs),
            Clause(2, "the node receives less than half of the usual traffic", _less_traffic),
        ),
        (
            Clause(2, "{peers} peers, usually {usual_peers}", _has_its_peers),
            Clause(1, "the last ledger is {age} s old", _is_on_time),
        ),
        never=(*OF_NO_RUN, *_OWN),
    ),
    Row(
        "upstream traffic",
        "The network sends more than usual.",
        "Compare with other validators of the same hour; if they cope, look for what is slow here.",
        (
            Clause(
                3,
                "{more_traffic} counters of traffic rose to twice the usual rate or more",
                lambda e: more_traffic(e) > 1,
            ),
            Clause(1, "the finding is a share of that traffic", lambda e: e.key.startswith("ratio:")),
        ),
        (Clause(3, "traffic is as usual", _traffic_as_usual),),
    ),
    Row(
        "a defect in the code",
        "The node says itself that something is wrong in it.",
        "Begin with the first statement listed: which state leads there.",
        (
            Clause(
                4, "the log tells of a panic, an internal error or a broken invariant", lambda e: _DEFECT in e.signs
            ),
            Clause(3, "the metric counts errors of the node's own", lambda e: e.key.startswith(_DEFECTS)),
            Clause(
                1, "the statement that says so was found", lambda e: any(site.role == "printed" for site in e.sites)
            ),
        ),
        (
            Clause(3, "the log has errors of the disk or the memory", _has_machine_errors),
            Clause(1, "the log has errors of the network", lambda e: "network" in e.signs),
        ),
    ),
)
