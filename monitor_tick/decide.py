"""`monitor-tick decide`: the decisions behind scripts/lib/*.sh. Parse, call, answer.

A function that prints gets its text on stdout and its status. A function that sets variables gets `NAME=value` items
on stdout, each ended by NUL, for a value may hold newlines; the last item is `status`.
"""
# ruff: noqa: PLC0415 - a decision imports what it needs and no other pays for it

from __future__ import annotations

import sys
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import click

from monitor_loop.errors import MonitorError

SEARCH_FOUND, SEARCH_EMPTY, SEARCH_FAILED = 0, 1, 2
"""grep's statuses."""

NOT_A_SHA, WRITE_FAILED = 1, 2

PROC = click.argument("proc", type=click.Path(path_type=Path))
CMDLINE_BYTES = 2**21


class Decisions(click.Group):
    """A refusal is its line on stderr and status 1, in both ways to answer."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (MonitorError, OSError) as refusal:
            text = str(refusal)
            _warn(text if text.startswith("ERROR: ") else f"ERROR: {text}")
            sys.exit(1)


@click.group(cls=Decisions)
def decide() -> None:
    """The decisions that scripts/lib/*.sh ask for."""


@decide.command("enumerate_henyey_processes")
@click.argument("data_root")
@PROC
def enumerate_henyey_processes(data_root: str, proc: Path) -> None:
    from monitor_tick import decisions

    for pid, session_id in decisions.nodes(decisions.data_at(data_root), proc):
        if "\n" not in session_id:  # it would read as another process
            _print(f"{pid} {session_id}")


@decide.command("find_session_process")
@click.argument("data_root")
@PROC
@click.argument("session")
def find_session_process(data_root: str, proc: Path, session: str) -> None:
    from monitor_tick import decisions

    pids = (pid for pid, owner in decisions.nodes(decisions.data_at(data_root), proc) if owner == session)
    for pid in list(pids)[:1]:
        _print(str(pid))


@decide.command("parse_cmdline_config")
@click.argument("cmdline_file")
def parse_cmdline_config(cmdline_file: str) -> None:
    from monitor_loop import cmdline, files

    try:
        content = files.read(cmdline_file, CMDLINE_BYTES) or b""
    except OSError:
        return
    argv = content.removesuffix(b"\0").decode("utf-8", "surrogateescape").split("\0")
    if config := cmdline.config_of(argv):
        _print(config)


@decide.command("check_session_wiped")
@click.argument("data_root")
@PROC
@click.argument("session")
@click.argument("env_file", type=click.Path(path_type=Path))
@click.pass_obj
def check_session_wiped(now: datetime, data_root: str, proc: Path, session: str, env_file: Path) -> None:
    from monitor_tick import catalog, decisions

    place = decisions.Place(decisions.data_at(data_root), proc, session, env_file)
    seen = decisions.session_wiped(place, catalog.load_rules().limits, now)
    if seen.refusal is not None:
        _warn(seen.refusal)
    _answer(
        0 if seen.refusal is None else 1,
        SESSION_WIPED=_word(seen.wiped),
        SESSION_WIPED_PROCESS_ALIVE=_word(seen.alive),
    )


@decide.command("check_long_stale_session")
@click.argument("data_root")
@PROC
@click.argument("session")
@click.argument("env_file", type=click.Path(path_type=Path))
@click.pass_obj
def check_long_stale_session(now: datetime, data_root: str, proc: Path, session: str, env_file: Path) -> None:
    from monitor_tick import catalog, decisions

    place = decisions.Place(decisions.data_at(data_root), proc, session, env_file)
    refusal = decisions.long_stale(place, catalog.load_rules().limits, now)
    if refusal is not None:
        _warn(refusal)
    _answer(0 if refusal is None else 1, LONG_STALE_SESSION=_word(refusal is not None))


@decide.command("check_env_freshness")
@click.argument("env_file", type=click.Path(path_type=Path))
@click.pass_obj
def check_env_freshness(now: datetime, env_file: Path) -> None:
    from monitor_tick import catalog, decisions

    if stale := decisions.env_stale(env_file, catalog.load_rules().limits, now):
        raise MonitorError(stale)


@decide.command("recover_session_from_stdout")
@click.argument("data_root")
@click.argument("path")
def recover_session_from_stdout(data_root: str, path: str) -> None:
    from monitor_tick import decisions

    session_id = decisions.session_of_stdout(path)
    if session_id is None:
        sys.exit(1)
    _print(session_id)
    if path.endswith(decisions.DELETED):
        _warn("WARNING: henyey stdout target deleted (out-of-band wipe). Process still alive.")
        (decisions.recreate(decisions.data_at(data_root), session_id) / ".alive").touch()


@decide.command("cleanup_guard")
@click.argument("data_root")
@PROC
@click.argument("candidate")
@click.argument("active")
@click.argument("threshold", type=int)
@click.pass_obj
def cleanup_guard(  # noqa: PLR0913, PLR0917 - the shell function's arguments
    now: datetime, data_root: str, proc: Path, candidate: str, active: str, threshold: int
) -> None:
    from monitor_tick import decisions

    _print(decisions.guard_of(decisions.data_at(data_root), proc, candidate, active, threshold, now))


@decide.command("check_mainnet_wiped")
@click.argument("data_root")
def check_mainnet_wiped(data_root: str) -> None:
    from monitor_tick import decisions

    _answer(0, MAINNET_WIPED=_word(decisions.mainnet_wiped(decisions.data_at(data_root))))


@decide.command("detect_crash_state")
@click.argument("logs_dir")
@click.argument("at", type=int, required=False)
@click.pass_obj
def detect_crash_state(now: datetime, logs_dir: str, at: int | None) -> None:
    from monitor_tick import crashes, logfiles

    logs = crashes.newest_first(logfiles.crash_logs(logs_dir))
    latest = logs[0].path if logs else ""
    _answer(
        0,
        CRASH_RECENT_COUNT=str(crashes.recent_count(logs, _seconds(at, now))),
        CRASH_LATEST_FILE=latest,
        CRASH_HASH_MISMATCH=_word(bool(logs) and logfiles.holds_fatal(latest)),
    )


@decide.command("has_fatal_wipe_evidence")
@click.argument("logs_dir")
@click.argument("log_file")
def has_fatal_wipe_evidence(logs_dir: str, log_file: str) -> None:
    from monitor_tick import crashes, logfiles

    logs = crashes.newest_first(logfiles.crash_logs(logs_dir))
    source = next((f"crashed:{log.path}" for log in logs if logfiles.holds_fatal(log.path)), "")
    if not source and logfiles.holds_fatal(log_file):
        source = "active"
    _answer(0, FATAL_WIPE_EVIDENCE=_word(source != ""), FATAL_WIPE_SOURCE=source)


@decide.command("detect_soft_fail_blocked")
@click.argument("log_file")
@click.argument("started", type=float)
@click.argument("at", type=int, required=False)
@click.pass_obj
def detect_soft_fail_blocked(now: datetime, log_file: str, started: float, at: int | None) -> None:
    from monitor_tick import crashes, logfiles

    seen = crashes.soft_fail(logfiles.soft_fail_lines(log_file), started, _seconds(at, now))
    _answer(0, SOFT_FAIL_BLOCKED=_word(seen.blocked), SOFT_FAIL_BLOCKED_DURATION_SEC=str(seen.duration_seconds))


@decide.command("grep_heartbeat_lines")
@click.argument("log_file")
@click.argument("count", type=click.IntRange(min=0), required=False)
def grep_heartbeat_lines(log_file: str, count: int | None) -> None:
    from monitor_tick import logfiles

    found = False
    last: deque[bytes] = deque(maxlen=count)
    try:
        for line in logfiles.heartbeat_lines(log_file):
            found = True
            last.append(line) if count is not None else sys.stdout.buffer.write(line)
    except OSError:
        sys.exit(SEARCH_FAILED)
    sys.stdout.buffer.writelines(last)
    sys.stdout.buffer.flush()
    sys.exit(SEARCH_FOUND if found else SEARCH_EMPTY)


@decide.command("parse_quarantine_file")
@click.argument("file")
def parse_quarantine_file(file: str) -> None:
    from monitor_loop import quarantine

    seen = quarantine.read(file)
    _answer(
        0 if seen.readable else 1,
        QUARANTINE_ENTRIES="\n".join(seen.entries),
        QUARANTINE_WARNINGS=", ".join(seen.warnings),
    )


@decide.command("check_quarantine_ancestry")
@click.argument("file")
def check_quarantine_ancestry(file: str) -> None:
    from monitor_loop import quarantine

    seen = quarantine.read(file)
    verdict = quarantine.ancestry(seen)
    _answer(
        1 if verdict.standing is quarantine.Standing.CLEAR else 0,
        QUARANTINE_ENTRIES="\n".join(seen.entries),
        QUARANTINE_WARNINGS=", ".join(verdict.warnings),
        QUARANTINE_STATUS=verdict.standing.value,
        QUARANTINED_MATCH=verdict.match,
    )


@decide.command("quarantine_append")
@click.argument("file")
@click.argument("sha")
@click.argument("reason", default="")
def quarantine_append(file: str, sha: str, reason: str) -> None:
    from monitor_loop import quarantine

    if not quarantine.is_sha(sha):
        sys.exit(NOT_A_SHA)
    try:
        quarantine.append(file, sha, reason)
    except (OSError, ValueError):
        sys.exit(WRITE_FAILED)


@decide.command("quarantine_remove")
@click.argument("file")
@click.argument("sha")
def quarantine_remove(file: str, sha: str) -> None:
    from monitor_loop import quarantine

    if not quarantine.is_sha(sha):
        sys.exit(NOT_A_SHA)
    try:
        quarantine.remove(file, sha)
    except (OSError, ValueError):
        sys.exit(WRITE_FAILED)


def _answer(status: int, **variables: str) -> NoReturn:
    items = [*variables.items(), ("status", str(status))]
    sys.stdout.buffer.write("".join(f"{name}={value}\0" for name, value in items).encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
    sys.exit(status)


def _print(line: str) -> None:
    sys.stdout.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _warn(line: str) -> None:
    sys.stderr.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    sys.stderr.buffer.flush()


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


def _seconds(at: int | None, now: datetime) -> int:
    return int(now.timestamp()) if at is None else at
