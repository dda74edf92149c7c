"""node.json as a tick changes it: what is known before acting, and what only the act made true. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from monitor_loop.session import FailedDeploy, Identity, NodeRecord, Process, Restarts, Trial, WipeDone
from monitor_tick.actions import Act, Acted, NodeAction, Outcome, Quarantine
from monitor_tick.facts import NodeInfo, Signal
from monitor_tick.healing import death, recovery, restarts, trial
from monitor_tick.phase import node_record_of
from monitor_tick.rules import Limits
from monitor_tick.verdict import Verdict
from monitor_tick.view import View

COUNTED = (Act.REBUILD, Act.RELAUNCH, Act.WIPE, Act.FALL_BACK, Act.ROLLBACK)
"""Launches after an end that nobody planned. A deploy or a restart for memory says nothing against the node."""


def before_acting(view: View, verdicts: Sequence[Verdict], action: NodeAction | None) -> NodeRecord:
    """The record with what this tick saw; what counts ticks moves on full ticks only."""
    record = node_record_of(view.facts, view.memory, view.phase)
    record = msgspec.structs.replace(
        record,
        deployed_sha=_deployed(view),
        launched=_seen_alive(view),
        recovery=recovery.recovery_of(view),
        wipes=() if _is_cured(view) else record.wipes,
        offline=next((verdict.offline for verdict in verdicts if verdict.offline), record.offline),
    )
    record = _with_interrupted(_without_overtaken_trial(record, view), view)
    if view.standing.in_real_time:
        # The last ledger of a node that was left down is still young for half a minute.
        left_down = view.memory.node.offline if view.facts.is_dead else ""
        record = msgspec.structs.replace(record, restarts=Restarts(), offline=left_down)
    elif _waits(view, verdicts, action):
        waited = msgspec.structs.replace(record.restarts, waited=record.restarts.waited + 1)
        record = msgspec.structs.replace(record, restarts=waited)
    return _after_trial_tick(record, view, verdicts)


def _seen_alive(view: View) -> Identity | None:
    """The run of now, also in an early tick and where the tick that launched it died: its end is one of its own."""
    process = view.facts.process
    return process.identity if isinstance(process, Process) else view.memory.node.launched


def _with_interrupted(record: NodeRecord, view: View) -> NodeRecord:
    """An act whose tick died counts as one, for the budget and among the wipes: a crash must not stretch either."""
    counted = sum(each.act in (*COUNTED, Act.RESTART) for each in view.memory.interrupted)
    wiped = [each.wiped_at for each in view.memory.interrupted if each.wiped_at is not None]
    done = tuple(WipeDone(at=at, trigger="interrupted", sha=record.deployed_sha) for at in wiped)
    if counted:
        record = msgspec.structs.replace(record, restarts=Restarts(count=record.restarts.count + counted))
    if done:
        record = msgspec.structs.replace(
            record, wipes=(*record.wipes, *done)[-5:], wiped_at=wiped[-1], fresh_start_since=wiped[-1]
        )
    unwritten = next((each.unquarantined for each in view.memory.interrupted if each.unquarantined), "")
    if unwritten:
        record = msgspec.structs.replace(record, unquarantined=unwritten)
    return _with_unseen_deploy(record, view)


def _without_overtaken_trial(record: NodeRecord, view: View) -> NodeRecord:
    """Only where the node itself names another build: what build_sha says may not have been launched."""
    said = view.facts.info.commit_hash if isinstance(view.facts.info, NodeInfo) else ""
    overtaken = record.trial is not None and said not in {"", record.trial.sha}
    return msgspec.structs.replace(record, trial=None) if overtaken else record


def _with_unseen_deploy(record: NodeRecord, view: View) -> NodeRecord:
    """A build that runs without having been noted came by an act whose tick died, or by hand: it is on trial too."""
    runs, known = _deployed(view), view.memory.node.deployed_sha
    good = record.last_good_sha
    if record.trial is not None or not known or runs in {known, good} or not good:
        return record
    ticks = view.rules.limits.trial_ticks
    proves = Trial(sha=runs, previous=good, since=view.facts.at, left=ticks + 1, ticks=ticks)  # this tick tells nothing
    return msgspec.structs.replace(record, trial=proves)


def after_acting(record: NodeRecord, acted: Acted, limits: Limits, now: datetime) -> NodeRecord:
    """The record with what the act did; one that began and failed counts as a try, so that the budget holds."""
    action = acted.action
    if not acted.began:
        return record
    if _counts(action):
        record = msgspec.structs.replace(record, restarts=Restarts(count=record.restarts.count + 1))
    if action.act is Act.RESTART and action.cause == "memory" and acted.done:
        record = msgspec.structs.replace(record, memory_restart_at=now)
    if acted.wiped_to:
        done = WipeDone(at=now, trigger=action.why, sha=record.deployed_sha)
        record = msgspec.structs.replace(record, wipes=(*record.wipes, done)[-5:], wiped_at=now, fresh_start_since=now)
    if action.installs and (acted.done or acted.built_sha):
        record = _installed(record, action, limits, now)
    elif action.act is Act.ROLLBACK:
        record = msgspec.structs.replace(record, trial=None)  # tried once; what comes now is for the restart budget
    if action.act is Act.FALL_BACK and acted.done and not action.launches:
        record = msgspec.structs.replace(record, offline=death.recurrence_words(action.quarantines), trial=None)
    if action.quarantines and record.last_good_sha == action.quarantines:
        record = msgspec.structs.replace(record, last_good_sha="")  # it was; nothing may go back to it
    if acted.unquarantined:
        record = msgspec.structs.replace(record, unquarantined=acted.unquarantined)
    elif not acted.done:
        record = _undone(record, acted, now)
    if acted.process is not None:
        record = msgspec.structs.replace(record, launched=acted.process.identity, recovery=None)
    return record


def after_effects(record: NodeRecord, outcomes: Sequence[Outcome]) -> NodeRecord:
    written = {outcome.effect.sha for outcome in outcomes if outcome.done and isinstance(outcome.effect, Quarantine)}
    return msgspec.structs.replace(record, unquarantined="") if record.unquarantined in written else record


def _undone(record: NodeRecord, acted: Acted, now: datetime) -> NodeRecord:
    """What the next tick has to know of an act that came to nothing: a build that is not quarantined yet is not left
    alone."""
    if acted.action.act is Act.FALL_BACK:
        return msgspec.structs.replace(record, offline="")
    if acted.action.act is Act.DEPLOY:
        failed = FailedDeploy(sha=acted.action.installs, at=now, why=acted.line, stopped=bool(acted.stopped_how))
        return msgspec.structs.replace(record, failed_deploy=failed)
    return record


def _counts(action: NodeAction) -> bool:
    frozen = action.act is Act.RESTART and action.cause != "memory"
    return action.launches and (action.act in COUNTED or frozen)


def _installed(record: NodeRecord, action: NodeAction, limits: Limits, now: datetime) -> NodeRecord:
    """Another build runs now. What a deploy brings is on trial against the last one that proved itself."""
    proves = None
    if action.act is Act.REBUILD and action.installs == record.deployed_sha:
        proves = record.trial  # the same build, on a new disk
    if action.act is Act.DEPLOY:
        previous = record.last_good_sha or ("" if record.offline else record.deployed_sha)
        proves = Trial(
            sha=action.installs, previous=previous, since=now, left=limits.trial_ticks, ticks=limits.trial_ticks
        )
    fresh = Restarts() if action.act is Act.DEPLOY else record.restarts
    return msgspec.structs.replace(
        record, deployed_sha=action.installs, trial=proves, offline="", failed_deploy=None, restarts=fresh
    )


def _after_trial_tick(record: NodeRecord, view: View, verdicts: Sequence[Verdict]) -> NodeRecord:
    """The last good build is the one that passed; without a trial, one that runs in real-time sync is good enough to
    begin with."""
    if record.trial is None:
        if record.last_good_sha or not view.phase.synced_only or not view.standing.in_real_time:
            return record
        return msgspec.structs.replace(record, last_good_sha=record.deployed_sha)
    if trial.runs_another(view, record.trial):
        return record
    regression = trial.regression_of(view, verdicts)
    if regression is not None and not view.phase.early:
        failed = msgspec.structs.replace(record.trial, failed=regression.symptom)
        return msgspec.structs.replace(record, trial=failed)
    after = trial.after_tick(view, record.trial)
    if after is not None:
        return msgspec.structs.replace(record, trial=after)
    return msgspec.structs.replace(record, trial=None, last_good_sha=record.trial.sha)


def _deployed(view: View) -> str:
    """The running binary's own word, then what was known: build_sha is a cache."""
    said = view.facts.info.commit_hash if isinstance(view.facts.info, NodeInfo) else ""
    return said or view.memory.node.deployed_sha or view.facts.build_sha


def _waits(view: View, verdicts: Sequence[Verdict], action: NodeAction | None) -> bool:
    """A full tick that the back-off spent waiting, with a node that is down or one that the budget leaves alone."""
    refused = [
        each for verdict in verdicts for act in verdict.considered for each in act.preconditions if not each.holds
    ]
    is_due = view.facts.is_dead or any(each.name == restarts.BUDGET for each in refused)
    if view.phase.early or not is_due or action is not None:
        return False
    allowance = restarts.allowance_of(view.memory.node.restarts, view.rules.limits)
    return allowance.standing is restarts.Standing.WAIT


def _is_cured(view: View) -> bool:
    """3d is cleared: the node lives on a wiped state long enough, and closes ledgers."""
    uptime, advanced = view.phase.uptime, view.phase.advanced
    long_enough = timedelta(minutes=view.rules.limits.recurrence_clear_minutes)
    return (
        isinstance(view.facts.process, Process)
        and uptime is not None
        and uptime > long_enough
        and advanced is not None
        and advanced > 0
        and view.facts.crashes.live is not Signal.WIPE
    )
