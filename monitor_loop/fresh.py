"""The fresh start: what can be refused is refused first, then an hour of building, then the launch."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from monitor_loop import disk, files, node, nodeconfig, noderecord, preflight, procfs
from monitor_loop.begun import Begun, Console, Request
from monitor_loop.building import build
from monitor_loop.errors import MonitorError
from monitor_loop.session import MODE_DEFAULTS, DataRoot, Mode, NodeConfig, Session, start_command

DISK_LOW_PCT = 85.0


def begin(request: Request, known: Session | None, now: datetime, console: Console, proc: Path) -> Begun:
    """Make a session and launch its node. Raises MonitorError before anything is built where a start cannot work."""
    if request.embedded:
        session, config = _embedded(request)
        preflight.check_database(config, proc)
        preflight.check_owner(config, embedded=True)
        return _launch(session, config, now, console, proc)
    try:
        session, config = _checked(plan(request, known))
    except MonitorError as refusal:
        if known is None or not known.is_embedded:
            raise
        raise MonitorError(f"{refusal}; for the embedded node again: {start_command(embedded=True)}") from None
    preflight.check_database(config, proc)
    preflight.check_owner(config, embedded=False)
    preflight.check_ports(config)
    notes = _notes(session, config)
    _make_directories(session)
    console.say(f"building henyey of {session.repo} into {session.cargo_target}; the log is {session.build_log}")
    sha = build.build(session, console.show)
    build.keep(session, sha)
    return replace(_launch(session, config, now, console, proc), sha=sha, warnings=tuple(notes))


def new_session_id(data: DataRoot) -> str:
    while data.session_directory(found := secrets.token_hex(4)).exists():
        pass
    return found


def plan(request: Request, known: Session | None) -> Session:
    """The session that a start would make, before anything is looked at; ports are the mode's."""
    before = known if known is not None and not known.is_embedded else None
    defaults = MODE_DEFAULTS[request.mode]
    session_id = new_session_id(request.data)
    session = Session(
        data=request.data,
        id=session_id,
        mode=request.mode,
        # An operator may have put a config of his own, with his seed, into the env file.
        config=before.config if before is not None and before.mode is request.mode else defaults.config,
        admin_port=defaults.admin_port,
        rpc_port=defaults.rpc_port,
        run_flags=defaults.run_flags,
        binary=request.data.session_directory(session_id),
        repo=request.repo or (before.repo if before is not None else request.cwd),
        git=build.which("git"),
        cargo=build.which("cargo"),
    )
    return replace(session, binary=session.launch_path)


def _checked(session: Session) -> tuple[Session, NodeConfig]:
    """`session` with the ports of its config; refuses a checkout that is none, a tool or a config that is missing."""
    build.check_checkout(session.repo, session.git)
    if not session.cargo:
        raise MonitorError("cargo is not installed; install Rust from https://rustup.rs, or start --embedded")
    config = preflight.read_config(session)
    return replace(session, admin_port=config.http_port or session.admin_port, rpc_port=config.rpc_port), config


def _embedded(request: Request) -> tuple[Session, NodeConfig]:
    from monitor_loop import embedded

    session_id = new_session_id(request.data)
    directory = request.data.session_directory(session_id)
    (directory / "cargo-target").mkdir(parents=True)
    setup = embedded.prepare(request.data, session_id, speed=request.speed, watcher=request.mode is not Mode.VALIDATOR)
    session = Session(
        data=request.data,
        id=session_id,
        mode=request.mode,
        config=str(setup.config),
        admin_port=setup.admin_port,
        rpc_port=setup.rpc_port,
        run_flags=MODE_DEFAULTS[request.mode].run_flags,
        binary=directory / "cargo-target" / "release" / "henyey",
        repo=directory,
        launch_prefix=setup.launch_prefix,
        tracker="directory",
        radar_url=setup.radar_url,
    )
    _make_directories(session)
    files.replace(session.build_sha, f"{setup.commit_hash}\n".encode())
    return session, nodeconfig.read_node_config(session.config_file, session.repo)


def _notes(session: Session, config: NodeConfig) -> list[str]:
    notes = preflight.data_notes(config, session.data)
    if config.http_port is None:
        notes.append(f"{session.config_file}: [http] is off, so most checks cannot work")
    if build.has_changes(session.repo, session.git):
        notes.append(f"{session.repo} has uncommitted changes: they are built in, build_sha names only HEAD")
    used = disk.used_pct(session.data.path)
    if used > DISK_LOW_PCT:
        notes.append(f"the disk of {session.data.path} is {used:.0f}% full; monitor-loop cleanup frees old sessions")
    return notes


def _make_directories(session: Session) -> None:
    for directory in session.subdirectories:
        directory.mkdir(parents=True, exist_ok=True)
    session.alive.touch()


def _launch(session: Session, config: NodeConfig, now: datetime, console: Console, proc: Path) -> Begun:
    """Launch and see it live. The node makes its database at once, so that there was none is written down before."""
    fresh_start = not config.database.exists()
    if fresh_start:
        noderecord.write(session.data, replace(noderecord.read(session.data), fresh_start_since=now))
    process = node.launch(session, config, now, proc)
    alive, last_lines = node.verify(session, process, proc=proc)
    if not alive:
        for line in last_lines:
            console.say(line)
        raise MonitorError(_failure(session, procfs.still_runs(process, proc), process.pid))
    return Begun(session=session, process=process, attached=False, fresh_start=fresh_start)


def _failure(session: Session, runs: bool, pid: int) -> str:
    if runs:
        return (
            f"henyey (PID={pid}) runs but prints nothing; look at {session.log}, "
            "then monitor-loop start attaches to it and monitor-loop stop ends it"
        )
    return f"henyey (PID={pid}) ended at once; mend what {session.log} says and run monitor-loop start again"
