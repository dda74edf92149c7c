"""The fake is as strict as GitHub where a wrong monitor would go unnoticed otherwise; asked with the real gh."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor_tick.issues.tracker import Cause, TrackerError
from tests.fake_github.faults import Answer
from tests.fake_github.fixture import gh
from tests.fake_github.server import FakeGitHub

pytestmark = pytest.mark.thorough
"""What the fake does right shows in every test that uses it; here is what it must not do."""


def said(*args: str) -> Any:
    """The JSON that gh prints."""
    return msgspec.json.decode(gh().run(args))


def query(text: str) -> str:
    repository = 'repository(owner:"stellar-experimental",name:"henyey")'
    return gh().run(["api", "graphql", "-f", f"query={{{repository}{{{text}}}}}"])


def test_a_misspelt_field_is_refused(github: FakeGitHub) -> None:
    github.hub.open_issue("one")
    assert '"title":' in query("issue(number:1){title}")
    with pytest.raises(TrackerError, match="Cannot query field 'titel' on type 'Issue'"):
        query("issue(number:1){titel}")


def test_a_misspelt_argument_and_a_wrong_type_are_refused(github: FakeGitHub) -> None:
    github.hub.open_issue("one")
    with pytest.raises(TrackerError, match="Unknown argument 'nummer'"):
        query("issue(nummer:1){title}")
    with pytest.raises(TrackerError, match="Int cannot represent non-integer value"):
        query('issue(number:"1"){title}')


def test_what_the_fake_does_not_serve_is_told_and_never_null(github: FakeGitHub) -> None:
    github.hub.open_issue("one")
    with pytest.raises(TrackerError, match=r"does not serve Issue\.bodyHTML"):
        query("issue(number:1){bodyHTML}")
    with pytest.raises(TrackerError, match="fake GitHub"):
        said("api", "repos/stellar-experimental/henyey/pulls")
    assert len(github.unserved) == 2
    github.unserved.clear()


def test_a_list_of_more_than_a_page_is_whole(github: FakeGitHub) -> None:
    for number in range(1, 151):
        github.hub.open_issue(f"issue {number}")
    listed = said("issue", "list", "--limit", "1000", "--json", "number")
    assert [each["number"] for each in listed] == list(range(150, 0, -1))
    issue = github.hub.repository.issues[1]
    for number in range(120):
        github.hub.comment_on(issue, f"comment {number}")
    path = f"repos/{github.hub.repository.full_name}/issues/1/comments?per_page=100"
    assert len(said("api", path, "--paginate", "--slurp")) == 2


def test_the_search_lags_and_the_list_does_not(github: FakeGitHub) -> None:
    github.hub.search_lag_seconds = 300
    issue = github.hub.open_issue("Disk: 91% on the data volume")
    found = ("issue", "list", "--state", "open", "--search", '"data volume" in:title', "--json", "number")
    assert said(*found) == []
    assert said("issue", "list", "--json", "number") == [{"number": 1}]
    github.hub.now += timedelta(seconds=300)
    assert said(*found) == [{"number": 1}]
    github.hub.close(issue)
    assert said(*found) == [{"number": 1}], "the index still takes it for open"
    github.hub.now += timedelta(seconds=300)
    assert said(*found) == []


def test_a_search_asks_for_every_word_and_for_whole_words(github: FakeGitHub) -> None:
    github.hub.open_issue("metrics: henyey_scp_rounds — high", "peers are few")
    for words, count in (
        ("henyey_scp_rounds peers", 1),
        ("henyey_scp_rounds peers in:title", 0),
        ("henyey_scp", 0),
        ('"few are"', 0),
        ("PEERS label:urgent", 0),
        ("peers author:somebody", 1),
    ):
        assert len(said("issue", "list", "--search", words, "--json", "number")) == count, words
    with pytest.raises(TrackerError, match="longer than 256 characters"):
        said("issue", "list", "--search", "x" * 257, "--json", "number")


def test_a_fault_after_the_write_leaves_the_issue_there(github: FakeGitHub) -> None:
    github.fail("createIssue", Answer.BAD_GATEWAY, after=True)
    github.fail("createIssue", Answer.BAD_GATEWAY)
    for number in (1, 2):
        with pytest.raises(TrackerError, match="HTTP 502"):
            gh().run(["issue", "create", "--title", f"title {number}", "--body", "b"])
    assert [issue.title for issue in github.hub.repository.issues.values()] == ["title 1"]
    assert [call.was_done for call in github.calls if call.is_write] == [True, False]
    gh().run(["issue", "create", "--title", "title 3", "--body", "b"])
    assert len(github.hub.repository.issues) == 2, "each failed once"


def test_a_fault_can_wait_for_a_later_call(github: FakeGitHub) -> None:
    github.fail("IssueList", Answer.FORBIDDEN, skip=1, times=2)
    causes: list[Cause | None] = []
    for _ in range(4):
        try:
            said("issue", "list", "--json", "number")
            causes.append(None)
        except TrackerError as error:
            causes.append(error.cause)
    assert causes == [None, Cause.REFUSED, Cause.REFUSED, None]


def test_the_log_tells_what_writes(github: FakeGitHub) -> None:
    gh().run(["issue", "create", "--title", "t", "--body", "b", "--label", "urgent"])
    gh().run(["issue", "edit", "1", "--add-label", "not-ready"])
    gh().run(["issue", "comment", "1", "--body", "c"])
    gh().run(["issue", "list"])
    assert github.writes() == [
        "mutation IssueCreate createIssue",
        "mutation LabelAdd addLabelsToLabelable",
        "mutation CommentCreate addComment",
    ]
    assert len(github.calls) > len(github.writes())


def test_a_project_has_items_with_a_status(github: FakeGitHub) -> None:
    project = github.hub.add_project(7)
    github.hub.open_issue("one")
    owner = ("7", "--owner", project.owner)
    url = f"https://github.com/{github.hub.repository.full_name}/issues/1"
    item = said("project", "item-add", *owner, "--url", url, "--format", "json")["id"]
    field = said("project", "field-list", *owner, "--format", "json")["fields"][0]
    option = next(each["id"] for each in field["options"] if each["name"] == "Blocked")
    where = ("--project-id", said("project", "view", *owner, "--format", "json")["id"], "--field-id", field["id"])
    gh().run(["project", "item-edit", "--id", item, *where, "--single-select-option-id", option])
    assert [(each.issue.number, each.status) for each in project.items] == [(1, "Blocked")]
    assert said("issue", "view", "1", "--json", "projectItems")["projectItems"][0]["status"]["name"] == "Blocked"


def test_a_token_without_the_scope_sees_no_project(github: FakeGitHub) -> None:
    """gh hides it where it can: `issue view` prints an empty list, as for an issue that is on no board."""
    issue = github.hub.open_issue("one")
    project = github.hub.add_project()
    github.hub.add_to_project(project, issue, "Backlog")
    github.hub.scopes = ["repo"]
    with pytest.raises(TrackerError, match=r"missing required scopes \[read:project\]"):
        said("project", "view", "1", "--owner", project.owner, "--format", "json")
    with pytest.raises(TrackerError, match="has not been granted the required scopes"):
        query("issue(number:1){projectItems(first:1){nodes{id}}}")
    assert said("issue", "view", "1", "--json", "projectItems") == {"projectItems": []}


def test_runs_have_jobs_logs_and_a_second_attempt(github: FakeGitHub) -> None:
    failed = github.hub.job("test (ubuntu)", "failure", "2026-03-04T12:00:00.0000000Z test core3 ... FAILED\n")
    run = github.hub.add_run("CI", conclusion="failure", jobs=[github.hub.job("build"), failed])
    github.hub.add_run("Nightly", branch="work")
    listed = said("run", "list", "--branch", "main", "--limit", "10", "--json", "databaseId,workflowName,attempt")
    assert listed == [{"databaseId": run.id, "workflowName": "CI", "attempt": 1}]
    jobs = said("run", "view", str(run.id), "--json", "jobs")["jobs"]
    assert [(job["name"], job["conclusion"]) for job in jobs] == [("build", "success"), ("test (ubuntu)", "failure")]
    log = gh().run(["run", "view", str(run.id), "--log-failed"])
    assert log == "test (ubuntu)\tRun tests\t2026-03-04T12:00:00.0000000Z test core3 ... FAILED\n"
    gh().run(["run", "rerun", str(run.id), "--failed"])
    assert (run.attempt, run.status) == (2, "queued")
    assert github.writes() == [f"POST /repos/{github.hub.repository.full_name}/actions/runs/{run.id}/rerun-failed-jobs"]
    with pytest.raises(TrackerError, match="cannot be rerun"):
        gh().run(["run", "rerun", str(run.id), "--failed"])
