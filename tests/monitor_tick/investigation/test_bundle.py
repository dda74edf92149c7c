"""The operator's own investigator: what it is given, and how its failures are told."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import msgspec
import pytest

from monitor_loop.session import Session
from monitor_tick.investigation.bundle import ANSWER_BYTES, Bundle, Opinion, ask
from monitor_tick.investigation.investigate import investigate
from monitor_tick.investigation.values import Investigation
from tests.monitor_tick.investigation.crates import a_repository
from tests.monitor_tick.investigation.ticks import a_finding, a_running_session

SEED = "S" + "A" * 55


def answer(command: str, *, seconds: float = 30.0, secrets: tuple[str, ...] = ()) -> Opinion:
    return ask(command, Bundle(a_finding(), Investigation()), ends=time.monotonic() + seconds, secrets=secrets)


def sh(script: str) -> str:
    return f"sh -c {shlex.quote(script)}"


def test_the_answer_is_the_opinion() -> None:
    assert answer(sh("cat > /dev/null; echo ' It is the disk. '")) == Opinion("It is the disk.")


def test_the_answer_is_bounded_and_redacted() -> None:
    long = answer(sh("yes abc | head -c 100000"))
    assert 0 < len(long.text) <= ANSWER_BYTES
    secret = answer(sh(f"echo the seed is {SEED} and hunter2hunter2"), secrets=("hunter2hunter2",))
    assert SEED not in secret.text
    assert "hunter2hunter2" not in secret.text
    assert "the seed is" in secret.text


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (sh("exit 3"), "the investigator failed with status 3"),
        (sh("kill -9 $$"), "the investigator failed with status -9"),
        (sh("true"), "the investigator had no answer"),
        ("/no/such/program", "the investigator could not be run (MonitorError)"),
        ("'unclosed", "the investigator could not be run (ValueError)"),
        ("''", "the investigator could not be run (MonitorError)"),
        ("  ", "the investigator could not be run (IndexError)"),
    ],
)
def test_its_failure_is_a_clause_and_no_more(command: str, why: str) -> None:
    assert answer(command) == Opinion(missing=(why,))


def test_its_time_is_bounded() -> None:
    (why,) = answer(sh("sleep 60"), seconds=0.2).missing
    assert why in ("the investigator took longer than 0 s", "no time was left for the investigator")
    assert answer(sh("echo x"), seconds=-1) == Opinion(missing=("no time was left for the investigator",))


def test_it_is_given_the_finding_what_was_found_out_and_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given.json"
    command = sh(f"cat > {shlex.quote(str(given))}; echo thanks")
    session: Session = a_running_session(tmp_path, investigator=command)
    build = a_repository(session.repo)
    monkeypatch.setenv("DEPLOY_TOKEN", "correct-horse-battery")
    finding = a_finding(build=build, log=(f"seed {SEED}", "token correct-horse-battery"))
    found = investigate(finding, session, seconds=60)
    assert found.opinion == "thanks"
    bundle = json.loads(given.read_text())
    assert set(bundle) == {"finding", "investigation", "code"}
    assert bundle["finding"]["alert"]["key"] == finding.alert.key
    assert bundle["investigation"]["commit"] == build
    excerpt = bundle["code"][0]
    assert "counter!(LOST).increment(1);" in excerpt["text"]
    assert excerpt["path"] == found.sites[0].path
    lines = excerpt["text"].split("\n")
    assert "counter!(LOST)" in lines[found.sites[0].line - excerpt["first"]]
    assert SEED not in given.read_text()
    assert "correct-horse-battery" not in given.read_text()


def test_without_one_nothing_is_asked_and_its_failure_changes_nothing_else(tmp_path: Path) -> None:
    session = a_running_session(tmp_path)
    build = a_repository(session.repo)
    without = investigate(a_finding(build=build), session, seconds=60)
    failing = msgspec.structs.replace(session, investigator=sh("exit 1"))
    found = investigate(a_finding(build=build), failing, seconds=60)
    assert without.opinion == ""
    assert found.missing == (*without.missing, "the investigator failed with status 1")
    assert msgspec.structs.replace(found, missing=without.missing) == without
