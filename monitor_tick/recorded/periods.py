"""Stretches of time as an operator types them: `24h`, `7d`, an ISO 8601 time, `1/week`. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import msgspec

from monitor_tick.recorded.record import NoAnswer

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_PERIODS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
}
_match_stretch = re.compile(r"([1-9][0-9]{0,5})([mhdw])").fullmatch
_match_budget = re.compile(r"(0|[1-9][0-9]{0,5})/(hour|day|week|month)").fullmatch


class Budget(msgspec.Struct, frozen=True):
    """So many false alarms are accepted in each period."""

    count: int
    period: timedelta
    text: str

    def over(self, span: timedelta) -> float:
        """How many that is in `span`."""
        return self.count * (span / self.period)


def since_of(text: str, now: datetime) -> datetime:
    """The time that `--since` names. Raises NoAnswer."""
    if found := _match_stretch(text):
        try:
            return now - int(found[1]) * _UNITS[found[2]]
        except OverflowError:
            raise NoAnswer(f"ERROR: --since {text} is before all time - give less, such as 24h") from None
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise NoAnswer(
            f"ERROR: --since {text} is no time - give 90m, 24h, 7d, 2w or a time such as 2026-05-09T03:40:00Z"
        ) from None
    return at.astimezone(timezone.utc) if at.tzinfo else at.replace(tzinfo=timezone.utc)


def budget_of(text: str) -> Budget:
    """The budget that `--budget` names. Raises NoAnswer."""
    found = _match_budget(text)
    if found is None:
        raise NoAnswer(f"ERROR: --budget {text} is no budget - give N/hour, N/day, N/week or N/month, such as 1/week")
    return Budget(int(found[1]), _PERIODS[found[2]], text)


def in_words(span: timedelta) -> str:
    """`5d`, `31h`, `40m`: the largest unit that still says enough."""
    hours = span.total_seconds() / 3600
    if hours >= 72:  # noqa: PLR2004  three days
        return f"{hours / 24:.1f}d"
    return f"{hours:.1f}h" if hours >= 1 else f"{hours * 60:.0f}m"
