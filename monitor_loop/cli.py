"""The command line of monitor-loop: parse, call, echo. The only place of this package that reads the clock."""

from __future__ import annotations

import errno
import io
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from monitor_loop import __version__
from monitor_loop.errors import MonitorError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from monitor_loop.session import DataRoot


_OPERATORS = {
    errno.EACCES: "check its owner and permissions",
    errno.EPERM: "check its owner and permissions",
    errno.EROFS: "mount its file system for writing",
    errno.ENOSPC: "free space on its disk",
    errno.EDQUOT: "free space within the quota",
}
"""What no code can do anything about, and what the operator can."""


class Options(NamedTuple):
    """What stands before the verb, as typed."""

    data_root: str | None
    repo: str | None

    def data(self) -> DataRoot:
        import os

        from monitor_loop import envfile

        return envfile.data_root(self.data_root, os.environ)

    def checkout(self) -> Path | None:
        from pathlib import Path

        return Path(self.repo).expanduser().resolve() if self.repo else None


class Verbs(click.Group):
    """An expected refusal is one line on stderr and status 1, and so is a file or a disk that only the operator can
    mend; everything else is a crash with its traceback."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except MonitorError as refusal:
            click.echo(refusal.marked, err=True)
            context.exit(1)
        except OSError as error:
            if error.errno not in _OPERATORS or error.filename is None:
                raise
            click.echo(f"ERROR: {error.filename}: {error.strerror} - {_OPERATORS[error.errno]}", err=True)
            context.exit(1)


@click.group(cls=Verbs)
@click.option("--data-root", metavar="DIR", help="Where sessions live [$MONITOR_DATA_ROOT, else ~/data].")
@click.option("--repo", metavar="DIR", envvar="MONITOR_REPO", help="The henyey checkout [$MONITOR_REPO, else here].")
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def cli(context: click.Context, data_root: str | None, repo: str | None) -> None:
    """Run a henyey mainnet node: start it or attach to it, look after its session, stop it."""
    context.obj = Options(data_root, repo)


@cli.command()
@click.option("--watcher", is_flag=True, help="Run a watcher instead of a validator.")
@click.option("--session", "session_id", metavar="ID", help="Attach to the node of this session.")
@click.option("--fresh", is_flag=True, help="Refuse to attach to a node that runs.")
@click.option("--embedded", is_flag=True, help="Use the embedded node: no toolchain, checkout or token needed.")
@click.option("--speed", default=1.0, type=click.FloatRange(0.1, 1000), help="How much faster the embedded node runs.")
@click.option("--install-cron", is_flag=True, help="Put the tick into your crontab.")
@click.pass_obj
def start(  # noqa: PLR0913, PLR0917 - one parameter an option
    options: Options,
    watcher: bool,
    session_id: str | None,
    fresh: bool,
    embedded: bool,
    speed: float,
    install_cron: bool,
) -> None:
    """Attach to the node that runs, or build henyey and launch it."""
    from monitor_loop import procfs
    from monitor_loop import start as verb
    from monitor_loop.begun import Console, Request
    from monitor_loop.session import Mode

    if speed != 1.0 and not embedded:
        raise click.UsageError("--speed is for --embedded")
    _end_on_sigterm()
    request = Request(
        data=options.data(),
        cwd=_here(),
        repo=options.checkout(),
        mode=Mode.WATCHER if watcher else Mode.VALIDATOR,
        session_id=session_id,
        fresh=fresh,
        embedded=embedded,
        install_cron=install_cron,
        speed=speed,
    )
    console = Console(lambda line: click.echo(line, err=True), _show)
    try:
        started = verb.start(request, _now(), console, procfs.PROC)
    except (KeyboardInterrupt, SystemExit):
        for pid, id_ in procfs.node_pids(request.data, procfs.PROC):
            click.echo(f"PID={pid} session={id_} runs: start attaches to it, monitor-loop stop ends it", err=True)
        raise
    click.echo(verb.render(started))


@cli.command()
@click.option(
    "--grace", default=10.0, type=click.FloatRange(0, 3600), help="Seconds before SIGKILL.", show_default=True
)
@click.option("--session", "session_id", metavar="ID", help="Stop the node of this session.")
@click.pass_obj
def stop(options: Options, grace: float, session_id: str | None) -> None:
    """Stop the node, and keep ticks from reviving it."""
    from monitor_loop import procfs
    from monitor_loop import stop as verb

    request = verb.Request(data=options.data(), by=_user(), session_id=session_id, grace_seconds=grace)
    click.echo(verb.render(verb.stop(request, _now(), procfs.PROC)))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def status(options: Options, as_json: bool) -> None:
    """Tell whether the node runs, and what the last tick said."""
    from monitor_loop import procfs
    from monitor_loop import status as verb

    now = _now()
    seen = verb.status(options.data(), now, procfs.PROC)
    click.echo(verb.to_json(seen) if as_json else verb.render(seen, now))


@cli.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@click.pass_obj
def cleanup(options: Options, dry_run: bool) -> None:
    """Remove what old sessions left: build output, cache and logs."""
    from monitor_loop import cleanup as verb
    from monitor_loop import procfs

    click.echo(verb.render(verb.cleanup(options.data(), _now(), procfs.PROC, dry_run)))


@cli.command()
@click.option("--watcher", is_flag=True, help="Look at what a watcher needs.")
@click.option("--embedded", is_flag=True, help="Look at what the embedded node needs.")
@click.pass_context
def doctor(context: click.Context, watcher: bool, embedded: bool) -> None:
    """Say what a start needs, and how to mend what lacks."""
    from monitor_loop import doctor as verb
    from monitor_loop import procfs
    from monitor_loop.begun import Request
    from monitor_loop.session import Mode

    options: Options = context.obj
    mode = Mode.WATCHER if watcher else Mode.VALIDATOR
    request = Request(data=options.data(), cwd=_here(), repo=options.checkout(), mode=mode, embedded=embedded)
    diagnosis = verb.doctor(request, procfs.PROC)
    click.echo(verb.render(diagnosis))
    context.exit(1 if diagnosis.blocked else 0)


@cli.command()
@click.option("--verify", is_flag=True, help="Only check that nothing was altered; exit 1 where something was.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@click.pass_context
def actions(context: click.Context, verify: bool, as_json: bool, last: int | None) -> None:
    """Show what was done to the node, why, and what came of it."""
    from monitor_loop import actions as verb

    options: Options = context.obj
    seen = verb.look(options.data(), last)
    click.echo(verb.to_json(seen) if as_json else verb.render_check(seen) if verify else verb.render(seen))
    context.exit(1 if verify and seen.faults else 0)


@cli.group()
def quarantine() -> None:
    """The commits that may not be deployed."""


@quarantine.command("list")
@click.pass_obj
def list_quarantine(options: Options) -> None:
    """Show each with its reason."""
    from monitor_loop import quarantine_verbs as verbs

    click.echo(verbs.listing(options.data()))


@quarantine.command()
@click.argument("sha")
@click.argument("reason", nargs=-1)
@click.pass_obj
def add(options: Options, sha: str, reason: tuple[str, ...]) -> None:
    """Block deploys while SHA is in effect on origin/main."""
    from monitor_loop import quarantine_verbs as verbs

    click.echo(verbs.add(options.data(), sha, " ".join(reason)))


@quarantine.command()
@click.argument("sha")
@click.pass_obj
def remove(options: Options, sha: str) -> None:
    """Let SHA be deployed."""
    from monitor_loop import quarantine_verbs as verbs

    click.echo(verbs.remove(options.data(), sha))


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def embedded(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Break the embedded node, and mend it: `embedded fault --list`."""
    from monitor_loop.embedded.cli import embedded as verbs

    verbs.main(list(arguments), prog_name=context.command_path, obj=context.obj, standalone_mode=False)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without the summary's box is no reason to fail
    cli(prog_name="monitor-loop")


def _now() -> datetime:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc)


def _user() -> str:
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not be in the password file
        return f"uid {os.getuid()}"


def _here() -> Path:
    from pathlib import Path

    try:
        return Path.cwd()
    except FileNotFoundError:
        raise MonitorError("the current directory was removed; cd into another one") from None


def _show(output: bytes) -> None:
    """cargo's progress, as it comes."""
    sys.stderr.buffer.write(output)
    sys.stderr.buffer.flush()


def _end_on_sigterm() -> None:
    """As an interrupt does: what runs below (cargo and its compilers) ends with the command."""
    import signal

    def interrupt(signum: int, _: object) -> None:
        raise SystemExit(128 + signum)

    for signum in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is not signal.SIG_IGN:  # nohup
            signal.signal(signum, interrupt)
