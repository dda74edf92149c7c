"""The operator's own investigator: it gets what is known on standard input, and its answer is added as it is."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence

import msgspec

from monitor_loop import shell
from monitor_loop.errors import MonitorError
from monitor_tick.investigation.source import Source
from monitor_tick.investigation.values import Investigation, Site
from monitor_tick.issues.cleaned import cleaned
from monitor_tick.issues.finding import Finding
from monitor_tick.issues.redaction import redact

SECONDS = 10.0
ANSWER_BYTES = 8 * 2**10
EXCERPT_LINES = 12
"""Lines of code on either side of a site."""

MOST_EXCERPTS = 8
LONGEST_EXCERPT = 6000
"""Characters."""


class Excerpt(msgspec.Struct, frozen=True):
    """Code around a site; `first` is the number of its first line."""

    path: str
    first: int
    text: str


class Bundle(msgspec.Struct, frozen=True):
    """What the investigator is given, as one JSON object, every text in it redacted."""

    finding: Finding
    investigation: Investigation
    code: tuple[Excerpt, ...] = ()


class Opinion(msgspec.Struct, frozen=True):
    text: str = ""
    missing: tuple[str, ...] = ()


def excerpts_of(source: Source, sites: Sequence[Site]) -> tuple[Excerpt, ...]:
    found = []
    for site in sites[:MOST_EXCERPTS]:
        code = source.codes.get(site.path)
        if code is not None:
            lines = code.text.split("\n")
            first = max(1, site.line - EXCERPT_LINES)
            text = "\n".join(lines[first - 1 : site.line + EXCERPT_LINES])
            found.append(Excerpt(site.path, first, text[:LONGEST_EXCERPT]))
    return tuple(found)


def ask(command: str, bundle: Bundle, *, ends: float, secrets: Sequence[str]) -> Opinion:
    """What `command` answers; why it did not is all that its failure leaves. `ends` is on the monotonic clock."""
    seconds = min(SECONDS, ends - time.monotonic())
    if seconds <= 0:
        return Opinion(missing=("no time was left for the investigator",))
    try:
        ran = shell.run(
            shlex.split(command), deadline_seconds=seconds, input=msgspec.json.encode(cleaned(bundle, secrets))
        )
    except (MonitorError, ValueError, IndexError) as error:
        return Opinion(missing=(f"the investigator could not be run ({type(error).__name__})",))
    if ran.status is None:
        return Opinion(missing=(f"the investigator took longer than {seconds:.0f} s",))
    if ran.status != 0:
        return Opinion(missing=(f"the investigator failed with status {ran.status}",))
    answer = ran.out.encode("utf-8", "replace")[:ANSWER_BYTES].decode("utf-8", "ignore").strip()
    if not answer:
        return Opinion(missing=("the investigator had no answer",))
    return Opinion(redact(answer, secrets))
