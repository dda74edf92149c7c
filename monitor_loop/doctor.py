"""`monitor-loop doctor`: everything that a first start needs, each line ok or with what mends it."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from monitor_loop import crontab, disk, envfile, fresh, preflight, procfs, shell, start
from monitor_loop.begun import Request
from monitor_loop.building import build
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import DataRoot, Session

TOOL_DEADLINE_SECONDS = 15.0
DISK_LOW_PCT = 85.0
DISK_FULL_PCT = 95.0
MEMORY_GB = 16
"""A mainnet validator settles at 7-9 GB and is restarted at 16; a build beside it takes more."""

_CLOCK_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 512  # more than struct timex on any platform; all zero asks without setting anything


class Finding(msgspec.Struct, frozen=True):
    """One line. With `ok` False, `remedy` says what to do, and `blocks` whether a start cannot work before that."""

    name: str
    ok: bool
    text: str
    remedy: str = ""
    blocks: bool = False


class Diagnosis(msgspec.Struct, frozen=True):
    findings: tuple[Finding, ...]

    @property
    def blocked(self) -> bool:
        return any(finding.blocks and not finding.ok for finding in self.findings)


def doctor(request: Request, proc: Path) -> Diagnosis:
    """What `start` with the same options would need, with what an operator set in the env file."""
    if request.embedded:
        return _embedded(request.data, proc)
    try:
        known = envfile.find(request.data)
    except MonitorError as error:
        known, damage = None, [Finding("env file", False, _plain(error), "monitor-loop start puts it aside")]
    else:
        damage = []
    if known is not None and known.is_embedded and _runs(known, proc):
        return _embedded(request.data, proc)
    session = start.with_operators_keys(fresh.plan(request, known), known)
    return Diagnosis((*damage, *examine(session, proc).findings))


def examine(session: Session, proc: Path) -> Diagnosis:
    """Look at everything that a session about to be started needs. Changes nothing."""
    node = (*_toolchain(session), *_checkout(session), *_node(session, proc), *_github(session))
    return Diagnosis((*node, *_machine(session.data, proc)))


def render(diagnosis: Diagnosis) -> str:
    lines = []
    for finding in diagnosis.findings:
        mark = "ok  " if finding.ok else "FAIL" if finding.blocks else "warn"
        remedy = f" -> {finding.remedy}" if finding.remedy and not finding.ok else ""
        lines.append(f"{mark}  {finding.name:<9} {finding.text}{remedy}")
    if diagnosis.blocked:
        lines.append(f"a start cannot work yet{_way_out(diagnosis)}")
    return "\n".join(lines)


def _way_out(diagnosis: Diagnosis) -> str:
    """The embedded node needs no more than the machine."""
    lacking = {finding.name for finding in diagnosis.findings if finding.blocks and not finding.ok}
    if lacking & {"data root", "disk"}:
        return ""
    return "; monitor-loop start --embedded needs no toolchain, checkout or token"


def _embedded(data: DataRoot, proc: Path) -> Diagnosis:
    node = Finding("node", True, "embedded: needs no toolchain, checkout or token")
    return Diagnosis((node, *_machine(data, proc)))


def _runs(session: Session, proc: Path) -> bool:
    """A start attaches to it, whatever was asked for; one that ended gives way to henyey."""
    return any(id_ == session.id for _, id_ in procfs.node_pids(session.data, proc))


def _machine(data: DataRoot, proc: Path) -> list[Finding]:
    return [_data_root(data), _disk(data), _memory(proc), _cron(data, proc), _clock()]


def _toolchain(session: Session) -> list[Finding]:
    return [
        _tool("cargo", session.cargo, "install Rust: https://rustup.rs", blocks=True),
        _tool("git", session.git, "sudo apt-get install git", blocks=True),
    ]


def _tool(name: str, path: str, remedy: str, blocks: bool) -> Finding:
    if not path:
        return Finding(name, False, "not installed", remedy, blocks)
    try:
        ran = shell.run([path, "--version"], deadline_seconds=TOOL_DEADLINE_SECONDS)
    except MonitorError as error:
        return Finding(name, False, _plain(error), remedy, blocks)
    if ran.status != 0:
        return Finding(name, False, f"{path} --version fails: {_line(ran.err)}", remedy, blocks)
    return Finding(name, True, f"{_line(ran.out)} ({path})")


def _checkout(session: Session) -> list[Finding]:
    if not session.git:
        return []
    checkout = _refusing("checkout", f"{session.repo}", lambda: build.check_checkout(session.repo, session.git))
    if not checkout.ok:
        return [checkout]
    name = build.github_repo_of(session.repo, session.git)
    remedy = f"git -C {session.repo} remote add origin https://github.com/stellar-experimental/henyey"
    return [checkout, Finding("remote", bool(name), name or "origin is not on GitHub", remedy)]


def _node(session: Session, proc: Path) -> list[Finding]:
    """The config; then the running node, or else whether one could start."""
    try:
        config = preflight.read_config(session)
    except MonitorError as error:
        return [_refusal("config", error)]
    notes = preflight.data_notes(config, session.data)
    findings = [Finding("config", True, str(session.config_file))]
    findings += [Finding("node data", True, note) for note in notes]
    running = procfs.node_pids(session.data, proc)
    if running:
        return [*findings, Finding("node", True, ", ".join(f"runs: PID={pid} session={id_}" for pid, id_ in running))]
    if overrides := preflight.overrides_of(os.environ):
        findings += [Finding("variables", False, f"a start takes {overrides} from here", preflight.OVERRIDES_REMEDY)]
    ports = f"{config.http_port or 'no admin port'}, {config.rpc_port or 'no RPC'}: free"
    return [
        *findings,
        _refusing("ports", ports, lambda: preflight.check_ports(config)),
        _refusing("database", f"{config.lock_file} is free", lambda: preflight.check_database(config, proc)),
        _refusing("data", "no other kind of node's", lambda: preflight.check_owner(config, embedded=False)),
    ]


def _github(session: Session) -> list[Finding]:
    if session.tracker != "github":
        return [Finding("gh", True, f"not needed: issues go to {session.data.path / 'issues'}")]
    tool = _tool("gh", session.gh, "install it: https://cli.github.com", blocks=False)
    if not tool.ok:
        return [tool]
    ran = shell.run([session.gh, "auth", "status"], deadline_seconds=TOOL_DEADLINE_SECONDS)
    if ran.status != 0:
        return [tool, Finding("login", False, "gh is not logged in", "gh auth login --scopes repo,project")]
    return [tool, _scopes(ran.out + ran.err, bool(session.project)), _board(session)]


def _scopes(status: str, with_board: bool) -> Finding:
    """gh prints the scopes of a classic token only; a fine-grained one shows what it may when it is used."""
    match = re.search(r"Token scopes: (.*)", status)
    if match is None:
        return Finding("login", True, "logged in; the token does not tell its scopes")
    granted = set(re.findall(r"[\w:]+", match[1]))
    lacking = {"repo", *(["project"] if with_board else [])} - granted
    if lacking:
        names = ",".join(sorted(lacking))
        return Finding("login", False, f"the token lacks {names}", f"gh auth refresh --scopes {names}")
    return Finding("login", True, f"scopes {', '.join(sorted(granted))}")


def _board(session: Session) -> Finding:
    owner, _, number = session.project.rpartition("/")
    if not session.project:
        return Finding("board", True, "none configured (MONITOR_PROJECT)")
    argv = [session.gh, "project", "view", number, "--owner", owner, "--format", "json"]
    ran = shell.run(argv, deadline_seconds=TOOL_DEADLINE_SECONDS)
    remedy = f"gh auth refresh --scopes project; check MONITOR_PROJECT in {session.data.env_file}"
    return Finding("board", ran.status == 0, session.project if ran.status == 0 else _line(ran.err), remedy)


def _data_root(data: DataRoot) -> Finding:
    nearest = next(path for path in (data.path, *data.path.parents) if path.exists())
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    text = str(data.path) if writable else f"{nearest} is not a writable directory"
    return Finding("data root", writable, text, "choose another with --data-root", blocks=True)


def _disk(data: DataRoot) -> Finding:
    nearest = next(path for path in (data.path, *data.path.parents) if path.exists())
    used = disk.used_pct(nearest)
    return Finding("disk", used <= DISK_LOW_PCT, f"{used:.1f}% used", "monitor-loop cleanup", used > DISK_FULL_PCT)


def _memory(proc: Path) -> Finding:
    match = re.search(r"^MemTotal:\s+(\d+) kB", (proc / "meminfo").read_text(), re.MULTILINE)
    total_gb = int(match[1]) / 2**20 if match else 0.0
    # A machine that is sold with 16 GB shows a little less.
    return Finding("memory", total_gb >= MEMORY_GB * 0.9, f"{total_gb:.1f} GB", f"a validator needs {MEMORY_GB} GB")


def _cron(data: DataRoot, proc: Path) -> Finding:
    try:
        installed = crontab.has_line(crontab.read(), data)
    except MonitorError as error:
        return Finding("cron", False, _plain(error), "sudo apt-get install cron")
    if not _cron_runs(proc):
        return Finding("cron", False, "no cron daemon runs", "sudo service cron start")
    return Finding(
        "cron", installed, "a tick is installed" if installed else "no tick", "monitor-loop start --install-cron"
    )


def _cron_runs(proc: Path) -> bool:
    """By comm, since root's exe is unreadable to others; this only informs, nothing is signalled."""
    for entry in proc.iterdir():
        if entry.name.isdecimal():
            try:
                if (entry / "comm").read_text().strip() in ("cron", "crond"):
                    return True
            except (OSError, UnicodeDecodeError):
                continue
    return False


def _clock() -> Finding:
    """Ages are compared with the network's close times, so a clock that nobody keeps in step raises false alarms."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    in_step = state not in (-1, _CLOCK_UNSYNCHRONISED)
    text = "in step" if in_step else "cannot be asked here" if state == -1 else "not kept by NTP"
    return Finding("clock", in_step, text, "sudo apt-get install chrony")


def _refusing(name: str, text: str, look: Callable[[], None]) -> Finding:
    try:
        look()
    except MonitorError as error:
        return _refusal(name, error)
    return Finding(name, True, text)


def _refusal(name: str, error: MonitorError) -> Finding:
    """A MonitorError says both what is wrong and what mends it."""
    return Finding(name, False, _plain(error), blocks=True)


def _plain(error: MonitorError) -> str:
    return plain(error).removesuffix(shell.SEE_DOCTOR)


def _line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no output"
