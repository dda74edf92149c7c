"""Row 11: a tick whose node accepts every connection and never ends an answer."""

from __future__ import annotations

import time
from collections.abc import Iterator

from monitor_loop import envfile
from monitor_tick.catalog import load_rules
from tests.benchmarks.commands import run
from tests.benchmarks.figures import FEW, Effort, Figure
from tests.benchmarks.world import MB, World, redirected, world
from tests.hostile_http import HostileServer, answer, hang, trickle_body, trickle_headers

MOST_SECONDS = 60
SLACK_SECONDS = 1


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


def _figure(what: str, server: HostileServer, declared_seconds: float) -> Figure:
    with world(10 * MB) as quiet:
        return _measure(quiet, what, server, declared_seconds)


def _measure(quiet: World, what: str, server: HostileServer, declared_seconds: float) -> Figure:
    goal = min(declared_seconds + SLACK_SECONDS, MOST_SECONDS)
    with server:
        envfile.write(redirected(quiet.session, server.port))
        started = time.monotonic()
        run(quiet.command)
        spent = time.monotonic() - started
    detail = f"{spent:.1f} s; declared {declared_seconds:g} s"
    return Figure(f"a node that {what}: wall / declared deadlines + 1 s", spent / goal, 1, detail)
