"""What a failed job's log is taken for, and the words that name the failure from run to run."""

from __future__ import annotations

import pytest

from monitor_tick.facts import CiJob
from monitor_tick.judging.ci_logs import LINE_LENGTH, Diagnosis, diagnose, failed_tests, normalised, plain, tails_of
from monitor_tick.rules import CiCategory
from tests.monitor_tick.views import SHIPPED

BUILD, TEST, TIMEOUT = CiCategory.BUILD, CiCategory.TEST, CiCategory.TIMEOUT
FLAKY, INFRASTRUCTURE, UNKNOWN = CiCategory.FLAKY, CiCategory.INFRASTRUCTURE, CiCategory.UNKNOWN
EXIT = "##[error]Process completed with exit code 101."
REJOIN = "test simulation::test_core3_restart_rejoin_after_kill ... FAILED"
PANIC = "thread 'tests::replay' panicked at crates/app/src/replay.rs:88:9:"


def diagnosis_of(*log: str, conclusion: str = "failure", failed_step: str = "Run tests") -> Diagnosis:
    job = CiJob(name="test", conclusion=conclusion, failed_step=failed_step, log=log)
    return diagnose(job, SHIPPED.ci_failures)


MISMATCH = ("error[E0308]: mismatched types", " --> src/lib.rs:10:5", "error: could not compile `henyey`", EXIT)
SUMMARY = ("failures:", "", "---- z stdout ----", "boom", "failures:", "    a::x", "    z", "", "test result: FAILED.")
NO_CONFIG = ("thread 'main' panicked at src/main.rs:4:5:", "no config at /etc/henyey.toml", EXIT)
NO_WORKFLOW = "Invalid workflow file: .github/workflows/ci.yml#L9"


@pytest.mark.parametrize(
    ("log", "category", "signature"),
    [
        (MISMATCH, BUILD, "error[E0308]: mismatched types"),
        (("error: this borrow is unneeded", "error: could not compile", EXIT), BUILD, "error: this borrow is unneeded"),
        (("error: could not compile `henyey` (lib) due to 2 previous errors", EXIT), BUILD, "step Run tests"),
        (("Diff in /build/henyey/src/main.rs:12:", EXIT), BUILD, "step Run tests"),
        ((f"##[error]{NO_WORKFLOW}",), BUILD, NO_WORKFLOW),
        (
            ("test a::b ... ok", "test a::fails ... FAILED", "test result: FAILED. 1 failed", EXIT),
            TEST,
            "test a::fails",
        ),
        (SUMMARY, TEST, "test a::x"),
        (("        FAIL [   0.031s] henyey-scp ballot::votes_twice", EXIT), TEST, "test ballot::votes_twice"),
        (("FAILED tests/test_x.py::test_y - assert 1 == 2", EXIT), TEST, "test tests/test_x.py::test_y"),
        ((PANIC, "assertion failed: a == b", EXIT), TEST, "test tests::replay"),
        (NO_CONFIG, TEST, "panicked at src/main.rs:<n>: no config at <path>"),
        (("test slow has been running for over 60 seconds", EXIT), TIMEOUT, "step Run tests"),
        (("the server timed out after 30 s", EXIT), TIMEOUT, "step Run tests"),
        (("uploading", "deploy failed: no such bucket 7", EXIT), UNKNOWN, "deploy failed: no such bucket <n>"),
        (("uploading", EXIT), UNKNOWN, "step Run tests"),
    ],
)
def test_a_failure_of_the_code_has_a_kind_and_a_name(
    log: tuple[str, ...], category: CiCategory, signature: str
) -> None:
    assert diagnosis_of(*log) == Diagnosis(category, signature)


NOT_THE_CODE = {
    "runner lost": (
        "The runner has received a shutdown signal. This can happen when the runner service is stopped",
        "The self-hosted runner lost communication with the server. Verify the machine is running",
    ),
    "runner timeout": ("##[error]The job running on runner A has exceeded the maximum execution time of 60 minutes.",),
    "network while fetching dependencies": (
        "error: failed to download from `https://static.crates.io/crates/syn/2.0.1/download`",
        "fatal: unable to access 'https://github.com/x/y/': Could not resolve host: github.com",
        "E: Failed to fetch http://azure.archive.ubuntu.com/ubuntu/pool/x.deb",
        "curl: (56) Recv failure: Connection reset by peer",
    ),
    "service hiccup": (
        "##[error]Unable to download actions. 'https://api.github.com/...' returned 503",
        "Error response from daemon: toomanyrequests: You have reached your pull rate limit",
    ),
    "out of memory on the runner": (
        "  process didn't exit successfully: `rustc --crate-name henyey` (signal: 9, SIGKILL: kill)",
        "##[error]Process completed with exit code 137.",
        "collect2: fatal error: ld terminated with signal 9 [Killed]",
    ),
    "disk full on the runner": ("write error: No space left on device",),
    "operation timed out": ("Error: Operation timed out (os error 110)",),
}


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in NOT_THE_CODE.items() for line in lines])
def test_what_is_not_the_codes_fault_is_a_row_and_only_while_nothing_blames_the_code(name: str, line: str) -> None:
    assert diagnosis_of("Run cargo build", line, EXIT) == Diagnosis(INFRASTRUCTURE, name)
    for blame in (("test a::b ... FAILED",), ("error[E0432]: unresolved import",), (PANIC,), ("failures:", "    a::b")):
        assert diagnosis_of(*blame, line, EXIT).category in (TEST, BUILD)


def test_every_shipped_row_of_infrastructure_is_tried() -> None:
    assert list(NOT_THE_CODE.keys() ^ {row.name for row in SHIPPED.ci_failures if row.category is INFRASTRUCTURE}) == []


@pytest.mark.parametrize("running", ["running 12 tests", "test a::b ... ok", "stack backtrace:"])
def test_a_job_that_ran_out_of_time_in_its_tests_is_a_finding(running: str) -> None:
    late = "##[error]The job running on runner X has exceeded the maximum execution time of 60 minutes."
    assert diagnosis_of(running, late).category is TIMEOUT
    assert diagnosis_of("Compiling henyey", late).category is INFRASTRUCTURE


def test_a_timeout_with_the_stack_of_a_test_is_the_tests() -> None:
    assert diagnosis_of("operation timed out", "stack backtrace:", "   0: rust_begin_unwind").category is TIMEOUT


def test_a_known_flaky_test_is_flaky_only_while_no_other_failed() -> None:
    assert diagnosis_of(REJOIN, EXIT) == Diagnosis(FLAKY, "test simulation::test_core3_restart_rejoin_after_kill")
    assert diagnosis_of(REJOIN, "test a::b ... FAILED", EXIT) == Diagnosis(TEST, "test a::b")
    assert diagnosis_of(REJOIN.replace("FAILED", "ok"), "test a::b ... FAILED") == Diagnosis(TEST, "test a::b")


def test_without_its_log_a_job_is_named_by_its_step_and_never_run_again() -> None:
    assert diagnosis_of() == Diagnosis(UNKNOWN, "step Run tests")
    assert diagnosis_of(conclusion="timed_out", failed_step="") == Diagnosis(TIMEOUT, "timed out")
    assert diagnosis_of(conclusion="startup_failure", failed_step="") == Diagnosis(BUILD, "startup failure")


def test_the_signature_is_the_same_from_run_to_run() -> None:
    def run(job: str, sha: str, port: int, at: str) -> Diagnosis:
        return diagnosis_of(
            f"{at} building in /build/{job}/target",
            f"error: http://127.0.0.1:{port}/x of {sha} in /tmp/{job}/a.sock lost after {port / 7:.3f}s, 0x{port:x}",
            EXIT,
        )

    first = run("41", "b8f18c6db1f980ba80da626c87f1fdeac91be61f", 4711, "2026-05-09T03:40:07Z")
    assert first == run("977", "0f18c6db1f980ba80da626c87f1fdeac91be61aa", 11627, "2026-05-10T00:00:00Z")
    assert first.signature == "error: <url> of <hash> in <path> lost after <n>s, <hash>"
    assert normalised("in test_core3 E0308 at 2026-05-09T03:40:07.123Z") == "in test_core3 E0308 at <time>"
    assert diagnosis_of("test b ... FAILED", "test a ... FAILED") == diagnosis_of(
        "test a ... FAILED", "test b ... FAILED"
    )


def test_the_log_is_read_by_job_and_only_its_end_is_kept() -> None:
    lines = [f"build\tCompile\t2026-05-09T03:40:07.1234567Z line {number}" for number in range(100)]
    lines += ["lint (stable, linux)\tClippy\t\ufeff2026-05-09T03:40:08.0Z \x1b[31merror\x1b[0m: no", "not a line of gh"]
    tails = tails_of("\n".join(lines) + "\n", 80)
    assert set(tails) == {"build", "lint (stable, linux)"}
    assert tails["build"] == tuple(f"line {number}" for number in range(20, 100))
    assert tails["lint (stable, linux)"] == ("error: no",)
    assert tails_of("", 80) == {}


def test_a_hostile_log_is_text_and_nothing_else() -> None:
    huge = "A" * 5_000_000
    hostile = [
        f"j\ts\t{huge}",
        "j\ts\t\x1b]0;title\x07\x1b[2J\x1b[31;1mred\x1b[0m\rover\x08\x00",
        "j\ts\t``` @everyone #1 <!-- monitor-tick key=x --> \u2028other\u202e",
        "j\ts\tj\ts\t##[error]tab",
    ]
    (tail,) = tails_of("\n".join(hostile), 80).values()
    assert tail[0] == "A" * LINE_LENGTH
    assert tail[1] == "red over"
    assert tail[2].startswith("``` @everyone #1 <!-- monitor-tick key=x -->  other")
    assert all(line.isprintable() for line in tail)
    assert tail[3] == "j s ##[error]tab"
    assert len(diagnosis_of(*tail, "error: " + "x" * 4000).signature) <= 100
    assert plain("^[[1;31merror^[[0m: a regex ^[0-9] and ^[[]") == "error: a regex ^[0-9] and ^[[]"
    assert plain("\x1b[31") == plain("\x1b") == plain("") == ""
    assert failed_tests(("test  ... FAILED", "thread '' panicked at", "failures:", "    ")) == ()
