"""The alarm that an operator means: filing keys and check names beside the name that a record has. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from monitor_tick.rules import Rules

NEAR = 5
"""How many names an answer offers; all of a catalog helps nobody."""


def alarm_named(text: str, rules: Rules) -> str:
    """`metric:<name>` is the row <name>, `scp` is `ratio:scp`, `12b` and `recovery_stalled` the series of 12b."""
    name = text.removeprefix("metric:")
    if name in {"12b", "recovery_stalled"}:
        return rules.recovery.key
    return f"ratio:{name}" if name in {row.name for row in rules.ratios} else name


def keeps_streak(alarm: str, rules: Rules) -> bool:
    """Whether it is a ratio or 12b, which are no rows of the alarm file."""
    return alarm == rules.recovery.key or alarm in {f"ratio:{row.name}" for row in rules.ratios}


def near_names(alarm: str, names: Iterable[str]) -> str:
    """What to answer to an unknown name."""
    known = list(names)
    near = difflib.get_close_matches(alarm, known, n=NEAR, cutoff=0.4) or [name for name in known if alarm in name]
    return f"did you mean {', '.join(near[:NEAR])}?" if near else "shared/metric-alarms.toml lists the names"
