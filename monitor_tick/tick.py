"""One tick: load, observe, judge, plan, commit, perform, commit, report."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from monitor_loop.errors import MonitorError
from monitor_loop.session import Session
from monitor_tick import effects, probes
from monitor_tick.budget import Budget
from monitor_tick.checks import judge_all
from monitor_tick.judging.cooldown import cooling_of
from monitor_tick.judging.refusals import refusal_of
from monitor_tick.phase import node_record_of
from monitor_tick.plan import plan_of
from monitor_tick.probes.disk import save_cache
from monitor_tick.recall import history_line, sections_of
from monitor_tick.recorded import archive
from monitor_tick.reflect import noted, reflect
from monitor_tick.report import Report, report_of
from monitor_tick.rules import Rules
from monitor_tick.state import store
from monitor_tick.view import view_of


def tick(session: Session, rules: Rules, now: datetime, *, proc: Path, dry_run: bool = False) -> Report:
    """Look at the node once. A dry run writes nothing and does nothing, and reports the same judgement.

    Raises MonitorError where the session must not be touched (checks.md 0.4 and 0.5), before anything is written.
    """
    started = time.monotonic()
    budget = Budget(started + rules.limits.tick_budget_seconds)
    memory = store.load(session, now, finish=not dry_run)
    seen = probes.observe(session, memory, rules, now, proc, budget=budget)
    if refusal := refusal_of(session, seen.facts, rules.limits):
        raise MonitorError(refusal)
    view = view_of(session, seen.facts, memory, rules)
    verdicts = judge_all(view)
    verdicts = (*verdicts, reflect(view, verdicts))
    cooling = cooling_of(memory, rules.limits, now)
    plan = plan_of(verdicts, early=view.phase.early, cooling=cooling)
    if not dry_run:
        node = node_record_of(seen.facts, memory, view.phase)
        body = None if view.phase.early else seen.scrape_body
        memory = store.commit_judgement(
            session, memory, sections_of(view, verdicts), scrape_body=body, node=node, now=now
        )
        save_cache(session, seen.trees)
        verdicts = noted(verdicts, "" if view.phase.early else archive.write(view, verdicts, plan.filings))
        outcomes = effects.perform(plan.effects, view, proc, budget)
        store.commit_outcomes(session, memory, effects.learned(outcomes, view), node=node)
        verdicts = effects.told(verdicts, outcomes, view)
        plan = plan_of(verdicts, early=view.phase.early, cooling=cooling)
    report = report_of(view, verdicts, plan, dry_run=dry_run)
    if not dry_run:
        line = history_line(view, verdicts, report, time.monotonic() - started)
        store.append_history(session, line, days=rules.limits.history_days)
    return report
