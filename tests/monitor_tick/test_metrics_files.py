"""Whole ticks over the user's files under metrics/: a broken one is kept, named and replaced by a new baseline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitor_loop.journal import Write, commit
from monitor_loop.session import DataRoot, Mode, Session
from monitor_tick.memory import CounterStreak, Damage, RatioBaseline
from monitor_tick.state import store
from tests.monitor_tick.stores import after_ticks, load_after, tree_of
from tests.monitor_tick.test_recorded_node import line, look
from tests.monitor_tick.views import CADENCE
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as node:
        yield node


def kept_of(path: Path) -> list[bytes]:
    return [each.read_bytes() for each in path.parent.glob(f"{path.name}.damaged-*")]


@pytest.mark.parametrize("name", ["ratio_snapshot", "counter_streak_snapshot"])
def test_L48_a_snapshot_cut_at_any_byte_is_kept_and_named_and_judges_nothing(tmp_path: Path, name: str) -> None:
    """The whole of the load; what the checks then say is in the next test."""
    session = after_ticks(tmp_path, 1)
    path = session.metrics / name
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        memory = load_after(session, 1)
        (damage,) = memory.damaged
        assert damage.file == f"1a2b3c4d/metrics/{name}"
        assert (tmp_path / damage.kept_as).read_bytes() == whole[:length]
        assert (memory.ratios is None) is (name == "ratio_snapshot")
        assert (memory.recovery == CounterStreak()) is (name == "counter_streak_snapshot")
        (tmp_path / damage.kept_as).unlink()


@pytest.mark.parametrize(
    ("name", "label"), [("ratio_snapshot", "metrics_ratio"), ("counter_streak_snapshot", "recovery_stalled")]
)
def test_a_malformed_snapshot_is_a_new_baseline_and_the_report_names_it(
    node: RecordedNode, name: str, label: str
) -> None:
    look(node)
    path = node.session.metrics / name
    broken = path.read_bytes().replace(b"version=1", b"version=2")
    path.write_bytes(broken)
    report = look(node, CADENCE)
    assert line(report, label) == "collecting baseline"
    assert line(report, "self_reflect").startswith(f"1a2b3c4d/metrics/{name} unreadable (version is '2', not 1)")
    assert kept_of(path) == [broken]
    assert path.read_bytes().startswith(b"version=1\n")
    assert line(look(node, 2 * CADENCE), label) != "collecting baseline"


def test_a_skip_empties_the_ratio_snapshot_and_leaves_the_other(node: RecordedNode) -> None:
    look(node)
    node.bodies["/metrics"] = b"# metrics recorder not installed\n"
    report = look(node, CADENCE)
    assert line(report, "metrics_ratio") == "skipped (recorder not installed)"
    assert line(report, "recovery_stalled") == "skipped (recorder not installed)"
    assert node.session.ratio_snapshot.read_bytes() == b""
    assert b"recovery_stalled_behind=0\n" in node.session.counter_streak_snapshot.read_bytes()
    node.scrape("healthy_next.prom")
    report = look(node, 2 * CADENCE)
    assert (line(report, "metrics_ratio"), line(report, "recovery_stalled")) == ("collecting baseline", "ok (delta=0)")
    assert "snapshot" not in line(report, "self_reflect"), "an emptied file is no damage"


def test_without_a_value_no_counter_snapshot_is_left(node: RecordedNode) -> None:
    look(node)
    node.run_as(started_at=SAMPLED_AT + timedelta(minutes=19))
    node.bodies["/metrics"] = b"# metrics recorder not installed\n"
    look(node, CADENCE)
    assert not node.session.counter_streak_snapshot.exists()


def test_a_watcher_keeps_neither_snapshot(tmp_path: Path) -> None:
    with recorded_node(tmp_path, Mode.WATCHER) as watcher:
        watcher.scrape("healthy_watcher.prom")
        report = look(watcher)
    assert not {"metrics_ratio", "recovery_stalled"} & {each.label for each in report.lines}
    assert not watcher.session.ratio_snapshot.exists()
    assert not watcher.session.counter_streak_snapshot.exists()


def test_an_early_tick_leaves_both_snapshots(node: RecordedNode) -> None:
    look(node)
    paths = (node.session.ratio_snapshot, node.session.counter_streak_snapshot)
    before = [path.read_bytes() for path in paths]
    node.scrape("healthy_next.prom")
    look(node, timedelta(minutes=5))
    assert [path.read_bytes() for path in paths] == before


def with_too_few_peers(node: RecordedNode) -> None:
    node.bodies["/metrics"] = b"".join(
        b"stellar_peer_count 3\n" if row.startswith(b"stellar_peer_count ") else row
        for row in node.bodies["/metrics"].splitlines(keepends=True)
    )


def test_cooldown_is_read_applied_and_moves_only_when_something_is_filed(node: RecordedNode) -> None:
    with_too_few_peers(node)
    filed = json.dumps({"stellar_peer_count": int((SAMPLED_AT - timedelta(minutes=48)).timestamp())})
    node.session.anomaly_cooldown.write_text(filed)
    report = look(node)
    assert line(report, "metrics") == "1 alerts, 1 suppressed by cooldown"
    assert line(report, "issues").startswith("suppressed: metrics: stellar_peer_count")
    assert line(report, "issues").endswith("(1h12m left)")
    assert node.session.anomaly_cooldown.read_text() == filed
    assert line(look(node, timedelta(minutes=80)), "issues").startswith("filed #1 metrics: stellar_peer_count")
    assert json.loads(node.session.anomaly_cooldown.read_text())["stellar_peer_count"] == int(
        (SAMPLED_AT + timedelta(minutes=80)).timestamp()
    )


def test_L48_a_damaged_cooldown_map_is_named_and_suppresses_nothing(node: RecordedNode) -> None:
    with_too_few_peers(node)
    node.session.anomaly_cooldown.write_text('{"stellar_peer_count": ')
    report = look(node)
    assert line(report, "issues").startswith("filed #1 ")
    assert line(report, "self_reflect").startswith("1a2b3c4d/metrics/anomaly_cooldown.json unreadable (")
    assert len(kept_of(node.session.anomaly_cooldown)) == 1


def test_a_dry_run_sees_a_damaged_snapshot_and_leaves_it(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    session.ratio_snapshot.write_bytes(b"version=1\n")
    before = tree_of(tmp_path)
    name = "1a2b3c4d/metrics/ratio_snapshot"
    assert load_after(session, 1, finish=False).damaged == (
        Damage(name, "apply_success is missing or no number", name),
    )
    assert tree_of(tmp_path) == before


def removed(session: Session) -> None:
    memory = load_after(session, 1)
    store.commit_judgement(
        session,
        memory,
        [CounterStreak(), RatioBaseline()],
        scrape_body=None,
        node=memory.node,
        now=SAMPLED_AT,
    )


def test_a_commit_removes_one_snapshot_and_empties_the_other(tmp_path: Path) -> None:
    session = after_ticks(tmp_path, 1)
    removed(session)
    assert not session.counter_streak_snapshot.exists()
    assert session.ratio_snapshot.read_bytes() == b""
    before = tree_of(tmp_path)
    removed(session)
    assert tree_of(tmp_path) == before


def test_an_interrupted_removal_is_seen_by_a_dry_run_and_finished_by_the_next_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = after_ticks(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            removed(session)
    assert session.counter_streak_snapshot.exists()
    assert load_after(session, 1, finish=False).recovery == CounterStreak()
    assert load_after(session, 1).recovery == CounterStreak()
    assert not session.counter_streak_snapshot.exists()


def test_a_journal_removes_a_file_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x")
    commit(DataRoot(tmp_path), [Write("old", None), Write("never", None), Write("new", b"y")])
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
