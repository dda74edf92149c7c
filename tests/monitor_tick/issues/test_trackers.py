"""MONITOR_TRACKER says where issues go."""

from __future__ import annotations

from pathlib import Path

from monitor_loop.session import DataRoot
from monitor_tick.issues.directory import Directory
from monitor_tick.issues.github import GitHub
from monitor_tick.issues.trackers import tracker_of
from tests.monitor_tick.views import NOW, a_session


def test_the_directory_is_in_the_data_root_and_outlives_the_session(tmp_path: Path) -> None:
    session = a_session(data=DataRoot(tmp_path), tracker="directory")
    tracker = tracker_of(session, NOW)
    assert isinstance(tracker, Directory)
    tracker.create("RPC down", "body", [])
    assert [path.name for path in (tmp_path / "issues").glob("*.md")] == ["1.md"]


def test_github_is_the_tracker_of_a_session_that_says_nothing_else(tmp_path: Path) -> None:
    assert isinstance(tracker_of(a_session(data=DataRoot(tmp_path)), NOW), GitHub)
    assert list(tmp_path.iterdir()) == []
