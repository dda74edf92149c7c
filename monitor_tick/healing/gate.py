"""What one gate of check 10 says. A value."""

from __future__ import annotations

import msgspec

from monitor_tick.actions import Effect, NodeAction
from monitor_tick.alert import Alert


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The deploy line, and what follows from it. `red` are the workflows whose failure it tells of.

    `would` is the line of a dry run, empty where `text` claims nothing that this tick does.
    """

    text: str
    would: str = ""
    effect: Effect | None = None
    action: NodeAction | None = None
    alert: Alert | None = None
    considered: tuple[NodeAction, ...] = ()
    red: tuple[str, ...] = ()
