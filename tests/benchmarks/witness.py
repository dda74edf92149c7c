"""Run a command line of this project and note what its process took.

    python -m tests.benchmarks.witness NOTES MODULE:FUNCTION ARGUMENT...
    python -m tests.benchmarks.witness NOTES import MODULE...

NOTES then holds `peak_rss_kb`, `read_bytes`, `fsyncs` and `modules` as key=value lines. Imports nothing of its own that
the interpreter does not have loaded already, except atexit.
"""

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False  # typing's own would be one more import in the figures
if TYPE_CHECKING:
    from collections.abc import Callable

_fsyncs = 0


def _counted(flush: Callable[..., None]) -> Callable[..., None]:
    def call(fd: object) -> None:
        global _fsyncs  # noqa: PLW0603  one counter for the one process
        _fsyncs += 1
        flush(fd)

    return call


def _field(path: str, name: str) -> str:
    with open(path) as file:  # noqa: PTH123  pathlib would be in the figures
        return next(line.split()[1] for line in file if line.startswith(name))


def _note(path: str) -> None:
    notes = {
        "peak_rss_kb": _field("/proc/self/status", "VmHWM:"),
        "read_bytes": _field("/proc/self/io", "rchar:"),
        "fsyncs": str(_fsyncs),
        "modules": " ".join(sorted(sys.modules)),
    }
    with open(path, "w") as file:  # noqa: PTH123  pathlib would be in the figures
        file.writelines(f"{name}={value}\n" for name, value in notes.items())


def main() -> None:
    path, target, *arguments = sys.argv[1:]
    os.fsync, os.fdatasync = _counted(os.fsync), _counted(os.fdatasync)
    atexit.register(_note, path)
    if target == "import":
        for name in arguments:
            __import__(name)
        return
    module, function = target.split(":")
    sys.argv = [module, *arguments]
    sys.exit(getattr(__import__(module, fromlist=[function]), function)())


if __name__ == "__main__":
    main()
