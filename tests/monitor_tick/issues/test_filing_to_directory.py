"""Ticks that file into the directory of a data root: the real outbox, ledger and tracker, and a person between them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_loop.session import DataRoot, Session
from monitor_tick.budget import Budget
from monitor_tick.issues import filing
from monitor_tick.issues.directory import Directory
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.ledger import NOTHING_FILED
from monitor_tick.issues.page import Page, parse
from monitor_tick.issues.told import Drained, Told, Word
from monitor_tick.memory import Cooldowns, Memory
from monitor_tick.state import store
from tests.monitor_tick.issues.filing_world import FOREVER, a_finding
from tests.monitor_tick.stores import a_stored_session, time_of
from tests.monitor_tick.views import LIMITS

KEY, TITLE = "metric:henyey_foo_total", "metrics: henyey_foo_total — breached"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return msgspec.structs.replace(a_stored_session(tmp_path / "data"), tracker="directory", repo=tmp_path / "none")


def foo(token: str, at: datetime) -> Finding:
    return a_finding(KEY, "row", TITLE, token=token, at=at, cooldown_key="henyey_foo_total")


def file_at(session: Session, tick: int, *findings: Finding, budget: Budget = FOREVER) -> Drained:
    """As a tick does it: the outbox is committed before anything is written."""
    memory = queued(session, tick, *findings)
    return filing.file(session, memory, time_of(tick), LIMITS, budget)


def queued(session: Session, tick: int, *findings: Finding) -> Memory:
    memory = store.load(session, time_of(tick), finish=True)
    ledger = filing.queue(memory.issues, findings, session, time_of(tick), LIMITS)
    store.save_ledger(session, ledger)
    return msgspec.structs.replace(memory, issues=ledger)


def pages(data: DataRoot) -> dict[str, Page]:
    return {path.name: parse(path.read_bytes()) for path in sorted(data.issues.glob("*.md"))}


def test_a_finding_is_an_issue_and_then_a_comment_on_it(session: Session) -> None:
    assert file_at(session, 1, foo("first", time_of(1))).told == (Told(KEY, "row", TITLE, Word.FILED, 1),)
    assert file_at(session, 2, foo("second", time_of(2))).told == (Told(KEY, "row", TITLE, Word.COMMENTED, 1),)
    assert file_at(session, 3).told == ()
    page = pages(session.data)["1.md"]
    assert (page.title, page.is_open, page.field("board")) == (TITLE, True, "Backlog")
    assert "first" in page.body
    assert ["second" in remark.text for remark in page.remarks] == [True]
    assert list(pages(session.data)) == ["1.md"]


def test_what_was_filed_cools_down_and_is_in_the_ledger(session: Session) -> None:
    file_at(session, 1, foo("first", time_of(1)))
    memory = store.load(session, time_of(2), finish=True)
    assert memory.cooldowns == Cooldowns((("henyey_foo_total", int(time_of(1).timestamp())),))
    assert [(filed.key, filed.number) for filed in memory.issues.filed] == [(KEY, 1)]
    assert memory.issues.outbox == ()


def test_more_findings_than_the_limits_say_are_one(session: Session) -> None:
    few = msgspec.structs.replace(LIMITS, umbrella_from=2)
    findings = [a_finding(f"disk:{number}") for number in range(3)]
    assert len(filing.queue(NOTHING_FILED, findings, session, time_of(1), few).outbox) == 1
    assert len(filing.queue(NOTHING_FILED, findings[:2], session, time_of(1), few).outbox) == 2


def test_what_was_filed_after_an_act_is_dated_after_it(session: Session) -> None:
    """Acting can take minutes, and a write is looked for from when it was sent."""
    memory = queued(session, 1, foo("first", time_of(1)))
    drained = filing.file(session, memory, time_of(1), LIMITS, FOREVER, elapsed=300.7)
    assert [filed.at - time_of(1) for filed in drained.ledger.filed] == [timedelta(seconds=300)]


def test_a_defect_after_a_write_forgets_nothing_that_was_saved(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> None:
        raise RuntimeError("a defect")

    memory = queued(session, 1, foo("first", time_of(1)))
    monkeypatch.setattr(Directory, "add_to_board", defect)
    drained = filing.file(session, memory, time_of(1), LIMITS, FOREVER)
    assert drained.why == "filing failed: RuntimeError: a defect"
    assert [(filed.key, filed.number) for filed in drained.ledger.filed] == [(KEY, 1)]
    assert store.load(session, time_of(2), finish=True).cooldowns != Cooldowns()


def test_after_a_person_closed_it_there_is_a_new_issue_that_names_the_old(session: Session) -> None:
    file_at(session, 1, foo("first", time_of(1)))
    path = session.data.issues / "1.md"
    path.write_text(path.read_text("utf-8").replace("state: open", "state: closed"), "utf-8")
    assert file_at(session, 2, foo("second", time_of(2))).told == (Told(KEY, "row", TITLE, Word.FILED, 2),)
    assert pages(session.data)["1.md"].remarks == ()
    assert "#1 (closed)" in pages(session.data)["2.md"].body


def test_an_urgent_finding_does_not_take_an_issue_of_a_person_for_ours(session: Session) -> None:
    crash = a_finding("process:death", "panic at a.rs", "Node crashed: panic at a.rs", event="end of pid 7")
    file_at(session, 1, crash)
    path = session.data.issues / "1.md"
    path.write_text(path.read_text("utf-8").replace("author: monitor", "author: jane"), "utf-8")
    session.data.issue_ledger.unlink()
    assert [(told.word, told.number) for told in file_at(session, 2, crash).told] == [(Word.FILED, 2)]
    assert pages(session.data)["1.md"].remarks == ()
    assert "#1" in pages(session.data)["2.md"].body


def test_without_its_ledger_the_monitor_finds_what_it_filed(session: Session) -> None:
    file_at(session, 1, foo("first", time_of(1)))
    session.data.issue_ledger.write_bytes(b"damaged")
    assert file_at(session, 2, foo("second", time_of(2))).told == (Told(KEY, "row", TITLE, Word.COMMENTED, 1),)


def test_a_damaged_file_keeps_findings_in_the_queue_and_says_which_it_is(session: Session) -> None:
    file_at(session, 1, foo("first", time_of(1)))
    path = session.data.issues / "1.md"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"state: open", b"state: opne"))
    drained = file_at(session, 2, foo("second", time_of(2)))
    assert [told.word for told in drained.told] == [Word.QUEUED]
    assert f"{path} is damaged: state is 'opne': open or closed is meant" in drained.why
    path.write_bytes(whole)
    assert file_at(session, 3).told == (Told(KEY, "row", TITLE, Word.COMMENTED, 1),)


@pytest.mark.parametrize("written", [True, False])
def test_a_tick_that_dies_at_its_write_files_once(
    session: Session, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    create = Directory.create

    def dies(self: Directory, title: str, body: str, labels: list[str]) -> int:
        if written:
            create(self, title, body, labels)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            file_at(session, 1, foo("first", time_of(1)))
    for tick in (2, 3):
        file_at(session, tick)
    assert list(pages(session.data)) == ["1.md"]
    memory = store.load(session, time_of(4), finish=True)
    assert [(filed.key, filed.number) for filed in memory.issues.filed] == [(KEY, 1)]
    assert memory.issues.outbox == ()


def test_a_label_is_added_when_it_becomes_urgent(session: Session) -> None:
    for tick, urgent in ((1, False), (2, True)):
        file_at(session, tick, a_finding("sync:failure", "stuck", "STUCK", urgent=urgent, at=time_of(tick)))
    for tick in (3, 4):
        file_at(session, tick)
    page = pages(session.data)["1.md"]
    assert page.labels == ("urgent",)
    assert list(pages(session.data)) == ["1.md"]
