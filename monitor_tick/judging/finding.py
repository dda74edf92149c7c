"""A breach inside one check: the words for the report line and the alert for the issue."""

from __future__ import annotations

import msgspec

from monitor_tick.alert import Alert
from monitor_tick.verdict import Level


class Finding(msgspec.Struct, frozen=True):
    line: str
    alert: Alert
    level: Level = Level.WARNING
