"""The investigation of one finding as a whole: read-only, bounded in time, and no reason why it is not filed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from monitor_loop.session import Session
from monitor_tick.investigation.bundle import Bundle, Opinion, ask, excerpts_of
from monitor_tick.investigation.causes import Evidence
from monitor_tick.investigation.code import Places, places_of
from monitor_tick.investigation.commits import Range, commits_between
from monitor_tick.investigation.hunks import TOUCHED_FUNCTION
from monitor_tick.investigation.hypothesis import hypothesis_of
from monitor_tick.investigation.moments import Past
from monitor_tick.investigation.past import past_ticks
from monitor_tick.investigation.source import Source, Unread
from monitor_tick.investigation.values import Investigation, Site
from monitor_tick.issues.finding import OF_MAIN, Finding

PAST_SHARE = 0.2
CODE_SHARE = 0.8
"""Of the time that is not the investigator's: when the past ticks, and then the code, have to be done."""

OPINION_SHARE = 0.5
"""Of all the time, where an investigator is configured; what the rest did not need is its as well."""

Result = TypeVar("Result")


def investigate(finding: Finding, session: Session, *, seconds: float, since: str = "") -> Investigation:
    """All that can be found out within `seconds`; what could not is in `missing`. Never raises.

    `since` is the newest build that is known to have run without the finding; empty: the past ticks say which.
    """
    started = time.monotonic()
    own = seconds * (1 - OPINION_SHARE) if session.investigator else seconds
    missing: list[str] = []
    past = _part("the past ticks", Past(), missing, lambda: past_ticks(finding, session, started + own * PAST_SHARE))
    missing += past.missing
    source = Source(session.repo, session.git, started + own * CODE_SHARE)
    places, between = Places(), Range()
    if _part("the checkout", False, missing, lambda: _open(source, finding, session, missing)):
        places = _part("the code", places, missing, lambda: places_of(source, finding))
        source.ends = started + own
        clean = finding.build if _is_of_main(finding) else since or past.since
        between = _part("the commits", between, missing, lambda: _commits(source, clean, places))
        missing += (*places.missing, *between.missing)
    sites = _by_suspicion(places, between)
    evidence = Evidence(
        finding=finding,
        past=past,
        sites=sites,
        since=between.since,
        nearest=between.nearest,
        touching=between.touching,
    )
    found = Investigation(
        commit=source.sha,
        since=between.since,
        sites=sites,
        commits=between.commits,
        commits_left_out=between.left_out,
        history=past.history,
        history_of=past.history_of,
        fired_with=tuple(f"{key} ({count} of {past.fired_ticks} ticks)" for key, count in past.fired_with),
    )
    chosen = _part("the hypothesis", found.hypothesis, missing, lambda: hypothesis_of(evidence))
    found = msgspec.structs.replace(found, hypothesis=chosen, missing=tuple(missing))
    if not session.investigator:
        return found
    opinion = _part(
        "the investigator", Opinion(), missing, lambda: _ask(session, finding, found, source, started + seconds)
    )
    return msgspec.structs.replace(found, opinion=opinion.text, missing=(*missing, *opinion.missing))


def _part(name: str, otherwise: Result, missing: list[str], work: Callable[[], Result]) -> Result:
    """What `work` finds; a fault in one part costs that part alone."""
    try:
        return work()
    except Unread as why:
        missing.append(f"{name}: {why}")
    except Exception as fault:
        missing.append(f"{name} could not be looked at ({type(fault).__name__})")
    return otherwise


def _is_of_main(finding: Finding) -> bool:
    """What main has that the node does not run yet is what such a finding is about: the build that runs was green."""
    return finding.alert.key.startswith(OF_MAIN)


def _open(source: Source, finding: Finding, session: Session, missing: list[str]) -> bool:
    """Whether there is code to read: that of the build, else of HEAD, which is said; of main, that of its commit."""
    if session.is_embedded:
        missing.append("the embedded node has no checkout, so no code was read")
    elif not session.git or not session.repo.is_dir():
        missing.append("there is no checkout with git, so no code was read")
    elif _is_of_main(finding):
        commit = dict(finding.alert.evidence).get("commit", "")
        if sha := source.resolve(commit):
            source.open(sha)
            return True
        missing.append(f"commit {commit[:8]} is not in the checkout, so no code was read")
    elif sha := source.resolve(finding.build):
        source.open(sha)
        return True
    elif head := source.resolve("HEAD"):
        source.open(head)
        why = f"build {finding.build[:8]} is not in the checkout" if finding.build else "the build that runs is unknown"
        missing.append(f"{why}; HEAD ({head[:8]}) was read instead")
        return True
    else:
        missing.append("the checkout has no commit that can be read, so no code was read")
    return False


def _commits(source: Source, since: str, places: Places) -> Range:
    if not since:
        return Range(missing=("no build is known that ran without it, so no commits are listed",))
    if since == source.sha:
        return Range(missing=("it is the commit that the node runs, so no commits are listed",))
    return commits_between(source, since, places.spots, places.words)


def _by_suspicion(places: Places, between: Range) -> tuple[Site, ...]:
    """Of the sites of one role those first whose lines, or else whose function, were changed since."""
    near = between.marks or (0,) * len(places.sites)
    order = sorted(
        range(len(places.sites)),
        key=lambda place: (-places.spots[place].weight, -near[place] if near[place] >= TOUCHED_FUNCTION else 0),
    )
    return tuple(places.sites[place] for place in order)


def _ask(session: Session, finding: Finding, found: Investigation, source: Source, ends: float) -> Opinion:
    from monitor_tick.issues.secrets import environment_secrets

    bundle = Bundle(finding, found, excerpts_of(source, found.sites))
    return ask(session.investigator, bundle, ends=ends, secrets=environment_secrets())
