"""The REST calls that gh and the monitor make: issues, comments, labels, who is logged in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from tests.fake_github import runs
from tests.fake_github.faults import Response, json_response
from tests.fake_github.model import Comment, Hub, Issue
from tests.fake_github.views import issue_url, told_time

NOT_FOUND = json_response(404, {"message": "Not Found", "status": "404"})


class Asked:
    """One call: `arguments` from the URL, `body` from the content, `ids` from the path."""

    def __init__(self, hub: Hub, path: str, arguments: Mapping[str, str], body: Mapping[str, Any]) -> None:
        self.hub, self.path, self.arguments, self.body = hub, path, arguments, body
        self.ids: tuple[int, ...] = ()

    @property
    def issue(self) -> Issue | None:
        return self.hub.repository.issues.get(self.ids[0])


def answer(hub: Hub, method: str, path: str, arguments: Mapping[str, str], body: Mapping[str, Any]) -> Response:
    """NotImplementedError where the fake has no such call."""
    asked = Asked(hub, path, arguments, body)
    own = f"/repos/{hub.repository.full_name}"
    if path.startswith("/repos/") and path != own and not path.startswith(own + "/"):
        return NOT_FOUND
    for pattern, call in CALLS.items():
        found = re.fullmatch(pattern, f"{method} {path.removeprefix(own) if path.startswith(own + '/') else path}")
        if found:
            asked.ids = tuple(int(each) for each in found.groups())
            return call(asked)
    raise NotImplementedError(f"{method} {path}")


def paged(asked: Asked, values: list[Any]) -> Response:
    """A page of a list, with the Link header that `gh api --paginate` follows."""
    size, number = int(asked.arguments.get("per_page", 30)), int(asked.arguments.get("page", 1))
    headers: list[tuple[str, str]] = []
    if number * size < len(values):
        query = urlencode({**asked.arguments, "page": number + 1})
        headers.append(("Link", f'<https://api.github.com{asked.path}?{query}>; rel="next"'))
    return json_response(200, values[(number - 1) * size : number * size], *headers)


def _user(asked: Asked) -> Response:
    scopes = ("X-Oauth-Scopes", ", ".join(asked.hub.scopes))
    return json_response(200, {"login": asked.hub.login, "id": 1, "type": "User"}, scopes)


def _meta(asked: Asked) -> Response:
    return json_response(200, {}, ("X-Oauth-Scopes", ", ".join(asked.hub.scopes)))


def _issues(asked: Asked) -> Response:
    wanted, since = asked.arguments.get("state", "open"), asked.arguments.get("since", "")
    author = asked.arguments.get("creator", "")
    found = [
        issue_json(asked.hub, issue)
        for issue in sorted(asked.hub.repository.issues.values(), key=lambda issue: -issue.number)
        if wanted in ("all", "open" if issue.is_open else "closed")
        and (told_time(issue.updated_at) or "") >= since
        and author in ("", issue.author)
    ]
    return paged(asked, found)


def _issue(asked: Asked) -> Response:
    return json_response(200, issue_json(asked.hub, asked.issue)) if asked.issue else NOT_FOUND


def _create(asked: Asked) -> Response:
    labels = list(asked.body.get("labels", ()))
    issue = asked.hub.open_issue(asked.body["title"], asked.body.get("body", ""), author=asked.hub.login, labels=labels)
    return json_response(201, issue_json(asked.hub, issue))


def _comments(asked: Asked) -> Response:
    if asked.issue is None:
        return NOT_FOUND
    since, found = asked.arguments.get("since", ""), asked.issue.comments
    return paged(asked, [comment_json(each) for each in found if (told_time(each.created_at) or "") >= since])


def _comment(asked: Asked) -> Response:
    if asked.issue is None:
        return NOT_FOUND
    comment = asked.hub.comment_on(asked.issue, asked.body["body"], author=asked.hub.login)
    return json_response(201, comment_json(comment))


def _add_labels(asked: Asked) -> Response:
    """GitHub makes labels that are not there, where the token may write."""
    if asked.issue is None:
        return NOT_FOUND
    for name in asked.body["labels"]:
        if name not in [label.name for label in asked.hub.repository.labels]:
            asked.hub.add_label(name)
        if name not in asked.issue.labels:
            asked.issue.labels.append(name)
    asked.hub.touch(asked.issue)
    return json_response(200, [{"name": name} for name in asked.issue.labels])


def _events(asked: Asked) -> Response:
    if asked.issue is None:
        return NOT_FOUND
    if asked.issue.is_open:
        return paged(asked, [])
    closed = {"id": 1, "event": "closed", "commit_id": asked.issue.closer_sha or None, "state_reason": None}
    return paged(asked, [{**closed, "created_at": told_time(asked.issue.closed_at)}])


def _labels(asked: Asked) -> Response:
    return paged(asked, [{"id": label.id, "name": label.name} for label in asked.hub.repository.labels])


def issue_json(hub: Hub, issue: Issue) -> dict[str, Any]:
    return {
        "number": issue.number,
        "node_id": issue.id,
        "title": issue.title,
        "body": issue.body,
        "user": {"login": issue.author},
        "labels": [{"name": name} for name in issue.labels],
        "state": "open" if issue.is_open else "closed",
        "created_at": told_time(issue.created_at),
        "updated_at": told_time(issue.updated_at),
        "closed_at": told_time(issue.closed_at),
        "html_url": issue_url(hub, issue),
    }


def comment_json(comment: Comment) -> dict[str, Any]:
    at = told_time(comment.created_at)
    user = {"login": comment.author}
    return {"id": comment.number, "body": comment.body, "user": user, "created_at": at, "updated_at": at}


def _of_runs(call: Callable[..., Response]) -> Callable[[Asked], Response]:
    return lambda asked: call(asked.hub, asked.arguments, *asked.ids)


CALLS: dict[str, Callable[[Asked], Response]] = {
    "GET /": _meta,
    "GET /user": _user,
    "GET /issues": _issues,
    "POST /issues": _create,
    r"GET /issues/(\d+)": _issue,
    r"GET /issues/(\d+)/comments": _comments,
    r"POST /issues/(\d+)/comments": _comment,
    r"POST /issues/(\d+)/labels": _add_labels,
    r"GET /issues/(\d+)/events": _events,
    "GET /labels": _labels,
    **{pattern: _of_runs(call) for pattern, call in runs.CALLS.items()},
}
"""By method and path below the repository, or below the root where it has none."""
