"""Everything a check may look at."""

from __future__ import annotations

import msgspec

from monitor_loop.session import Session
from monitor_tick.facts import Facts
from monitor_tick.memory import Memory
from monitor_tick.phase import Phase, Standing, phase_of, standing_of
from monitor_tick.rules import Rules


class View(msgspec.Struct, frozen=True):
    session: Session
    facts: Facts
    memory: Memory
    standing: Standing
    phase: Phase
    rules: Rules


def view_of(session: Session, facts: Facts, memory: Memory, rules: Rules) -> View:
    standing = standing_of(facts, rules.limits)
    return View(session, facts, memory, standing, phase_of(session, facts, memory, standing, rules.limits), rules)
