"""Row 11: a tick whose node accepts every connection and never ends an answer, or whose git or gh never comes back."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator

import msgspec

from monitor_loop import envfile
from monitor_loop.git.repository import FETCH_SECONDS, GIT_SECONDS
from monitor_loop.session import Session
from monitor_tick.catalog import load_rules
from tests.benchmarks.commands import run
from tests.benchmarks.figures import FEW, Effort, Figure
from tests.benchmarks.world import MB, World, redirected, world
from tests.hostile_http import HostileServer, answer, hang, trickle_body, trickle_headers

MOST_SECONDS = 60
SLACK_SECONDS = 1
HANG = "exec sleep 600"


def hung(effort: Effort) -> Iterator[Figure]:
    limits = load_rules().limits
    asked = 3 * limits.http_deadline_seconds  # /info, getHealth, /metrics
    corroborated = asked + limits.http_deadline_seconds * 2 + limits.radar_deadline_seconds
    yield _figure("hangs", HostileServer(otherwise=hang), asked)
    yield _figure("sends a byte now and then", HostileServer(otherwise=trickle_body), asked)
    if effort.repeats > FEW:
        yield _figure("never ends its headers", HostileServer(otherwise=trickle_headers), asked)
        with world(10 * MB) as quiet:
            info = {"/info": answer(quiet.node.bodies["/info"])}
            yield _measure(quiet, "answers /info only", HostileServer(info, hang), corroborated)
    yield from _programs(effort, limits.ci_seconds + limits.filing_least_seconds)


def _programs(effort: Effort, filing_seconds: float) -> Iterator[Figure]:
    """gh is asked beside git; where a finding waits to be filed, it is asked once more."""
    if shutil.which("git") is None:
        return
    yield _program(
        "a git that hangs at a fetch", "git", f'case "$*" in *fetch*) {HANG};; esac; exec git "$@"', FETCH_SECONDS
    )
    if effort.repeats > FEW:
        yield _program("a git that hangs", "git", HANG, GIT_SECONDS)
    with HostileServer(otherwise=hang) as silent:
        yield _program("a gh that hangs, a finding to file", "gh", HANG, filing_seconds, silent.port)


def _program(what: str, name: str, script: str, declared_seconds: float, port: int = 0) -> Figure:
    with world(10 * MB) as quiet:
        program = quiet.node.proc.parent / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        subprocess.run(("git", "init", "-q", "-b", "main", str(quiet.session.repo)), check=True)
        session = redirected(quiet.session, port) if port else quiet.session
        envfile.write(_with_program(session, name, str(program)))
        return _timed(quiet, what, declared_seconds)


def _with_program(session: Session, name: str, program: str) -> Session:
    if name == "git":
        return msgspec.structs.replace(session, git=program)
    return msgspec.structs.replace(session, gh=program, github_repo="o/n", tracker="github")


def _figure(what: str, server: HostileServer, declared_seconds: float) -> Figure:
    with world(10 * MB) as quiet:
        return _measure(quiet, what, server, declared_seconds)


def _measure(quiet: World, what: str, server: HostileServer, declared_seconds: float) -> Figure:
    with server:
        envfile.write(redirected(quiet.session, server.port))
        return _timed(quiet, f"a node that {what}", declared_seconds)


def _timed(quiet: World, what: str, declared_seconds: float) -> Figure:
    goal = min(declared_seconds + SLACK_SECONDS, MOST_SECONDS)
    started = time.monotonic()
    run(quiet.command)
    spent = time.monotonic() - started
    detail = f"{spent:.1f} s; declared {declared_seconds:g} s"
    return Figure(f"{what}: wall / declared deadlines + 1 s", spent / goal, 1, detail)
