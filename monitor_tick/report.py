"""The status report as one value, and its three forms: text, JSON, and what tick history keeps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from monitor_tick.judging import amounts
from monitor_tick.plan import Disposition, Filing, Plan
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

SCHEMA = 1
"""Version of the JSON form; it moves when a key changes its meaning or goes."""

LABEL_WIDTH = 9
COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.ACTION: "36", Level.OFFLINE: "31"}

LATER = {
    "deploy": "N/A (not in this version)",
    "ci": "N/A (not in this version)",
}
"""Lines of the report whose checks are still to be built; they say so until then."""

METRICS = "metrics"
SELF = "self_reflect"


class Line(msgspec.Struct, frozen=True):
    """One labelled entry; `texts` after the first are printed below it, without the label."""

    label: str
    texts: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    level: Level
    ledger: int | None
    lines: tuple[Line, ...]
    plan: Plan
    dry_run: bool

    @property
    def status_line(self) -> str:
        ledger = "?" if self.ledger is None else str(self.ledger)
        return f"MONITOR {self.level.name} — L{ledger} — {self.at:%Y-%m-%dT%H:%M:%SZ}"


def report_of(view: View, verdicts: Sequence[Verdict], plan: Plan, *, dry_run: bool) -> Report:
    """Put the verdicts in the report's order, with the plan before the monitor's own faults."""
    spoken = [Line(verdict.label, _texts(verdict, plan)) for verdict in verdicts if verdict.lines]
    observed = [line for line in spoken if line.label != SELF]
    closing = [line for line in spoken if line.label == SELF]
    return Report(
        at=view.facts.at,
        level=max((verdict.level for verdict in verdicts), default=Level.OK),
        ledger=view.standing.ledger,
        lines=(*observed, *_later(view), Line("issues", _plan_texts(plan)), *closing),
        plan=plan,
        dry_run=dry_run,
    )


def _texts(verdict: Verdict, plan: Plan) -> tuple[str, ...]:
    """The check's words; how many of its metric alerts are known already is a matter of the plan."""
    own = {(alert.key, alert.scope) for alert in verdict.alerts}
    suppressed = [
        filing
        for filing in plan.filings
        if filing.disposition is Disposition.SUPPRESSED and (filing.alert.key, filing.alert.scope) in own
    ]
    if verdict.label != METRICS or not suppressed:
        return verdict.lines
    return (f"{len(verdict.alerts)} alerts, {len(suppressed)} suppressed by cooldown", *verdict.lines[1:])


def _later(view: View) -> tuple[Line, ...]:
    said = dict(LATER)
    if view.session.is_embedded:
        said |= dict.fromkeys(("deploy", "ci"), "N/A (embedded)")
    return tuple(Line(label, (text,)) for label, text in said.items())


def _plan_texts(plan: Plan) -> tuple[str, ...]:
    """What would be done, in words that claim nothing: this version neither files nor heals."""
    acts = [f"would {plan.node.act.value} the node: {plan.node.why}"] if plan.node else []
    return (*acts, *(_filing_text(filing) for filing in plan.filings)) or ("none",)


def _filing_text(filing: Filing) -> str:
    alert = filing.alert
    left = "" if filing.left is None else f" ({amounts.hours_and_minutes(filing.left)} left)"
    owner = f" {alert.owner}" if filing.disposition is Disposition.OWNED else ""
    return f"{filing.disposition.value}{owner}: {alert.title}{' [urgent]' if alert.urgent else ''}{left}"


def render_text(report: Report, *, colour: bool = False) -> str:
    """The fixed report of the README; `colour` marks the status for a terminal and changes nothing else."""
    head = report.status_line + (" — dry run" if report.dry_run else "")
    if colour:
        head = f"\x1b[{COLOURS[report.level]};1m{head}\x1b[0m"
    return "\n".join([head, *(row for line in report.lines for row in _rows(line))]) + "\n"


def _rows(line: Line) -> list[str]:
    label = f"{line.label}:".ljust(LABEL_WIDTH)
    if len(label) > LABEL_WIDTH:
        label += " "
    indent = " " * LABEL_WIDTH
    return [f"  {label if index == 0 else indent}{text}".rstrip() for index, text in enumerate(line.texts)]


class _JsonPlan(msgspec.Struct, frozen=True):
    node: str | None
    why: str | None
    effects: tuple[str, ...]
    filings: tuple[_JsonFiling, ...]


class _JsonFiling(msgspec.Struct, frozen=True):
    key: str
    scope: str
    title: str
    tier: str
    urgent: bool
    disposition: str
    evidence: dict[str, str]


class _JsonReport(msgspec.Struct, frozen=True):
    schema: int
    at: datetime
    status: str
    ledger: int | None
    dry_run: bool
    lines: dict[str, list[str]]
    plan: _JsonPlan


def render_json(report: Report) -> str:
    """The same content as one JSON object on one line."""
    plan = report.plan
    return (
        msgspec.json.encode(
            _JsonReport(
                schema=SCHEMA,
                at=report.at,
                status=report.level.name,
                ledger=report.ledger,
                dry_run=report.dry_run,
                lines={line.label: list(line.texts) for line in report.lines},
                plan=_JsonPlan(
                    node=plan.node.act.value if plan.node else None,
                    why=plan.node.why if plan.node else None,
                    effects=tuple(type(effect).__name__ for effect in plan.effects),
                    filings=tuple(
                        _JsonFiling(
                            filing.alert.key,
                            filing.alert.scope,
                            filing.alert.title,
                            filing.alert.tier.value,
                            filing.alert.urgent,
                            filing.disposition.value,
                            dict(filing.alert.evidence),
                        )
                        for filing in plan.filings
                    ),
                ),
            )
        ).decode()
        + "\n"
    )
