"""`monitor-loop embedded ...`: break the embedded node, and mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from monitor_loop.embedded.faults import Fault, FaultKind
    from monitor_loop.session import DataRoot, Session

_COLUMN = 46  # of what a fault does, beside its name and arguments


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
        cleared = clear_faults(_session(context).directory, name)
        click.echo(f"cleared {', '.join(cleared)}" if cleared else f"{name} is not on" if name else "no fault is on")
    elif name is None:
        raise click.UsageError("name a fault, or --list, or --clear")
    else:
        session = _session(context)
        done = set_fault(session.directory, name, **_pairs(arguments))
        idle = "" if _runs(session) else "; the node does not run now"
        click.echo(f"fault {_shown(done)}: {_lasts(done)}{idle}")


def fault_table() -> list[str]:
    """Each fault: name, arguments with their defaults, what happens; and how long they last."""
    from monitor_loop.embedded.faults import FAULTS

    lines = [line for name, kind in FAULTS.items() for line in _row(name, kind)]
    once = ", ".join(name for name, kind in FAULTS.items() if kind.once)
    return [*lines, "", f"Once: {once}. The others last until `monitor-loop embedded fault [NAME] --clear`."]


def _row(name: str, kind: FaultKind) -> list[str]:
    shown = " ".join([name, *(f"{key}={key.upper() if value == '' else value}" for key, value in kind.arguments)])
    does = f"{'':<{_COLUMN}} {kind.text}"
    return [shown, does] if len(shown) > _COLUMN else [shown + does[len(shown) :]]


def _shown(fault: Fault) -> str:
    return " ".join([fault.name, *(f"{key}={value}" for key, value in fault.arguments)])


def _lasts(fault: Fault) -> str:
    return "happens once" if fault.kind.once else f"on until monitor-loop embedded fault {fault.name} --clear"


def _runs(session: Session) -> bool:
    from monitor_loop import procfs

    return any(id_ == session.id for _, id_ in procfs.node_pids(session.data, procfs.PROC))


def _pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not separator:
            raise click.UsageError(f"{argument!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs


def _session(context: click.Context) -> Session:
    """The session in the env file, which must be an embedded one."""
    from monitor_loop import envfile
    from monitor_loop.errors import MonitorError

    options: Options = context.obj
    session = envfile.read(options.data())
    if not session.is_embedded:
        raise MonitorError(f"session {session.id} runs a real node; only an embedded one (`start --embedded`) breaks")
    if not session.directory.is_dir():
        raise MonitorError(
            f"{session.directory}, the session's directory, is not there; run monitor-loop start --embedded"
        )
    return session
