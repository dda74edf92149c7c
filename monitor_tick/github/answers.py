"""What gh prints, as typed values; an answer of another shape is a TrackerError. Pure."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from monitor_tick.issues.tracker import Cause, TrackerError

_T = TypeVar("_T")


def read_answer(out: str, of: type[_T]) -> _T:
    """The answer to a call that only read; of another shape it is worth nothing, and nothing has happened."""
    return _parsed(out, of, Cause.REFUSED)


def written_answer(out: str, of: type[_T]) -> _T:
    """The answer to a call that wrote; whatever its shape, the write may have happened."""
    return _parsed(out, of, Cause.UNCERTAIN)


def _parsed(out: str, of: type[_T], cause: Cause) -> _T:
    try:
        return msgspec.json.decode(out, type=of)
    except msgspec.DecodeError as error:
        raise TrackerError(cause, f"gh printed something else than it should: {error}") from None
