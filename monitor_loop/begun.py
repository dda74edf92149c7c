"""What `start` is asked for, where it talks, and the node that it then has. Values only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from monitor_loop.session import DataRoot, Mode, Process, Session


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`repo` is --repo or $MONITOR_REPO, None where neither is given; `cwd` is where the command was typed.

    `speed` is how much faster than mainnet the embedded node closes ledgers.
    """

    data: DataRoot
    cwd: Path
    repo: Path | None = None
    mode: Mode = Mode.VALIDATOR
    session_id: str | None = None
    fresh: bool = False
    embedded: bool = False
    install_cron: bool = False
    speed: float = 1.0


class Console(msgspec.Struct, frozen=True):
    """Where a start tells what happens while it happens: lines of its own, and cargo's output as it comes."""

    say: Callable[[str], None]
    show: Callable[[bytes], None]


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A node that runs, before the env file says so. `sha` is what was built just now, else empty; `fresh_start` says
    that there was no database before the launch."""

    session: Session
    process: Process
    attached: bool
    fresh_start: bool = False
    sha: str = ""
    warnings: tuple[str, ...] = ()
