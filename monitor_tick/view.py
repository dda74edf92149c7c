"""Everything a check may look at."""

from __future__ import annotations

import msgspec

from monitor_loop.session import Session
from monitor_tick.facts import Facts
from monitor_tick.memory import Memory
from monitor_tick.phase import Phase, Standing
from monitor_tick.rules import Rules


class View(msgspec.Struct, frozen=True):
    session: Session
    facts: Facts
    memory: Memory
    standing: Standing
    phase: Phase
    rules: Rules
