"""Row 12: the investigation of a finding on a checkout of a hundred thousand lines, against the time that it has."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from monitor_loop.session import DataRoot, Mode, Session
from monitor_tick.alert import Alert
from monitor_tick.investigation.investigate import investigate
from monitor_tick.investigation.values import Investigation
from monitor_tick.issues.finding import Finding
from tests.benchmarks.figures import Effort, Figure, NotMeasured, medians

SECONDS = 20.0
"""What all investigations of one tick may take."""

CRATES, FILES_PER_CRATE, FUNCTIONS_PER_FILE = 40, 10, 25
COMMITS = 200
METRIC, MESSAGE = "henyey_metric_7_total", "Background ledger close number <n> failed"
CLOSE = "henyey_ledger_close_phase_7_seconds"


def investigation(effort: Effort) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as root:
        session = a_session(Path(root))
        try:
            since, build, lines = make_repository(session.repo)
        except FileNotFoundError:
            raise NotMeasured("git is not installed") from None
        kinds = {"a counter": _alert(METRIC), "a histogram": _alert(CLOSE), "a log line": _alert("", MESSAGE)}
        for name, alert in kinds.items():
            finding = Finding(
                alert=alert, at=datetime(2026, 5, 9, tzinfo=timezone.utc), session_id="x", mode="", build=build
            )
            found: list[Investigation] = []

            def once(finding: Finding = finding, found: list[Investigation] = found) -> float:
                started = time.monotonic()
                found.append(investigate(finding, session, seconds=10 * SECONDS, since=since))
                return time.monotonic() - started

            (seconds,) = medians(effort.repeats, [once])
            last = found[-1]
            yield Figure(
                f"investigation of {name}: wall / the {SECONDS:.0f} s of a tick",
                seconds / SECONDS,
                1.0,
                f"{seconds:.2f} s, {lines // 1000} k lines, {COMMITS} commits: {len(last.sites)} sites, "
                f"{len(last.commits) + last.commits_left_out} commits ranked",
            )


def a_session(root: Path) -> Session:
    return Session(
        data=DataRoot(root / "data"),
        id="x",
        mode=Mode.VALIDATOR,
        config="c.toml",
        admin_port=1,
        rpc_port=None,
        run_flags="",
        binary=root / "henyey",
        repo=root / "repo",
        git="git",
    )


def _alert(metric: str, message: str = "") -> Alert:
    key = f"metric:{metric}" if metric else f"log:henyey_app:{message}"
    return Alert(key=key, scope="row", title=key, metrics=(metric,) if metric else (), message=message)


def make_repository(repo: Path) -> tuple[str, str, int]:
    """The first commit, the last, and how many lines the last one has."""
    paths = [f"crates/c{crate}/src/m{file}.rs" for crate in range(CRATES) for file in range(FILES_PER_CRATE)]
    texts = {path: _module(number) for number, path in enumerate(paths)}
    texts["crates/app/src/metrics.rs"] = _catalog(len(paths))
    for path, text in texts.items():
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_text(text)
    _git(repo, "init", "-q", "-b", "main")
    first = _commit(repo, "first")
    chosen = random.Random(7)
    for number in range(COMMITS):
        path = repo / chosen.choice(paths)
        path.write_text(path.read_text().replace("let mut total = ", f"let mut total = {number} + ", 1))
        last = _commit(repo, f"change {number}")
    return first, last, sum(text.count("\n") for text in texts.values())


def _catalog(count: int) -> str:
    constants = (f'pub const METRIC_{n}: &str = "henyey_metric_{n}_total";\n' for n in range(count))
    phases = (f'pub const PHASE_{n}: &str = "henyey_ledger_close_phase_{n}_seconds";\n' for n in range(count))
    described = (f'    describe_counter!(METRIC_{n}, "what {n} counts");\n' for n in range(count))
    return "".join((*constants, *phases, "pub fn describe() {\n", *described, "}\n"))


def _module(number: int) -> str:
    functions = (
        f'    /// Function {each} of module {number}, which "quotes" and {{ braces }}.\n'
        f"    pub fn step_{each}(&mut self, input: &[u8]) -> Result<u64, Error> {{\n"
        "        let started = Instant::now();\n"
        f"        let mut total = {each};\n"
        "        for byte in input.iter().filter(|byte| **byte != b'{') {\n"
        "            total += u64::from(*byte);\n"
        "        }\n"
        f'        tracing::debug!(total, "step {each} of {number} took {{:?}}", started.elapsed());\n'
        "        Ok(total)\n"
        "    }\n"
        for each in range(FUNCTIONS_PER_FILE)
    )
    return (
        "use app::metrics;\n"
        f"pub struct Module{number};\n"
        f"impl Module{number} {{\n"
        f"{''.join(functions)}"
        "    pub fn close(&self) {\n"
        "        let started = Instant::now();\n"
        f"        metrics::counter!(metrics::METRIC_{number}).increment(1);\n"
        f"        histogram!(metrics::PHASE_{number}).record(started.elapsed().as_secs_f64());\n"
        f'        error!(module = {number}, "Background ledger close number {{}} failed", 1);\n'
        "    }\n"
        "}\n"
    )


def _commit(repo: Path, subject: str) -> str:
    _git(repo, "add", "-A")
    _git(repo, "commit", "-q", "-m", subject)
    return _git(repo, "rev-parse", "HEAD")


def _git(repo: Path, *arguments: str) -> str:
    people = {f"GIT_{who}_{what}": "bench@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", **people}
    ran = subprocess.run(["git", *arguments], cwd=repo, env=environment, check=True, capture_output=True, text=True)
    return ran.stdout.strip()
