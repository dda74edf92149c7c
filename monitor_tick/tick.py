"""One tick: load, observe, judge, plan, commit, perform, commit, file, report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from monitor_loop import ballast
from monitor_loop.errors import MonitorError
from monitor_loop.session import Session
from monitor_tick import effects, probes
from monitor_tick.actions import Acted
from monitor_tick.budget import Budget
from monitor_tick.checks import judge_all
from monitor_tick.effects import aftermath
from monitor_tick.facts import Facts
from monitor_tick.healing import record
from monitor_tick.healing.trial import REGRESSION
from monitor_tick.issues import filing
from monitor_tick.issues.findings import findings_of, refused_finding
from monitor_tick.issues.ledger import Ledger
from monitor_tick.issues.told import Drained
from monitor_tick.judging.cooldown import cooling_of
from monitor_tick.judging.refusals import refusal_of
from monitor_tick.memory import Interrupted, Memory
from monitor_tick.plan import Plan, plan_of, put_off
from monitor_tick.recall import history_line, sections_of, watch_of
from monitor_tick.recorded import archive
from monitor_tick.reflect import noted, reflect
from monitor_tick.report import Report, report_of
from monitor_tick.rules import Limits, Rules
from monitor_tick.state import store
from monitor_tick.state.skipped import append_mark
from monitor_tick.verdict import Verdict
from monitor_tick.view import View, view_of


def tick(session: Session, rules: Rules, now: datetime, *, proc: Path, dry_run: bool = False) -> Report:
    """Look at the node once. A dry run writes nothing and does nothing, and reports the same judgement.

    Raises MonitorError where the session must not be touched; of that only the issue is filed.
    """
    started = time.monotonic()
    budget = Budget(started + rules.limits.tick_budget_seconds)
    memory = store.load(session, now, finish=not dry_run)
    if not dry_run:
        ballast.keep(session.data)
        memory = msgspec.structs.replace(memory, interrupted=_interrupted(session, proc))
    seen = probes.observe(session, memory, rules, now, proc, budget=budget, dry_run=dry_run)
    if refusal := refusal_of(session, seen.facts, rules.limits):
        if not dry_run:
            append_mark(str(session.directory), now, "REFUSED", refusal)
            _file_refusal(session, memory, seen.facts, rules.limits, refusal, budget=budget)
        raise MonitorError(refusal)
    view = view_of(session, seen.facts, memory, rules)
    verdicts = judge_all(view)
    verdicts = put_off((*verdicts, reflect(view, verdicts)), early=view.phase.early)
    plan = _plan(view, verdicts, memory.issues)
    if dry_run:
        return report_of(view, verdicts, plan, Drained(ledger=memory.issues), dry_run=True)
    verdicts, plan, drained = _carry_out(seen, view, verdicts, plan, proc, budget)
    report = report_of(view, verdicts, plan, drained, dry_run=False)
    line = history_line(view, verdicts, report, time.monotonic() - started)
    store.append_history(session, line, days=rules.limits.history_days)
    return report


def _plan(view: View, verdicts: Sequence[Verdict], ledger: Ledger) -> Plan:
    cooling = cooling_of(view.memory, view.rules.limits, view.facts.at)
    return plan_of(verdicts, early=view.phase.early, cooling=cooling, ledger=ledger)


def _carry_out(  # noqa: PLR0913, PLR0917  (what was seen, what follows from it, and how long it may take)
    seen: probes.Seen, view: View, verdicts: tuple[Verdict, ...], plan: Plan, proc: Path, budget: Budget
) -> tuple[tuple[Verdict, ...], Plan, Drained]:
    """Commit what is known, act, commit what came of it, file; the verdicts and the plan with what that added."""
    session, now, limits = view.session, view.facts.at, view.rules.limits
    archived = archive.name_of(view)
    memory = _commit_judgement(seen, view, verdicts, plan, archived)
    verdicts = noted(verdicts, "" if view.phase.early else archive.write(view, verdicts, plan.filings))
    acting = time.monotonic()
    verdicts, memory, acted = _act(plan, view, verdicts, memory, proc)
    if acted is not None and not acted.began:  # no issue tells of an act that was not done
        unqueued = view.memory.issues
        plan = _plan(view, verdicts, unqueued)
        memory = _queued(view, msgspec.structs.replace(memory, issues=unqueued), plan, verdicts, archived)
    outcomes = effects.perform(plan.effects, view, proc, budget)
    verdicts = aftermath.told(verdicts, outcomes, view)
    added = _added_to(plan, _plan(view, verdicts, memory.issues))
    memory = _queued(view, memory, added, verdicts, archived)
    node = record.after_effects(memory.node, outcomes)
    memory = store.commit_outcomes(session, memory, aftermath.learned(outcomes, view), node=node)
    plan = msgspec.structs.replace(plan, filings=(*plan.filings, *added.filings))
    left, elapsed = _for_filing(budget, limits), time.monotonic() - acting
    drained = filing.file(session, memory, now, limits, left, elapsed=elapsed)
    _refer(session, drained)
    return verdicts, plan, drained


def _commit_judgement(
    seen: probes.Seen, view: View, verdicts: tuple[Verdict, ...], plan: Plan, archived: str
) -> Memory:
    session, now = view.session, view.facts.at
    memory = _queued(view, view.memory, plan, verdicts, archived)
    memory = store.commit_judgement(
        session,
        memory,
        sections_of(view, verdicts),
        scrape_body=None if view.phase.early else seen.scrape_body,
        node=record.before_acting(view, verdicts, plan.node),
        now=now,
    )
    _abandon(session, memory, now)
    probes.save_caches(session, seen)
    return memory


def _interrupted(session: Session, proc: Path) -> tuple[Interrupted, ...]:
    if not session.data.actions.exists():
        return ()
    from monitor_tick.effects.settle import settle  # only where the node was ever acted on

    return settle(session, proc)


def _abandon(session: Session, memory: Memory, now: datetime) -> None:
    if memory.interrupted:
        from monitor_tick.effects.settle import abandon

        abandon(session, memory.interrupted, now)


def _act(
    plan: Plan, view: View, verdicts: Sequence[Verdict], memory: Memory, proc: Path
) -> tuple[tuple[Verdict, ...], Memory, Acted | None]:
    """Do what is to be done to the node, commit what that changed, and only then conclude its intent.

    A tick that dies in between leaves an act that the next one settles, never one that nobody remembers.
    """
    if plan.node is None:
        return tuple(verdicts), memory, None
    from monitor_tick.effects.node import act, conclude  # most ticks leave the node alone

    session, now = view.session, view.facts.at
    acted = act(plan.node, view, proc)
    if acted.began:
        node = record.after_acting(memory.node, acted, view.rules.limits, now)
        memory = msgspec.structs.replace(memory, issues=filing.with_act(memory.issues, now, acted.line))
        memory = store.commit_outcomes(session, _after_act(memory, acted), (), node=node)
        if fault := conclude(acted, session, now):
            acted = msgspec.structs.replace(acted, line=f"{acted.line}; {fault}")
    return aftermath.acted_told(verdicts, acted), memory, acted


def _refer(session: Session, drained: Drained) -> None:
    """Who reads the quarantine finds the issue. An entry that cannot be changed blocks as well as before."""
    told = [each for each in drained.told if each.key == REGRESSION and each.number]
    if not told:
        return
    from monitor_loop import quarantine  # a deploy hardly ever regresses

    for each in told:
        with contextlib.suppress(OSError):
            quarantine.refer(str(session.data.quarantine), each.scope, f"regression #{each.number}")


def _after_act(memory: Memory, acted: Acted) -> Memory:
    """Where the node begins anew on an empty directory, no ledger of before can be the one it is stuck at."""
    if not acted.wiped_to:
        return memory
    state = msgspec.structs.replace(memory.state, sync=None)
    return msgspec.structs.replace(memory, state=state, last_ledger=None)


def _for_filing(budget: Budget, limits: Limits) -> Budget:
    """Acting on the node has deadlines of its own and must not silence the issue about it."""
    return Budget(max(budget.ends, time.monotonic() + limits.filing_least_seconds))


def _queued(view: View, memory: Memory, plan: Plan, verdicts: Sequence[Verdict], archived: str) -> Memory:
    """`memory` with this plan's findings in the outbox, to be committed with the judgement that made them."""
    findings = findings_of(view, plan, archived, watch_of(verdicts))
    ledger = filing.queue(memory.issues, findings, view.session, view.facts.at, view.rules.limits)
    return msgspec.structs.replace(memory, issues=ledger)


def _added_to(before: Plan, after: Plan) -> Plan:
    """`after` with only those filings that acting added: the others are queued already."""
    known = {(filing.alert.key, filing.alert.scope) for filing in before.filings}
    added = tuple(filing for filing in after.filings if (filing.alert.key, filing.alert.scope) not in known)
    return msgspec.structs.replace(after, filings=added)


def _file_refusal(  # noqa: PLR0913  (there is no view to carry them)
    session: Session, memory: Memory, facts: Facts, limits: Limits, refusal: str, *, budget: Budget
) -> None:
    """An outage that nobody asked for: one urgent issue a day, from the data root, whatever became of the session."""
    now = facts.at
    finding = refused_finding(session, memory.issues, limits, now, refusal, facts.directories.env_age_seconds)
    if finding is None and not memory.issues.outbox:
        return
    ledger = filing.queue(memory.issues, (finding,) if finding else (), session, now, limits)
    store.save_ledger(session, ledger)
    filing.send(session, msgspec.structs.replace(memory, issues=ledger), now, limits, budget)
