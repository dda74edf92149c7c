"""One project (a board) of GitHub through gh: the item of an issue, and putting an issue into a column.

Each write begins with a query: `gh project` says "unknown owner type" whatever kept it from looking up the owner.
"""

from __future__ import annotations

import functools

import msgspec

from monitor_tick.github.answers import read_answer, written_answer
from monitor_tick.github.gh import Gh
from monitor_tick.issues.tracker import Cause, TrackerError

STATUS = "Status"
"""The field whose options are the columns; every project of GitHub has it."""

_FIELD_LIMIT = "100"
_ITEMS = (
    "query($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name){issue(number:$number){url "
    "projectItems(first:100){nodes{id project{number owner{...on Organization{login}...on User{login}}} "
    f'fieldValueByName(name:"{STATUS}"){{...on ProjectV2ItemFieldSingleSelectValue{{name}}}}}}}}}}}}}}'
)
_ITEMS_OF = (
    ".data.repository.issue | {url, items: [.projectItems.nodes[] | select(.project) | "
    '{id, number: .project.number, owner: (.project.owner.login // ""), status: (.fieldValueByName.name // "")}]}'
)


class _Item(msgspec.Struct, frozen=True):
    id: str
    number: int
    owner: str
    status: str


class _Issue(msgspec.Struct, frozen=True):
    url: str
    items: tuple[_Item, ...]


class _Id(msgspec.Struct, frozen=True):
    id: str


class _Option(msgspec.Struct, frozen=True):
    id: str
    name: str


class _Field(msgspec.Struct, frozen=True):
    id: str
    name: str
    options: tuple[_Option, ...] = ()


class _Fields(msgspec.Struct, frozen=True):
    fields: tuple[_Field, ...]


class _Columns(msgspec.Struct, frozen=True):
    """The ids that moving an item takes; `options` by the column's name in small letters."""

    project: str
    field: str
    options: dict[str, str]


class Project:
    """`owner` is a login of a user or an organisation, `number` the project's. Ids are asked for once."""

    def __init__(self, gh: Gh, owner: str, number: str) -> None:
        self._gh = gh
        self._owner = owner
        self._number = number

    def __str__(self) -> str:
        return f"{self._owner}/{self._number}"

    def holds(self, issue: int) -> bool:
        return self._item_in(self._look_up(issue)) is not None

    def add(self, issue: int, status: str) -> None:
        """An item without a column is one whose move failed after it was added; any other is left where it is."""
        found = self._look_up(issue)
        item = self._item_in(found)
        if item is not None and item.status:
            return
        columns = self._columns
        if (option := columns.options.get(status.lower())) is None:
            raise TrackerError(Cause.REFUSED, f"project {self} has no {STATUS} {status!r}")
        item_id = self._added(found.url) if item is None else item.id
        where = ["--project-id", columns.project, "--field-id", columns.field, "--single-select-option-id", option]
        self._gh.run(["project", "item-edit", "--id", item_id, *where])

    def _look_up(self, issue: int) -> _Issue:
        return read_answer(self._gh.query(_ITEMS, number=issue, jq=_ITEMS_OF), _Issue)

    def _item_in(self, found: _Issue) -> _Item | None:
        ours = (self._owner.lower(), self._number)
        return next((item for item in found.items if (item.owner.lower(), str(item.number)) == ours), None)

    def _added(self, url: str) -> str:
        out = self._gh.run(["project", "item-add", *self._named, "--url", url, "--format", "json"])
        return written_answer(out, _Id).id

    @functools.cached_property
    def _columns(self) -> _Columns:
        project = read_answer(self._gh.run(["project", "view", *self._named, "--format", "json"]), _Id)
        fields = self._gh.run(["project", "field-list", *self._named, "--format", "json", "--limit", _FIELD_LIMIT])
        for field in read_answer(fields, _Fields).fields:
            if field.name == STATUS:
                return _Columns(project.id, field.id, {option.name.lower(): option.id for option in field.options})
        raise TrackerError(Cause.REFUSED, f"project {self} has no field {STATUS}")

    @property
    def _named(self) -> tuple[str, ...]:
        return (self._number, "--owner", self._owner)
