"""Bodies of issues and comments: their order, their bounds, and that what they quote stays a quotation."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from monitor_tick.alert import Alert
from monitor_tick.cli import main
from monitor_tick.investigation.values import Commit, Hypothesis, Investigation, Site
from monitor_tick.issues.body import (
    LONGEST_BODY,
    LONGEST_COMMENT,
    LONGEST_TITLE,
    UNTITLED,
    Hidden,
    Relation,
    comment_body,
    hidden_line,
    issue_body,
    note_body,
    parse_hidden,
    title_of,
)
from monitor_tick.issues.cause_sections import sparkline
from monitor_tick.issues.cleaned import LONGEST_READ, LONGEST_SECRET, cleaned_text
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.redaction import HIDDEN, inline
from monitor_tick.issues.umbrella import umbrella_of
from tests.examples import examples
from tests.monitor_tick.archives import live
from tests.monitor_tick.issues.hostile import (
    ENVIRONMENT,
    HIDDEN_IN_MARKUP,
    HOME,
    MARKUP,
    OURS,
    PEM,
    PEM_BODY,
    SECRET_PARTS,
    SECRETS,
    SEED,
)
from tests.monitor_tick.issues.markdown import alive, fences
from tests.monitor_tick.issues.samples import (
    BUILD,
    INCIDENT,
    NOTHING_FOUND,
    STALLED,
    a_death,
    a_metric,
    a_question,
    an_investigation,
)
from tests.monitor_tick.views import CADENCE, NOW
from tests.recorded_node import RecordedNode, recorded_node

GOLDEN = Path(__file__).parent / "golden"
REWRITE = os.environ.get("MONITOR_REWRITE") == "1"
BIG = 5_000_000

ORDER = [
    "Symptom",
    "Evidence",
    "Related metrics",
    "Log",
    "Suspected root cause",
    "Suggested fix",
    "Reproduce",
]
CLOSED = Relation(2290, is_closed=True, words="closed by 9d41c07a, which the deployed build contains")


def body(finding: Finding, found: Investigation = NOTHING_FOUND, **changes: object) -> str:
    return issue_body(finding, found, incident=INCIDENT, **changes)  # type: ignore[arg-type]


def sections(text: str) -> dict[str, str]:
    """By heading, without what stands in brackets; headings inside of blocks are none."""
    outside, _, closed = fences(text)
    assert closed
    found: dict[str, list[str]] = {"": []}
    for line in outside:
        if line.startswith("## "):
            found[line[3:].partition(" (")[0]] = []
        else:
            next(reversed(found.values())).append(line)
    return {heading: "\n".join(lines).strip() for heading, lines in found.items()}


# --- whole bodies ------------------------------------------------------------------------------------------------

BODIES: dict[str, Callable[[], str]] = {
    "metric.md": lambda: body(a_metric(), an_investigation(), relations=(CLOSED,), times=3, first_at=NOW - 2 * CADENCE),
    "death.md": lambda: body(a_death()),
    "not-ready.md": lambda: body(
        a_question(), an_investigation(history=(), sites=(), commits=(), opinion="Raise it to 6.")
    ),
    "comment.md": lambda: comment_body(
        a_metric(), an_investigation(), incident=INCIDENT, times=2, first_at=NOW - CADENCE
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_whole_body(name: str) -> None:
    path = GOLDEN / name
    if REWRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(BODIES[name](), encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    assert BODIES[name]() == expected, "run this test with MONITOR_REWRITE=1 and review the difference"


@pytest.mark.parametrize("finding", [a_metric(), a_death()])
@pytest.mark.parametrize("found", [an_investigation(), NOTHING_FOUND, Investigation()])
def test_the_sections_come_in_their_order_and_none_is_left_out(finding: Finding, found: Investigation) -> None:
    text = body(finding, found)
    assert [heading for heading in sections(text) if heading] == ORDER
    assert all(sections(text)[heading] or heading == "Log" for heading in ORDER)
    assert text.endswith(f"\n\n{hidden_line(finding.alert.key, finding.alert.scope, INCIDENT)}\n")


def test_what_an_operator_has_to_decide_has_a_section_and_so_has_the_opinion() -> None:
    assert list(sections(body(a_question())))[1:] == [*ORDER, "Human input required"]
    human = sections(body(a_question()))["Human input required"]
    assert "Is the alarm wrong" in human
    assert "`not-ready`" in human
    told = sections(body(a_metric(), an_investigation(opinion="x")))
    assert list(told)[-1] == "What the operator's investigator says"


def test_the_symptom_is_one_line_with_metric_value_and_threshold() -> None:
    assert sections(body(a_metric()))["Symptom"] == (
        "`henyey_scp_verify_input_backlog`: value 412 &gt; 100 for 2 ticks, 5 of 5 samples breach (threshold `> 100`)"
    )
    assert sections(body(a_death()))["Symptom"] == (
        "Node crashed: panic at crates/herder/src/herder.rs: no process of the session"
    )


def test_a_title_says_no_more_than_the_alert() -> None:
    assert title_of(a_metric()) == a_metric().alert.title
    assert title_of(with_alert(title="", key="rpc:down")) == "rpc:down"
    assert title_of(with_alert(title="\u200b \n", key="\u200b")) == UNTITLED
    assert title_of(with_alert(title="x" * BIG)) == "x" * (LONGEST_TITLE - 1) + "…"
    assert title_of(with_alert(title=f"Disk: {ENVIRONMENT} of {SEED}"), SECRETS) == f"Disk: {HIDDEN} of {HIDDEN}"


def with_alert(**changes: object) -> Finding:
    return a_metric(alert=msgspec.structs.replace(a_metric().alert, **changes))


# --- what is said of it ------------------------------------------------------------------------------------------


def test_a_relation_links_and_says_why() -> None:
    possible = Relation(8, is_closed=False, words="its title names it", is_sure=False)
    related = (Relation(7, is_closed=False, words="another scope: @octocat #9"), possible, CLOSED)
    lines = sections(body(a_metric(), relations=related))["Symptom"].splitlines()[-3:]
    assert lines == [
        "- Related to #7: another scope: @\u200boctocat #\u200b9",
        "- possibly #8: its title names it",
        "- Related to #2290 (closed): closed by 9d41c07a, which the deployed build contains",
    ]


def test_how_often_and_since_when_is_said_from_the_second_time_on() -> None:
    assert "seen" not in sections(body(a_metric(), first_at=NOW))["Evidence"]
    assert ", seen 2 times since 2026-05-09T03:20:07Z." in body(a_metric(), times=2, first_at=NOW - CADENCE)
    assert ", seen 2 times." in body(a_metric(), times=2)
    once = comment_body(a_metric(), NOTHING_FOUND, incident=INCIDENT)
    assert once.startswith("**Again** in the tick of 2026-05-09T03:40:07Z.\n")


def test_a_build_and_a_ledger_that_are_not_known_are_said_to_be() -> None:
    assert "## Evidence (L62484011, binary b8f18c6d)" in body(a_metric())
    assert "## Evidence (L?, binary unknown)" in body(a_metric(build="", ledger=None, uptime_seconds=None))


def test_unknown_is_said_plainly() -> None:
    cause = sections(body(a_metric(), NOTHING_FOUND))
    assert cause["Suspected root cause"].startswith("**Unknown.** The cause is not known.")
    assert "Not found out:\n\n- no checkout of henyey at the deployed commit" in cause["Suspected root cause"]
    assert cause["Suggested fix"] == "No place in the code was found: begin with the evidence above."
    comment = comment_body(a_metric(), NOTHING_FOUND, incident=INCIDENT)
    assert "Suspected root cause" not in comment


def test_nothing_beside_it_and_no_log_are_said_too() -> None:
    text = sections(body(a_metric(beside=(), log=())))
    assert text["Related metrics"] == "Nothing else fired in this tick."
    assert text["Log"] == "No line of the node's log was read with this finding."


def test_what_it_owns_is_listed_with_its_evidence() -> None:
    related = sections(body(a_death()))["Related metrics"]
    assert "- `log:henyey::herder:slot <n> has no value`: log: henyey::herder: slot &lt;n&gt; has no value\n" in related
    assert "; lines `3`, run `previous`" in related


def test_what_it_owns_repeats_neither_its_evidence_nor_a_clause() -> None:
    shared, clause = ("age", "1203s"), "getHealth says unhealthy"
    owned = Alert(
        key="rpc:unhealthy", scope="x", title="RPC", cause=clause, evidence=(shared, ("clause", clause), ("rpc", "no"))
    )
    lagging = Alert(key="sync:failure", scope="restart", title="SYNC FAILURE", evidence=(shared,))
    text = body(a_metric(alert=lagging, owned=(owned,)))
    assert "`rpc:unhealthy`: RPC\n  getHealth says unhealthy; rpc `no`\n" in text
    assert text.count("1203s") == 1


def test_an_umbrella_lists_its_alarms_as_its_own_and_tells_each_again() -> None:
    alerts = [msgspec.structs.replace(a_metric().alert, key=key) for key in ("metric:a", "ratio:scp", "disk:low")]
    text = body(umbrella_of([a_metric(alert=alert) for alert in alerts]))
    assert "The alarms that this is about, the worst first:" in sections(text)["Related metrics"]
    assert "Explained by" not in text
    (block,) = [each for each in fences(text)[1] if each.startswith("monitor-tick ")]
    since = "--since 2026-05-09T03:40:07Z"
    assert block.split("\n") == [f"monitor-tick explain a {since}", f"monitor-tick explain ratio:scp {since}"]


def test_a_comment_lists_what_it_explains_now() -> None:
    """Those are filed nowhere else."""
    related = sections(comment_body(a_death(), NOTHING_FOUND, incident=INCIDENT))["Related metrics"]
    assert related.startswith("Explained by this one, and not filed alone:\n\n- `log:henyey::herder:slot <n> has no")
    assert "Also fired in this tick" not in comment_body(a_metric(), NOTHING_FOUND, incident=INCIDENT)
    assert "Related metrics" not in comment_body(a_metric(), NOTHING_FOUND, incident=INCIDENT)


def test_siblings_are_named_where_the_alarm_has_more_than_one_metric() -> None:
    alone, both = ("a_total",), ("a_total", "b_total")
    assert "Metrics of this alarm" not in body(with_alert(metrics=alone))
    assert "Metrics of this alarm: `a_total`, `b_total`" in body(with_alert(metrics=both))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([3.0, 3.0], "▄▄"),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "▁▂▃▄▅▆▇█"),
        ([7.0, None, 0.0], "█·▁"),
        ([math.nan, 1.0, math.inf, -math.inf], "·▄█▁"),
        ([-1.7e308, 1.7e308], "▁█"),
        ([None], "·"),
    ],
)
def test_a_sparkline(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


@given(st.lists(st.none() | st.floats(), max_size=30))
def test_a_sparkline_has_a_mark_for_every_tick(values: list[float | None]) -> None:
    marks = sparkline(values)
    assert len(marks) == len(values)
    assert set(marks) <= set("▁▂▃▄▅▆▇█·")


def test_the_history_is_a_table_of_the_last_ticks_and_a_line_of_all() -> None:
    cause = sections(body(a_metric(), an_investigation()))["Suspected root cause"]
    history = cause[cause.index("History of") :]
    assert "over 30 ticks, oldest first: `" in history
    assert len(re.findall(r"^\| 2026-", history, re.MULTILINE)) == 12
    assert "| 2026-05-09T03:20:07Z | 284 |" in history


def test_the_commits_are_a_ranked_table_that_no_subject_breaks() -> None:
    cause = sections(body(a_metric(), an_investigation()))["Suspected root cause"]
    rows = [line for line in cause.splitlines() if line.startswith(("| 1 ", "| 2 "))]
    assert rows == [
        "| 1 | 9d41c07aa1 | 2026-05-09 | scp: verify on one thread (#\u200b2311) | crates/scp/src/verify.rs |",
        "| 2 | 77aa0c1d2e | 2026-05-09 | docs: a \\| in a table | - |",
    ]
    assert "Commits 2a7c90e1b3..b8f18c6d4f, the most suspect first:" in cause
    assert "and 4 more" in cause


# --- reproduce ---------------------------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


def commands(text: str) -> list[list[str]]:
    return [shlex.split(block) for block in fences(text)[1] if block.startswith("monitor-tick ")]


PEERS = "stellar_peer_count"


@pytest.mark.parametrize(
    ("key", "alarm", "ticks", "words"),
    [
        (
            f"metric:{PEERS}",
            PEERS,
            [{PEERS: 25}, {PEERS: 5}, {PEERS: 20}],
            "fired             5 against 8: value 5 < 8",
        ),
        ("ratio:scp", "ratio:scp", [{}, {}], "quiet"),
        (f"metric:{STALLED}", STALLED, [{}, {}], "quiet"),
    ],
)
def test_the_command_tells_the_same_verdict_again(
    node: RecordedNode, key: str, alarm: str, ticks: list[dict[str, float]], words: str
) -> None:
    live(node.session, ticks)
    at = NOW + CADENCE
    finding = a_metric(
        alert=msgspec.structs.replace(a_metric().alert, key=key), at=at, archived=f"{at:%Y%m%dT%H%M%S.%fZ}"
    )
    text = body(finding)
    assert f"Archived tick: `{finding.archived}`, in `metrics/archive` of session `1a2b3c4d`." in text
    ((program, *arguments),) = commands(text)
    ran = CliRunner().invoke(main, ["--data-root", str(node.session.data.path), *arguments])
    assert (program, ran.exit_code) == ("monitor-tick", 0), ran.output
    assert ran.output.startswith(f"{alarm}: ")
    first = ran.output.splitlines()[1]
    assert first.strip().startswith(f"{at:%Y-%m-%dT%H:%M:%SZ}"[:16])
    assert words in first


def test_the_command_begins_with_the_very_tick_to_the_microsecond() -> None:
    at = NOW + timedelta(microseconds=123)
    ((*_, since),) = commands(body(a_metric(at=at, archived="x")))
    assert since == "2026-05-09T03:40:07.000123Z"


@pytest.mark.parametrize(
    ("root", "option"),
    [
        ("", ()),
        ("/home/op/data", ()),
        ("/root/data", ()),
        ("/srv/henyey", ("--data-root", "/srv/henyey")),
        ("/srv/{a} b", ("--data-root", "/srv/{a} b")),
        ("/home/op/x y/data", ("--data-root", "~/x y/data")),
    ],
)
def test_the_command_names_a_data_root_that_is_not_the_usual_one(root: str, option: tuple[str, ...]) -> None:
    (command,) = commands(body(a_metric(data_root=root)))
    assert command == ["monitor-tick", *option, "explain", "henyey_scp_verify_input_backlog", "--since", command[-1]]
    assert commands(body(a_death(data_root=root))) == [["monitor-tick", *option, "--dry-run"]]


RUN = "https://github.com/stellar/henyey/actions/runs/7"


@pytest.mark.parametrize(
    ("key", "evidence", "shown"),
    [
        ("ci:CI:test:x", {"run": RUN}, "gh run view 7 --repo github.com/stellar/henyey --log-failed"),
        (
            "ci:CI:test:x",
            {"run": RUN, "attempt": "2", "commit": BUILD},
            "gh run view 7 --attempt 2 --repo github.com/stellar/henyey --log-failed",
        ),
        ("ci:CI:test:x", {"run": f"{RUN}; rm -rf .", "commit": BUILD}, "monitor-tick --dry-run"),
        ("ci:CI:test:x", {"run": "7", "commit": BUILD}, "monitor-tick --dry-run"),
        (
            "deploy:build",
            {"commit": BUILD},
            f"git fetch origin && git switch --detach {BUILD}\ncargo build --release -p henyey",
        ),
        ("deploy:build", {"commit": "main; rm -rf ."}, "monitor-tick --dry-run"),
        ("deploy:regression", {"commit": BUILD}, "monitor-tick --dry-run"),
    ],
)
def test_what_fails_on_main_is_seen_again_where_it_failed(key: str, evidence: dict[str, str], shown: str) -> None:
    text = body(a_metric(alert=Alert(key=key, scope="x", title="x", evidence=tuple(evidence.items())), log=()))
    assert fences(text)[1] == [shown]


def test_a_home_that_was_hidden_is_not_quoted() -> None:
    """Else no shell would take it for one."""
    assert "monitor-tick --data-root ~/'x y/data' explain" in body(a_metric(data_root="/home/op/x y/data"))


@pytest.mark.parametrize(
    ("finding", "why"),
    [
        (a_metric(archived=""), "The tick is not in the archive."),
        (a_death(), "this was judged from something else."),
        (a_death(archived=""), "The tick is not in the archive."),
    ],
)
def test_what_no_archive_tells_again_says_what_to_run_instead(finding: Finding, why: str) -> None:
    assert why in sections(body(finding))["Reproduce"]
    assert commands(body(finding)) == [["monitor-tick", "--dry-run"]]


# --- hostile text in every field ---------------------------------------------------------------------------------


def poisoned(text: str) -> tuple[Finding, Investigation]:
    """`text` in every field that holds text."""
    alert = Alert(
        key=f"metric:{text}",
        scope=text,
        title=text,
        cause=text,
        evidence=(("metric", text), (text, text), ("threshold", text)),
        diagnosis=text,
        owner=text,
        event=text,
        metrics=(text, text),
        message=text,
    )
    finding = Finding(
        alert=alert,
        at=NOW,
        session_id=text,
        mode=text,
        build=text,
        phase=text,
        owned=(alert, alert),
        beside=(text, text),
        log=(text, text),
        archived=text,
    )
    site = Site(text, 1, text, text, text)
    found = Investigation(
        commit=text,
        since=text,
        sites=(site, site),
        commits=(Commit(text, text, NOW, (text, text)),),
        history=((NOW, 1.0),),
        history_of=text,
        hypothesis=Hypothesis(text, text, (text, text), (text, text), text),
        missing=(text,),
        opinion=text,
    )
    return finding, found


def bodies(text: str, incident: str = INCIDENT) -> tuple[str, str]:
    finding, found = poisoned(text)
    question = msgspec.structs.replace(
        finding, alert=msgspec.structs.replace(finding.alert, key=f"self:{text}", not_ready=True)
    )
    whole = issue_body(finding, found, incident=incident, secrets=SECRETS)
    assert len(issue_body(question, found, incident=incident, secrets=SECRETS)) <= LONGEST_BODY
    return whole, comment_body(finding, found, incident=incident, secrets=SECRETS)


def is_sound(text: str, finding: Finding, limit: int) -> None:
    hidden = parse_hidden(text)
    assert hidden is not None
    assert hidden.incident == INCIDENT
    assert hidden.is_about(finding.alert.key, finding.alert.scope, SECRETS)
    above = text[: text.rindex("<!-- monitor-tick")]
    assert list(alive(above)) == []
    assert "<!-- monitor-tick" not in above
    assert [part for part in SECRET_PARTS if part in text] == []
    assert len(text) <= limit
    text.encode()


@pytest.mark.parametrize("text", [*MARKUP, *HIDDEN_IN_MARKUP], ids=range(len(MARKUP) + len(HIDDEN_IN_MARKUP)))
def test_nothing_hostile_is_alive_and_no_secret_leaves(text: str) -> None:
    whole, comment = bodies(text)
    is_sound(whole, poisoned(text)[0], LONGEST_BODY)
    is_sound(comment, poisoned(text)[0], LONGEST_COMMENT)
    assert [heading for heading in sections(whole) if heading][:7] == ORDER
    title = title_of(poisoned(text)[0], SECRETS)
    assert 0 < len(title) <= LONGEST_TITLE
    assert len(title.splitlines()) == 1
    assert list(alive(re.sub("[<&`]", "'", title))) == [], "what Markdown would make of it is not made of a title"
    assert [part for part in SECRET_PARTS if part in title] == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "filler", ["x", "`", "&", "@a ", "<!-- monitor-tick ", "\n", "```\n", "| ", f"{SEED} ", "*", "-"], ids=repr
)
def test_five_megabytes_in_every_field_are_bounded_and_sound(filler: str) -> None:
    text = filler * (BIG // len(filler))
    whole, comment = bodies(text)
    is_sound(whole, poisoned(text)[0], LONGEST_BODY)
    is_sound(comment, poisoned(text)[0], LONGEST_COMMENT)


FRAGMENTS = st.sampled_from([*MARKUP, *HIDDEN_IN_MARKUP, "\n", "`", "``", "@", "#", "1", "<!--", "-->", "|", " ", "\\"])
HOSTILE = st.lists(st.one_of(FRAGMENTS, st.text(max_size=5)), min_size=1, max_size=6).map("".join)


@examples(80)
@given(HOSTILE)
def test_whatever_a_field_holds_the_bodies_are_sound(text: str) -> None:
    whole, comment = bodies(text)
    is_sound(whole, poisoned(text)[0], LONGEST_BODY)
    is_sound(comment, poisoned(text)[0], LONGEST_COMMENT)


def test_a_private_key_over_several_lines_of_the_log_is_hidden() -> None:
    text = body(a_metric(log=("before", *PEM.split("\n"), "after")))
    assert PEM_BODY not in text
    assert f"before\n{HIDDEN}\nafter" in text


def test_a_secret_that_the_cut_went_through_does_not_show_its_beginning() -> None:
    text = f"{'x' * (LONGEST_READ - 20)}{ENVIRONMENT}{'y' * 100}"
    left = cleaned_text(text, SECRETS)
    assert left == "x" * (LONGEST_READ - LONGEST_SECRET)
    assert ENVIRONMENT[:20] not in left


def test_L49_the_log_and_the_diagnosis_are_as_they_were() -> None:
    log = ("a `b` ``c`` \\`d\\` * _ [x](y) <z> &amp;", "\tindented\t", "```", "#12 @octocat")
    blocks = fences(body(a_metric(alert=msgspec.structs.replace(a_metric().alert, diagnosis="a\\`b`\n  c"), log=log)))[
        1
    ]
    assert "\n".join(log) in blocks
    assert "a\\`b`\n  c" in blocks


# --- bounds ------------------------------------------------------------------------------------------------------


def crowded(lines: int, owned: int) -> tuple[Finding, Investigation]:
    many = tuple(
        msgspec.structs.replace(a_death().owned[0], key=f"log:{number}", cause="c" * 300) for number in range(owned)
    )
    ticks = tuple((NOW + number * CADENCE, float(number)) for number in range(240))
    diagnosis = "\n".join("d" * 80 for _ in range(400))
    finding = a_death(
        owned=many,
        log=tuple(f"{number} {'l' * 300}" for number in range(lines)),
        alert=msgspec.structs.replace(a_death().alert, diagnosis=diagnosis),
    )
    return finding, an_investigation(history=ticks, opinion="o" * 50 + "\n" + "p" * 30_000)


def test_what_matters_least_gives_way_first_and_a_note_says_so() -> None:
    whole = body(*crowded(lines=5, owned=2))
    assert "left out" not in whole
    no_log = body(*crowded(lines=60, owned=30))
    assert len(no_log) <= LONGEST_BODY
    assert sections(no_log)["Log"] in ("", "(60 lines of the log: left out, the text was too long)")
    assert "`log:29`" in no_log


def test_the_comment_is_cut_by_the_same_rule() -> None:
    text = comment_body(*crowded(lines=60, owned=30), incident=INCIDENT)
    assert len(text) <= LONGEST_COMMENT
    assert parse_hidden(text) == Hidden(a_death().alert.key, a_death().alert.scope, INCIDENT)
    assert fences(text)[2]


# --- notes -------------------------------------------------------------------------------------------------------


def test_a_note_may_ping_the_operator_and_link_but_what_it_quotes_may_not() -> None:
    text = f"Board routing failed — manual triage needed, @operator. Related to #12: {inline('@octocat #3')}"
    note = note_body(text, key="board:12", scope="issue", incident=INCIDENT)
    assert note == (
        "Board routing failed — manual triage needed, @operator. Related to #12: @\u200boctocat #\u200b3\n\n"
        f"{hidden_line('board:12', 'issue', INCIDENT)}\n"
    )
    assert parse_hidden(note) == Hidden("board:12", "issue", INCIDENT)


def test_a_note_holds_no_secret_no_second_hidden_line_and_has_an_end() -> None:
    note = note_body(f"{OURS} {SEED} {HOME}/x {'y' * BIG}", key="board:1", scope="", incident=INCIDENT, secrets=SECRETS)
    assert note.count("<!-- monitor-tick") == 1
    assert SEED not in note
    assert HOME not in note
    assert len(note) < LONGEST_COMMENT + 200
