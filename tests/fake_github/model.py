"""What the fake keeps: plain values, changed only through `Hub`, which has the clock and gives out the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

OWNER, NAME = "stellar-experimental", "henyey"
LOGIN = "monitor-bot"
STATUSES = ("Backlog", "Ready", "In progress", "Blocked", "Done")


class Label(msgspec.Struct):
    id: str
    name: str
    description: str = ""
    color: str = "ededed"


class Comment(msgspec.Struct):
    id: str
    number: int
    author: str
    body: str
    created_at: datetime


class Version(msgspec.Struct, frozen=True):
    """What the search index can know of an issue, from `at` on."""

    at: datetime
    title: str
    body: str
    is_open: bool
    labels: tuple[str, ...]


class Issue(msgspec.Struct):
    """`closer_sha` is the commit that closed it, `closer_pull` the pull request whose merge that commit was."""

    id: str
    number: int
    title: str
    body: str
    author: str
    created_at: datetime
    updated_at: datetime
    labels: list[str] = msgspec.field(default_factory=list)
    comments: list[Comment] = msgspec.field(default_factory=list)
    closed_at: datetime | None = None
    closer_sha: str = ""
    closer_pull: int = 0
    versions: list[Version] = msgspec.field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


class Step(msgspec.Struct):
    name: str
    conclusion: str
    log: str = ""


class Job(msgspec.Struct):
    id: int
    name: str
    conclusion: str
    steps: list[Step]


class Run(msgspec.Struct):
    """A workflow run: its newest attempt only."""

    id: int
    workflow: str
    workflow_id: int
    status: str
    conclusion: str
    sha: str
    created_at: datetime
    branch: str = "main"
    attempt: int = 1
    jobs: list[Job] = msgspec.field(default_factory=list)


class Repository(msgspec.Struct):
    id: str
    owner: str
    name: str
    labels: list[Label] = msgspec.field(default_factory=list)
    issues: dict[int, Issue] = msgspec.field(default_factory=dict)
    runs: list[Run] = msgspec.field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


class Item(msgspec.Struct):
    id: str
    issue: Issue
    status: str = ""


class Project(msgspec.Struct):
    id: str
    number: int
    title: str
    owner: str
    statuses: tuple[str, ...] = STATUSES
    items: list[Item] = msgspec.field(default_factory=list)


class Hub:
    """`now` is the only clock. `scopes` are the token's, `search_lag_seconds` how far the search index is behind."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 12, 0, tzinfo=timezone.utc)
        self.login = LOGIN
        self.scopes = ["project", "read:org", "repo", "workflow"]
        self.search_lag_seconds = 0
        self.nodes: dict[str, Any] = {}
        self.projects: list[Project] = []
        self._last = 0
        self.repository = Repository(id="R_1", owner=OWNER, name=NAME)
        self.nodes["R_1"] = self.repository
        for name in ("bug", "urgent", "not-ready"):
            self.add_label(name)

    def number(self) -> int:
        """The next number of all that is neither an issue nor a project."""
        self._last += 1
        return self._last

    def register(self, node: Any) -> Any:
        self.nodes[node.id] = node
        return node

    def add_label(self, name: str) -> Label:
        label: Label = self.register(Label(id=f"LA_{self.number()}", name=name))
        self.repository.labels.append(label)
        return label

    def remove_label(self, name: str) -> None:
        """The repository lacks it from now on, and so do its issues."""
        self.repository.labels = [label for label in self.repository.labels if label.name != name]
        for issue in self.repository.issues.values():
            issue.labels = [each for each in issue.labels if each != name]

    def open_issue(self, title: str, body: str = "", *, author: str = "somebody", labels: Sequence[str] = ()) -> Issue:
        number = len(self.repository.issues) + 1
        issue: Issue = self.register(
            Issue(f"I_{number}", number, title, body, author, self.now, self.now, labels=list(labels))
        )
        self.repository.issues[number] = issue
        self.touch(issue)
        return issue

    def touch(self, issue: Issue) -> None:
        """The issue changed now: its time, and what the index will know after its lag."""
        issue.updated_at = self.now
        issue.versions.append(Version(self.now, issue.title, issue.body, issue.is_open, tuple(issue.labels)))

    def comment_on(self, issue: Issue, body: str, *, author: str = "somebody") -> Comment:
        number = self.number()
        comment: Comment = self.register(Comment(f"IC_{number}", number, author, body, self.now))
        issue.comments.append(comment)
        self.touch(issue)
        return comment

    def close(self, issue: Issue, *, sha: str = "", pull: int = 0) -> None:
        issue.closed_at, issue.closer_sha, issue.closer_pull = self.now, sha, pull
        self.touch(issue)

    def add_project(self, number: int = 1, title: str = "henyey", owner: str = OWNER) -> Project:
        project: Project = self.register(Project(f"PVT_{number}", number, title, owner))
        self.projects.append(project)
        return project

    def add_to_project(self, project: Project, issue: Issue, status: str = "") -> Item:
        """The item of this issue: the one that is there already, or a new one."""
        there = next((item for item in project.items if item.issue is issue), None)
        if there is not None:
            return there
        item: Item = self.register(Item(f"PVTI_{self.number()}", issue, status))
        project.items.append(item)
        return item

    def item_of(self, number: int) -> Item | None:
        """The first item, of whatever project, of this issue."""
        return next((item for each in self.projects for item in each.items if item.issue.number == number), None)

    def add_run(self, workflow: str = "CI", *, jobs: Sequence[Job] = (), **fields: Any) -> Run:
        known = {"status": "completed", "conclusion": "success", "sha": "5" * 40, "created_at": self.now}
        number = 1000 + self.number()
        run = Run(id=number, workflow=workflow, workflow_id=workflow_number(workflow), **{**known, **fields})
        run.jobs = list(jobs)
        self.repository.runs.append(run)
        return run

    def job(self, name: str, conclusion: str = "success", log: str = "") -> Job:
        """A job with one step before and one that ended as the job did and printed `log`."""
        steps = [Step("Set up job", "success", "ready\n"), Step("Run tests", conclusion, log)]
        return Job(2000 + self.number(), name, conclusion, steps)


def workflow_number(workflow: str) -> int:
    return 100 + sum(workflow.encode())
