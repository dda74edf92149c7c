"""Amounts as the report prints them. GB is 2^30 bytes, MB 2^20; what is unknown is `?`."""

from __future__ import annotations

from datetime import timedelta

_GIB = 2**30
_MIB = 2**20
_MB_PER_GB = 1024


def gb_of_mb(mb: float) -> str:
    """A number of GB with one digit, without its unit."""
    return f"{mb / _MB_PER_GB:.1f}"


def gb_of_bytes(count: float) -> str:
    """A number of GB with one digit, without its unit."""
    return f"{count / _GIB:.1f}"


def size(count: int) -> str:
    return f"{gb_of_bytes(count)}GB" if count >= _GIB else f"{count / _MIB:.0f}MB"


def counted(count: int, noun: str) -> str:
    """1 item, 2 items."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def percent(value: float) -> str:
    """One digit, but only where it says something: 41, 85.2. So a value above a whole limit never looks like it."""
    return f"{value:.1f}".removesuffix(".0")


def minutes(span: timedelta | None) -> str:
    return "?" if span is None else f"{int(span.total_seconds() // 60)}m"


def hours_and_minutes(span: timedelta) -> str:
    """1h12m; below an hour 12m. A started minute counts."""
    hours, rest = divmod(-(-span.total_seconds() // 60), 60)
    return f"{hours:.0f}h{rest:02.0f}m" if hours else f"{rest:.0f}m"


def deadline(span: timedelta) -> str:
    """Whole hours from two on (4h), else minutes (15m, 60m)."""
    hours, rest = divmod(span, timedelta(hours=1))
    return f"{hours}h" if hours > 1 and not rest else minutes(span)


def known(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
