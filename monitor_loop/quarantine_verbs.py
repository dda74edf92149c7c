"""`monitor-loop quarantine`: what the operator says of the commits that may not be deployed. A tick only adds."""

from __future__ import annotations

from monitor_loop import quarantine
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot


def listing(data: DataRoot) -> str:
    path = str(data.quarantine)
    try:
        entries = [f"{sha}  {reason or '(no reason)'}" for sha, reason in quarantine.reasons(path)]
    except OSError as error:
        raise _unreadable(f"{path} cannot be read ({error.strerror})") from None
    seen = quarantine.read(path)
    if not seen.readable:
        raise _unreadable(f"{path} cannot be read")
    return "\n".join([*(f"WARNING: {warning}" for warning in seen.warnings), *(entries or [f"no commit in {path}"])])


def add(data: DataRoot, sha: str, reason: str) -> str:
    path = _checked(data, sha)
    if sha in quarantine.read(path).entries:
        return f"{sha} is in {path} already"
    try:
        quarantine.append(path, sha, reason)
    except OSError as error:
        raise _refusal(path, error) from None
    return f"added {sha} to {path}: no deploy while it is in effect on origin/main"


def remove(data: DataRoot, sha: str) -> str:
    path = _checked(data, sha)
    was_there = sha in quarantine.read(path).entries
    try:
        quarantine.remove(path, sha)
    except OSError as error:
        raise _refusal(path, error) from None
    return f"removed {sha} from {path}" if was_there else f"{sha} is not in {path}"


def _checked(data: DataRoot, sha: str) -> str:
    """The file's path. A short sha may mean another commit tomorrow."""
    if not data.path.is_dir():
        raise MonitorError(f"{data.path} does not exist; check --data-root")
    if not quarantine.is_sha(sha):
        shown = quarantine.one_line(sha)[:60]
        raise MonitorError(f"{shown!r} is no full commit id (40 lower-case hex digits); git rev-parse prints it")
    return str(data.quarantine)


def _unreadable(what: str) -> MonitorError:
    return MonitorError(f"ERROR: {what}, which blocks every deploy - mend it, or move it away")


def _refusal(path: str, error: OSError) -> MonitorError:
    return MonitorError(
        f"ERROR: {path}: {error.strerror or error} - nothing was changed; mend the file, or move it away"
    )
