"""`henyey --mainnet run --validator -c CONFIG`, for the embedded node: its command line and its exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from monitor_loop.embedded.closing import close_due
from monitor_loop.embedded.config import EmbeddedConfig, read_config
from monitor_loop.embedded.damage import Damage
from monitor_loop.embedded.duties import churn, flood, heartbeat, maintain, nominate
from monitor_loop.embedded.log import NodeLog
from monitor_loop.embedded.node import FatalState, Node
from monitor_loop.embedded.servers import Servers
from monitor_loop.embedded.start import enter_main_loop, introduce, restore
from monitor_loop.embedded.storage import DatabaseLocked
from monitor_loop.errors import MonitorError

# Each with the seconds before its first turn; the first heartbeat comes when what a catchup left is replayed.
DUTIES = ((close_due, 0.0), (heartbeat, 2.0), (nominate, 1.0), (maintain, 0.0), (churn, 20.0), (flood, 0.0))


def main(argv: Sequence[str]) -> int:
    """The exit status: 0 after a graceful stop, 1 for an error out of the node, 2 for a bad command line."""
    arguments = _command_line().parse_args(argv)
    tracing = NodeLog(as_json=arguments.log_format == "json")
    path = Path(arguments.config.removeprefix("="))
    try:
        config = read_config(path)
        _refuse_wrong_mode(arguments.validator, config)
        return run(Node(config, tracing, _mode_of(arguments)), path)
    except (MonitorError, DatabaseLocked) as error:
        tracing.raw(f"Error: {error}")
        return 1


def run(node: Node, config_path: Path) -> int:
    introduce(node, config_path)
    node.loop.catch_signals()
    servers = Servers(node)
    damage = Damage(node, servers)
    node.breaking.look(node.uptime_seconds)
    servers.announce()
    servers.follow(node.breaking)
    restore(node)
    try:
        if not node.loop.stopping:
            enter_main_loop(node)
            _work(node, damage.look)
        servers.close()
        node.stop_gracefully()
    except FatalState as error:
        node.fail(error)
        return 1
    return 0


def _work(node: Node, look: Callable[[], float]) -> None:
    """The main loop, until a stop that is not ignored."""
    node.loop.every(look)
    for duty, first_after in DUTIES:
        node.loop.every(node.locked(duty), node.scaled(first_after))
    node.loop.run()
    while node.loop.received and node.breaking.find("ignore_sigterm"):
        node.tracing.info("henyey_app::run_cmd", f"Received {node.loop.received}")
        node.loop.received, node.loop.stopping = "", False
        node.loop.run()


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="henyey", allow_abbrev=False)
    parser.add_argument("command", choices=["run"])
    parser.add_argument("-c", "--config", "--conf", required=True, metavar="FILE")
    parser.add_argument("--log-format", choices=["text", "json"], default="text")
    for flag in ("--mainnet", "--testnet", "--validator", "--watcher", "--force-catchup", "--local"):
        parser.add_argument(flag, action="store_true")
    return parser


def _mode_of(arguments: argparse.Namespace) -> str:
    if arguments.validator:
        return "validator"
    return "watcher" if arguments.watcher else "full"


def _refuse_wrong_mode(validator: bool, config: EmbeddedConfig) -> None:
    if validator and not config.is_validator:
        raise MonitorError("--validator given, but node.is_validator is false in the config")


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # at once: threads that still serve must not be waited for
