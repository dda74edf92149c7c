"""Which finding explains which: what is owned is shown in its owner's issue and not filed alone. Pure.

One lagging node, one crash, one full disk are one issue each, whatever else they make fire in the same tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from monitor_tick.alert import Alert, Tier

Explains = Callable[[Alert, Alert], bool]


class Owner(msgspec.Struct, frozen=True):
    """Alerts whose key begins with `key` explain those whose key begins with one of `owned`, where `when` holds."""

    key: str
    owned: tuple[str, ...]
    when: Explains = lambda _owner, _owned: True


def _same_run(death: Alert, line: Alert) -> bool:
    """Lines of the run that ended. A death that the process table shows has no run of its own in its evidence."""
    run = dict(death.evidence).get("run")
    return run is None or dict(line.evidence).get("run") == run


def _is_about_sync(_owner: Alert, metric: Alert) -> bool:
    return metric.tier is Tier.SYNC


OWNERS: tuple[Owner, ...] = (
    Owner("deploy:regression", ("process:", "sync:", "log:", "rpc:", "metric:", "ratio:", "memory:", "radar:")),
    Owner("offline:", ("process:death", "process:wedge")),
    Owner("wipe:state", ("process:", "log:", "sync:")),
    Owner("wipe:out-of-band", ("process:death", "disk:growth")),
    Owner("process:wedge", ("process:death", "rpc:down", "sync:")),
    Owner("process:wedge", ("log:",), _same_run),
    Owner("process:death", ("log:",), _same_run),
    Owner("memory:critical", ("memory:", "metric:henyey_jemalloc_fragmentation_pct")),
    Owner("memory:leak", ("memory:high",)),
    Owner("memory:fragmentation", ("metric:henyey_jemalloc_fragmentation_pct",)),
    Owner("disk:critical", ("disk:",)),
    Owner("disk:low", ("disk:session", "disk:growth")),
    Owner("sync:failure", ("metric:",), _is_about_sync),
    Owner("sync:failure", ("rpc:unhealthy", "radar:", "log:lost-sync")),
    Owner("metric:stellar_herder_lost_sync_total", ("log:lost-sync",)),
)
"""The strongest owner first: an alert that two could explain goes to the first, and no arrow leads back up."""


LINES = "log:"
"""Lines of the log name their owner themselves, in their row; they own nothing, so no circle can come of it."""


def owners_of(alert: Alert, firing: Sequence[Alert]) -> tuple[Alert, ...]:
    """The alerts of this tick that explain `alert`, themselves or through another, each after those that explain it."""
    found: dict[Alert, None] = {}

    def climb(current: Alert, below: frozenset[str]) -> None:
        for above in _above(current, firing):
            if above.key not in below:
                climb(above, below | {above.key})
                found.setdefault(above)

    climb(alert, frozenset({alert.key}))
    return tuple(found)


def _above(alert: Alert, firing: Sequence[Alert]) -> Iterator[Alert]:
    """The strongest first."""
    for row in OWNERS:
        if alert.key.startswith(row.owned) and not alert.key.startswith(row.key):
            yield from (owner for owner in firing if owner.key.startswith(row.key) and row.when(owner, alert))
    if alert.key.startswith(LINES):
        yield from (owner for owner in firing if owner.key == alert.owner and owner.key != alert.key)
