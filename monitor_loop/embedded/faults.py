"""What can be broken: one table of faults, and the file through which they are switched on while the node runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from monitor_loop.embedded.catalogue import load_catalogue
from monitor_loop.errors import MonitorError

Scalar = str | int | float | bool

FAULTS_FILE = "faults.json"

_WANTED: Mapping[type, str] = {int: "a whole number", float: "a number"}


class FaultKind(msgspec.Struct, frozen=True):
    """`arguments` are names with defaults, whose types a value must have; the one named by `subject` tells two
    faults of one kind apart. A fault that is `once` happens and is over; the others last until cleared.
    """

    text: str
    arguments: tuple[tuple[str, Scalar], ...] = ()
    subject: str = ""
    once: bool = False


_ANY_PATH = (("path", "*"),)
_PANIC = "called `Option::unwrap()` on a `None` value"

FAULTS: Mapping[str, FaultKind] = {
    # --- it dies ---
    "crash": FaultKind("the process dies by a signal, without a word in its log", (("signal", 9),), once=True),
    "panic": FaultKind("panic text, then SIGABRT", (("message", _PANIC),), once=True),
    "alloc_failed": FaultKind("`memory allocation of N bytes failed`, then SIGABRT", (("bytes", 1 << 33),), once=True),
    "fatal": FaultKind("fatal state that demands a wipe; kind is header or catchup", (("kind", "header"),), once=True),
    "livelock": FaultKind("hard-reset livelock: the same fatal line, nothing corrupt, exit 1", once=True),
    "freeze": FaultKind(
        "the loop stalls: HTTP hangs (or answers), watchdog lines, abort at 120 s", (("http", "hang"),)
    ),
    "ignore_sigterm": FaultKind("SIGTERM is logged and not obeyed"),
    "slow_stop": FaultKind("a graceful stop takes this long", (("seconds", 20.0),)),
    # --- it falls behind ---
    "lag": FaultKind("behind the network by this many ledgers and seconds", (("ledgers", 20), ("seconds", 100.0))),
    "stall": FaultKind("no ledger closes any more, everything else goes on"),
    "lost_sync": FaultKind("out of sync since so many seconds: nothing closes, Catching Up", (("seconds", 120.0),)),
    "few_peers": FaultKind("only so many peers are left", (("inbound", 1), ("outbound", 2))),
    # --- it wears out ---
    "memory_growth": FaultKind("reports rise by mb; real_mb of it are allocated", (("mb", 6000), ("real_mb", 64))),
    "fragmentation": FaultKind("memory reports and gauges show this fragmentation", (("pct", 60.0),)),
    "slow_close": FaultKind("ledger closes take this many times longer", (("factor", 20.0),)),
    "pruning_stalled": FaultKind("maintenance prunes nothing; the window is at least this", (("window", 2000),)),
    "slow_maintenance": FaultKind("each maintenance run is logged as too long", (("elapsed_ms", 13874),)),
    # --- its log ---
    "log_flood": FaultKind("so many WARN lines a second", (("rate", 1000),)),
    "error_line": FaultKind("a line at ERROR", (("text", "It broke"), ("target", "henyey_app::app")), once=True),
    "raw_line": FaultKind("a line exactly as given", (("text", ""),), once=True),
    # --- its metrics ---
    "counter": FaultKind("a counter jumps once", (("name", ""), ("amount", 1)), subject="name", once=True),
    "gauge": FaultKind("a gauge shows this value", (("name", ""), ("value", 0.0)), subject="name"),
    "missing": FaultKind("a metric is absent from the scrape", (("name", ""),), subject="name"),
    "no_recorder": FaultKind("/metrics says `# metrics recorder not installed`"),
    "garbage": FaultKind("/metrics answers noise"),
    # --- its servers; path is one of the admin API's, "rpc", "radar", or "*" ---
    "http_500": FaultKind("status 500", _ANY_PATH, subject="path"),
    "slow": FaultKind("the answer comes late", (*_ANY_PATH, ("seconds", 20.0)), subject="path"),
    "trickle": FaultKind("the answer comes byte by byte", _ANY_PATH, subject="path"),
    "endless": FaultKind("the answer never ends", _ANY_PATH, subject="path"),
    "drop": FaultKind("the connection is closed without an answer", _ANY_PATH, subject="path"),
    "redirect": FaultKind("a redirect to itself", _ANY_PATH, subject="path"),
    "rpc_down": FaultKind("nothing listens on the RPC port"),
    "ports_not_bound": FaultKind("nothing listens on the admin and RPC ports"),
    "not_validating": FaultKind("the radar says that the node does not validate"),
    "radar_incomplete": FaultKind("the radar answers with nulls"),
}


class Fault(msgspec.Struct, frozen=True):
    """One fault that is on. `arguments` are complete: defaults filled in, types checked."""

    name: str
    arguments: tuple[tuple[str, Scalar], ...] = ()

    @property
    def kind(self) -> FaultKind:
        return FAULTS[self.name]

    @property
    def subject(self) -> str:
        return str(self.argument(self.kind.subject)) if self.kind.subject else ""

    @property
    def identity(self) -> tuple[str, str]:
        return self.name, self.subject

    def argument(self, name: str) -> Scalar:
        return dict(self.arguments)[name]

    def number(self, name: str) -> float:
        return float(self.argument(name))


class PlannedFault(msgspec.Struct, frozen=True):
    """A fault of the config or scenario file: on `after_seconds` after the main loop began, for `for_seconds`
    (0: until the end). It is repeated by every start of the node; seconds are divided by the speed.
    """

    fault: Fault
    after_seconds: float = 0.0
    for_seconds: float = 0.0

    def as_pairs(self) -> tuple[tuple[str, Scalar], ...]:
        head = (("name", self.fault.name), ("after_seconds", self.after_seconds), ("for_seconds", self.for_seconds))
        return head + tuple((f"arg_{name}", value) for name, value in self.fault.arguments)


def make_fault(name: str, arguments: Mapping[str, Scalar]) -> Fault:
    """MonitorError for a fault or argument that does not exist, or a value of the wrong type."""
    kind = _kind(name)
    unknown = sorted(set(arguments) - {key for key, _ in kind.arguments})
    if unknown:
        allowed = ", ".join(key for key, _ in kind.arguments) or "no argument"
        raise MonitorError(f"fault {name}: no argument {unknown[0]!r}; it takes {allowed}")
    pairs = tuple((key, _typed(name, key, arguments.get(key, default), default)) for key, default in kind.arguments)
    fault = Fault(name, pairs)
    if kind.subject == "name":
        _refuse_unknown_metric(fault)
    return fault


def _kind(name: str) -> FaultKind:
    if name not in FAULTS:
        raise MonitorError(f"no fault is called {name!r}; `monitor-loop embedded fault --list` names them all")
    return FAULTS[name]


def planned_fault(entry: Mapping[str, Scalar]) -> PlannedFault:
    """From one [[fault]] table: name, after_seconds, for_seconds, and arg_<argument> keys."""
    arguments = {key[len("arg_") :]: value for key, value in entry.items() if key.startswith("arg_")}
    after, lasting = float(entry.get("after_seconds", 0.0)), float(entry.get("for_seconds", 0.0))
    return PlannedFault(make_fault(str(entry["name"]), arguments), after, lasting)


def set_fault(session_directory: Path, name: str, /, **arguments: Scalar) -> Fault:
    """Switch a fault on in this session's node, which looks ten times a second. The same fault again replaces it."""
    fault = make_fault(name, arguments)
    with _exclusive(session_directory / FAULTS_FILE) as path:
        others = [one for one in read_faults(path) if one.identity != fault.identity or fault.kind.once]
        _write(path, [*others, fault])
    return fault


def clear_faults(session_directory: Path, name: str | None = None) -> tuple[str, ...]:
    """Switch off one kind of fault, or all of them; returns the names of those that were on."""
    if name is not None:
        _kind(name)
    with _exclusive(session_directory / FAULTS_FILE) as path:
        faults = read_faults(path)
        kept = [one for one in faults if name is not None and one.name != name]
        _write(path, kept)
    return tuple(dict.fromkeys(one.name for one in faults if one not in kept))


def take_once(path: Path) -> tuple[Fault, ...]:
    """The faults that happen once, removed from the file, so that a relaunched node does not suffer them again."""
    with _exclusive(path):
        faults = read_faults(path)
        once = tuple(one for one in faults if one.kind.once)
        if once:
            _write(path, [one for one in faults if not one.kind.once])
    return once


def read_faults(path: Path) -> tuple[Fault, ...]:
    """None for a missing file or a damaged one; arguments that a hand-written file leaves out get their defaults."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=list[Fault])
        return tuple(make_fault(one.name, dict(one.arguments)) for one in stored)
    except (OSError, msgspec.DecodeError, MonitorError):
        return ()


def _write(path: Path, faults: Sequence[Fault]) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(msgspec.json.encode(faults))
    partial.replace(path)


@contextmanager
def _exclusive(path: Path) -> Iterator[Path]:
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(descriptor)


def _refuse_unknown_metric(fault: Fault) -> None:
    wanted = fault.subject.partition("{")[0]
    if not wanted:
        raise MonitorError(f"fault {fault.name}: name=METRIC is needed, such as name=stellar_peer_count")
    if wanted not in {metric.name for metric in load_catalogue(is_validator=True)}:
        raise MonitorError(f"fault {fault.name}: name={wanted!r} is no metric of the node (a # TYPE of its /metrics)")


def _typed(fault: str, name: str, value: Scalar, default: Scalar) -> Scalar:
    """As the default's type; a command line gives strings."""
    try:
        return type(default)(value)
    except ValueError as error:
        raise MonitorError(f"fault {fault}: {name}={value!r} is not {_WANTED[type(default)]}") from error
