"""The history line of a tick that did not look: it found the lock held, or ended itself.

Such a tick must cost next to nothing, so this module imports nothing that a light path does not have already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor_loop import files

if TYPE_CHECKING:
    from datetime import datetime

SKIPPED = "SKIPPED"
"""The status of a tick that found the lock held."""

_ID_KEY = b"MONITOR_SESSION_ID="
_ID_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def session_id_in(env_file: bytes) -> str:
    """The session's id in the text of the env file, "" where none is plain to see.

    It is enough for a line of history: a tick that does more reads the file with `envfile`.
    """
    found = b""
    for line in env_file.splitlines():
        word = line.strip().removeprefix(b"export").lstrip()
        if word.startswith(_ID_KEY):
            found = word.removeprefix(_ID_KEY).strip(b"'\"")
    plain = _ID_CHARACTERS.issuperset(found) and found not in (b".", b"..", b"mainnet")
    return found.decode() if plain else ""


def append_skipped(session_directory: str, now: datetime, holder: str) -> bool:
    """Write down that this tick found the lock held, by whom, so that the next one counts it."""
    return append_mark(session_directory, now, SKIPPED, holder)


def append_mark(session_directory: str, now: datetime, status: str, why: str) -> bool:
    """One line in tick history; False where the session's directory is not there or the disk refuses.

    Needs no lock: it is one append. It raises nothing, since what is said to the operator matters more.
    """
    import json  # only a tick that was skipped needs it

    line = {"schema": 1, "ts": now.isoformat(), "status": status, "self_reflect": why}
    try:
        files.append_line(f"{session_directory}/tick-history.jsonl", json.dumps(line).encode())
    except OSError:
        return False
    return True
