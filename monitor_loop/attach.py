"""Find the node that already runs, and describe it as a session from what it is: its exe, its argv, its config."""

from __future__ import annotations

from pathlib import Path

from monitor_loop import cmdline, nodeconfig, preflight, procfs
from monitor_loop.begun import Begun, Request
from monitor_loop.building import build
from monitor_loop.errors import MonitorError, plain
from monitor_loop.session import MODE_DEFAULTS, DataRoot, Mode, NodeConfig, Process, Session

DELETED = " (deleted)"


def find(data: DataRoot, wanted: str | None, known: str | None, proc: Path) -> Process | None:
    """The node to attach to: of session `wanted` if one is asked for; else of `known`, the env file's; else any.

    Raises MonitorError that names every candidate where several would do (L03), or where `wanted` has none.
    """
    running = procfs.find_nodes(data, proc)
    if wanted is not None:
        candidates = tuple(process for process in running if process.session_id == wanted)
        if not candidates:
            others = f"; running: {', '.join(map(_named, running))}" if running else ""
            raise MonitorError(f"no henyey of session {wanted} runs under {data.path}{others}; leave --session out")
    else:
        candidates = tuple(process for process in running if process.session_id == known) or running
    if len(candidates) > 1:
        lines = "".join(f"\n  {_named(process)}" for process in candidates)
        raise MonitorError(f"several henyey nodes run under {data.path}; --session ID picks one:{lines}")
    return candidates[0] if candidates else None


def refuse_unnamed(process: Process | None, wanted: str | None, known: Session | None) -> None:
    """A verb that ends a node takes one that the env file does not name only by `wanted`. Raises MonitorError."""
    if process is None or wanted is not None or known is None or process.session_id == known.id:
        return
    raise MonitorError(
        f"{known.data.env_file} names session {known.id}, which does not run; {_named(process)} runs: "
        f"--session {process.session_id} stops it"
    )


def attach(process: Process, request: Request, known: Session | None) -> Begun:
    """`process` as a session whose directories are there. Never touches the process."""
    repo, warnings = _repo_of(process, request, known)
    session, notes = describe(process, request.data, repo)
    warnings += [*notes, *_ensure_directories(session), *_stdout_warnings(process, request.data)]
    warnings += _otherwise_asked(session, request)
    return Begun(session=_as_embedded(session), process=process, attached=True, warnings=tuple(warnings))


def describe(process: Process, data: DataRoot, repo: Path) -> tuple[Session, list[str]]:
    """The session that exe, argv and config tell of, and what of the config an operator should know.

    What an operator sets beside it (cadence, tracker and the like) is left at its defaults.
    """
    mode = cmdline.mode_of(process.argv)
    typed = cmdline.config_of(process.argv) or MODE_DEFAULTS[mode].config
    config, notes = _config_of(process.cwd / typed, process.cwd, data)
    admin_port, rpc_port = _ports(config, mode)
    session = Session(
        data=data,
        id=process.session_id,
        mode=mode,
        config=_config_from(repo, process.cwd, typed),
        admin_port=admin_port,
        rpc_port=rpc_port,
        run_flags=cmdline.run_flags_of(process.argv),
        binary=process.exe,
        repo=repo,
        launch_prefix=cmdline.launch_prefix_of(process.argv),
    )
    return session, notes


def stdout_session(data: DataRoot, stdout: str) -> str:
    """The session that the target of fd 1 belongs to; empty where it is no file of a session."""
    path = stdout.removesuffix(DELETED)
    inside = f"{data.path}/"
    if path.startswith(inside):
        return path.removeprefix(inside).partition("/")[0]
    _, found, rest = path.rpartition("/data/")
    return rest.partition("/")[0] if found else ""


def _named(process: Process) -> str:
    return f"PID={process.pid} session={process.session_id}"


def _repo_of(process: Process, request: Request, known: Session | None) -> tuple[Path, list[str]]:
    """The checkout: the one asked for, else the env file's, else where the node was started or this command is."""
    git = build.which("git")
    if request.repo is not None:
        build.check_checkout(request.repo, git)
        return request.repo, []
    if cmdline.launch_prefix_of(process.argv):
        return process.cwd, []
    if known is not None and not known.is_embedded:
        return known.repo, []
    for place in (process.cwd, request.cwd):
        if build.has_package(place):
            return place, []
    return process.cwd, ["no henyey checkout known; name it with --repo so that deploys can be watched"]


def _config_of(path: Path, cwd: Path, data: DataRoot) -> tuple[NodeConfig | None, list[str]]:
    try:
        config = nodeconfig.read_node_config(path, cwd)
    except MonitorError as error:
        return None, [f"{plain(error)}; taking the usual ports of the mode"]
    notes = preflight.data_notes(config, data)
    return config, notes if config.http_port else [*notes, f"{path}: [http] is off, so most checks cannot work"]


def _ports(config: NodeConfig | None, mode: Mode) -> tuple[int, int | None]:
    defaults = MODE_DEFAULTS[mode]
    if config is None:
        return defaults.admin_port, defaults.rpc_port
    return config.http_port or defaults.admin_port, config.rpc_port


def _config_from(repo: Path, cwd: Path, typed: str) -> str:
    """As typed where that names the same file from `repo`, where a relaunch starts; else absolute."""
    return typed if (repo / typed).resolve() == (cwd / typed).resolve() else str(cwd / typed)


def _ensure_directories(session: Session) -> list[str]:
    wiped = not session.directory.is_dir()
    for directory in session.subdirectories:
        directory.mkdir(parents=True, exist_ok=True)
    session.alive.touch()
    return [f"session directory {session.directory} was missing (wiped); made it anew"] if wiped else []


def _stdout_warnings(process: Process, data: DataRoot) -> list[str]:
    warnings = []
    session_id = stdout_session(data, process.stdout)
    if session_id and session_id != process.session_id:
        warnings.append(f"stdout (fd 1) goes to session {session_id} but the exe is of session {process.session_id}")
    if process.stdout.endswith(DELETED):
        warnings.append(f"the log that the node writes was deleted under it: {process.stdout.removesuffix(DELETED)}")
    return warnings


def _otherwise_asked(session: Session, request: Request) -> list[str]:
    warnings = []
    if session.mode is not request.mode:
        warnings.append(
            f"asked for a {request.mode.value}, attached to a {session.mode.value}; monitor-loop stop first"
        )
    if session.is_embedded is not request.embedded:
        found, asked = ("embedded node", "henyey") if session.is_embedded else ("henyey", "the embedded node")
        warnings.append(f"asked for {asked}, attached to the running {found}; monitor-loop stop first")
    return warnings


def _as_embedded(session: Session) -> Session:
    """An embedded node has no GitHub and its own radar, whose port is in its config."""
    if not session.is_embedded:
        return session
    import msgspec

    from monitor_loop.embedded.config import read_config

    radar = f"http://127.0.0.1:{read_config(session.config_file).radar_port}"
    return msgspec.structs.replace(session, tracker="directory", radar_url=radar)
