"""The status report as one value, and its three forms: text, JSON, and what tick history keeps. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from monitor_loop.acts import Precondition
from monitor_tick.issues.told import NOTHING_TOLD, Drained, Word
from monitor_tick.judging import amounts
from monitor_tick.plan import Disposition, Filing, Plan
from monitor_tick.verdict import Level, Verdict
from monitor_tick.view import View

SCHEMA = 2
"""Version of the JSON form; it moves when a key changes its meaning or goes."""

LABEL_WIDTH = 9
COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.ACTION: "36", Level.OFFLINE: "31"}

_SKIPPED = re.compile(r"\((build-failed|ci-red)\)")
"""Why there is no deploy, where an issue says more."""

METRICS = "metrics"
SELF = "self_reflect"
WRITTEN = (Word.FILED, Word.COMMENTED)


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
    drained: Drained
    dry_run: bool

    @property
    def words(self) -> tuple[str, ...]:
        """What tick history keeps of the filing: `filed-#12`, `commented-#7`."""
        return tuple(f"{told.word.value}-#{told.number}" for told in self.drained.told if told.word in WRITTEN)

    @property
    def status_line(self) -> str:
        ledger = "?" if self.ledger is None else str(self.ledger)
        return f"MONITOR {self.level.name} — L{ledger} — {self.at:%Y-%m-%dT%H:%M:%SZ}"


def report_of(
    view: View, verdicts: Sequence[Verdict], plan: Plan, drained: Drained = NOTHING_TOLD, *, dry_run: bool
) -> Report:
    """Put the verdicts in the report's order, with the plan before the monitor's own faults.

    What was written to the tracker is an act, so that it makes the tick an ACTION.
    """
    spoken = [
        Line(verdict.label, _texts(verdict, plan, drained, dry_run=dry_run)) for verdict in verdicts if verdict.lines
    ]
    observed = [line for line in spoken if line.label != SELF]
    closing = [line for line in spoken if line.label == SELF]
    acted = (Level.ACTION for told in drained.told if told.word in WRITTEN)
    return Report(
        at=view.facts.at,
        level=max((*(verdict.level for verdict in verdicts), *acted), default=Level.OK),
        ledger=view.standing.ledger,
        lines=(*observed, Line("issues", _issue_texts(plan, drained, dry_run=dry_run)), *closing),
        plan=plan,
        drained=drained,
        dry_run=dry_run,
    )


def _texts(verdict: Verdict, plan: Plan, drained: Drained, *, dry_run: bool) -> tuple[str, ...]:
    """The check's words, and the issues that now tell of them; how many are known already is a matter of the plan."""
    first, *rest = verdict.lines
    first = verdict.would if dry_run and verdict.would else first
    own = _own_filings(verdict, plan)
    if _SKIPPED.search(first):
        return (_SKIPPED.sub(rf"(\1{_after_comma(own, drained)})", first), *rest)
    suppressed = [filing for filing in own if filing.disposition is Disposition.SUPPRESSED]
    if verdict.label == METRICS and suppressed:
        first = f"{len(verdict.alerts)} alerts, {len(suppressed)} suppressed by cooldown"
    return (_with_numbers(first, _numbers(own, drained)), *rest)


def _own_filings(verdict: Verdict, plan: Plan) -> list[Filing]:
    own = {(alert.key, alert.scope) for alert in verdict.alerts}
    return [
        filing
        for filing in plan.filings
        if (filing.alert.key, filing.alert.scope) in own or filing.alert.key.startswith(verdict.tells_of)
    ]


def _numbers(filings: Sequence[Filing], drained: Drained) -> str:
    """`filed #12,#13, commented #7, in #5`: by what was done."""
    own = {(filing.alert.key, filing.alert.scope) for filing in filings}
    owners = {filing.owner for filing in filings if filing.owner}
    done: dict[str, list[str]] = {Word.FILED.value: [], Word.COMMENTED.value: [], "in": []}
    for told in drained.told:
        if told.word not in WRITTEN:
            continue
        if (told.key, told.scope) in own:
            done[told.word.value].append(f"#{told.number}")
        elif told.key in owners:
            done["in"].append(f"#{told.number}")
    return ", ".join(f"{word} {','.join(numbers)}" for word, numbers in done.items() if numbers)


def _after_comma(filings: Sequence[Filing], drained: Drained) -> str:
    """Where nothing was written this tick, the issue that tells of it already."""
    if numbers := _numbers(filings, drained):
        return f", {numbers}"
    known = (drained.ledger.filed_for(filing.alert.key, filing.alert.scope) for filing in filings)
    listed = ",".join(dict.fromkeys(f"#{filed.number}" for filed in known if filed))
    return f", see {listed}" if listed else ""


def _with_numbers(line: str, numbers: str) -> str:
    """Inside the brackets that a line ends with, else at its end; after a list it is one thing more."""
    if not numbers:
        return line
    if "(continue-on-error) — " in line:
        return f"{line}, {numbers}"
    return f"{line[:-1]} — {numbers})" if line.endswith(")") and line.startswith("SYNC") else f"{line} — {numbers}"


def _issue_texts(plan: Plan, drained: Drained, *, dry_run: bool) -> tuple[str, ...]:
    """What was written and what waits; of the alerts that brought nothing new, why."""
    acts = [f"would {plan.node.act.value} the node: {plan.node.why}"] if plan.node and dry_run else []
    told = [f"{told.word.value} #{told.number} {told.title}" for told in drained.told if told.word in WRITTEN]
    queued = [f"queued {drained.queued}" + (f" ({drained.why})" if drained.why else "")] if drained.queued else []
    kept = [_filing_text(filing, drained) for filing in plan.filings if dry_run or filing.disposition not in _TOLD]
    return (*acts, *told, *queued, *drained.lines, *kept) or ("none",)


_TOLD = (Disposition.FILE,)


def _filing_text(filing: Filing, drained: Drained) -> str:
    alert = filing.alert
    left = "" if filing.left is None else f" ({amounts.hours_and_minutes(filing.left)} left)"
    words = {
        Disposition.FILE: "would file",
        Disposition.OWNED: f"in the issue of {filing.owner}",
        Disposition.KNOWN: f"known{_number_of(filing, drained)}",
    }.get(filing.disposition, filing.disposition.value)
    return f"{words}: {alert.title}{' [urgent]' if alert.urgent else ''}{left}"


def _number_of(filing: Filing, drained: Drained) -> str:
    number = drained.ledger.number_of(filing.alert)
    return f" #{number}" if number else ", queued"


def render_text(report: Report, *, colour: bool = False) -> str:
    """The fixed report of the README; `colour` marks the status for a terminal and changes nothing else."""
    head = report.status_line + (" — dry run" if report.dry_run else "")
    if colour:
        head = f"\x1b[{COLOURS[report.level]};1m{head}\x1b[0m"
    table = _plan_table(report.plan) if report.dry_run else []
    return "\n".join([head, *(row for line in report.lines for row in _rows(line)), *table]) + "\n"


def _plan_table(plan: Plan) -> list[str]:
    """Every act that was thought of: what has to hold for it, what was seen, and whether that will do."""
    if not plan.considered:
        return ["", "plan: no act on the node"]
    header = ("action", "precondition", "wanted", "seen", "holds")
    rows = [
        (action.act.value, each.name, each.wanted, each.seen, "yes" if each.holds else "NO")
        for action in plan.considered
        for each in action.preconditions
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows))
    chosen = f"{plan.node.act.value}: {plan.node.why}" if plan.node else "nothing"
    return ["", f"plan: {chosen}", *(f"  {line}".rstrip() for line in lines)]


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
    considered: tuple[_JsonAct, ...]


class _JsonAct(msgspec.Struct, frozen=True):
    act: str
    why: str
    allowed: bool
    preconditions: tuple[Precondition, ...]


class _JsonFiling(msgspec.Struct, frozen=True):
    key: str
    scope: str
    title: str
    tier: str
    urgent: bool
    disposition: str
    number: int | None
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
                            _told_number(filing, report.drained),
                            dict(filing.alert.evidence),
                        )
                        for filing in plan.filings
                    ),
                    considered=tuple(
                        _JsonAct(action.act.value, action.why, action.is_allowed, action.preconditions)
                        for action in plan.considered
                    ),
                ),
            )
        ).decode()
        + "\n"
    )


def _told_number(filing: Filing, drained: Drained) -> int | None:
    own = (filing.alert.key, filing.alert.scope)
    numbers = (told.number for told in drained.told if (told.key, told.scope) == own and told.word in WRITTEN)
    return next(numbers, None)
