"""The first, pure judgement of a tick: which findings need a second look before they count."""

from __future__ import annotations

import msgspec

from monitor_tick.checks import mem, sync
from monitor_tick.healing.alive import may_be_wedged
from monitor_tick.judging.alarms import gauges_to_confirm
from monitor_tick.view import View


class Confirmation(msgspec.Struct, frozen=True):
    """What the shared confirm window has to collect; nothing of it costs no time."""

    info: bool
    memory: bool
    gauges: tuple[str, ...]

    @property
    def needed(self) -> bool:
        return self.info or self.memory or bool(self.gauges)


def what_to_confirm(view: View) -> Confirmation:
    return Confirmation(
        info=sync.needs_second_info(view) or may_be_wedged(view),
        memory=mem.needs_second_memory(view),
        gauges=gauges_to_confirm(view),
    )
