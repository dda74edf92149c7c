"""One run of the model node: where it stands at a time, and what is wrong with it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor_loop.session import Identity
from tests.simulation.tape import Tape

LEDGER_SECONDS = 5
TIP_BEFORE = 62_484_000
REPLAY_RATE = 5.0
"""Ledgers a second, once it has its state: the network closes a fifth of one."""

REPORT_LEDGERS = 64
"""The node accounts for its memory at every ledger that this divides."""

USUAL_RSS_MB = 7588
STARTING, CATCHING_UP, VALIDATING = "Initializing", "Catching Up", "Validating"


Wall = Callable[[datetime], datetime]
"""What the machine's clock says at a true time."""


class Network(NamedTuple):
    """Closes a ledger every five seconds, whatever the node does."""

    began: datetime

    def tip(self, at: datetime) -> int:
        return TIP_BEFORE + int((at - self.began).total_seconds() // LEDGER_SECONDS)

    def closed_at(self, ledger: int) -> datetime:
        return self.began + timedelta(seconds=(ledger - TIP_BEFORE) * LEDGER_SECONDS)


class Kind(str, enum.Enum):
    """How a run ends, or would."""

    PANIC = "panic"
    KILLED = "killed"
    FATAL = "fatal"
    LIVELOCK = "livelock"
    FROZEN = "frozen"
    DISK_FULL = "disk full"
    LOCKED = "database locked"
    STOPPED = "stopped"
    """By a signal of the monitor."""
    POWER = "power cut"


class Child:
    """What `subprocess.Popen` is to the code that launches."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode


class Run:
    """`moved` is where its ledgers were last set going: at a time, from a ledger, at a rate; None at the tip.

    `is_doomed`: it will end by itself. `was_halted`: it stood still for a while, which may speak against its build.
    `launched_by` is the time of the tick that launched it, by the machine's clock.
    `work` is how long it has been in sync, in units of twenty minutes; `counted` until when.
    """

    def __init__(self, identity: Identity, started: datetime, build: str, network: Network, tape: Tape) -> None:
        self.identity = identity
        self.started = started
        self.build = build
        self.network = network
        self.tape = tape
        self.child = Child(identity.pid)
        self.lock: int | None = None
        self.stage = STARTING
        self.in_loop = False
        self.moved: tuple[datetime, int, float] | None = (started, 1, 0.0)
        self.frozen_since: datetime | None = None
        self.has_watchdog = True
        self.is_silent = False
        self.blocked_since: datetime | None = None
        self.hears = True
        self.has_log = True
        self.is_doomed = self.was_halted = False
        self.launched_by: datetime | None = None
        self.rss_mb = USUAL_RSS_MB
        self.work = 0.0
        self.lost_syncs = 0
        self.told_at = started
        self.told_ledger = 0

    @property
    def pid(self) -> int:
        return self.identity.pid

    @property
    def is_healthy(self) -> bool:
        sound = self.frozen_since is None and self.blocked_since is None and self.rss_mb == USUAL_RSS_MB
        return sound and self.hears and self.has_log and self.moved is None and self.stage == VALIDATING

    @property
    def is_held(self) -> bool:
        """It goes no further by itself."""
        return self.frozen_since is not None or self.blocked_since is not None

    def ledger(self, at: datetime) -> int:
        if self.moved is None:
            return self.network.tip(at)
        since, ledger, rate = self.moved
        return min(self.network.tip(at), ledger + int(rate * (at - since).total_seconds()))

    def halt(self, at: datetime) -> None:
        """No ledger closes from now on."""
        self.was_halted = True
        self.moved = (at, self.ledger(at), 0.0)

    def go_on(self, at: datetime, rate: float, from_ledger: int | None = None) -> datetime:
        """Ledgers close again; returns when the tip is reached."""
        ledger = self.ledger(at) if from_ledger is None else from_ledger
        self.moved = (at, ledger, rate)
        missing = self.network.tip(at) - ledger
        return at + timedelta(seconds=int(missing / (rate - 1 / LEDGER_SECONDS)) + 1)

    def enter(self, stage: str, wall: datetime) -> None:
        if stage != self.stage:
            self.tape.at(wall).change_state(self.stage, stage)
            self.stage = stage

    def tell(self, at: datetime, wall: Wall) -> None:
        """The periodic lines since the last time, of which only the newest matter."""
        tape, ledger = self.tape, self.ledger(at)
        if self.blocked_since is not None:
            _blocked_lines(self, self.blocked_since, at, wall)
        if self.frozen_since is not None and self.has_watchdog:
            _frozen_lines(self, self.frozen_since, at, wall)
        newest = ledger - ledger % REPORT_LEDGERS
        if self.in_loop and self.frozen_since is None and at - self.told_at > timedelta(seconds=20):
            if newest > self.told_ledger:
                tape.at(wall(at - timedelta(seconds=15))).report(newest, self.rss_mb - USUAL_RSS_MB)
            closed = self.network.closed_at(ledger)
            tape.at(wall(at - timedelta(seconds=12))).close_ledger(ledger, int(closed.timestamp()))
            tape.at(wall(at - timedelta(seconds=3))).beat(ledger, self.network.tip(at), heard=self.hears)
        if self.in_loop:
            self.told_ledger = newest
        self.work += (at - self.told_at).total_seconds() / 1200 if self.moved is None else 0.0
        self.told_at = at


def _blocked_lines(run: Run, since: datetime, at: datetime, wall: Wall) -> None:
    """One in thirty seconds since the failure."""
    first = max(since, run.told_at)
    for number in range(1, int((at - first).total_seconds() // 30) + 1):
        run.tape.at(wall(first + timedelta(seconds=30 * number))).block()


def _frozen_lines(run: Run, since: datetime, at: datetime, wall: Wall) -> None:
    """The watchdog's: each ten seconds from the thirtieth on, to its abort."""
    for seconds in range(30, 120, 10):
        if run.told_at < (told := since + timedelta(seconds=seconds)) <= at:
            run.tape.at(wall(told)).freeze(seconds, run.pid)
