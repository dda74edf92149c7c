"""What came of the act and of each effect: in the verdicts, and in alerts that only the doing could raise. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor_tick.actions import (
    Act,
    Acted,
    CleanUp,
    ClearWorktree,
    Effect,
    FastForward,
    Maintain,
    NoteBuild,
    Outcome,
    PruneKept,
    PruneLogs,
    Quarantine,
    RecreateDirectories,
    RemoveWiped,
    Rerun,
    StartBuild,
    StopBuild,
)
from monitor_tick.alert import Alert, Tier
from monitor_tick.checks import ci, deploy, disk, rpc, wipe
from monitor_tick.facts import Missing, RpcHealth
from monitor_tick.healing.recovery import is_under_way
from monitor_tick.judging.pruning import after_call, stalled_alert
from monitor_tick.memory import Section
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABELS: dict[type[Effect], str] = {
    CleanUp: disk.LABEL,
    Maintain: rpc.LABEL,
    RecreateDirectories: wipe.LABEL,
    PruneLogs: disk.LABEL,
    RemoveWiped: disk.LABEL,
    PruneKept: disk.LABEL,
    StartBuild: deploy.LABEL,
    StopBuild: deploy.LABEL,
    FastForward: deploy.LABEL,
    NoteBuild: deploy.LABEL,
    ClearWorktree: deploy.LABEL,
    Quarantine: deploy.LABEL,
    Rerun: ci.LABEL,
}
"""The report line that tells of an effect, unless another check wanted it."""

NOTABLE = (CleanUp, Maintain)
"""Effects that make a tick an ACTION; the others are housekeeping, or their check has said so already."""


def acted_told(verdicts: Sequence[Verdict], acted: Acted | None) -> tuple[Verdict, ...]:
    """The verdict that wanted the act says what came of it.

    A node that this tick brought back is not OFFLINE, whichever check found it dead. One that was refused is wanted no
    more, nor is any other act in its place.
    """
    if acted is None:
        return tuple(verdicts)
    told = (_with_act(verdict, acted) if verdict.wants == acted.action else verdict for verdict in verdicts)
    if not acted.began:
        return tuple(msgspec.structs.replace(verdict, wants=None) for verdict in told)
    return tuple(_back(verdict) if acted.process is not None else verdict for verdict in told)


def _back(verdict: Verdict) -> Verdict:
    return msgspec.structs.replace(verdict, level=min(verdict.level, Level.ACTION))


def _with_act(verdict: Verdict, acted: Acted) -> Verdict:
    if acted.action.act is Act.REBUILD:
        verdict = wipe.after_rebuild(verdict, acted)
    if acted.action.act is Act.DEPLOY:
        verdict = deploy.after_deploy(verdict, acted)
    return msgspec.structs.replace(
        verdict,
        lines=(*verdict.lines, acted.line),
        level=_level_after(verdict, acted),
        words=(*verdict.words, acted.action.act.value) if acted.done else verdict.words,
        alerts=(*verdict.alerts, *_alerts_after(acted)),
    )


def _level_after(verdict: Verdict, acted: Acted) -> Level:
    """A node that this tick brought back is not OFFLINE, and one that it stopped and could not launch is."""
    if acted.process is not None:
        return Level.ACTION
    return Level.OFFLINE if acted.stopped_how else max(verdict.level, Level.ACTION)


def _alerts_after(acted: Acted) -> tuple[Alert, ...]:
    if acted.began:
        return () if acted.done else (_failed(acted),)
    if not acted.keeps_down:
        return ()
    act = acted.action.act.value
    return (_refused(f"{act} refused: {acted.keeps_down}", act, acted.action.why, acted.line),)


def _refused(cause: str, act: str, why: str, said: str) -> Alert:
    """Nothing was touched, on this tick as on the next one: the node stays down for as long as nobody mends it."""
    return Alert(
        key="offline:act-refused",
        scope=cause,
        title=f"OFFLINE: {cause}",
        tier=Tier.ACTION,
        urgent=True,
        cause=said,
        cooldown_key=f"offline:act-refused:{cause}",
        evidence=(("act", act), ("why", why), ("refusal", said)),
    )


def _failed(acted: Acted) -> Alert:
    """What was begun and not done leaves the node as nobody wanted it; the next tick judges it anew."""
    act = acted.action.act.value
    title = f"OFFLINE: {act} failed" if acted.process is None else f"The {act} failed, the node was brought back"
    if acted.left_alone:
        title = f"The {act} failed, the node runs on as before"
    return Alert(
        key="offline:act-failed",
        scope=act,
        title=title,
        tier=Tier.ACTION,
        urgent=True,
        cause=acted.line,
        evidence=(("act", act), ("why", acted.action.why), ("outcome", acted.line)),
    )


def learned(outcomes: Sequence[Outcome], view: View) -> tuple[Section, ...]:
    """What is known only after acting, for the second commit."""
    health = view.facts.rpc
    if isinstance(health, Missing):
        return ()
    steps = (after_call(view, health, outcome) for outcome in outcomes if isinstance(outcome.effect, Maintain))
    return tuple(step for step in steps if step is not None)


def told(verdicts: Sequence[Verdict], outcomes: Sequence[Outcome], view: View) -> tuple[Verdict, ...]:
    """The verdicts with what was done in their lines, and the alerts that only the doing could raise."""
    for outcome in outcomes:
        wanted_by = {verdict.label for verdict in verdicts if outcome.effect in verdict.effects}
        labels = wanted_by or {LABELS[type(outcome.effect)]}
        verdicts = [_with(verdict, outcome, view) if verdict.label in labels else verdict for verdict in verdicts]
    return tuple(verdicts)


def _with(verdict: Verdict, outcome: Outcome, view: View) -> Verdict:
    words, alerts = _aftermath(outcome, view)
    if isinstance(outcome.effect, FastForward):
        verdict = deploy.after_sync(verdict, outcome)
    known = {alert.key for alert in verdict.alerts}
    return msgspec.structs.replace(
        verdict,
        lines=(*verdict.lines, outcome.line, *(text for text in words if text not in verdict.lines)),
        alerts=(*verdict.alerts, *(alert for alert in alerts if alert.key not in known)),
        level=max(verdict.level, Level.ACTION)
        if outcome.done and isinstance(outcome.effect, NOTABLE)
        else verdict.level,
    )


def _aftermath(outcome: Outcome, view: View) -> tuple[tuple[str, ...], tuple[Alert, ...]]:
    if isinstance(outcome.effect, CleanUp):
        words = disk.after_clean_up(outcome, view.rules.limits)
        return ((words,) if words else ()), ()
    if isinstance(outcome.effect, StartBuild) and not outcome.done and is_under_way(view):
        sha = outcome.effect.sha[:8]
        return (), (_refused("the builder cannot be started", "build", f"the session needs {sha} again", outcome.line),)
    health = view.facts.rpc
    if isinstance(outcome.effect, Maintain) and isinstance(health, RpcHealth) and health.window is not None:
        words = rpc.after_maintenance(outcome, health.window)
        if words and outcome.window is not None:
            return (words,), (stalled_alert(view, health, outcome.window),)
    return (), ()
