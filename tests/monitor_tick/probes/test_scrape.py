"""The scrape belongs to the run it is judged as, and a burst of samples ends in bounded time."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest

from monitor_loop import procfs
from monitor_loop.session import DataRoot, Process
from monitor_tick.facts import Missing
from monitor_tick.probes import scrape
from monitor_tick.probes.http import Body
from monitor_tick.probes.scrape import ScrapeRead, observe_scrape, sample_gauges
from tests import hostile_http as hostile
from tests.hostile_http import Behaviour, Exchange, HostileServer
from tests.monitor_tick.views import LIMITS
from tests.proctree import make_process

AT = datetime(2026, 5, 9, 3, 40, 7, tzinfo=timezone.utc)
HEALTHY = (Path(__file__).parents[2] / "data" / "healthy.prom").read_bytes()
IMPATIENT = msgspec.structs.replace(LIMITS, http_deadline_seconds=0.3)
BACKLOG = "henyey_scp_verify_input_backlog"
PID = 48211


class Node:
    """A made-up node: its /proc entry, which a test may change, and the process that was found there."""

    def __init__(self, root: Path) -> None:
        self.proc = root / "proc"
        self.exe = root / "data" / "1a2b3c4d" / "cargo-target" / "release" / "henyey"
        self.starts(1000)
        (self.process,) = procfs.find_nodes(DataRoot(root / "data"), self.proc)

    def starts(self, start_ticks: int, state: str = "S") -> None:
        make_process(self.proc, PID, self.exe, [str(self.exe), "run"], start_ticks, state=state)

    def ends(self) -> None:
        (self.proc / str(PID)).rename(self.proc / "gone")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def scraped(node: Node, behaviour: Behaviour, process: Process | None = None) -> ScrapeRead | Missing:
    limits = IMPATIENT if behaviour in (hostile.hang, hostile.trickle_body) else LIMITS
    with HostileServer({"/metrics": behaviour}) as server:
        return observe_scrape(server.port, process or node.process, AT, node.proc, limits)


def test_a_scrape_and_the_bytes_it_was_read_from(node: Node) -> None:
    read = scraped(node, hostile.answer(HEALTHY))
    assert isinstance(read, ScrapeRead)
    assert read.body == HEALTHY
    assert (read.scrape.at, read.scrape.identity) == (AT, node.process.identity)
    assert len(read.scrape.types) == 225
    assert read.scrape.value("stellar_herder_state") == 2


@pytest.mark.parametrize("what", ["ended", "another start", "zombie"])
def test_L06_a_scrape_during_which_the_process_changed_is_discarded(node: Node, what: str) -> None:
    def behave(exchange: Exchange) -> None:
        if what == "ended":
            node.ends()
        else:
            node.starts(*((2000,) if what == "another start" else (1000, "Z")))
        hostile.answer(HEALTHY)(exchange)

    assert scraped(node, behave) == Missing("process changed during the scrape")


def test_L06_a_process_that_is_gone_already_is_not_scraped(node: Node) -> None:
    node.ends()
    with HostileServer({"/metrics": hostile.answer(HEALTHY)}) as server:
        read = observe_scrape(server.port, node.process, AT, node.proc, LIMITS)
    assert (read, server.exchanges) == (Missing("process gone before the scrape"), [])


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (hostile.answer(b"# metrics recorder not installed"), "recorder not installed"),
        (hostile.answer(b"# metrics recorder not installed\n"), "recorder not installed"),
        (hostile.answer(b""), "empty"),
        (hostile.answer(b"\n \n"), "empty"),
        (hostile.answer(b"# TYPE a gauge\na 1\n<html>\n"), "not parseable: line 3"),
        (hostile.answer(b"# TYPE a gauge\na 1\n\xff\xfe\n"), "not parseable: not UTF-8"),
        (hostile.answer(b"# TYPE a gauge\na 12"), "not parseable: cut off"),
        (hostile.answer(b"", 500), "HTTP 500"),
        (hostile.hang, "no answer in 0.3 s"),
        (hostile.trickle_body, "no answer in 0.3 s"),
        (hostile.huge(100 * 2**20), "body over 16 MB"),
    ],
)
def test_a_scan_that_is_skipped_says_why(node: Node, behaviour: Behaviour, reason: str) -> None:
    assert scraped(node, behaviour) == Missing(reason)


# --- bursts ---


def burst(*bodies: bytes, names: tuple[str, ...] = (BACKLOG,)) -> tuple[tuple[str, tuple[float, ...]], ...]:
    with HostileServer({"/metrics": hostile.answers(*bodies)}) as server:
        return sample_gauges(server.port, names, len(bodies), 0.0, LIMITS)


def test_samples_come_oldest_first_and_labelled_series_are_summed() -> None:
    bodies = (b"a 1\nb 5\n", b'a{x="1"} 2\na{x="2"} 3\nb 6\n', b"a 4\nb 7\n")
    assert burst(*bodies, names=("b", "a")) == (("b", (5.0, 6.0, 7.0)), ("a", (1.0, 5.0, 4.0)))


def test_a_gauge_of_the_real_scrape() -> None:
    assert burst(HEALTHY, HEALTHY) == ((BACKLOG, (0.0, 0.0)),)


def test_a_name_that_is_not_there_has_no_samples() -> None:
    assert burst(b"a 1\n", names=("a", "absent")) == (("a", (1.0,)), ("absent", ()))


def test_the_burst_ends_with_the_first_failure() -> None:
    assert burst(b"a 1\n", b"a 2\n", b"garbage\n", b"a 4\n", names=("a",)) == (("a", (1.0, 2.0)),)


def test_a_node_that_hangs_costs_one_deadline() -> None:
    with HostileServer(otherwise=hostile.hang) as server:
        assert sample_gauges(server.port, ("a",), 5, 0.0, IMPATIENT) == (("a", ()),)
        server.hears("/metrics")
    assert len(server.exchanges) == 1


def test_the_burst_and_its_last_request_end_with_the_confirm_window(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    deadlines = []

    def answer(method: str, url: str, *, deadline_seconds: float, max_bytes: int) -> Body:
        deadlines.append(deadline_seconds)
        return Body(200, b"a 1\n")

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    monkeypatch.setattr(scrape, "fetch", answer)
    samples = sample_gauges(1, ("a",), 5, 9.0, LIMITS)  # at 0, 9 and 18 s of 20
    assert samples == (("a", (1.0, 1.0, 1.0)),)
    assert deadlines == [5, 5, 2.0]
