"""GitHub as a tracker, through the gh program."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated

import msgspec

from monitor_loop.session import Session
from monitor_tick.github.answers import read_answer
from monitor_tick.github.gh import CREATE_DEADLINE_SECONDS, LIST_DEADLINE_SECONDS, Gh
from monitor_tick.issues.board import Board
from monitor_tick.issues.tracker import TAIL_LENGTH, Cause, Comment, Issue, TrackerError

OPEN_LIMITS = (1000, 5000)
RECENT_LIMITS = (200, 5000)
"""How many issues a list asks for, and how many where that was not enough. gh asks for 100 at a time."""

CLOCK_SLACK = timedelta(seconds=120)
"""GitHub's clock is not ours: what it dates a little before a time of ours may have come after it."""

SEARCH_LIMIT = 30
SEARCH_LENGTH = 200
"""Characters; GitHub refuses a search text of more than 256."""

_FIELDS = "number,title,body,author,labels,createdAt,closedAt,state"
_ONE = (
    "{number, title, state, author: .author.login, created_at: .createdAt, closed_at: .closedAt, "
    f"labels: [.labels[].name], tail: .body[-{TAIL_LENGTH}:]}}"
)
_MANY = f"[.[] | {_ONE}]"
_COMMENTS = f'.[] | {{author: (.user.login // ""), tail: ((.body // "")[-{TAIL_LENGTH}:])}}'
_CLOSER = (
    "query($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name){issue(number:$number){"
    "timelineItems(last:1,itemTypes:[CLOSED_EVENT]){nodes{...on ClosedEvent{closer{"
    "...on Commit{oid}...on PullRequest{mergeCommit{oid}}}}}}}}}"
)
_CLOSER_OID = "[.data.repository.issue.timelineItems.nodes[].closer // {} | .oid // .mergeCommit.oid // empty]"

_ISSUE_URL = re.compile(r"https?://\S+/issues/([1-9][0-9]{0,9})")
_COMMENT_URL = re.compile(r"https?://\S+/\S+#issuecomment-[0-9]+")
_APP = "app/"


class _Listed(msgspec.Struct, frozen=True):
    """An issue as _ONE prints it."""

    number: int
    title: str
    state: str
    author: str
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    closed_at: Annotated[datetime, msgspec.Meta(tz=True)] | None
    labels: tuple[str, ...]
    tail: str


class GitHub:
    """A `monitor_tick.issues.tracker.Tracker`. It lives for one tick."""

    def __init__(self, gh: Gh, board: Board) -> None:
        self._gh = gh
        self._board = board

    def login(self) -> str:
        out = self._gh.run(["api", "graphql", "-f", "query={viewer{login}}", "--jq", ".data.viewer.login"])
        if not (login := out.strip()):
            raise TrackerError(Cause.REFUSED, "gh does not say who is logged in")
        return login

    def open_issues(self) -> tuple[Issue, ...]:
        return self._newest("open", OPEN_LIMITS)

    def created_since(self, at: datetime) -> tuple[Issue, ...]:
        since = at - CLOCK_SLACK
        issues = self._newest("all", RECENT_LIMITS, since)
        return tuple(issue for issue in issues if issue.created_at >= since)

    def issue(self, number: int) -> Issue:
        out = self._gh.run(["issue", "view", str(number), "--json", _FIELDS, "--jq", _ONE])
        issue = _issue_of(read_answer(out, _Listed))
        if issue.is_open:
            return msgspec.structs.replace(issue, on_board=self._board.holds(number))
        return msgspec.structs.replace(issue, closed_by=self._closed_by(number))

    def search(self, words: Sequence[str], *, is_open: bool) -> tuple[Issue, ...]:
        if not (text := _search_text(words)):
            return ()
        state = "open" if is_open else "closed"
        return self._list(["--state", state, "--search", text], SEARCH_LIMIT)

    def comments_since(self, number: int, at: datetime) -> tuple[Comment, ...]:
        since = (at - CLOCK_SLACK).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        path = f"repos/{self._gh.repo}/issues/{number}/comments"
        query = ["-f", f"since={since}", "-f", "per_page=100"]
        out = self._gh.run(["api", path, "--method", "GET", *query, "--paginate", "--jq", _COMMENTS])
        comments = (read_answer(line, Comment) for line in out.split("\n") if line)
        return tuple(Comment(_login(comment.author), comment.tail) for comment in comments)

    def create(self, title: str, body: str, labels: Sequence[str]) -> int:
        words = [word for label in labels for word in ("--label", label)]
        out = self._gh.run(
            ["issue", "create", "--title", title, "--body-file", "-", *words],
            input=_stdin(body),
            deadline_seconds=CREATE_DEADLINE_SECONDS,
        )
        return int(_url_in(out, _ISSUE_URL)[1])

    def comment(self, number: int, body: str) -> None:
        out = self._gh.run(["issue", "comment", str(number), "--body-file", "-"], input=_stdin(body))
        _url_in(out, _COMMENT_URL)

    def add_label(self, number: int, label: str) -> None:
        self._gh.run(["issue", "edit", str(number), "--add-label", label])

    def has_board(self) -> bool:
        return self._board.is_there

    def add_to_board(self, number: int, status: str) -> None:
        self._board.add(number, status)

    def _newest(self, state: str, limits: tuple[int, int], since: datetime | None = None) -> tuple[Issue, ...]:
        """Whole, or refused: what a list leaves out would be filed a second time."""
        for limit in limits:
            issues = self._list(["--state", state], limit)
            if len(issues) < limit or (since is not None and issues[-1].created_at < since):
                return issues
        raise TrackerError(Cause.REFUSED, f"the list of {state} issues has more than {limits[-1]}")

    def _list(self, args: Sequence[str], limit: int) -> tuple[Issue, ...]:
        out = self._gh.run(
            ["issue", "list", *args, "--limit", str(limit), "--json", _FIELDS, "--jq", _MANY],
            deadline_seconds=LIST_DEADLINE_SECONDS,
        )
        return tuple(_issue_of(listed) for listed in read_answer(out, tuple[_Listed, ...]))

    def _closed_by(self, number: int) -> str:
        out = self._gh.query(_CLOSER, number=number, jq=_CLOSER_OID)
        return next(iter(read_answer(out, tuple[str, ...])), "")


def of(session: Session) -> GitHub:
    gh = Gh(session.gh, session.github_repo)
    return GitHub(gh, Board(gh, session.project, session.board_command, session.repo))


def _issue_of(listed: _Listed) -> Issue:
    return Issue(
        number=listed.number,
        title=listed.title,
        is_open=listed.state == "OPEN",
        author=_login(listed.author),
        created_at=listed.created_at,
        labels=listed.labels,
        tail=listed.tail,
        closed_at=listed.closed_at,
    )


def _login(login: str) -> str:
    """As `login()` says it: gh's lists name an app `app/name`, the rest of GitHub `name[bot]`."""
    name = login.removeprefix(_APP)
    return f"{name}[bot]" if name != login and name else name


def _search_text(words: Sequence[str]) -> str:
    """Each word quoted, so that none of it is a qualifier; as many as fit."""
    text = ""
    for word in words:
        plain = " ".join(re.sub(r'["\\\x00-\x1f\x7f]', " ", word).split())
        if plain and len(text) + len(plain) <= SEARCH_LENGTH:
            text += f'"{plain}" '
    return f"{text}in:title" if text else ""


def _stdin(body: str) -> bytes:
    return body.encode("utf-8", "replace")


def _url_in(out: str, url: re.Pattern[str]) -> re.Match[str]:
    found = url.fullmatch(out.strip().rpartition("\n")[2].strip())
    if found is None:
        raise TrackerError(Cause.UNCERTAIN, "gh did not print the address of what it wrote")
    return found
