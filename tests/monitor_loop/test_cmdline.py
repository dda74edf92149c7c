"""argv in every form that the node accepts."""

from __future__ import annotations

import pytest

from monitor_loop import cmdline
from monitor_loop.session import Mode

BINARY = "/d/s/cargo-target/release/henyey"


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        (["--mainnet", "run", "-c", "a.toml"], "a.toml"),
        (["--config", "a.toml", "--mainnet", "run"], "a.toml"),
        (["run", "--conf", "a.toml"], "a.toml"),
        (["run", "--config=a.toml"], "a.toml"),
        (["run", "--conf=a.toml"], "a.toml"),
        (["run", "-ca.toml"], "a.toml"),
        (["run", "-c=a.toml"], "a.toml"),
        (["run", "-vc", "a.toml"], "a.toml"),
        (["run", "-c", "first.toml", "--config", "second.toml"], "first.toml"),
        (["run", "--conf=with = sign.toml"], "with = sign.toml"),
        (["run", "-c"], None),
        (["run", "--validator"], None),
        (["run", "--console", "--configuration", "x"], None),
        ([], None),
    ],
)
def test_config_in_every_form(arguments: list[str], config: str | None) -> None:
    assert cmdline.config_of([BINARY, *arguments]) == config


@pytest.mark.parametrize(
    ("arguments", "mode", "flags"),
    [
        (["--mainnet", "run", "--validator"], Mode.VALIDATOR, "--validator"),
        (["--mainnet", "run", "--watcher"], Mode.WATCHER, "--watcher"),
        (["--mainnet", "run"], Mode.WATCHER, ""),
        (["run", "-c", "validator.toml"], Mode.WATCHER, ""),
    ],
)
def test_mode_and_flags(arguments: list[str], mode: Mode, flags: str) -> None:
    assert cmdline.mode_of([BINARY, *arguments]) is mode
    assert cmdline.run_flags_of([BINARY, *arguments]) == flags


@pytest.mark.parametrize(
    ("prefix", "quoted"),
    [
        (["-I", "-m", "monitor_loop.embedded"], "-I -m monitor_loop.embedded"),
        (["-I", "-S", "/my data/s/boot.py"], "-I -S '/my data/s/boot.py'"),
        (["-I", "-c", "import x"], "-I -c 'import x'"),
    ],
)
def test_the_embedded_nodes_prefix_is_told_from_its_arguments(prefix: list[str], quoted: str) -> None:
    argv = [BINARY, *prefix, "--mainnet", "run", "--validator", "-c", "/s/embedded.toml"]
    assert cmdline.launch_prefix_of(argv) == quoted
    assert cmdline.config_of(argv) == "/s/embedded.toml"
    assert cmdline.mode_of(argv) is Mode.VALIDATOR


def test_henyey_has_no_prefix() -> None:
    assert cmdline.launch_prefix_of([BINARY, "-v", "--mainnet", "run"]) == ""
    assert cmdline.launch_prefix_of([BINARY]) == ""
