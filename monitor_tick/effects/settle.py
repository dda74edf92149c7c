"""Acts that a tick began and did not see the end of: what must be whole is finished, the rest is judged anew."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from monitor_loop import actionlog, nodeconfig, quarantine
from monitor_loop.building import build
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import Session
from monitor_loop.wipe import wiping
from monitor_tick.memory import Interrupted


def settle(session: Session, proc: Path) -> tuple[Interrupted, ...]:
    """Each open intent, with what was finished of it. It stays open until the judgement that knows of it is committed:
    a tick that dies before finds it again, and what is finished already stays so.

    Whoever calls holds the lock: no other tick can be in the middle of the act.
    """
    intents = actionlog.open_intents(actionlog.recent(session.data))
    return tuple(_settle(session, intent, proc) for intent in intents)


def abandon(session: Session, interrupted: Sequence[Interrupted], now: datetime) -> None:
    """Their intents get no other ending; where the disk refuses, the next load finds them once more."""
    for each in interrupted:
        with contextlib.suppress(MonitorError, OSError):
            why = f"the tick died; {each.words}"
            actionlog.abandon(session.data, actionlog.Abandoned(id=each.intent, at=now, why=why))


def _settle(session: Session, intent: actionlog.Intent, proc: Path) -> Interrupted:
    words, unquarantined = _quarantine(session, intent)
    words += _build_sha(session, intent)
    wiped_at = None
    try:
        finished, wiped_at = _wipe(session, intent, proc)
        words += finished
    except (MonitorError, OSError) as fault:
        words.append(f"the wipe is not finished: {plain(fault)}")
    why = "; ".join(words) or "nothing had to be finished"
    return Interrupted(
        act=intent.act, at=intent.at, words=why, wiped_at=wiped_at, unquarantined=unquarantined, intent=intent.id
    )


def _quarantine(session: Session, intent: actionlog.Intent) -> tuple[list[str], str]:
    """In words, and the commit that is not quarantined for all that."""
    if not intent.quarantines:
        return [], ""
    try:
        reason = quarantine.by_act(intent.id, intent.why)
        quarantine.append(str(session.data.quarantine), intent.quarantines, reason)
    except OSError as fault:
        return [f"not quarantined: {fault}"], intent.quarantines
    return [f"quarantined {intent.quarantines[:8]}"], ""


def _build_sha(session: Session, intent: actionlog.Intent) -> list[str]:
    """The file follows the binary: whichever of the two builds is at the launch path."""
    if not intent.installs or not build.is_installed(session, intent.installs):
        return []
    try:
        build.note(session, intent.installs)
    except OSError as fault:  # the running node names its commit itself
        return [f"build_sha does not name {intent.installs[:8]}: {fault.strerror}"]
    return [f"build_sha names {intent.installs[:8]}"]


def _wipe(session: Session, intent: actionlog.Intent, proc: Path) -> tuple[list[str], datetime | None]:
    """Finish the moves. Whether the data was put aside is told by the directory that this wipe made, by its name: how
    old it seems hangs on a clock that may have been set meanwhile."""
    if intent.act != "wipe":
        return [], None
    config = nodeconfig.read_node_config(session.config_file, session.repo)
    words = [f"{wiped.directory.name} holds the data now" for wiped in wiping.finish_wipe(config, proc)]
    return words, intent.at if wiping.is_done(config, intent.at) else None
