"""Projects (the board) as GraphQL sees them: items, and one single-select field, Status."""

from __future__ import annotations

from tests.fake_github.model import Hub, Item, Project
from tests.fake_github.views import IssueView, Refused, View, actor, page


def need_scope(hub: Hub, scope: str) -> None:
    """Refuse as GitHub does where the token has neither this scope nor the one that holds it."""
    if scope in hub.scopes or "project" in hub.scopes:
        return
    raise Refused(
        "INSUFFICIENT_SCOPES",
        "Your token has not been granted the required scopes to execute this query. The 'id' field requires one of the "
        f"following scopes: ['{scope}'], but your token has only been granted the: {hub.scopes} scopes. Please modify "
        "your token's scopes at: https://github.com/settings/tokens.",
    )


def field_id(project: Project) -> str:
    return f"PVTSSF_{project.number}"


def option_id(project: Project, status: str) -> str:
    return f"opt{project.number}{project.statuses.index(status)}"


def field_view(project: Project) -> View:
    options = [View("Option", id=option_id(project, status), name=status) for status in project.statuses]
    return View(
        "ProjectV2SingleSelectField",
        id=field_id(project),
        name="Status",
        dataType="SINGLE_SELECT",
        options=lambda names=None: [each for each in options if names is None or each.name in names],
    )


def project_view(hub: Hub, project: Project) -> View:
    need_scope(hub, "read:project")
    items = [item_view(hub, project, item) for item in project.items]
    return View(
        "ProjectV2",
        id=project.id,
        number=project.number,
        title=project.title,
        shortDescription="",
        public=False,
        closed=False,
        readme="",
        url=f"https://github.com/orgs/{project.owner}/projects/{project.number}",
        owner=View("Organization", login=project.owner, id=f"O_{project.owner}"),
        creator=actor(project.owner),
        items=lambda **paging: page(items, paging),
        fields=lambda **paging: page([field_view(project)], paging),
        field=lambda name: field_view(project) if name == "Status" else None,
    )


def item_view(hub: Hub, project: Project, item: Item) -> View:
    value = None
    if item.status:
        chosen = {"name": item.status, "optionId": option_id(project, item.status)}
        value = View("ProjectV2ItemFieldSingleSelectValue", field=field_view(project), **chosen)
    return View(
        "ProjectV2Item",
        id=item.id,
        type="ISSUE",
        isArchived=False,
        project=lambda: project_view(hub, project),
        content=IssueView(hub, item.issue),
        fieldValueByName=lambda name: value if name == "Status" else None,
        fieldValues=lambda **paging: page([value] if value else [], paging),
    )
