"""The fields of Query: repositories, the search, who is logged in, who owns projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fake_github.model import Hub
from tests.fake_github.project_views import project_view
from tests.fake_github.search import BadSearch, search
from tests.fake_github.views import IssueView, Refused, View, actor, label_view, page


class Queries:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def repository(self, owner: str, name: str, followRenames: bool = True) -> RepositoryView:
        if (owner, name) != (self._hub.repository.owner, self._hub.repository.name):
            raise Refused("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return RepositoryView(self._hub)

    def viewer(self) -> OwnerView:
        return OwnerView(self._hub, self._hub.login)

    def user(self, login: str) -> OwnerView:
        if login != self._hub.login:
            raise Refused("NOT_FOUND", f"Could not resolve to a User with the login of '{login}'.")
        return OwnerView(self._hub, login)

    def organization(self, login: str) -> OwnerView:
        if login != self._hub.repository.owner:
            raise Refused("NOT_FOUND", f"Could not resolve to an Organization with the login of '{login}'.")
        return OwnerView(self._hub, login, "Organization")

    def search(self, type: str, query: str, **paging: Any) -> View:
        if type not in ("ISSUE", "ISSUE_ADVANCED"):
            raise Refused("INVALID", f"the fake does not search for {type}")
        try:
            found = search(self._hub, query)
        except BadSearch as error:
            raise Refused("INVALID", str(error)) from None
        return page([IssueView(self._hub, issue) for issue in found], paging, "issueCount")

    def resource(self, url: str) -> IssueView:
        own = f"https://github.com/{self._hub.repository.full_name}/issues/"
        number = url.removeprefix(own)
        issue = self._hub.repository.issues.get(int(number)) if number.isdigit() else None
        if issue is None:
            raise Refused("NOT_FOUND", f"Could not resolve to a resource with the URL of '{url}'.")
        return IssueView(self._hub, issue)

    def node(self, id: str) -> Any:
        from tests.fake_github.mutations import node_view

        return node_view(self._hub, id)


class OwnerView:
    """A user or an organization."""

    def __init__(self, hub: Hub, login: str, typename: str = "User") -> None:
        self._hub, self.login, self.typename = hub, login, typename
        self.id, self.name, self.databaseId = f"{typename[0]}_{login}", login, 1

    def projectV2(self, number: int) -> View:
        found = [each for each in self._hub.projects if (each.owner, each.number) == (self.login, number)]
        if not found:
            message = f"Could not resolve to a ProjectV2 with the number {number}."
            raise Refused("NOT_FOUND", message)
        return project_view(self._hub, found[0])

    def projectsV2(self, **paging: Any) -> View:
        return page([project_view(self._hub, each) for each in self._hub.projects if each.owner == self.login], paging)


class RepositoryView:
    """`Repository` of the schema."""

    typename = "Repository"
    hasIssuesEnabled = True
    hasProjectsEnabled = True
    isArchived = False
    viewerPermission = "WRITE"
    viewerCanPush = True
    issueTemplates: Sequence[View] = ()
    databaseId = 1

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.id, self.name = hub.repository.id, hub.repository.name
        self.nameWithOwner = hub.repository.full_name
        self.url = f"https://github.com/{self.nameWithOwner}"
        self.owner = actor(hub.repository.owner)
        self.defaultBranchRef = View("Ref", name="main")

    def labels(self, query: str | None = None, orderBy: Mapping[str, str] | None = None, **paging: Any) -> View:
        return page([label_view(each) for each in self._hub.repository.labels if (query or "") in each.name], paging)

    def issues(
        self,
        states: Sequence[str] | None = None,
        orderBy: Mapping[str, str] | None = None,
        filterBy: Mapping[str, Any] | None = None,
        labels: Sequence[str] | None = None,
        **paging: Any,
    ) -> View:
        wanted = {name: value for name, value in (filterBy or {}).items() if value}
        if set(wanted) - {"createdBy", "since"} or labels:
            raise NotImplementedError(f"issues filtered by {wanted} {labels}")
        if orderBy not in (None, {"field": "CREATED_AT", "direction": "DESC"}):
            raise NotImplementedError(f"issues in the order {orderBy}")
        newest_first = sorted(self._hub.repository.issues.values(), key=lambda issue: -issue.number)
        found = [IssueView(self._hub, issue) for issue in newest_first]
        found = [issue for issue in found if states is None or issue.state in states]
        author = wanted.get("createdBy")
        found = [issue for issue in found if author in (None, issue.author.login)]
        since = wanted.get("since")
        return page([issue for issue in found if since is None or (issue.updatedAt or "") >= str(since)], paging)

    def issue(self, number: int) -> IssueView:
        return self.issueOrPullRequest(number)

    def issueOrPullRequest(self, number: int) -> IssueView:
        issue = self._hub.repository.issues.get(number)
        if issue is None:
            message = f"Could not resolve to an issue or pull request with the number of {number}."
            raise Refused("NOT_FOUND", message)
        return IssueView(self._hub, issue)

    def projectsV2(self, **paging: Any) -> View:
        return page([project_view(self._hub, each) for each in self._hub.projects], paging)
