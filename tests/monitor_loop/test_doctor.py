"""What a first start needs, with programs that are scripts."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from monitor_loop import doctor, envfile, preflight
from monitor_loop.begun import Request
from monitor_loop.doctor import Diagnosis, Finding
from monitor_loop.nodeconfig import read_node_config
from monitor_loop.session import DataRoot
from tests.monitor_loop.checkouts import CONFIG, make_cargo
from tests.monitor_loop.world import World

GH = """#!/bin/sh
case "$1 $2" in
  "--version ") echo "gh version 2.99.0" ;;
  "auth status") echo "  - Token scopes: 'gist', 'repo'"; exit ${GH_AUTH:-0} ;;
  "project view") [ "$3 $5" = "7 org" ] || { echo "unknown owner" >&2; exit 1; } ;;
  *) exit 9 ;;
esac
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    (world.proc / "meminfo").write_text("MemTotal:       33554432 kB\nMemAvailable:   30000000 kB\n")
    programs = tmp_path / "bin"
    make_cargo(programs)
    (programs / "gh").write_text(GH)
    (programs / "crontab").write_text("#!/bin/sh\necho 'no crontab for op' >&2\nexit 1\n")
    for name in ("gh", "crontab"):
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return world


def examine(world: World, repo: Path | None = None) -> dict[str, Finding]:
    diagnosis = doctor.doctor(Request(data=world.data, cwd=world.elsewhere, repo=repo or world.repo), world.proc)
    return {finding.name: finding for finding in diagnosis.findings}


def test_a_machine_that_is_ready(world: World) -> None:
    request = Request(data=world.data, cwd=world.repo)
    diagnosis = doctor.doctor(request, world.proc)
    assert not diagnosis.blocked, doctor.render(diagnosis)
    found = {finding.name for finding in diagnosis.findings if finding.ok}
    assert {"cargo", "git", "checkout", "remote", "config", "ports", "database", "gh", "login", "board"} <= found
    assert {"data root", "memory"} <= found
    assert not world.data.path.exists(), "a look changes nothing"


def test_every_line_is_ok_or_names_a_remedy(world: World) -> None:
    for line in doctor.render(doctor.doctor(Request(data=world.data, cwd=world.repo), world.proc)).splitlines():
        assert line.startswith("ok ") or " -> " in line


def test_what_blocks_is_told_with_the_way_out(world: World, tmp_path: Path) -> None:
    (tmp_path / "bin/cargo").unlink()
    diagnosis = doctor.doctor(Request(data=world.data, cwd=world.elsewhere), world.proc)
    assert diagnosis.blocked
    text = doctor.render(diagnosis)
    assert "FAIL  cargo     not installed -> install Rust: https://rustup.rs" in text
    assert "--repo" in text
    assert "monitor-loop start --embedded" in text.splitlines()[-1]


def test_the_embedded_node_needs_only_the_machine(world: World) -> None:
    diagnosis = doctor.doctor(Request(data=world.data, cwd=world.elsewhere, embedded=True), world.proc)
    assert not diagnosis.blocked
    assert {"cargo", "checkout", "gh"}.isdisjoint(finding.name for finding in diagnosis.findings)


def test_a_running_embedded_node_needs_only_the_machine_without_the_option(world: World) -> None:
    world.run()
    session = world.start().session
    envfile.write(replace(session, launch_prefix="-I -m monitor_loop.embedded"))
    request = Request(data=world.data, cwd=world.elsewhere)
    diagnosis = doctor.doctor(request, world.proc)
    assert diagnosis == doctor.doctor(replace(request, embedded=True), world.proc)
    assert not diagnosis.blocked
    world.kill()
    assert doctor.doctor(request, world.proc).blocked, "a start without --embedded would build henyey"


def test_a_port_in_use_blocks(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = world.repo / CONFIG
        config.write_text(config.read_text().replace("19627", str(port)))
        finding = examine(world)["ports"]
    assert (finding.ok, finding.blocks) == (False, True)
    assert f"port {port} is in use" in finding.text


def test_a_running_node_stands_for_ports_and_database(world: World) -> None:
    world.run()
    found = examine(world)
    assert "PID=4242" in found["node"].text
    assert "ports" not in found


def test_data_elsewhere_is_named_in_both_places(world: World) -> None:
    config = world.repo / CONFIG
    config.write_text(config.read_text().replace(f"{world.data.path}/mainnet/mainnet.db", "/srv/node/mainnet.db"))
    notes = preflight.data_notes(read_node_config(config, world.repo), world.data)
    assert any("/srv/node " in note and f"{world.data.path}/mainnet" in note for note in notes)
    assert any("lie apart" in note for note in notes)
    assert "/srv/node" in examine(world)["node data"].text


def test_what_cron_will_not_know_is_named_without_its_value(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "variables" not in examine(world)
    monkeypatch.setenv("RS_STELLAR_CORE_NODE_SEED", "SECRET")
    finding = examine(world)["variables"]
    assert (finding.ok, finding.blocks) == (False, False)
    assert finding.text == "a start takes RS_STELLAR_CORE_NODE_SEED from here"
    assert finding.remedy.startswith("set them in the crontab as well")


def test_logged_out_of_github_does_not_block(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_AUTH", "1")
    finding = examine(world)["login"]
    assert (finding.ok, finding.blocks, finding.remedy) == (False, False, "gh auth login --scopes repo,project")


def test_a_board_needs_its_scope_and_must_be_there(world: World) -> None:
    world.run()
    world.start()
    with world.data.env_file.open("a") as env:
        env.write("MONITOR_PROJECT=org/7\n")
    found = examine(world)
    assert found["login"].remedy == "gh auth refresh --scopes project"
    assert found["board"].ok
    with world.data.env_file.open("a") as env:
        env.write("MONITOR_PROJECT=other/8\n")
    assert "unknown owner" in examine(world)["board"].text


def test_a_directory_tracker_needs_no_gh(world: World) -> None:
    world.run()
    world.start()
    with world.data.env_file.open("a") as env:
        env.write("MONITOR_TRACKER=directory\n")
    assert str(world.data.path / "issues") in examine(world)["gh"].text


def test_a_damaged_env_file_is_named(world: World) -> None:
    world.data.path.mkdir()
    world.data.env_file.write_text("MONITOR_SESSION_ID=..\n")
    finding = examine(world)["env file"]
    assert "MONITOR_SESSION_ID" in finding.text
    assert not finding.blocks, "a start puts it aside"


def test_a_little_machine_and_no_cron_are_said(world: World, tmp_path: Path) -> None:
    (world.proc / "meminfo").write_text("MemTotal:        4194304 kB\n")
    (tmp_path / "bin/crontab").unlink()
    found = examine(world)
    assert (found["memory"].ok, found["memory"].text) == (False, "4.0 GB")
    if not Path("/usr/bin/crontab").exists():
        assert found["cron"].remedy == "sudo apt-get install cron"


def test_a_running_cron_daemon_is_seen(world: World) -> None:
    assert examine(world)["cron"].text == "no cron daemon runs"
    (world.proc / "77").mkdir()
    (world.proc / "77/comm").write_text("cron\n")
    assert examine(world)["cron"].remedy == "monitor-loop start --install-cron"


def test_a_data_root_that_cannot_be_made_blocks(world: World) -> None:
    (world.elsewhere / "file").touch()
    request = Request(data=DataRoot(world.elsewhere / "file/data"), cwd=world.repo, embedded=True)
    assert doctor.doctor(request, world.proc).blocked


def test_blocked_means_not_ok_and_blocking() -> None:
    assert not Diagnosis((Finding("a", True, "", blocks=True), Finding("b", False, ""))).blocked
    assert Diagnosis((Finding("a", False, "", blocks=True),)).blocked


def test_L11_a_lock_file_without_holder_blocks_nobody(world: World) -> None:
    config = read_node_config(world.repo / CONFIG, world.repo)
    preflight.check_database(config, world.proc)
    config.lock_file.parent.mkdir(parents=True)
    config.lock_file.touch()
    preflight.check_database(config, world.proc)


def test_a_free_port_is_free_and_a_taken_one_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not preflight.is_free(port)
        assert "PID=" in preflight.holder_of_port(port)
    assert preflight.is_free(port)


def test_no_line_of_the_doctor_sends_to_the_doctor(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin/git").symlink_to(shutil.which("git") or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # the machine may have cron
    (tmp_path / "bin/crontab").unlink()
    (tmp_path / "bin/gh").write_text("not a program")
    text = doctor.render(doctor.doctor(Request(data=world.data, cwd=world.repo), world.proc))
    assert "warn  cron      cannot run crontab: No such file or directory -> sudo apt-get install cron\n" in text
    assert "monitor-loop doctor" not in text


def test_the_way_out_is_only_shown_where_it_is_one(world: World) -> None:
    way_out = "a start cannot work yet; monitor-loop start --embedded needs no toolchain, checkout or token"
    lacks_a_checkout = doctor.doctor(Request(data=world.data, cwd=world.elsewhere), world.proc)
    assert doctor.render(lacks_a_checkout).endswith(way_out)
    world.data.path.touch()
    for embedded in (True, False):
        no_place = doctor.doctor(Request(data=world.data, cwd=world.elsewhere, embedded=embedded), world.proc)
        assert doctor.render(no_place).endswith("a start cannot work yet")
