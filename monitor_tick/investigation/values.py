"""What an investigation found out. Values only; the body of the issue prints them."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Site(msgspec.Struct, frozen=True):
    """A place in the code at the commit that was read. `role` is "registered", "updated", "printed" or "phase".

    `function` is the enclosing one, empty where there is none; `text` is the line, without indentation, and of a
    statement over several lines all of them joined into one.
    """

    path: str
    line: int
    role: str
    function: str
    text: str


class Commit(msgspec.Struct, frozen=True):
    """A commit since the last build that ran without the finding. `touches` are those of its paths that hold a site."""

    sha: str
    subject: str
    at: datetime
    touches: tuple[str, ...] = ()


class Hypothesis(msgspec.Struct, frozen=True):
    """One row of the table of causes; "unknown" is one of them. What speaks for it and against it, in short clauses."""

    name: str
    words: str
    speaks_for: tuple[str, ...] = ()
    speaks_against: tuple[str, ...] = ()
    advice: str = ""


class Investigation(msgspec.Struct, frozen=True, kw_only=True):
    """`commit` is the sha whose code was read, empty where none was. `sites` are the most telling first, `commits` the
    most suspect first, of the range `since`..`commit`. `history` are the value at past ticks, oldest first, None where
    a tick had none. `fired_with` are the alarms that fired in the same past ticks, as "key (n of m ticks)". `missing`
    says what could not be found out and why, one clause each. `opinion` is what the operator's own investigator
    answered.
    """

    commit: str = ""
    since: str = ""
    sites: tuple[Site, ...] = ()
    commits: tuple[Commit, ...] = ()
    commits_left_out: int = 0
    history: tuple[tuple[datetime, float | None], ...] = ()
    history_of: str = ""
    fired_with: tuple[str, ...] = ()
    hypothesis: Hypothesis = Hypothesis("unknown", "The cause is not known.")
    missing: tuple[str, ...] = ()
    opinion: str = ""
