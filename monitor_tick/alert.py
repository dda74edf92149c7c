"""One anomaly, as a check raises it and as it is filed. Values only."""

from __future__ import annotations

import enum
import hashlib

import msgspec

LONGEST_NAME = 500
"""Characters of a key, a scope or an event; what a log or a workflow puts into one is cut where it is read."""


class Tier(str, enum.Enum):
    """How grave an alert is by kind. SYNC alerts show in the sync: line as well."""

    NONC = "NONC"
    WARN = "WARN"
    ACTION = "ACTION"
    SYNC = "SYNC"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One anomaly that an issue is to be filed or commented for.

    `key` carries no changing number and `scope` is fixed by the kind: the two decide which issue it is. `evidence`
    is (name, value) pairs in the order the issue shows them. `cause` says which clause fired. `diagnosis` is longer
    text for the issue (log lines, breakdowns), already free of secrets. `owner` is the key of the alert that this
    one is evidence for: where another check raises that one in the same tick, this one is not filed alone.

    `event` tells one occurrence from the next where each is an event of its own (the run that ended, the wipe): the
    same event is filed once, however many ticks see it. Empty for a condition, which repeats under cooldown.
    `of_act`: it tells of the act that its check wants, and is true only in a tick that does that act.
    `not_ready`: an operator has to decide before code changes. `metrics` are full names of metrics and `message` the
    constant part of a log line, by which the code behind the alert is found.
    """

    key: str
    scope: str
    title: str
    tier: Tier = Tier.WARN
    urgent: bool = False
    not_ready: bool = False
    cause: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
    diagnosis: str = ""
    cooldown_key: str = ""
    owner: str = ""
    event: str = ""
    of_act: bool = False
    metrics: tuple[str, ...] = ()
    message: str = ""


def short_name(name: str) -> str:
    """One that is too long ends with the digest of all of it, so that names which differ stay different."""
    if len(name) <= LONGEST_NAME:
        return name
    tail = f":{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return name[: LONGEST_NAME - len(tail)] + tail


def with_short_names(alert: Alert) -> Alert:
    names = {name: getattr(alert, name) for name in ("key", "scope", "event", "owner", "cooldown_key")}
    cut = {name: short_name(text) for name, text in names.items() if len(text) > LONGEST_NAME}
    return msgspec.structs.replace(alert, **cut) if cut else alert
