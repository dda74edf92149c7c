"""`monitor-tick issues`: what was filed, what waits and what cools down, and nothing is written."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from monitor_loop import envfile
from monitor_loop.session import Session
from monitor_tick.cli import main
from monitor_tick.issues import cli
from monitor_tick.issues.ledger import BoardFailure, Entry, Filed, Intent, Ledger, State
from monitor_tick.issues.overview import overview_of, render_json, render_text
from monitor_tick.memory import Cooldowns
from monitor_tick.state import store
from tests.monitor_tick.alarm_views import RULES
from tests.monitor_tick.stores import a_stored_session, tree_of
from tests.monitor_tick.views import NOW

HOUR = timedelta(hours=1)

CRASH = Entry(
    incident="0123456789ab",
    intent=Intent.FILE,
    key="process:death",
    scope="panic at crates/ledger/src/manager.rs",
    title="Node crashed: panic at crates/ledger/src/manager.rs",
    urgent=True,
    first_at=NOW - HOUR,
    attempts=2,
    why="no network",
)
THREAD = Filed(
    key="metric:henyey_scp_verifier_thread_state",
    scope="row",
    number=12,
    title="metrics: henyey_scp_verifier_thread_state — signature check thread is not running",
    at=NOW - HOUR,
    cooldown_key="henyey_scp_verifier_thread_state",
)
RADAR = Filed(key="radar:lag", scope="kind", number=7, title="Radar: lag 5", at=NOW - 30 * HOUR)

LEDGER = Ledger(
    filed=(RADAR, THREAD),
    outbox=(
        CRASH,
        Entry(
            incident="0123456789ac",
            intent=Intent.FILE,
            key="rpc:down",
            scope="kind",
            title="RPC down",
            state=State.SENT,
            first_at=NOW - 2 * HOUR,
            number=9,
        ),
        Entry(
            incident="0123456789ad",
            intent=Intent.LABEL,
            key="board:7",
            scope="issue",
            title="Radar: lag 5",
            label="urgent",
            first_at=NOW,
            number=7,
        ),
    ),
    board=(BoardFailure(7, 1),),
)

TEXT = """\
-    Node crashed: panic at crates/ledger/src/manager.rs [urgent]
     issue queued (no network, 2 tries failed) since 2026-05-09T02:40:07Z; process:death (panic at crates/ledger/src/manager.rs)
#9   RPC down
     comment sent, not confirmed, wanted since 2026-05-09T01:40:07Z; rpc:down (kind)
#7   Radar: lag 5
     label urgent queued since 2026-05-09T03:40:07Z; board:7 (issue)
#12  metrics: henyey_scp_verifier_thread_state — signature check thread is not running
     open, cooling down 1h00m left, last filed 2026-05-09T02:40:07Z; metric:henyey_scp_verifier_thread_state (row)
#7   Radar: lag 5
     open, last filed 2026-05-07T21:40:07Z; radar:lag (kind)
-    (its issue is not in the ledger)
     cooling down 12m left; stellar_peer_count
#7 is not on the board: 1 try failed
2 open as far as known, 2 queued, 1 sent and not confirmed, 2 cooling down
"""  # noqa: E501  (as it is printed)


def cooldowns(**filed: datetime) -> Cooldowns:
    return Cooldowns(tuple((key, int(at.timestamp())) for key, at in filed.items()))


SOME = cooldowns(stellar_peer_count=NOW - 108 * timedelta(minutes=1), henyey_scp_verifier_thread_state=NOW - 9 * HOUR)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session on disk, at a time of its own."""
    session = a_stored_session(tmp_path / "data")
    envfile.write(session)
    monkeypatch.setattr(cli, "the_time", lambda: NOW)
    return session


def ask(session: Session, *options: str) -> Result:
    """The command's answer; it leaves no trace."""
    before = tree_of(session.data.path)
    result = CliRunner().invoke(main, ["--data-root", str(session.data.path), "issues", *options])
    assert tree_of(session.data.path) == before
    return result


def test_the_table_says_of_each_issue_and_each_write_where_it_stands() -> None:
    assert render_text(overview_of(LEDGER, SOME, RULES.limits, NOW)) == TEXT


def test_the_files_of_the_data_root_are_what_it_says(session: Session) -> None:
    store.save_ledger(session, LEDGER)
    store.save_cooldowns(session, SOME)
    result = ask(session)
    assert (result.exit_code, result.stdout, result.stderr) == (0, TEXT, "")


def test_the_json_form_has_the_same_rows(session: Session) -> None:
    store.save_ledger(session, LEDGER)
    answer = json.loads(ask(session, "--json").stdout)
    assert answer == json.loads(render_json(overview_of(LEDGER, Cooldowns(), RULES.limits, NOW)))
    assert answer["schema"] == 1
    assert answer["totals"] == {"open": 2, "queued": 2, "sent": 1, "cooling": 1}
    assert [(row["state"], row["number"], row["write"]) for row in answer["issues"]] == [
        ("queued", 0, "issue"),
        ("sent", 9, "comment"),
        ("queued", 7, "label urgent"),
        ("open", 12, ""),
        ("open", 7, ""),
    ]
    assert answer["issues"][3]["cooling_seconds"] == 3600


def test_an_issue_that_stands_for_several_keys_is_counted_once() -> None:
    several = tuple(Filed(key=key, scope="", number=3, title="two at once", at=NOW) for key in ("a:b", "c:d"))
    text = render_text(overview_of(Ledger(filed=several), Cooldowns(), RULES.limits, NOW))
    assert "; a:b\n" in text
    assert "; c:d\n" in text
    assert text.endswith("1 open as far as known, 0 queued, 0 sent and not confirmed, 2 cooling down\n")


def test_an_issue_that_stands_for_several_keys_has_its_title_once() -> None:
    filed = [Filed(key=key, scope="row", number=5, title="2 alarms at once", at=NOW) for key in ("a", "b")]
    queued = [msgspec.structs.replace(CRASH, incident=incident) for incident in ("0" * 12, "1" * 12)]
    text = render_text(overview_of(Ledger(filed=tuple(filed), outbox=tuple(queued)), Cooldowns(), RULES.limits, NOW))
    assert text.count("#5  2 alarms at once") == 1
    assert [line.rpartition("; ")[2] for line in text.splitlines() if "  open," in line] == ["a (row)", "b (row)"]
    assert text.count(CRASH.title) == 2


def test_what_is_an_event_of_its_own_does_not_cool_down() -> None:
    crash = Filed(key="process:death", scope="oom", number=3, title="Node crashed", at=NOW, events=("end of pid 7",))
    row = overview_of(Ledger(filed=(crash,)), Cooldowns(), RULES.limits, NOW).issues[0]
    assert row.cooling_seconds is None


def test_a_board_entry_names_its_column() -> None:
    entry = Entry(
        incident="0123456789ae", intent=Intent.BOARD, key="k", scope="s", title="t", status="Backlog", first_at=NOW
    )
    text = render_text(overview_of(Ledger(outbox=(entry,)), Cooldowns(), RULES.limits, NOW))
    assert "column Backlog queued since" in text


def test_where_nothing_was_filed_it_says_so(session: Session) -> None:
    result = ask(session)
    assert result.exit_code == 0
    assert result.stdout == (
        f"nothing was ever filed: there is no {session.data.issue_ledger}; "
        "the first finding that is to be filed makes it\n"
    )
    assert json.loads(ask(session, "--json").stdout)["issues"] == []


def test_a_cooldown_without_a_ledger_is_shown(session: Session) -> None:
    store.save_cooldowns(session, SOME)
    assert "cooling down 12m left; stellar_peer_count\n" in ask(session).stdout


@pytest.mark.parametrize("spoil", [b"", b"{", b"\xff"])
def test_a_damaged_ledger_is_named_with_what_to_do_and_stays(session: Session, spoil: bytes) -> None:
    session.data.issue_ledger.write_bytes(spoil)
    result = ask(session)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"ERROR: {session.data.issue_ledger} is damaged: ")
    assert result.stderr.endswith("filing finds its issues again by their hidden lines\n")
    assert result.stderr.count("\n") == 1


def test_a_damaged_cooldown_map_hides_no_issue(session: Session) -> None:
    store.save_ledger(session, LEDGER)
    session.anomaly_cooldown.write_bytes(b"{")
    result = ask(session)
    assert result.exit_code == 0
    assert "#12  metrics: henyey_scp_verifier_thread_state" in result.stdout
    assert result.stderr.startswith(f"WARNING: {session.id}/metrics/anomaly_cooldown.json unreadable (")


def test_without_a_session_it_says_what_to_run(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--data-root", str(tmp_path), "issues"])
    assert result.exit_code == 1
    assert "run monitor-loop start first" in result.stderr
