"""The tick finds its data root without the heavy imports of monitor-loop, and must find the same one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor_loop import envfile
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
