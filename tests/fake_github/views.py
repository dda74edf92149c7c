"""Issues and what belongs to them as GraphQL sees them: an attribute for every field that gh or the monitor asks for.

Names are GraphQL's. A field that is not here is refused by name, never answered with null.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.fake_github.model import Comment, Hub, Issue, Label

MAX_RECORDS = 100


class Refused(Exception):
    """GitHub understands the call and does not do it. `kind` is the type of the error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def told_time(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


class View:
    """One object; `typename` decides what a union or an interface is."""

    def __init__(self, typename: str, **fields: Any) -> None:
        self.typename = typename
        self.__dict__.update(fields)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def page(views: Sequence[Any], paging: Mapping[str, Any], *counts: str) -> View:
    """A connection: at most a hundred at once, as on GitHub. `counts` are other names of the total count."""
    limit = paging.get("first", paging.get("last"))
    if limit is None or not 0 <= limit <= MAX_RECORDS:
        message = f"Requesting {limit} records on a connection exceeds the `first` limit of {MAX_RECORDS} records."
        raise Refused("EXCESSIVE_PAGINATION", message)
    start = int(base64.b64decode(paging.get("after") or "").decode() or 0)
    end = min(start + limit, len(views))
    info = View("PageInfo", hasNextPage=end < len(views), endCursor=base64.b64encode(str(end).encode()).decode())
    totals = dict.fromkeys(("totalCount", *counts), len(views))
    return View("Connection", nodes=views[start:end], pageInfo=info, **totals)


def actor(login: str) -> View:
    return View("User", login=login, id=f"U_{login}", name=login, databaseId=1, url=f"https://github.com/{login}")


def label_view(label: Label) -> View:
    return View("Label", id=label.id, name=label.name, description=label.description, color=label.color)


def comment_view(hub: Hub, issue: Issue, comment: Comment) -> View:
    return View(
        "IssueComment",
        id=comment.id,
        databaseId=comment.number,
        author=actor(comment.author),
        authorAssociation="MEMBER",
        body=comment.body,
        createdAt=told_time(comment.created_at),
        updatedAt=told_time(comment.created_at),
        includesCreatedEdit=False,
        isMinimized=False,
        minimizedReason=None,
        reactionGroups=[],
        url=f"{issue_url(hub, issue)}#issuecomment-{comment.number}",
        viewerDidAuthor=comment.author == hub.login,
    )


def issue_url(hub: Hub, issue: Issue) -> str:
    return f"https://github.com/{hub.repository.full_name}/issues/{issue.number}"


class IssueView:
    """`Issue` of the schema."""

    typename = "Issue"

    def __init__(self, hub: Hub, issue: Issue) -> None:
        self._hub, self._issue = hub, issue
        self.id, self.number, self.title, self.body = issue.id, issue.number, issue.title, issue.body
        self.author = actor(issue.author)
        self.url = issue_url(hub, issue)
        self.state = "OPEN" if issue.is_open else "CLOSED"
        self.closed = not issue.is_open
        self.stateReason = None if issue.is_open else "COMPLETED"
        self.createdAt, self.updatedAt = told_time(issue.created_at), told_time(issue.updated_at)
        self.closedAt = told_time(issue.closed_at)
        self.milestone = None

    def repository(self) -> Any:
        from tests.fake_github.queries import RepositoryView

        return RepositoryView(self._hub)

    def labels(self, **paging: Any) -> View:
        known = {label.name: label for label in self._hub.repository.labels}
        return page([label_view(known[name]) for name in self._issue.labels if name in known], paging)

    def assignees(self, **paging: Any) -> View:
        return page([], paging)

    def assignedActors(self, **paging: Any) -> View:
        return page([], paging)

    def reactionGroups(self) -> list[View]:
        return []

    def comments(self, **paging: Any) -> View:
        return page([comment_view(self._hub, self._issue, each) for each in self._issue.comments], paging)

    def closedByPullRequestsReferences(self, **paging: Any) -> View:
        return page([self._pull()] if self._issue.closer_pull else [], paging)

    def timelineItems(self, itemTypes: Sequence[str] = (), **paging: Any) -> View:
        if list(itemTypes) != ["CLOSED_EVENT"]:
            raise NotImplementedError(f"timelineItems of {itemTypes}")
        if self._issue.is_open:
            return page([], paging)
        closer = self._pull() if self._issue.closer_pull else self._commit() if self._issue.closer_sha else None
        told = {"createdAt": self.closedAt, "stateReason": self.stateReason, "closer": closer}
        event = View("ClosedEvent", id="CE_1", actor=actor("somebody"), **told)
        return page([event], paging)

    def projectItems(self, **paging: Any) -> View:
        from tests.fake_github.project_views import item_view, need_scope

        need_scope(self._hub, "read:project")
        items = [(project, item) for project in self._hub.projects for item in project.items]
        views = [item_view(self._hub, project, item) for project, item in items if item.issue is self._issue]
        return page(views, paging)

    def _commit(self) -> View:
        sha = self._issue.closer_sha
        return View("Commit", id=f"C_{sha}", oid=sha, abbreviatedOid=sha[:7])

    def _pull(self) -> View:
        number = self._issue.closer_pull
        url = f"https://github.com/{self._hub.repository.full_name}/pull/{number}"
        merge = self._commit() if self._issue.closer_sha else None
        fields = {"mergeCommit": merge, "repository": self.repository(), "merged": True, "state": "MERGED"}
        return View("PullRequest", id=f"PR_{number}", number=number, url=url, **fields)
