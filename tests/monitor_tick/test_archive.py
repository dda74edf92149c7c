"""The archive: one entry a full tick, bounded, whole or absent, and readable beside a damaged one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from monitor_loop import __version__
from monitor_loop.session import Session
from monitor_tick.checks import metrics
from monitor_tick.facts import Missing, SecondLook
from monitor_tick.recorded import archive
from monitor_tick.recorded.archive import directory_of, entries, traces
from monitor_tick.recorded.record import Entry, Unreadable, catalog_of
from monitor_tick.tick import tick
from tests.monitor_tick.alarm_views import AFTER, RULES, a_pair_view
from tests.monitor_tick.archives import (
    a_running_session,
    entries_of,
    files_in,
    live,
    names_in,
    unreadable_in,
    with_limits,
    with_row,
)
from tests.monitor_tick.views import CADENCE, NOW
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return a_running_session(tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


# --- one entry a tick --------------------------------------------------------------------------------------------


def test_L72_every_full_tick_leaves_an_entry_also_without_a_scrape(node: RecordedNode) -> None:
    tick(node.session, RULES, SAMPLED_AT, proc=node.proc)
    node.bodies["/metrics"] = b"# metrics recorder not installed"
    tick(node.session, RULES, SAMPLED_AT + CADENCE, proc=node.proc)
    first, second = entries_of(node.session)
    assert (first.record.at, second.record.at) == (SAMPLED_AT, SAMPLED_AT + CADENCE)
    assert first.scrape is not None
    assert second.scrape is None
    assert second.record.no_scrape == "recorder not installed"
    assert {decision.state for decision in second.record.decisions} == {"skipped"}


def test_an_early_tick_and_a_dry_run_leave_none(node: RecordedNode) -> None:
    tick(node.session, RULES, SAMPLED_AT, proc=node.proc, dry_run=True)
    assert names_in(node.session) == []
    tick(node.session, RULES, SAMPLED_AT, proc=node.proc)
    tick(node.session, RULES, SAMPLED_AT + timedelta(minutes=5), proc=node.proc)
    assert names_in(node.session) == ["20260509T034157.000000Z.tick"]


def test_an_entry_holds_the_scrape_and_the_state_that_were_judged(session: Session) -> None:
    live(session, [{}, {}])
    first, second = entries_of(session)
    assert second.scrape is not None
    assert second.scrape.samples == AFTER.samples
    assert second.scrape.types == AFTER.types
    assert second.scrape.at == NOW + CADENCE
    assert (first.record.had_baseline, second.record.had_baseline) == (False, True)
    kept = second.record.memory.state.scrape
    assert kept is not None
    assert first.record.reading is not None
    assert kept.checksum == first.record.reading.checksum


def test_the_second_look_of_a_gauge_is_kept(session: Session) -> None:
    samples = (("henyey_scp_verify_input_backlog", (120.0, 3.0)),)
    archive.write(a_pair_view(session=session, second=SecondLook(gauge_samples=samples)), [])
    (entry,) = entries_of(session)
    assert entry.record.gauge_samples == samples


def test_L75_an_entry_says_by_which_catalog_and_which_meaning_of_a_row_it_was_judged(session: Session) -> None:
    live(session, [{}])
    record = entries_of(session)[0].record
    row = RULES.by_name["stellar_peer_count"]
    meaning = record.meanings["stellar_peer_count"]
    assert (meaning.version, meaning.since) == (row.version, row.since)
    assert record.catalog == catalog_of(RULES)
    assert record.product == __version__


def test_the_catalog_has_another_name_after_any_change_that_judges_and_after_no_other() -> None:
    assert catalog_of(with_row("stellar_peer_count", threshold=9.0)) != catalog_of(RULES)
    assert catalog_of(with_limits(confirm_breaching=4)) != catalog_of(RULES)
    assert catalog_of(msgspec.structs.replace(RULES, log_patterns=())) == catalog_of(RULES)


def test_the_version_is_the_package_s() -> None:
    assert version("henyey-monitor") == __version__


# --- bounded, atomic ---------------------------------------------------------------------------------------------


def test_L72_the_oldest_entries_go_beyond_the_bound(session: Session) -> None:
    live(session, [{}] * 7, with_limits(archive_ticks=5))
    at = [entry.record.at for entry in entries_of(session)]
    assert at == [NOW + number * CADENCE for number in range(2, 7)]


def test_what_a_dead_write_left_is_no_entry_and_is_written_over(session: Session) -> None:
    directory_of(session).mkdir(parents=True)
    (directory_of(session) / ".unfinished").write_bytes(b"half")
    assert list(entries(directory_of(session))) == []
    live(session, [{}])
    assert names_in(session) == ["20260509T034007.000000Z.tick"]


def test_a_disk_that_refuses_costs_the_entry_and_the_report_says_so(node: RecordedNode) -> None:
    directory_of(node.session).parent.mkdir(exist_ok=True)
    directory_of(node.session).write_bytes(b"a file where the directory should be")
    report = tick(node.session, RULES, SAMPLED_AT, proc=node.proc)
    (line,) = (line for line in report.lines if line.label == "self_reflect")
    assert line.texts == ("archive: this tick is not in it (File exists) — filed #1",)
    assert report.level.name == "ACTION"


def test_without_a_session_directory_nothing_is_made(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    session.directory.rmdir()
    assert archive.write(a_pair_view(session=session), []) == ""
    assert not session.directory.exists()


# --- damaged entries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_L72_a_torn_entry_is_skipped_and_counted(session: Session, share: float) -> None:
    live(session, [{}] * 3)
    torn = files_in(session)[1]
    content = torn.read_bytes()
    torn.write_bytes(content[: int(len(content) * share)])
    for found in (list(entries(directory_of(session))), list(traces(directory_of(session)))):
        assert [each.name for each in unreadable_in(found)] == [torn.name]
        assert len(found) == 3


def test_a_flipped_byte_is_never_read_as_another_tick(session: Session) -> None:
    live(session, [{}])
    (file,) = files_in(session)
    content, (whole,) = file.read_bytes(), entries_of(session)
    for position in range(0, len(content), 97):
        file.write_bytes(content[:position] + bytes([content[position] ^ 0x41]) + content[position + 1 :])
        (found,) = entries(directory_of(session))
        assert isinstance(found, Unreadable) or found.record == whole.record


def test_L73_an_entry_of_another_schema_is_named_and_never_half_read(session: Session) -> None:
    live(session, [{}] * 2)
    content = msgspec.msgpack.decode(files_in(session)[0].read_bytes())
    files_in(session)[0].write_bytes(msgspec.msgpack.encode([content[0] + 1, *content[1:]]))
    found = list(entries(directory_of(session)))
    assert unreadable_in(found) == [Unreadable("20260509T034007.000000Z.tick", "schema 2, this version reads 1")]
    assert len(found) == 2


def test_L73_a_body_that_lacks_a_field_or_has_one_of_another_type_is_unreadable(session: Session) -> None:
    live(session, [{}])
    (file,) = files_in(session)
    schema, layout, body = msgspec.msgpack.decode(file.read_bytes())
    record = msgspec.msgpack.decode(zlib.decompress(body))
    for broken in ({**record, "decisions": "none"}, {key: record[key] for key in record if key != "phase"}):
        file.write_bytes(msgspec.msgpack.encode([schema, layout, zlib.compress(msgspec.msgpack.encode(broken))]))
        assert len(unreadable_in(list(entries(directory_of(session))))) == 1


def test_values_and_series_of_different_number_are_unreadable(session: Session) -> None:
    live(session, [{}, "timeout"])
    with_scrape, without = files_in(session)
    schema, _, body = msgspec.msgpack.decode(with_scrape.read_bytes())
    _, no_layout, _ = msgspec.msgpack.decode(without.read_bytes())
    with_scrape.write_bytes(msgspec.msgpack.encode([schema, no_layout, body]))
    assert [type(each) for each in entries(directory_of(session))] == [Unreadable, Entry]


# --- reading -----------------------------------------------------------------------------------------------------


def test_since_reads_no_older_entry(session: Session) -> None:
    live(session, [{}] * 4)
    files_in(session)[0].write_bytes(b"damaged, and not asked for")
    found = list(traces(directory_of(session), since=NOW + 2 * CADENCE))
    assert [each.at for each in found if not isinstance(each, Unreadable)] == [NOW + 2 * CADENCE, NOW + 3 * CADENCE]


def test_a_session_without_an_archive_has_no_entries(session: Session) -> None:
    assert list(entries(directory_of(session))) == []


def test_series_that_come_in_another_order_are_the_same_layout(session: Session) -> None:
    """The node prints its series in a new order each time; a reader decodes the layout once all the same."""
    assert list(a_pair_view().memory.previous.samples) != list(AFTER.samples)  # type: ignore[union-attr]
    live(session, [{}] * 2)
    layouts = {msgspec.msgpack.decode(file.read_bytes())[1] for file in files_in(session)}
    assert len(layouts) == 1


def test_nan_and_infinity_come_back(session: Session) -> None:
    live(session, [{"stellar_peer_count": float("nan"), "stellar_herder_state": float("inf")}])
    (entry,) = entries_of(session)
    assert entry.scrape is not None
    peers = entry.scrape.value("stellar_peer_count")
    assert peers != peers  # noqa: PLR0124  (only NaN is unlike itself)
    assert entry.scrape.value("stellar_herder_state") == float("inf")


def test_a_skipped_scrape_keeps_its_reason(session: Session) -> None:
    view = a_pair_view(current=Missing("timeout"), session=session)
    verdict = metrics.judge(view)
    assert verdict is not None
    archive.write(view, [verdict])
    (entry,) = entries_of(session)
    assert (entry.scrape, entry.record.reading, entry.record.no_scrape) == (None, None, "timeout")
