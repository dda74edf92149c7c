"""The monitor's own faults as findings: what kind each is, and who has to do something about it. Pure."""

from __future__ import annotations

import enum

import msgspec

from monitor_tick.alert import Alert, Tier


class Concern(str, enum.Enum):
    """What a fault is about; the value begins the title of its issue."""

    CALIBRATION = "Non-critical: monitor-tick: "
    CORRECTNESS = "monitor-tick: "
    DECISION = "monitor-tick: [needs-decision] "


class Kind(msgspec.Struct, frozen=True):
    """Faults whose text begins with `begins`. What stands between it and the first `ends`, or the last one where
    `is_last`, is the scope; it is empty where `ends` is."""

    name: str
    begins: str
    ends: str
    concern: Concern
    title: str
    is_last: bool = False


KINDS = (
    Kind("dead-alarm", "dead alarm: ", " (", Concern.CALIBRATION, "dead alarm {scope}: its series is not served"),
    Kind("blind-alarm", "blind alarm: ", " (", Concern.CALIBRATION, "blind alarm {scope}: its value is not a number"),
    Kind("blind-log", "blind log: ", "", Concern.CORRECTNESS, "the log that the node writes is not read"),
    Kind("blind-ratios", "blind ratios: ", "", Concern.CALIBRATION, "the ratio checks lack a series"),
    Kind("unknown-label", "unknown label: ", "", Concern.DECISION, "a label that the ratio checks do not know"),
    Kind("stuck-firing", "stuck firing: ", " for ", Concern.DECISION, "{scope} never stops firing", is_last=True),
    Kind("check-crashed", "check ", " crashed", Concern.CORRECTNESS, "the check {scope} crashed"),
    Kind("effect-crashed", "effect ", " crashed", Concern.CORRECTNESS, "the effect {scope} crashed"),
    Kind("contradiction", "contradiction: ", "", Concern.CORRECTNESS, "lines of one report contradict each other"),
    Kind("interrupted", "the last tick died", "", Concern.CORRECTNESS, "a tick died inside its commit"),
    Kind("interrupted-act", "interrupted act: ", " of ", Concern.CORRECTNESS, "a tick died in the middle of a {scope}"),
    Kind("overlong", "the last tick ran over", "", Concern.CORRECTNESS, "a tick ran over its deadline"),
    Kind("late", "late: ", "", Concern.CALIBRATION, "ticks come late"),
    Kind("archive", "archive: ", "", Concern.CORRECTNESS, "a tick could not be archived"),
    Kind("queue", "queue: ", "", Concern.CORRECTNESS, "the queue of issues does not drain"),
)
DAMAGED = Kind("damaged-state", "", " unreadable", Concern.CORRECTNESS, "{scope} was unreadable")
SKIPPED = Kind("skipped", "", "", Concern.CALIBRATION, "ticks are skipped because the lock is held")
OTHER = Kind("other", "", "", Concern.CORRECTNESS, "a fault of the monitor")

QUESTION = (
    "Is the alarm wrong (its threshold, gate or meaning at this commit), or is the node? Change the row in shared/, "
    "or fix what it reports; the monitor goes on reporting it either way."
)


def alert_of(fault: str) -> Alert:
    """The finding that a fault of self_reflect is; its scope is the alarm, check or file it names."""
    kind = _kind_of(fault)
    rest = fault[len(kind.begins) :]
    scope = (rest.rsplit if kind.is_last else rest.split)(kind.ends, 1)[0] if kind.ends else ""
    decision = kind.concern is Concern.DECISION
    return Alert(
        key=f"self:{kind.name}",
        scope=scope,
        title=f"{kind.concern.value}{kind.title.format(scope=scope)}",
        tier=Tier.NONC if kind.concern is Concern.CALIBRATION else Tier.WARN,
        not_ready=decision,
        cause=fault,
        evidence=(("fault", fault),),
        diagnosis=QUESTION if decision else "",
        cooldown_key=f"self:{kind.name}:{scope}" if scope else "",
    )


def _kind_of(fault: str) -> Kind:
    if (found := next((kind for kind in KINDS if fault.startswith(kind.begins)), None)) is not None:
        return found
    if " unreadable (" in fault:
        return DAMAGED
    return SKIPPED if "skipped: the lock was held" in fault else OTHER
