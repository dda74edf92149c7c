"""The one expected way for a command to end early."""

from __future__ import annotations


class MonitorError(Exception):
    """An expected refusal: one line for the operator that says what is wrong and what to do. Exit status 1."""


class LockHeld(MonitorError):
    """Another start, stop or tick holds the lock; the message names its pid, command and age."""
