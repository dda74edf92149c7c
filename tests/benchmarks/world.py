"""The node that a tick is measured on: recorded answers, 300 processes, a log of any size, and a tick before."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from monitor_loop.session import Mode, Session
from monitor_tick.catalog import load_rules
from monitor_tick.tick import tick
from tests.benchmarks.commands import tick_command
from tests.proctree import make_process
from tests.recorded_node import DATA, RecordedNode

MB = 2**20
NEW_BYTES = 2 * MB
PROCESSES = 300
LEDGER = 62_484_033

_STAMP = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", re.MULTILINE)
_CLOSE_TIME = re.compile(rb" close_time=\d+")
_LEDGER = re.compile(rb"\b6248\d{4}\b")
_LEDGERS_A_CADENCE = 240


class World:
    """A quiet tick is always the same one: `rewind` puts back what the tick changed."""

    def __init__(self, node: RecordedNode, log_bytes: int, now: datetime) -> None:
        self.node = node
        self.session: Session = node.session
        self.now = now
        node.run_as(started_at=now - timedelta(hours=26))
        for pid in range(60_000, 60_000 + PROCESSES):
            make_process(node.proc, pid, "/usr/bin/sleep", ["sleep", "600"], comm="sleep")
        write_log(self.session.log, log_bytes, now - timedelta(minutes=20))
        node.answer_at(LEDGER - _LEDGERS_A_CADENCE, now - timedelta(minutes=20))
        node.scrape("healthy.prom")
        self.tick_before()
        append_log(self.session.log, NEW_BYTES, now)
        node.answer_at(LEDGER, now)
        node.scrape("healthy_next.prom")
        self._kept = self._state()

    @property
    def data(self) -> Path:
        return self.session.data.path

    @property
    def arguments(self) -> tuple[str, ...]:
        return "--data-root", str(self.data), "--proc", str(self.node.proc)

    @property
    def command(self) -> tuple[str, ...]:
        return tick_command(*self.arguments)

    def tick_before(self) -> None:
        """The tick of one cadence ago, in this process."""
        before = self.now - timedelta(minutes=20)
        tick(self.session, load_rules(), before, proc=self.node.proc)

    def keep(self) -> None:
        """What stands now is what `rewind` leads back to."""
        self._kept = self._state()

    def rewind(self) -> None:
        for path in self._state().keys() - self._kept.keys():
            path.unlink()
        for path, (content, modified_ns) in self._kept.items():
            if path.read_bytes() != content:
                path.write_bytes(content)
            os.utime(path, ns=(modified_ns, modified_ns))

    def _state(self) -> dict[Path, tuple[bytes, int]]:
        """Every file that a tick may write, with its content and its time."""
        places = (self.data, self.session.directory, self.session.metrics)
        files = (path for place in places for path in place.iterdir() if path.is_file())
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@contextmanager
def world(log_bytes: int, mode: Mode = Mode.VALIDATOR) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
        node = RecordedNode(Path(directory), mode)
        node.serve()
        try:
            yield World(node, log_bytes, datetime.now(timezone.utc))
        finally:
            node.close()


def write_log(path: Path, log_bytes: int, ends_at: datetime) -> None:
    """A log of real lines, every byte of it written: one block over and over, then the lines that end at `ends_at`."""
    block = _block(MB, ends_at - timedelta(hours=1), 2 * _LEDGERS_A_CADENCE)
    last = _block(MB, ends_at, _LEDGERS_A_CADENCE)
    with path.open("wb") as log:
        while log.tell() + len(block) + len(last) <= log_bytes:
            log.write(block)
        log.write(last)


def append_log(path: Path, new_bytes: int, ends_at: datetime) -> None:
    with path.open("ab") as log:
        log.write(_block(new_bytes, ends_at))


def redirected(session: Session, port: int) -> Session:
    """The same session, whose node and radar answer on `port`."""
    return msgspec.structs.replace(session, admin_port=port, rpc_port=port, radar_url=f"http://127.0.0.1:{port}")


def _block(wanted_bytes: int, ends_at: datetime, ledgers_back: int = 0) -> bytes:
    """About `wanted_bytes` of the sample's lines, moved to end at `ends_at` and so many ledgers back."""
    lines = (DATA / "monitor.log.sample").read_bytes()
    found = [stamp[1] for stamp in _STAMP.finditer(lines)]
    newest = datetime.fromisoformat(max(found).decode()).replace(tzinfo=timezone.utc)
    shift = ends_at - timedelta(seconds=2) - newest

    def moved(stamp: re.Match[bytes]) -> bytes:
        at = datetime.fromisoformat(stamp[1].decode()).replace(tzinfo=timezone.utc) + shift
        return at.strftime("%Y-%m-%dT%H:%M:%S").encode() + (stamp[2] or b"") + b"Z"

    closed = f" close_time={int(ends_at.timestamp()) - 5}".encode()
    block = _CLOSE_TIME.sub(closed, _STAMP.sub(moved, lines))
    block = _LEDGER.sub(lambda ledger: str(int(ledger[0]) - ledgers_back).encode(), block)
    return block * max(1, wanted_bytes // len(block))
