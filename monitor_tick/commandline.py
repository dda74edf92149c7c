"""What the commands of monitor-tick share: the data root, the session, the clock, and how a refusal ends.

Nothing but click at the top. This is the only place of the package that reads the clock; everything below is told.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from monitor_loop.session import Session

EXIT_REFUSED = 1


def the_time() -> datetime:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc)


def data_path(option: str | None) -> str:
    """Resolved once: every path of a tick is derived from it."""
    chosen = option or os.environ.get("MONITOR_DATA_ROOT") or "~/data"
    return os.path.realpath(os.path.expanduser(chosen))  # noqa: PTH111 (pathlib is not light)


def env_file(data: str) -> str:
    return f"{data}/monitor-loop.env"


def require_env_file(data: str) -> None:
    from monitor_loop.errors import MonitorError

    try:
        os.stat(env_file(data))  # noqa: PTH116 (pathlib is not light)
    except (FileNotFoundError, NotADirectoryError):
        raise MonitorError(f"ERROR: {env_file(data)} not found - run monitor-loop start first") from None
    except OSError as error:
        raise MonitorError(f"ERROR: {env_file(data)}: {error.strerror} - check its owner and permissions") from None


def session_of(data_root: str | None) -> Session:
    """The session that an option or the environment names. Raises MonitorError."""
    from pathlib import Path

    from monitor_loop import envfile
    from monitor_loop.session import DataRoot

    data = data_path(data_root)
    require_env_file(data)
    return envfile.read(DataRoot(Path(data)))


def say(answer: Callable[[], str]) -> None:
    """Print what a command that only reads has to say, or why it cannot. No lock is taken and nothing is written."""
    from monitor_loop.errors import MonitorError

    try:
        click.echo(answer(), nl=False)
    except MonitorError as refusal:
        click.echo(refusal.marked, err=True)
        sys.exit(EXIT_REFUSED)
    except OSError as error:
        click.echo(f"ERROR: {error.filename}: {error.strerror} - check its owner and permissions", err=True)
        sys.exit(EXIT_REFUSED)
