"""The one expected way for a command to end early."""

from __future__ import annotations


class MonitorError(Exception):
    """An expected refusal: one line for the operator that says what is wrong and what to do. Exit status 1."""

    @property
    def marked(self) -> str:
        """The line as a command prints it."""
        text = str(self)
        return text if text.startswith(("ERROR: ", "ABORT: ")) else f"ERROR: {text}"


class LockHeld(MonitorError):
    """Another start, stop or tick holds the lock; the message names its pid, command and age."""


def plain(error: Exception) -> str:
    """The line without its mark, for a report or a sentence that it becomes a part of."""
    return str(error).removeprefix("ERROR: ")
