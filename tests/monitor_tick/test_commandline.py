"""The tick finds its data root without the heavy imports of monitor-loop, and must find the same one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor_loop import envfile
from monitor_tick.cli import main
from monitor_tick.commandline import data_path, env_file


@pytest.mark.parametrize("option", [None, "~", "~/data", "relative/root", "link"])
@pytest.mark.parametrize("variable", ["", "~/elsewhere", "other"])
def test_both_commands_mean_the_same_data_root(
    option: str | None, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MONITOR_DATA_ROOT", variable)
    root = envfile.data_root(option, os.environ)
    assert data_path(option) == str(root.path)
    assert env_file(data_path(option)) == str(root.env_file)


@pytest.mark.parametrize("arguments", [[], ["--dry-run"], ["issues"], ["explain", "scp"], ["replay"]])
def test_an_env_file_that_cannot_be_looked_at_is_not_absent(arguments: list[str], tmp_path: Path) -> None:
    root = ["--data-root", str(tmp_path)]
    file = tmp_path / "monitor-loop.env"
    absent = CliRunner().invoke(main, [*root, *arguments])
    assert absent.output == f"ERROR: {file} not found - run monitor-loop start first\n"
    file.symlink_to(file.name)  # of itself, so that not even its owner can read it
    refused = CliRunner().invoke(main, [*root, *arguments])
    assert refused.output == f"ERROR: {file}: Too many levels of symbolic links - check its owner and permissions\n"
    assert (absent.exit_code, refused.exit_code) == (1, 1)


def test_a_data_root_that_is_a_file_holds_no_session(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = CliRunner().invoke(main, ["--data-root", str(tmp_path / "file")])
    assert refused.output.endswith("not found - run monitor-loop start first\n")
