"""The embedded node: a process with the henyey node's interfaces, for a first look and for the tests.

It is started by the real launch code, serves the admin API, JSON-RPC, the metrics and a radar answer, writes the
node's log in the node's own format, and breaks on demand (faults.py). It is no Stellar node: its network is a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor_loop.embedded.faults import FAULTS, clear_faults, set_fault
    from monitor_loop.embedded.setup import EmbeddedSetup, prepare, restore

__all__ = ["FAULTS", "EmbeddedSetup", "clear_faults", "prepare", "restore", "set_fault"]


def __getattr__(name: str) -> object:
    """Imported at first use: `monitor-loop --help` reaches this package's click group and pays for nothing more."""
    if name not in __all__:
        raise AttributeError(name)
    from monitor_loop.embedded import faults, setup

    return getattr(setup, name) if hasattr(setup, name) else getattr(faults, name)
