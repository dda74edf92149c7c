"""Which values of the environment are taken for secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor_tick.issues.redaction import redact
from monitor_tick.issues.secrets import environment_secrets
from tests.monitor_tick.issues.hostile import GITHUB, SEED


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "name", ["GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "db_pass", "APIKEY", "NODE_SEED", "SLACK_WEBHOOK"]
)
def test_a_value_whose_name_says_so_is_a_secret(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "plain-value")
    assert environment_secrets() == ("plain-value",)


@pytest.mark.parametrize("value", [SEED, GITHUB, f"--flag {SEED}"], ids=["seed", "token", "among others"])
def test_a_value_that_looks_like_one_is_a_secret_whatever_its_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOMETHING", value)
    assert environment_secrets() == (value,)


def test_the_password_in_an_address_is_a_secret_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user:hunter%4022@host/db")
    assert environment_secrets() == ("postgres://user:hunter%4022@host/db", "hunter%4022", "hunter@22")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSH_AUTH_SOCK", "/run/user/1000/ssh-agent"),
        ("GH_TOKEN", "short"),
        ("MONITOR_OPERATOR", "octocat-the-operator"),
        ("PATH", "/usr/local/bin:/usr/bin"),
        ("MONKEY", "not-a-key-at-all"),
        ("BROKEN_ADDRESS", "http://[::1"),
        ("HOME", "/"),
        ("HOME", ""),
    ],
)
def test_other_values_are_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert environment_secrets() == ()


def test_the_home_directory_is_known_by_both_of_its_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", f"{tmp_path}/link/")
    secrets = environment_secrets()
    assert set(secrets) == {f"{tmp_path}/link", f"{tmp_path}/real"}
    assert redact(f"{tmp_path}/link/data {tmp_path}/real/data", secrets) == "~/data ~/data"
