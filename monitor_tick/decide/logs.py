"""Decisions about what the logs say."""

from __future__ import annotations

import os
import sys
from collections import deque
from datetime import datetime

import click

from monitor_tick.decide.answers import answer, word

SEARCH_FOUND, SEARCH_EMPTY, SEARCH_FAILED = 0, 1, 2
"""grep's statuses."""


@click.command("detect_crash_state")
@click.argument("logs_dir")
@click.argument("at", type=int, required=False)
@click.pass_obj
def detect_crash_state(now: datetime, logs_dir: str, at: int | None) -> None:
    from monitor_tick.decide import crashes, logfiles

    logs = crashes.newest_first(logfiles.crash_logs(logs_dir))
    latest = logs[0].path if logs else ""
    answer(
        0,
        CRASH_RECENT_COUNT=str(crashes.recent_count(logs, _seconds(at, now))),
        CRASH_LATEST_FILE=latest,
        CRASH_HASH_MISMATCH=word(bool(logs) and logfiles.holds_fatal(latest)),
    )


@click.command("has_fatal_wipe_evidence")
@click.argument("logs_dir")
@click.argument("log_file")
def has_fatal_wipe_evidence(logs_dir: str, log_file: str) -> None:
    from monitor_tick.decide import crashes, logfiles

    logs = crashes.newest_first(logfiles.crash_logs(logs_dir))
    source = next((f"crashed:{log.path}" for log in logs if logfiles.holds_fatal(log.path)), "")
    if not source and logfiles.holds_fatal(log_file):
        source = "active"
    answer(0, FATAL_WIPE_EVIDENCE=word(source != ""), FATAL_WIPE_SOURCE=source)


@click.command("detect_soft_fail_blocked")
@click.argument("log_file")
@click.argument("started", type=float)
@click.argument("at", type=int, required=False)
@click.pass_obj
def detect_soft_fail_blocked(now: datetime, log_file: str, started: float, at: int | None) -> None:
    from monitor_tick.decide import crashes, logfiles

    seen = crashes.soft_fail(logfiles.soft_fail_lines(log_file), started, _seconds(at, now))
    answer(0, SOFT_FAIL_BLOCKED=word(seen.blocked), SOFT_FAIL_BLOCKED_DURATION_SEC=str(seen.duration_seconds))


@click.command("grep_heartbeat_lines")
@click.argument("log_file")
@click.argument("count", type=click.IntRange(min=0), required=False)
def grep_heartbeat_lines(log_file: str, count: int | None) -> None:
    from monitor_tick.decide import logfiles

    found = False
    last: deque[bytes] = deque(maxlen=count)
    try:
        for line in logfiles.heartbeat_lines(log_file):
            found = True
            last.append(line) if count is not None else sys.stdout.buffer.write(line)
        sys.stdout.buffer.writelines(last)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # `| head -1` has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(SEARCH_FAILED)
    except OSError:
        sys.exit(SEARCH_FAILED)
    sys.exit(SEARCH_FOUND if found else SEARCH_EMPTY)


def _seconds(at: int | None, now: datetime) -> int:
    return int(now.timestamp()) if at is None else at


COMMANDS = (
    detect_crash_state,
    has_fatal_wipe_evidence,
    detect_soft_fail_blocked,
    grep_heartbeat_lines,
)
