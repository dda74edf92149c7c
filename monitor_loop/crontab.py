"""Our two lines in the user's crontab: a comment that marks them, and the tick."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from monitor_loop import shell
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot

OFFSET_MINUTES = 3
"""Off the full hour, when every other machine's cron fires and archives are busiest."""

DEADLINE_SECONDS = 10.0

_MINUTES_PER_HOUR = 60
_HOURS_PER_DAY = 24


def schedule_of(cadence: timedelta) -> str:
    """The five time fields that fire every `cadence`, or the next more frequent pace that cron can express."""
    minutes, hours = _step_of(cadence)
    if minutes:
        fields = ",".join(str(minute) for minute in range(OFFSET_MINUTES % minutes, _MINUTES_PER_HOUR, minutes))
        return "* * * * *" if minutes == 1 else f"{fields} * * * *"
    every = {1: "*", _HOURS_PER_DAY: "0"}.get(hours, f"*/{hours}")
    return f"{OFFSET_MINUTES} {every} * * *"


def pace_of(cadence: timedelta) -> str:
    """How often that is, in words: "every 20 minutes"."""
    minutes, hours = _step_of(cadence)
    count, unit = (minutes, "minute") if minutes else (hours, "hour")
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def _step_of(cadence: timedelta) -> tuple[int, int]:
    """Minutes that divide an hour, or else, with no minutes, hours that divide a day."""
    minutes = max(1, int(cadence.total_seconds()) // 60)
    if minutes < _MINUTES_PER_HOUR:
        return max(n for n in range(1, minutes + 1) if _MINUTES_PER_HOUR % n == 0), 0
    hours = min(minutes // _MINUTES_PER_HOUR, _HOURS_PER_DAY)
    return 0, max(n for n in range(1, hours + 1) if _HOURS_PER_DAY % n == 0)


def tick_command(python: str = sys.executable) -> tuple[str, ...]:
    """How to start a tick from anywhere: the installed script beside `python`, else its module."""
    script = Path(python).with_name("monitor-tick")
    return (str(script),) if script.is_file() else (python, "-m", "monitor_tick")


def line_of(data: DataRoot, command: Sequence[str], cadence: timedelta) -> str:
    """The line as cron wants it: absolute paths only, quoted for /bin/sh, % escaped (cron makes it a newline)."""
    words = shlex.join([*command, "--data-root", str(data.path)])
    text = f"{words} >> {shlex.quote(str(data.tick_log))} 2>&1"
    if "\n" in text:
        raise MonitorError(f"{str(data.path)!r}: a crontab line cannot hold a newline; move the data root")
    return f"{schedule_of(cadence)} {_escaped(text)}"


def with_line(crontab: str, data: DataRoot, line: str) -> str:
    """`crontab` with our lines for this data root replaced, or added at the end; every other line as it was."""
    kept = without_lines(crontab, data)
    if kept and not kept.endswith("\n"):
        kept += "\n"
    return f"{kept}{_marker(data)}\n{line}\n"


def without_lines(crontab: str, data: DataRoot) -> str:
    return "".join(line for line in _lines(crontab) if not _is_ours(line, data))


def has_line(crontab: str, data: DataRoot) -> bool:
    return any(_is_ours(line, data) and not line.lstrip().startswith("#") for line in _lines(crontab))


def read() -> str:
    """The user's crontab; empty where there is none. Raises MonitorError where it cannot be read."""
    ran = shell.run(["crontab", "-l"], deadline_seconds=DEADLINE_SECONDS)
    if ran.status == 0:
        return ran.out
    if ran.status is not None and ("no crontab for" in ran.err or "No such file" in ran.err):
        return ""
    raise MonitorError(f"crontab -l failed: {_first_line(ran)}; add or remove the line by hand with crontab -e")


def install(data: DataRoot, line: str) -> None:
    _write(with_line(read(), data, line))


def remove(data: DataRoot) -> bool:
    """Take our lines out; False where there were none."""
    before = read()
    after = without_lines(before, data)
    if after == before:
        return False
    _write(after)
    return True


def _write(crontab: str) -> None:
    if "\ufffd" in crontab:
        raise MonitorError("the crontab is not UTF-8 and would be damaged; edit it by hand with crontab -e")
    ran = shell.run(["crontab", "-"], deadline_seconds=DEADLINE_SECONDS, input=crontab.encode())
    if ran.status != 0:
        raise MonitorError(f"crontab - failed: {_first_line(ran)}; add or remove the line by hand with crontab -e")


def _marker(data: DataRoot) -> str:
    return f"# monitor-loop: ticks of {data.path}"


def _is_ours(line: str, data: DataRoot) -> bool:
    """The marker, or a live line that runs monitor-tick on exactly this data root (an operator may have typed it)."""
    text = line.strip()
    if text.startswith("#"):
        return text == _marker(data)
    plain = text.replace("\\%", "%")
    if "monitor-tick" not in plain and "monitor_tick" not in plain:
        return False
    root = "|".join(re.escape(form) for form in (str(data.path), shlex.quote(str(data.path))))
    end = rf"/?(?=$|[\s'\"]|{re.escape('/' + data.tick_log.name)})"
    return re.search(rf"(?<![\w./-])(?:{root}){end}", plain) is not None


def _lines(crontab: str) -> list[str]:
    """Lines with their ends; str.splitlines() would also break at characters that are none to cron."""
    return re.findall(r"[^\n]*\n|[^\n]+", crontab)


def _escaped(command: str) -> str:
    return command.replace("%", "\\%")


def _first_line(ran: shell.Ran) -> str:
    if ran.status is None:
        return f"no answer within {DEADLINE_SECONDS:.0f} s"
    return ran.err.strip().splitlines()[0] if ran.err.strip() else f"exit status {ran.status}"
