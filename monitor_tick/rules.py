"""What shared/*.toml says, as values. `catalog` reads and refuses; nothing here touches a file."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Literal

import msgspec

from monitor_loop.session import Mode
from monitor_tick.alert import Tier

RatioName = Literal["scp", "apply", "pending"]
RatioKey = Literal[
    "apply_success",
    "apply_failure",
    "pv_accepted",
    "pv_processed_directly",
    "pv_total_sum",
    "pending_too_old",
    "pending_received",
]
"""What the user's metrics/ratio_snapshot keeps of the counters."""


class Kind(str, enum.Enum):
    """What an alarm compares: a counter's delta since the last scrape, a gauge's value now, or the p99 and the mean
    of what a histogram observed since the last scrape."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Gate(str, enum.Enum):
    """A state of the node in which a row is not judged.

    SYNCED_ONLY: judged only above 15 min of uptime, outside crash recovery and fresh start.
    WARMUP_EXEMPT: not judged on the tick of a restart and the next one.
    """

    SYNCED_ONLY = "synced-only"
    WARMUP_EXEMPT = "warmup-exempt"


class Comparison(str, enum.Enum):
    AT_LEAST = ">="
    ABOVE = ">"
    BELOW = "<"
    NOT_EQUAL = "!="

    def holds(self, value: float, threshold: float) -> bool:
        """Whether `value` breaches. NaN breaches nothing, != included."""
        if math.isnan(value):
            return False
        return {
            Comparison.AT_LEAST: value >= threshold,
            Comparison.ABOVE: value > threshold,
            Comparison.BELOW: value < threshold,
            Comparison.NOT_EQUAL: value != threshold,
        }[self]


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`comparison` and `threshold` as the row writes them, such as "> 100".

    With `factor`, the threshold is factor x max(the previous tick's delta, threshold) instead.
    """

    comparison: Comparison
    threshold: float
    factor: float | None = None


class AlarmRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of shared/metric-alarms.toml.

    `metrics` are summed (each over all its labelled series); `divisor` makes it a quotient. `ticks` is how many
    scrapes in a row must breach. `confirm` asks for a burst of samples before it fires. `scale` marks a delta that is
    normalised when the interval is long. `version` and `since` say when the row's meaning last changed, so that
    replay does not compare across it. `silence_expected` says that a row may never fire, `absent_by_design` that its
    metric appears only with its first sample, however late that is; a histogram's is excused until the node settles.
    """

    name: str
    metrics: tuple[str, ...]
    kind: Kind
    condition: Condition
    tier: Tier
    title: str
    version: int
    since: date
    divisor: str | None = None
    ticks: int = 1
    gates: tuple[Gate, ...] = ()
    modes: tuple[Mode, ...] = (Mode.VALIDATOR,)
    confirm: bool = False
    scale: bool = False
    silence_expected: bool = False
    absent_by_design: bool = False


class Reading(str, enum.Enum):
    """What a known log line is. FINDING is filed; BENIGN and ORDINARY never are; ORDINARY may still be evidence."""

    FINDING = "finding"
    BENIGN = "benign"
    ORDINARY = "ordinary"


class LogPattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of shared/log-patterns.toml; the first row that matches a line decides.

    A line matches when `level` (empty: any, also a line without one) and `target` (empty: any) agree and its
    message contains every string of `contains`, compared as is. `key` is the filing key (`log:<target>:<message>`
    where empty), `owner` the key of the finding that this line is evidence for.
    """

    name: str
    contains: tuple[str, ...]
    reading: Reading
    reason: str
    level: str = ""
    target: str = ""
    tier: Tier = Tier.WARN
    title: str = ""
    key: str = ""
    owner: str = ""
    urgent: bool = False
    trail: bool = False


class CiCategory(str, enum.Enum):
    """What broke a job, as its log tells it."""

    BUILD = "build"
    TEST = "test"
    TIMEOUT = "timeout"
    FLAKY = "flaky"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


class CiFailure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of shared/ci-failures.toml, a failure that says nothing about the code; the first that matches counts.

    `patterns` are texts, compared without regard to case, in which `*` stands for anything. INFRASTRUCTURE: one of them
    is in a line of the log and none of `unless` is in any. FLAKY: each test that failed has one of them in its name.
    """

    name: str
    category: CiCategory
    patterns: tuple[str, ...]
    reason: str
    unless: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """shared/limits.toml: every number that is not a metric's threshold, with the observation behind it there.

    Units are in the names; GB is 2^30 bytes, MB 2^20.
    """

    # sync
    real_time_age_seconds: int
    heartbeat_fresh_seconds: int
    confirm_age_seconds: int
    evidence_gap: int
    stuck_seconds: int
    deadline_minutes: int
    crash_recovery_deadline_minutes: int
    fresh_start_deadline_minutes: int
    crash_recovery_ends_seconds: int
    catching_up_uptime_seconds: int
    progress_ledgers: int
    synced_only_uptime_minutes: int
    first_tick_restart_minutes: int
    # refusals
    env_stale_seconds: int
    alive_stale_seconds: int
    env_abandoned_seconds: int
    refusal_repeat_hours: int
    # memory
    rss_high_gb: int
    rss_critical_gb: int
    available_critical_gb: int
    rss_growth_gb: int
    rss_growth_grace_minutes: int
    report_missing_seconds: int
    fragmentation_pct: int
    unaccounted_mb: int
    available_recovery_gb: int
    memory_restart_hours: int
    heap_growth_mb: int
    # healing
    crash_window_minutes: int
    crash_window_cadences: float
    crashes_before_wipe: int
    restarts_before_backoff: int
    backoff_ticks: tuple[int, ...]
    freeze_recent_seconds: int
    soft_fail_span_seconds: int
    soft_fail_fresh_seconds: int
    recurrence_clear_minutes: int
    crash_logs_read: int
    wiped_kept_hours: int
    # deploy
    deploy_cooldown_minutes: int
    deploy_retry_hours: int
    trial_ticks: int
    build_deadline_minutes: int
    build_available_gb: int
    ci_runs_read: int
    # ci
    ci_recent_hours: int
    ci_log_lines: int
    ci_call_seconds: int
    ci_seconds: int
    checkout_seconds: int
    ci_commits_read: int
    ci_commits_required: int
    # disk
    disk_low_pct: int
    disk_critical_pct: int
    session_disk_gb: int
    growth_floor_gb: int
    tree_walk_seconds: int
    rotated_logs_kept: int
    # rpc
    pruning_retention_factor: int
    pruning_slack_ledgers: int
    default_retention_ledgers: int
    maintenance_counts: tuple[int, ...]
    maintenance_deadline_seconds: int
    # radar
    radar_url: str
    radar_deadline_seconds: int
    radar_validating_grace_minutes: int
    radar_rate_grace_hours: int
    radar_rate_pct: int
    radar_lag_ledgers: int
    # filing
    issues_per_tick: int
    writes_per_tick: int
    umbrella_from: int
    request_deadline_seconds: int
    filing_least_seconds: int
    investigation_seconds: int
    # the tick
    tick_budget_seconds: int
    http_deadline_seconds: int
    http_body_mb: int
    confirm_window_seconds: int
    confirm_samples: int
    confirm_breaching: int
    confirm_interval_seconds: int
    log_bytes_mb: int
    first_log_lines: int
    stretched_interval_factor: float
    histogram_least_count: int
    ratio_uptime_minutes: int
    cooldown_seconds: int
    stuck_firing_hours: int
    history_days: int
    archive_ticks: int

    @property
    def deadline(self) -> timedelta:
        return timedelta(minutes=self.deadline_minutes)

    @property
    def fresh_start_deadline(self) -> timedelta:
        return timedelta(minutes=self.fresh_start_deadline_minutes)

    @property
    def crash_recovery_deadline(self) -> timedelta:
        return timedelta(minutes=self.crash_recovery_deadline_minutes)


class RatioRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of shared/ratio-checks.toml.

    `numerator` and `denominator` are the snapshot's keys whose increases are summed; `metric` is what an issue calls
    the numerator. `shown` names the share in the report. `least` is the smallest increase of the denominator that is
    judged. `needs_evidence`: filed only where something points at the node itself.
    """

    name: RatioName
    metric: str
    shown: str
    numerator: tuple[RatioKey, ...]
    denominator: tuple[RatioKey, ...]
    condition: Condition
    least: int
    ticks: int
    symptom: str
    version: int
    since: date
    needs_evidence: bool = False


class RecoveryRule(msgspec.Struct, frozen=True, kw_only=True):
    """shared/check-12b-constants.toml, whole. `label` is the pair as the file writes it, `reason="..."`."""

    name: str
    label: str
    delta: int
    streak: int
    burst: int
    mode: Mode

    @property
    def key(self) -> str:
        """What cooldown and the trace call it: the series."""
        return f"{self.name}{{{self.label}}}"

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        name, _, value = self.label.partition("=")
        return ((name, value.strip('"')),)


class Rules(msgspec.Struct, frozen=True):
    """Everything that is data: limits, alarm rows in report order, log patterns and CI failures in matching order, and
    the rows and constants of the checks that keep a streak."""

    limits: Limits
    alarms: tuple[AlarmRow, ...]
    log_patterns: tuple[LogPattern, ...]
    ratios: tuple[RatioRow, ...]
    recovery: RecoveryRule
    ci_failures: tuple[CiFailure, ...] = ()

    def alarms_of(self, mode: Mode) -> tuple[AlarmRow, ...]:
        return tuple(row for row in self.alarms if mode in row.modes)

    @property
    def by_name(self) -> Mapping[str, AlarmRow]:
        return {row.name: row for row in self.alarms}
