"""Check 4's grave part: is memory so short, on two looks, that the node has to be restarted. Pure."""

from __future__ import annotations

import enum
from datetime import timedelta

import msgspec

from monitor_loop.acts import Precondition
from monitor_tick.actions import Act, NodeAction, StopBuild
from monitor_tick.facts import BuildPhase, HostMemory, Missing, ProcessMemory
from monitor_tick.judging import amounts
from monitor_tick.view import View

_MB_PER_GB = 1024


class Pressure(enum.Enum):
    RSS = "rss"
    AVAILABLE = "available"

    def text(self, view: View) -> str:
        limits = view.rules.limits
        if self is Pressure.RSS:
            return f"RSS {_gb(_rss_mb(view.facts.process_memory))} GB > {limits.rss_critical_gb} GB"
        return f"available {_gb(_available_mb(view.facts.host_memory))} GB < {limits.available_critical_gb} GB"


class Restart(msgspec.Struct, frozen=True):
    """What follows from critical memory: the restart, or no action and the reason in `text`. A build goes first."""

    pressures: tuple[Pressure, ...]
    action: NodeAction | None
    text: str
    stops: StopBuild | None = None


def needs_second_memory(view: View) -> bool:
    return not isinstance(view.facts.process, Missing) and bool(_first(view))


def critical(view: View) -> tuple[Pressure, ...]:
    """What was over its limit on both looks; nothing before the second one."""
    second = view.facts.second
    if second is None:
        return ()
    again = _pressures(view, second.process_memory, second.host_memory)
    return tuple(pressure for pressure in _first(view) if pressure in again)


def may_restart(view: View) -> Restart | None:
    """None unless memory is critical. A node that recovers is only touched when it is about to be killed anyway."""
    pressures = critical(view)
    if not pressures:
        return None
    why = ", ".join(pressure.text(view) for pressure in pressures)
    job = view.facts.job
    if job is not None and job.phase is BuildPhase.BUILDING:
        return Restart(pressures, None, f"the build of {job.sha[:8]} is stopped first", StopBuild(f"memory, {why}"))
    held_back = _held_back(view, pressures)
    if held_back:
        return Restart(pressures, None, f"no restart: {held_back}")
    action = NodeAction(
        Act.RESTART, f"memory pressure: {why}, on two looks", cause="memory", preconditions=_preconditions(view, why)
    )
    return Restart(pressures, action, "restart wanted")


def _preconditions(view: View, why: str) -> tuple[Precondition, ...]:
    process, last = view.facts.process, view.memory.node.memory_restart_at
    seen = process.reason if isinstance(process, Missing) else f"pid {process.pid}"
    hours = view.rules.limits.memory_restart_hours
    return (
        Precondition("process", "one of this session", seen, not isinstance(process, Missing)),
        Precondition("memory", "critical on two looks", why, holds=True),
        Precondition(
            "restart for memory before",
            f"none within {hours}h",
            f"{last:%Y-%m-%dT%H:%M:%SZ}" if last else "none",
            not _lately(view),
        ),
    )


def _lately(view: View) -> bool:
    """By what the record of the node says, or a log that was put aside for it."""
    again, last = timedelta(hours=view.rules.limits.memory_restart_hours), view.memory.node.memory_restart_at
    rotated = any(each.cause == "memory" and view.facts.at - each.at < again for each in view.facts.rotations)
    return rotated or (last is not None and view.facts.at - last < again)


def _held_back(view: View, pressures: tuple[Pressure, ...]) -> str:
    if Pressure.RSS not in pressures and not _is_largest(view):
        return "the node is not known to be the largest process"
    if _recovers(view) and not _is_last_resort(view):
        return "recovering"
    if _lately(view):
        return f"already restarted for memory within {view.rules.limits.memory_restart_hours}h"
    return ""


def _recovers(view: View) -> bool:
    """Also in the first minutes after a planned restart, which are no crash recovery yet."""
    advanced = view.phase.advanced
    gains = not view.standing.in_real_time and advanced is not None and advanced > 0
    return view.phase.fresh_start or view.phase.crash_recovery or gains


def _first(view: View) -> tuple[Pressure, ...]:
    return _pressures(view, view.facts.process_memory, view.facts.host_memory)


def _pressures(view: View, process_memory: object, host_memory: object) -> tuple[Pressure, ...]:
    limits = view.rules.limits
    rss_mb, available_mb = _rss_mb(process_memory), _available_mb(host_memory)
    found = []
    if rss_mb is not None and rss_mb > limits.rss_critical_gb * _MB_PER_GB:
        found.append(Pressure.RSS)
    if available_mb is not None and available_mb < limits.available_critical_gb * _MB_PER_GB:
        found.append(Pressure.AVAILABLE)
    return tuple(found)


def _is_largest(view: View) -> bool:
    """Certain where the node takes more than half of what is in use: then no other process can take more."""
    rss_mb, host = _rss_mb(view.facts.process_memory), view.facts.host_memory
    return isinstance(host, HostMemory) and rss_mb is not None and 2 * rss_mb > host.total_mb - host.available_mb


def _is_last_resort(view: View) -> bool:
    """So little is left, on both looks, that the kernel is about to choose."""
    second = view.facts.second.host_memory if view.facts.second else None
    looks = (_available_mb(view.facts.host_memory), _available_mb(second))
    limit_mb = view.rules.limits.available_recovery_gb * _MB_PER_GB
    return all(available_mb is not None and available_mb < limit_mb for available_mb in looks)


def _rss_mb(memory: object) -> int | None:
    return memory.rss_mb if isinstance(memory, ProcessMemory) else None


def _available_mb(memory: object) -> int | None:
    return memory.available_mb if isinstance(memory, HostMemory) else None


def _gb(mb: int | None) -> str:
    return "?" if mb is None else amounts.gb_of_mb(mb)
