from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from monitor_loop import envfile, noderecord
from monitor_loop.session import DataRoot, NodeRecord
from monitor_tick.decide import decide
from tests.monitor_tick.views import a_session
from tests.proctree import make_proc, make_process
from tests.scripts.shell_library import LIBRARY, Batch, bash

ID = "1a2b3c4d"
NOW = datetime(2026, 5, 9, 4, 0, 0, 400_000, tzinfo=timezone.utc)
EPOCH = int(NOW.timestamp())
BLOCKED = "Recovery escalation blocked: previous fatal state failure — manual intervention required"
LONG_STALE = "Refusing auto-relaunch — run /monitor-loop to reset."


def node(proc: Path, data: Path, pid: int, session: str, *argv: str, deleted: bool = False, state: str = "S") -> None:
    exe = data / session / "cargo-target/release/henyey"
    make_process(proc, pid, exe, [str(exe), *(argv or ("--mainnet", "run"))], deleted=deleted, state=state)


def aged(path: Path, seconds: int, now: float = EPOCH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (now - seconds, now - seconds))
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def decided(name: str, *arguments: object) -> tuple[int, str, str]:
    """At NOW exactly: status, stdout with its items on lines, stderr."""
    ran = CliRunner().invoke(decide, [name, "--", *map(str, arguments)], obj=NOW)
    return ran.exit_code, ran.stdout.replace("\0", "\n"), ran.stderr


# --- processes -----------------------------------------------------------------------------------------------------


def test_L01_L02_L04_processes_are_found_by_exe_and_never_by_text(tmp_path: Path) -> None:
    data, proc = tmp_path / "da ta[1]*", make_proc(tmp_path / "proc")
    data.mkdir()
    node(proc, data, 30, ID, deleted=True)
    node(proc, data, 4, "beef0000")
    node(proc, data, 5, "a b")
    node(proc, data, 31, ID)
    node(proc, data, 6, "zombie00", state="Z")
    node(proc, data, 7, "noverb00", "--mainnet", "running")
    node(proc, tmp_path / "da taX1*", 8, "globbed0")
    node(proc, data, 9, "evil\n1 beef0000")
    make_process(proc, 10, data / ID / "cargo-target/debug/henyey", ["henyey", "run"])
    make_process(proc, 11, data / "x/y/cargo-target/release/henyey", ["henyey", "run"])
    make_process(proc, 12, "/bin/grep", ["grep", str(data / ID / "cargo-target/release/henyey"), "run"])
    (proc / "13").mkdir()  # unreadable
    batch = Batch()
    batch.call("_enumerate_henyey_processes", data, proc, out=f"4 beef0000\n5 a b\n30 {ID}\n31 {ID}")
    batch.call("_enumerate_henyey_processes", data, tmp_path / "none")
    batch.call("_find_session_process", data, proc, ID, out="30")
    batch.call("_find_session_process", data, proc, "*")
    batch.check(tmp_path)
    assert decided("enumerate_henyey_processes", tmp_path / "none", proc) == (0, "", "")
    assert decided("find_session_process", data, tmp_path / "none", ID) == (0, "", "")


def test_a_process_needs_only_exe_and_cmdline(tmp_path: Path) -> None:
    """As a runbook's own made-up /proc has it."""
    (tmp_path / "proc/77").mkdir(parents=True)
    (tmp_path / "proc/77/exe").symlink_to(tmp_path / ID / "cargo-target/release/henyey")
    (tmp_path / "proc/77/cmdline").write_bytes(b"henyey\0--mainnet\0run\0")
    assert decided("enumerate_henyey_processes", tmp_path, tmp_path / "proc") == (0, f"77 {ID}\n", "")


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        (["run", "-c", "a b.toml"], "a b.toml\n"),
        (["run", "--config", "x"], "x\n"),
        (["run", "--conf", "x"], "x\n"),
        (["run", "--config=x=y"], "x=y\n"),
        (["run", "--conf=x"], "x\n"),
        (["run", "--config-dir=x"], ""),
        (["run", "-c"], ""),
        (["run"], ""),
    ],
)
def test_the_config_of_a_command_line(tmp_path: Path, arguments: list[str], config: str) -> None:
    (tmp_path / "cmdline").write_bytes(b"\0".join(os.fsencode(word) for word in ["henyey", *arguments]) + b"\0")
    assert decided("parse_cmdline_config", tmp_path / "cmdline") == (0, config, "")


# --- the session ---------------------------------------------------------------------------------------------------


def test_L08_a_wiped_session_through_the_shell(tmp_path: Path) -> None:
    proc, now = make_proc(tmp_path / "proc"), time.time()
    fresh, stale = aged(tmp_path / "fresh", 7000, now), aged(tmp_path / "stale", 9000, now)
    (tmp_path / "there0").mkdir()
    node(proc, tmp_path, 4, "alive0")
    batch = Batch()
    answer = {"SESSION_WIPED": "yes", "SESSION_WIPED_PROCESS_ALIVE": "no"}
    batch.call("check_session_wiped", tmp_path, proc, "there0", stale, **{**answer, "SESSION_WIPED": "no"})
    batch.call(
        "check_session_wiped", tmp_path, proc, "alive0", stale, **{**answer, "SESSION_WIPED_PROCESS_ALIVE": "yes"}
    )
    batch.call("check_session_wiped", tmp_path, proc, "fresh0", fresh, **answer)
    batch.check(tmp_path)
    out, err = bash(f"check_session_wiped '{tmp_path}' '{proc}' stale0 '{stale}' || echo $? $SESSION_WIPED")
    assert out == "1 yes\n"
    assert err.startswith("ERROR: session stale0 absent, no process, env stale (90")
    assert err.endswith("s > 2h). Run /monitor-loop.\n")
    for name in ("alive0", "fresh0"):
        assert names(tmp_path / name) == ["cache", "cargo-target", "logs", "metrics"]
    assert not (tmp_path / "stale0").exists()
    assert names(tmp_path / "there0") == []


@pytest.mark.parametrize("age", [7200, 7201, None])
def test_L08_the_env_file_of_a_wiped_session_at_its_limit(tmp_path: Path, age: int | None) -> None:
    env = tmp_path / "env" if age is None else aged(tmp_path / "env", age)
    status, out, err = decided("check_session_wiped", tmp_path, make_proc(tmp_path / "proc"), ID, env)
    refused = age != 7200
    seconds = EPOCH if age is None else age
    text = f"ERROR: session {ID} absent, no process, env stale ({seconds}s > 2h). Run /monitor-loop.\n"
    assert (status, err) == ((1, text) if refused else (0, ""))
    assert out == f"SESSION_WIPED=yes\nSESSION_WIPED_PROCESS_ALIVE=no\nstatus={status}\n"
    assert (tmp_path / ID).exists() is not refused


@pytest.mark.parametrize("name", ["../out", "", ".", "..", "mainnet", "a/b", "a b", "a\nb"])
def test_nothing_is_created_for_what_is_no_session_id(tmp_path: Path, name: str) -> None:
    data, proc, env = tmp_path / "data", make_proc(tmp_path / "proc"), aged(tmp_path / "env", 0)
    data.mkdir()
    status, out, err = decided("check_session_wiped", data, proc, name, env)
    assert (status, out) == (1, "")
    assert err.startswith("ERROR: ")
    assert names(data) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("alive_age", "env_age", "words"),
    [
        (21601, 86401, ".alive age 21601s > 6h, env age 86401s > 24h"),
        (21600, 86401, ""),
        (21601, 86400, ""),
        (None, 86401, ".alive missing, env age 86401s > 24h"),
        (None, 86400, ""),
        (None, None, f".alive missing, env age {EPOCH}s > 24h"),
    ],
)
def test_L07_a_session_left_on_purpose(tmp_path: Path, alive_age: int | None, env_age: int | None, words: str) -> None:
    proc, env = make_proc(tmp_path / "proc"), tmp_path / "env"
    (tmp_path / ID).mkdir()
    if alive_age is not None:
        aged(tmp_path / ID / ".alive", alive_age)
    if env_age is not None:
        aged(env, env_age)
    status, out, err = decided("check_long_stale_session", tmp_path, proc, ID, env)
    assert err == (f"ERROR: session {ID} long-stale (no process, {words}). {LONG_STALE}\n" if words else "")
    assert (status, out) == (
        (1, "LONG_STALE_SESSION=yes\nstatus=1\n") if words else (0, "LONG_STALE_SESSION=no\nstatus=0\n")
    )
    node(proc, tmp_path, 4, ID)
    assert decided("check_long_stale_session", tmp_path, proc, ID, env)[0] == 0
    shutil.rmtree(tmp_path / ID)
    assert decided("check_long_stale_session", tmp_path, make_proc(tmp_path / "proc2"), ID, env)[0] == 0


def test_L07_through_the_shell_and_the_env_files_age(tmp_path: Path) -> None:
    (tmp_path / ID).mkdir()
    env = aged(tmp_path / "e n v", 90_000, time.time())
    proc = make_proc(tmp_path / "proc")
    out, err = bash(
        f"check_long_stale_session '{tmp_path}' '{proc}' {ID} '{env}' || echo $? $LONG_STALE_SESSION\n"
        f"check_env_freshness '{env}' || echo $?\n"
        f"touch '{env}'; check_env_freshness '{env}'; echo $?\n"
    )
    assert out == "1 yes\n1\n0\n"
    assert [line.split("(")[0] for line in err.splitlines()] == [
        f"ERROR: session {ID} long-stale ",
        "ERROR: env stale ",
    ]


def test_the_env_files_age_at_its_limit(tmp_path: Path) -> None:
    assert decided("check_env_freshness", aged(tmp_path / "env", 7200)) == (0, "", "")
    assert decided("check_env_freshness", aged(tmp_path / "env", 7201)) == (1, "", "ERROR: env stale (7201s > 2h)\n")
    assert decided("check_env_freshness", tmp_path / "no") == (1, "", f"ERROR: env stale ({EPOCH}s > 2h)\n")


def test_the_session_of_a_nodes_stdout(tmp_path: Path) -> None:
    warning = "WARNING: henyey stdout target deleted (out-of-band wipe). Process still alive."
    batch = Batch()
    batch.call("recover_session_from_stdout", tmp_path, f"/home/op/data/{ID}/logs/monitor.log", out=ID)
    assert decided("recover_session_from_stdout", tmp_path, f"/data/old/data/{ID}/logs/x")[1] == f"{ID}\n"
    batch.call("recover_session_from_stdout", tmp_path, f"/data/{ID}/logs/x (deleted)", out=ID, err=warning)
    for path in (
        "/dev/null",
        "",
        "/data/",
        "/data/../logs/x",
        "/data/mainnet/x",
        "/data//x",
        "pipe:[12]",
        "/database/a",
    ):
        assert decided("recover_session_from_stdout", tmp_path, path) == (1, "", "")
    batch.call("recover_session_from_stdout", tmp_path, "/dev/null", gives=1)
    batch.check(tmp_path)
    assert names(tmp_path) == [ID, "out.txt"]
    assert names(tmp_path / ID) == [".alive", "cache", "cargo-target", "logs", "metrics"]


def test_the_guards_of_a_clean_up(tmp_path: Path) -> None:
    proc = make_proc(tmp_path / "proc")
    make_process(proc, 4, tmp_path / "used0/cargo-target/debug/other", ["other"])
    recently = aged(tmp_path / "young/.alive", 3599)
    aged(tmp_path / "old/.alive", 3600)
    guard = ("cleanup_guard", tmp_path, proc)
    assert decided(*guard, "active", "active", 3600) == (0, "SKIP active per monitor-loop.env\n", "")
    assert decided(*guard, "young", "active", 3600) == (0, "SKIP .alive touched 3599s ago (< 3600s)\n", "")
    assert decided(*guard, "old", "active", 3600) == (0, "PASS\n", "")
    assert decided(*guard, "used0", "active", 3600) == (0, "SKIP running process uses this session\n", "")
    assert decided(*guard, "use", "", 3600) == (0, "PASS\n", "")
    assert decided("cleanup_guard", tmp_path, tmp_path / "no proc", "old", "", 3600)[1].startswith("SKIP")
    for name in ("", "..", "mainnet", "a/b", "*"):
        status, out, _ = decided(*guard, name, "active", 3600)
        assert (status, out[:4]) == (0, "SKIP")
    os.utime(recently)
    batch = Batch()
    batch.call("cleanup_guard", tmp_path, proc, "old", "", 3600, out="PASS")
    batch.call("cleanup_guard", tmp_path, proc, "old", "old", 3600, out="SKIP active per monitor-loop.env")
    batch.check(tmp_path)


def test_mainnet_wiped(tmp_path: Path) -> None:
    never = tmp_path / "never"
    never.mkdir()
    noderecord.write(DataRoot(never), NodeRecord())
    (tmp_path / "there/mainnet").mkdir(parents=True)
    (tmp_path / "gone").mkdir()
    batch = Batch()
    batch.call("check_mainnet_wiped", tmp_path / "there", MAINNET_WIPED="no")
    batch.call("check_mainnet_wiped", tmp_path / "gone", MAINNET_WIPED="yes")
    batch.check(tmp_path)
    assert decided("check_mainnet_wiped", never)[1] == "MAINNET_WIPED=no\nstatus=0\n"
    noderecord.write(DataRoot(never), NodeRecord(first_launched_at=NOW))
    assert decided("check_mainnet_wiped", never)[1] == "MAINNET_WIPED=yes\nstatus=0\n"
    (never / "node.json").write_text("{")
    assert decided("check_mainnet_wiped", never)[1] == "MAINNET_WIPED=yes\nstatus=0\n"
    elsewhere = msgspec.structs.replace(a_session(), data=DataRoot(never), repo=tmp_path, config="node.toml")
    envfile.write(elsewhere)
    (tmp_path / "node.toml").write_text(
        f'[database]\npath = "{tmp_path}/there/mainnet/mainnet.db"\n[buckets]\ndirectory = "{tmp_path}/b"\n'
    )
    assert decided("check_mainnet_wiped", never)[1] == "MAINNET_WIPED=no\nstatus=0\n"


# --- crashes -------------------------------------------------------------------------------------------------------


def test_L15_crashes_within_half_an_hour(tmp_path: Path) -> None:
    logs = tmp_path / "lo gs"
    logs.mkdir()
    empty = {"CRASH_RECENT_COUNT": "0", "CRASH_LATEST_FILE": "", "CRASH_HASH_MISMATCH": "no"}
    batch = Batch()
    batch.call("detect_crash_state", tmp_path / "none", **empty)
    batch.call("detect_crash_state", logs, EPOCH, **empty)
    batch.check(tmp_path)
    for name, age in (("crashed-1", 1800), ("crashed-2", 1799), ("crashed-b *\n", 5), ("crashed-a", 5), ("stuck-9", 1)):
        aged(logs / f"monitor.log.{name}", age)
    (logs / "monitor.log.crashed-directory").mkdir()
    (logs / "monitor.log.crashed-a").write_text("fatal_wipe_required=true")
    aged(logs / "monitor.log.crashed-a", 5)
    batch = Batch()
    found = {**empty, "CRASH_RECENT_COUNT": "3", "CRASH_LATEST_FILE": f"{logs}/monitor.log.crashed-b *\n"}
    batch.call("detect_crash_state", logs, EPOCH, **found)
    batch.call("detect_crash_state", logs, EPOCH + 1794, **{**found, "CRASH_RECENT_COUNT": "2"})
    batch.call("detect_crash_state", logs, EPOCH + 1795, **{**found, "CRASH_RECENT_COUNT": "0"})
    fresh = aged(tmp_path / "now/monitor.log.crashed-x", 60, time.time())
    batch.call("detect_crash_state", fresh.parent, **{**found, "CRASH_RECENT_COUNT": "1", "CRASH_LATEST_FILE": fresh})
    batch.check(tmp_path)


@pytest.mark.parametrize(
    ("text", "fatal"),
    [
        ("ERROR henyey: FATAL: x. fatal_wipe_required=true", True),
        ("fatal_wipe_required: true", True),
        ('{"fields":{"fatal_wipe_required":true}}', True),
        ("Node will shut down. State wipe required before restart.", True),
        ("fatal_wipe_required=false", False),
        ("not_fatal_wipe_required=true", False),
        ("fatal_wipe_required=trueish", False),
        ("state wipe required", False),
    ],
)
def test_L38_evidence_that_the_state_is_to_blame(tmp_path: Path, text: str, fatal: bool) -> None:
    log = tmp_path / "monitor.log.crashed-1"
    log.write_text(f"first\n{text}\nlast\n")
    word = "yes" if fatal else "no"
    assert f"CRASH_HASH_MISMATCH={word}\n" in decided("detect_crash_state", tmp_path)[1]
    source = f"crashed:{log}" if fatal else ""
    assert decided("has_fatal_wipe_evidence", tmp_path, tmp_path / "no")[1].startswith(
        f"FATAL_WIPE_EVIDENCE={word}\nFATAL_WIPE_SOURCE={source}\n"
    )


def test_L38_the_recorded_line_is_evidence(tmp_path: Path) -> None:
    lines = (Path(__file__).parents[1] / "data/abnormal_lines.tsv").read_text().splitlines()
    recorded = next(line.split("\t", 1)[1] for line in lines if line.startswith("fatal_wipe\t"))
    (tmp_path / "monitor.log").write_text(recorded)
    assert "FATAL_WIPE_SOURCE=active\n" in decided("has_fatal_wipe_evidence", tmp_path, tmp_path / "monitor.log")[1]


def test_evidence_is_found_across_two_reads_and_crashed_files_come_first(tmp_path: Path) -> None:
    log = tmp_path / "monitor.log"
    log.write_bytes(b"x" * (4 * 2**20 - 30) + b" fatal_wipe_required=true\n")
    for shift in (10, 0):
        log.write_bytes(b"x" * (4 * 2**20 - shift - 10) + b" fatal_wipe_required=true\n")
        assert "SOURCE=active\n" in decided("has_fatal_wipe_evidence", tmp_path, log)[1]
    aged(tmp_path / "monitor.log.crashed-new", 1)
    old = tmp_path / "monitor.log.crashed-old"
    old.write_text('"fatal_wipe_required":true')
    aged(old, 10**7)
    batch = Batch()
    found = {"FATAL_WIPE_EVIDENCE": "yes", "FATAL_WIPE_SOURCE": f"crashed:{old}"}
    batch.call("has_fatal_wipe_evidence", tmp_path, log, **found)
    batch.call("has_fatal_wipe_evidence", tmp_path / "none", tmp_path, FATAL_WIPE_EVIDENCE="no", FATAL_WIPE_SOURCE="")
    batch.check(tmp_path)


def blocked(age: float, level: str = " WARN", text: str = BLOCKED, as_json: bool = False) -> str:
    stamp = (NOW.replace(microsecond=0) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if as_json:
        return f'{{"timestamp":"{stamp}","level":"{level.strip()}","fields":{{"message":"{text}"}},"target":"a"}}\n'
    return f"{stamp} {level} henyey_app::app::consensus: {text}\n"


@pytest.mark.parametrize(
    ("lines", "started", "blocks", "seconds"),
    [
        ([blocked(390), blocked(90)], 0, "yes", 300),
        ([blocked(389), blocked(90)], 0, "no", 299),
        ([blocked(391), blocked(91)], 0, "no", 300),
        ([blocked(390, as_json=True), blocked(90, as_json=True)], 0, "yes", 300),
        ([blocked(60), blocked(400)], 0, "yes", 340),
        ([blocked(390), blocked(60)], EPOCH - 390, "yes", 330),
        ([blocked(390), blocked(60)], EPOCH - 389, "no", 0),
        ([blocked(390, "DEBUG"), blocked(60)], 0, "no", 0),
        ([blocked(390, text=f"{BLOCKED} (repeated)"), blocked(60)], 0, "no", 0),
        ([blocked(390), blocked(60), *["x\n"] * 1998], 0, "yes", 330),
        ([blocked(390), blocked(60), *["x\n"] * 1999], 0, "no", 0),
        ([blocked(390).replace("2026", "????"), blocked(60)], 0, "no", 0),
        ([], 0, "no", 0),
    ],
)
def test_a_node_that_lives_on_after_its_fatal_failure(
    tmp_path: Path, lines: list[str], started: int, blocks: str, seconds: int
) -> None:
    log = tmp_path / "monitor.log"
    log.write_text("".join(lines))
    wanted = f"SOFT_FAIL_BLOCKED={blocks}\nSOFT_FAIL_BLOCKED_DURATION_SEC={seconds}\nstatus=0\n"
    assert decided("detect_soft_fail_blocked", log, started, EPOCH) == (0, wanted, "")
    assert decided("detect_soft_fail_blocked", log, started) == (0, wanted, "")


def test_heartbeats_and_soft_failure_through_the_shell(tmp_path: Path) -> None:
    log, other = tmp_path / "-log [x]", tmp_path / "other"
    beats = ["a heartbeat=true ledger=1", "b heartbeat: true", '{"heartbeat":true}']
    log.write_text("\n".join(["x", *beats[:1], "heartbeat=false", "heartbeat=trueish", *beats[1:]]))
    other.write_text("nothing\n")
    batch = Batch()
    batch.call("grep_heartbeat_lines", log, out="\n".join(beats))
    batch.call("grep_heartbeat_lines", log.name, 2, out="\n".join(beats[1:]))
    batch.call("grep_heartbeat_lines", other, gives=1)
    batch.call("grep_heartbeat_lines", tmp_path / "none", gives=2)
    assert decided("grep_heartbeat_lines", log, 9)[1].splitlines() == beats
    assert decided("grep_heartbeat_lines", tmp_path) == (2, "", "")
    assert "BLOCKED=no\n" in decided("detect_soft_fail_blocked", tmp_path / "none", 0)[1]
    (tmp_path / "soft").write_text(blocked(390) + blocked(60))
    soft = {"SOFT_FAIL_BLOCKED": "yes", "SOFT_FAIL_BLOCKED_DURATION_SEC": "330"}
    batch.call("detect_soft_fail_blocked", tmp_path / "soft", 0, EPOCH, **soft)
    batch.check(tmp_path, cwd=tmp_path)


def test_a_reader_that_has_enough_causes_no_noise(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("heartbeat=true\n" * 100_000)
    assert bash(f"grep_heartbeat_lines '{tmp_path}/log' | head -n 1") == ("heartbeat=true\n", "")


# --- how it is called ----------------------------------------------------------------------------------------------


def test_no_log_file_is_an_error(tmp_path: Path) -> None:
    out, err = bash("grep_heartbeat_lines; echo $?; grep_heartbeat_lines x many; echo $?; check_session_wiped; echo $?")
    assert out == "2\n2\n2\n"
    assert "Missing argument 'LOG_FILE'" in err


def test_sourcing_twice_changes_no_option_and_prints_nothing(tmp_path: Path) -> None:
    library = tmp_path / "a b/scripts/lib"
    shutil.copytree(LIBRARY, library)
    source = f". '{library}/monitor-decisions.sh'; . '{library}/deploy-quarantine.sh'"
    (tmp_path / "mainnet").mkdir()
    loop = f"while read -r line; do check_mainnet_wiped '{tmp_path}'; echo \"$line $MAINNET_WIPED\"; done"
    script = (
        f'set -e; before=$(set +o; shopt); {source}; {source}; [ "$before" = "$(set +o; shopt)" ]\n'
        f"cd '{library}'; . monitor-decisions.sh; cd /; IFS=:s\n"
        f"printf 'one\\ntwo\\n' | {loop}"
    )
    assert bash(script, library=library, cwd=tmp_path) == ("one no\ntwo no\n", "")


def test_L47_an_answer_sets_only_its_own_variables_and_is_never_evaluated(tmp_path: Path) -> None:
    program = tmp_path / "monitor-tick"
    items = ("PATH=/evil", f"MAINNET_WIPED=$(touch {tmp_path}/evil)=", "MAINNET_WIPED[$(touch evil)]=x", "status=7")
    program.write_text("#!/bin/sh\nprintf '" + "".join(f"{item}\\0" for item in items) + "'\n")
    program.chmod(0o755)
    out, err = bash(
        'MAINNET_WIPED=old; check_mainnet_wiped /x; echo "$? $PATH $MAINNET_WIPED"',
        path=f"{tmp_path}:/usr/bin:/bin", cwd=tmp_path,
    )  # fmt: skip
    assert (out, err) == (f"7 {tmp_path}:/usr/bin:/bin $(touch {tmp_path}/evil)=\n", "")
    assert not (tmp_path / "evil").exists()


def test_without_a_program_nothing_old_stands_and_deploys_are_blocked(tmp_path: Path) -> None:
    """Found on PATH, else in the checkout's .venv, else the checkout's package through python3."""
    library = tmp_path / "co/scripts/lib"
    shutil.copytree(LIBRARY, library)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "bash", "sh", "cat"):
        (programs / name).symlink_to(str(shutil.which(name)))
    ask = (
        'SESSION_WIPED=old; check_session_wiped a b c d; echo "$? <$SESSION_WIPED>"\n'
        'check_quarantine_ancestry f; echo "$? $QUARANTINE_STATUS"\n'
    )
    out, err = bash(ask, library=library, path=str(programs))
    assert out == "2 <>\n0 blocked_git_error\n"
    assert "python3" in err
    (programs / "python3").write_text('#!/bin/sh\necho "$PYTHONPATH $*"\n')
    (programs / "python3").chmod(0o755)
    where = {"library": library, "path": str(programs)}
    call = "unset PYTHONPATH; _find_session_process a b '*'"
    assert bash(call, **where) == (f"{tmp_path}/co -m monitor_tick decide find_session_process -- a b *\n", "")  # type: ignore[arg-type]  # bash's own options
    venv = tmp_path / "co/.venv/bin"
    venv.mkdir(parents=True)
    (venv / "monitor-tick").write_text('#!/bin/sh\necho "venv $*"\n')
    (venv / "monitor-tick").chmod(0o755)
    assert bash(call, **where) == ("venv decide find_session_process -- a b *\n", "")  # type: ignore[arg-type]  # bash's own options


def test_python_runs_the_checkouts_package_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "mainnet").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("dirname", "bash", "cat"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "bin/python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin/python3").chmod(0o755)
    library = tmp_path / "co/scripts/lib"
    shutil.copytree(LIBRARY, library)
    for package in ("monitor_loop", "monitor_tick", "shared"):
        (tmp_path / "co" / package).symlink_to(LIBRARY.parents[1] / package)
    script = f"cd '{tmp_path}'; check_mainnet_wiped .; echo $MAINNET_WIPED; check_env_freshness nowhere || echo $?"
    out, err = bash(script, library=library, path=str(tmp_path / "bin"))
    assert out == "no\n1\n"
    assert err.startswith("ERROR: env stale (")


def test_help_of_the_tick_stays_light_and_silent_about_it() -> None:
    tick = "try: main(['--help'])\nexcept SystemExit: pass"
    code = f"import sys\nfrom monitor_tick.cli import main\n{tick}\nprint('msgspec' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("False\n")
    assert "decide" not in ran.stdout
