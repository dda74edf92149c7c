"""A dry run of a session with a checkout: it says what a tick would do, and neither fetches nor touches anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor_tick.catalog import load_rules
from monitor_tick.report import Report
from monitor_tick.tick import tick
from tests.monitor_loop.checkouts import git
from tests.monitor_loop.origins import CODE, GIT, Origin
from tests.recorded_node import SAMPLED_AT, RecordedNode, recorded_node

RULES = load_rules()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RecordedNode]:
    with recorded_node(tmp_path) as running:
        yield running


@pytest.fixture
def origin(tmp_path: Path, node: RecordedNode) -> Origin:
    """Of the code that runs; something that needs no build landed since."""
    root = tmp_path / "git"
    root.mkdir()
    found = Origin(root)
    config = node.session.config_file.read_text()
    found.make({CODE: "fn main() {}\n", node.session.config: config})
    node.session = msgspec.structs.replace(node.session, repo=found.checkout, git=GIT)
    node.run_as()
    node.session.build_sha.write_text(found.head() + "\n")
    found.lands("docs", **{"docs/a.md": "more\n"})
    return found


def look(node: RecordedNode, *, dry_run: bool) -> Report:
    return tick(node.session, RULES, SAMPLED_AT + timedelta(minutes=1), proc=node.proc, dry_run=dry_run)


def deploy_line(report: Report) -> str:
    return next(line.texts[0] for line in report.lines if line.label == "deploy")


def tree_of(*roots: Path) -> dict[str, tuple[bytes, int]]:
    """Every file, those of git among them, with its bytes and its time of change."""
    files = (path for root in roots for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("fetched", [False, True])
def test_a_dry_run_changes_no_byte_of_the_data_root_or_the_checkout(
    node: RecordedNode, origin: Origin, fetched: bool
) -> None:
    if fetched:
        git(origin.checkout, "fetch", "-q", "origin")
    before = tree_of(node.session.data.path, origin.checkout, origin.bare)
    report = look(node, dry_run=True)
    assert tree_of(node.session.data.path, origin.checkout, origin.bare) == before
    would = "would pull 1 commits, no restart (no-binary-impact: allowlisted paths only)"
    assert deploy_line(report) == (would if fetched else "up-to-date")
    done = look(node, dry_run=False)
    assert deploy_line(done) == "SYNCED (no-binary-impact: allowlisted paths only — pulled 1 commits, no restart)"
    assert git(origin.checkout, "rev-parse", "HEAD") == origin.head()
