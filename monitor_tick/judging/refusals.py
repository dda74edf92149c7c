"""When a tick must not touch a session at all: the two refusals of section 0, as words for the operator. Pure."""

from __future__ import annotations

from monitor_loop.session import Session
from monitor_tick.facts import Directories, Facts
from monitor_tick.rules import Limits

_HOUR = 3600


def refusal_of(session: Session, facts: Facts, limits: Limits) -> str | None:
    """Why nothing may be done for this session, or None. The two reasons exclude each other."""
    seen, dead = facts.directories, facts.is_dead
    return absent(session.id, seen, dead=dead, limits=limits) or long_stale(session.id, seen, dead=dead, limits=limits)


def absent(session_id: str, directories: Directories, *, dead: bool, limits: Limits) -> str | None:
    """The session directory is gone, nothing runs, and nobody has started it lately: create nothing."""
    stale = env_stale(directories.env_age_seconds, limits)
    if directories.session or not dead or stale is None:
        return None
    return f"ERROR: session {session_id} absent, no process, {stale}. Run /monitor-loop."


def env_stale(age_seconds: float, limits: Limits) -> str | None:
    """Nobody has started this session lately."""
    if age_seconds <= limits.env_stale_seconds:
        return None
    return f"env stale ({_over(age_seconds, limits.env_stale_seconds)})"


def long_stale(session_id: str, directories: Directories, *, dead: bool, limits: Limits) -> str | None:
    """No process, no tick for hours and no start for a day: somebody left it on purpose, so do not revive it."""
    alive_age = directories.alive_age_seconds
    if not directories.session or not dead or directories.env_age_seconds <= limits.env_abandoned_seconds:
        return None
    if alive_age is not None and alive_age <= limits.alive_stale_seconds:
        return None
    mark = "missing" if alive_age is None else f"age {_over(alive_age, limits.alive_stale_seconds)}"
    env = _over(directories.env_age_seconds, limits.env_abandoned_seconds)
    return (
        f"ERROR: session {session_id} long-stale (no process, .alive {mark}, env age {env}). "
        "Refusing auto-relaunch — run /monitor-loop to reset."
    )


def _over(age_seconds: float, limit_seconds: int) -> str:
    return f"{int(age_seconds)}s > {limit_seconds // _HOUR}h"
