"""Decisions about what may be deployed."""

from __future__ import annotations

import sys

import click

from monitor_tick.decide.answers import answer

NOT_A_SHA, WRITE_FAILED = 1, 2


@click.command("parse_quarantine_file")
@click.argument("file")
def parse_quarantine_file(file: str) -> None:
    from monitor_loop import quarantine

    seen = quarantine.read(file)
    answer(
        0 if seen.readable else 1,
        QUARANTINE_ENTRIES="\n".join(seen.entries),
        QUARANTINE_WARNINGS=", ".join(seen.warnings),
    )


@click.command("check_quarantine_ancestry")
@click.argument("file")
def check_quarantine_ancestry(file: str) -> None:
    from monitor_loop import quarantine

    seen = quarantine.read(file)
    verdict = quarantine.ancestry(seen)
    answer(
        1 if verdict.standing is quarantine.Standing.CLEAR else 0,
        QUARANTINE_ENTRIES="\n".join(seen.entries),
        QUARANTINE_WARNINGS=", ".join(verdict.warnings),
        QUARANTINE_STATUS=verdict.standing.value,
        QUARANTINED_MATCH=verdict.match,
    )


@click.command("quarantine_append")
@click.argument("file")
@click.argument("sha")
@click.argument("reason", default="")
def quarantine_append(file: str, sha: str, reason: str) -> None:
    from monitor_loop import quarantine

    if not quarantine.is_sha(sha):
        sys.exit(NOT_A_SHA)
    try:
        quarantine.append(file, sha, reason)
    except (OSError, ValueError):
        sys.exit(WRITE_FAILED)


@click.command("quarantine_remove")
@click.argument("file")
@click.argument("sha")
def quarantine_remove(file: str, sha: str) -> None:
    from monitor_loop import quarantine

    if not quarantine.is_sha(sha):
        sys.exit(NOT_A_SHA)
    try:
        quarantine.remove(file, sha)
    except (OSError, ValueError):
        sys.exit(WRITE_FAILED)


COMMANDS = (
    parse_quarantine_file,
    check_quarantine_ancestry,
    quarantine_append,
    quarantine_remove,
)
