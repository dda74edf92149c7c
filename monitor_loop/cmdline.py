"""What a node's argv says, in every form that the node accepts (clap; node-contract 1.1 and 1.2). Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from monitor_loop.session import Mode

_MODE_FLAGS = ("--validator", "--watcher")
_LONG = re.compile(r"--conf(?:ig)?(?:=(?P<value>.*))?", re.DOTALL)
_SHORT = re.compile(r"-v*c(?:=?(?P<value>.+))?", re.DOTALL)


def launch_prefix_of(argv: Sequence[str]) -> str:
    """What stands between the binary and the node's own arguments, quoted as in a shell command.

    Empty for henyey. The embedded node is an interpreter: its first argument is -I, which henyey has not, and its own
    begin at --mainnet, where our launch puts them.
    """
    if len(argv) < 2 or not argv[1].startswith("-I") or "--mainnet" not in argv:  # noqa: PLR2004 - binary and one more
        return ""
    return shlex.join(argv[1 : argv.index("--mainnet")])


def config_of(argv: Sequence[str]) -> str | None:
    """The value of -c, --config or --conf as typed; the first, for clap refuses a second."""
    words = iter(_own_arguments(argv))
    for word in words:
        match = _LONG.fullmatch(word) or _SHORT.fullmatch(word)
        if match is not None:
            value = match["value"]
            return value if value is not None else next(words, None)
    return None


def run_flags_of(argv: Sequence[str]) -> str:
    """`--validator`, `--watcher` or empty."""
    return next((word for word in _own_arguments(argv) if word in _MODE_FLAGS), "")


def mode_of(argv: Sequence[str]) -> Mode:
    """A node without a mode flag runs in the node's mode `full`, which is watched as a watcher."""
    return Mode.VALIDATOR if run_flags_of(argv) == "--validator" else Mode.WATCHER


def _own_arguments(argv: Sequence[str]) -> Sequence[str]:
    return argv[1 + len(shlex.split(launch_prefix_of(argv))) :]
