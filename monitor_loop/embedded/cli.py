"""`monitor-loop embedded ...`: break the embedded node, and mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from pathlib import Path

    from monitor_loop.session import DataRoot


class Options(Protocol):
    """The object that `monitor-loop` hands to its verbs."""

    def data(self) -> DataRoot: ...


@click.group()
def embedded() -> None:
    """Play with the embedded node of the running session."""


@embedded.command()
@click.option("--list", "listing", is_flag=True, help="Name every fault and its arguments.")
@click.option("--clear", is_flag=True, help="Switch off the named fault, or all of them.")
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@click.pass_context
def fault(context: click.Context, listing: bool, clear: bool, name: str | None, arguments: tuple[str, ...]) -> None:
    """Switch on a fault: `fault lag ledgers=40 seconds=200`."""
    from monitor_loop.embedded.faults import clear_faults, set_fault

    if listing:
        click.echo("\n".join(fault_table()))
    elif clear:
        clear_faults(_session_directory(context), name)
        click.echo(f"cleared {name or 'every fault'}")
    elif name is None:
        raise click.UsageError("name a fault, or --list, or --clear")
    else:
        done = set_fault(_session_directory(context), name, **_pairs(arguments))
        shown = "".join(f" {key}={value}" for key, value in done.arguments)
        click.echo(f"fault {done.name}{shown}")


def fault_table() -> list[str]:
    """One line a fault: name, arguments with their defaults, what happens."""
    from monitor_loop.embedded.faults import FAULTS

    lines = []
    for name, kind in FAULTS.items():
        shown = " ".join([name, *(f"{key}={value}" for key, value in kind.arguments)])
        lines.append(f"{shown:<46} {kind.text}")
    return lines


def _pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not separator:
            raise click.UsageError(f"{argument!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs


def _session_directory(context: click.Context) -> Path:
    """Of the session in the env file, which must be an embedded one."""
    from monitor_loop import envfile
    from monitor_loop.errors import MonitorError

    options: Options = context.obj
    session = envfile.read(options.data())
    if not session.is_embedded:
        raise MonitorError(f"session {session.id} runs a real node; only an embedded one (`start --embedded`) breaks")
    return session.directory
