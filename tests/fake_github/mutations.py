"""The fields of Mutation. Each either does all of its work or, Refused, none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fake_github.model import Comment, Hub, Issue, Item, Label, Project, Repository
from tests.fake_github.project_views import field_id, field_view, item_view, need_scope, option_id, project_view
from tests.fake_github.views import IssueView, Refused, View, comment_view, label_view

MAX_BODY, MAX_TITLE = 65536, 256
Input = Mapping[str, Any]


def node_of(hub: Hub, id: str, kind: type) -> Any:
    found = hub.nodes.get(id)
    if not isinstance(found, kind):
        raise Refused("NOT_FOUND", f"Could not resolve to a node with the global id of '{id}'")
    return found


def node_view(hub: Hub, id: str) -> Any:
    """What `node(id:)` and `labelable` and their kind answer."""
    found = node_of(hub, id, object)
    if isinstance(found, Issue):
        return IssueView(hub, found)
    if isinstance(found, Label):
        return label_view(found)
    if isinstance(found, Project):
        return project_view(hub, found)
    project = next(each for each in hub.projects if found in each.items)
    return item_view(hub, project, found)


def checked(title: str, body: str) -> None:
    """Refuse what GitHub's forms refuse."""
    if not title.strip():
        raise Refused("UNPROCESSABLE", "Title can't be blank")
    if len(title) > MAX_TITLE:
        raise Refused("UNPROCESSABLE", f"Title is too long (maximum is {MAX_TITLE} characters)")
    if len(body) > MAX_BODY:
        raise Refused("UNPROCESSABLE", f"Body is too long (maximum is {MAX_BODY} characters)")


class Mutations:
    _hub: Hub

    def createIssue(self, input: Input) -> View:
        node_of(self._hub, input["repositoryId"], Repository)
        body = input.get("body") or ""
        checked(input["title"], body)
        labels = self._names(input.get("labelIds") or ())
        issue = self._hub.open_issue(input["title"], body, author=self._hub.login, labels=labels)
        return View("CreateIssuePayload", issue=IssueView(self._hub, issue))

    def addComment(self, input: Input) -> View:
        issue = node_of(self._hub, input["subjectId"], Issue)
        if not input["body"].strip():
            raise Refused("UNPROCESSABLE", "Body can't be blank")
        checked("comment", input["body"])
        comment: Comment = self._hub.comment_on(issue, input["body"], author=self._hub.login)
        edge = View("IssueCommentEdge", node=comment_view(self._hub, issue, comment))
        return View("AddCommentPayload", commentEdge=edge, subject=IssueView(self._hub, issue))

    def addLabelsToLabelable(self, input: Input) -> View:
        issue = node_of(self._hub, input["labelableId"], Issue)
        issue.labels += [name for name in self._names(input["labelIds"]) if name not in issue.labels]
        self._hub.touch(issue)
        return View("Payload", labelable=IssueView(self._hub, issue))

    def removeLabelsFromLabelable(self, input: Input) -> View:
        issue = node_of(self._hub, input["labelableId"], Issue)
        gone = self._names(input["labelIds"])
        issue.labels = [name for name in issue.labels if name not in gone]
        self._hub.touch(issue)
        return View("Payload", labelable=IssueView(self._hub, issue))

    def updateIssue(self, input: Input) -> View:
        issue = node_of(self._hub, input["id"], Issue)
        title, body = input.get("title") or issue.title, input.get("body", issue.body)
        checked(title, body)
        issue.title, issue.body = title, body
        self._hub.touch(issue)
        return View("UpdateIssuePayload", issue=IssueView(self._hub, issue))

    def closeIssue(self, input: Input) -> View:
        issue = node_of(self._hub, input["issueId"], Issue)
        self._hub.close(issue)
        return View("CloseIssuePayload", issue=IssueView(self._hub, issue))

    def addProjectV2ItemById(self, input: Input) -> View:
        need_scope(self._hub, "project")
        project = node_of(self._hub, input["projectId"], Project)
        item = self._hub.add_to_project(project, node_of(self._hub, input["contentId"], Issue))
        return View("AddProjectV2ItemByIdPayload", item=item_view(self._hub, project, item))

    def updateProjectV2ItemFieldValue(self, input: Input) -> View:
        need_scope(self._hub, "project")
        project = node_of(self._hub, input["projectId"], Project)
        item = node_of(self._hub, input["itemId"], Item)
        if input["fieldId"] != field_id(project):
            raise Refused("NOT_FOUND", f"Could not resolve to a node with the global id of '{input['fieldId']}'")
        wanted = input["value"]["singleSelectOptionId"]
        found = [status for status in project.statuses if option_id(project, status) == wanted]
        if not found:
            raise Refused("VALIDATION", "The single select option Id does not belong to the field")
        item.status = found[0]
        return View("Payload", projectV2Item=item_view(self._hub, project, item), projectV2Field=field_view(project))

    def _names(self, ids: Sequence[str]) -> list[str]:
        return [node_of(self._hub, id, Label).name for id in ids]
