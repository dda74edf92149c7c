"""`monitor-tick decide NAME -- ARGS...`: the decisions behind scripts/lib/*.sh. Parse, call, answer.

A function that prints gets its text on stdout and its status; one that sets variables gets items (answers.py).
"""

from __future__ import annotations

import sys

import click

from monitor_loop.errors import MonitorError
from monitor_tick.decide import logs, quarantine, sessions
from monitor_tick.decide.answers import warn


class Decisions(click.Group):
    """A refusal is its line on stderr and status 1, in both ways to answer. `obj` is the time."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (MonitorError, OSError) as refusal:
            text = str(refusal)
            warn(text if text.startswith("ERROR: ") else f"ERROR: {text}")
            sys.exit(1)


decide = Decisions("decide", help="The decisions that scripts/lib/*.sh ask for.")
for command in (*sessions.COMMANDS, *logs.COMMANDS, *quarantine.COMMANDS):
    decide.add_command(command)
