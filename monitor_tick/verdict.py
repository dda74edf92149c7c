"""What a check says: a line, a level, the alerts it raises, and what it wants done. Values only."""

from __future__ import annotations

import enum

import msgspec

from monitor_tick.actions import Effect, NodeAction
from monitor_tick.alert import Alert
from monitor_tick.memory import Section


class Level(enum.IntEnum):
    """The tick's status; the highest of all verdicts wins."""

    OK = 0
    WARNING = 1
    ACTION = 2
    OFFLINE = 3


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Why one alarm fired or did not: what `explain` answers from, and what replay compares.

    `alarm` is the row's name, `ratio:<check>`, or the key of 12b. `state` is the word for what came of it (fired,
    quiet, breach, warm-up, low volume, no such series, new baseline, skipped, ...), `reason` the clause that decided.
    `value` was compared with `threshold`, None where nothing was; `inputs` are (name, value) pairs as read.
    """

    alarm: str
    state: str
    reason: str = ""
    value: float | None = None
    threshold: float | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    version: int = 1


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One check's judgement.

    `lines` are the report lines after the label (the first carries it; `mem:` has two). `remember` holds the
    sections of state that this check owns, as they are to be after this tick. `watch` are "key=value" words for
    tick history and `words` the actions it names there; `reflections` are faults of the monitor itself. `offline` is
    why a node that is down is left so for good, for node.json. `considered` are acts with their preconditions, also
    those that one of them forbids; the plan takes `wants` only. `tells_of` are beginnings of the keys of other checks'
    alerts whose issues this line names too. `would` takes the place of the first line in a dry run, where that claims
    an act.
    """

    label: str
    lines: tuple[str, ...]
    level: Level = Level.OK
    alerts: tuple[Alert, ...] = ()
    wants: NodeAction | None = None
    effects: tuple[Effect, ...] = ()
    remember: tuple[Section, ...] = ()
    watch: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    reflections: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    offline: str = ""
    considered: tuple[NodeAction, ...] = ()
    tells_of: tuple[str, ...] = ()
    would: str = ""
