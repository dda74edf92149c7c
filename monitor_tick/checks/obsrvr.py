"""Check 9: what OBSRVR Radar's crawler says of this validator, and whether the node itself agrees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from monitor_tick.alert import Alert
from monitor_tick.facts import Missing, Radar
from monitor_tick.judging import amounts
from monitor_tick.judging.finding import Finding
from monitor_tick.judging.progress import catching_up
from monitor_tick.judging.validation import Sign, local_signs, speaks_against
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

LABEL = "obsrvr"


def judge(view: View) -> Verdict:
    radar = view.facts.radar
    if not view.session.is_validator:
        return Verdict(label=LABEL, lines=("N/A (watcher)",))
    if isinstance(radar, Missing):
        return Verdict(label=LABEL, lines=(f"N/A ({radar.reason})",))
    found = () if catching_up(view) else _findings(view, radar)
    validating = "Y" if radar.is_validating else "N"
    line = f"validating={validating} val24h={amounts.percent(radar.validating_24h_pct)}% lag={radar.lag}"
    return Verdict(
        label=LABEL,
        lines=(line, *(finding.line for finding in found)),
        level=max((finding.level for finding in found), default=Level.OK),
        alerts=tuple(finding.alert for finding in found),
    )


def _findings(view: View, radar: Radar) -> tuple[Finding, ...]:
    """What the crawler holds against the node, once the node has had the time to be seen."""
    limits, uptime = view.rules.limits, view.phase.uptime or timedelta()
    signs, found = local_signs(view), []
    if not radar.is_validating and uptime > timedelta(minutes=limits.radar_validating_grace_minutes):
        line = f"NOT VALIDATING — {_agreement(signs)}"
        alert = _alert(radar, signs, "not-validating", "Radar: not validating", line)
        found.append(Finding(line, msgspec.structs.replace(alert, urgent=speaks_against(signs))))
    rate = amounts.percent(radar.validating_24h_pct)
    if radar.validating_24h_pct < limits.radar_rate_pct and uptime > timedelta(hours=limits.radar_rate_grace_hours):
        line = f"LOW VALIDATION RATE — {rate}% < {limits.radar_rate_pct}%"
        found.append(Finding(line, _alert(radar, signs, "rate", f"Radar: low validation rate {rate}%", line)))
    if radar.lag > limits.radar_lag_ledgers:
        line = f"HIGH LAG — {radar.lag} > {limits.radar_lag_ledgers}"
        found.append(Finding(line, _alert(radar, signs, "lag", f"Radar: lag {radar.lag} ledgers", line)))
    return tuple(found)


def _agreement(signs: Sequence[Sign]) -> str:
    against = [sign.name for sign in signs if sign.holds is False and sign.decides]
    return f"the node agrees: not {', not '.join(against)}" if against else "the node's own signs do not confirm it"


def _alert(radar: Radar, signs: Sequence[Sign], kind: str, title: str, cause: str) -> Alert:
    answers = {True: "holds", False: "does not hold", None: "unknown"}
    return Alert(
        key=f"radar:{kind}",
        scope=kind,
        title=title,
        cause=cause,
        evidence=(
            ("isValidating", str(radar.is_validating).lower()),
            ("validating24HoursPercentage", amounts.percent(radar.validating_24h_pct)),
            ("lag", str(radar.lag)),
            ("latestLedger", str(radar.latest_ledger)),
            ("updatedAt", radar.updated_at),
            *((f"local: {sign.name}", f"{answers[sign.holds]} ({sign.seen})") for sign in signs),
        ),
    )
