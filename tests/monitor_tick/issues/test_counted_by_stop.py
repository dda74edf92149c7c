"""What the tick filed is what `monitor-loop stop` counts, from the words of tick history."""

from __future__ import annotations

from pathlib import Path

from monitor_loop.history import Tally, tally
from monitor_tick.issues.told import Drained, Told, Word
from monitor_tick.plan import plan_of
from monitor_tick.recall import history_line
from monitor_tick.report import report_of
from monitor_tick.state import store
from tests.monitor_tick.stores import a_stored_session
from tests.monitor_tick.views import a_view

TOLD = (
    Told("rpc:down", "down", "RPC down", Word.FILED, 12),
    Told("radar:lag", "lag", "Radar: lag 5", Word.COMMENTED, 7),
    Told("disk:low", "low", "Disk: 91%", Word.FILED, 13),
    Told("sync:failure", "stuck", "STUCK: no ledger progress", Word.QUEUED),
)


def test_stop_counts_new_issues_and_neither_comments_nor_what_waits(tmp_path: Path) -> None:
    session, view = a_stored_session(tmp_path), a_view()
    report = report_of(view, (), plan_of((), early=False), Drained(told=TOLD), dry_run=False)
    line = history_line(view, (), report, 0.5)
    assert line.actions == ("filed-#12", "commented-#7", "filed-#13")
    for _ in range(2):
        store.append_history(session, line, days=90)
    assert tally(session) == Tally(ticks=2, filed=4)
