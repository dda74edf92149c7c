"""Decisions about a session: its processes, its directories, its age."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from monitor_loop.errors import MonitorError
from monitor_tick.decide.answers import answer, say, warn, word

PROC = click.argument("proc", type=click.Path(path_type=Path))
CMDLINE_BYTES = 2**21
"""The longest argv Linux allows by default."""


@click.command("enumerate_henyey_processes")
@click.argument("data_root")
@PROC
def enumerate_henyey_processes(data_root: str, proc: Path) -> None:
    from monitor_tick.decide import decisions

    for pid, session_id in decisions.nodes(decisions.data_at(data_root), proc):
        if "\n" not in session_id:  # it would read as another process
            say(f"{pid} {session_id}")


@click.command("find_session_process")
@click.argument("data_root")
@PROC
@click.argument("session")
def find_session_process(data_root: str, proc: Path, session: str) -> None:
    from monitor_tick.decide import decisions

    pids = (pid for pid, owner in decisions.nodes(decisions.data_at(data_root), proc) if owner == session)
    for pid in list(pids)[:1]:
        say(str(pid))


@click.command("parse_cmdline_config")
@click.argument("cmdline_file")
def parse_cmdline_config(cmdline_file: str) -> None:
    from monitor_loop import cmdline, files

    try:
        content = files.read(cmdline_file, CMDLINE_BYTES) or b""
    except OSError:
        return
    argv = content.removesuffix(b"\0").decode("utf-8", "surrogateescape").split("\0")
    if config := cmdline.config_of(argv):
        say(config)


@click.command("check_session_wiped")
@click.argument("data_root")
@PROC
@click.argument("session")
@click.argument("env_file", type=click.Path(path_type=Path))
@click.pass_obj
def check_session_wiped(now: datetime, data_root: str, proc: Path, session: str, env_file: Path) -> None:
    from monitor_tick import catalog
    from monitor_tick.decide import decisions

    place = decisions.Place(decisions.data_at(data_root), proc, session, env_file)
    seen = decisions.session_wiped(place, catalog.load_rules().limits, now)
    if seen.refusal is not None:
        warn(seen.refusal)
    answer(
        0 if seen.refusal is None else 1,
        SESSION_WIPED=word(seen.wiped),
        SESSION_WIPED_PROCESS_ALIVE=word(seen.alive),
    )


@click.command("check_long_stale_session")
@click.argument("data_root")
@PROC
@click.argument("session")
@click.argument("env_file", type=click.Path(path_type=Path))
@click.pass_obj
def check_long_stale_session(now: datetime, data_root: str, proc: Path, session: str, env_file: Path) -> None:
    from monitor_tick import catalog
    from monitor_tick.decide import decisions

    place = decisions.Place(decisions.data_at(data_root), proc, session, env_file)
    refusal = decisions.long_stale(place, catalog.load_rules().limits, now)
    if refusal is not None:
        warn(refusal)
    answer(0 if refusal is None else 1, LONG_STALE_SESSION=word(refusal is not None))


@click.command("check_env_freshness")
@click.argument("env_file", type=click.Path(path_type=Path))
@click.pass_obj
def check_env_freshness(now: datetime, env_file: Path) -> None:
    from monitor_tick import catalog
    from monitor_tick.decide import decisions

    if stale := decisions.env_stale(env_file, catalog.load_rules().limits, now):
        raise MonitorError(stale)


@click.command("recover_session_from_stdout")
@click.argument("data_root")
@click.argument("path")
def recover_session_from_stdout(data_root: str, path: str) -> None:
    from monitor_tick.decide import decisions

    session_id = decisions.session_of_stdout(path)
    if session_id is None:
        sys.exit(1)
    say(session_id)
    if path.endswith(decisions.DELETED):
        warn("WARNING: henyey stdout target deleted (out-of-band wipe). Process still alive.")
        (decisions.recreate(decisions.data_at(data_root), session_id) / ".alive").touch()


@click.command("cleanup_guard")
@click.argument("data_root")
@PROC
@click.argument("candidate")
@click.argument("active")
@click.argument("threshold", type=int)
@click.pass_obj
def cleanup_guard(  # noqa: PLR0913, PLR0917 - the shell function's arguments
    now: datetime, data_root: str, proc: Path, candidate: str, active: str, threshold: int
) -> None:
    from monitor_tick.decide import decisions

    say(decisions.guard_of(decisions.data_at(data_root), proc, candidate, active, threshold, now))


@click.command("check_mainnet_wiped")
@click.argument("data_root")
def check_mainnet_wiped(data_root: str) -> None:
    from monitor_tick.decide import decisions

    answer(0, MAINNET_WIPED=word(decisions.mainnet_wiped(decisions.data_at(data_root))))


COMMANDS = (
    enumerate_henyey_processes,
    find_session_process,
    parse_cmdline_config,
    check_session_wiped,
    check_long_stale_session,
    check_env_freshness,
    recover_session_from_stdout,
    cleanup_guard,
    check_mainnet_wiped,
)
