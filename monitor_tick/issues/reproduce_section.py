"""The last section of an issue: what to paste to see again what was seen. Its values are redacted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from monitor_tick.issues.finding import OF_MAIN, Finding
from monitor_tick.issues.fitting import Part, Section
from monitor_tick.issues.redaction import block, code
from monitor_tick.issues.umbrella import alerts_of

MOST_COMMANDS = 20

_match_run = re.compile(r"https://(?P<repo>[\w.-]+/[\w.-]+/[\w.-]+)/actions/runs/(?P<id>\d+)", re.ASCII).fullmatch
_match_commit = re.compile(r"[0-9a-f]{40}").fullmatch

REPLAYED = ("metric:", "ratio:")
"""Keys of what the archive can tell again; the other checks read what it does not keep."""


def reproduce_section(finding: Finding) -> Section:
    return Section("Reproduce", (Part("\n\n".join(_reproduce(finding))),))


def _reproduce(finding: Finding) -> Iterator[str]:
    if main := _reproduce_of_main(dict(finding.alert.evidence)) if finding.alert.key.startswith(OF_MAIN) else "":
        yield main
        return
    judged = [alert.key for alert in alerts_of(finding) if alert.key.startswith(REPLAYED)]
    if finding.archived:
        session = code(finding.session_id, 80) or "unknown"
        yield f"Archived tick: {code(finding.archived, 80)}, in `metrics/archive` of session {session}."
    if finding.archived and judged:
        which = "this prints" if len(judged) == 1 else "each of these prints"
        yield f"The first tick that {which} is that one, with its verdict and what it was judged from:"
        explain, since = f"{_program(finding)} explain", f"--since {_exactly(finding.at)}"
        yield block("\n".join(f"{explain} {_alarm(key)} {since}" for key in judged[:MOST_COMMANDS]))
        return
    yield (
        "The tick is not in the archive."
        if not finding.archived
        else "The archive keeps what the metrics were judged from, and this was judged from something else."
    ) + " Whether it still holds, without doing anything:"
    yield block(f"{_program(finding)} --dry-run")


def _reproduce_of_main(pairs: Mapping[str, str]) -> str:
    """Where the run or the build can be seen again; no tick tells it. Empty where neither is known."""
    if run := _match_run(pairs.get("run", "")):
        attempt = f" --attempt {pairs['attempt']}" if pairs.get("attempt", "").isdecimal() else ""
        show = f"gh run view {run['id']}{attempt} --repo {run['repo']} --log-failed"
        return f"The log of the jobs that failed, whole:\n\n{block(show)}"
    if "run" in pairs or not _match_commit(commit := pairs.get("commit", "")):
        return ""
    build = f"git fetch origin && git switch --detach {commit}\ncargo build --release -p henyey"
    return f"The build, in a clean checkout of henyey:\n\n{block(build)}"


def _program(finding: Finding) -> str:
    """A home directory was redacted to `~`, which a shell takes for one unless it is quoted."""
    home, rest = ("~/", finding.data_root[2:]) if finding.data_root.startswith("~/") else ("", finding.data_root)
    is_default = finding.data_root in ("", "~/data")
    return "monitor-tick" if is_default else f"monitor-tick --data-root {home}{_quoted(rest)}"


def _alarm(key: str) -> str:
    """As `explain` takes it."""
    return _quoted(" ".join(key.removeprefix("metric:").split()))


def _quoted(text: str) -> str:
    """For a shell."""
    return text if all(char.isalnum() or char in "_:-./" for char in text) else "'" + text.replace("'", "'\\''") + "'"


def _exactly(at: datetime) -> str:
    """To the microsecond, as the archive names its ticks."""
    return f"{at.isoformat()}".replace("+00:00", "Z")
