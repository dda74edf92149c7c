"""Find henyey processes by their exe, never by text, and signal exactly the one that was found.

A process is told from every other by (pid, start_ticks, boot id). `proc` is an argument everywhere so that a made-up
/proc can be looked at; a signal is sent only where the real one agrees.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Identity, Process, Session

PROC = Path("/proc")

_DELETED = " (deleted)"  # what the kernel appends to exe once a rebuild replaced the file
_BINARY = "/cargo-target/release/henyey"
_ZOMBIE = ("Z", "X")
_DEAD = ("", *_ZOMBIE)
_READ_LIMIT = 2**21  # the longest argv Linux allows by default


def exes(proc: Path = PROC) -> Iterator[tuple[int, str]]:
    """Every process whose exe is readable: pid and exe without " (deleted)". One readlink a process."""
    root = str(proc)
    for name in os.listdir(root):
        if not (name.isascii() and name.isdigit()):
            continue
        try:
            exe = os.readlink(f"{root}/{name}/exe")
        except OSError:
            continue  # a kernel thread, another user's process, or gone
        yield int(name), exe.removesuffix(_DELETED)


def node_pids(data: DataRoot, proc: Path = PROC) -> tuple[tuple[int, str], ...]:
    """(pid, session id) of every henyey `run` process under `data`, by pid; needs only exe and cmdline of it.

    exe is exactly <data>/<one segment>/cargo-target/release/henyey and `run` one of its arguments; no zombies.
    """
    prefix = f"{data.path}/"
    found = []
    for pid, exe in exes(proc):
        if not (exe.startswith(prefix) and exe.endswith(_BINARY)):
            continue
        session_id = exe[len(prefix) : -len(_BINARY)]
        if session_id and "/" not in session_id and "run" in _argv(pid, proc) and _stat(pid, proc).state not in _ZOMBIE:
            found.append((pid, session_id))
    return tuple(sorted(found))


def find_nodes(data: DataRoot, proc: Path = PROC) -> tuple[Process, ...]:
    """Every running node under `data`, by pid; one that cannot be read or just ended is left out.

    So is the child of a node: between its fork and its exec a helper program still has the node's exe and argv.
    """
    candidates = node_pids(data, proc)
    parents = {pid: _stat(pid, proc).parent for pid, _ in candidates} if len(candidates) > 1 else {}
    own = ((pid, session_id) for pid, session_id in candidates if parents.get(pid) not in parents)
    processes = (_read(pid, session_id, proc) for pid, session_id in own)
    return tuple(process for process in processes if process is not None)


def node_of(session: Session, proc: Path = PROC) -> Process | None:
    """The node of this session. Two of them are a MonitorError that names both: nobody may guess which is meant."""
    nodes = tuple(process for process in find_nodes(session.data, proc) if process.session_id == session.id)
    if len(nodes) > 1:
        named = ", ".join(f"PID={process.pid} session={process.session_id}" for process in nodes)
        raise MonitorError(f"ERROR: several nodes of session {session.id} run: {named} - stop all but one by hand")
    return nodes[0] if nodes else None


def birth_of(pid: int, proc: Path = PROC) -> tuple[Identity, datetime] | None:
    """Which run `pid` is, and since when; also of a child that already died and is not reaped yet."""
    stat = _stat(pid, proc)
    return (Identity(pid, stat.start_ticks, boot_id(proc)), _started_at(stat.start_ticks, proc)) if stat.state else None


def lives(identity: Identity, proc: Path = PROC) -> bool:
    """The same run of whatever program it is, and not a zombie."""
    stat = _stat(identity.pid, proc)
    return stat.state not in _DEAD and identity == Identity(identity.pid, stat.start_ticks, boot_id(proc))


def group_members(group: int, proc: Path = PROC) -> tuple[Identity, ...]:
    """Every live process of a process group. The group's number is its leader's pid, which may be gone."""
    boot = boot_id(proc)
    pids = (int(name) for name in os.listdir(proc) if name.isascii() and name.isdigit())
    found = ((pid, _stat(pid, proc)) for pid in pids)
    return tuple(
        Identity(pid, stat.start_ticks, boot) for pid, stat in found if stat.group == group and stat.state not in _DEAD
    )


def environment_of(pid: int, proc: Path = PROC) -> tuple[str, ...]:
    """NAME=value as the process was started with; empty where it may not be read."""
    return tuple(os.fsdecode(entry) for entry in _bytes(proc / str(pid) / "environ").split(b"\0") if entry)


def boot_id(proc: Path = PROC) -> str:
    """Changes with each boot. "unknown" where the kernel does not tell; pid and start_ticks then stand alone."""
    return _text(proc / "sys/kernel/random/boot_id").strip() or "unknown"


def boot_time(proc: Path = PROC) -> datetime:
    for line in _text(proc / "stat").splitlines():
        name, _, value = line.partition(" ")
        if name == "btime" and value.strip().isdigit():
            return datetime.fromtimestamp(int(value), tz=timezone.utc)
    raise MonitorError(f"ERROR: {proc}/stat has no btime - is {proc} mounted?")


def still_runs(process: Process, proc: Path = PROC) -> bool:
    """The same run of the same program: equal exe and start_ticks, and not a zombie."""
    stat = _stat(process.pid, proc)
    if stat.state in _DEAD or stat.start_ticks != process.identity.start_ticks:
        return False
    return _link(process.pid, "exe", proc).removesuffix(_DELETED) == str(process.exe)


def has_ended(identity: Identity, proc: Path = PROC) -> bool:
    """Nothing is left of this run. Its exe is gone before that: a process of 16 GB takes ten more seconds to give its
    memory back, and only then are its files closed, the node's lock among them. So is a zombie that has threads left.
    """
    stat = _stat(identity.pid, proc)
    if identity != Identity(identity.pid, stat.start_ticks, boot_id(proc)):
        return True
    return stat.state in _DEAD and stat.threads <= 1


def send_signal(process: Process, signum: int, proc: Path = PROC) -> bool:
    """The only place where a node is signalled. False: it is gone, or its pid is another's by now.

    The pidfd is opened first and the identity checked after, so that what was checked is what gets the signal.
    """
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not all(still_runs(process, root) for root in {proc, PROC}):
            return False
        signal.pidfd_send_signal(fd, signum)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise MonitorError(f"ERROR: not allowed to signal pid {process.pid} - run this as the node's user") from None
    finally:
        os.close(fd)
    return True


def _read(pid: int, session_id: str, proc: Path) -> Process | None:
    stat = _stat(pid, proc)
    link, argv = _link(pid, "exe", proc), _argv(pid, proc)
    if stat.state in _DEAD or not link:
        return None
    if _stat(pid, proc).start_ticks != stat.start_ticks:
        return None  # it ended and its pid was given away while we looked
    return Process(
        identity=Identity(pid, stat.start_ticks, boot_id(proc)),
        session_id=session_id,
        exe=Path(link.removesuffix(_DELETED)),
        deleted=link.endswith(_DELETED),
        argv=argv,
        cwd=Path(_link(pid, "cwd", proc)),
        started_at=_started_at(stat.start_ticks, proc),
        stdout=_link(pid, "fd/1", proc),
    )


def last_start_of(known: Iterable[Identity], proc: Path = PROC) -> datetime | None:
    """When the latest of these runs began, by the clock as it is now; None where none is of this boot."""
    boot = boot_id(proc)
    ticks = [identity.start_ticks for identity in known if identity.boot_id == boot]
    return _started_at(max(ticks), proc) if ticks else None


def _started_at(start_ticks: int, proc: Path) -> datetime:
    return boot_time(proc) + timedelta(seconds=start_ticks / os.sysconf("SC_CLK_TCK"))


class _Stat(NamedTuple):
    """Fields 3, 4, 5, 20 and 22 of /proc/PID/stat; the state is empty where there is no such process."""

    state: str = ""
    parent: int = 0
    group: int = 0
    threads: int = 0
    start_ticks: int = 0


def _stat(pid: int, proc: Path) -> _Stat:
    # comm (field 2) may hold blanks and brackets: count from the last one.
    fields = _text(proc / str(pid) / "stat").rpartition(")")[2].split()
    try:
        return _Stat(fields[0], int(fields[1]), int(fields[2]), int(fields[17]), int(fields[19]))
    except (IndexError, ValueError):
        return _Stat()


def _link(pid: int, name: str, proc: Path) -> str:
    try:
        return os.readlink(f"{proc}/{pid}/{name}")
    except OSError:
        return ""


def _argv(pid: int, proc: Path) -> tuple[str, ...]:
    content = _bytes(proc / str(pid) / "cmdline").removesuffix(b"\0")
    return tuple(os.fsdecode(element) for element in content.split(b"\0")) if content else ()


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8", "replace")


def _bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_READ_LIMIT)
    except OSError:
        return b""
