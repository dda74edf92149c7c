"""Why gh failed. The texts are what gh 2.103.3 prints when a server, or the lack of one, answers like this."""

from __future__ import annotations

import signal

import pytest

from monitor_tick.github.causes import cause_of
from monitor_tick.issues.tracker import Cause

LOGIN = """To get started with GitHub CLI, please run:  gh auth login
Alternatively, populate the GH_TOKEN environment variable with a GitHub API authentication token.
"""
UNAUTHORIZED = """HTTP 401: Bad credentials (https://api.github.com/graphql)
Try authenticating with:  gh auth login -h github.com
"""
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
NO_NAME = "error connecting to api.github.com\ncheck your internet connection or https://githubstatus.com\n"
NO_SOCKET = 'Post "https://api.github.com/graphql": dial unix /tmp/s: connect: no such file or directory\n'
NO_PROXY = (
    'Post "https://api.github.com/graphql": proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused\n'
)
GAVE_UP = (
    "GraphQL: Something went wrong while executing your query. This may be the result of a timeout, "
    "or it could be a GitHub bug. Please include `A:B` when reporting this issue.\n"
)
NO_LABEL_ON_EDIT = "failed to update https://github.com/o/n/issues/5: 'urgent' not found\nfailed to update 1 issue\n"
MISSING_SCOPE = "gh: Your token has not been granted the required scopes to execute this query.\n"

OTHER_CLIENT = 'error fetching labels: non-200 OK status code: {} body: "<html>..."\n'
"""Of commands that ask for labels or comments."""


@pytest.mark.parametrize(
    ("err", "cause"),
    [
        (OTHER_CLIENT.format("401 Unauthorized"), Cause.NOT_LOGGED_IN),
        (OTHER_CLIENT.format("429 Too Many Requests"), Cause.LIMITED),
        (OTHER_CLIENT.format("502 Bad Gateway"), Cause.UNCERTAIN),
        (OTHER_CLIENT.format("404 Not Found"), Cause.NOT_FOUND),
        (OTHER_CLIENT.format("403 Forbidden"), Cause.REFUSED),
        (UNAUTHORIZED, Cause.NOT_LOGGED_IN),
        ("gh: Bad credentials (HTTP 401)\n", Cause.NOT_LOGGED_IN),
        ("HTTP 403: API rate limit exceeded for user ID 1. (https://api.github.com/graphql)\n", Cause.LIMITED),
        (f"HTTP 403: {SECONDARY} (https://api.github.com/graphql)\n", Cause.LIMITED),
        (f"gh: {SECONDARY} (HTTP 403)\n", Cause.LIMITED),
        ("GraphQL: API rate limit already exceeded for user ID 1.\n", Cause.LIMITED),
        ("GraphQL: was submitted too quickly (createIssue)\n", Cause.LIMITED),
        ("HTTP 429: 429 Too Many Requests (https://api.github.com/graphql)\n", Cause.LIMITED),
        (NO_NAME, Cause.NO_NETWORK),
        (NO_SOCKET, Cause.NO_NETWORK),
        (NO_SOCKET.replace("no such file or directory", "connection refused"), Cause.NO_NETWORK),
        (NO_PROXY, Cause.NO_NETWORK),
        ('Post "https://api.github.com/graphql": x509: certificate has expired\n', Cause.NO_NETWORK),
        ('Post "https://api.github.com/graphql": EOF\n', Cause.UNCERTAIN),
        ('Post "https://api.github.com/graphql": read tcp 10.0.0.1:5: connection reset by peer\n', Cause.UNCERTAIN),
        ("unexpected EOF\n", Cause.UNCERTAIN),
        ("unexpected end of JSON input\n", Cause.UNCERTAIN),
        ("invalid character '<' looking for beginning of value\n", Cause.UNCERTAIN),
        ('struct field for "repository" doesn\'t exist in any of 1 places to unmarshal\n', Cause.UNCERTAIN),
        ("HTTP 502: 502 Bad Gateway (https://api.github.com/graphql)\n", Cause.UNCERTAIN),
        ("gh: HTTP 502\n", Cause.UNCERTAIN),
        ("HTTP 504: We couldn't respond to your request in time. (https://api.github.com/graphql)\n", Cause.UNCERTAIN),
        (GAVE_UP, Cause.UNCERTAIN),
        ("could not add label: 'urgent' not found\n", Cause.NO_SUCH_LABEL),
        (NO_LABEL_ON_EDIT, Cause.NO_SUCH_LABEL),
        ("gh: Not Found (HTTP 404)\n", Cause.NOT_FOUND),
        ("GraphQL: Could not resolve to a Repository with the name 'o/n'. (repository)\n", Cause.NOT_FOUND),
        ("HTTP 403: Resource not accessible by personal access token (https://api.github.com)\n", Cause.REFUSED),
        ("the 'o/n' repository has disabled issues\n", Cause.REFUSED),
        ("GraphQL: Field 'x' doesn't exist on type 'Y'\n", Cause.REFUSED),
        ("unknown flag: --nope\n", Cause.REFUSED),
        (MISSING_SCOPE, Cause.REFUSED),
        ("", Cause.REFUSED),
    ],
)
def test_a_failure_is_told_apart_by_what_gh_printed(err: str, cause: Cause) -> None:
    assert cause_of(1, err) == cause


def test_no_token_has_an_exit_status_of_its_own() -> None:
    assert cause_of(4, LOGIN) == cause_of(4, "") == Cause.NOT_LOGGED_IN


def test_a_gh_that_was_killed_may_have_written() -> None:
    assert cause_of(-signal.SIGKILL, "") == Cause.UNCERTAIN


def test_a_label_that_is_missing_is_not_a_missing_issue() -> None:
    """gh says "not found" of both."""
    err = (
        "failed to update https://github.com/o/n/issues/9: GraphQL: Could not resolve to an issue (repository.issue)\n"
    )
    assert cause_of(1, err) == Cause.NOT_FOUND
