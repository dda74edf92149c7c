"""The counters of the ratio checks, each read by a selector of its own from one scrape. Pure."""

from __future__ import annotations

import math

import msgspec

from monitor_tick.memory import RatioCounters
from monitor_tick.metrics import Scrape, Series

POST_VERIFY = "henyey_scp_post_verify_total"
REASONS = (
    "invalid_sig",
    "panic",
    "drift_range",
    "drift_close_time",
    "drift_cannot_receive",
    "self_message",
    "non_quorum",
    "buffered",
    "duplicate",
    "too_far",
    "buffer_full",
    "processed_directly",
    "per_slot_full",
    "accepted",
)
"""All outcomes of verification, as the user lists them. The node registers each at its start (node contract 4.1)."""

APPLY_SUCCESS: Series = ("stellar_ledger_apply_success_total", ())
APPLY_FAILURE: Series = ("stellar_ledger_apply_failure_total", ())
PENDING_TOO_OLD: Series = ("stellar_herder_pending_too_old_total", ())
PENDING_RECEIVED: Series = ("stellar_herder_pending_received_total", ())
AGE: Series = ("stellar_ledger_age_current_seconds", ())

MISSING_COUNTERS = "missing counters"
LABEL_MISMATCH = "label set mismatch"


class Unread(msgspec.Struct, frozen=True):
    """Why the counters could not be read: the report's word, and the series behind it."""

    reason: str
    series: tuple[str, ...] = ()


def counters_of(scrape: Scrape) -> RatioCounters | Unread:
    """All of them, or why not. Only the pending pair may be missing without harm to the others."""
    missing = [shown(series) for series in (APPLY_SUCCESS, APPLY_FAILURE) if _read(series, scrape) is None]
    if missing:
        return Unread(MISSING_COUNTERS, tuple(missing))
    outcomes = {reason: _read(_outcome(reason), scrape) for reason in REASONS}
    absent = [shown(_outcome(reason)) for reason in REASONS if _outcome(reason) not in scrape.samples]
    if absent or unknown_of(scrape):
        return Unread(LABEL_MISMATCH, tuple(absent))
    unreadable = [shown(_outcome(reason)) for reason, value in outcomes.items() if value is None]
    if unreadable:
        return Unread(MISSING_COUNTERS, tuple(unreadable))
    too_old, received = _read(PENDING_TOO_OLD, scrape), _read(PENDING_RECEIVED, scrape)
    known = too_old is not None and received is not None
    return RatioCounters(
        apply_success=_read(APPLY_SUCCESS, scrape) or 0.0,
        apply_failure=_read(APPLY_FAILURE, scrape) or 0.0,
        pv_accepted=outcomes["accepted"] or 0.0,
        pv_processed_directly=outcomes["processed_directly"] or 0.0,
        pv_total_sum=sum(value or 0.0 for value in outcomes.values()),
        pending_too_old=too_old if known else None,
        pending_received=received if known else None,
    )


def unknown_of(scrape: Scrape) -> tuple[str, ...]:
    """Series of the outcome counter beyond the 14, which the user wants skipped and this tool names."""
    known = {_outcome(reason) for reason in REASONS}
    printed = ((POST_VERIFY, labels) for labels in scrape.labels_by_name.get(POST_VERIFY, ()))
    return tuple(shown(series) for series in printed if series not in known)


def age_of(scrape: Scrape) -> float | None:
    return _read(AGE, scrape)


def shown(series: Series) -> str:
    name, labels = series
    pairs = ",".join(f'{key}="{_plain(value)}"' for key, value in labels)
    return f"{name}{{{pairs}}}" if pairs else name


def _plain(value: str) -> str:
    """A label's value comes from outside: one line of ASCII, and not much of it, may stand in a report."""
    return ascii(value)[1:-1][:100]


def _outcome(reason: str) -> Series:
    return (POST_VERIFY, (("reason", reason),))


def _read(series: Series, scrape: Scrape) -> float | None:
    """None where it is missing or no counter's value."""
    value = scrape.samples.get(series)
    return value if value is not None and 0 <= value < math.inf else None
