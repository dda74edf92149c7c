"""Attaching to a node that runs: found by its exe, described from argv and config, never touched."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from monitor_loop import envfile, noderecord, procfs
from monitor_loop import start as verb
from monitor_loop.attach import stdout_session
from monitor_loop.begun import Begun
from monitor_loop.errors import LockHeld, MonitorError
from monitor_loop.files import Lock
from monitor_loop.session import DataRoot, Mode, NodeRecord, Session, Stopped
from tests.monitor_loop.checkouts import CONFIG, git, make_empty_checkout
from tests.monitor_loop.world import ID, World
from tests.proctree import BOOT_ID, make_process

NOW = datetime(2026, 5, 9, 12, tzinfo=timezone.utc)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_attach_describes_the_node_from_exe_argv_and_config(world: World) -> None:
    world.run()
    started = world.start()
    assert started.attached
    assert started.pid == 4242
    assert started.warnings == ()
    session = envfile.read(world.data)
    assert session == started.session
    assert (session.id, session.mode, session.run_flags) == (ID, Mode.VALIDATOR, "--validator")
    assert (session.config, session.repo, session.config_file) == (CONFIG, world.repo, world.repo / CONFIG)
    assert (session.admin_port, session.rpc_port) == (19627, 18000)
    assert session.binary == world.data.path / ID / "cargo-target/release/henyey"
    assert session.github_repo == "stellar-experimental/henyey"
    assert "ghp_secret" not in world.data.env_file.read_text()
    record = noderecord.read(world.data)
    assert record.launched is not None
    assert (record.launched.pid, record.launched.boot_id) == (4242, BOOT_ID)
    assert record.first_launched_at is not None
    assert record.fresh_start_since is None


def test_the_summary_says_all_an_operator_needs(world: World) -> None:
    world.run()
    text = verb.render(world.start())
    for line in (
        "═══ MONITOR LOOP STARTED ═══",
        f"Session:  {ID}",
        "Mode:     validator",
        f"Config:   {CONFIG}",
        f"Binary:   {world.data.path}/{ID}/cargo-target/release/henyey",
        f"Log:      {world.data.path}/{ID}/logs/monitor.log",
        "PID:      4242",
        "Attached: yes",
        f"Env:      {world.data.env_file}",
    ):
        assert line in text.splitlines()
    assert "3,23,43 * * * * /" in text
    assert f"--data-root {world.data.path} >> {world.data.path}/monitor-tick.log 2>&1" in text


def test_L04_a_binary_rebuilt_under_the_node_is_still_found(world: World) -> None:
    world.run(deleted=True)
    started = world.start()
    assert started.pid == 4242
    assert started.session.binary == world.data.path / ID / "cargo-target/release/henyey"


def test_L01_a_process_that_only_talks_of_henyey_run_is_none(world: World) -> None:
    make_process(world.proc, 7, "/usr/bin/python3", ["python3", "henyey", "run"], comm="henyey")
    with pytest.raises(MonitorError, match="no git checkout"):
        world.start()


def test_L02_another_builds_binary_is_none(world: World) -> None:
    for pid, exe in enumerate(
        [
            f"{world.data.path}/{ID}/cargo-target/debug/henyey",
            f"{world.data.path}/a/b/cargo-target/release/henyey",
            f"{world.data.path}x/{ID}/cargo-target/release/henyey",
            f"{world.data.path}/cargo-target/release/henyey",
        ],
        start=7,
    ):
        make_process(world.proc, pid, exe, [exe, "--mainnet", "run"])
    with pytest.raises(MonitorError, match="no git checkout"):
        world.start()


def test_L03_two_candidates_are_both_named_and_neither_is_taken(world: World) -> None:
    world.run(pid=11, session_id="aaaa0000")
    world.run(pid=12, session_id="bbbb0000")
    with pytest.raises(MonitorError) as refusal:
        world.start()
    assert "  PID=11 session=aaaa0000" in str(refusal.value).splitlines()
    assert "  PID=12 session=bbbb0000" in str(refusal.value).splitlines()
    assert "--session ID" in str(refusal.value)
    assert not world.data.env_file.exists()
    assert world.start(session_id="bbbb0000").pid == 12
    assert world.start().pid == 12, "the env file's session is looked for first"


def test_an_unknown_session_is_refused_and_what_runs_is_named(world: World) -> None:
    world.run()
    with pytest.raises(MonitorError, match=rf"no henyey of session ffff0000.*PID=4242 session={ID}"):
        world.start(session_id="ffff0000")


def test_the_env_files_dead_session_gives_way_to_what_runs(world: World) -> None:
    world.run(session_id="aaaa0000")
    world.start()
    (world.proc / "4242/exe").unlink()
    world.run(session_id="bbbb0000", pid=4343)
    assert world.start().session.id == "bbbb0000"


def test_fresh_refuses_to_attach(world: World) -> None:
    world.run()
    with pytest.raises(MonitorError, match=rf"PID=4242 session={ID}.*monitor-loop stop"):
        world.start(fresh=True)
    assert not world.data.env_file.exists()


def test_L12_only_one_start_at_a_time(world: World) -> None:
    world.run()
    world.data.path.mkdir(exist_ok=True)
    with (
        Lock.acquire(world.data.lock_file, "monitor-loop start", NOW),
        pytest.raises(LockHeld, match=rf"ABORT: another monitor-loop holds {world.data.lock_file}.*{os.getpid()}"),
    ):
        world.start()


def test_L08_a_missing_session_directory_is_made_again_and_said(world: World) -> None:
    world.run(directory=False)
    started = world.start()
    assert [word for word in started.warnings if "missing (wiped)" in word]
    for directory in (*started.session.subdirectories, started.session.alive):
        assert directory.exists()


def test_a_stdout_of_another_session_is_said(world: World) -> None:
    world.run(stdout=f"{world.data.path}/ffff0000/logs/monitor.log (deleted)")
    mismatch, deleted = world.start().warnings
    assert "session ffff0000" in mismatch
    assert f"session {ID}" in mismatch
    assert "deleted" in deleted


@pytest.mark.parametrize(
    ("stdout", "session_id"),
    [
        ("{data}/abcd/logs/monitor.log", "abcd"),
        ("{data}/abcd/logs/monitor.log (deleted)", "abcd"),
        ("/mnt/data/data/abcd/logs/monitor.log", "abcd"),
        ("pipe:[123]", ""),
        ("/dev/null", ""),
        ("", ""),
    ],
)
def test_the_session_of_a_stdout(tmp_path: Path, stdout: str, session_id: str) -> None:
    assert stdout_session(DataRoot(tmp_path), stdout.format(data=tmp_path)) == session_id


@pytest.mark.parametrize("form", [["-c", "{}"], ["--config={}"], ["--conf", "{}"], ["-c{}"]])
def test_the_config_is_resolved_against_where_the_node_was_started(world: World, form: list[str]) -> None:
    arguments = [word.format(CONFIG) for word in form]
    world.run("--mainnet", "run", "--validator", *arguments)
    # Seen from a checkout that is not the node's own, the same file needs its absolute name.
    other = make_empty_checkout(world.elsewhere / "other", world.data.path)
    session = world.start(repo=other).session
    assert session.repo == other
    assert session.config == str(world.repo / CONFIG)
    assert session.admin_port == 19627


def test_data_that_lies_elsewhere_is_said(world: World) -> None:
    config = world.repo / CONFIG
    config.write_text(config.read_text().replace(f"{world.data.path}/mainnet", "/srv/node"))
    world.run()
    (warning,) = world.start().warnings
    assert "/srv/node" in warning
    assert f"{world.data.path}/mainnet" in warning


def test_another_checkout_has_its_own_repository(world: World) -> None:
    world.run()
    world.start()
    other = make_empty_checkout(world.elsewhere / "other", world.data.path)
    git(other, "remote", "set-url", "origin", "git@github.com:mine/henyey.git")
    assert world.start(repo=other).session.github_repo == "mine/henyey"


def test_a_config_that_is_gone_leaves_the_modes_ports_and_a_warning(world: World) -> None:
    world.run("--mainnet", "run", "-c", "gone.toml")
    started = world.start(mode=Mode.WATCHER)
    assert (started.session.admin_port, started.session.rpc_port) == (11727, None)
    assert [word for word in started.warnings if "gone.toml" in word]


def test_the_other_mode_is_said(world: World) -> None:
    world.run("--mainnet", "run", "-c", CONFIG)
    started = world.start()
    assert started.session.mode is Mode.WATCHER
    assert started.session.run_flags == ""
    (warning,) = started.warnings
    assert "validator" in warning
    assert "watcher" in warning


def test_henyey_instead_of_the_embedded_node_is_said(world: World) -> None:
    world.run()
    assert [word for word in world.start(embedded=True).warnings if "embedded node" in word]


def test_a_repo_that_is_none_is_refused(world: World) -> None:
    world.run()
    with pytest.raises(MonitorError, match="no git checkout"):
        world.start(repo=world.elsewhere)


def test_a_repo_that_nobody_knows_is_said(world: World) -> None:
    world.run()
    (world.proc / "4242/cwd").unlink()
    (world.proc / "4242/cwd").symlink_to(world.elsewhere)
    assert [word for word in world.start().warnings if "--repo" in word]


# --- what is kept ------------------------------------------------------------------------------------------------


def test_start_clears_the_stopped_mark_and_keeps_the_rest_of_the_record(world: World) -> None:
    world.run()
    world.data.path.mkdir(exist_ok=True)
    before = NodeRecord(stopped=Stopped(NOW, "op"), fresh_start_since=NOW, first_launched_at=NOW, deployed_sha="a" * 40)
    noderecord.write(world.data, before)
    world.start()
    record = noderecord.read(world.data)
    assert record.stopped is None
    assert (record.fresh_start_since, record.first_launched_at, record.deployed_sha) == (NOW, NOW, "a" * 40)


def test_a_build_of_a_new_session_is_not_measured_by_a_good_one_that_is_not_kept_there(world: World) -> None:
    """Else the next deploy would be on trial against a build that nobody can go back to."""
    world.run()
    session = world.start().session
    process = procfs.node_of(session, world.proc)
    assert process is not None
    for built, good in (("b" * 40, ""), ("a" * 40, "a" * 40), ("", "a" * 40)):
        noderecord.write(world.data, NodeRecord(deployed_sha="a" * 40, last_good_sha="a" * 40))
        verb._write_down(session, Begun(session=session, process=process, attached=not built, sha=built), False)
        record = noderecord.read(world.data)
        assert (record.deployed_sha, record.last_good_sha) == (built or "a" * 40, good)


def test_what_an_operator_set_survives_a_start(world: World) -> None:
    world.run()
    world.start()
    with world.data.env_file.open("a") as env:
        env.write(
            "MONITOR_CADENCE_SECONDS=600\nMONITOR_PROJECT=org/7\nMONITOR_OPERATOR=op\nMONITOR_TRACKER=directory\n"
            "MONITOR_GITHUB_REPO=mine/henyey\nMY_OWN='a b'\nMONITOR_GH=/bin/true\nMONITOR_GIT=/gone/git\n"
        )
    started = world.start()
    session = envfile.read(world.data)
    assert session == started.session
    assert (session.cadence_seconds, session.project, session.operator) == (600, "org/7", "op")
    assert (session.tracker, session.github_repo, session.gh) == ("directory", "mine/henyey", "/bin/true")
    assert session.extra == (("MY_OWN", "a b"),)
    assert session.git not in ("", "/gone/git")
    assert started.crontab_line.startswith("3,13,23,33,43,53 * * * * ")


def test_a_damaged_env_file_is_put_aside_and_named(world: World) -> None:
    world.run()
    world.data.env_file.write_text("MONITOR_SESSION_ID=..\nMY_OWN=1\n")
    started = world.start()
    assert [word for word in started.warnings if "monitor-loop.env.damaged" in word]
    assert (world.data.path / "monitor-loop.env.damaged").read_text() == "MONITOR_SESSION_ID=..\nMY_OWN=1\n"
    assert envfile.read(world.data).id == ID


def test_starting_twice_changes_nothing_more(world: World) -> None:
    world.run()
    first = world.start()
    env, record = world.data.env_file.read_bytes(), world.data.node_record.read_bytes()
    assert world.start() == first
    assert (world.data.env_file.read_bytes(), world.data.node_record.read_bytes()) == (env, record)


def test_tools_stay_absolute(world: World) -> None:
    world.run()
    session: Session = world.start().session
    assert Path(session.git).is_absolute()
    assert session.cargo == "" or Path(session.cargo).is_absolute()
