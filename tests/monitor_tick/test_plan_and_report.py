"""The plan's precedence, and the report's three forms."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.acts import Precondition
from monitor_tick.actions import Act, Maintain, NodeAction, RecreateDirectories
from monitor_tick.alert import Alert, Tier
from monitor_tick.issues.ledger import Filed, Ledger, Mention
from monitor_tick.issues.told import Drained, Told, Word
from monitor_tick.plan import Disposition, plan_of, put_off
from monitor_tick.report import render_json, render_text, report_of
from monitor_tick.verdict import Level, Verdict
from tests.monitor_tick.views import LEDGER, NOW, a_view


def wants(act: Act, *preconditions: Precondition) -> Verdict:
    return Verdict(label=act.value, lines=(), wants=NodeAction(act, "because", preconditions=preconditions))


def alert(key: str, scope: str = "row", **changes: object) -> Alert:
    return msgspec.structs.replace(Alert(key=key, scope=scope, title=f"title of {key}"), **changes)


def test_at_most_one_node_action_and_the_first_in_precedence_wins() -> None:
    verdicts = [wants(act) for act in (Act.RESTART, Act.RELAUNCH, Act.WIPE, Act.REBUILD)]
    for count in range(1, 5):
        plan = plan_of(verdicts[:count], early=False)
        assert plan.node is not None
        assert plan.node.act is [Act.RESTART, Act.RELAUNCH, Act.WIPE, Act.REBUILD][count - 1]
    assert plan_of([], early=False).node is None


def test_an_early_tick_may_only_relaunch_and_starts_nothing_that_counts_ticks() -> None:
    busy = Verdict(label="rpc", lines=(), effects=(Maintain(100_000), RecreateDirectories()))
    plan = plan_of([wants(Act.RESTART), wants(Act.RELAUNCH), wants(Act.WIPE), busy], early=True)
    assert plan.node is not None
    assert plan.node.act is Act.RELAUNCH
    assert plan.effects == (RecreateDirectories(),)
    assert plan_of([wants(Act.RESTART)], early=True).node is None
    assert len(plan_of([busy], early=False).effects) == 2


def test_what_an_early_tick_leaves_to_the_next_full_one_is_said() -> None:
    refused = wants(Act.WIPE, Precondition("fresh start", "no", "yes", holds=False))
    verdicts = [wants(Act.RELAUNCH), wants(Act.WIPE), refused]
    said = [
        verdict.lines[len(before.lines) :]
        for verdict, before in zip(put_off(verdicts, early=True), verdicts, strict=True)
    ]
    assert said == [(), ("wipe waits for the next full tick",), ()]
    assert put_off(verdicts, early=False) == tuple(verdicts)


def test_one_filing_for_each_key_and_scope() -> None:
    first = Verdict(label="a", lines=(), alerts=(alert("x"), alert("x", "other"), alert("y")))
    again = Verdict(label="b", lines=(), alerts=(alert("x", title="later"),))
    filings = plan_of([first, again], early=False).filings
    assert [(filing.alert.key, filing.alert.scope) for filing in filings] == [
        ("x", "row"),
        ("x", "other"),
        ("y", "row"),
    ]
    assert filings[0].alert.title == "title of x"
    assert {filing.disposition for filing in filings} == {Disposition.FILE}


def test_evidence_for_another_finding_of_the_tick_is_not_filed_alone() -> None:
    lost = alert("log:lost-sync", owner="sync:failure")
    late = Verdict(label="sync", lines=(), alerts=(alert("sync:failure", owner="sync:failure"),))
    log = Verdict(label="log", lines=(), alerts=(lost,))
    alone, both = plan_of([log], early=False), plan_of([log, late], early=False)
    assert [filing.disposition for filing in alone.filings] == [Disposition.FILE]
    assert [filing.disposition for filing in both.filings] == [Disposition.OWNED, Disposition.FILE]
    report = report_of(a_view(), (log, late), both, dry_run=False)
    assert "  issues:  in the issue of sync:failure: title of log:lost-sync\n" in render_text(report)


VERDICTS = (
    Verdict(label="sync", lines=("synced",)),
    Verdict(
        label="mem", lines=("1MB rss", "heap=2MB"), level=Level.WARNING, alerts=(alert("memory:high", urgent=True),)
    ),
    Verdict(label="self_reflect", lines=("clean",)),
)


def test_the_text_has_the_highest_level_the_ledger_and_every_line_in_order() -> None:
    report = report_of(a_view(), VERDICTS, plan_of(VERDICTS, early=False), dry_run=False)
    assert render_text(report) == (
        f"MONITOR WARNING — L{LEDGER} — 2026-05-09T03:40:07Z\n"
        "  sync:    synced\n"
        "  mem:     1MB rss\n"
        "           heap=2MB\n"
        "  issues:  none\n"
        "  self_reflect: clean\n"
    )


def test_an_unknown_ledger_is_a_question_mark_and_a_dry_run_says_so() -> None:
    view = a_view(ledger=None)
    report = report_of(view, VERDICTS, plan_of([], early=False), dry_run=True)
    assert render_text(report).splitlines()[0] == "MONITOR WARNING — L? — 2026-05-09T03:40:07Z — dry run"


def test_a_node_action_is_planned_in_words_that_claim_nothing() -> None:
    report = report_of(a_view(), (wants(Act.RELAUNCH),), plan_of([wants(Act.RELAUNCH)], early=False), dry_run=True)
    assert "  issues:  would relaunch the node: because" in render_text(report)


def test_colour_marks_the_status_and_changes_nothing_else() -> None:
    report = report_of(a_view(), VERDICTS, plan_of([], early=False), dry_run=False)
    plain, coloured = render_text(report), render_text(report, colour=True)
    assert "\x1b" not in plain
    assert coloured.splitlines()[0] == f"\x1b[33;1m{plain.splitlines()[0]}\x1b[0m"
    assert coloured.splitlines()[1:] == plain.splitlines()[1:]


def test_the_json_form_says_the_same_as_one_object() -> None:
    plan = plan_of((*VERDICTS, wants(Act.RELAUNCH)), early=False)
    told = json.loads(render_json(report_of(a_view(), VERDICTS, plan, dry_run=True)))
    assert (told["schema"], told["status"], told["ledger"], told["dry_run"]) == (2, "WARNING", LEDGER, True)
    assert told["lines"]["mem"] == ["1MB rss", "heap=2MB"]
    assert (told["plan"]["node"], told["plan"]["why"]) == ("relaunch", "because")
    assert told["plan"]["filings"][0] == {
        "key": "memory:high",
        "scope": "row",
        "title": "title of memory:high",
        "tier": "WARN",
        "urgent": True,
        "disposition": "file",
        "number": None,
        "evidence": {},
    }


# --- one finding, one issue --------------------------------------------------------------------------------------


def dispositions(*alerts: Alert) -> dict[str, str]:
    filings = plan_of([Verdict(label="x", lines=(), alerts=alerts)], early=False).filings
    return {filing.alert.key: filing.owner or filing.disposition.value for filing in filings}


def finding(key: str, tier: Tier = Tier.WARN, **evidence: str) -> Alert:
    return Alert(key=key, scope="row", title=f"title of {key}", tier=tier, evidence=tuple(evidence.items()))


def test_one_lagging_node_is_one_issue() -> None:
    found = dispositions(
        finding("sync:failure", Tier.SYNC),
        finding("metric:stellar_herder_state", Tier.SYNC),
        finding("metric:stellar_peer_count"),
        finding("rpc:unhealthy"),
        finding("radar:not-validating"),
        finding("log:lost-sync"),
    )
    assert [key for key, what in found.items() if what == "file"] == ["sync:failure", "metric:stellar_peer_count"]
    assert set(found.values()) == {"file", "sync:failure"}


def test_one_loss_of_sync_is_one_issue_also_within_the_deadline() -> None:
    found = dispositions(finding("log:lost-sync"), finding("metric:stellar_herder_lost_sync_total", Tier.SYNC))
    owner = "metric:stellar_herder_lost_sync_total"
    assert found == {"log:lost-sync": owner, owner: "file"}


def test_one_crash_is_one_issue_with_the_lines_of_its_run() -> None:
    found = dispositions(finding("process:death"), finding("log:x", run="this"), finding("log:y", run="previous"))
    assert list(found.values()) == ["file", "process:death", "process:death"]


def test_a_crash_told_by_the_log_owns_the_lines_of_that_run_only() -> None:
    found = dispositions(
        finding("process:death", run="previous"), finding("log:x", run="previous"), finding("log:y", run="this")
    )
    assert found == {"process:death": "file", "log:x": "process:death", "log:y": "file"}


def test_L10_a_freeze_that_ended_the_run_is_one_issue() -> None:
    found = dispositions(finding("process:death"), finding("process:wedge"), finding("rpc:down"), finding("log:x"))
    assert found == {
        "process:death": "process:wedge",
        "process:wedge": "file",
        "rpc:down": "process:wedge",
        "log:x": "process:wedge",
    }


def test_one_full_disk_is_one_issue() -> None:
    found = dispositions(*(finding(f"disk:{kind}") for kind in ("low", "critical", "session", "growth")))
    assert list(found.values()) == ["disk:critical", "file", "disk:critical", "disk:critical"]


def test_a_regression_owns_what_the_new_build_raised_and_chains_end_at_one_owner() -> None:
    found = dispositions(
        finding("deploy:regression"),
        finding("process:death"),
        finding("log:x"),
        finding("sync:failure", Tier.SYNC),
        finding("rpc:unhealthy"),
    )
    assert set(found.values()) == {"file", "deploy:regression"}


KEYS = (
    "deploy:regression",
    "offline:restart-budget",
    "wipe:state",
    "wipe:out-of-band",
    "process:wedge",
    "process:death",
    "memory:critical",
    "memory:leak",
    "memory:high",
    "memory:fragmentation",
    "metric:henyey_jemalloc_fragmentation_pct",
    "metric:stellar_herder_lost_sync_total",
    "disk:critical",
    "disk:low",
    "disk:session",
    "sync:failure",
    "rpc:down",
    "rpc:unhealthy",
    "log:lost-sync",
)


@given(keys=st.sets(st.sampled_from(KEYS), min_size=1), owned=st.sampled_from(["", *KEYS]))
def test_whatever_fires_together_something_is_filed(keys: set[str], owned: str) -> None:
    alerts = [msgspec.structs.replace(finding(key, Tier.SYNC), owner=owned) for key in sorted(keys)]
    filings = plan_of([Verdict(label="x", lines=(), alerts=tuple(alerts))], early=False).filings
    filed = {filing.alert.key for filing in filings if filing.disposition is Disposition.FILE}
    assert filed
    assert {filing.owner for filing in filings if filing.owner} <= filed


def test_the_lines_carry_the_numbers_of_their_issues() -> None:
    sync = Verdict(
        label="sync", lines=("SYNC FAILURE (gap=9, age=99s, uptime=20m)",), alerts=(finding("sync:failure", Tier.SYNC),)
    )
    metrics = Verdict(
        label="metrics",
        lines=("2 alerts (a,b)",),
        alerts=(finding("metric:a", Tier.SYNC), finding("metric:b")),
    )
    told = Drained(
        told=(
            Told("sync:failure", "row", "title of sync:failure", Word.FILED, 12),
            Told("metric:b", "row", "title of metric:b", Word.COMMENTED, 7),
        ),
        queued=2,
        why="rate limited",
        lines=("board retry #12 (2/3)",),
    )
    plan = plan_of([sync, metrics], early=False)
    report = report_of(a_view(), (sync, metrics), plan, told, dry_run=False)
    text = render_text(report)
    assert "  sync:    SYNC FAILURE (gap=9, age=99s, uptime=20m — filed #12)\n" in text
    assert "  metrics: 2 alerts (a,b) — commented #7, in #12\n" in text
    assert (
        "  issues:  filed #12 title of sync:failure\n"
        "           commented #7 title of metric:b\n"
        "           queued 2 (rate limited)\n"
        "           board retry #12 (2/3)\n"
        "           in the issue of sync:failure: title of metric:a\n"
    ) in text
    assert report.level is Level.ACTION
    assert report.words == ("filed-#12", "commented-#7")


def test_an_act_that_a_precondition_forbids_is_never_planned_but_shown_in_a_dry_run() -> None:
    held = Precondition("node's lock", "free", "held by PID=9", holds=False)
    action = NodeAction(Act.RELAUNCH, "because", preconditions=(held,))
    verdict = Verdict(label="node", lines=("x",), wants=action)
    plan = plan_of([verdict], early=False)
    assert plan.node is None
    dry = render_text(report_of(a_view(), (verdict,), plan, dry_run=True))
    assert "plan: nothing\n" in dry
    assert "  relaunch  node's lock   free    held by PID=9  NO\n" in dry
    assert "plan:" not in render_text(report_of(a_view(), (verdict,), plan, dry_run=False))


def test_a_node_that_is_down_comes_back_with_the_new_build() -> None:
    assert plan_of([wants(Act.RELAUNCH), wants(Act.DEPLOY)], early=False).node == wants(Act.DEPLOY).wants
    assert plan_of([wants(Act.RELAUNCH), wants(Act.DEPLOY)], early=True).node == wants(Act.RELAUNCH).wants


def test_what_is_new_is_filed_beside_an_event_that_was_told_before() -> None:
    regression = msgspec.structs.replace(finding("deploy:regression"), event="of aaaa")
    mismatch = msgspec.structs.replace(finding("log:hash-mismatch", run="this"), urgent=True)
    filed = Filed(key="deploy:regression", scope="row", number=3, title="x", at=NOW, events=("of aaaa",))
    verdict = Verdict(label="x", lines=("x",), alerts=(regression, mismatch, finding("log:y", run="this")))
    first = plan_of([verdict], early=False).filings
    assert [filing.disposition for filing in first] == [Disposition.FILE, Disposition.OWNED, Disposition.OWNED]
    line = Mention(key="log:y", scope="row", number=3, at=NOW)
    later = plan_of([verdict], early=False, ledger=Ledger(filed=(filed,), mentions=(line,))).filings
    assert [filing.disposition for filing in later] == [Disposition.KNOWN, Disposition.FILE, Disposition.OWNED]
