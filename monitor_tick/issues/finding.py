"""A finding: an alert with the tick that raised it, which is all that its issue can say later. Values only."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor_tick.alert import Alert

OF_MAIN = ("ci:", "deploy:build")
OF_NO_RUN = ("self:", *OF_MAIN)
"""Beginnings of the keys of findings that are not about a run of the node: nothing that it says is about them."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`owned` are the alerts that this one explains; `beside` are titles of the others that fired in the same tick.

    `build` is the commit that ran (40 hex digits, empty while unknown). `archived` is the name of the archived tick
    that holds the evidence, empty where there is none. `log` are lines of the node's log around the finding, cut and
    without seeds. `phase` is one of "settled", "fresh start", "crash recovery", "restart", "down". `watch` is what
    the history keeps of the tick's sizes, "key=value". `acted` is what the tick did to the node, as its report says it.
    """

    alert: Alert
    at: datetime
    session_id: str
    mode: str
    build: str = ""
    ledger: int | None = None
    uptime_seconds: int | None = None
    interval_seconds: int | None = None
    phase: str = ""
    owned: tuple[Alert, ...] = ()
    beside: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    archived: str = ""
    data_root: str = ""
    watch: tuple[str, ...] = ()
    acted: str = ""
