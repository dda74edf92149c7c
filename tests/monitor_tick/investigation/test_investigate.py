"""A whole investigation on a real git repository and on the past of a session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from monitor_loop.session import Identity, Session
from monitor_tick.investigation.investigate import investigate
from monitor_tick.investigation.values import Investigation
from monitor_tick.issues.finding import Finding
from tests.monitor_loop.checkouts import git
from tests.monitor_tick.investigation.crates import FILES, a_repository, commit, marked, write
from tests.monitor_tick.investigation.ticks import OLD, a_finding, a_past, a_running_session, archived, told
from tests.monitor_tick.views import a_process

APP, HERDER, CLOSE = "crates/app/src/metrics.rs", "crates/herder/src/herder.rs", "crates/app/src/app/ledger_close.rs"
SECONDS = 60.0
"""So long that a loaded machine does not cut a test short."""


def changed(path: str, before: str, after: str) -> Mapping[str, str]:
    assert FILES[path].count(before) == 1
    return {path: FILES[path].replace(before, after)}


def places(found: Investigation, role: str) -> set[tuple[str, int]]:
    return {(site.path, site.line) for site in found.sites if site.role == role}


def about(finding: Finding, session: Session, since: str = "") -> Investigation:
    return investigate(finding, session, seconds=SECONDS, since=since)


def of_metric(metric: str, build: str, **changes: object) -> Finding:
    return a_finding(**{"alert_key": f"metric:{metric}", "alert_metrics": (metric,), "build": build, **changes})


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return a_running_session(tmp_path)


def test_the_places_of_a_metric_are_told_with_their_functions(session: Session) -> None:
    build = a_repository(session.repo)
    found = about(a_finding(build=build), session)
    assert found.commit == build
    assert places(found, "registered") == marked("lost.registered")
    assert places(found, "updated") == marked("lost.updated") | marked("lost.zeroed")
    first = found.sites[0]
    assert (first.role, first.function) == ("updated", "Herder::drop")
    assert first.text == "counter!(LOST).increment(1); //@ lost.updated"


def test_a_statement_over_lines_is_told_at_its_first_as_one_text(session: Session) -> None:
    build = a_repository(session.repo)
    metric = "henyey_recovery_stalled_tick_total"
    finding = of_metric(metric, build, alert_key=f'metric:{metric}{{reason="forcing_catchup_behind"}}')
    found = about(finding, session)
    assert [(site.path, site.line) for site in found.sites[:1]] == list(marked("stalled.updated"))
    assert '"reason" => "forcing_catchup_behind", ) .increment(1);' in found.sites[0].text


def test_a_metric_that_is_registered_nowhere_is_said_to_be_so(session: Session) -> None:
    build = a_repository(session.repo)
    found = about(of_metric("henyey_no_such_metric_total", build), session)
    assert found.sites == ()
    assert f"henyey_no_such_metric_total is not registered at {build[:8]}" in found.missing


def test_a_metric_that_only_tests_name_is_said_to_be_so(session: Session) -> None:
    build = a_repository(session.repo)
    found = about(of_metric("henyey_only_in_tests_total", build), session)
    assert found.sites == ()
    assert f"henyey_only_in_tests_total is not registered at {build[:8]}, tests name it" in found.missing


def test_a_metric_that_nothing_updates_or_registers_is_said_to_be_so(session: Session) -> None:
    build = a_repository(session.repo)
    only = about(of_metric("henyey_only_described_total", build), session)
    assert f"no statement that updates henyey_only_described_total was found at {build[:8]}" in only.missing
    updated = about(of_metric("stellar_ledger_age_current_seconds", build), session)
    assert f"stellar_ledger_age_current_seconds is not registered at {build[:8]}, although it is updated" in (
        updated.missing
    )


def test_names_that_a_macro_builds_are_found(session: Session) -> None:
    build = a_repository(session.repo)
    found = about(of_metric("henyey_ledger_close_eviction_seconds", build), session)
    assert places(found, "updated") == marked("phase.updated")
    mixed = commit(session.repo, "mixed", {"src/mixed.rs": 'fn f() { counter!("henyey.mixed_name.total"); }'})
    found = about(of_metric("henyey_mixed_name_total", mixed), session)
    assert places(found, "updated") == {("src/mixed.rs", 1)}


def test_a_histogram_has_its_phases(session: Session) -> None:
    build = a_repository(session.repo)
    commits = about(of_metric("henyey_ledger_close_commit_seconds", build), session)
    expected = marked("commit.started") | marked("commit.stopped") | marked("commit.neighbour")
    assert places(commits, "phase") == expected
    header = about(of_metric("henyey_ledger_close_header_seconds", build), session)
    assert marked("header.stopped") <= places(header, "phase")
    assert [site.role for site in header.sites] == sorted(
        (site.role for site in header.sites), key=["updated", "phase", "registered"].index
    )


def test_the_statement_that_prints_a_log_line_is_found(session: Session) -> None:
    build = a_repository(session.repo)
    finding = a_finding(
        build=build, alert_key="log:henyey_overlay", alert_metrics=(), alert_message="Background ledger close failed"
    )
    found = about(finding, session)
    assert places(found, "printed") == marked("close.printed")
    short = msgspec.structs.replace(finding, alert=msgspec.structs.replace(finding.alert, message="boom"))
    assert about(short, session).sites == ()
    silent = msgspec.structs.replace(finding, alert=msgspec.structs.replace(finding.alert, message="Never printed so"))
    assert f"no statement that prints the message was found at {build[:8]}" in about(silent, session).missing


@pytest.mark.parametrize(("key", "is_told"), [("process:death", True), ("disk:low", False), ("log:a:b", False)])
def test_a_panic_in_the_log_is_no_place_for_what_has_nothing_to_do_with_it(
    session: Session, key: str, is_told: bool
) -> None:
    build = a_repository(session.repo)
    log = (f"thread 'tokio' (48) panicked at {CLOSE}:9:5:",)
    found = about(a_finding(build=build, alert_key=key, alert_metrics=(), log=log), session)
    assert [(site.path, site.line) for site in found.sites] == ([(CLOSE, 9)] if is_told else [])


def test_a_panic_is_told_at_the_line_that_it_names(session: Session) -> None:
    build = a_repository(session.repo)
    panic = f"thread 'tokio' (48) panicked at {CLOSE}:9:5:\ncalled `Option::unwrap()` on a `None` value"
    finding = a_finding(build=build, alert_key="process:death", alert_metrics=(), alert_diagnosis=panic)
    found = about(finding, session)
    (site,) = found.sites
    assert (site.path, site.line, site.function) == (CLOSE, 9, "close_ledger")
    assert site.text == FILES[CLOSE].split("\n")[8].strip()
    assert found.hypothesis.name == "a defect in the code"
    beyond = msgspec.structs.replace(finding, log=(f"panicked at {CLOSE}:99999:1:", "panicked at no/such.rs:1:1:"))
    assert len(about(beyond, session).sites) == 1


def test_the_guilty_commit_is_first_among_many(session: Session) -> None:
    good = a_repository(session.repo)
    for number in range(4):
        commit(session.repo, f"docs {number}", {"README.md": f"{number}\n"})
    wrote = changed(HERDER, "counter!(LOST).increment(1);", "counter!(LOST).increment(2);")
    guilty = commit(session.repo, "herder: count twice", wrote)
    above = {HERDER: "// one line more\n// and one\n" + wrote[HERDER]}
    moved = commit(session.repo, "herder: a header", above)
    for number in range(6):
        commit(session.repo, f"more docs {number}", {"README.md": f"more {number}\n"})
    build = git(session.repo, "rev-parse", "HEAD")
    found = about(a_finding(build=build), session, since=good)
    assert (found.since, found.commit) == (good, build)
    assert [(each.sha, each.subject) for each in found.commits[:2]] == [
        (guilty, "herder: count twice"),
        (moved, "herder: a header"),
    ]
    assert found.commits[0].touches == (HERDER,)
    assert (len(found.commits), found.commits_left_out) == (10, 2)
    assert found.commits[2].subject == "more docs 5"
    assert found.hypothesis.name == "deploy regression"
    assert f"a commit since {good[:8]} changed the lines of these statements" in found.hypothesis.speaks_for


def test_a_commit_that_only_removes_a_guard_from_the_function_is_found(session: Session) -> None:
    good = a_repository(session.repo)
    guilty = commit(session.repo, "herder: no guard", changed(HERDER, "        if self.is_behind() {\n", "        {\n"))
    commit(session.repo, "app: help text", changed(APP, "Times sync was lost", "How often sync was lost"))
    build = git(session.repo, "rev-parse", "HEAD")
    found = about(of_metric("henyey_recovery_stalled_tick_total", build), session, since=good)
    assert found.commits[0].sha == guilty
    assert found.sites[0].function == "Herder::tick"


def test_a_change_of_the_registration_alone_does_not_make_the_statements_suspect(session: Session) -> None:
    good = a_repository(session.repo)
    build = commit(session.repo, "app: help", changed(APP, "Times sync was lost", "How often sync was lost"))
    found = about(a_finding(build=build), session, since=good)
    assert found.commits[0].touches == (APP,)
    assert found.hypothesis.name == "unknown"
    assert "the files of these statements" in found.hypothesis.speaks_for[0]


def test_of_many_updates_the_one_that_a_commit_changed_is_first(session: Session) -> None:
    good = a_repository(session.repo)
    metric = "henyey_recovery_stalled_tick_total"
    before = about(of_metric(metric, good), session)
    other = '"reason" => "backoff_active").increment(1)'
    build = commit(session.repo, "herder: twice", changed(HERDER, other, other.replace("1", "2")))
    found = about(of_metric(metric, build), session, since=good)
    assert places(before, "updated") == places(found, "updated")
    assert (before.sites[0].path, before.sites[0].line) in marked("stalled.updated")
    assert (found.sites[0].path, found.sites[0].line) in marked("stalled.other")


def test_the_past_says_where_the_commits_begin(session: Session) -> None:
    good = a_repository(session.repo)
    bad = commit(
        session.repo, "herder: broken", changed(HERDER, "counter!(LOST).increment(1)", "counter!(LOST).increment(3)")
    )
    a_past(session, [good, good, bad], [2])
    found = about(a_finding(2, build=bad), session)
    assert (found.since, [each.sha for each in found.commits]) == (good, [bad])
    assert [value for _, value in found.history] == [0.0, 0.0, 1.0]
    assert found.hypothesis.name == "deploy regression"
    assert found.hypothesis.words == f"A change between {good[:8]} and {bad[:8]} brought it."


def test_what_fired_in_the_same_past_ticks_is_told(session: Session) -> None:
    build = a_repository(session.repo)
    key = a_finding().alert.key
    for tick, keys in enumerate([[key, "sync:failure"], ["memory:high"], [key]]):
        told(session, tick, build, keys)
    found = about(a_finding(3, build=build), session)
    assert found.fired_with == ("sync:failure (1 of 2 ticks)",)
    assert found.missing == ("no build is known that ran without it, so no commits are listed",)


def test_a_range_that_goes_back_has_no_commits_and_another_line_says_so(session: Session) -> None:
    first = a_repository(session.repo)
    second = commit(session.repo, "second", {"a.rs": "fn a() {}\n"})
    back = about(a_finding(build=first), session, since=second)
    assert back.commits == ()
    assert f"{first[:8]} has no commit that {second[:8]} lacks" in back.missing
    git(session.repo, "checkout", "-q", "-b", "side", first)
    side = commit(session.repo, "side", {"b.rs": "fn b() {}\n"})
    aside = about(a_finding(build=side), session, since=second)
    assert [each.subject for each in aside.commits] == ["side"]
    assert f"{second[:8]} is not an ancestor of {side[:8]}: listed is what it lacks" in aside.missing


def test_the_work_tree_and_the_index_are_neither_read_nor_touched(session: Session) -> None:
    build = a_repository(session.repo)
    write(session.repo, {HERDER: "// nothing is left\n", "new.rs": 'fn f() { counter!("henyey_new_total"); }'})
    git(session.repo, "add", "new.rs")
    before = {path: path.stat().st_mtime_ns for path in sorted((session.repo / ".git").rglob("*"))}
    found = about(a_finding(build=build), session)
    assert marked("lost.updated") <= places(found, "updated")
    assert about(of_metric("henyey_new_total", build), session).sites == ()
    assert {path: path.stat().st_mtime_ns for path in sorted((session.repo / ".git").rglob("*"))} == before


@pytest.mark.parametrize(
    ("build", "why"),
    [
        ("", "the build that runs is unknown; HEAD ({head}) was read instead"),
        ("f" * 40, "build ffffffff is not in the checkout; HEAD ({head}) was read instead"),
        ("--help", "build --help is not in the checkout; HEAD ({head}) was read instead"),
    ],
)
def test_a_build_that_is_not_there_is_replaced_by_head_and_that_is_said(session: Session, build: str, why: str) -> None:
    head = a_repository(session.repo)
    found = about(a_finding(build=build), session, since=OLD)
    assert why.format(head=head[:8]) in found.missing
    assert found.sites != ()
    assert f"the last good build {OLD[:8]} is not in the checkout, so no commits are listed" in found.missing


@pytest.mark.parametrize("key", ["ci:CI:test:x", "deploy:build"])
def test_what_fails_on_main_lists_what_the_node_does_not_run_yet(session: Session, key: str) -> None:
    build = a_repository(session.repo)
    broken = commit(session.repo, "it breaks")
    commit(session.repo, "after it")
    a_past(session, [OLD, build], [])
    finding = a_finding(1, build=build, alert_key=key, alert_evidence=(("commit", broken),), alert_metrics=())
    found = about(finding, session)
    assert (found.commit, found.since, [each.subject for each in found.commits]) == (broken, build, ["it breaks"])


def test_where_the_node_runs_what_fails_or_the_checkout_lacks_it_no_commits_are_listed(session: Session) -> None:
    build = a_repository(session.repo)
    same = about(a_finding(build=build, alert_key="ci:CI:test:x", alert_evidence=(("commit", build),)), session)
    assert same.commits == ()
    assert "it is the commit that the node runs, so no commits are listed" in same.missing
    gone = about(a_finding(build=build, alert_key="ci:CI:test:x", alert_evidence=(("commit", "f" * 40),)), session)
    assert (gone.commit, gone.commits) == ("", ())
    assert "commit ffffffff is not in the checkout, so no code was read" in gone.missing


def test_an_embedded_node_has_history_and_a_hypothesis_without_code(tmp_path: Path) -> None:
    session = a_running_session(tmp_path, launch_prefix="python -m monitor_loop.embedded")
    before = a_process(identity=Identity(4000, 5, "boot"))
    for tick, process in enumerate((before, before, a_process())):
        values = {"stellar_herder_lost_sync_total": 100.0 + (tick == 2), "stellar_peer_count": 25.0}
        archived(session, tick, "", values, process=process)
    found = about(a_finding(2, build="", uptime_seconds=60), session)
    assert [value for _, value in found.history] == [0.0, 0.0, 1.0]
    assert found.hypothesis.name == "restart artefact"
    assert found.missing == ("the embedded node has no checkout, so no code was read",)


@pytest.mark.parametrize("git_path", ["", "/no/such/git", "git"])
def test_without_a_checkout_or_git_the_rest_is_found_out_all_the_same(tmp_path: Path, git_path: str) -> None:
    session = a_running_session(tmp_path)
    if git_path:
        session.repo.mkdir()
    session = msgspec.structs.replace(session, git=git_path)
    a_past(session, [OLD, OLD], [1])
    found = about(a_finding(1, build=OLD), session)
    assert (found.commit, found.sites, len(found.history)) == ("", (), 2)
    assert len(found.missing) == 1


def test_the_whole_is_bounded_in_time_whatever_git_does(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    session.repo.mkdir()
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    found = investigate(a_finding(), msgspec.structs.replace(session, git=str(slow)), seconds=0.5)
    assert any("took longer" in clause or "no time" in clause for clause in found.missing)
    nothing = investigate(a_finding(), session, seconds=0.0)
    assert "the checkout: no time was left for git" in nothing.missing


def test_what_is_too_much_is_cut_and_said(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    many = "".join(f'fn f{number}() {{ counter!("henyey_x_total").increment({number}); }}\n' for number in range(30))
    build = a_repository(session.repo, {"many.rs": many, "large.rs": many * 2})
    found = about(of_metric("henyey_x_total", build), session)
    assert len(found.sites) == 24
    assert "66 more places are not shown" in found.missing
    names = (*(f"henyey_x{number}_total" for number in range(5)), "no name")
    several = about(of_metric("", build, alert_metrics=names), session)
    assert "2 more metrics were not looked up" in several.missing
    strange = about(of_metric("no name", build), session)
    assert "a name that no metric can have was not looked up" in strange.missing
    monkeypatch.setattr("monitor_tick.investigation.source.LARGEST_TOTAL_BYTES", 3000)
    bounded = about(of_metric("henyey_x_total", build), session)
    assert "large.rs was not read: 0 MB were read before" in bounded.missing
    build = commit(session.repo, "more", {f"more{number}.rs": many for number in range(4)})
    assert "2 more files were not read" in about(of_metric("henyey_x_total", build), session).missing


def test_a_word_of_too_many_files_is_not_followed(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor_tick.investigation.code.MOST_FILES", 3)
    users = {f"u{number}.rs": "fn f() { other(COMMON); }\n" for number in range(4)}
    own = 'const COMMON: &str = "henyey_x_total";\nconst RARE: &str = COMMON;\n'
    build = a_repository(session.repo, {"own.rs": own, "rare.rs": "fn f() { inc(RARE); }\n", **users})
    found = about(of_metric("henyey_x_total", build), session)
    assert "COMMON stands in 5 files and was not followed" in found.missing
    assert places(found, "updated") == {("rare.rs", 1)}
    named = {f"n{number}.rs": 'fn f() { inc("henyey_y_total"); }\n' for number in range(4)}
    build = commit(session.repo, "named", named)
    found = about(of_metric("henyey_y_total", build), session)
    assert "henyey_y_total was looked for in 3 of 4 files" in found.missing


def test_the_search_for_a_message_that_git_stops_claims_nothing(session: Session) -> None:
    build = a_repository(session.repo)
    wrapper = session.repo.parent / "git"
    wrapper.write_text('#!/bin/sh\ncase " $* " in *" grep "*|*" log -p "*) exit 3;; esac\nexec git "$@"\n')
    wrapper.chmod(0o755)
    broken = msgspec.structs.replace(session, git=str(wrapper))
    finding = a_finding(build=build, alert_key="log:t:x", alert_metrics=(), alert_message="Background ledger close")
    assert any("was not looked for to the end (git grep failed" in clause for clause in about(finding, broken).missing)


def test_commits_are_listed_also_where_they_cannot_be_ranked(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    good = a_repository(session.repo)
    build = commit(
        session.repo, "herder", changed(HERDER, "counter!(LOST).increment(1)", "counter!(LOST).increment(4)")
    )
    wrapper = session.repo.parent / "git"
    wrapper.write_text('#!/bin/sh\ncase " $* " in *" -U0 "*) exit 3;; esac\nexec git "$@"\n')
    wrapper.chmod(0o755)
    found = about(a_finding(build=build), msgspec.structs.replace(session, git=str(wrapper)), since=good)
    assert [each.sha for each in found.commits] == [build]
    assert "commits are not ranked by one file (git log failed with status 3)" in found.missing
    monkeypatch.setattr("monitor_tick.investigation.commits.MOST_PATHS", 1)
    fewer = about(a_finding(build=build), session, since=good)
    assert "commits are ranked by 1 of 2 files" in fewer.missing


@pytest.mark.parametrize(("failing", "is_found"), [("-w", True), ("grep", False)])
def test_what_was_found_before_git_failed_is_kept_and_nothing_is_claimed(
    session: Session, failing: str, is_found: bool
) -> None:
    build = a_repository(session.repo)
    wrapper = session.repo.parent / "git"
    wrapper.write_text(f'#!/bin/sh\ncase " $* " in *" {failing} "*) exit 3;; esac\nexec git "$@"\n')
    wrapper.chmod(0o755)
    found = about(a_finding(build=build), msgspec.structs.replace(session, git=str(wrapper)))
    assert (places(found, "registered") == marked("lost.registered")) is is_found
    clauses = [clause for clause in found.missing if "stellar_herder_lost_sync_total" in clause]
    assert clauses == ["stellar_herder_lost_sync_total was not followed to its end (git grep failed with status 3)"]


def test_nothing_is_said_not_to_be_there_where_not_all_was_read(session: Session) -> None:
    build = a_repository(session.repo, {"one.rs": HOSTILE["one/line.rs"]})
    found = about(a_finding(build=build), session)
    assert (
        f"stellar_herder_lost_sync_total is not registered at {build[:8]} in the files that were read" in found.missing
    )


def test_a_fault_in_one_part_costs_that_part_alone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    build = a_repository(session.repo)

    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("monitor_tick.investigation.investigate.places_of", broken)
    found = about(a_finding(build=build), session)
    assert "the code could not be looked at (RecursionError)" in found.missing
    assert found.commit == build


# --- a repository that means harm --------------------------------------------------------------------------------

HOSTILE = {
    "one/line.rs": 'fn f() { counter!("stellar_herder_lost_sync_total"); } ' + "x" * 5_000_000,
    "a\"quote's.rs": 'fn f() { counter!("stellar_herder_lost_sync_total").increment(1); }\n',
    "new\nline\t.rs": 'fn f() { counter!("stellar_herder_lost_sync_total").increment(1); }\n',
    "-dash.rs": 'fn f() { counter!("stellar_herder_lost_sync_total").increment(1); }\n',
    ":(top)magic*.rs": 'fn f() { counter!("stellar_herder_lost_sync_total").increment(1); }\n',
    "deep.rs": "fn f() " + "{(" * 20_000 + ' counter!("stellar_herder_lost_sync_total").increment(1); ',
    "unclosed.rs": 'fn f() { counter!("stellar_herder_lost_sync_total").increment(1); } /* "',
}


def test_a_hostile_repository_costs_what_it_hides_and_nothing_else(session: Session) -> None:
    good = a_repository(session.repo, HOSTILE)
    names = bytes(session.repo) + b"/\xff\xfe.rs"
    with open(names, "wb") as file:  # noqa: PTH123  (no name that pathlib takes)
        file.write(b'fn f() { counter!("stellar_herder_lost_sync_total").increment(1); } // \xff\xfe\x00\n')
    (session.repo / "latin.rs").write_bytes(
        b'// caf\xe9\nfn f() { counter!("stellar_herder_lost_sync_total").increment(1); }\n'
    )
    (session.repo / "link.rs").symlink_to("/etc/passwd")
    build = commit(session.repo, "subject\x1b[31m @everyone #1")
    found = about(a_finding(build=build), session, since=good)
    updated = places(found, "updated")
    assert {("a\"quote's.rs", 1), ("new?line?.rs", 1), ("-dash.rs", 1), (":(top)magic*.rs", 1)} <= updated
    assert {("latin.rs", 2), ("unclosed.rs", 1), ("deep.rs", 1)} <= updated
    assert "one/line.rs was not read: it has 4 MB" in found.missing
    assert all("\x1b" not in each.subject for each in found.commits)
    assert all(len(site.text) <= 200 for site in found.sites)


def test_an_operators_git_configuration_changes_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    good = a_repository(session.repo)
    build = commit(
        session.repo, "herder", changed(HERDER, "counter!(LOST).increment(1)", "counter!(LOST).increment(4)")
    )
    config = session.repo.parent / "gitconfig"
    config.write_text(
        "[color]\n\tui = always\n[diff]\n\texternal = /bin/false\n\tnoprefix = true\n[log]\n\tshowSignature = true\n"
        "\tfollow = true\n\tdecorate = full\n[grep]\n\tpatternType = perl\n\tlineNumber = true\n"
        "[core]\n\tpager = less\n[format]\n\tpretty = fuller\n"
    )
    plain = about(a_finding(build=build), session, since=good)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", "/no/such/repository")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    assert about(a_finding(build=build), session, since=good) == plain
    assert plain.commits[0].touches == (HERDER,)
