"""The model of the node: a process in the made-up /proc, its database, log and HTTP, and what makes it end.

What it suffers from lies where the real node's trouble lies: corrupt state in its database, a bad build in its binary.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from monitor_loop.session import Identity, Process, Session
from tests.recorded_node import PUBLIC_KEY, info_body
from tests.simulation.machine import Machine
from tests.simulation.run import CATCHING_UP, REPLAY_RATE, REPORT_LEDGERS, VALIDATING, Child, Kind, Network, Run
from tests.simulation.scrapes import scrape
from tests.simulation.tape import FATAL_HEADER, LIVELOCK, Tape
from tests.simulation.web import Bodies

_close, _flock = os.close, fcntl.flock
RESTORE_SECONDS = 40
BEHIND_LEDGERS = 300
BUILD_LINE = re.compile(r"build ([0-9a-f]{40})")
HARD_EXIT = 137
WIPE_WORDS = "Node shutdown due to fatal state failure — state wipe required"


class Ended(NamedTuple):
    """The end of a run, in true time and by the machine's clock."""

    at: datetime
    wall: datetime
    identity: Identity
    kind: Kind
    launched_by: datetime | None
    build: str
    was_halted: bool


class Ailing(NamedTuple):
    """The next launch ends this way after so many seconds."""

    kind: Kind
    after_seconds: int


class Clock:
    """True time, and what is to happen at which; events at one time happen in the order they were made."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._count = 0

    def call_at(self, at: datetime, event: Callable[[], None]) -> None:
        self._count += 1
        self._events.append((at, self._count, event))
        self._events.sort(key=lambda each: each[:2])

    def call_in(self, seconds: float, event: Callable[[], None]) -> None:
        self.call_at(self.now + timedelta(seconds=seconds), event)

    def advance(self, to: datetime) -> None:
        while self._events and self._events[0][0] <= to:
            at, _, event = self._events.pop(0)
            self.now = max(self.now, at)
            event()
        self.now = max(self.now, to)


class ModelNode:
    """`ailing` are the ends of the next launches, in their order; `fate_seconds` how long a fatal run lasts.
    `bad_builds` end fatally, `stalled_builds` never catch up.

    `second_nodes` and `wrong_kills` say what must never happen, in words.
    """

    def __init__(self, session: Session, mainnet: Path, machine: Machine, clock: Clock) -> None:
        self.session = session
        self.machine = machine
        self.clock = clock
        self.network = Network(clock.now)
        self.run: Run | None = None
        self.ended: list[Ended] = []
        self.ailing: list[Ailing] = []
        self.bad_builds: list[str] = []
        self.stalled_builds: list[str] = []
        self.fate_seconds = 90
        self.fresh_minutes = 30
        self.launches = 0
        self.second_nodes: list[str] = []
        self.wrong_kills: list[str] = []
        self.pid_is_reused = False
        self.tick_at: datetime | None = None
        self.database = mainnet / "mainnet.db"
        self.lock_file = mainnet / "mainnet.lock"

    @property
    def is_healthy(self) -> bool:
        return self.run is not None and self.run.is_healthy

    # --- launched, and signalled ----------------------------------------------------------------------------------

    def launch(self, argv: Sequence[str], session: Session, log: int) -> Child:
        """In the place of `monitor_loop.node._start`."""
        now, machine = self.clock.now, self.machine
        if self.run is not None:
            self.second_nodes.append(f"{now}: launched beside pid {self.run.pid}")
        pid = machine.new_pid()
        boot = (machine.proc / "sys/kernel/random/boot_id").read_text().strip()
        tape = Tape(log)
        tape.is_stopped = machine.is_full
        run = Run(Identity(pid, machine.start_ticks(now), boot), now, self.build_of(session), self.network, tape)
        run.launched_by = self.tick_at
        self.run = run
        self.launches += 1
        machine.add(
            pid,
            session.launch_path,
            argv,
            now,
            rss_mb=run.rss_mb,
            stdout=session.log,
            cwd=session.repo,
            opened=(self.database,),
        )
        tape.at(machine.wall(now)).introduce(str(self.database))
        self._begin(run)
        return run.child

    def signal(self, process: Process, signum: int, _proc: Path | None = None) -> bool:
        """In the place of `procfs.send_signal`: to the node and to nobody else."""
        run = self.run
        if run is None or run.identity != process.identity:
            if (self.machine.proc / str(process.pid)).exists():
                self.wrong_kills.append(
                    f"{self.clock.now}: signal {signum} to pid {process.pid}, which is not the node"
                )
            return False
        if run.is_healthy:
            self.wrong_kills.append(f"{self.clock.now}: signal {signum} to a healthy node, pid {process.pid}")
        if signum == signal.SIGKILL:
            self.end(run, Kind.STOPPED, code=HARD_EXIT)
        elif run.in_loop and run.frozen_since is None:
            run.tape.at(self.machine.wall(self.clock.now)).stop_gracefully()
            self.clock.call_in(2, lambda: self.end(run, Kind.STOPPED, code=0))
        return True  # before its main loop, and frozen, it does not hear

    def end(self, run: Run, kind: Kind, code: int = 134) -> None:
        """The process is gone, if it was not before."""
        if self.run is not run:
            return
        now = self.clock.now
        if kind is not Kind.STOPPED:
            run.tell(now, self.machine.wall)
        self._say_last(run, kind)
        self._store(run)
        self.run = None
        run.child.returncode = code
        if run.lock is not None:
            _close(run.lock)
        run.tape.close()
        wall = self.machine.wall(now)
        self.ended.append(Ended(now, wall, run.identity, kind, run.launched_by, run.build, run.was_halted))
        if (self.machine.proc / str(run.pid)).exists():
            self.machine.remove(run.pid)
        if self.pid_is_reused:
            self.machine.strange(run.pid, now)

    def _say_last(self, run: Run, kind: Kind) -> None:
        tape, ledger = run.tape.at(self.machine.wall(self.clock.now)), run.ledger(self.clock.now)
        if kind is Kind.PANIC:
            tape.panic(run.pid)
        elif kind in (Kind.FATAL, Kind.LIVELOCK):
            tape.fatal(LIVELOCK if kind is Kind.LIVELOCK else FATAL_HEADER, ledger)
            tape.exit(WIPE_WORDS)
        elif kind is Kind.DISK_FULL:
            tape.persist_failed()
        elif kind is Kind.LOCKED:
            tape.raw(f"Error: database is locked (lockfile: {self.lock_file})")
        elif kind is Kind.POWER:
            tape.torn()
        elif kind is Kind.FROZEN and run.frozen_since is not None and run.has_watchdog:
            tape.abort_frozen()

    # --- its life -------------------------------------------------------------------------------------------------

    def _begin(self, run: Run) -> None:
        if not self._take_lock(run):
            self.end(run, Kind.LOCKED, code=1)
            return
        if self.machine.is_full:
            self.clock.call_in(20, lambda: self.end(run, Kind.DISK_FULL))
            return
        ledger, corrupt = self._open_database()
        fatal = corrupt or run.build in self.bad_builds
        ailing = Ailing(Kind.FATAL, self.fate_seconds) if fatal else self.ailing.pop(0) if self.ailing else None
        if ailing is not None:
            run.is_doomed = True
            self.clock.call_in(ailing.after_seconds, lambda: self.end(run, ailing.kind, code=1))
        self.clock.call_in(RESTORE_SECONDS, lambda: self._restore(run, ledger))

    def _restore(self, run: Run, ledger: int) -> None:
        """From an empty database it has to fetch everything; from one that is far behind it replays."""
        if self.run is not run or run.is_held:
            return
        now = self.clock.now
        if not ledger:
            run.enter(CATCHING_UP, self.machine.wall(now))
            self.clock.call_in(
                60 * self.fresh_minutes, lambda: self._replay(run, self.network.tip(self.clock.now) - 200)
            )
        else:
            self._replay(run, ledger)

    def _replay(self, run: Run, ledger: int) -> None:
        if self.run is not run or run.is_held:
            return
        now = self.clock.now
        run.in_loop = True
        run.told_at, run.told_ledger = now, ledger - ledger % REPORT_LEDGERS
        if self.network.tip(now) - ledger > BEHIND_LEDGERS:
            run.enter(CATCHING_UP, self.machine.wall(now))
        if run.build in self.stalled_builds:
            run.is_doomed = True
            run.enter(CATCHING_UP, self.machine.wall(now))
            run.moved = (now, ledger, 0.0)
            return
        self.clock.call_at(run.go_on(now, REPLAY_RATE, ledger), lambda: self.reach_tip(run))

    def reach_tip(self, run: Run) -> None:
        if self.run is not run or run.is_held:
            return
        now = self.clock.now
        run.moved = None
        run.enter(VALIDATING, self.machine.wall(now))
        run.tape.at(self.machine.wall(now)).enter_loop(VALIDATING)

    def _take_lock(self, run: Run) -> bool:
        lock = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _close(lock)
            return False
        run.lock = lock
        return True

    # --- its database ---------------------------------------------------------------------------------------------

    def corrupt(self) -> None:
        """From now on every run on this state ends fatally."""
        ledger, _ = self._open_database()
        self._save(ledger, corrupt=True)

    def _open_database(self) -> tuple[int, bool]:
        """The last ledger, 0 in a new one; and whether the state is corrupt."""
        if not self.database.exists():
            (self.database.parent / "buckets").mkdir(parents=True, exist_ok=True)
            (self.database.parent / "buckets" / "bucket-1.xdr").write_bytes(b"\0" * 4096)
            self._save(0, corrupt=False)
        stored = json.loads(self.database.read_text())
        return stored["at"], stored["corrupt"]

    def _save(self, ledger: int, *, corrupt: bool) -> None:
        if not self.machine.is_full:
            with self.database.open("w") as file:
                json.dump({"at": ledger, "corrupt": corrupt}, file)

    def _store(self, run: Run) -> None:
        if run.in_loop and self.database.exists():
            self._save(run.ledger(self.clock.now), corrupt=self._open_database()[1])

    def build_of(self, session: Session) -> str:
        """What is at the launch path."""
        found = BUILD_LINE.search(session.launch_path.read_text())
        assert found is not None
        return found[1]

    # --- what it shows --------------------------------------------------------------------------------------------

    def show(self) -> Bodies | None:
        """Bring its log, database and memory to now; the bodies that it answers with, None where it does not."""
        run, now = self.run, self.clock.now
        if run is None:
            return {}
        run.tell(now, self.machine.wall)
        self._store(run)
        self.machine.set_rss(run.pid, run.rss_mb)
        return None if run.is_silent else self._bodies(run, now)

    def _bodies(self, run: Run, now: datetime) -> Bodies:
        ledger, wall = run.ledger(now), self.machine.wall(now)
        close_time = int(self.network.closed_at(ledger).timestamp()) if ledger > 1 else 0
        age = max(0, int(wall.timestamp()) - close_time) if close_time else 0
        info: dict[str, Any] = info_body(ledger, close_time, age, validator=True)
        info |= {"state": run.stage, "commit_hash": run.build}
        health = {"status": "healthy", "latestLedger": ledger, "oldestLedger": max(1, ledger - 450)}
        answer = {"jsonrpc": "2.0", "id": 1, "result": health | {"ledgerRetentionWindow": 360}}
        slot = {"slot_index": ledger, "is_externalized": run.hears, "fully_validated": run.hears}
        slots = [slot | {"ballot_phase": "Externalize" if run.hears else "Prepare"}]
        radar = {"isValidating": True, "validating24HoursPercentage": 99.8, "lag": 1, "latestLedger": str(ledger)}
        gauges = {
            "stellar_ledger_sequence": ledger,
            "stellar_ledger_age_current_seconds": age,
            "stellar_herder_state": 2 if run.stage == VALIDATING else 1,
            "stellar_uptime_seconds": int((now - run.started).total_seconds()),
        }
        added = {"stellar_herder_lost_sync_total": run.lost_syncs}
        shown: dict[str, object] = {
            "/info": info,
            "/": answer,
            "/scp": {"node": PUBLIC_KEY, "slots": slots},
            "/peers": {"authenticated": {"inbound": [{}] * 9, "outbound": [{}] * 16}},
            "/maintenance": {"message": "Done"},
            f"/api/v1/nodes/{PUBLIC_KEY}": radar | {"updatedAt": wall.isoformat()},
        }
        bodies = {path: json.dumps(body).encode() for path, body in shown.items()}
        return bodies | {"/metrics": scrape(run.work, gauges, added)}
