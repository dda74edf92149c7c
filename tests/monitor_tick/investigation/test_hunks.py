"""Which commit touched what: hunks as git prints them, followed backwards through the log."""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec
import pytest

from monitor_tick.investigation.hunks import (
    NAMED,
    TOUCHED_FILE,
    TOUCHED_FUNCTION,
    TOUCHED_LINE,
    Change,
    Hunk,
    Spot,
    changes,
    listed,
    marks,
    ranked,
    scores,
)
from monitor_tick.investigation.values import Commit

A, B, C = "a" * 40, "b" * 40, "c" * 40
SPOT = Spot("a.rs", first=20, last=22, function_first=10, function_last=30)
AT = datetime(2026, 5, 9, tzinfo=timezone.utc)

LOG = f"""\
\0{B}

diff --git a/a.rs b/a.rs
index 1..2 100644
--- a/a.rs
+++ b/a.rs
@@ -3 +3,2 @@ fn f() {{
-old
+new
+\0{A}
@@ -9,2 +10,0 @@
-gone
-@@ -1 +1 @@
\0{A}

diff --git a/a.rs b/a.rs
new file mode 100644
--- /dev/null
+++ b/a.rs
@@ -0,0 +1,40 @@
+all
"""


def test_hunks_and_lines_of_each_commit_are_read() -> None:
    newer, older = changes(LOG)
    assert (newer.sha, newer.hunks) == (B, (Hunk(3, 1, 3, 2), Hunk(9, 2, 10, 0)))
    assert newer.text == f"-old\n+new\n+\0{A}\n-gone\n-@@ -1 +1 @@"
    assert (older.sha, older.hunks) == (A, (Hunk(0, 0, 1, 40),))


def test_what_is_no_log_has_no_changes() -> None:
    assert list(changes("")) == []
    assert list(changes("fatal: bad revision\n")) == []


@pytest.mark.parametrize(
    ("hunk", "points"),
    [
        (Hunk(1, 1, 1, 1), TOUCHED_FILE),
        (Hunk(9, 1, 9, 1), TOUCHED_FILE),
        (Hunk(10, 1, 10, 1), TOUCHED_FUNCTION),
        (Hunk(19, 1, 19, 1), TOUCHED_FUNCTION),
        (Hunk(19, 1, 19, 2), TOUCHED_LINE),
        (Hunk(22, 1, 22, 1), TOUCHED_LINE),
        (Hunk(23, 1, 23, 1), TOUCHED_FUNCTION),
        (Hunk(30, 1, 30, 1), TOUCHED_FUNCTION),
        (Hunk(31, 1, 31, 1), TOUCHED_FILE),
        (Hunk(9, 3, 9, 0), TOUCHED_FILE),
        (Hunk(10, 3, 10, 0), TOUCHED_FUNCTION),
        (Hunk(20, 3, 20, 0), TOUCHED_LINE),
        (Hunk(22, 3, 22, 0), TOUCHED_FUNCTION),
        (Hunk(30, 3, 30, 0), TOUCHED_FILE),
    ],
)
def test_the_lines_tell_more_than_their_function_and_that_more_than_the_file(hunk: Hunk, points: int) -> None:
    change = Change(A, (hunk,), "")
    assert scores([SPOT], [change]) == {A: points}
    assert scores([msgspec.structs.replace(SPOT, weight=3)], [change]) == {A: 3 * points}
    assert marks([SPOT], [change]) == (points,)


def test_a_site_is_followed_to_where_it_stood_before_each_commit() -> None:
    inserted = Change(C, (Hunk(2, 0, 3, 5),), "")  # five lines above: the site stood at 15
    removed = Change(B, (Hunk(1, 4, 0, 0),), "")  # four lines above were removed: it stood at 19
    guilty = Change(A, (Hunk(20, 1, 20, 1),), "")
    assert scores([SPOT], [inserted, removed, guilty]) == {C: TOUCHED_FILE, B: TOUCHED_FILE, A: TOUCHED_LINE}
    assert marks([SPOT], [inserted, removed, guilty]) == (TOUCHED_LINE,)
    assert marks([SPOT], [inserted, removed]) == (TOUCHED_FILE,)
    assert scores([SPOT], [guilty, inserted, removed])[A] == TOUCHED_LINE
    innocent = Change(A, (Hunk(20, 1, 24, 1),), "")
    assert scores([SPOT], [inserted, innocent])[A] == TOUCHED_FUNCTION


def test_a_commit_that_wrote_the_site_is_the_last_that_can_touch_it() -> None:
    wrote = Change(B, (Hunk(19, 0, 20, 3),), "")
    earlier = Change(A, (Hunk(60, 1, 60, 1),), "")
    assert scores([SPOT], [wrote, earlier]) == {B: TOUCHED_LINE, A: TOUCHED_FILE}


def test_many_spots_in_a_file_make_no_commit_to_it_more_suspect() -> None:
    far = [Spot("a.rs", line, line, line, line) for line in range(100, 120)]
    change = Change(A, (Hunk(20, 1, 20, 1),), "")
    assert scores([*far, SPOT], [change]) == {A: TOUCHED_LINE}


def test_a_change_that_names_what_is_sought_counts_as_well() -> None:
    change = Change(A, (Hunk(1, 1, 1, 1),), "+LOST_SYNC")
    assert scores([SPOT], [change], ["LOST_SYNC"]) == {A: TOUCHED_FILE + NAMED}
    assert scores([SPOT], [change], ["OTHER"]) == {A: TOUCHED_FILE}


def test_commits_are_read_without_what_could_forge_a_line() -> None:
    log = f"{A}\x1f1778291000\x1ffix: a\x1b[31m red\x1f one\0\n{B}\x1f99999999999999999\x1f{'x' * 500}\0nonsense\0"
    first, second = listed(log)
    assert (first.sha, first.subject, first.at.year) == (A, "fix: a [31m red one", 2026)
    assert (second.sha, len(second.subject), second.at.year) == (B, 120, 1970)


def test_the_most_suspect_is_first_and_of_equals_the_newest() -> None:
    commits = [Commit(sha, "", AT) for sha in (A, B, C)]
    order = ranked(commits, {"a.rs": {B: 3, C: 4}, "b\n.rs": {B: 2}})
    assert [commit.sha for commit in order] == [B, C, A]
    assert order[0].touches == ("a.rs", "b?.rs")
    assert [commit.sha for commit in ranked(commits, {})] == [A, B, C]
