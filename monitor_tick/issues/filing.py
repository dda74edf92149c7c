"""The filing of one tick: what is queued goes to the tracker, each step saved as it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from monitor_loop.session import Session
from monitor_tick.budget import Budget
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.ledger import Ledger
from monitor_tick.issues.told import Drained
from monitor_tick.memory import Memory
from monitor_tick.rules import Limits
from monitor_tick.state import store


def queue(ledger: Ledger, findings: Sequence[Finding], session: Session, now: datetime, limits: Limits) -> Ledger:
    """`ledger` with these findings in its outbox; merged with those that wait already."""
    if not findings:
        return ledger
    from monitor_tick.issues import outbox  # a quiet tick has nothing to queue

    new_incident = _incidents(session, ledger, now)
    return outbox.queue(ledger, findings, now, new_incident, umbrella_from=limits.umbrella_from)


def with_act(ledger: Ledger, at: datetime, words: str) -> Ledger:
    """`ledger` in which the findings of the tick of `at` say what was done to the node."""
    from monitor_tick.issues import outbox

    return outbox.with_act(ledger, at, words)


def file(  # noqa: PLR0913  (all that filing depends on)
    session: Session, memory: Memory, now: datetime, limits: Limits, budget: Budget, *, elapsed: float = 0.0
) -> Drained:
    """Send what waits, and keep when each key was filed for the cooldown of the next ticks.

    `elapsed` are the seconds since `now`: a write is looked for in the tracker from the time it was sent.
    """
    drained = send(session, memory, now + timedelta(seconds=int(elapsed)), limits, budget)
    if drained.ledger != memory.issues:
        _save_cooldowns(session, memory, drained.ledger)
    return drained


def send(session: Session, memory: Memory, now: datetime, limits: Limits, budget: Budget) -> Drained:
    """Send what waits, within `budget`, and leave the session as it is. Nothing waiting costs no call.

    A defect here costs no report: what was not sent waits, and the line says why.
    """
    ledger = memory.issues
    if not ledger.outbox:
        return Drained(ledger=ledger)
    saved = [ledger]

    def save(moved: Ledger) -> None:
        store.save_ledger(session, moved)
        saved.append(moved)

    try:
        return _drained(session, memory, now, limits, budget, save)
    except Exception as fault:
        why = f"filing failed: {type(fault).__name__}: {fault}".splitlines()[0][:200]
        return Drained(ledger=saved[-1], queued=len(saved[-1].outbox), why=why)


def _drained(  # noqa: PLR0913, PLR0917  (all that filing depends on)
    session: Session, memory: Memory, now: datetime, limits: Limits, budget: Budget, save: Callable[[Ledger], None]
) -> Drained:
    from monitor_tick.investigation.investigate import investigate
    from monitor_tick.issues.drain import drain
    from monitor_tick.issues.secrets import environment_secrets
    from monitor_tick.issues.trackers import tracker_of

    return drain(
        memory.issues,
        tracker_of(session, now),
        investigate=lambda finding, seconds: investigate(finding, session, seconds=seconds),
        save=save,
        now=now,
        budget=budget,
        limits=limits,
        operator=session.operator,
        contains=_contains(session),
        secrets=environment_secrets(),
    )


def _contains(session: Session) -> Callable[[str, str], bool | None]:
    """Whether a build has a commit in its history, as the checkout tells; None where it cannot."""
    from monitor_loop.git.repository import Repository

    repository = Repository(session.repo, session.git)
    if session.is_embedded or not session.git:
        return lambda _build, _commit: None
    return lambda build, commit: repository.is_ancestor(commit, build) if build and commit else None


def _save_cooldowns(session: Session, memory: Memory, ledger: Ledger) -> None:
    from monitor_tick.issues.drain import cooldowns_of

    cooldowns = cooldowns_of(ledger, memory.cooldowns)
    if cooldowns != memory.cooldowns:
        store.save_cooldowns(session, cooldowns)


def _incidents(session: Session, ledger: Ledger, now: datetime) -> Callable[[], str]:
    """Names that no other tick of this data root makes, and the same ones when a tick is run over again."""
    taken = {entry.incident for entry in ledger.outbox} | {filed.incident for filed in ledger.filed}

    def names() -> Iterator[str]:
        number = 0
        while True:
            text = f"{session.data.path}|{session.id}|{now.isoformat()}|{number}"
            name = hashlib.sha256(text.encode()).hexdigest()[:12]
            number += 1
            if name not in taken:
                yield name

    following = names()
    return lambda: next(following)
