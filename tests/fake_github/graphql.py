"""Queries executed with GitHub's own schema: a misspelt field, argument or type is refused as GitHub refuses it."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import graphql as core

from tests.fake_github.faults import Response, json_response
from tests.fake_github.model import Hub
from tests.fake_github.mutations import Mutations
from tests.fake_github.queries import Queries
from tests.fake_github.views import Refused

SCHEMA_PATH = Path(sys.prefix) / "share" / "github" / "schema.graphql"
RULES = [rule for rule in core.specified_rules if rule is not core.OverlappingFieldsCanBeMergedRule]
"""GitHub lets `gh issue view --json state` ask for the states of an issue and of a pull request under one name."""


class NotServed(Exception):
    """A field that the schema has and the fake has not."""


@functools.cache
def schema() -> core.GraphQLSchema:
    """About 1.3 s, once a process."""
    document = core.parse(SCHEMA_PATH.read_text(encoding="utf-8"), no_location=True)
    return core.build_ast_schema(document, assume_valid=True, assume_valid_sdl=True)


class Root(Queries, Mutations):
    """The fields of Query and of Mutation, which do not collide."""


@functools.lru_cache(maxsize=256)
def parsed(query: str) -> core.DocumentNode | core.GraphQLError:
    """gh asks the same few dozen queries again and again; what differs stands in their variables."""
    try:
        return core.parse(query)
    except core.GraphQLError as error:
        return error


@functools.lru_cache(maxsize=256)
def faults_of(query: str) -> list[core.GraphQLError]:
    """Why GitHub would not execute it: that is judged by the schema and the text alone."""
    document = parsed(query)
    if isinstance(document, core.GraphQLError):
        return [document]
    return core.validate(schema(), document, RULES)


def name_of(query: str) -> tuple[str, bool]:
    """`mutation IssueCreate createIssue` of a query, and whether it writes. What does not parse has no name."""
    document = parsed(query)
    if isinstance(document, core.GraphQLError):
        return "query ?", False
    operations = [each for each in document.definitions if isinstance(each, core.OperationDefinitionNode)]
    operation = operations[0]
    fields = [each.name.value for each in operation.selection_set.selections if isinstance(each, core.FieldNode)]
    called = operation.name.value if operation.name else ""
    is_write = operation.operation is core.OperationType.MUTATION
    return " ".join([operation.operation.value, called, *fields]).replace("  ", " "), is_write


def answer(hub: Hub, query: str, variables: dict[str, Any]) -> Response:
    """What GitHub answers; NotServed where the fake cannot."""
    result = _executed(hub, query, variables)
    for error in result.errors or ():
        if error.original_error is not None and not isinstance(error.original_error, Refused):
            raise error.original_error
    body: dict[str, Any] = {"data": result.data} if result.data is not None or not result.errors else {}
    if result.errors:
        body["errors"] = [_told(error) for error in result.errors]
    return json_response(200, body, ("X-Oauth-Scopes", ", ".join(hub.scopes)))


def _executed(hub: Hub, query: str, variables: dict[str, Any]) -> core.ExecutionResult:
    document = parsed(query)
    if (errors := faults_of(query)) or isinstance(document, core.GraphQLError):
        return core.ExecutionResult(None, errors)
    return core.execute_sync(
        schema(),
        document,
        root_value=Root(hub),
        variable_values=variables,
        field_resolver=_resolve,
        type_resolver=lambda value, _info, _type: str(value.typename),
    )


def _resolve(source: Any, info: core.GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """The attribute of the field's name, called with the field's arguments where it can be called."""
    absent = object()
    value = getattr(source, info.field_name, absent)
    if value is absent:
        raise NotServed(f"the fake does not serve {info.parent_type.name}.{info.field_name}")
    return value(**arguments) if callable(value) else value


def _told(error: core.GraphQLError) -> dict[str, Any]:
    """As GitHub writes an error: the kind beside the message."""
    told: dict[str, Any] = {"message": error.message, "path": error.path or []}
    if isinstance(error.original_error, Refused):
        told["type"] = error.original_error.kind
    return told
