"""monitor-loop.env, the running session as KEY=value lines that sh can source; we parse it and never source it.

A value is one sh word: plain, 'single' or "double" quoted, or several of these joined. Nothing is expanded but a
leading ~, so a `$` is a dollar sign and stays one when the file is written again. Comments are not kept.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from monitor_loop import files
from monitor_loop.errors import MonitorError
from monitor_loop.session import DATA_NAMES, DEFAULT_CADENCE_SECONDS, DataRoot, Mode, Session

_READ_LIMIT = 2**20
_MAX_PORT = 65535
_MAX_CADENCE_SECONDS = 7 * 86400
_SHOWN = 40  # characters of a malformed value

_LINE = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PIECE = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\;&|<>()]+)""")
_ESCAPED_IN_DOUBLE = re.compile(r'\\([$`"\\])')
_AFTER_WORD = re.compile(r"[ \t]+(#.*)?")
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and what UTF-8 cannot hold
_ID = re.compile(r"[A-Za-z0-9._-]{1,255}")
_NOT_SESSIONS = frozenset({".", "..", "mainnet", *DATA_NAMES})
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

_Value = TypeVar("_Value")


def data_root(option: str | None, environ: Mapping[str, str]) -> DataRoot:
    """--data-root, else MONITOR_DATA_ROOT, else ~/data; links are resolved here, once."""
    chosen = option or environ.get("MONITOR_DATA_ROOT") or "~/data"
    path = Path(_with_home(chosen, environ.get("HOME"))).resolve()
    if path == Path(path.anchor) or _UNWRITABLE.search(str(path)):
        raise MonitorError(f"ERROR: {str(path)!r} cannot be the data root - name another directory with --data-root")
    return DataRoot(path)


def read(data: DataRoot, cwd: Path | None = None) -> Session:
    """The session in <data>/monitor-loop.env; see `parse` for `cwd`."""
    session = find(data, cwd)
    if session is None:
        raise MonitorError(f"ERROR: {data.env_file} not found - run monitor-loop start first")
    return session


def find(data: DataRoot, cwd: Path | None = None) -> Session | None:
    """As `read`; None where there is no env file. One that cannot be read is not absent."""
    try:
        content = files.read(data.env_file, _READ_LIMIT)
    except OSError as error:
        raise MonitorError(unreadable(str(data.env_file), error)) from None
    if content is None:
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise MonitorError(f"ERROR: {data.env_file} is not UTF-8 - run monitor-loop start to write it again") from None
    return parse(text, data, cwd)


def unreadable(file: str, error: OSError) -> str:
    remedy = "check its owner and permissions" if isinstance(error, PermissionError) else "move it away"
    return f"ERROR: {file} cannot be read: {error.strerror} - {remedy}"


def write(session: Session) -> None:
    files.replace(session.data.env_file, render(session).encode("utf-8"))


def parse(text: str, data: DataRoot, cwd: Path | None = None) -> Session:
    """MonitorError names the first of the user's keys that is missing, or the first value that is malformed.

    `data` is where the file was found, whatever its MONITOR_DATA_ROOT says. Without MONITOR_REPO the checkout is
    `cwd`, by default the current directory.
    """
    words = _Words(data.env_file, text)
    return Session(
        data=data,
        id=words.demand("MONITOR_SESSION_ID", _session_id),
        mode=words.demand("MONITOR_MODE", _mode),
        config=words.demand("MONITOR_CONFIG", _path),
        admin_port=words.demand("MONITOR_ADMIN_PORT", _port),
        rpc_port=words.demand("MONITOR_RPC_PORT", lambda value: _port(value) if value else None),
        run_flags=words.demand("MONITOR_RUN_FLAGS", _arguments),
        binary=words.demand("MONITOR_BINARY", _absolute),
        repo=words.take("MONITOR_REPO", _absolute, None) or cwd or Path.cwd(),
        cadence_seconds=words.take("MONITOR_CADENCE_SECONDS", _cadence, DEFAULT_CADENCE_SECONDS),
        launch_prefix=words.take("MONITOR_LAUNCH_PREFIX", _arguments, ""),
        github_repo=words.take("MONITOR_GITHUB_REPO", str, ""),
        project=words.take("MONITOR_PROJECT", str, ""),
        operator=words.take("MONITOR_OPERATOR", str, ""),
        tracker=words.take("MONITOR_TRACKER", _tracker, "github"),
        board_command=words.take("MONITOR_BOARD_COMMAND", str, ""),
        investigator=words.take("MONITOR_INVESTIGATOR", str, ""),
        radar_url=words.take("MONITOR_RADAR_URL", str, ""),
        gh=words.take("MONITOR_GH", str, ""),
        git=words.take("MONITOR_GIT", str, ""),
        cargo=words.take("MONITOR_CARGO", str, ""),
        extra=words.extra(),
    )


def render(session: Session) -> str:
    """What `parse` reads back as `session`, and sh too. MonitorError for a value that no line can hold."""
    known = _known(session)
    own = [(key, value) for key, value in session.extra if key not in known]
    return "".join(_line(key, value, session.data.env_file) for key, value in [*known.items(), *own])


def _known(session: Session) -> dict[str, str]:
    return {
        "MONITOR_SESSION_ID": session.id,
        "MONITOR_MODE": session.mode.value,
        "MONITOR_CONFIG": session.config,
        "MONITOR_ADMIN_PORT": str(session.admin_port),
        "MONITOR_RPC_PORT": "" if session.rpc_port is None else str(session.rpc_port),
        "MONITOR_RUN_FLAGS": session.run_flags,
        "MONITOR_BINARY": str(session.binary),
        "MONITOR_DATA_ROOT": str(session.data.path),
        "MONITOR_REPO": str(session.repo),
        "MONITOR_CADENCE_SECONDS": str(session.cadence_seconds),
        "MONITOR_LAUNCH_PREFIX": session.launch_prefix,
        "MONITOR_GITHUB_REPO": session.github_repo,
        "MONITOR_PROJECT": session.project,
        "MONITOR_OPERATOR": session.operator,
        "MONITOR_TRACKER": session.tracker,
        "MONITOR_BOARD_COMMAND": session.board_command,
        "MONITOR_INVESTIGATOR": session.investigator,
        "MONITOR_RADAR_URL": session.radar_url,
        "MONITOR_GH": session.gh,
        "MONITOR_GIT": session.git,
        "MONITOR_CARGO": session.cargo,
    }


def _line(key: str, value: str, file: Path) -> str:
    if not _KEY.fullmatch(key) or _UNWRITABLE.search(value):
        raise MonitorError(f"ERROR: {file}: {key!r} cannot hold {value[:_SHOWN]!r} - remove the control characters")
    return f"{key}={shlex.quote(value) if value else ''}\n"


class _Words:
    """The file's assignments; the last one of a key counts, as in sh. None: the value is not one sh word."""

    def __init__(self, file: Path, text: str) -> None:
        self._file = file
        self._raw = dict(self._assignments(text))
        self._used: set[str] = {"MONITOR_DATA_ROOT"}

    def _assignments(self, text: str) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.strip(" \t")
            if stripped and not stripped.startswith("#"):
                match = _LINE.fullmatch(stripped)
                if match is None:
                    raise MonitorError(f"ERROR: {self._file}: line {number} is not KEY=value - remove it")
                yield match[1], match[2]

    def demand(self, key: str, convert: Callable[[str], _Value]) -> _Value:
        if key not in self._raw:
            raise MonitorError(f"ERROR: {self._file}: {key} is missing - run monitor-loop start to write it again")
        self._used.add(key)
        word = _word(self._raw[key])
        try:
            if word is None:
                raise ValueError("one plain or quoted value")
            if _UNWRITABLE.search(word):
                raise ValueError("text without control characters")
            return convert(_with_home(word))
        except ValueError as error:
            shown = self._raw[key][:_SHOWN]
            raise MonitorError(
                f"ERROR: {self._file}: {key} is {shown!r}, not {error} - mend it or run monitor-loop start"
            ) from None

    def take(self, key: str, convert: Callable[[str], _Value], default: _Value) -> _Value:
        """`default` where the key is missing or empty."""
        self._used.add(key)
        return self.demand(key, convert) if self._raw.get(key) and _word(self._raw[key]) != "" else default

    def extra(self) -> tuple[tuple[str, str], ...]:
        """The keys nobody here knows. What is not one sh word is kept as the text it is."""
        kept = []
        for key, raw in self._raw.items():
            if key in self._used:
                continue
            word = _word(raw)
            value = raw.strip() if word is None else _with_home(word) if raw.startswith("~") else word
            if _UNWRITABLE.search(value):
                raise MonitorError(f"ERROR: {self._file}: {key} holds a control character - mend it")
            kept.append((key, value))
        return tuple(kept)


def _word(raw: str) -> str | None:
    """What sh makes of the right-hand side of an assignment, without expansions; None where it is not one word."""
    parts, position = [], 0
    while match := _PIECE.match(raw, position):
        single, double, escaped, plain = match.groups()
        parts.append(single or escaped or plain or _ESCAPED_IN_DOUBLE.sub(r"\1", double or ""))
        position = match.end()
    rest = raw[position:]
    return "".join(parts) if not rest or _AFTER_WORD.fullmatch(rest) else None


def _with_home(value: str, home: str | None = None) -> str:
    return (home or str(Path.home())) + value[1:] if value == "~" or value.startswith("~/") else value


def is_session_id(value: str) -> bool:
    """One path segment that can only name a session, never what else the data root holds or a directory above."""
    return _ID.fullmatch(value) is not None and value not in _NOT_SESSIONS


def _session_id(value: str) -> str:
    if not is_session_id(value):
        raise ValueError("a session id ([A-Za-z0-9._-], not ., .., mainnet or a file of ours)")
    return value


def _mode(value: str) -> Mode:
    try:
        return Mode(value)
    except ValueError:
        raise ValueError("validator or watcher") from None


def _tracker(value: str) -> str:
    if value not in ("github", "directory"):
        raise ValueError("github or directory")
    return value


def _path(value: str) -> str:
    if not value:
        raise ValueError("a path")
    return value


def _absolute(value: str) -> Path:
    if not value.startswith("/"):
        raise ValueError("an absolute path")
    return Path(value)


def _arguments(value: str) -> str:
    try:
        shlex.split(value)
    except ValueError:
        raise ValueError("arguments with matching quotes") from None
    return value


def _port(value: str) -> int:
    return _number(value, _MAX_PORT, f"a port (1-{_MAX_PORT})")


def _cadence(value: str) -> int:
    return _number(value, _MAX_CADENCE_SECONDS, f"a number of seconds (1-{_MAX_CADENCE_SECONDS})")


def _number(value: str, most: int, meaning: str) -> int:
    if not _NUMBER.fullmatch(value) or int(value) > most:
        raise ValueError(meaning)
    return int(value)
