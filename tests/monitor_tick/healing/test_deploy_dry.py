"""The deploy line claims no act that the tick does not do."""

from __future__ import annotations

import msgspec
import pytest

from monitor_tick.actions import StopBuild
from monitor_tick.checks import deploy
from monitor_tick.healing.deploy import gate_of
from monitor_tick.issues.told import NOTHING_TOLD
from monitor_tick.plan import plan_of
from monitor_tick.report import report_of
from monitor_tick.view import View
from tests.monitor_tick.healing.deploys import BUILDING, NEW, OTHER, waiting

DOCS = {"paths": ("docs/a.md", "README.md")}
UNKNOWN = {"deployed": "", "ahead": None, "paths": None}
CLAIMS = {
    "docs": (
        waiting(checkout=DOCS),
        "SYNCED (no-binary-impact: allowlisted paths only — pulled 3 commits, no restart)",
        "would pull 3 commits, no restart (no-binary-impact: allowlisted paths only)",
    ),
    "a build": (waiting(job=None), "building cccccccc (0m)", "would build cccccccc"),
    "a build of what runs nobody knows": (
        waiting(job=None, checkout=UNKNOWN),
        "building cccccccc (0m), build_sha: invalid",
        "would build cccccccc, build_sha: invalid",
    ),
    "an end": (
        waiting(job=msgspec.structs.replace(BUILDING, sha=OTHER)),
        "building dddddddd ends: dddddddd may not be deployed any more, cccccccc is wanted",
        "would end the build of dddddddd: dddddddd may not be deployed any more, cccccccc is wanted",
    ),
    "pulled before": (
        waiting(checkout=DOCS | {"behind": 0, "head": NEW}),
        "SYNCED (no-binary-impact: allowlisted paths only — pulled 0 commits, no restart)",
        "SYNCED (no-binary-impact: allowlisted paths only — pulled 0 commits, no restart)",
    ),
    "under way": (waiting(job=BUILDING), "building cccccccc (7m)", "building cccccccc (7m)"),
}


def said(view: View, *, dry_run: bool) -> str:
    verdict = deploy.judge(view)
    assert verdict is not None
    report = report_of(view, (verdict,), plan_of((verdict,), early=False), NOTHING_TOLD, dry_run=dry_run)
    return report.lines[0].texts[0]


@pytest.mark.parametrize(("view", "done", "dry"), CLAIMS.values(), ids=CLAIMS)
def test_a_dry_run_says_what_it_would_do_and_claims_nothing(view: View, done: str, dry: str) -> None:
    assert said(view, dry_run=False) == done
    assert said(view, dry_run=True) == dry


def test_nothing_is_said_to_be_pulled_while_a_build_has_to_end_first() -> None:
    gate = gate_of(waiting(checkout=DOCS, job=BUILDING))
    assert isinstance(gate.effect, StopBuild)
    assert gate.text == "DEFERRED (no-binary-impact: a build is ended first)"
